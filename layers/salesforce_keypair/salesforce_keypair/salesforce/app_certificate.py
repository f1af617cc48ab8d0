"""Reading and replacing the certificate of an app, over the Metadata API.

A metadata write is declarative: what it leaves out is reset. So the whole component is read, one element changed, and
the whole component written. An External Client App's certificate may not be shown on a read; then only a login proves
what is installed.
"""

import logging
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from xml.etree.ElementTree import Element, tostring

from salesforce_keypair.errors import InstallationRefused
from salesforce_keypair.keypair import MAX_CERTIFICATE_BYTES, Certificate, UnusableKey
from salesforce_keypair.redaction import foreign_words
from salesforce_keypair.salesforce.component import as_file, element, is_nil, local_name, new_element
from salesforce_keypair.salesforce.metadata import READ_AT_ONCE, MetadataApi
from salesforce_keypair.timing import Clock

logger = logging.getLogger(__name__)

# It becomes a path in the package that is sent, so nothing that leads elsewhere.
_FULL_NAME = re.compile(r"[A-Za-z0-9_%-][A-Za-z0-9_.%-]{0,254}")
_NOT_SETTINGS = frozenset({"certificate", "consumerSecret"})
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
    companions: tuple[str, ...]
    """Types of the components that hold the rest of the app's settings; none is ever written."""


EXTERNAL_CLIENT_APP = AppKind(
    metadata_type="ExtlClntAppGlobalOauthSettings",
    file="extlClntAppGlobalOauthSets/{full_name}.ecaGlblOauth",
    app_member="externalClientApplication",
    certificate_holder=None,
    never_sent=frozenset({"consumerKey", "consumerSecret"}),
    sent_as_false=("shouldRotateConsumerKey", "shouldRotateConsumerSecret"),
    companions=("ExtlClntAppOauthSettings", "ExtlClntAppOauthConfigurablePolicies"),
)
CONNECTED_APP = AppKind(
    metadata_type="ConnectedApp",
    file="connectedApps/{full_name}.connectedApp",
    app_member="fullName",
    certificate_holder="oauthConfig",
    never_sent=frozenset({"consumerKey", "consumerSecret"}),
    sent_as_false=(),
    companions=(),
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

    def settings(self) -> Mapping[str, tuple[str, ...]] | None:
        """The texts of all members that the org shows of the app, by name; none where it has no such app.

        Not the certificate and the consumer secret, which an org may be set to show.
        """
        record = self._find()
        if record is None:
            return None
        records = [record]
        for companion in self._kind.companions:
            # What the session may not see of these, or the org doesn't know, is simply not shown.
            with suppress(InstallationRefused):
                records += [each for each in self._candidates(companion) if self._belongs(each)]
        texts: dict[str, tuple[str, ...]] = {}
        for member in (member for each in records for member in each.iter()):
            name = local_name(member)
            if len(member) == 0 and not is_nil(member) and name not in _NOT_SETTINGS:
                texts[name] = (*texts.get(name, ()), (member.text or "").strip())
        return texts

    def rehearse(self, certificate: Certificate) -> None:
        """See that this session may put a certificate into the app. Writes nothing."""
        self._deploy(self._read(), certificate, check_only=True)

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
        self._deploy(before, certificate, check_only=True)
        if just_before is not None:
            just_before()
        self._deploy(before, certificate, check_only=False)
        after = self._read_back(certificate)
        changed = self._differences(before, after, certificate)
        if changed:
            logger.warning(
                "other settings of the app changed while its certificate was replaced: compare them in Setup",
                extra={"app": self._app_name, "settings": changed},
            )

    def _deploy(self, record: Element, certificate: Certificate, *, check_only: bool) -> None:
        full_name = _full_name_of(record)
        self._api.deploy(
            metadata_type=self._kind.metadata_type,
            full_name=full_name,
            path=self._kind.file.format(full_name=full_name),
            component=self._with_certificate(record, certificate),
            check_only=check_only,
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
        record = self._find()
        if record is not None:
            return record
        raise InstallationRefused(
            f"the org has no {self._kind.metadata_type} of an app named {self._app_name}",
            remedy=(
                "correct appName (the API name, not the label), or enable OAuth in the app; after a sandbox refresh "
                "create the app again"
            ),
        )

    def _find(self) -> Element | None:
        if self._full_name is not None:
            records = self._api.read(self._kind.metadata_type, [self._full_name])
        else:
            records = self._candidates(self._kind.metadata_type)
        for record in records:
            if self._belongs(record):
                self._full_name = _full_name_of(record)
                return record
        return None

    def _candidates(self, metadata_type: str) -> list[Element]:
        """The components among which the app's is: where the full name varies, a list doesn't say whose each is."""
        if self._kind.app_member == "fullName":
            return self._api.read(metadata_type, [self._app_name])
        names = [name for name in self._api.full_names(metadata_type) if _FULL_NAME.fullmatch(name)]
        # Those named after the app first: in an org with many apps one read is then enough.
        names.sort(key=lambda name: (not name.lower().startswith(self._app_name.lower()), name))
        for start in range(0, len(names), READ_AT_ONCE):
            records = self._api.read(metadata_type, names[start : start + READ_AT_ONCE])
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
