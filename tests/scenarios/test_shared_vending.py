"""Several environments of the vendor share their tokens over a table: one login for all, and nothing given away."""

import logging
import traceback
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from typing import Any

import pytest
from boto3.dynamodb.types import TypeSerializer

from salesforce_keypair.errors import InvalidSecret, KeyPairError
from salesforce_keypair.fetching import LEASE_SECONDS, Fetched, Source
from tests.integration.org_client import key_pair
from tests.sandbox.aws import DropConnection, Refuse
from tests.sandbox.org import Kind, faults
from tests.scenarios.cutting import TROUBLES
from tests.scenarios.handlers import Handler, loaded, logged_in, metrics_in
from tests.scenarios.leaks import found_in, know_the_world
from tests.scenarios.support import SET, STEPS, Stage, document_of, event, step_event
from tests.scenarios.vendors import Vendor
from tests.scenarios.wire import Stopped, Wire


@pytest.fixture
def stage() -> Iterator[Stage]:
    """A key that logs in, and a table that holds nothing."""
    with Stage(shared_tokens=True) as made:
        made.install_key()
        yield made


def handlers(stage: Stage, stack: ExitStack, number: int) -> list[Handler]:
    """So many environments, each with the vendor's handler."""
    return [stack.enter_context(loaded("token_vendor", stage, SECRET_ID=stage.arn)) for _ in range(number)]


def logins(stage: Stage) -> int:
    """How many logins of the user the org has accepted."""
    return stage.world.org.log.logins(stage.world.user.username).accepted


def test_one_login_serves_all_environments_and_each_says_where_its_token_is_from(stage: Stage) -> None:
    with ExitStack() as stack:
        environments = handlers(stage, stack, 4)
        replies = [each(event("vend-default")) for each in environments]
        counted = [metrics_in(each.printed()) for each in environments]

    assert logins(stage) == 1
    assert all(reply == replies[0] for reply in replies)
    assert stage.outsider.liveness(replies[0]["access_token"]).status_code == 200
    assert counted[0] == {"TokensVended": 1, "TokensByLogin": 1}
    assert counted[1:] == [{"TokensVended": 1, "TokensFromTable": 1}] * 3


def test_the_audit_line_names_the_shared_token_as_it_names_any_other(stage: Stage) -> None:
    with ExitStack() as stack:
        environments = handlers(stage, stack, 2)
        lines = []
        for each in environments:
            each(event("vend-default"))
            lines += [line for line in each.printed() if "_aws" in line]

    assert [line["source"] for line in lines] == ["fresh", "shared"]
    for name in ("secret", "org", "user", "key_version", "token_sha256"):
        assert lines[0][name] == lines[1][name]


def test_a_table_that_fails_is_counted_once_and_the_caller_notices_nothing(stage: Stage) -> None:
    stage.world.aws.faults.inject("GetItem", Refuse("AccessDeniedException"), times=None)
    with ExitStack() as stack:
        (vendor,) = handlers(stage, stack, 1)
        reply = vendor(event("vend-default"))
        first = vendor.printed()
        vendor(event("vend-force-refresh"))
        second = vendor.printed()

    assert stage.outsider.liveness(reply["access_token"]).status_code == 200
    assert metrics_in(first) == {"TokensVended": 1, "TokensByLogin": 1, "TokenTableFailures": 1}
    assert metrics_in(second) == {"TokensVended": 1, "TokensByLogin": 1}
    (line,) = logged_in(first)
    assert line["level"] == "WARNING"
    assert "AccessDeniedException" in line["reason"]


def test_the_rotation_counts_a_table_that_fails_and_goes_on(stage: Stage) -> None:
    stage.world.aws.faults.inject("UpdateItem", DropConnection(), times=None)
    with loaded("rotation", stage) as rotation:
        request = stage.begin()
        for step in STEPS:
            rotation(step_event(step, request))
        counted = metrics_in(rotation.printed())

    assert counted == {"RotationStepsSucceeded": 4, "RotationsSucceeded": 1, "TokenTableFailures": 1}


# Through the life of a secret


def test_after_a_rotation_environments_share_the_new_key_s_token_once_the_old_one_s_ends(stage: Stage) -> None:
    before = Vendor(stage).vend()
    request = stage.rotate()
    left_by_rotation = [Vendor(stage).vend() for _ in range(2)]
    stage.clock.advance(900)
    began = logins(stage)

    after = [Vendor(stage).vend() for _ in range(3)]

    # A token goes on as long as its session; which key had got it, no longer matters.
    assert {each.source for each in left_by_rotation} == {Source.SHARED}
    assert {each.token.key_version for each in left_by_rotation} == {before.token.key_version}
    assert {each.token.key_version for each in after} == {request.version_id}
    assert len({each.token.value for each in after}) == 1
    assert logins(stage) - began == 1


def test_a_token_of_a_version_that_two_rotations_left_behind_is_not_believed(stage: Stage) -> None:
    old = Vendor(stage).vend().token
    row = stage.world.table_rows()[0]
    stage.rotate()
    stage.rotate()
    put_back(stage, row)

    fetched = Vendor(stage).vend()

    assert fetched.source is Source.FRESH
    assert fetched.token.value != old.value


def put_back(stage: Stage, row: dict[str, Any]) -> None:
    """Somebody who can write to the table puts an old row there again."""
    item: Any = {name: TypeSerializer().serialize(value) for name, value in row.items()}
    stage.world.aws.client("dynamodb").put_item(TableName=stage.variables["TOKEN_TABLE"], Item=item)


def test_the_token_of_a_user_whom_the_document_no_longer_names_is_never_shared(stage: Stage) -> None:
    first = Vendor(stage).vend().token
    row = stage.world.table_rows()[0]
    other = stage.world.org.add_user("other.robot@example.com", approved=[stage.world.app])
    stage.edit(username=other.username)

    second = [Vendor(stage).vend() for _ in range(2)]
    assert {each.token.username for each in second} == {other.username}
    assert first.value not in {each.token.value for each in second}

    # Nor where somebody puts the row of the old one back, nor after the document was changed back.
    put_back(stage, row)
    assert Vendor(stage).vend().token.username == other.username
    stage.edit(username=first.username)
    assert Vendor(stage).vend().token.username == first.username


def test_where_somebody_overwrites_the_current_version_without_a_key_the_shared_token_goes_on(stage: Stage) -> None:
    first = Vendor(stage).vend().token
    stage.world.put_document(stage.world.document())

    fetched = Vendor(stage).vend()
    assert (fetched.source, fetched.token) == (Source.SHARED, first)
    stage.clock.advance(900)
    assert Vendor(stage).vend().token.key_version == first.key_version
    assert Vendor(stage).vend().source is Source.SHARED


def test_where_somebody_overwrites_it_without_a_key_and_for_another_user_no_token_is_shared(stage: Stage) -> None:
    Vendor(stage).vend()
    stage.world.put_document(stage.world.document(username="other.robot@example.com"))

    with pytest.raises(InvalidSecret):
        Vendor(stage).vend()


def test_while_the_pending_key_alone_is_honoured_its_token_is_shared(stage: Stage) -> None:
    request = stage.begin()
    stage.deliver(request, *STEPS[: STEPS.index(SET) + 1])
    stage.clock.advance(900)
    began = logins(stage)

    found = [Vendor(stage).vend() for _ in range(3)]

    assert {each.token.key_version for each in found} == {request.version_id}
    assert logins(stage) - began == 1


# An environment ends in the middle


@pytest.mark.parametrize("trouble", ["killed before", "killed after", "reset after", "server error", "web page"])
def test_whatever_befalls_the_one_that_logs_in_the_next_one_takes_over_within_its_lease(
    stage: Stage, trouble: str
) -> None:
    wire = Wire(stage.clock)
    with wire.strung_up():
        Vendor(stage).vend()
    calls = len(wire.made)
    assert calls >= 5

    for number in range(1, calls + 1):
        stage.clock.advance(900)
        began, wire = logins(stage), Wire(stage.clock)
        wire.befall({number: TROUBLES[trouble]})
        with wire.strung_up(), suppress(Stopped, KeyPairError):
            Vendor(stage).vend()
        assert wire.befallen
        since = stage.clock.time()

        found = [Vendor(stage).vend() for _ in range(2)]

        assert len({each.token.value for each in found}) == 1, wire.befallen
        assert stage.outsider.liveness(found[0].token.value).status_code == 200
        assert stage.clock.time() - since <= LEASE_SECONDS + 1.5, wire.befallen
        assert logins(stage) - began <= 2, wire.befallen


@pytest.mark.parametrize("after_effect", [False, True])
def test_one_fault_on_the_way_to_the_table_costs_no_login(stage: Stage, *, after_effect: bool) -> None:
    """The SDK asks again, and isn't refused by what it has written itself."""
    for operation, skip in (("GetItem", 0), ("UpdateItem", 0), ("UpdateItem", 1)):
        stage.clock.advance(900)
        began = logins(stage)
        stage.world.aws.faults.inject(operation, DropConnection(after_effect=after_effect), skip=skip)
        vendors = [Vendor(stage) for _ in range(2)]

        assert [each.vend().source for each in vendors] == [Source.FRESH, Source.SHARED]
        assert [each.table_failures for each in vendors] == [0, 0]
        assert logins(stage) - began == 1


# Nothing is given away


def test_the_table_and_all_that_is_sent_to_it_and_printed_hold_no_secret_in_any_encoding(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    told: list[str] = []
    rows: list[Any] = []
    fetched: list[Fetched] = []

    def vend(**request: Any) -> None:
        try:
            fetched.append(Vendor(stage).vend(**request))
        except KeyPairError as error:
            told.append("".join(traceback.format_exception(error)))
        rows.append(stage.world.table_rows())

    with caplog.at_level(logging.DEBUG, logger="salesforce_keypair"), ExitStack() as stack:
        printing = handlers(stage, stack, 1)[0]
        vend()
        vend()
        stage.rotate()
        vend(force_refresh=True)
        for operation in ("GetItem", "UpdateItem"):
            stage.world.aws.faults.inject(operation, Refuse("ValidationException", message=fetched[-1].token.value))
            vend(force_refresh=True)
            stage.clock.advance(30)
        stage.clock.advance(700)
        stage.world.org.faults.add(faults.html_page(503), Kind.TOKEN, times=None)
        vend(min_ttl_seconds=600)
        stage.world.org.faults.clear()
        stage.world.user.frozen = True
        vend(force_refresh=True)
        printing(event("vend-default"))
        stage.world.user.frozen = False
        vend()
        broken = document_of(key_pair("first")) | {"privateKey": key_pair("second").private_pem}
        stage.world.put_document(stage.world.document(**broken))
        vend(force_refresh=True)
        printed = str(printing.printed())

    searcher = know_the_world(stage.world)
    for each in fetched:
        searcher.know("access token", each.token.value)
    requests = [call.parameters for call in stage.world.aws.calls() if call.service == "dynamodb"]
    assert len(told) >= 2
    assert len(requests) >= 15
    assert any("refusal" in row for held in rows for row in held)
    assert "access token" in searcher.kinds
    assert found_in(searcher, rows, requests) == set()
    logged = str([record.__dict__ for record in caplog.records if record.name.startswith("salesforce_keypair")])
    for text in (printed, logged, *told, repr(fetched)):
        assert searcher.find(text) == set()
