"""Reading and replacing the certificate of an app, over the Metadata API.

A metadata write is declarative: what it leaves out is reset. So the whole component is read, one element changed, and
the whole component written. An External Client App's certificate may not be shown on a read; then only a login proves
what is installed.
"""

import logging
import re
from collections.abc import Callable
from dataclasses import dataclass
from xml.etree.ElementTree import Element, tostring

from salesforce_keypair.errors import InstallationRefused
from salesforce_keypair.keypair import MAX_CERTIFICATE_BYTES, Certificate, UnusableKey
from salesforce_keypair.redaction import foreign_words
from salesforce_keypair.salesforce.component import as_file, element, local_name, new_element
from salesforce_keypair.salesforce.metadata import READ_AT_ONCE, MetadataApi
from salesforce_keypair.timing import Clock

logger = logging.getLogger(__name__)

# It becomes a path in the package that is sent, so nothing that leads elsewhere.
_FULL_NAME = re.compile(r"[A-Za-z0-9_%-][A-Za-z0-9_.%-]{0,254}")
_READS_BACK = 3
_READ_BACK_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class AppKind:
    """Where a kind of app keeps its certificate, and what a write of it must not say."""

    metadata_type: str
    file: str
    app_member: str
    """The member that names the app: its own full name, or the app that the component belongs to."""
    certificate_holder: str | None
    """The member inside which the certificate is; none where it is in the component itself."""
    never_sent: frozenset[str]
    """Beside the certificate; Salesforce refuses a component that names them."""
    sent_as_false: tuple[str, ...]
    """Beside the certificate; true would make Salesforce issue a new consumer key or secret."""


EXTERNAL_CLIENT_APP = AppKind(
    metadata_type="ExtlClntAppGlobalOauthSettings",
    file="extlClntAppGlobalOauthSets/{full_name}.ecaGlblOauth",
    app_member="externalClientApplication",
    certificate_holder=None,
    never_sent=frozenset({"consumerKey", "consumerSecret"}),
    sent_as_false=("shouldRotateConsumerKey", "shouldRotateConsumerSecret"),
)
CONNECTED_APP = AppKind(
    metadata_type="ConnectedApp",
    file="connectedApps/{full_name}.connectedApp",
    app_member="fullName",
    certificate_holder="oauthConfig",
    never_sent=frozenset({"consumerKey", "consumerSecret"}),
    sent_as_false=(),
)


@dataclass(frozen=True, slots=True)
class Installed:
    """What a read shows of an app's certificate: nothing, a certificate, or one that can't even be read."""

    shown: bool
    certificate: Certificate | None


class AppCertificate:
    """The one certificate of an app. Methods raise InstallationRefused, or SalesforceUnavailable to be tried again."""

    def __init__(self, *, api: MetadataApi, kind: AppKind, app_name: str, clock: Clock) -> None:
        self._api = api
        self._kind = kind
        self._app_name = app_name
        self._clock = clock
        self._full_name: str | None = None

    def installed(self) -> Installed:
        """What the app holds now."""
        return self._installed_in(self._read())

    def replace(self, certificate: Certificate, *, just_before: Callable[[], object] | None = None) -> None:
        """Put a certificate into the app and nothing else: rehearse, deploy, read back and compare.

        `just_before` is called between the rehearsal, which takes its time, and the deploy.
        """
        if len(certificate.pem) > MAX_CERTIFICATE_BYTES:
            raise InstallationRefused(
                f"the certificate exceeds the {MAX_CERTIFICATE_BYTES} bytes that Salesforce takes",
                remedy="use a smaller key or a certificate with fewer extensions",
            )
        before = self._read()
        full_name = _full_name_of(before)
        for check_only in (True, False):
            if not check_only and just_before is not None:
                just_before()
            self._api.deploy(
                metadata_type=self._kind.metadata_type,
                full_name=full_name,
                path=self._kind.file.format(full_name=full_name),
                component=self._with_certificate(before, certificate),
                check_only=check_only,
            )
        after = self._read_back(certificate)
        changed = self._differences(before, after, certificate)
        if changed:
            logger.warning(
                "other settings of the app changed while its certificate was replaced: compare them in Setup",
                extra={"app": self._app_name, "settings": changed},
            )

    def _read_back(self, certificate: Certificate) -> Element:
        for attempt in range(_READS_BACK):
            if attempt:
                self._clock.sleep(_READ_BACK_SECONDS)
            record = self._read()
            installed = self._installed_in(record)
            if not installed.shown or certificate.same_key(installed.certificate):
                return record
        raise InstallationRefused(
            "Salesforce reported success, but the app holds another certificate than the one that was sent",
            remedy="see in Setup who changes the app, then let the rotation run again",
            retryable=True,
        )

    def _read(self) -> Element:
        if self._full_name is not None:
            records = self._api.read(self._kind.metadata_type, [self._full_name])
        else:
            records = self._candidates()
        for record in records:
            if self._belongs(record):
                self._full_name = _full_name_of(record)
                return record
        raise InstallationRefused(
            f"the org has no {self._kind.metadata_type} of an app named {self._app_name}",
            remedy=(
                "correct appName (the API name, not the label), or enable OAuth in the app; after a sandbox refresh "
                "create the app again"
            ),
        )

    def _candidates(self) -> list[Element]:
        """The components among which the app's is: where the full name varies, a list doesn't say whose each is."""
        if self._kind.app_member == "fullName":
            return self._api.read(self._kind.metadata_type, [self._app_name])
        names = [name for name in self._api.full_names(self._kind.metadata_type) if _FULL_NAME.fullmatch(name)]
        # Those named after the app first: in an org with many apps one read is then enough.
        names.sort(key=lambda name: (not name.lower().startswith(self._app_name.lower()), name))
        for start in range(0, len(names), READ_AT_ONCE):
            records = self._api.read(self._kind.metadata_type, names[start : start + READ_AT_ONCE])
            if any(self._belongs(record) for record in records):
                return records
        return []

    def _belongs(self, record: Element) -> bool:
        owner = element(record, self._kind.app_member)
        return owner is not None and owner.text == self._app_name

    def _with_certificate(self, record: Element, certificate: Certificate) -> Element:
        component = as_file(record, self._kind.metadata_type)
        holder = self._holder(component)
        if holder is None:
            raise InstallationRefused(
                f"the app {self._app_name} has no OAuth settings to put a certificate in",
                remedy="enable OAuth in the app",
            )
        for member in list(holder):
            if local_name(member) in self._kind.never_sent:
                holder.remove(member)
        _set(holder, "certificate", certificate.pem)
        for name in self._kind.sent_as_false:
            _set(holder, name, "false")
        return component

    def _holder(self, component: Element) -> Element | None:
        """The element that the certificate is a member of."""
        if self._kind.certificate_holder is None:
            return component
        return element(component, self._kind.certificate_holder)

    def _installed_in(self, record: Element) -> Installed:
        holder = self._holder(record)
        member = None if holder is None else element(holder, "certificate")
        text = "" if member is None else (member.text or "").strip()
        if not text:
            return Installed(shown=False, certificate=None)
        try:
            return Installed(shown=True, certificate=Certificate.parse(text))
        except UnusableKey:
            return Installed(shown=True, certificate=None)

    def _differences(self, before: Element, after: Element, certificate: Certificate) -> list[str]:
        """The names of the members that differ, the certificate apart."""
        first, second = (
            {(local_name(member), tostring(member)) for member in self._with_certificate(record, certificate)}
            for record in (before, after)
        )
        return sorted({foreign_words(name) for name, _ in first ^ second})


def _set(component: Element, name: str, text: str) -> None:
    """Give a member a text; a new one takes its place in the alphabet, in which components list their members."""
    member = element(component, name)
    if member is not None:
        member.text = text
        return
    place = sum(1 for other in component if local_name(other) < name)
    component.insert(place, new_element(name, text))


def _full_name_of(record: Element) -> str:
    name = element(record, "fullName")
    text = "" if name is None else name.text or ""
    if not _FULL_NAME.fullmatch(text):
        raise InstallationRefused("the app's component has a full name that can't be used", remedy="rename it in Setup")
    return text
