"""Any event: a request that can be done, or InvalidRequest; through the parsers, and through the handlers whole."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from salesforce_keypair.errors import InvalidRequest, KeyPairError
from salesforce_keypair.monitoring import secrets_of
from salesforce_keypair.rotation_request import RotationRequest, Step
from salesforce_keypair.vend_request import VendRequest
from tests.borders.counting import examples
from tests.borders.judge import value_or_error
from tests.borders.odd import bodies, changed, texts, values, weighted
from tests.borders.wire import AWS_PORT, ENVIRONMENT, SALESFORCE, SALESFORCE_PORT, Wire, http, wired
from tests.integration.org_client import key_pair
from tests.scenarios.handlers import Context, Handler, loaded
from tests.scenarios.leaks import Searcher
from tests.scenarios.support import event
from tests.unit.support import TOKEN_REPLY, FakeClock, document

_ARN = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:salesforce/keypair-AbCdEf"
_VERSION = "11111111-1111-4111-8111-111111111111"
_ROTATION_TOKEN = "0f6c2d9b-7a31-4e85-b1c4-9d2e6f8a0b35-9d2e6f8a"
_ROTATION = {"Step": "createSecret", "SecretId": _ARN, "ClientRequestToken": _VERSION, "RotationToken": _ROTATION_TOKEN}
_VEND = {"secret_id": "b", "min_ttl_seconds": 60, "force_refresh": False}
_steps = st.sampled_from([*Step, "CreateSecret", "createSecret ", "rollback"])
_rotation_events = st.builds(lambda step: _ROTATION | {"Step": step}, _steps).flatmap(
    lambda event: changed(event, most=2)
)
_numbers = st.one_of(
    st.sampled_from((float("nan"), float("inf"), -0.0, 1e-320, 10**400, -(10**400), 900, 900.5, True)), values
)
_vend_events = changed(_VEND, _numbers, most=3) | st.builds(
    lambda number: _VEND | {"min_ttl_seconds": number}, _numbers
)

_monitor_events = changed(event("monitor-label-updated") | {"resources": [_ARN]}, most=2) | values


@given(event=_rotation_events | st.text(max_size=5) | st.none())
@examples(12_000)
def test_any_event_of_a_rotation(event: object) -> None:
    request = value_or_error(lambda: RotationRequest.parse(event), secrets=_secrets(), errors=(InvalidRequest,))

    if request is not None:
        assert request.step in set(Step)
        assert 32 <= len(request.version_id) <= 64
        assert _ROTATION_TOKEN not in repr(request)


@given(event=_vend_events | st.text(max_size=5) | st.none())
@examples(8_000)
def test_any_request_for_a_token(event: object) -> None:
    request = value_or_error(
        lambda: VendRequest.parse(event, secret_ids=("a", "b"), token_lifetime=900), errors=(InvalidRequest,)
    )

    if request is not None:
        assert request.secret_id in ("a", "b"), "one vendor is one trust boundary"
        assert 0 <= request.min_ttl <= 900
        assert isinstance(request.force_refresh, bool)


@given(event=_monitor_events)
@examples(12_000)
def test_any_event_of_the_monitor(event: object) -> None:
    secret_ids = secrets_of(event, ("b", "salesforce/keypair", _ARN))

    assert secret_ids
    assert [each for each in ("b", "salesforce/keypair", _ARN) if each in secret_ids] == list(secret_ids)


def _secrets() -> Searcher:
    searcher = Searcher()
    searcher.know("rotation token", _ROTATION_TOKEN)
    return searcher


@dataclass
class _Account:
    """AWS and an org that answer right, but for what a test changes; with both functions."""

    wire: Wire
    clock: FakeClock
    secrets: Searcher
    vendor: Handler
    rotation: Handler
    made: int = 0
    document: str = ""
    login: bytes = b""

    def put(self, text: str, login: bytes) -> None:
        """A new version of the secret, for what a version holds is remembered; and time enough to forget refusals."""
        self.made += 1
        self.clock.advance(100_000)
        self.document, self.login = text, login

    def aws(self, request: bytes) -> bytes:
        version = f"{self.made:08d}{_VERSION[8:]}"
        if b"GetSecretValue" in request:
            answer: dict[str, Any] = {"ARN": _ARN, "VersionId": version, "SecretString": self.document}
        else:
            answer = {"ARN": _ARN, "RotationEnabled": False, "VersionIdsToStages": {version: ["AWSCURRENT"]}}
        return http(json.dumps(answer).encode())

    def salesforce(self, request: bytes) -> bytes:
        return self.login

    def call(self, handler: Handler, event: Any, context: Context | None = None) -> Any:
        """What the handler does with an event; nothing of it leaks, and nobody else is asked."""
        self.wire.called.clear()
        result = value_or_error(lambda: handler(event, context), secrets=self.secrets, errors=(KeyPairError,))
        assert not self.wire.strangers()
        printed = json.dumps(handler.printed(), ensure_ascii=False)
        assert self.secrets.find(printed) == set()
        return result


def _document() -> dict[str, Any]:
    return document(key_pair(), baseUri=SALESFORCE)


_LOGIN = TOKEN_REPLY | {"instance_url": SALESFORCE}


@pytest.fixture(scope="module")
def account() -> Iterator[_Account]:
    clock = FakeClock()
    place = SimpleNamespace(clock=clock, variables={**ENVIRONMENT, "SECRET_ID": f"b,{_ARN}"}, note=lambda text: None)
    secrets = _secrets()
    secrets.know_key(key_pair().key)
    secrets.know("access token", str(TOKEN_REPLY["access_token"])[:40])
    with wired(clock) as wire, loaded("token_vendor", place) as vendor, loaded("rotation", place) as rotation:
        made = _Account(wire, clock, secrets, vendor, rotation)
        wire.answers |= {AWS_PORT: made.aws, SALESFORCE_PORT: made.salesforce}
        yield made


_claims = st.dictionaries(st.sampled_from(("claimed_caller", "x")), st.text(max_size=40) | values, max_size=2) | values
_contexts = st.builds(
    lambda custom, identity: Context(
        client_context=SimpleNamespace(custom=custom), identity=SimpleNamespace(cognito_identity_id=identity)
    ),
    _claims,
    values,
)


@given(event=_vend_events, context=_contexts)
@examples(1_500)
def test_any_request_and_any_caller_through_the_vendors_handler(
    account: _Account, event: object, context: Context
) -> None:
    account.put(json.dumps(_document()), http(json.dumps(_LOGIN).encode()))
    reply = account.call(account.vendor, event, context)

    assert reply is None or reply["access_token"] == _LOGIN["access_token"]


_changed_documents = st.deferred(lambda: texts(_document(), most=2))


@given(text=_changed_documents, login=weighted((1, st.just(_LOGIN)), (1, changed(_LOGIN, most=2))).flatmap(bodies))
@examples(600)
def test_any_document_and_any_login_through_the_vendors_handler(account: _Account, text: str, login: bytes) -> None:
    account.put(text, http(login))
    reply = account.call(account.vendor, {})

    if reply is not None:
        assert json.loads(json.dumps(reply, allow_nan=False)) == reply


@given(event=_rotation_events)
@examples(1_000)
def test_any_event_through_the_rotations_handler(account: _Account, event: object) -> None:
    account.put(json.dumps(_document()), b"")

    assert account.call(account.rotation, event) is None
