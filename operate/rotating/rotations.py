"""The rotations of one secret, as the commands see them: the rules with the workplace's parties put in."""

import uuid
from dataclasses import dataclass, field
from functools import cached_property

from operate.rotating import starting
from operate.rotating.apps import holdings
from operate.rotating.deployed import DeployedFunction
from operate.rotating.following import Following, Tell
from operate.rotating.known_sessions import Sessions, SharedSessions
from operate.rotating.looking import Looked, Schedule, look
from operate.rotating.revoking import Revoking
from operate.rotating.rolling_back import RollingBack
from operate.rotating.status import Status, status_of
from operate.workplace import Workplace
from salesforce_keypair.bridge import Bridge
from salesforce_keypair.credential import Credential
from salesforce_keypair.errors import LoginRefused, SecretUnavailable
from salesforce_keypair.secret_store import CURRENT
from salesforce_keypair.settling import SettlingRule
from salesforce_keypair.shared_tokens import SharedTokens
from salesforce_keypair.token_table import TokenTable

_READING_SECONDS = 60.0
_LOGIN_SECONDS = 60.0
# Besides the settling: reading, rehearsing, deploying, and bringing back what was there.
_ROLLBACK_SECONDS = 300.0


@dataclass(frozen=True)
class Rotations:
    """What can be done with a secret's rotations; `tell` hears how it goes on. Raises errors of `errors`."""

    workplace: Workplace
    secret_id: str
    tell: Tell
    vendor: str | None = None
    wait_seconds: float = field(default=1800.0, kw_only=True)

    def look(self) -> Looked:
        """The secret now."""
        return look(self.workplace.store, self.workplace.parse, self.secret_id)

    def status(self, *, with_apps: bool) -> Status:
        """How it stands."""
        looked = self.look()
        apps = None
        current = looked.labelled(CURRENT)
        # A document that isn't there or can't be used names no app; its trouble is told beside its version.
        if with_apps and current is not None and current.problem is None:
            apps = holdings(looked, self.workplace.open_app, self.workplace.within(_READING_SECONDS))
        return status_of(looked, apps, now=self.workplace.clock.time())

    def rotate(self, looked: Looked, *, follow: bool = True) -> None:
        """Start a rotation and follow it to its end."""
        version_id = str(uuid.uuid4())
        starting.start(self.workplace.secrets, looked, version_id)
        self.tell(f"The rotation to version {version_id} has begun.")
        if follow:
            self._following(looked, version_id).to_the_end(
                deadline=self.workplace.within(self.wait_seconds), tell=self.tell, uploads_itself=False
            )

    def resume(self, looked: Looked, *, deliver: bool) -> None:
        """Take up the rotation that waits: Secrets Manager is asked to go on, or else the function itself."""
        version_id = starting.waiting(looked).version_id
        # Not both at once without need; but RotateSecret is also what turns rotation on.
        ask = not deliver or not looked.schedule.enabled
        goes_on = ask and starting.rotate_secret(self.workplace.secrets, looked.arn, version_id)
        if goes_on and not deliver:
            self.tell(f"Secrets Manager goes on with the rotation to version {version_id}.")
        else:
            function = self._rotation_function(looked.schedule)
            self.tell(f"Delivering the steps of the rotation to version {version_id}:")
            starting.deliver_all(
                lambda step: function.deliver(step, secret_arn=looked.arn, version_id=version_id), self.tell
            )
        self._following(looked, version_id).to_the_end(
            deadline=self.workplace.within(self.wait_seconds), tell=self.tell
        )

    def give_up(self, looked: Looked) -> None:
        """End the rotation that waits."""
        starting.give_up(self.workplace.store, looked, starting.waiting(looked), self._logs_in, self.tell)

    def _logs_in(self, credential: Credential) -> bool:
        try:
            self.workplace.login.jwt_bearer(credential, deadline=self.workplace.within(_LOGIN_SECONDS))
        except LoginRefused as error:
            if not error.retryable:
                raise
            return False
        return True

    def rolling_back(self) -> RollingBack:
        """What goes back to the previous version."""
        place = self.workplace
        return RollingBack(
            store=place.store,
            parse=place.parse,
            open_app=place.open_app,
            prove=lambda credential, deadline: place.login.prove(credential, deadline=deadline),
            bridge=Bridge(
                shared=self._shared_tokens,
                login=place.login.jwt_bearer,
                token_lifetime=place.settings.token_lifetime,
                clock=place.clock,
            ),
            rule=self._rule,
            clock=place.clock,
            tell=self.tell,
        )

    @property
    def rollback_seconds(self) -> float:
        """What a rollback takes at most."""
        return self.workplace.settings.settling + _ROLLBACK_SECONDS

    def revoking(self) -> Revoking:
        """What is done after a leak."""
        place = self.workplace
        sessions = Sessions(transport=place.transport, hosts=place.settings.hosts)
        return Revoking(
            look=self.look,
            rotate=self._rotate_or_go_on,
            give_up=self.give_up,
            store=place.store,
            open_app=place.open_app,
            login=place.login.jwt_bearer,
            sessions=sessions,
            shared=None
            if self.table is None
            else SharedSessions(client=place.tables, table=self.table, sessions=sessions, clock=place.clock),
            vendor=self._vendor_function,
            rule=self._rule,
            clock=place.clock,
            tell=self.tell,
        )

    @cached_property
    def table(self) -> str | None:
        """The table of shared tokens: of the shell's variable, or as the token vendor is told."""
        function = self._vendor_function
        return self.workplace.settings.token_table or (None if function is None else function.token_table())

    def _rotate_or_go_on(self, looked: Looked) -> None:
        if looked.unfinished is None:
            self.rotate(looked)
        else:
            self.resume(looked, deliver=False)

    def _following(self, looked: Looked, version_id: str) -> Following:
        place = self.workplace
        return Following(
            store=place.store,
            parse=place.parse,
            clock=place.clock,
            secret_arn=looked.arn,
            version_id=version_id,
            log_group=self._log_group(looked.schedule),
        )

    def _log_group(self, schedule: Schedule) -> str:
        """Where the rotation function logs; where Lambda would let it by default, to whoever may not ask."""
        try:
            return self._rotation_function(schedule).log_group()
        except SecretUnavailable:
            return f"/aws/lambda/{schedule.function_name}"

    def _rotation_function(self, schedule: Schedule) -> DeployedFunction:
        return DeployedFunction(
            client=self.workplace.patient_functions, name=schedule.function or "", clock=self.workplace.clock
        )

    @property
    def _vendor_function(self) -> DeployedFunction | None:
        if self.vendor is None:
            return None
        return DeployedFunction(client=self.workplace.functions, name=self.vendor, clock=self.workplace.clock)

    @property
    def _shared_tokens(self) -> SharedTokens | None:
        if self.table is None:
            return None
        place = self.workplace
        table = TokenTable(place.tables, self.table, place.clock)
        return SharedTokens(table=table, clock=place.clock, failed=lambda: None)

    @property
    def _rule(self) -> SettlingRule:
        settings = self.workplace.settings
        return SettlingRule(
            logins=settings.settled_logins, interval=settings.settled_interval, patience=settings.settling
        )
