"""Everything that can be known before a document is written, asked of the org itself. Nothing here writes anything."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar
from urllib.parse import urlsplit

from requests.utils import get_environ_proxies, select_proxy

from operate.onboarding.app_rules import RULES, Settings, approved_by, judge, menu_of
from operate.onboarding.finding import Finding, Level, Place, Step
from operate.workplace import Workplace
from salesforce_keypair.authority import Authority
from salesforce_keypair.credential import Credential, Installation
from salesforce_keypair.errors import KeyPairError, SalesforceUnavailable
from salesforce_keypair.keypair import Certificate, KeyAlgorithm, make_key_pair
from salesforce_keypair.salesforce.app_certificate import AppCertificate, Installed
from salesforce_keypair.salesforce.hosts import Origin
from salesforce_keypair.timing import retrying

Result = TypeVar("Result")

# The admin's login, reads and a rehearsal, which is a deploy that Salesforce queues.
_SECONDS = 180.0


@dataclass
class Checks:
    """One examination. `say` hears of each finding as it is made; `certificates` are those of the secret's versions."""

    place: Workplace
    certificates: Sequence[Certificate]
    say: Callable[[Finding], None]
    findings: list[Finding] = field(default_factory=list)
    installed: Installed | None = None
    """What the app of the document shows; None where it couldn't be looked at."""
    foreign: bool = False
    """Whether the app that the next rotation changes holds a certificate that no version of the secret knows."""

    @property
    def failed(self) -> bool:
        """Whether anything did."""
        return any(finding.level is Level.FAILED for finding in self.findings)

    def run(self, credential: Credential) -> None:
        """Look at the host, the admin and the app or apps of a document, which may hold no key yet."""
        if not self._host(credential.base_uri) or self._tried(lambda: _installable(credential)) is None:
            return
        if credential.installation is Installation.MANUAL:
            self._person_installs(credential)
            if credential.admin_secret_arn is None:
                self.found(Finding(Level.UNKNOWN, "without an admin nobody can look at the app from here"))
                self._judge(credential, {}, proven=credential.private_key is not None)
                return
        if not self._authority(credential):
            return
        self.installed = self._app(credential, own=credential, proven=credential.private_key is not None)
        if credential.standby is not None:
            standby = credential.standby
            other = replace(credential, app_name=standby.app_name, consumer_key=standby.consumer_key)
            self._app(other, own=credential, proven=False)

    def prove(self, credential: Credential) -> None:
        """Log in with the key of a complete document."""
        deadline = self.place.within(_SECONDS)

        def log_in() -> bool:
            self.place.login.prove(credential, deadline=deadline)
            return True

        if self._tried(lambda: retrying(log_in, clock=self.place.clock, deadline=deadline)):
            self.found(Finding(Level.OK, f"{credential.username} logs in with the key, and the token works"))

    def _user(self, credential: Credential, settings: Settings) -> None:
        """Say what is known of the user without a login."""
        approved = approved_by(settings) or "a permission set or profile that the app's policies name"
        self.found(
            Finding(
                Level.UNKNOWN,
                f"only a login with a key proves that {credential.username} may use {credential.app_name}: the next "
                "rotation tries it before its key becomes current",
                step=Step(
                    Place.PERMISSION_SETS,
                    f"Setup > Users > Permission Sets > Manage Assignments: see that {credential.username} is active "
                    f"and has {approved}, with API Enabled",
                ),
            )
        )

    def _host(self, origin: Origin) -> bool:
        host = urlsplit(origin.url).hostname or ""
        if select_proxy(origin.url, get_environ_proxies(origin.url)):
            self.found(Finding(Level.OK, f"{origin} is an org's host (a proxy resolves its name)"))
            return True
        try:
            self.place.resolve(host, 443)
        except (OSError, UnicodeError):
            self.found(
                Finding(
                    Level.FAILED,
                    f"{host} doesn't resolve",
                    remedy="correct the My Domain (see Setup > Company Settings > My Domain), or this machine's DNS",
                )
            )
            return False
        self.found(Finding(Level.OK, f"{origin} is an org's host and resolves"))
        return True

    def _person_installs(self, credential: Credential) -> None:
        menu = menu_of(Place.APP_SETTINGS, credential.app_type, str(credential.app_name))
        self.found(
            Finding(
                Level.OK,
                "a person installs the certificates (installation manual); each rotation waits for that",
                step=Step(
                    Place.APP_SETTINGS,
                    f"{menu}: once the first rotation waits, upload its certificate, which `make status` shows",
                ),
            )
        )

    def _authority(self, credential: Credential) -> bool:
        place = self.place
        authority = Authority(store=place.store, login=place.login, hosts=place.settings.hosts)
        deadline = place.within(_SECONDS)
        session = self._tried(
            lambda: retrying(
                lambda: authority.session(credential, [credential], deadline=deadline),
                clock=place.clock,
                deadline=deadline,
            )
        )
        if session is None:
            return False
        if not credential.own_user_installs:
            self.found(Finding(Level.OK, "the admin's secret can be read, is of the same org, and logs in"))
            return True
        self.found(
            Finding(
                Level.WARNING,
                f"{credential.username} itself installs certificates: every token of it can change the app",
                remedy="make an admin app, store its credential in a secret, and name that with --admin-secret",
            )
        )
        return True

    def _app(self, credential: Credential, *, own: Credential, proven: bool) -> Installed | None:
        """Look at one app, as the `own` user where there is no admin; `proven` if a login through it is tried later."""
        app = self.place.open_app(credential, [own], self.place.within(_SECONDS))
        read = self._tried(lambda: _read(app))
        if read is None:
            return None
        settings, installed = read
        if settings is None:
            self.found(
                Finding(
                    Level.FAILED,
                    f"the org has no {credential.app_type} with OAuth named {credential.app_name}",
                    remedy="correct the name (the API name, not the label), or make the app: --package FOLDER writes "
                    "what `sf project deploy start` needs for it",
                )
            )
            return None
        self.found(Finding(Level.OK, f"{credential.app_name} is there, and API v{credential.api_version} shows it"))
        self._consumer_key(credential, settings)
        self._certificate(credential, installed)
        if credential.installation is Installation.METADATA:
            self._may_install(credential, app, installed)
        self._judge(credential, settings, proven=proven)
        return installed

    def _judge(self, credential: Credential, settings: Settings, *, proven: bool) -> None:
        """Hold the settings that are shown against the rules; a login proves what isn't shown."""
        for rule in RULES:
            finding = judge(rule, settings, app=str(credential.app_name), app_type=credential.app_type, proven=proven)
            if finding is not None:
                self.found(finding)
        if not proven:
            self._user(credential, settings)

    def _consumer_key(self, credential: Credential, settings: Settings) -> None:
        shown = next(iter(settings.get("consumerKey", ())), "")
        if not shown:
            text = f"the org doesn't show the consumer key of {credential.app_name}; the first login tells"
            self.found(Finding(Level.UNKNOWN, text))
        elif shown != credential.consumer_key:
            self.found(
                Finding(
                    Level.FAILED,
                    f"the consumer key isn't the one of {credential.app_name}",
                    remedy="copy it from the app: Settings > OAuth Settings > Consumer Key and Secret",
                )
            )
        else:
            self.found(Finding(Level.OK, f"the consumer key is the one of {credential.app_name}"))

    def _certificate(self, credential: Credential, installed: Installed) -> None:
        name = credential.app_name
        own = None if credential.private_key is None else credential.private_key.key_fingerprint()
        certificate = installed.certificate
        if not installed.shown:
            self.found(Finding(Level.OK, f"{name} shows no certificate; the first rotation installs one"))
        elif certificate is not None and (
            certificate.key_fingerprint == own or any(certificate.same_key(each) for each in self.certificates)
        ):
            self.found(Finding(Level.OK, f"{name} holds a certificate of this secret ({certificate.fingerprint[:16]})"))
        else:
            self.foreign = self.foreign or _is_next(credential)
            self.found(_foreign(credential, certificate))

    def _may_install(self, credential: Credential, app: AppCertificate, installed: Installed) -> None:
        """Rehearse with what is there, or with a certificate that is forgotten at once."""
        certificate = installed.certificate
        if certificate is None:
            now = self.place.clock.time()
            pair = make_key_pair(KeyAlgorithm.RSA_2048, common_name="rehearsal", validity_days=1, now=now)
            certificate = pair.certificate
        who = "the user itself" if credential.own_user_installs else "the admin"
        may = f"{who} may change {credential.app_name}"
        try:
            app.rehearse(certificate)
        except SalesforceUnavailable as error:
            # A rehearsal waits for the org's other deploys, which may take hours.
            self.found(Finding(Level.UNKNOWN, f"whether {may} can't be rehearsed now ({error.what})"))
        except KeyPairError as error:
            self.found(_failed(error))
        else:
            self.found(Finding(Level.OK, f"{may} (rehearsed: nothing was written)"))

    def _tried(self, look: Callable[[], Result]) -> Result | None:
        """What a look gives; None, and a finding, where it is refused."""
        try:
            return look()
        except KeyPairError as error:
            self.found(_failed(error))
            return None

    def found(self, finding: Finding) -> None:
        """Note a finding."""
        self.findings.append(finding)
        self.say(finding)


def _installable(credential: Credential) -> bool:
    credential.check_installable()
    return True


def _failed(error: KeyPairError) -> Finding:
    return Finding(Level.FAILED, error.what, remedy=error.remedy)


def _read(app: AppCertificate) -> tuple[Settings | None, Installed]:
    settings = app.settings()
    return settings, Installed(shown=False, certificate=None) if settings is None else app.installed()


def _foreign(credential: Credential, certificate: Certificate | None) -> Finding:
    found = "one that can't be read" if certificate is None else certificate.fingerprint[:16]
    what = f"{credential.app_name} holds a certificate that no version of this secret knows ({found})"
    has_key, standby = credential.private_key is not None, credential.standby
    if standby is not None and not _is_next(credential):
        return Finding(
            Level.FAILED if has_key else Level.WARNING,
            f"{what}, so the private key can't log in through this app" if has_key else what,
            remedy=(
                f"leave it there, and --private-key out: the next rotation goes over to {standby.app_name}; after that "
                "run this again, and if nobody logs in with it, with --replace-foreign-certificate"
            ),
        )
    if credential.replace_foreign_certificate:
        return Finding(
            Level.WARNING,
            f"{what}; the next rotation replaces it",
            remedy="who logs in with the key to it is locked out then: see that nobody does",
        )
    if has_key and standby is None:
        return Finding(
            Level.FAILED,
            f"{what}, so the private key can't log in through this app",
            remedy=(
                "give the key to the app's certificate; or let the next rotation replace the certificate "
                "(--replace-foreign-certificate), with no --private-key and no other change beside it"
            ),
        )
    return Finding(
        Level.FAILED,
        f"{what}, so the next rotation would stop with ForeignCertificate",
        remedy=(
            ("import the key to it (--private-key); or " if standby is None else "")
            + "give its user an app of its own; or, if nobody logs in with it, let the next rotation replace it "
            "(--replace-foreign-certificate)"
        ),
    )


def _is_next(credential: Credential) -> bool:
    """Whether the next rotation puts its certificate into this app: of two it is the second one's turn."""
    return credential.standby is None or credential.standby.consumer_key == credential.consumer_key
