"""Any answer of Secrets Manager and DynamoDB: what was asked for, or the error that the rules know."""

import base64
import json
from functools import cache
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from salesforce_keypair.errors import InvalidSecret, SecretUnavailable
from salesforce_keypair.secret_store import PENDING, SecretsManager
from salesforce_keypair.timing import Clock
from salesforce_keypair.token_table import Entry, Row, TableUnavailable, TokenTable
from salesforce_keypair.wiring.aws import secrets_manager
from tests.borders.counting import examples
from tests.borders.judge import value_or_error
from tests.borders.odd import bodies, changed, values, weighted
from tests.borders.wire import AWS_PORT, http, wired
from tests.integration.org_client import key_pair
from tests.scenarios.leaks import Searcher
from tests.unit.support import FakeClock, text_of

_ARN = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:x-AbCdEf"
_VERSION = "11111111-1111-4111-8111-111111111111"
_ROTATION_TOKEN = "a7f3c1e0-5b2d-4f68-9c1a-3e5d7f9b1c2d"


@cache
def _answers() -> dict[str, Any]:
    """A right answer to each operation."""
    return {
        "DescribeSecret": {
            "ARN": _ARN,
            "Name": "x",
            "RotationEnabled": True,
            "LastRotatedDate": 1.8e9,
            "VersionIdsToStages": {_VERSION: ["AWSCURRENT"], _VERSION.replace("1", "2"): ["AWSPENDING", "X"]},
        },
        "GetSecretValue": {
            "ARN": _ARN,
            "Name": "x",
            "VersionId": _VERSION,
            "SecretString": text_of(key_pair()),
            "VersionStages": ["AWSCURRENT"],
            "CreatedDate": 1.8e9,
        },
        "PutSecretValue": {"ARN": _ARN, "Name": "x", "VersionId": _VERSION, "VersionStages": ["AWSPENDING"]},
        "UpdateSecretVersionStage": {"ARN": _ARN, "Name": "x"},
        "ListSecretVersionIds": {
            "ARN": _ARN,
            "Versions": [
                {"VersionId": _VERSION, "CreatedDate": 1.8e9, "VersionStages": ["AWSCURRENT"]},
                {"VersionId": _VERSION.replace("1", "3"), "CreatedDate": 1.8e9},
            ],
        },
    }


_CODES = (
    "ResourceNotFoundException",
    "ThrottlingException",
    "AccessDeniedException",
    "ResourceExistsException",
    "InternalServiceError",
    "ConditionalCheckFailedException",
)
_errors = bodies(
    {"__type": "#".join(("com.amazonaws.x", "ThrottlingException")), "message": "no", "Message": None}
) | st.sampled_from(_CODES).flatmap(lambda code: bodies({"__type": code, "message": f"no {code}"}, most=2))
_statuses = st.sampled_from((200, 204, 302, 400, 403, 404, 413, 429, 500, 503))


@cache
def _bodies_of(operation: str) -> st.SearchStrategy[bytes]:
    return weighted((4, bodies(_answers()[operation])), (1, st.binary(max_size=40)))


def _raw(operation: str) -> st.SearchStrategy[bytes]:
    return weighted(
        (4, st.builds(http, _bodies_of(operation))),
        (2, st.builds(lambda body, status: http(body, status=status), _errors, _statuses)),
        # Not the value itself: that AWS tells it in place of an error's words is beyond what is defended against.
        (1, st.builds(lambda body, status: http(body, status=status), _bodies_of("DescribeSecret"), _statuses)),
    )


_scripts = st.sampled_from(
    ("DescribeSecret", "GetSecretValue", "PutSecretValue", "UpdateSecretVersionStage", "ListSecretVersionIds")
).flatmap(lambda operation: st.tuples(st.just(operation), _raw(operation)))


@cache
def _secrets() -> Searcher:
    searcher = Searcher()
    searcher.know_key(key_pair().key)
    searcher.know("rotation token", _ROTATION_TOKEN)
    return searcher


class _Store:
    """Secrets Manager's client, made once: that is most of what an example would take."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        with wired(self.clock):
            self.store: SecretsManager = secrets_manager()


_made = cache(_Store)


@given(script=_scripts)
@examples(1_000)
def test_any_answer_of_secrets_manager(script: tuple[str, bytes]) -> None:
    operation, answer = script
    made = _made()
    with wired(made.clock) as wire:
        wire.answers[AWS_PORT] = lambda request: (
            answer if operation.encode() in request else http(json.dumps(_answers()["DescribeSecret"]).encode())
        )
        _ask_store(made.store, operation)
        assert not wire.strangers()
        assert len(wire.called) <= 200


def _ask_store(store: SecretsManager, operation: str) -> None:
    errors = (SecretUnavailable, InvalidSecret)
    match operation:
        case "DescribeSecret":
            state = value_or_error(lambda: store.state("x"), secrets=_secrets(), errors=errors)
            if state is not None:
                assert isinstance(state.rotation_enabled, bool)
                for version, labels in state.labels.items():
                    assert isinstance(version, str)
                    assert all(isinstance(label, str) for label in labels)
            value_or_error(lambda: store.history("x"), secrets=_secrets(), errors=errors)
        case "GetSecretValue":
            value = value_or_error(lambda: store.read("x", version_id=_VERSION), secrets=_secrets(), errors=errors)
            if value is not None:
                assert {type(value.arn), type(value.version_id), type(value.text)} == {str}
        case "PutSecretValue":
            text = text_of(key_pair())
            value_or_error(
                lambda: store.put_pending("x", _VERSION, text, rotation_token=_ROTATION_TOKEN),
                secrets=_secrets(),
                errors=errors,
            )
        case "UpdateSecretVersionStage":
            value_or_error(
                lambda: store.move_label("x", PENDING, onto=None, off=_VERSION), secrets=_secrets(), errors=errors
            )
        case _:
            versions = value_or_error(lambda: store.all_versions("x"), secrets=_secrets(), errors=errors)
            assert versions is None or all(isinstance(version, str) for version in versions)
            value_or_error(lambda: store.history("x"), secrets=_secrets(), errors=errors)


_ITEM = {
    "id": {"S": _ARN},
    "key_version": {"S": _VERSION},
    "instance_url": {"S": "https://acme.my.salesforce.com"},
    "issued_at": {"N": "1800000000"},
    "expires_at": {"N": "1800000900"},
    "sealed": {"B": base64.b64encode(b"sealed" * 20).decode()},
    "lease_owner": {"S": "abc"},
    "lease_until": {"N": "1800000008000"},
    "refusal": {"B": base64.b64encode(b"refusal").decode()},
    "ttl": {"N": "1800004500"},
}
_numbers = st.sampled_from(
    ("-1", "999999999999999", "1800000061000", "1e400", "NaN", "", "0x1", "9" * 400, "1.5", "٣", " 1", "1_0")
).map(lambda text: {"N": text})
_typed = st.one_of(
    _numbers,
    st.sampled_from(({"NULL": True}, {"M": {}}, {"L": []}, {"S": 5}, {"B": "%%%"}, {"BOOL": "x"}, {"SS": []}, {})),
)
_items = changed(_ITEM, values | _typed, most=3) | st.builds(lambda number: _ITEM | {"lease_until": number}, _numbers)
_table_bodies = weighted(
    (8, _items.flatmap(lambda item: bodies({"Item": item, "Attributes": item}, most=0))),
    (2, bodies({"Item": _ITEM, "Attributes": _ITEM})),
    (1, st.binary(max_size=40)),
)
_table_answers = weighted(
    (4, st.builds(http, _table_bodies)),
    (1, st.builds(lambda body, status: http(body, status=status), _errors, _statuses)),
)
_ROW = Row(_VERSION, "https://acme.my.salesforce.com", 1_800_000_000, 1_800_000_900, b"sealed")


class _Tables:
    """DynamoDB's client, made once."""

    def __init__(self) -> None:
        import boto3

        self.clock = FakeClock()
        with wired(self.clock):
            self.client = boto3.client("dynamodb")

    def table(self, clock: Clock) -> TokenTable:
        return TokenTable(self.client, "tokens", clock)


_tables = cache(_Tables)


@given(answer=_table_answers, call=st.sampled_from(("read", "lease", "put", "release")))
@examples(1_500)
def test_any_item_and_any_answer_of_dynamodb(answer: bytes, call: str) -> None:
    made = _tables()
    table = made.table(made.clock)
    with wired(made.clock) as wire:
        wire.answers[AWS_PORT] = lambda request: answer
        match call:
            case "read":
                _check(value_or_error(lambda: table.read(_ARN), errors=(TableUnavailable,)), made.clock.time())
            case "lease":
                taken = value_or_error(lambda: table.take_lease(_ARN, "me", seconds=8), errors=(TableUnavailable,))
                _check(taken, made.clock.time())
            case "put":
                value_or_error(lambda: table.put(_ARN, _ROW, owner="me"), errors=(TableUnavailable,))
            case _:
                value_or_error(lambda: table.release(_ARN, "me", refusal=b"sealed"), errors=(TableUnavailable,))
        assert not wire.strangers()


def _check(entry: Entry | None, now: float) -> None:
    """Whatever lies there, a lease ends within a minute, and what is handed on is of the right type."""
    if entry is None:
        return
    assert entry.leased_until <= now + 60
    assert entry.refusal is None or isinstance(entry.refusal, bytes)
    if entry.row is not None:
        row = entry.row
        assert [
            type(each) for each in (row.key_version, row.instance_url, row.issued_at, row.expires_at, row.sealed)
        ] == [str, str, int, int, bytes]
