"""Any text as a secret's document or an admin's: a credential that can be used, or an error without a secret."""

import json
from functools import cache
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from salesforce_keypair.credential import ClientCredentials, Credential, certificate_in, holds_private_key, parse_admin
from salesforce_keypair.errors import HostNotAllowed, InvalidSecret
from tests.borders.counting import examples
from tests.borders.judge import value_or_error
from tests.borders.odd import RAW, scratched, texts, values, weighted
from tests.integration.org_client import key_pair
from tests.scenarios.leaks import Searcher
from tests.unit.support import LOOPBACK, document

_AUTHORITY = "6f1c2d3e-0000-4000-8000-0123456789ab"
_SECRET = "9F8E7D6C5B4A39281706F5E4D3C2B1A09F8E7D6C5B4A39281706F5E4D3C2B1A0"


@cache
def _right() -> dict[str, Any]:
    """A document with all members, and some that nobody here knows."""
    return document(
        key_pair(),
        appType="ConnectedApp",
        standby={"consumerKey": "3MVG9standby", "appName": "BillingStandby", "note": [1]},
        installation="metadata",
        keyAlgorithm="RSA_2048",
        certificateAuthorityArn=f"arn:aws:acm-pca:eu-west-1:123456789012:certificate-authority/{_AUTHORITY}",
        certificateValidityDays=365,
        audience="https://acme.my.salesforce.com",
        apiVersion="v67.0",
        replaceForeignCertificate=False,
        owner={"team": "billing", "since": 2019.5},
    )


@cache
def _admin() -> dict[str, Any]:
    """AWS's shape of an admin's secret."""
    members = ("consumerKey", "baseUri")
    return {name: _right()[name] for name in members} | {"consumerSecret": _SECRET, "appId": "0x", "consumerId": "888"}


@cache
def _secrets() -> Searcher:
    searcher = Searcher()
    searcher.know_key(key_pair().key)
    searcher.know("consumer secret", _SECRET)
    return searcher


_members = st.deferred(lambda: scratched(_right()["privateKey"]) | scratched(_right()["certificate"])) | values
_documents = weighted(
    (6, st.deferred(lambda: texts(_right(), _members))),
    (
        2,
        st.deferred(
            lambda: texts({name: _right()[name] for name in ("consumerKey", "username", "baseUri", "appName")})
        ),
    ),
    (1, st.deferred(lambda: scratched(json.dumps(_right())))),
    (1, st.text(max_size=60) | st.sampled_from(RAW)),
)
_admins = weighted(
    (3, st.deferred(lambda: texts(_admin(), _members))),
    (1, st.deferred(lambda: texts(_admin() | _right(), _members))),
    (1, _documents),
)


def _parsed(text: str) -> Credential | None:
    return value_or_error(
        lambda: Credential.parse(text, hosts=LOOPBACK, check_key=False),
        secrets=_secrets(),
        errors=(InvalidSecret, HostNotAllowed),
    )


@given(text=_documents)
@examples(16_000)
def test_any_text_for_a_document(text: str) -> None:
    credential = _parsed(text)

    if credential is not None:
        assert _secrets().find(repr(credential)) == set()
        # A short one is in other members by chance.
        assert len(credential.consumer_key) < 8 or credential.consumer_key not in repr(credential)
        assert credential.username.isprintable()
        assert 0 < credential.validity_days < 4_000
        json.dumps(credential.document).encode()
    certificate_in(text)
    holds_private_key(text)


def _is_installable(credential: Credential) -> bool:
    def check() -> bool:
        credential.check_installable()
        return True

    return value_or_error(check, secrets=_secrets(), errors=(InvalidSecret,)) or False


@given(text=st.deferred(lambda: texts(_right(), values, most=2)))
@examples(300)
def test_a_document_that_was_taken_has_a_successor_that_is_taken_too(text: str) -> None:
    credential = _parsed(text)
    if credential is None or not _is_installable(credential):
        return
    successor = value_or_error(lambda: credential.successor(now=1.8e9), secrets=_secrets(), errors=(InvalidSecret,))

    if successor is not None:
        after = Credential.parse(successor.text, hosts=LOOPBACK, check_key=False)
        assert after.is_successor_of(credential)
        assert after.username == credential.username
        assert after.certificate == successor.certificate


@given(text=_admins)
@examples(1_000)
def test_any_text_for_an_admins_secret(text: str) -> None:
    admin = value_or_error(
        lambda: parse_admin(text, hosts=LOOPBACK), secrets=_secrets(), errors=(InvalidSecret, HostNotAllowed)
    )

    if admin is not None:
        assert _secrets().find(repr(admin)) == set()
    if isinstance(admin, ClientCredentials):
        assert admin.consumer_secret
