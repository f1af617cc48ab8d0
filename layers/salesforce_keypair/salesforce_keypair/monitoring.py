"""Measures of a secret: ages, expiries, rotations that came to nothing, the app's certificate, and a vend.

What can't be measured is counted and said, and never keeps the rest from being measured.
"""

import logging
from collections.abc import Mapping
from datetime import UTC, datetime

from salesforce_keypair.credential import Credential
from salesforce_keypair.errors import InvalidSecret
from salesforce_keypair.findings import Report
from salesforce_keypair.keypair import Certificate
from salesforce_keypair.schedule import longest_interval
from salesforce_keypair.seams import OpenApp, Parse, SecretHistory
from salesforce_keypair.secret_store import CURRENT, PENDING, PREVIOUS, ROLLED_BACK
from salesforce_keypair.timing import Clock, Deadline, retrying
from salesforce_keypair.vend_check import AskVendor, Ending
from salesforce_keypair.watched_secret import WatchedSecret
from salesforce_keypair.ways_out import go_back

logger = logging.getLogger(__name__)

# From where on a measure is worth a person's time; the template's alarms say the same.
EXPIRES_SOON_DAYS = 30
OVERDUE_INTERVALS = 1.25
PENDING_LONG_HOURS = 2

# SECRET_ID is split at commas: no vendor can be told to serve this one.
NOT_SERVED = "not-served,by-any-vendor"

_HOUR = 3600.0
_DAY = 24 * _HOUR


def secrets_of(event: object, served: tuple[str, ...]) -> tuple[str, ...]:
    """Those of the served secrets that an event names; all where it names none: a schedule's, or an unknown one.

    Source of the shape: "AWS Secrets Manager User Guide", Secret Label Updated event.
    """
    if not isinstance(event, Mapping):
        return served
    resources, detail = event.get("resources"), event.get("detail")
    named = [*resources] if isinstance(resources, list) else []
    if isinstance(detail, Mapping):
        named.append(detail.get("name"))
    return tuple(secret_id for secret_id in served if secret_id in named) or served


class KeyMonitor:
    """Examines secrets. `vend` asks the token vendor, where there is one; a change spreads for `settling` seconds."""

    def __init__(
        self,
        *,
        store: SecretHistory,
        open_app: OpenApp,
        parse: Parse,
        vend: AskVendor | None,
        clock: Clock,
        settling: float,
    ) -> None:
        self._store = store
        self._open_app = open_app
        self._parse = parse
        self._vend = vend
        self._clock = clock
        self._settling = settling

    def examine(self, secret_id: str, deadline: Deadline) -> Report:
        """Measure a secret. Raises nothing."""
        report = self._look(secret_id, deadline)
        if report.measures.get("CertificateDrift"):
            # A rotation that began after the labels were read may have put in what looks like somebody else's.
            report = self._look(secret_id, deadline)
        if not report.without_key:
            # Where the monitor may not read the secret, too: the vendor's rights are its own.
            report.attempt("the vend", lambda: self._check_vend(secret_id, report))
        return report

    def check_refusal(self) -> Report:
        """Ask the vendor for what it must refuse. Raises nothing."""
        report = Report(None)
        report.attempt("the refusal", lambda: self._check_refusal(report))
        return report

    def _look(self, secret_id: str, deadline: Deadline) -> Report:
        report = Report(secret_id)

        def look() -> None:
            secret = WatchedSecret(secret_id=secret_id, store=self._store, parse=self._parse)
            report.attempt("what may spread", lambda: self._note_spreading(secret, report))
            report.attempt("the last rotation", lambda: self._check_rotations(secret, report))
            report.attempt("the age of the key", lambda: self._check_age(secret, report))
            report.attempt("the document of AWSCURRENT", lambda: self._check_current(secret, report, deadline))

        report.attempt("the secret", look)
        return report

    def _note_spreading(self, secret: WatchedSecret, report: Report) -> None:
        """Whether a certificate may have been put in or put back so lately that not every server honours it."""
        unfinished, edited = secret.unfinished(), secret.edited
        began = None if unfinished is None else secret.since(unfinished)
        if edited is not None and self._is_since(edited, self._settling) and (began is None or began <= edited):
            # It is the document that was changed, and a token from before says nothing of that.
            return
        # One that is stuck for long changes nothing any more, and a key that is dead mustn't stay unseen behind it.
        under_way = unfinished is not None and (began is None or self._is_since(began, PENDING_LONG_HOURS * _HOUR))
        report.spreading = under_way or self._is_since(secret.history.changed, self._settling)

    def _is_since(self, moment: datetime | None, seconds: float) -> bool:
        return moment is not None and self._seconds_since(moment) <= seconds

    def _check_rotations(self, secret: WatchedSecret, report: Report) -> None:
        unfinished = secret.unfinished()
        began = None if unfinished is None else secret.since(unfinished)
        hours = 0.0 if began is None else self._seconds_since(began) / _HOUR
        report.measures["PendingAgeHours"] = hours
        if hours > PENDING_LONG_HOURS:
            report.find(
                f"a rotation began {hours:.1f} hours ago and hasn't ended (version {unfinished} is {PENDING})",
                f"make status SECRET={report.secret_id}, then make resume SECRET={report.secret_id}",
            )
        undone = self._undone(secret)
        report.measures["RotationRolledBack"] = float(undone is not None)
        if undone is not None:
            report.find(
                f"the last rotation was undone (version {undone} is {ROLLED_BACK}): Salesforce didn't honour its "
                "certificate, or somebody rolled it back or gave it up",
                f"{report.doctor}, then make rotate SECRET={report.secret_id}",
            )

    def _undone(self, secret: WatchedSecret) -> str | None:
        """The version of a rotation that was undone after the last one that succeeded."""
        rolled_back, current = secret.version_with(ROLLED_BACK), secret.version_with(CURRENT)
        if rolled_back is None or current is None:
            return None
        began, succeeded = secret.since(rolled_back), secret.since(current)
        return rolled_back if began is not None and succeeded is not None and began > succeeded else None

    def _check_age(self, secret: WatchedSecret, report: Report) -> None:
        since = secret.key_since
        if since is None:
            return
        seconds = self._seconds_since(since)
        if secret.certificate(CURRENT) is not None:
            report.measures["KeyAgeDays"] = seconds / _DAY
        if not secret.history.state.rotation_enabled:
            raise InvalidSecret(
                "rotation of the secret is off, so nothing replaces the key",
                remedy="turn it on again (RotateSecret, or deploy the stack anew)",
            )
        rules = secret.history.rules
        interval = longest_interval(rules)
        if interval is None and rules.expression is not None and rules.last is None:
            # A cron expression tells its interval by the dates of two rotations, and there was none yet.
            return
        if interval is None:
            raise InvalidSecret(
                "the schedule of the secret tells no interval", remedy="set a rate(...) or cron(...) schedule"
            )
        intervals = seconds / interval.total_seconds()
        report.measures["KeyAgeInIntervals"] = intervals
        if intervals > OVERDUE_INTERVALS:
            report.find(
                f"no rotation has succeeded for {seconds / _DAY:.1f} days, {intervals:.2f} times as long as the "
                "schedule allows",
                f"{report.doctor}, then make rotate SECRET={report.secret_id}",
            )

    def _check_current(self, secret: WatchedSecret, report: Report, deadline: Deadline) -> None:
        current = secret.document(CURRENT)
        if current is None or current.private_key is None:
            self._check_unkeyed(secret, report)
            return
        report.measures["CertificateDaysLeft"] = self._days_left(current, "the certificate", report)
        # Of two apps the one in use never holds what a rotation puts in.
        ours = [current.certificate] if current.standby else [current.certificate, secret.certificate(PENDING)]
        report.attempt("the app's certificate", lambda: self._check_app(secret, current, ours, report, deadline))
        if current.standby is not None:
            other = current.standby.consumer_key
            report.attempt("the standby", lambda: self._check_standby(secret, other, report, deadline))

    def _check_unkeyed(self, secret: WatchedSecret, report: Report) -> None:
        if secret.certificate(PREVIOUS) is not None:
            raise InvalidSecret(
                "AWSCURRENT holds no privateKey, but AWSPREVIOUS does: somebody overwrote the secret",
                remedy=f"{go_back(str(report.secret_id))}, and change single members of its document only",
            )
        if secret.had_key:
            # More than once, so that no label leads to it any more.
            raise InvalidSecret(
                "AWSCURRENT holds no privateKey, but an earlier version does: somebody overwrote the secret",
                remedy=f"make rotate SECRET={report.secret_id} makes a new key",
            )
        report.without_key = True
        report.find(
            "there is no key yet, and so no token",
            f"{report.doctor}, then make rotate SECRET={report.secret_id} for the first key",
        )

    def _check_standby(self, secret: WatchedSecret, consumer_key: str, report: Report, deadline: Deadline) -> None:
        """The other of two apps, whose certificate is in the last version that was current with it."""
        found = secret.of_app(consumer_key)
        if not found:
            # No rotation has put a certificate there yet.
            return
        standby = found[-1]
        # A rotation that came to nothing may have put in a later one, or not have come so far.
        report.measures["StandbyCertificateDaysLeft"] = self._days_left(standby, "the standby's certificate", report)
        # It keeps what a rotation left there that was undone or given up, with or without a label.
        left = [credential.certificate for credential in found]
        ours = [*left, secret.certificate(PENDING), secret.certificate(ROLLED_BACK)]
        self._check_app(secret, standby, ours, report, deadline)

    def _days_left(self, credential: Credential, which: str, report: Report) -> float:
        end = credential.required_certificate().not_after
        days = -self._seconds_since(end) / _DAY
        if days < EXPIRES_SOON_DAYS:
            when = f"expires in {abs(days):.1f} days" if days >= 0 else f"expired {abs(days):.1f} days ago"
            report.find(
                f"{which} in the app {credential.app_name} {when} ({end.date().isoformat()})",
                f"make rotate SECRET={report.secret_id}",
            )
        return days

    def _check_app(
        self,
        secret: WatchedSecret,
        holder: Credential,
        ours: list[Certificate | None],
        report: Report,
        deadline: Deadline,
    ) -> None:
        """Whether the app of a version holds one of the certificates that it may."""
        if holder.app_name is None or (holder.admin_secret_arn is None and not holder.own_user_installs):
            # A person installs the certificates: nobody here may look into the app.
            return
        # Without an admin the own user looks, with whichever key the app honours.
        pending = secret.document(PENDING) if holder.own_user_installs else None
        own_keys = [key for key in (holder, pending) if key is not None and key.private_key is not None]
        app = self._open_app(holder, own_keys, deadline)
        installed = retrying(app.installed, clock=self._clock, deadline=deadline)
        if not installed.shown:
            logger.info("the app doesn't show its certificate", extra={"app": holder.app_name})
            return
        found = installed.certificate
        drifted = not any(certificate is not None and certificate.same_key(found) for certificate in ours)
        report.measures["CertificateDrift"] = max(report.measures.get("CertificateDrift", 0.0), float(drifted))
        if drifted:
            named = "one that can't be read" if found is None else found.fingerprint
            report.find(f"the app {holder.app_name} holds another certificate than ours ({named})")

    def _check_vend(self, secret_id: str, report: Report) -> None:
        if self._vend is None:
            return
        # Callers live on tokens that they have while a change spreads, and a login that fails then says nothing of
        # later ones; it would even keep the vendor from trying for some seconds.
        vend = self._vend(secret_id, anew=not report.spreading)
        if vend.ending is Ending.UNASKED:
            report.not_made(
                f"the vend can't be checked: the token vendor wasn't asked ({vend.error}: {vend.reason})",
                "make deploy, for the monitor's role and TOKEN_VENDOR_FUNCTION are in the template",
                error=vend.error,
            )
            return
        report.measures["VendCheckFailed"] = float(vend.ending is not Ending.TOKEN)
        if vend.ending is not Ending.TOKEN:
            report.find(f"the token vendor gives no token ({vend.error}: {vend.reason})", error=vend.error)

    def _check_refusal(self, report: Report) -> None:
        if self._vend is None:
            return
        vend = self._vend(NOT_SERVED, anew=True)
        if vend.ending is Ending.TOKEN:
            report.measures["RefusalCheckFailed"] = 1.0
            report.find(
                "the token vendor gave a token for a secret that it doesn't serve, so it may give any",
                "take lambda:InvokeFunction from its callers, see which code and SECRET_ID it runs with, make deploy",
            )
        elif vend.ending is Ending.ERROR and vend.error == "InvalidRequest":
            report.measures["RefusalCheckFailed"] = 0.0
        else:
            report.not_made(
                f"the refusal can't be checked: no answer says InvalidRequest ({vend.error}: {vend.reason})",
                error=vend.error,
            )

    def _seconds_since(self, moment: datetime) -> float:
        return (datetime.fromtimestamp(self._clock.time(), UTC) - moment).total_seconds()
