"""A row of the table: one lease at a time, no longer than leases last, and no write over a better token."""

import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from salesforce_keypair.token_table import MAX_LEASE_SECONDS, Entry
from tests.unit.sharing import ID, NOW, Table, row
from tests.unit.support import FakeClock

EMPTY = Entry(None, 0.0)


# Reading


def test_of_a_secret_that_nobody_has_asked_for_there_is_nothing(table: Table) -> None:
    assert table.opened().read(ID) == EMPTY
    assert table.rows() == {}


def test_what_was_put_is_read(table: Table) -> None:
    tokens = table.opened()

    assert tokens.put(ID, row())
    assert tokens.read(ID) == Entry(row(), 0.0)
    assert tokens.read("another") == EMPTY


def test_reads_are_consistent(table: Table) -> None:
    table.opened().read(ID)

    (call,) = table.calls("GetItem")
    assert call.parameters["ConsistentRead"] is True


# The lease


def test_one_has_the_lease_and_all_others_see_until_when(table: Table) -> None:
    mine, theirs = table.opened(), table.opened()

    assert mine.take_lease(ID, "me", seconds=8) == Entry(None, NOW + 8)
    assert theirs.take_lease(ID, "them", seconds=8) is None
    assert theirs.read(ID) == Entry(None, NOW + 8)
    assert theirs.take_lease("another", "them", seconds=8) is not None


def test_who_takes_it_sees_the_token_that_is_there(table: Table) -> None:
    table.opened().put(ID, row())

    assert table.opened().take_lease(ID, "me", seconds=8) == Entry(row(), NOW + 8)


@pytest.mark.parametrize(("after", "taken"), [(7.9, False), (8.0, True), (1000, True)])
def test_a_lease_ends_in_time(table: Table, clock: FakeClock, after: float, *, taken: bool) -> None:
    table.opened().take_lease(ID, "me", seconds=8)
    clock.advance(after)

    assert (table.opened().read(ID).leased_until == 0.0) is taken
    assert (table.opened().take_lease(ID, "them", seconds=8) is not None) is taken


def test_of_many_who_ask_at_once_one_gets_it(table: Table) -> None:
    environments = [table.opened() for _ in range(8)]
    at_once = threading.Barrier(len(environments))

    def take(number: int, row_id: str) -> bool:
        at_once.wait(30)
        return environments[number].take_lease(row_id, f"environment {number}", seconds=8) is not None

    with ThreadPoolExecutor(len(environments)) as pool:
        for row_id in map(str, range(6)):
            assert sum(pool.map(lambda number, row_id=row_id: take(number, row_id), range(len(environments)))) == 1


def lease(value: str) -> dict[str, Mapping[str, Any]]:
    return {"lease_owner": {"S": "forger"}, "lease_until": {"N": value}}


NO_LEASES: dict[str, Mapping[str, Any] | None] = {
    "missing": None,
    "text": {"S": f"{NOW + 8}000"},
    "null": {"NULL": True},
    "flag": {"BOOL": True},
    "bytes": {"B": b"1800000008000"},
    "map": {"M": {"N": {"N": f"{NOW + 8}000"}}},
    "list": {"L": [{"N": f"{NOW + 8}000"}]},
    "set": {"NS": [f"{NOW + 8}000"]},
    "over": {"N": f"{NOW}000"},
    "zero": {"N": "0"},
    "negative": {"N": f"-{NOW + 8}000"},
    "too long": {"N": f"{NOW + 60}001"},
    "in seconds of the year 50000": {"N": f"{NOW * 1000}000"},
    "huge": {"N": "9" * 38},
    "huge with an exponent": {"N": "1e120"},
}


@pytest.mark.parametrize("until", NO_LEASES.values(), ids=NO_LEASES.keys())
def test_what_is_no_lease_keeps_nobody_out(table: Table, until: Mapping[str, Any] | None) -> None:
    table.forge(ID, lease_owner={"S": "forger"}, lease_until=until)

    assert table.opened().read(ID) == EMPTY
    assert table.opened().take_lease(ID, "me", seconds=8) == Entry(None, NOW + 8)


@pytest.mark.parametrize("until", [f"{NOW + 60}000", f"{NOW + 5}000.25", f"{NOW + 5}00000e-2"])
def test_no_lease_is_believed_for_more_than_a_minute(table: Table, clock: FakeClock, until: str) -> None:
    table.forge(ID, **lease(until))

    assert table.opened().take_lease(ID, "me", seconds=8) is None
    clock.advance(MAX_LEASE_SECONDS + 0.001)
    assert table.opened().take_lease(ID, "me", seconds=8) is not None


@pytest.mark.parametrize("owner", [{"N": "7"}, {"NULL": True}, {"S": ""}, None])
def test_an_owner_of_any_kind_keeps_nobody_out_after_its_time(
    table: Table, clock: FakeClock, owner: Mapping[str, Any] | None
) -> None:
    table.forge(ID, lease_owner=owner, lease_until={"N": f"{NOW + 8}000"})

    assert table.opened().take_lease(ID, "me", seconds=8) is None
    clock.advance(8)
    assert table.opened().take_lease(ID, "me", seconds=8) is not None


def test_a_lease_is_given_back_at_once(table: Table) -> None:
    tokens = table.opened()
    tokens.take_lease(ID, "me", seconds=8)
    tokens.release(ID, "me")
    tokens.release(ID, "me")
    assert tokens.take_lease(ID, "them", seconds=8) is not None


def test_a_lease_that_is_given_back_can_be_held_from_all_but_those_who_cannot_wait(table: Table) -> None:
    tokens = table.opened()
    tokens.take_lease(ID, "me", seconds=8)
    assert tokens.take_lease(ID, "them", seconds=8, though_held=True) is None

    for _ in range(2):
        tokens.release(ID, "me", hold=30)
        assert tokens.read(ID) == Entry(None, leased_until=0.0, held_until=NOW + 30)
    assert tokens.take_lease(ID, "them", seconds=8) is None
    assert tokens.take_lease(ID, "them", seconds=8, though_held=True) is not None
    assert tokens.read(ID) == Entry(None, leased_until=NOW + 8, held_until=0.0)


def test_nobody_gives_back_what_is_anothers(table: Table, clock: FakeClock) -> None:
    table.opened().take_lease(ID, "me", seconds=8)
    clock.advance(9)
    table.opened().take_lease(ID, "them", seconds=8)

    table.opened().release(ID, "me")
    table.opened().release("never there", "me")

    assert table.opened().read(ID).leased_until == NOW + 17
    assert table.rows().keys() == {ID}


# Writing


@pytest.mark.parametrize(("hold", "held_until"), [(0.0, 0.0), (30.0, NOW + 30.0)])
def test_with_the_lease_a_token_is_stored_and_the_lease_ends(table: Table, hold: float, held_until: float) -> None:
    tokens = table.opened()
    tokens.take_lease(ID, "me", seconds=8)

    # Twice, as the SDK asks where an answer was lost.
    for _ in range(2):
        assert tokens.put(ID, row(), owner="me", hold=hold)
        assert tokens.read(ID) == Entry(row(), leased_until=0.0, held_until=held_until)


@pytest.mark.parametrize(("lasts", "stored"), [(899, False), (900, False), (901, True)])
def test_without_the_lease_a_token_is_stored_where_it_ends_later(table: Table, lasts: int, *, stored: bool) -> None:
    other = row(NOW + lasts, b"another")

    for owner in (None, "me"):
        table.opened().take_lease(ID, "them", seconds=8)
        table.opened().put(ID, row(), owner="them")
        table.opened().take_lease(ID, "them", seconds=8)
        assert table.opened().put(ID, other, owner=owner) is stored
        # The lease is the other's all the time.
        assert table.opened().read(ID) == Entry(other if stored else row(), NOW + 8)


def test_with_the_lease_a_token_is_stored_though_it_ends_earlier(table: Table) -> None:
    tokens = table.opened()
    tokens.put(ID, row(NOW + 80_000))
    tokens.take_lease(ID, "me", seconds=8)

    assert tokens.put(ID, row(), owner="me")
    assert tokens.read(ID).row == row()


def test_a_lease_that_ended_still_counts_until_another_takes_it(table: Table, clock: FakeClock) -> None:
    tokens = table.opened()
    tokens.put(ID, row(NOW + 1000))
    tokens.take_lease(ID, "me", seconds=8)
    clock.advance(20)
    assert tokens.put(ID, row(NOW + 900), owner="me")

    tokens.take_lease(ID, "me again", seconds=8)
    clock.advance(20)
    table.opened().take_lease(ID, "them", seconds=8)
    assert not tokens.put(ID, row(NOW + 800), owner="me again")
    assert tokens.read(ID).row == row(NOW + 900)


NO_ROWS: dict[str, dict[str, Mapping[str, Any] | None]] = {
    "expires: text": {"expires_at": {"S": str(NOW + 900)}},
    "expires: null": {"expires_at": {"NULL": True}},
    "expires: map": {"expires_at": {"M": {}}},
    "expires: missing": {"expires_at": None},
    "expires: negative": {"expires_at": {"N": "-1"}},
    "expires: fraction": {"expires_at": {"N": f"{NOW}.5"}},
    "expires: tiny": {"expires_at": {"N": "1e-100"}},
    "expires: huge": {"expires_at": {"N": "9" * 38}},
    "expires: huge with an exponent": {"expires_at": {"N": "1e125"}},
    "issued: text": {"issued_at": {"S": str(NOW)}},
    "issued: list": {"issued_at": {"L": [{"N": "1"}]}},
    "issued: missing": {"issued_at": None},
    "issued: negative": {"issued_at": {"N": "-5"}},
    "version: number": {"key_version": {"N": "1"}},
    "version: null": {"key_version": {"NULL": True}},
    "version: missing": {"key_version": None},
    "url: bytes": {"instance_url": {"B": b"https://acme.my.salesforce.com"}},
    "url: missing": {"instance_url": None},
    "sealed: text": {"sealed": {"S": "c2VhbGVk"}},
    "sealed: set": {"sealed": {"BS": [b"sealed"]}},
    "sealed: missing": {"sealed": None},
}


@pytest.mark.parametrize("attributes", NO_ROWS.values(), ids=NO_ROWS.keys())
def test_a_row_that_no_version_of_the_program_writes_is_no_token_and_is_written_over(
    table: Table, attributes: dict[str, Any]
) -> None:
    tokens = table.opened()
    tokens.put(ID, row())
    table.forge(ID, **attributes)

    assert tokens.read(ID) == EMPTY
    # With the lease whatever it says, without it where it is no later than a session can last.
    assert tokens.put(ID, row(NOW + 901))
    assert tokens.read(ID).row == row(NOW + 901)
    table.forge(ID, **attributes)
    assert tokens.take_lease(ID, "me", seconds=8) == Entry(None, NOW + 8)
    assert tokens.put(ID, row(), owner="me")
    assert tokens.read(ID).row == row()


@pytest.mark.parametrize("expires_at", [NOW + 90_001, NOW * 1000])
def test_a_token_that_claims_to_outlive_all_sessions_keeps_no_other_out(table: Table, expires_at: int) -> None:
    tokens = table.opened()
    tokens.put(ID, row())
    table.forge(ID, expires_at={"N": str(expires_at)})

    assert tokens.put(ID, row())
    assert tokens.read(ID).row == row()


# DynamoDB deletes what is over


@pytest.mark.parametrize("lasts", [900, 86_400])
def test_a_row_is_deleted_after_its_token_has_ended_and_not_before(table: Table, lasts: int) -> None:
    tokens = table.opened()

    tokens.put(ID, row(NOW + lasts))
    assert NOW + lasts <= table.rows()[ID]["ttl"] <= NOW + 2 * 86_400

    # Who has the lease may die with it, and the token that was there goes on.
    tokens.take_lease(ID, "me", seconds=8)
    assert NOW + lasts <= table.rows()[ID]["ttl"] <= NOW + 2 * 86_400


def test_a_lease_alone_is_deleted_some_day(table: Table) -> None:
    table.opened().take_lease(ID, "me", seconds=8)

    assert NOW + MAX_LEASE_SECONDS < table.rows()[ID]["ttl"] <= NOW + 2 * 86_400
