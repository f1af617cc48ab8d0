"""The secret's document: parse, check, succeed, write.

Names follow AWS's managed external secrets where the meaning is the same. Members that this version doesn't know are
kept. An error names the member and the reason, never the value.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from salesforce_keypair.errors import InvalidSecret
from salesforce_keypair.keypair import Certificate, KeyAlgorithm, PrivateKey, Sign, make_key_pair
from salesforce_keypair.members import SEE_DOCS, Members, json_object, wrong
from salesforce_keypair.salesforce.hosts import Hosts, Origin

# AWS Secrets Manager's limit for a value.
MAX_DOCUMENT_BYTES = 65_536
DEFAULT_VALIDITY_DAYS = 365
_MAX_VALIDITY_DAYS = 3650

# What a successor doesn't take over: the key pair, and the leave to replace a foreign certificate once.
_ROTATED = frozenset({"privateKey", "certificate", "replaceForeignCertificate"})


class AppType(StrEnum):
    """The two kinds of app that hold a JWT certificate."""

    EXTERNAL_CLIENT_APP = "ExternalClientApp"
    CONNECTED_APP = "ConnectedApp"


class Installation(StrEnum):
    """Who puts the certificate into the app."""

    METADATA = "metadata"
    MANUAL = "manual"


@dataclass(frozen=True, slots=True)
class Standby:
    """The second of two apps that a rotation alternates between."""

    app_name: str
    consumer_key: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class ClientCredentials:
    """An admin's consumer key and secret, for the client credentials flow."""

    base_uri: Origin
    consumer_key: str = field(repr=False)
    consumer_secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Credential:
    """What logs in with the JWT bearer flow, and how its key pair is rotated. Prints without the key."""

    base_uri: Origin
    username: str
    audience: str
    consumer_key: str = field(repr=False)
    private_key: PrivateKey | None = field(repr=False)
    certificate: Certificate | None
    api_version: str
    app_name: str | None
    app_type: AppType
    installation: Installation
    admin_secret_arn: str | None
    key_algorithm: KeyAlgorithm
    validity_days: int
    replace_foreign_certificate: bool
    standby: Standby | None
    certificate_authority_arn: str | None
    document: Mapping[str, Any] = field(repr=False)

    @classmethod
    def parse(cls, text: str, *, hosts: Hosts, check_key: bool = True) -> "Credential":
        """Read the document. Raises InvalidSecret, or HostNotAllowed for a `baseUri` that isn't an org's."""
        members = Members(json_object(text))
        base_uri = hosts.origin(members.text("baseUri"), what="baseUri")
        certificate = members.certificate()
        credential = cls(
            base_uri=base_uri,
            username=members.text("username"),
            audience=members.optional_text("audience") or base_uri.url,
            consumer_key=members.text("consumerKey"),
            private_key=members.private_key(check_key),
            certificate=certificate,
            api_version=members.api_version(),
            app_name=members.app_name(),
            app_type=members.one_of("appType", AppType, AppType.EXTERNAL_CLIENT_APP),
            installation=members.one_of("installation", Installation, Installation.METADATA),
            admin_secret_arn=members.optional_text("adminSecretArn"),
            key_algorithm=members.key_algorithm(),
            validity_days=members.whole("certificateValidityDays", DEFAULT_VALIDITY_DAYS, 1, _MAX_VALIDITY_DAYS),
            replace_foreign_certificate=members.flag("replaceForeignCertificate"),
            standby=_standby_in(members),
            certificate_authority_arn=members.certificate_authority(),
            document=members.document,
        )
        credential._check_pair()
        return credential

    @property
    def own_user_installs(self) -> bool:
        """Whether the key pair's own user is the authority that changes the app, there being no admin and no person."""
        return self.admin_secret_arn is None and self.installation is Installation.METADATA

    def same_app(self, other: "Credential") -> bool:
        """Whether both log in through one app, so that a new certificate there ends the other's logins."""
        return self.consumer_key == other.consumer_key

    def same_user(self, other: "Credential") -> bool:
        """Whether both log in as one user of one org."""
        return (self.base_uri, self.username) == (other.base_uri, other.username)

    def successor(self, *, now: float, sign: Sign | None = None) -> "Successor":
        """The document of the next version: a new key pair, all else as it is, but that two apps change places.

        The new key is certified by `sign`, or by itself. Raises InvalidSecret if the document is too long.
        """
        document = self._inherited()
        pair = make_key_pair(
            self.key_algorithm,
            common_name=document.get("appName") or "salesforce-keypair",
            validity_days=self.validity_days,
            now=now,
            sign=sign,
        )
        document |= {"privateKey": pair.private_key_pem, "certificate": pair.certificate.pem}
        # Escaped are only halves of a letter, which UTF-8 can't hold: escapes make others up to three times as long.
        text = json.dumps(document, allow_nan=False, ensure_ascii=False)
        encoded = text.encode(errors="backslashreplace")
        if len(encoded) > MAX_DOCUMENT_BYTES:
            raise InvalidSecret(
                f"the document with a new key would exceed {MAX_DOCUMENT_BYTES} bytes",
                remedy="remove what this secret needn't hold",
            )
        return Successor(text=encoded.decode(), certificate=pair.certificate)

    def is_successor_of(self, current: "Credential") -> bool:
        """Whether this document says what a successor of `current` would, whatever the key pair."""
        return {name: value for name, value in self.document.items() if name not in _ROTATED} == current._inherited()

    def _inherited(self) -> dict[str, Any]:
        """The members that a successor takes over."""
        document = {name: value for name, value in self.document.items() if name not in _ROTATED}
        if self.standby is not None:
            # Kept as they are but for the two that change places: the standby may hold members unknown here.
            document |= {
                "consumerKey": self.standby.consumer_key,
                "appName": self.standby.app_name,
                "standby": {**document["standby"], "consumerKey": self.consumer_key, "appName": self.app_name},
            }
        return document

    def required_certificate(self) -> Certificate:
        """The certificate of the key. Raises InvalidSecret where the document holds neither."""
        if self.certificate is None:
            raise InvalidSecret("certificate is missing", remedy="rotate the secret, which makes key and certificate")
        return self.certificate

    def check_installable(self) -> None:
        """Whether a rotation can put a certificate into the app of this document. Raises InvalidSecret."""
        if self.app_name is None:
            raise InvalidSecret("appName is missing", remedy="add the API name of the app that holds the certificate")
        if self.own_user_installs and self.private_key is None:
            raise InvalidSecret(
                "adminSecretArn is missing, and without a key the user can't log in to install one",
                remedy=(
                    "name an admin's secret in adminSecretArn, or import the key pair whose certificate the app has; "
                    "or set installation to manual, where a person uploads it"
                ),
            )

    def _check_pair(self) -> None:
        if self.private_key is None:
            return
        if self.certificate is None:
            raise InvalidSecret("certificate is missing beside privateKey", remedy=SEE_DOCS)
        if self.private_key.key_fingerprint() != self.certificate.key_fingerprint:
            raise InvalidSecret("certificate isn't the one to privateKey", remedy=SEE_DOCS)


@dataclass(frozen=True, slots=True)
class VersionedKey:
    """A version of a secret that holds a key."""

    secret_arn: str = field(repr=False)
    version_id: str
    credential: Credential = field(repr=False)
    private_key: PrivateKey = field(repr=False)


@dataclass(frozen=True, slots=True)
class Successor:
    """A document ready to be stored, and the certificate in it."""

    text: str = field(repr=False)
    certificate: Certificate


def parse_admin(text: str, *, hosts: Hosts) -> ClientCredentials | Credential:
    """Read the admin's secret: AWS's `SalesforceClientSecret` shape, or a key pair's document.

    Raises InvalidSecret or HostNotAllowed.
    """
    members = Members(json_object(text))
    if "consumerSecret" not in members.document or members.given("privateKey"):
        return Credential.parse(text, hosts=hosts)
    return ClientCredentials(
        base_uri=hosts.origin(members.text("baseUri"), what="baseUri"),
        consumer_key=members.text("consumerKey"),
        consumer_secret=members.text("consumerSecret"),
    )


def certificate_in(text: str) -> Certificate | None:
    """The certificate of a document that may be anything else but right; none where there is none to be read."""
    try:
        return Members(json_object(text)).certificate()
    except InvalidSecret:
        return None


def holds_private_key(text: str) -> bool:
    """Whether a document that may be anything else but right has a privateKey, usable or not."""
    try:
        return Members(json_object(text)).given("privateKey")
    except InvalidSecret:
        return False


def _standby_in(members: Members) -> Standby | None:
    value = members.document.get("standby")
    if value is None:
        return None
    if not isinstance(value, dict):
        raise wrong("standby", "it must be an object")
    inner = Members(value)
    try:
        app_name, consumer_key = inner.app_name(), inner.text("consumerKey")
    except InvalidSecret as error:
        raise InvalidSecret(f"in standby, {error.what}", remedy=error.remedy) from error
    if app_name is None:
        raise InvalidSecret("in standby, appName is missing", remedy=SEE_DOCS)
    if consumer_key == members.document.get("consumerKey") or app_name == members.document.get("appName"):
        raise wrong("standby", "it names the same app as the document itself")
    return Standby(app_name=app_name, consumer_key=consumer_key)
