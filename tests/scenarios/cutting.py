"""Cutting a rotation: troubles befall some of its calls, deliveries go on, and the promises are watched throughout."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pytest

from salesforce_keypair.errors import KeyPairError, NotSettled, RolledBack
from tests.sandbox.aws import RotationRequest
from tests.sandbox.org.spreading import AtOnce
from tests.scenarios import wire as wires
from tests.scenarios.promises import InUse, Promises, assert_tells_what_to_do
from tests.scenarios.set_ups import SetUp
from tests.scenarios.support import STEPS, Stage
from tests.scenarios.wire import Stopped, Trouble, Wire

# Promise 5: "after at most two more deliveries".
MORE_DELIVERIES = 2

TROUBLES: Mapping[str, Trouble] = {
    "killed before": wires.killed_before,
    "killed after": wires.killed_after,
    "server error": wires.server_error,
    "throttled": wires.throttled,
    "reset before": wires.reset_before,
    "reset after": wires.reset_after,
    "silence before": wires.silence_before,
    "silence after": wires.silence_after,
    "web page": wires.web_page,
    "cut short": wires.cut_short,
}
# Those that the calls after it meet as well, until the delivery ends: no second try within a step helps.
LASTING: Mapping[str, Trouble] = {
    f"{name}, lasting": TROUBLES[name] for name in ("server error", "throttled", "silence after", "web page")
}


@dataclass(frozen=True)
class Cut:
    """Which call is befallen, counted from the rotation's first one, and by what."""

    number: int
    trouble: str

    def __str__(self) -> str:
        return f"{self.trouble} at call {self.number}"


class CutRotation:
    """One rotation of one set-up, and how it ended."""

    def __init__(self, stage: Stage, set_up: SetUp, cuts: Sequence[Cut], wire: Wire) -> None:
        self._stage = stage
        self._set_up = set_up
        self._cuts = cuts
        self._wire = wire
        self._before = stage.labelled("AWSCURRENT")
        self._promises = Promises(stage)
        self._in_use = InUse(stage) if "standby" in self._before.document else None
        self.story: list[str] = []

    def play(self) -> None:
        """Deliver until it ends, with the cuts on the way; each assertion that fails is a broken promise."""
        self._wire.befall({cut.number: self._trouble(cut) for cut in self._cuts})
        self._wire.on_trouble(lambda call: self._hold())
        request = self._stage.begin()
        failure = self._deliver(request)
        self._hold()
        ran_out = self._set_up.hurried and isinstance(failure, NotSettled | RolledBack)
        if self._set_up.heeded and not ran_out:
            self._has_succeeded(request, failure)
        else:
            self._has_been_put_back(request, failure)

    def _trouble(self, cut: Cut) -> Trouble:
        lasting = LASTING.get(cut.trouble)
        return TROUBLES[cut.trouble] if lasting is None else self._wire.let_last(lasting)

    def _deliver(self, request: RotationRequest) -> KeyPairError | None:
        """Deliver the whole rotation again and again, as Secrets Manager does; the last failure, if it failed."""
        failure: KeyPairError | None = None
        quiet = 0
        while quiet <= MORE_DELIVERIES:
            troubles = len(self._wire.befallen)
            try:
                with self._wire.strung_up():
                    self._stage.deliver(request, *STEPS)
            except Stopped:
                self.story.append("killed")
                self._stage.restart()
            except KeyPairError as error:
                failure = error
                self.story.append(f"{error.code}: {error}")
                assert_tells_what_to_do(error)
                # The next delivery meets the same environment or a new one, as it happens.
                if self._cuts and self._cuts[0].number % 2:
                    self._stage.restart()
                if isinstance(error, RolledBack):
                    return failure
            else:
                self.story.append("succeeded")
                return None
            finally:
                self._wire.recover()
            # Those that a trouble befell aren't the two more.
            quiet += len(self._wire.befallen) == troubles
        return failure

    def _has_succeeded(self, request: RotationRequest, failure: KeyPairError | None) -> None:
        assert failure is None, failure
        labels = self._stage.labels()
        new = self._stage.version(request.version_id)
        assert labels["AWSCURRENT"] == request.version_id
        assert labels.get("AWSPENDING") in (None, request.version_id)
        assert "ROLLEDBACK" not in labels
        assert self._stage.logs_in(new)

    def _has_been_put_back(self, request: RotationRequest, failure: KeyPairError | None) -> None:
        assert isinstance(failure, NotSettled | RolledBack), failure
        labels = self._stage.labels()
        assert labels["AWSCURRENT"] == self._before.version_id
        assert labels["ROLLEDBACK"] == request.version_id
        assert "AWSPENDING" not in labels
        # What was put back takes its time to spread, too.
        self._stage.clock.advance(60)
        if self._before.pair is not None:
            assert self._stage.logs_in(self._before)
        for app in self._stage.world.org.apps:
            app.spreading = AtOnce()
        # Secrets Manager lets a new rotation begin, and nothing is in its way.
        self._stage.rotate(times=1 + MORE_DELIVERIES)
        self._hold()

    def _hold(self) -> None:
        self._promises.hold()
        if self._in_use is not None:
            self._in_use.is_untouched()


def cut(set_up: SetUp, *cuts: Cut) -> list[str]:
    """Play a rotation with those cuts; how its deliveries ended."""
    with set_up.staged() as stage:
        wire = Wire(stage.clock)
        rotation = CutRotation(stage, set_up, cuts, wire)
        try:
            rotation.play()
        except (AssertionError, Exception) as error:
            error.add_note(f"{set_up}; " + "; ".join(map(str, cuts)))
            error.add_note("befallen: " + "; ".join(wire.befallen))
            error.add_note("deliveries: " + "\n            ".join(rotation.story))
            raise
        return rotation.story


def give_up(set_up: SetUp, number: int) -> None:
    """Kill a rotation before a call and take its pending label off by hand; the next rotation must succeed at once."""
    with set_up.staged() as stage:
        promises = Promises(stage)
        request = stage.begin()
        wire = Wire(stage.clock)
        wire.befall({number: wires.killed_before})
        with wire.strung_up(), pytest.raises(Stopped):
            stage.deliver(request, *STEPS)
        if stage.labels().get("AWSPENDING") == request.version_id:
            stage.move_label("AWSPENDING", off=request.version_id)
        stage.rotate()
        promises.hold()


def calls_of(set_up: SetUp) -> list[str]:
    """The calls of a rotation that nothing befalls, found by running it."""
    with set_up.staged() as stage:
        request = stage.begin()
        wire = Wire(stage.clock)
        with wire.strung_up():
            failure = stage.deliver_all(request, times=set_up.deliveries)
        assert (failure is None) is set_up.heeded, failure
        return wire.made
