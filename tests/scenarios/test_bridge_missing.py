"""A bridge that can't be left, or not in time: the rotation goes on without one and says so."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from functools import partial

import pytest

from salesforce_keypair.errors import KeyPairError
from tests.sandbox.aws import Act, Refuse, RotationRequest
from tests.sandbox.org import Kind, faults
from tests.sandbox.org.exchange import Request
from tests.sandbox.org.refusals import INVALID_ASSERTION
from tests.scenarios.bridging import BRIDGED, NO_BRIDGE, TEN_MINUTES, rows_at_deploys
from tests.scenarios.cutting import TROUBLES
from tests.scenarios.promises import Promises
from tests.scenarios.support import CREATE, FINISH, SET, TEST, Stage
from tests.scenarios.vendors import Vendor
from tests.scenarios.wire import Stopped, Wire


@pytest.fixture
def stage() -> Iterator[Stage]:
    """A key that logs in, and a table that holds nothing. All promises hold at the end."""
    with Stage(shared_tokens=True) as made:
        made.install_key()
        promises = Promises(made)
        yield made
        promises.hold()


def by_assertion(request: Request) -> bool:
    """Of the logins of a rotation, those with the key pair; an administrator's are by client credentials."""
    return "assertion" in (request.form or {})


def rotated_before(stage: Stage) -> RotationRequest:
    """A rotation up to setSecret, while the table holds the token that the one before it left."""
    stage.install_key()
    stage.rotate()
    request = stage.begin()
    stage.deliver(request, CREATE)
    return request


def calls_between_the_deploys() -> dict[int, str]:
    """The calls of setSecret that leave the bridge, by number: after the rehearsal, before the deploy."""
    with Stage(shared_tokens=True) as stage:
        request = rotated_before(stage)
        wire = Wire(stage.clock)
        with wire.strung_up():
            stage.deliver(request, SET)
    deploys = [number for number, call in enumerate(wire.made, 1) if call.endswith("deployRequest")]
    between = {number: wire.made[number - 1] for number in range(deploys[0] + 1, deploys[1])}
    of_the_bridge = {number: call for number, call in between.items() if "deployRequest" not in call}
    # The current key, a login, the row, the key that sealed it, the token.
    assert len(of_the_bridge) >= 5
    return of_the_bridge


@pytest.mark.parametrize("trouble", [pytest.param("killed before", marks=pytest.mark.slow), "killed after"])
def test_killed_while_it_is_left_the_next_delivery_leaves_it(trouble: str) -> None:
    for number in calls_between_the_deploys():
        with Stage(shared_tokens=True) as stage:
            request = rotated_before(stage)
            promises = Promises(stage)
            stage.clock.advance(300)
            wire = Wire(stage.clock)
            wire.befall({number: TROUBLES[trouble]})
            with pytest.raises(Stopped), wire.strung_up():
                stage.deliver(request, SET)
            promises.hold()
            seen = rows_at_deploys(stage)

            assert stage.deliver_all(request) is None, wire.befallen

            promises.hold()
            (row,) = seen[-1]
            assert row["expires_at"] >= stage.clock.time() + TEN_MINUTES + 225, wire.befallen


def says_why(caplog: pytest.LogCaptureFixture) -> str:
    """The reason that the one line gives for there being no bridge."""
    (line,) = (record for record in caplog.records if record.message.startswith(NO_BRIDGE))
    assert BRIDGED not in {record.message for record in caplog.records}
    reason = line.__dict__["reason"]
    assert isinstance(reason, str)
    return reason


def test_without_a_table_the_rotation_goes_on_and_says_so(caplog: pytest.LogCaptureFixture) -> None:
    with Stage() as stage, caplog.at_level("INFO"):
        stage.install_key()
        stage.rotate()

    assert "TOKEN_TABLE" in says_why(caplog)


@pytest.mark.parametrize("trouble", ["server error", pytest.param("silence after", marks=pytest.mark.slow)])
def test_where_aws_fails_it_meanwhile_the_rotation_goes_on_and_says_so(
    trouble: str, caplog: pytest.LogCaptureFixture
) -> None:
    numbers = [number for number, call in calls_between_the_deploys().items() if "oauth2" not in call]
    for number in numbers:
        with Stage(shared_tokens=True) as stage:
            request = rotated_before(stage)
            stage.clock.advance(300)
            caplog.clear()
            wire = Wire(stage.clock)
            # From there on AWS isn't needed before the deploy but for the bridge.
            wire.befall({number: wire.let_last(TROUBLES[trouble])})

            with caplog.at_level("INFO"), wire.strung_up():
                stage.deliver(request, SET)

            assert says_why(caplog), wire.befallen
            wire.recover()
            stage.deliver(request, TEST, FINISH)


def refused(stage: Stage) -> None:
    """The current key doesn't log in any more."""
    refusal = faults.oauth_error(INVALID_ASSERTION)
    stage.world.org.faults.add(refusal, Kind.TOKEN, times=1, where=by_assertion)


def unanswered(stage: Stage) -> None:
    """Nor does Salesforce answer a second try."""
    stage.world.org.faults.add(faults.html_page(503), Kind.TOKEN, times=4, where=by_assertion)


def same_session(stage: Stage) -> None:
    """Salesforce returns the session that it has, and which is shared already."""
    stage.world.app.reuses_session = True
    Vendor(stage).vend()
    stage.clock.advance(300)


def denied(stage: Stage) -> None:
    """The function's role lacks a right."""
    stage.world.aws.faults.inject("UpdateItem", Refuse("AccessDeniedException"), times=None)


REASONS: dict[str, tuple[Callable[[Stage], None], str]] = {
    "refused": (refused, "invalid assertion"),
    "unanswered": (unanswered, "HTTP 503"),
    "same session": (same_session, "shared already"),
    "denied": (denied, "didn't take the token"),
}


@pytest.mark.parametrize(("arrange", "reason"), REASONS.values(), ids=REASONS.keys())
def test_where_it_cannot_be_left_the_rotation_goes_on_and_says_so(
    stage: Stage, arrange: Callable[[Stage], None], reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    arrange(stage)
    with caplog.at_level("INFO"):
        request = stage.rotate()

    assert reason in says_why(caplog)
    assert stage.labels()["AWSCURRENT"] == request.version_id


def test_a_session_that_is_returned_again_keeps_its_times_in_the_table(stage: Stage) -> None:
    same_session(stage)
    (before,) = stage.world.table_rows()

    stage.rotate()

    assert stage.world.table_rows() == [before]


def two_apps(stage: Stage) -> None:
    stage.world.add_standby()
    standby = {"consumerKey": stage.world.standby.consumer_key, "appName": stage.world.standby.name}
    stage.install_key(standby=standby)


def first_installation(stage: Stage) -> None:
    """No key anywhere."""


@pytest.mark.parametrize("set_up", [two_apps, first_installation])
def test_where_the_app_in_use_is_not_touched_none_is_left(
    set_up: Callable[[Stage], None], caplog: pytest.LogCaptureFixture
) -> None:
    with Stage(shared_tokens=True) as stage, caplog.at_level("INFO"):
        set_up(stage)

        stage.rotate()

        assert stage.world.table_rows() == []
        assert not any("bridge" in record.message for record in caplog.records)


def test_a_certificate_that_is_installed_already_needs_none(stage: Stage) -> None:
    request = stage.begin()
    stage.deliver(request, CREATE, SET)
    before = stage.world.org.log.logins(stage.world.user.username), stage.world.table_rows()
    stage.clock.advance(100)

    stage.deliver(request, SET)

    assert (stage.world.org.log.logins(stage.world.user.username), stage.world.table_rows()) == before


# Time


@pytest.mark.parametrize("answered", [True, False])
@pytest.mark.parametrize("seconds", [12.0, 14.0, 16.0, 18.0, 25.0, 60.0])
def test_it_begins_nothing_after_the_step_s_deadline(stage: Stage, seconds: float, *, answered: bool) -> None:
    request = stage.begin()
    stage.deliver(request, CREATE)
    end = stage.clock.monotonic() + seconds
    begun: list[float] = []

    def take(seconds: float) -> None:
        begun.append(stage.clock.monotonic())
        stage.clock.advance(seconds)

    slow = replace(faults.Fault("slow") if answered else faults.html_page(503), before=lambda: take(7))
    stage.world.org.faults.add(slow, Kind.TOKEN, times=None, where=by_assertion)
    for operation in ("GetItem", "UpdateItem"):
        stage.world.aws.faults.inject(operation, Act(lambda: take(2)), times=None)
    with suppress(KeyPairError):
        stage.deliver(request, SET, seconds=seconds)

    # Without the time that the table may take it isn't begun at all.
    assert bool(begun) is (seconds > 15)
    assert all(each <= end for each in begun)
    stage.world.org.faults.clear()
    stage.world.aws.faults.clear()
    assert stage.deliver_all(request) is None


def test_where_salesforce_is_slow_it_gives_up_long_before_the_step_s_time_is_over() -> None:
    """One try of nine seconds after the other."""
    took: list[float] = []
    for in_vain in (False, True):
        with Stage(shared_tokens=True) as stage:
            stage.install_key()
            request = stage.begin()
            stage.deliver(request, CREATE)
            if in_vain:
                slow = replace(faults.html_page(503), before=partial(stage.clock.advance, 9))
                stage.world.org.faults.add(slow, Kind.TOKEN, times=None, where=by_assertion)
            began = stage.clock.monotonic()
            stage.deliver(request, SET)
            took.append(stage.clock.monotonic() - began)

    undisturbed, slowed = took
    assert 20 < slowed - undisturbed < 20 + 9
