"""A rotation each of whose calls meets one fault on the way: the step lives, tries again, and breaks no promise.

The calls aren't listed: each test runs the step once to see them, then once for each with the fault befalling it.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from salesforce_keypair.errors import KeyPairError
from tests.sandbox.aws import THROTTLED, DropConnection, Refuse, RotationRequest
from tests.sandbox.org import Kind, faults
from tests.scenarios.promises import Promises, assert_tells_what_to_do
from tests.scenarios.support import ROTATION, STEPS, Stage

Inject = Callable[[Stage], object]


pytestmark = pytest.mark.exhaustive


@dataclass(frozen=True)
class RemoteCall:
    """The how-manieth call of its kind within a step."""

    kind: str | Kind
    before: int

    def meet(self, stage: Stage, trouble: "Trouble") -> None:
        """Let the trouble befall this call."""
        if isinstance(self.kind, Kind):
            stage.world.org.faults.add(trouble.at_the_org, self.kind, skip=self.before)
        else:
            stage.world.aws.faults.inject(self.kind, trouble.at_aws, skip=self.before, caller=ROTATION)


@dataclass(frozen=True)
class Trouble:
    """One thing that can go wrong, at either party."""

    at_aws: DropConnection | Refuse
    at_the_org: faults.Fault


TROUBLES = {
    "the answer is lost": Trouble(DropConnection(after_effect=True), faults.reset_after_acting()),
    "nothing is done": Trouble(THROTTLED, faults.html_page(503)),
}


def calls_of(step: str) -> Iterator[RemoteCall]:
    """The calls that a step makes when nothing goes wrong."""
    with Stage() as stage:
        stage.install_key()
        request = begin_up_to(step, stage)
        stage.world.org.log.clear()
        aws_before = len(stage.world.aws.calls(caller=ROTATION))
        stage.deliver(request, step)
        kinds: list[str | Kind] = [call.operation for call in stage.world.aws.calls(caller=ROTATION)[aws_before:]]
        kinds += [entry.kind for entry in stage.world.org.log.entries()]
    seen: Counter[str] = Counter()
    for kind in kinds:
        yield RemoteCall(kind, seen[kind])
        seen[kind] += 1


def begin_up_to(step: str, stage: Stage) -> RotationRequest:
    request = stage.begin()
    stage.deliver(request, *STEPS[: STEPS.index(step)])
    return request


@pytest.mark.parametrize("trouble", TROUBLES)
@pytest.mark.parametrize("step", STEPS)
def test_one_fault_on_the_way_fails_no_step_and_breaks_no_promise(step: str, trouble: str) -> None:
    failed: list[tuple[RemoteCall, KeyPairError]] = []

    for call in calls_of(step):
        with Stage() as stage:
            stage.install_key()
            promises = Promises(stage)
            request = begin_up_to(step, stage)
            call.meet(stage, TROUBLES[trouble])

            try:
                stage.deliver(request, step)
            except KeyPairError as error:
                failed.append((call, error))
                assert_tells_what_to_do(error)

            assert stage.world.aws.faults.unspent == 0
            promises.hold()
            assert stage.deliver_all(request, times=2) is None, call
            promises.hold()
            assert stage.labels()["AWSCURRENT"] == request.version_id

    assert not failed
