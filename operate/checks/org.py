"""Salesforce's side of the chain: who may change the app, what it holds, and which keys log in."""

from collections.abc import Sequence

from operate.checks import app as apps
from operate.checks import logins
from operate.checks.described import Described
from operate.checks.finding import Finding, ok, skipped
from operate.checks.logins import Attempt
from operate.checks.versions import Held, reader
from operate.checks.walk import Walk
from operate.workplace import Workplace
from salesforce_keypair.authority import Authority
from salesforce_keypair.credential import Credential, Installation
from salesforce_keypair.keypair import Certificate
from salesforce_keypair.salesforce.app_certificate import AppCertificate, Installed
from salesforce_keypair.salesforce.session import Session
from salesforce_keypair.secret_store import CURRENT
from salesforce_keypair.wiring.apps import app_seen_by

# What one question may take: a login or a call; a read with its tries; a deploy that waits for others' to end.
_CALL_SECONDS = 30.0
_READ_SECONDS = 60.0
_REHEARSAL_SECONDS = 600.0

_LOGIN = f"login.{CURRENT}"
_ADMIN = "admin.login"
_APP_LINKS = ("app", "app.certificate", "app.deploy")
_TOKEN_LINKS = ("token", "token.format")
LINKS = ("authority", _ADMIN, *_APP_LINKS, _LOGIN, *_TOKEN_LINKS)


class Org:
    """Looks at the org of a secret's current document. `logins` is how often it logged in for that."""

    def __init__(self, *, walk: Walk, place: Workplace, secret: Described, held: Sequence[Held]) -> None:
        self._walk = walk
        self._place = place
        self._secret = secret
        self._held = held
        self.logins = 0

    def look(self, current: Held, *, rehearse: bool) -> None:
        """Log in with each key once, and make the checks.

        What an admin sees of the app is told first, for it is why a login is refused; an own user sees it only after
        its login.
        """
        credential = current.credential
        attempts = logins.log_in_with_each(self._log_in, self._held)
        working = logins.first_working(attempts)
        self._walk.add("authority", apps.judge_authority(credential))
        if credential.admin_secret_arn is None:
            self._tell_logins(current, attempts)
            self._walk.add(_ADMIN, skipped("there is no admin to log in", cause="adminSecretArn is missing"))
            if credential.installation is Installation.MANUAL:
                for link in _APP_LINKS:
                    self._walk.add(link, skipped("the app wasn't read", cause="there is no admin who could"))
            elif working is None or working.session is None:
                self._walk.skip(_APP_LINKS, because=_LOGIN)
            else:
                self._look_at_app(credential, working.session, attempts, rehearse=rehearse)
            return
        session = self._walk.learn(_ADMIN, "the admin can't log in", lambda: self._admin(credential))
        if session is None:
            self._walk.skip(_APP_LINKS, because=_ADMIN)
        else:
            self._look_at_app(credential, session, attempts, rehearse=rehearse)
        self._tell_logins(current, attempts)

    def _log_in(self, credential: Credential) -> Session:
        self.logins += 1
        return self._place.login.jwt_bearer(credential, deadline=self._place.within(_CALL_SECONDS))

    def _admin(self, credential: Credential) -> tuple[Finding, Session]:
        place = self._place
        authority = Authority(store=place.store, login=place.login, hosts=place.settings.hosts)
        self.logins += 1
        session = authority.session(credential, (), deadline=place.within(_CALL_SECONDS))
        return ok("the admin logs in"), session

    def _look_at_app(
        self, credential: Credential, session: Session, attempts: Sequence[Attempt], *, rehearse: bool
    ) -> None:
        walk = self._walk
        readable, certificate, deploy = _APP_LINKS
        installed = walk.learn(readable, "the app can't be read", lambda: self._read(credential, session))
        if installed is None:
            walk.skip((certificate, deploy), because=readable)
            return
        in_use = next((each for each in attempts if CURRENT in each.held.version.labels), None)
        logs_in = in_use is not None and in_use.session is not None
        walk.check(
            certificate,
            "it isn't known whose certificate the app holds",
            lambda: apps.judge_installed(
                installed, self._owner(installed), credential, self._secret.asked_as, logs_in=logs_in
            ),
        )
        standby = apps.standby_of(credential)
        if standby is not None:
            walk.check("app.standby", "the second app can't be read", lambda: self._judge_standby(standby, session))
        to_send = installed.certificate or credential.certificate
        if not rehearse or to_send is None:
            why = "it is made with --rehearse only" if not rehearse else "there is no certificate to send"
            walk.add(deploy, skipped("no deploy was rehearsed", cause=why))
            return
        walk.check(deploy, "a deploy of the app is refused", lambda: self._rehearse(credential, session, to_send))

    def _app(self, credential: Credential, session: Session, seconds: float) -> AppCertificate:
        place = self._place
        return app_seen_by(
            lambda: session,
            credential,
            transport=place.transport,
            clock=place.clock,
            deadline=place.within(seconds),
        )

    def _read(self, credential: Credential, session: Session) -> tuple[Finding, Installed]:
        installed = self._app(credential, session, _READ_SECONDS).installed()
        return apps.seen(installed), installed

    def _owner(self, installed: Installed) -> apps.Owner | None:
        if installed.certificate is None:
            return None
        text_of = reader(self._place.store, self._secret.arn)
        return apps.owner_of(installed.certificate, self._held, self._secret.unlabelled, text_of)

    def _judge_standby(self, standby: Credential, session: Session) -> Finding:
        installed = self._app(standby, session, _READ_SECONDS).installed()
        return apps.judge_standby(self._owner(installed), installed)

    def _rehearse(self, credential: Credential, session: Session, certificate: Certificate) -> Finding:
        self._app(credential, session, _REHEARSAL_SECONDS).rehearse(certificate)
        return ok("a deploy of the app would be allowed (rehearsed; nothing was written)")

    def _tell_logins(self, current: Held, attempts: Sequence[Attempt]) -> None:
        walk = self._walk
        for attempt in attempts:
            walk.add(f"login.{attempt.name}", logins.judge(attempt, attempts, self._secret.asked_as))
        if not current.has_key:
            walk.skip((_LOGIN,), because="a first rotation")
        working = logins.first_working(attempts)
        if working is None or working.session is None:
            walk.skip(_TOKEN_LINKS, because=_LOGIN)
            return
        session, credential = working.session, working.held.credential
        walk.check("token", "the token of that login doesn't work", lambda: self._judge_token(session, credential))
        walk.add("token.format", apps.judge_token_format(session, credential))

    def _judge_token(self, session: Session, credential: Credential) -> Finding:
        self._place.login.check(session, credential, deadline=self._place.within(_CALL_SECONDS))
        return ok(f"the token is answered as {credential.username}'s")
