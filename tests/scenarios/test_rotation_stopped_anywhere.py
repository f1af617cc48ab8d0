"""A rotation whose process is ended before any one of its calls over the wire: what holds then, and how it goes on.

The calls aren't listed: each test runs the step once to count them, then once for each with the process ended there.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from salesforce_keypair.errors import KeyPairError, NotSettled, RolledBack
from tests.sandbox.aws import RotationRequest
from tests.sandbox.org import CertificateEncoding
from tests.sandbox.org.spreading import AtOnce, Never
from tests.scenarios.promises import Promises, assert_tells_what_to_do
from tests.scenarios.spreading import HonoursOnly
from tests.scenarios.stopping import Stopped, stopped_before_call
from tests.scenarios.support import SET, STEPS, TEST, Stage

pytestmark = pytest.mark.exhaustive

Situation = Callable[[Stage], object]
# So that a testSecret that waits in vain makes few calls.
SHORT_WAIT = {"SETTLING_SECONDS": "5", "SETTLED_LOGINS": "2", "SETTLED_INTERVAL_SECONDS": "3"}


def first_installation(stage: Stage) -> None:
    """No key anywhere."""


def normal_rotation(stage: Stage) -> None:
    """An earlier rotation left a key."""
    stage.install_key()


def hidden_certificate(stage: Stage) -> None:
    """A normal rotation of an app that doesn't show its certificate."""
    stage.install_key()
    stage.world.app.certificate_encoding = CertificateEncoding.ABSENT


@contextmanager
def staged(situation: Situation) -> Iterator[tuple[Stage, Promises]]:
    with Stage(environment=SHORT_WAIT) as stage:
        situation(stage)
        yield stage, Promises(stage)


def begin_up_to(step: str, stage: Stage) -> RotationRequest:
    """Begin a rotation and deliver what comes before that step."""
    request = stage.begin()
    stage.deliver(request, *STEPS[: STEPS.index(step)])
    return request


def calls_of(step: str, situation: Situation) -> int:
    """How many calls the step makes when nothing stops it."""
    with staged(situation) as (stage, _):
        request = begin_up_to(step, stage)
        with stopped_before_call(None) as made:
            deliver_and_see(stage, request, step)
    assert len(made) >= 3
    return len(made)


def deliver_and_see(stage: Stage, request: RotationRequest, step: str) -> KeyPairError | Stopped | None:
    """How a delivery ends."""
    try:
        stage.deliver(request, step)
    except (Stopped, KeyPairError) as end:
        return end
    return None


@pytest.mark.parametrize(
    ("step", "situation"),
    [(step, situation) for step in STEPS for situation in (first_installation, normal_rotation)]
    + [(SET, hidden_certificate)],
)
def test_a_stopped_step_breaks_no_promise_and_the_next_delivery_ends_the_rotation_well(
    step: str, situation: Situation
) -> None:
    calls = calls_of(step, situation)

    # Before the first call, between any two, and after the last one.
    for number in range(1, calls + 2):
        with staged(situation) as (stage, promises):
            request = begin_up_to(step, stage)

            with stopped_before_call(number):
                end = deliver_and_see(stage, request, step)

            assert isinstance(end, Stopped) == (number <= calls), end
            promises.hold()
            assert stage.deliver_all(request) is None, f"stopped before call {number} of {calls}"
            promises.hold()
            assert stage.labels()["AWSCURRENT"] == request.version_id
            assert stage.logs_in(stage.version(request.version_id))


def old_key_goes_on(stage: Stage) -> None:
    """Salesforce never honours the new certificate and goes on with the old one."""
    stage.install_key()
    stage.world.app.spreading = Never()


def no_key_is_honoured(stage: Stage) -> None:
    """Salesforce honours nothing once the new certificate is there, and the old one again when it is back."""
    stage.world.app.spreading = HonoursOnly(stage.install_key().fingerprint)


@pytest.mark.parametrize("situation", [old_key_goes_on, no_key_is_honoured])
def test_a_stopped_put_back_is_ended_by_the_next_delivery_and_a_new_rotation_may_begin(situation: Situation) -> None:
    calls = calls_of(TEST, situation)

    for number in range(1, calls + 2):
        with staged(situation) as (stage, promises):
            before = stage.labelled("AWSCURRENT")
            assert before.pair is not None
            request = begin_up_to(TEST, stage)

            with stopped_before_call(number):
                end = deliver_and_see(stage, request, TEST)

            assert isinstance(end, Stopped) == (number <= calls), end
            promises.hold()
            failure = stage.deliver_all(request, times=2)
            promises.hold()
            assert isinstance(failure, NotSettled | RolledBack), f"stopped before call {number} of {calls}: {failure}"
            assert_tells_what_to_do(failure)
            assert stage.world.app.fingerprint == before.pair.fingerprint
            assert stage.logs_in(before)
            assert stage.labels() == stage.labels() | {
                "AWSCURRENT": before.version_id,
                "ROLLEDBACK": request.version_id,
            }
            assert "AWSPENDING" not in stage.labels()

            # Secrets Manager lets a new rotation begin.
            stage.begin()


def test_a_stopped_end_of_a_first_installation_that_is_never_honoured_leaves_it_to_be_tried_again() -> None:
    def situation(stage: Stage) -> None:
        stage.world.app.spreading = Never()

    calls = calls_of(TEST, situation)

    for number in range(1, calls + 2):
        with staged(situation) as (stage, promises):
            request = begin_up_to(TEST, stage)
            with stopped_before_call(number):
                deliver_and_see(stage, request, TEST)
            failure = stage.deliver_all(request, times=2)

            assert isinstance(failure, NotSettled | RolledBack), f"stopped before call {number} of {calls}: {failure}"
            promises.hold()
            stage.world.app.spreading = AtOnce()
            stage.rotate()
            promises.hold()
