"""Who asked for a token, and which one they got, without the token."""

from typing import Any, Protocol

from salesforce_keypair.fetching import Fetched
from salesforce_keypair.redaction import foreign_words
from salesforce_keypair.vend_request import VendRequest

_MAX_CALLER = 256


class Invocation(Protocol):
    """The part of Lambda's context that tells of the caller."""

    @property
    def aws_request_id(self) -> str:
        """Of this invocation, as CloudTrail's data event has it, which names the caller's role."""
        ...


def audit_fields(
    invocation: Invocation, request: VendRequest | None = None, fetched: Fetched | None = None
) -> dict[str, Any]:
    """The fields of the audit line: no field for what isn't known.

    Lambda doesn't tell a function whose role invokes it directly; for the callers of a Function URL see `url_caller`.
    `caller` is an identity that AWS vouches for (Cognito); `claimed_caller` is what the caller says of itself in the
    client context, and proves nothing.
    """
    fields = {"request_id": invocation.aws_request_id, **_callers(invocation)}
    if request is not None:
        fields["secret"] = request.secret_id
    if fetched is not None:
        token = fetched.token
        fields |= {
            "org": token.org_id,
            "user": token.username,
            "key_version": token.key_version,
            "source": fetched.source,
            "token_sha256": token.fingerprint,
        }
    return fields


def _callers(invocation: Invocation) -> dict[str, str]:
    found = {}
    vouched = getattr(getattr(invocation, "identity", None), "cognito_identity_id", None)
    if isinstance(vouched, str) and vouched:
        found["caller"] = vouched
    custom = getattr(getattr(invocation, "client_context", None), "custom", None)
    claimed = custom.get("claimed_caller") if isinstance(custom, dict) else None
    if isinstance(claimed, str) and claimed:
        # A caller may put anything there, a token of another system too.
        found["claimed_caller"] = foreign_words(claimed[:_MAX_CALLER])
    return found
