"""Which rows of the table are believed, and what happens where the table fails."""

import json
import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from salesforce_keypair.errors import SecretUnavailable
from salesforce_keypair.secret_history import SecretState
from salesforce_keypair.shared_tokens import TABLE_PAUSE_SECONDS, Shared
from tests.integration.org_client import key_pair
from tests.sandbox.aws import SERVER_ERROR, THROTTLED, DropConnection, Garble, Refuse
from tests.unit.sharing import ID, NOW, Environment, Office, S, a_token, version
from tests.unit.support import arn_of, text_of

LABELS = ["AWSCURRENT", "AWSPREVIOUS", "AWSPENDING", "ROLLEDBACK"]


# Whose seal


@pytest.mark.parametrize("label", LABELS)
def test_a_token_that_any_labelled_version_sealed_is_believed(office: Office, label: str) -> None:
    office.secrets.put(S, "other", text_of(key_pair("second")), label)
    token = a_token(office.clock, key_version="other")
    office.put(version("second", "other"), token)

    assert office.environment().look() == token


def test_a_token_of_a_version_without_a_label_is_not_believed_and_its_value_not_read(office: Office) -> None:
    office.secrets.put(S, "other", text_of(key_pair("second")))
    office.put(version("second", "other"), a_token(office.clock))

    assert office.environment().look() is None
    assert office.secrets.calls == ["read AWSCURRENT", "state"]


def test_a_token_is_believed_no_longer_than_its_version_has_a_label(office: Office) -> None:
    office.put(version(), a_token(office.clock))
    environment = office.environment()
    assert environment.look() is not None

    office.secrets.put(S, "v2", text_of(key_pair("second")), "AWSCURRENT")
    assert environment.look() is None
    office.secrets.put(S, "v1", text_of(key_pair("first")), "AWSPREVIOUS")
    assert environment.look() is not None


OTHER_DOCUMENTS: dict[str, Callable[[], str]] = {
    "another user": lambda: text_of(key_pair("second"), username="other@example.com"),
    "another org": lambda: text_of(key_pair("second"), baseUri="https://other.my.salesforce.com"),
    "no key": text_of,
    "half a document": lambda: text_of(key_pair("second"))[:200],
    "another host": lambda: text_of(key_pair("second"), baseUri="https://evil.example.com"),
    "a list": lambda: "[]",
}


@pytest.mark.parametrize("text", OTHER_DOCUMENTS.values(), ids=OTHER_DOCUMENTS.keys())
def test_a_labelled_version_that_logs_in_as_somebody_else_or_as_nobody_vouches_for_nothing(
    office: Office, text: Callable[[], str]
) -> None:
    office.secrets.put(S, "other", text(), "AWSPREVIOUS")
    for members in ({}, {"username": "other@example.com"}, {"baseUri": "https://other.my.salesforce.com"}):
        office.put(version("second", "other", **members), a_token(office.clock))

        assert office.environment().look() is None


def test_the_token_of_a_user_whom_the_document_named_before_is_not_believed(office: Office) -> None:
    office.put(version(), a_token(office.clock))
    office.secrets.put(S, "v2", text_of(key_pair("first"), username="other@example.com"), "AWSCURRENT")
    office.secrets.put(S, "v1", text_of(key_pair("first")), "AWSPREVIOUS")

    assert office.environment().look() is None


def test_another_app_of_the_same_user_is_no_reason_to_disbelieve(office: Office) -> None:
    """As after the first of two apps took over from the other."""
    office.secrets.put(S, "other", text_of(key_pair("second"), consumerKey="3MVG9other"), "AWSPREVIOUS")
    office.put(version("second", "other", consumerKey="3MVG9other"), a_token(office.clock))

    assert office.environment().look() is not None


def test_where_the_labels_cannot_be_read_the_row_is_not_believed_and_nothing_fails(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    office.secrets.put(S, "other", text_of(key_pair("second")), "AWSPREVIOUS")
    office.put(version("second", "other"), a_token(office.clock))

    def unavailable(secret_id: str) -> SecretState:
        raise SecretUnavailable("no answer", remedy="try again")

    monkeypatch.setattr(office.secrets, "state", unavailable)

    assert office.environment().look() is None


# Another place, other words


def test_a_row_that_was_copied_to_another_secret_is_not_believed_though_the_key_pair_is_the_same(
    office: Office,
) -> None:
    office.secrets.put("another", "v1", text_of(key_pair("first")), "AWSCURRENT")
    office.put(version(), a_token(office.clock))
    office.table.copy(ID, arn_of("another"))

    assert office.environment().look("another") is None
    assert office.environment().look() is not None


FORGERIES: dict[str, dict[str, Any]] = {
    "lives longer": {"expires_at": {"N": str(NOW + 901)}},
    "lives for a day": {"expires_at": {"N": str(NOW + 86_400)}},
    "issued later": {"issued_at": {"N": str(NOW + 1)}},
    "another host": {"instance_url": {"S": "https://evil.my.salesforce.com"}},
    "another version with the same key pair": {"key_version": {"S": "v2"}},
    "a version that never was": {"key_version": {"S": "x" * 2000}},
    "nothing sealed": {"sealed": {"B": b""}},
    "one byte sealed": {"sealed": {"B": b"\0"}},
    "garbage sealed": {"sealed": {"B": bytes(range(256))}},
}


@pytest.mark.parametrize("forgery", FORGERIES.values(), ids=FORGERIES.keys())
def test_a_row_that_was_changed_is_not_believed(office: Office, forgery: dict[str, Any]) -> None:
    office.secrets.put(S, "v2", text_of(key_pair("first")), "AWSPREVIOUS")
    office.put(version(), a_token(office.clock))
    assert office.environment().look() is not None
    office.table.forge(ID, **forgery)

    assert office.environment().look() is None


def test_the_seal_of_one_token_does_not_make_another_of_it(office: Office) -> None:
    office.put(version(), a_token(office.clock))
    earlier = office.table.rows()[ID]["sealed"]
    office.clock.advance(500)
    office.put(version(), a_token(office.clock))
    office.table.forge(ID, sealed={"B": earlier})

    assert office.environment().look() is None


@pytest.mark.parametrize(("age", "lives"), [(899.9, True), (900.0, False), (5000.0, False)])
def test_an_end_is_judged_on_reading_whatever_dynamodb_has_deleted(office: Office, age: float, *, lives: bool) -> None:
    office.put(version(), a_token(office.clock))
    office.clock.advance(age)

    assert (office.environment().look() is not None) is lives
    assert ID in office.table.rows()


@pytest.mark.parametrize(("ahead", "believed"), [(59.0, True), (61.0, False), (100_000.0, False)])
def test_a_token_from_the_future_is_not_believed(office: Office, ahead: float, *, believed: bool) -> None:
    """Counted by a clock that is ahead, it would be served after its end."""
    office.put(version(), a_token(office.clock, issued_at=NOW + ahead, expires_at=NOW + ahead + 900))

    assert (office.environment().look() is not None) is believed


def test_that_a_row_is_not_believed_is_told_without_what_it_holds(
    office: Office, caplog: pytest.LogCaptureFixture
) -> None:
    office.put(version("second", "never there"), a_token(office.clock))
    office.table.forge(ID, key_version={"S": "never there" * 100})

    office.environment().look()

    (line,) = caplog.records
    assert line.levelno == logging.WARNING
    assert "isn't believed" in line.message
    assert line.__dict__["key_version"].startswith("never there")
    assert len(line.__dict__["key_version"]) <= 64
    assert "sealed" not in line.__dict__


def test_an_old_row_is_no_news(office: Office, caplog: pytest.LogCaptureFixture) -> None:
    office.put(version(), a_token(office.clock))
    office.clock.advance(900)
    office.environment().look()

    assert caplog.records == []


# Putting


def test_what_one_shares_all_others_have(office: Office) -> None:
    token = a_token(office.clock)

    assert office.environment().shared.put(version(), token)
    assert [office.environment().look() for _ in range(3)] == [token] * 3
    assert office.table.rows().keys() == {ID}


def test_an_earlier_token_is_not_put_in_place_of_a_later_one(office: Office) -> None:
    later = a_token(office.clock, value="00D!later", expires_at=NOW + 950.0)
    office.environment().shared.put(version(), later)

    assert not office.environment().shared.put(version(), a_token(office.clock))
    assert office.environment().look() == later


# Where the table fails

Ask = Callable[[Environment], object]


def look(environment: Environment) -> object:
    return environment.shared.look(version(), lambda _: None)


def take_lease(environment: Environment) -> object:
    return environment.shared.take_lease(ID, lambda _: None, seconds=8)


def put(environment: Environment) -> object:
    return environment.shared.put(version(), a_token(environment.clock))


ASKS: list[tuple[str, Ask]] = [("GetItem", look), ("UpdateItem", take_lease), ("UpdateItem", put)]
TROUBLES = [Refuse("AccessDeniedException"), SERVER_ERROR, DropConnection(), DropConnection(True)]


@pytest.mark.parametrize("trouble", [*TROUBLES, Garble(b"[]")], ids=str)
@pytest.mark.parametrize(("operation", "ask"), ASKS, ids=["look", "take_lease", "put"])
def test_a_failure_is_counted_and_told_once_and_the_table_left_alone_for_a_while(
    office: Office, operation: str, ask: Ask, trouble: Any, caplog: pytest.LogCaptureFixture
) -> None:
    environment = office.environment()
    office.table.aws.faults.inject(operation, trouble, times=None)

    assert not ask(environment)
    asked = len(office.table.calls())
    for _ in range(10):
        assert not any(ask(environment) for _, ask in ASKS)
        office.clock.advance(TABLE_PAUSE_SECONDS / 10 - 0.01)

    assert environment.failures == 1
    assert len(office.table.calls()) == asked
    (line,) = caplog.records
    assert (line.levelno, line.__dict__["seconds"]) == (logging.WARNING, TABLE_PAUSE_SECONDS)
    assert operation in line.__dict__["reason"]
    assert "logs in itself" in line.message

    office.table.aws.faults.clear()
    office.clock.advance(0.2)
    assert ask(environment)
    assert environment.failures == 1


@pytest.mark.parametrize("busy", [THROTTLED, Refuse("ProvisionedThroughputExceededException")], ids=str)
def test_a_table_that_is_busy_has_not_failed_and_is_asked_again(office: Office, busy: Refuse) -> None:
    environment = office.environment()
    for operation, ask in ASKS:
        office.table.aws.faults.inject(operation, busy, times=2)
        found = ask(environment)
        assert found in (None, False) or (isinstance(found, Shared) and found.token is None)
        assert office.table.aws.faults.unspent == 0
        assert ask(environment)

    assert environment.failures == 0


def test_where_reading_is_busy_somebody_is_taken_to_be_logging_in(office: Office) -> None:
    office.table.aws.faults.inject("GetItem", THROTTLED, times=2)

    found = office.environment().shared.look(version(), lambda _: None)

    assert isinstance(found, Shared)
    assert NOW < found.leased_until <= NOW + 1


def test_one_failure_after_the_other_is_counted_each_time(office: Office) -> None:
    environment = office.environment()
    office.table.aws.faults.inject("GetItem", Refuse("AccessDeniedException"), times=None)
    for _ in range(3):
        look(environment)
        office.clock.advance(TABLE_PAUSE_SECONDS)

    assert environment.failures == 3


def test_a_failure_of_one_environment_is_none_of_the_others(office: Office) -> None:
    token = a_token(office.clock)
    office.put(version(), token)
    environment = office.environment()
    office.table.aws.faults.inject("GetItem", Refuse("AccessDeniedException"))

    assert look(environment) is None
    assert office.environment().look() == token


def test_nothing_that_is_printed_of_a_failure_is_secret(office: Office, caplog: pytest.LogCaptureFixture) -> None:
    token = a_token(office.clock)
    office.table.aws.faults.inject("UpdateItem", Refuse("ValidationException", message=f"bad {token.value}"))

    with caplog.at_level(logging.DEBUG, logger="salesforce_keypair"):
        assert not office.environment().shared.put(version(), token)

    assert token.value[20:40] not in json.dumps([str(line.__dict__) for line in caplog.records])
    assert token.value[20:40] not in repr((token, replace(token, value="x" + token.value), office.environment().shared))


# Leases and holds


def nobody(_: str) -> None:
    """No version vouches for anything."""


def test_a_lease_ends_with_what_its_holder_writes_or_says_and_holds_nobody_back_unasked(office: Office) -> None:
    first, other = office.environment().shared, office.environment().shared
    for end in (
        lambda lease: first.put(version(), a_token(office.clock), lease=lease),
        first.release,
    ):
        taken = first.take_lease(ID, nobody, seconds=8)
        assert taken is not None
        assert other.take_lease(ID, nobody, seconds=8) is None
        end(taken[0])

        following = other.take_lease(ID, nobody, seconds=8)
        assert following is not None
        other.release(following[0])


def test_while_the_next_lease_is_held_back_only_who_has_no_token_takes_it(office: Office) -> None:
    environment = office.environment().shared
    taken = environment.take_lease(ID, nobody, seconds=8)
    assert taken is not None
    environment.release(taken[0], hold=5)

    assert environment.take_lease(ID, nobody, seconds=8) is None
    assert environment.take_lease(ID, nobody, seconds=8, though_held=True) is not None


def test_a_token_that_is_believed_is_warned_of_by_nobody(office: Office, caplog: pytest.LogCaptureFixture) -> None:
    office.put(version(), a_token(office.clock))

    assert office.environment().look() is not None
    assert caplog.records == []


@pytest.mark.parametrize(("ahead", "believed"), [(60, True), (61, False)])
def test_a_clock_that_is_a_minute_ahead_is_believed(office: Office, ahead: float, *, believed: bool) -> None:
    office.put(version(), a_token(office.clock, issued_at=office.clock.time() + ahead))

    assert (office.environment().look() is not None) is believed
