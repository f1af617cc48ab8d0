"""The vendor's execution environments on a stage, without their handlers: cheap enough to start dozens."""

from typing import Any

from salesforce_keypair.fetching import Fetched
from salesforce_keypair.settings import Settings
from salesforce_keypair.vend_request import VendRequest
from salesforce_keypair.wiring.aws import deadline_of
from salesforce_keypair.wiring.vending import build_vendor
from tests.scenarios.handlers import Context
from tests.scenarios.hearing import told_by
from tests.scenarios.support import Stage

# The template's time-out.
VENDOR_SECONDS = 30.0


class Vendor:
    """One that has just started. `table_failures` counts what its metric would."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._clock = stage.clock
        self._settings = Settings.from_environment(stage.variables | {"SECRET_ID": stage.arn}, serves_secrets=True)
        self._vendor = build_vendor(self._settings, stage.clock, table_failed=self._note_failure)
        self.table_failures = 0

    def vend(self, **event: Any) -> Fetched:
        """A caller's request. Raises what the caller would get."""
        settings = self._settings
        request = VendRequest.parse(event, secret_ids=settings.secret_ids, token_lifetime=settings.token_lifetime)
        deadline = deadline_of(Context(seconds=VENDOR_SECONDS), self._clock)
        try:
            return self._vendor.vend(request, deadline=deadline)
        except Exception as error:
            self._stage.note(told_by(error))
            raise

    def _note_failure(self) -> None:
        self.table_failures += 1
