"""Secrets Manager as the rules see it, over boto3 and a strict local Secrets Manager."""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
from botocore.config import Config

from salesforce_keypair.errors import InvalidSecret, KeyPairError, SecretUnavailable
from salesforce_keypair.secret_history import RotationRules, SecretState
from salesforce_keypair.secret_store import CURRENT, PENDING, PREVIOUS, ROLLED_BACK, SecretsManager, Value
from tests.sandbox.aws import SERVER_ERROR, THROTTLED, DropConnection, Garble, LocalAws, Refuse

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

ONE, TWO, THREE = (str(uuid4()) for _ in range(3))


@dataclass
class Store:
    """A secret `key-pair` whose version ONE is current, and the store over it."""

    aws: LocalAws
    client: "SecretsManagerClient"
    secrets: SecretsManager

    def put(self, version_id: str, text: str, *labels: str) -> None:
        self.client.put_secret_value(
            SecretId="key-pair", ClientRequestToken=version_id, SecretString=text, VersionStages=labels
        )


@pytest.fixture
def store() -> Iterator[Store]:
    with LocalAws() as aws:
        client = aws.client("secretsmanager", config=Config(retries={"total_max_attempts": 1}))
        client.create_secret(Name="key-pair", SecretString="one", ClientRequestToken=ONE)
        yield Store(aws, client, SecretsManager(client))


def refusal(call: Callable[[], object]) -> KeyPairError:
    with pytest.raises(KeyPairError) as caught:
        call()
    return caught.value


# State and values


def test_the_state_says_which_version_has_which_labels(store: Store) -> None:
    store.put(TWO, "two", CURRENT)
    store.put(THREE, "three", PENDING, ROLLED_BACK)
    state = store.secrets.state("key-pair")

    assert not state.rotation_enabled
    assert state.labels == {
        ONE: frozenset({PREVIOUS}),
        TWO: frozenset({CURRENT}),
        THREE: frozenset({PENDING, ROLLED_BACK}),
    }
    assert [state.version_with(label) for label in (CURRENT, PENDING, "mine")] == [TWO, THREE, None]
    assert (state.labels_of(ONE), state.labels_of("other")) == (frozenset({PREVIOUS}), frozenset())


def test_a_state_without_versions_has_no_labels() -> None:
    assert SecretState(rotation_enabled=True, labels={}).version_with(CURRENT) is None


def test_a_value_is_read_by_version_or_by_label(store: Store) -> None:
    store.put(TWO, "two", CURRENT)

    arn = store.client.describe_secret(SecretId="key-pair")["ARN"]
    assert store.secrets.read("key-pair", version_id=ONE) == Value(arn, ONE, "one")
    assert store.secrets.read_labelled("key-pair", CURRENT) == Value(arn, TWO, "two")
    assert store.secrets.read_labelled("key-pair", PREVIOUS) == Value(arn, ONE, "one")
    assert "two" not in repr(store.secrets.read_labelled("key-pair", CURRENT))


def test_what_is_empty_or_not_there_is_no_value(store: Store) -> None:
    assert store.secrets.read("key-pair", version_id=TWO) is None
    assert store.secrets.read_labelled("key-pair", PENDING) is None
    assert store.secrets.read_labelled("misspelt", CURRENT) is None


def test_a_binary_value_is_refused(store: Store) -> None:
    store.client.put_secret_value(SecretId="key-pair", SecretBinary=b"hunter2")
    error = refusal(lambda: store.secrets.read_labelled("key-pair", CURRENT))

    assert isinstance(error, InvalidSecret)
    assert error.what == "the secret's value is binary"
    assert "SecretString" in error.remedy


# Writing


def test_a_pending_value_is_stored_once(store: Store) -> None:
    assert store.secrets.put_pending("key-pair", TWO, "mine", rotation_token=None)
    assert store.secrets.put_pending("key-pair", TWO, "mine", rotation_token=None)
    assert not store.secrets.put_pending("key-pair", TWO, "another's", rotation_token=None)

    value = store.secrets.read_labelled("key-pair", PENDING)
    assert value is not None
    assert (value.version_id, value.text) == (TWO, "mine")
    current = store.secrets.read_labelled("key-pair", CURRENT)
    assert current is not None
    assert current.text == "one"


@pytest.mark.parametrize("token", ["r" * 36, None])
def test_a_rotation_token_is_handed_back_where_there_is_one(store: Store, token: str | None) -> None:
    store.secrets.put_pending("key-pair", TWO, "mine", rotation_token=token)
    (call,) = store.aws.calls("PutSecretValue")

    assert call.parameters.get("RotationToken") == token


def test_a_label_moves_goes_on_and_comes_off(store: Store) -> None:
    store.put(TWO, "two", PENDING)
    store.secrets.move_label("key-pair", CURRENT, onto=TWO, off=ONE)
    store.secrets.move_label("key-pair", ROLLED_BACK, onto=ONE, off=None)
    store.secrets.move_label("key-pair", PENDING, onto=None, off=TWO)

    assert store.secrets.state("key-pair").labels == {
        ONE: frozenset({PREVIOUS, ROLLED_BACK}),
        TWO: frozenset({CURRENT}),
    }


def test_a_label_that_somebody_else_moved_is_not_moved_over_them(store: Store) -> None:
    store.put(TWO, "two", CURRENT)
    store.put(THREE, "three", PENDING)
    error = refusal(lambda: store.secrets.move_label("key-pair", CURRENT, onto=THREE, off=ONE))

    assert "moved meanwhile" in error.remedy
    assert store.secrets.state("key-pair").version_with(CURRENT) == TWO


@pytest.mark.parametrize(("onto", "off"), [(TWO, ONE), (TWO, None), (None, ONE)], ids=["moved", "put on", "taken off"])
def test_a_move_whose_answer_was_lost_is_found_done(store: Store, onto: str | None, off: str | None) -> None:
    """The SDK asks again, and is refused, for the label isn't any more where it was."""
    store.put(TWO, "two", PENDING)
    if off is not None:
        store.client.update_secret_version_stage(SecretId="key-pair", VersionStage="mine", MoveToVersionId=off)
    store.aws.faults.inject("UpdateSecretVersionStage", DropConnection(after_effect=True))
    client = store.aws.client("secretsmanager", config=Config(retries={"total_max_attempts": 2}))
    SecretsManager(client).move_label("key-pair", "mine", onto=onto, off=off)

    assert store.secrets.state("key-pair").version_with("mine") == onto
    assert len(store.aws.calls("UpdateSecretVersionStage")) >= 2


def test_all_versions_are_listed_newest_first_over_all_pages(store: Store) -> None:
    made = [ONE]
    for number in range(120):
        made.append(str(uuid4()))
        store.put(made[-1], f"v{number}", CURRENT)
    listed = store.secrets.all_versions("key-pair")

    assert len(store.aws.calls("ListSecretVersionIds")) > 1
    assert listed[0] == made[-1]
    assert listed == sorted(listed, key=lambda each: -made.index(each))
    assert set(listed) == set(made)


def test_an_empty_token_ends_the_list(store: Store) -> None:
    """As moto ends it: to ask on with that, the SDK refuses."""
    version = f'{{"VersionId": "{TWO}", "CreatedDate": 1}}'
    body = f'{{"ARN": "x", "Versions": [{version}], "NextToken": ""}}'
    store.aws.faults.inject("ListSecretVersionIds", Garble(body.encode()))

    assert store.secrets.all_versions("key-pair") == [TWO]


def test_a_list_without_versions_is_empty(store: Store) -> None:
    store.aws.faults.inject("ListSecretVersionIds", Garble(b'{"ARN": "x"}'))

    assert store.secrets.all_versions("key-pair") == []


def test_the_history_says_since_when_the_secret_is_as_it_is(store: Store) -> None:
    store.put(TWO, "two", CURRENT)
    store.put(THREE, "three", CURRENT)
    history = store.secrets.history("key-pair")

    assert history.state == store.secrets.state("key-pair")
    # ONE has no label any more.
    assert sorted(history.created, key=history.created.__getitem__) == [ONE, TWO, THREE]
    assert history.changed == history.created[THREE]
    assert history.rules == RotationRules()


def test_the_history_holds_the_schedule_and_its_dates(store: Store) -> None:
    described = store.client.describe_secret(SecretId="key-pair")
    last, coming = datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 12, 1, tzinfo=UTC)
    told = {
        "RotationEnabled": True,
        "RotationRules": {"AutomaticallyAfterDays": 30, "ScheduleExpression": "rate(30 days)", "Duration": "3h"},
        "LastRotatedDate": last.timestamp(),
        "NextRotationDate": coming.timestamp(),
        "RotationLambdaARN": "arn:aws:lambda:us-east-1:123456789012:function:rotation",
        "CreatedDate": last.timestamp() - 60,
        "LastChangedDate": last.timestamp() + 60,
    }
    body = json.dumps({"ARN": described["ARN"], "Name": "key-pair", **told}).encode()
    store.aws.faults.inject("DescribeSecret", Garble(body))
    history = store.secrets.history("key-pair")

    assert history.state.rotation_enabled
    assert history.rules == RotationRules("rate(30 days)", 30, "3h", last, coming)
    assert (history.arn, history.name, history.function) == (described["ARN"], "key-pair", told["RotationLambdaARN"])
    assert history.made == last - timedelta(minutes=1)
    assert history.changed == last + timedelta(minutes=1)
    assert not history.deleted


def test_the_history_of_a_secret_of_which_little_is_told_is_what_is_told(store: Store) -> None:
    store.aws.faults.inject("DescribeSecret", Garble(b'{"ARN": "arn:x", "DeletedDate": 1}'))
    history = store.secrets.history("key-pair")

    assert history.state == SecretState(rotation_enabled=False, labels={})
    assert (history.arn, history.name, history.function) == ("arn:x", "arn:x", None)
    assert (history.made, history.changed, history.rules) == (None, None, RotationRules())
    assert history.deleted


def test_the_history_is_dated_by_awss_own_clock(store: Store) -> None:
    answered = store.secrets.history("key-pair").answered

    assert answered is not None
    assert abs(answered - datetime.now(UTC)) < timedelta(minutes=1)


@pytest.mark.parametrize(
    "members",
    [
        {"Name": 5},
        {"RotationLambdaARN": 5},
        {"RotationRules": {"ScheduleExpression": 5}},
        {"RotationRules": {"AutomaticallyAfterDays": "30"}},
        {"RotationRules": {"Duration": 5}},
    ],
    ids=str,
)
def test_a_history_with_members_of_another_kind_is_none(store: Store, members: dict[str, object]) -> None:
    store.aws.faults.inject("DescribeSecret", Garble(json.dumps({"ARN": "x", **members}).encode()))

    assert (
        "answer to DescribeSecret can't be understood (TypeError)"
        in refusal(lambda: store.secrets.history("key-pair")).what
    )


# Refusals of AWS

HTML = b"<html>Service Unavailable</html>"
CALLS: dict[str, Callable[[SecretsManager], object]] = {
    "DescribeSecret": lambda secrets: secrets.state("key-pair"),
    "GetSecretValue": lambda secrets: secrets.read_labelled("key-pair", CURRENT),
    "PutSecretValue": lambda secrets: secrets.put_pending("key-pair", TWO, "mine", rotation_token=None),
    "UpdateSecretVersionStage": lambda secrets: secrets.move_label("key-pair", "mine", onto=ONE, off=None),
    "ListSecretVersionIds": lambda secrets: secrets.all_versions("key-pair"),
}


@pytest.mark.parametrize("operation", CALLS)
@pytest.mark.parametrize(
    ("disturbance", "retryable"),
    [
        (THROTTLED, True),
        (SERVER_ERROR, True),
        (Refuse("LimitExceededException"), True),
        (Refuse("SomethingNew", status=503), True),
        (Refuse("SomethingNew", status=429), True),
        (Refuse("SomethingNew"), False),
        (Refuse("AccessDeniedException"), False),
    ],
    ids=lambda value: f"{value.code} {value.status}" if isinstance(value, Refuse) else "",
)
def test_a_refusal_of_aws_is_named_and_says_whether_it_passes(
    store: Store, operation: str, disturbance: Refuse, retryable: bool
) -> None:
    store.aws.faults.inject(operation, disturbance)
    error = refusal(lambda: CALLS[operation](store.secrets))

    assert type(error) is SecretUnavailable
    assert f"{operation} with {disturbance.code} ({disturbance.message})" in error.what
    assert error.retryable is retryable
    assert error.__cause__ is not None
    assert error.remedy


@pytest.mark.parametrize(
    ("code", "remedy"),
    [
        ("AccessDeniedException", "role"),
        ("DecryptionFailure", "KMS"),
        ("EncryptionFailure", "KMS"),
        ("InvalidRequestException", "deletion"),
        ("InvalidParameterException", "labels"),
        ("ResourceNotFoundException", "Region"),
    ],
)
def test_what_a_person_can_do_about_a_refusal_is_said(store: Store, code: str, remedy: str) -> None:
    store.aws.faults.inject("DescribeSecret", Refuse(code))
    assert remedy in refusal(lambda: store.secrets.state("key-pair")).remedy


@pytest.mark.parametrize("operation", CALLS)
def test_an_aws_that_does_not_answer_is_told_as_such(store: Store, operation: str) -> None:
    store.aws.faults.inject(operation, DropConnection())
    error = refusal(lambda: CALLS[operation](store.secrets))

    assert type(error) is SecretUnavailable
    assert error.retryable
    assert f"didn't answer {operation} (ConnectionClosedError)" in error.what
    assert "route" in error.remedy
    assert error.__cause__ is not None


@pytest.mark.parametrize(
    ("operation", "body"),
    [
        *product(("DescribeSecret", "GetSecretValue"), (HTML, b"{}", b"[]")),
        *product(
            ("ListSecretVersionIds",), (HTML, b"[]", b'{"Versions": 5}', b'{"Versions": [{}]}', b'{"Versions": []}')
        ),
        *product(("PutSecretValue",), (HTML, b"{}", b"[]")),
        ("DescribeSecret", b'{"ARN": "x", "VersionIdsToStages": {"1": [["AWSCURRENT"]]}}'),
        ("DescribeSecret", b'{"ARN": "x", "RotationEnabled": ["true"]}'),
        ("DescribeSecret", b'{"ARN": "x", "LastRotatedDate": 9223372036854775808}'),
        ("GetSecretValue", b'{"ARN": "x", "VersionId": "1", "SecretString": 5}'),
        ("ListSecretVersionIds", b'{"ARN": "x", "Versions": [{"CreatedDate": 1, "VersionId": 5}]}'),
        ("ListSecretVersionIds", b'{"ARN": "x", "NextToken": 5}'),
    ],
)
def test_a_garbled_answer_of_aws_is_told_as_such(store: Store, operation: str, body: bytes) -> None:
    """As a proxy in between makes them; an answer without what was asked for is none."""
    store.aws.faults.inject(operation, Garble(body))
    error = refusal(lambda: CALLS[operation](store.secrets))

    assert isinstance(error, SecretUnavailable)
    told = rf"Secrets Manager's answer to {operation} can't be understood \((no \w+|(?!NoneType)[A-Z]\w+)\)"
    assert re.fullmatch(told, error.what)


def test_a_value_that_arrives_garbled_is_not_in_what_the_error_came_from(store: Store) -> None:
    store.aws.faults.inject("GetSecretValue", Garble(b'\x80{"SecretString": "hunter2"}'))
    error = refusal(lambda: store.secrets.read("key-pair", version_id=ONE))

    assert isinstance(error, SecretUnavailable)
    assert error.__cause__ is None
    assert error.__context__ is None, "a UnicodeDecodeError holds all that it couldn't decode"


def test_a_move_that_was_done_is_done_however_it_was_answered(store: Store) -> None:
    store.aws.faults.inject("UpdateSecretVersionStage", Garble(b"[]"))
    store.secrets.move_label("key-pair", "mine", onto=ONE, off=None)

    assert store.secrets.state("key-pair").version_with("mine") == ONE


def test_a_page_of_somebody_in_between_is_not_taken_for_a_move(store: Store) -> None:
    """A rotation would take the pending label off a key that nobody had made current."""
    store.aws.faults.inject("UpdateSecretVersionStage", Refuse("Maintenance", status=200))
    error = refusal(lambda: store.secrets.move_label("key-pair", "mine", onto=ONE, off=None))

    assert isinstance(error, SecretUnavailable)
    assert error.retryable
    assert "answer to UpdateSecretVersionStage can't be understood (no ARN)" in error.what
    assert store.secrets.state("key-pair").version_with("mine") is None


def test_what_aws_echoes_of_a_value_is_not_shown(store: Store) -> None:
    echo = Refuse("ValidationException", message=f"bad value {'A1b2' * 20}")
    store.aws.faults.inject("PutSecretValue", echo)
    error = refusal(lambda: store.secrets.put_pending("key-pair", TWO, "mine", rotation_token=None))

    assert "bad value [redacted]" in error.what
