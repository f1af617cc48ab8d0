"""An engineer at the stage, what they run, and Secrets Manager that delivers while a command waits."""

import io
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from rich.console import Console

from operate.rotating.looking import Looked
from operate.rotating.rolling_back import Target
from operate.rotating.rotations import Rotations
from operate.workplace import Workplace
from salesforce_keypair.errors import KeyPairError
from salesforce_keypair.settings import Settings
from tests.sandbox.aws import Function, Outcome
from tests.sandbox.world import FUNCTIONS
from tests.scenarios.leaks import know_the_world
from tests.scenarios.support import Stage
from tests.scenarios.wire import Wire

_LOOK_EVERY_SECONDS = 3.0


@dataclass
class Engineer:
    """Somebody who runs commands against a stage, on its clock. `told` is what their user has read."""

    stage: Stage
    told: list[str] = field(default_factory=list)

    def rotations(self, *, vendor: str | None = None, wait_seconds: float = 1800.0) -> Rotations:
        """The secret's rotations, to a process that has just started."""
        settings = Settings.from_environment(self.stage.variables, serves_secrets=False)
        place = Workplace(settings, clock=self.stage.clock, console=Console(file=io.StringIO()))
        return Rotations(place, self.stage.world.secret_arn, self.told.append, vendor, wait_seconds=wait_seconds)

    @cached_property
    def vendor(self) -> Function:
        """The token vendor as it is deployed, for what is asked of its configuration."""
        world = self.stage.world
        return world.aws.create_function(
            "token-vendor", FUNCTIONS / "token_vendor", environment=world.vendor_variables, concurrency=0
        )

    def look(self) -> Looked:
        """The secret now."""
        return self.rotations().look()

    def roll_back(self) -> None:
        """`rollback`."""
        rotations = self.rotations()
        target = Target.of(rotations.look())
        rotations.rolling_back().roll_back(target, rotations.workplace.within(rotations.rollback_seconds))

    @property
    def text(self) -> str:
        """All that was told."""
        return "\n".join(self.told)

    def has_leaked(self, *more: str) -> set[str]:
        """The kinds of secrets of which a piece was told."""
        return know_the_world(self.stage.world).find("\n".join([self.text, *more]))


@dataclass
class Deliveries:
    """Each rotation that RotateSecret starts is delivered once, between two looks of whoever waits for it."""

    stage: Stage
    wire: Wire | None = None
    failures: list[KeyPairError] = field(default_factory=list)
    _delivered: int = 0
    _busy: bool = False

    @classmethod
    @contextmanager
    def going_on(cls, stage: Stage, wire: Wire | None = None) -> Iterator["Deliveries"]:
        """From now on, for as long as the stage's clock goes."""
        self = cls(stage, wire)
        self._delivered = len(self._started())
        stage.clock.at(_LOOK_EVERY_SECONDS, self._look)
        yield self

    def _look(self) -> None:
        self.stage.clock.at(_LOOK_EVERY_SECONDS, self._look)
        started = self._started()
        if self._busy or len(started) <= self._delivered:
            return
        self._busy, self._delivered = True, len(started)
        # The function that Secrets Manager itself knows on a stage answers nobody.
        assert self.stage.world.aws.secrets_manager.wait_for_rotation(self.stage.arn).outcome is Outcome.GAVE_UP
        try:
            with nullcontext() if self.wire is None else self.wire.aside():
                failure = self.stage.deliver_all(started[-1].request)
        finally:
            self._busy = False
        if failure is not None:
            self.failures.append(failure)

    def _started(self) -> list[Any]:
        return self.stage.world.aws.secrets_manager.rotations(self.stage.arn)
