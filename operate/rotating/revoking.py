"""After a leak: new keys, the old certificates gone, known sessions ended, and nothing that goes on with the old ones.

The order: what a thief may hold already is ended first, as far as it is known; then the key changes, so that no more
can be had with it; then what the old key did in the meantime is ended, too. Killed anywhere, the same again finishes.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from operate.rotating.apps import apps_of, holdings
from operate.rotating.deployed import DeployedFunction
from operate.rotating.following import Tell
from operate.rotating.known_sessions import Sessions, SharedSessions
from operate.rotating.looking import Looked, Version, shown
from salesforce_keypair.credential import Credential
from salesforce_keypair.errors import InvalidSecret, KeyPairError, LoginRefused, NotSettled, SalesforceUnavailable
from salesforce_keypair.seams import Login, OpenApp, SecretStore
from salesforce_keypair.secret_store import CURRENT, PREVIOUS
from salesforce_keypair.settling import SettlingRule
from salesforce_keypair.timing import CLOCKS_DIFFER_SECONDS, Clock, Deadline

_CALL_SECONDS = 120.0
_CLOCKS_DIFFER = timedelta(seconds=CLOCKS_DIFFER_SECONDS)


@dataclass(frozen=True, slots=True)
class Leak:
    """Keys that were made until some moment may have leaked. By Secrets Manager's clock, as versions are dated."""

    until: datetime

    @classmethod
    def of_all(cls, looked: Looked) -> "Leak":
        """Of every key that there is now. Raises InvalidSecret where there is none, SecretUnavailable."""
        # Without it a document that can't be read would pass for one without a key.
        looked.readable(CURRENT)
        dates = [version.created for version in looked.versions if version.key is not None and version.created]
        if not dates:
            raise InvalidSecret("no labelled version holds a key", remedy="nothing to revoke; `rotate` makes a key")
        return cls(max(dates))

    def versions(self, looked: Looked) -> list[Version]:
        """The labelled versions with such a key: of that time, or made of one by a change of the document since."""
        made = [version for version in looked.versions if self._is_from_then(version)]
        return [version for version in looked.versions if any(_same_key(version, other) for other in made)]

    def _is_from_then(self, version: Version) -> bool:
        """Whether its key was made until then, by the dates of the version or of the certificate.

        The version that the key came with may have no label any more, where the document was changed twice since. The
        certificate's date is of another clock, so a key that was made just after that moment mustn't count.
        """
        if version.created is not None and version.created <= self.until:
            return True
        return version.certificate is not None and version.certificate.made_at <= self.until - _CLOCKS_DIFFER

    def reaches(self, looked: Looked, version: Version) -> bool:
        """Whether a version's key may have leaked, or isn't made yet."""
        return version.key is None or version in self.versions(looked)

    def needs_rotation(self, looked: Looked) -> bool:
        """Whether an app may hold the certificate of such a key: the one in use, or its standby."""
        current, credential = looked.current()
        old = self.versions(looked)
        if current in old or credential.standby is None:
            return current in old
        # After a change of the document AWSPREVIOUS is of the same app, and no label tells what the standby holds.
        previous = looked.labelled(PREVIOUS)
        key = None if previous is None or previous in old else previous.key
        return key is None or key.credential.consumer_key != credential.standby.consumer_key


class Revoking:
    """Break-glass for one secret. `rotate` makes one rotation and waits for its end."""

    def __init__(
        self,
        *,
        look: Callable[[], Looked],
        rotate: Callable[[Looked], None],
        give_up: Callable[[Looked], None],
        store: SecretStore,
        open_app: OpenApp,
        login: Login,
        sessions: Sessions,
        shared: SharedSessions | None,
        vendor: DeployedFunction | None,
        rule: SettlingRule,
        clock: Clock,
        tell: Tell,
    ) -> None:
        self._look = look
        self._rotate = rotate
        self._give_up = give_up
        self._store = store
        self._open_app = open_app
        self._login = login
        self._sessions = sessions
        self._shared = shared
        self._vendor = vendor
        self._rule = rule
        self._clock = clock
        self._tell = tell
        self._failures: list[str] = []

    def revoke(self, leak: Leak) -> Sequence[str]:
        """Do all of it and tell of each part; returns what failed, nothing if all is done that can be done from here.

        A part that fails doesn't keep the others from being done. Only where no new key comes about its error is
        raised, for the rest is in vain before that.
        """
        before = self._look()
        self._end_shared_session(before)
        # Their labels move with the rotations, and the last of them may lose its own.
        old = leak.versions(before)
        self._replace_keys(before, leak)
        now = self._look()
        self._tell_of_unread(before, now)
        self._try("apps", lambda: self._look_into_apps(now, old))
        over = [self._is_over(credential) for credential in _distinct(old)]
        # Before the labels: a token that the old key sealed is opened by a labelled version's key alone.
        self._end_shared_session(now)
        if all(over):
            self._try("labels", lambda: self._take_labels_off(now, leak))
        else:
            # It may be the only one that logs in: callers aren't kept from it before that is put right.
            self._fail("labels: they stay on the old versions until their keys are refused; then run this again")
        self._renew()
        return tuple(self._failures)

    def _tell_of_unread(self, *looks: Looked) -> None:
        for version in {version.version_id: version for looked in looks for version in looked.versions}.values():
            if version.problem is not None and version.created is not None:
                self._fail(f"{version.version_id[:8]} can't be read, so its key wasn't looked at; {version.problem}")

    def _replace_keys(self, looked: Looked, leak: Leak) -> None:
        """Rotate until no app in use has an old key: with a standby the second one's goes with the second rotation."""
        if looked.unfinished is not None and leak.reaches(looked, looked.unfinished):
            self._tell("An unfinished rotation is in the way, and its key may have leaked, too: giving it up.")
            self._give_up(looked)
            looked = self._look()
        _, credential = looked.current()
        for _ in apps_of(credential):
            if not leak.needs_rotation(looked):
                break
            self._tell("Rotating.")
            self._rotate(looked)
            looked = self._look()

    def _take_labels_off(self, looked: Looked, leak: Leak) -> None:
        """Lead no reader to an old key any more: by AWSPREVIOUS, nor by ROLLEDBACK, which callers try as well."""
        for version in leak.versions(looked):
            for label in sorted(version.labels - {CURRENT}):
                self._store.move_label(looked.arn, label, onto=None, off=version.version_id)
                self._tell(f"{label} is off {version.name}, whose key nothing tries any more.")

    def _look_into_apps(self, looked: Looked, old: Sequence[Version]) -> None:
        for holding in holdings(looked, self._open_app, Deadline.after(self._clock, _CALL_SECONDS)):
            self._tell(f"The app {holding.app_name} {holding.text}.")
            if any(holding.holds(version) for version in old):
                self._fail(f"the app {holding.app_name} still holds the certificate of an old key")
            elif holding.installed is None:
                self._fail(f"see for yourself that the app {holding.app_name} doesn't hold an old certificate")
            elif holding.version is None and holding.installed.shown:
                self._fail(f"the app {holding.app_name} holds a certificate of an unlabelled version or somebody else")

    def _is_over(self, credential: Credential) -> bool:
        """Wait until the old key is refused, several times in a row: a change takes minutes to reach every server."""
        return self._try("old key", lambda: self._see_refused(credential))

    def _see_refused(self, credential: Credential) -> None:
        deadline = Deadline.after(self._clock, self._rule.patience)
        in_a_row = 0
        while in_a_row < self._rule.logins:
            in_a_row = in_a_row + 1 if self._is_refused(credential) else 0
            if in_a_row < self._rule.logins:
                if deadline.remaining() <= 0:
                    raise NotSettled(
                        f"the one with the certificate {shown(credential.certificate)} still logs in",
                        remedy=f"see which certificate the app {credential.app_name} holds, and who changes it",
                    )
                self._clock.sleep(self._rule.interval)
        self._tell(f"The old key {shown(credential.certificate)} is refused.")

    def _is_refused(self, credential: Credential) -> bool:
        deadline = Deadline.after(self._clock, _CALL_SECONDS)
        try:
            session = self._login(credential, deadline=deadline)
        except LoginRefused as error:
            if not error.retryable:
                # Of the user or the address, and so no word about the key.
                raise
            return True
        except SalesforceUnavailable as error:
            if not error.retryable:
                raise
            return False
        # It was opened for the question alone; and if a login returns a session that is known already, so much better.
        self._sessions.revoke(session.access_token, session.instance.url, deadline)
        return False

    def _end_shared_session(self, looked: Looked) -> None:
        shared = self._shared
        if shared is not None:
            within = Deadline.after(self._clock, _CALL_SECONDS)
            self._try("shared tokens", lambda: shared.end(looked, within, self._tell))

    def _renew(self) -> None:
        vendor = self._vendor
        if vendor is None:
            return
        if self._try("token vendor", lambda: vendor.renew(Deadline.after(self._clock, _CALL_SECONDS))):
            self._tell("All environments of the token vendor start anew; none keeps a token from before.")

    def _try(self, part: str, do: Callable[[], None]) -> bool:
        try:
            do()
        except KeyPairError as error:
            self._fail(f"{part}: {error}")
            return False
        return True

    def _fail(self, text: str) -> None:
        self._failures.append(text)
        self._tell(f"FAILED {text}")


def plan(looked: Looked, leak: Leak, *, table: str | None, vendor: str | None) -> list[str]:
    """What will be done, named exactly. Raises InvalidSecret where AWSCURRENT can't be used."""
    _, credential = looked.current()
    lines = [
        f"Revoke the session of the token that the table {table} shares, and drop it."
        if table
        else "No table of shared tokens is known (--vendor or TOKEN_TABLE): no session is revoked."
    ]
    if looked.unfinished is not None and leak.reaches(looked, looked.unfinished):
        lines.append(f"Give up the unfinished rotation to {looked.unfinished.version_id}.")
    if leak.needs_rotation(looked):
        names = [str(app.app_name) for app in apps_of(credential)]
        lines.append(f"Rotate, so that {' and '.join(names)} hold{'s' if len(names) == 1 else ''} a new certificate.")
    return [
        *lines,
        *(f"Take the labels off {version.name}, so that nothing tries its key." for version in leak.versions(looked)),
        f"Start all environments of {vendor} anew."
        if vendor
        else "No --vendor is given: environments of the token vendor keep what they have in memory.",
    ]


def left_to_do(looked: Looked, *, vendor: str | None) -> list[str]:
    """What no program can do from here."""
    _, credential = looked.current()
    user = credential.username
    sessions = (
        f"End the other sessions of {user} in Setup > Session Management, or freeze the user until all is clear: "
        "tokens that callers or a thief hold can't be known from here."
    )
    return [
        sessions,
        f"Look through the Login History of {user} in Setup for addresses that aren't yours.",
        "Find out who read the secret: CloudTrail, GetSecretValue on it; and who invoked the token vendor.",
        *([] if vendor else ["Start the token vendor's environments anew: run this again with --vendor."]),
        "Callers that use a published version or an alias of the vendor, or keep tokens themselves: start them anew.",
        "If the admin's credential may have leaked with it, replace that, too: its secret isn't rotated by this one.",
    ]


def _same_key(one: Version, other: Version) -> bool:
    return one.certificate is not None and one.certificate.same_key(other.certificate)


def _distinct(old: Sequence[Version]) -> list[Credential]:
    """One document for each old key of an app: a document that was changed by hand holds the same key once more."""
    found: dict[tuple[str, str], Credential] = {}
    for version in old:
        if version.key is not None and version.certificate is not None:
            found[version.key.credential.consumer_key, version.certificate.key_fingerprint] = version.key.credential
    return list(found.values())
