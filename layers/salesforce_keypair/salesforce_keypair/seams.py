"""The outside parties of the rules, each behind one small Protocol."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol

from salesforce_keypair.credential import Credential
from salesforce_keypair.keypair import Certificate, SigningRequest
from salesforce_keypair.salesforce.session import Session
from salesforce_keypair.secret_history import History, SecretState
from salesforce_keypair.secret_store import Value
from salesforce_keypair.timing import Deadline

if TYPE_CHECKING:
    # The vendor, whose login is behind a seam too, has no use for notices, nor for the Metadata API and its XML.
    from salesforce_keypair.notices import Notice
    from salesforce_keypair.salesforce.app_certificate import Installed


class SecretStore(Protocol):
    """Versions and labels of secrets."""

    def state(self, secret_id: str) -> SecretState:
        """Labels now."""
        ...

    def read(self, secret_id: str, *, version_id: str) -> Value | None:
        """A version's value, if it has one."""
        ...

    def put_pending(self, secret_id: str, version_id: str, text: str, *, rotation_token: str | None) -> bool:
        """Store a pending version's value, unless somebody was faster."""
        ...

    def move_label(self, secret_id: str, label: str, *, onto: str | None, off: str | None) -> None:
        """Move, put or take off a label."""
        ...

    def all_versions(self, secret_id: str) -> list[str]:
        """Ids of all versions, unlabelled ones included."""
        ...


class SecretHistory(Protocol):
    """What a secret held, and since when."""

    def history(self, secret_id: str) -> History:
        """Labels, dates and schedule now."""
        ...

    def read(self, secret_id: str, *, version_id: str) -> Value | None:
        """A version's value, if it has one."""
        ...


class AppCertificate(Protocol):
    """The one certificate of an app."""

    def installed(self) -> "Installed":
        """What the app holds now."""
        ...

    def replace(self, certificate: Certificate, *, just_before: Callable[[], object] | None = None) -> None:
        """Put in a certificate and change nothing else; `just_before` is called once all is rehearsed."""
        ...


class CertificateAuthority(Protocol):
    """A certificate authority in AWS Private CA that certifies our keys."""

    def sign(self, request: SigningRequest, *, authority_arn: str, deadline: Deadline) -> Certificate:
        """A certificate that is fit to be stored."""
        ...


class Login(Protocol):
    """Assertion in, session out."""

    def __call__(self, credential: Credential, *, deadline: Deadline) -> Session:
        """Log in once."""
        ...


OpenApp = Callable[[Credential, Sequence[Credential], Deadline], AppCertificate]
"""The app of a credential, as its admin sees it, or as its own user does who logs in with one of the keys given."""

Prove = Callable[[Credential, Deadline], None]
"""A login over a new connection whose token works; raises where there is none."""

Notify = Callable[["Notice"], bool]
"""Tell people something; whether that was done. Raises nothing."""

Parse = Callable[[str], Credential]
"""The secret's document, checked."""
