"""A secret in memory with its apps and a vendor, for the monitor to look at."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from salesforce_keypair.credential import Credential
from salesforce_keypair.findings import Report
from salesforce_keypair.keypair import Certificate
from salesforce_keypair.monitoring import KeyMonitor
from salesforce_keypair.salesforce.app_certificate import Installed
from salesforce_keypair.secret_history import History, RotationRules, SecretState
from salesforce_keypair.secret_store import CURRENT, Value
from salesforce_keypair.timing import Deadline
from salesforce_keypair.vend_check import AskVendor, Ending, Vend
from tests.integration.org_client import Pair, key_pair
from tests.unit.support import FakeClock, arn_of, parse, text_of

DAY, HOUR = 86_400.0, 3600.0
SETTLING = 720.0
MONTHLY = RotationRules("rate(30 days)")
STANDBY = {"consumerKey": "3MVG9standby", "appName": "Standby"}
SWAPPED = {
    "consumerKey": "3MVG9standby",
    "appName": "Standby",
    "standby": {"consumerKey": "3MVG9consumer", "appName": "Billing"},
}


@dataclass
class App:
    """An app that shows a certificate; `between` happens after each look at it, `first_error` at the next alone."""

    held: Pair | None
    error: Exception | None = None
    first_error: Exception | None = None
    is_legible: bool = True
    between: Callable[[], object] = lambda: None

    def installed(self) -> Installed:
        if (error := self.first_error or self.error) is not None:
            self.first_error = None
            raise error
        seen = self.held
        self.between()
        return Installed(seen is not None, Certificate.parse(seen.pem) if seen and self.is_legible else None)

    def replace(self, certificate: Certificate, *, just_before: Callable[[], object] | None = None) -> None:
        raise AssertionError("a monitor changes nothing")


@dataclass
class Scene:
    """A secret in memory, its apps by name, and a vendor; the clock's time is when a version is put."""

    clock: FakeClock
    rules: RotationRules = MONTHLY
    rotation_enabled: bool = True
    apps: dict[str, App] = field(default_factory=dict)
    vend: AskVendor | None = lambda _, *, anew: Vend(Ending.TOKEN)
    error: Exception | None = None
    unread: Exception | None = None
    keys: list[Sequence[Credential]] = field(default_factory=list)
    reads: list[str] = field(default_factory=list)
    _texts: dict[str, str] = field(default_factory=dict)
    _labels: dict[str, str] = field(default_factory=dict)
    _created: dict[str, datetime] = field(default_factory=dict)
    _changed: datetime | None = None

    def put(self, version_id: str, text: str | None, *labels: str) -> None:
        self._changed = datetime.fromtimestamp(self.clock.time(), UTC)
        if text is not None:
            self._texts[version_id] = text
            self._created[version_id] = self._changed
        self._labels |= dict.fromkeys(labels, version_id)

    def delete(self, version_id: str) -> None:
        """As Secrets Manager does with old versions: here just after it had listed them."""
        del self._texts[version_id]

    def history(self, secret_id: str) -> History:
        if self.error is not None:
            raise self.error
        labels: dict[str, frozenset[str]] = {}
        for label, version_id in self._labels.items():
            labels[version_id] = labels.get(version_id, frozenset()) | {label}
        return History(SecretState(self.rotation_enabled, labels), dict(self._created), self._changed, self.rules)

    def read(self, secret_id: str, *, version_id: str) -> Value | None:
        assert secret_id
        assert version_id in self._created or version_id in self._labels.values()
        self.reads.append(version_id)
        if self.unread is not None:
            raise self.unread
        text = self._texts.get(version_id)
        return None if text is None else Value(arn_of(secret_id), version_id, text)

    def open_app(self, credential: Credential, own_keys: Sequence[Credential], deadline: Deadline) -> App:
        self.keys.append(own_keys)
        return self.apps[str(credential.app_name)]

    def monitor(self) -> KeyMonitor:
        return KeyMonitor(
            store=self, open_app=self.open_app, parse=parse, vend=self.vend, clock=self.clock, settling=SETTLING
        )

    def examine(self) -> Report:
        return self.monitor().examine("key-pair", self.clock.deadline())


def in_use(clock: FakeClock, version_id: str) -> Scene:
    """A secret whose key is in use, and whose app holds its certificate, which ends in a hundred days."""
    clock.now = key_pair("first").certificate.not_valid_after_utc.timestamp() - 100 * DAY
    made = Scene(clock, apps={"Billing": App(key_pair("first"))})
    made.put(version_id, text_of(key_pair("first")), CURRENT)
    return made


def said(report: Report) -> str:
    """Its findings, a line for each."""
    return "\n".join(f"{finding.what} -> {finding.run}" for finding in report.findings)
