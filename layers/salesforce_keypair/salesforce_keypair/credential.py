"""The secret's document: parse, check, succeed, write.

Names follow AWS's managed external secrets where the meaning is the same. Members that this version doesn't know are
kept. An error names the member and the reason, never the value.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, TypeVar

from salesforce_keypair.errors import InvalidSecret
from salesforce_keypair.keypair import (
    MAX_CERTIFICATE_BYTES,
    Certificate,
    KeyAlgorithm,
    PrivateKey,
    UnusableKey,
    make_key_pair,
)
from salesforce_keypair.salesforce.hosts import Hosts, Origin

Choice = TypeVar("Choice", bound=StrEnum)
Material = TypeVar("Material")

# AWS Secrets Manager's limit for a value.
MAX_DOCUMENT_BYTES = 65_536
DEFAULT_API_VERSION = "v67.0"
# ExtlClntAppGlobalOauthSettings came with this version of the Metadata API.
MIN_API_VERSION = 60
DEFAULT_VALIDITY_DAYS = 365
_MAX_VALIDITY_DAYS = 3650

# What a successor doesn't take over: the key pair, and the leave to replace a foreign certificate once.
_ROTATED = frozenset({"privateKey", "certificate", "replaceForeignCertificate"})
_SEE_README = "correct the document in the secret (the README describes its members)"
_API_VERSION = re.compile(r"v([0-9]{2,3})\.0")
_API_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,79}")
_VISIBLE = re.compile(r"[^\s\x00-\x1f\x7f](?:[^\x00-\x1f\x7f]*[^\s\x00-\x1f\x7f])?")


class AppType(StrEnum):
    """The two kinds of app that hold a JWT certificate."""

    EXTERNAL_CLIENT_APP = "ExternalClientApp"
    CONNECTED_APP = "ConnectedApp"


class Installation(StrEnum):
    """Who puts the certificate into the app."""

    METADATA = "metadata"
    MANUAL = "manual"


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
    has_standby: bool
    has_certificate_authority: bool
    document: Mapping[str, Any] = field(repr=False)

    @classmethod
    def parse(cls, text: str, *, hosts: Hosts, check_key: bool = True) -> "Credential":
        """Read the document. Raises InvalidSecret, or HostNotAllowed for a `baseUri` that isn't an org's."""
        members = _Members(_json_object(text))
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
            app_name=members.matching("appName", _API_NAME, "the app's API name: letters, digits, underscores"),
            app_type=members.one_of("appType", AppType, AppType.EXTERNAL_CLIENT_APP),
            installation=members.one_of("installation", Installation, Installation.METADATA),
            admin_secret_arn=members.optional_text("adminSecretArn"),
            key_algorithm=members.key_algorithm(),
            validity_days=members.whole("certificateValidityDays", DEFAULT_VALIDITY_DAYS, 1, _MAX_VALIDITY_DAYS),
            replace_foreign_certificate=members.flag("replaceForeignCertificate"),
            has_standby=members.given("standby"),
            has_certificate_authority=members.given("certificateAuthorityArn"),
            document=members.document,
        )
        credential._check_pair()
        return credential

    def successor(self, *, now: float) -> "Successor":
        """The document of the next version: a new key pair, all else as it is. Raises InvalidSecret if too long."""
        pair = make_key_pair(
            self.key_algorithm,
            common_name=self.app_name or "salesforce-keypair",
            validity_days=self.validity_days,
            now=now,
        )
        document = {name: value for name, value in self.document.items() if name not in _ROTATED}
        document |= {"privateKey": pair.private_key_pem, "certificate": pair.certificate.pem}
        text = json.dumps(document)
        if len(text.encode()) > MAX_DOCUMENT_BYTES:
            raise InvalidSecret(
                f"the document with a new key would exceed {MAX_DOCUMENT_BYTES} bytes",
                remedy="remove what this secret needn't hold",
            )
        return Successor(text=text, certificate=pair.certificate)

    def same_settings(self, other: "Credential") -> bool:
        """Whether both documents say the same, but for what a rotation replaces."""
        mine, theirs = (
            {name: value for name, value in each.document.items() if name not in _ROTATED} for each in (self, other)
        )
        return mine == theirs

    def check_installable(self) -> None:
        """Whether a rotation can put a certificate into the app of this document. Raises InvalidSecret."""
        if self.app_name is None:
            raise InvalidSecret("appName is missing", remedy="add the API name of the app that holds the certificate")
        if self.app_type is AppType.CONNECTED_APP:
            raise _not_built("appType ConnectedApp")
        if self.has_standby:
            raise _not_built("standby")
        if self.installation is Installation.MANUAL:
            raise _not_built("installation manual")
        if self.has_certificate_authority:
            raise _not_built("certificateAuthorityArn")
        if self.admin_secret_arn is None:
            raise InvalidSecret(
                "adminSecretArn is missing, and this version can't let the key pair's own user change the app",
                remedy="store an admin credential in a secret of its own and name it in adminSecretArn",
            )

    def _check_pair(self) -> None:
        if self.private_key is None:
            return
        if self.certificate is None:
            raise InvalidSecret("certificate is missing beside privateKey", remedy=_SEE_README)
        if self.private_key.key_fingerprint() != self.certificate.key_fingerprint:
            raise InvalidSecret("certificate isn't the one to privateKey", remedy=_SEE_README)


@dataclass(frozen=True, slots=True)
class Successor:
    """A document ready to be stored, and the certificate in it."""

    text: str = field(repr=False)
    certificate: Certificate


def parse_admin(text: str, *, hosts: Hosts) -> ClientCredentials | Credential:
    """Read the admin's secret: AWS's `SalesforceClientSecret` shape, or a key pair's document.

    Raises InvalidSecret or HostNotAllowed.
    """
    document = _json_object(text)
    if "consumerSecret" not in document or "privateKey" in document:
        return Credential.parse(text, hosts=hosts)
    members = _Members(document)
    return ClientCredentials(
        base_uri=hosts.origin(members.text("baseUri"), what="baseUri"),
        consumer_key=members.text("consumerKey"),
        consumer_secret=members.text("consumerSecret"),
    )


def certificate_in(text: str) -> Certificate | None:
    """The certificate of a document that may be anything else but right; none where there is none to be read."""
    try:
        return _Members(_json_object(text)).certificate()
    except InvalidSecret:
        return None


class _Members:
    """The members of a document, each read with its check."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self.document = document

    def given(self, name: str) -> bool:
        return self.document.get(name) is not None

    def text(self, name: str) -> str:
        value = self.optional_text(name)
        if value is None:
            raise InvalidSecret(f"{name} is missing", remedy=_SEE_README)
        return value

    def optional_text(self, name: str) -> str | None:
        value = self.document.get(name)
        if value is None:
            return None
        if not isinstance(value, str):
            raise _wrong(name, "it must be a string")
        if not value:
            raise _wrong(name, "it is empty")
        if not _VISIBLE.fullmatch(value):
            raise _wrong(name, "it begins or ends with a space, or holds a control character")
        return value

    def matching(self, name: str, pattern: re.Pattern[str], what: str) -> str | None:
        value = self.optional_text(name)
        if value is not None and not pattern.fullmatch(value):
            raise _wrong(name, f"it must be {what}")
        return value

    def flag(self, name: str) -> bool:
        value = self.document.get(name, False)
        if not isinstance(value, bool):
            raise _wrong(name, "it must be true or false")
        return value

    def whole(self, name: str, default: int, least: int, most: int) -> int:
        value = self.document.get(name, default)
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise _wrong(name, f"it must be a whole number from {least} to {most}")
        return value

    def one_of(self, name: str, choices: type[Choice], default: Choice) -> Choice:
        value = self.document.get(name, default)
        if not isinstance(value, str) or value not in set(choices):
            raise _wrong(name, f"it must be one of {', '.join(choices)}")
        return choices(value)

    def api_version(self) -> str:
        value = self.optional_text("apiVersion") or DEFAULT_API_VERSION
        match = _API_VERSION.fullmatch(value)
        if match is None or int(match[1]) < MIN_API_VERSION:
            raise _wrong("apiVersion", f"it must look like {DEFAULT_API_VERSION} and be v{MIN_API_VERSION}.0 or later")
        return value.removeprefix("v")

    def key_algorithm(self) -> KeyAlgorithm:
        value = self.document.get("keyAlgorithm", KeyAlgorithm.RSA_2048)
        if isinstance(value, str) and value.upper().startswith("EC"):
            raise _wrong("keyAlgorithm", "Salesforce takes RSA only and refuses elliptic curves without saying why")
        return self.one_of("keyAlgorithm", KeyAlgorithm, KeyAlgorithm.RSA_2048)

    def private_key(self, checked: bool) -> PrivateKey | None:
        return self._key_material("privateKey", lambda text: PrivateKey.parse(text, checked=checked))

    def certificate(self) -> Certificate | None:
        certificate = self._key_material("certificate", Certificate.parse)
        if certificate is not None and len(certificate.pem) > MAX_CERTIFICATE_BYTES:
            raise _wrong("certificate", f"it exceeds the {MAX_CERTIFICATE_BYTES} bytes that Salesforce takes")
        return certificate

    def _key_material(self, name: str, parse: Callable[[str], Material]) -> Material | None:
        value = self.document.get(name)
        if value is None:
            return None
        if not isinstance(value, str):
            raise _wrong(name, "it must be a string")
        try:
            return parse(value)
        except UnusableKey as error:
            raise _wrong(name, str(error)) from error


def _json_object(text: str) -> Mapping[str, Any]:
    try:
        document = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        # Not from the error itself: a JSONDecodeError carries the whole document, private key included.
        raise InvalidSecret("the secret's value isn't JSON", remedy=_SEE_README) from ValueError(str(error))
    if not isinstance(document, dict):
        raise InvalidSecret("the secret's value isn't a JSON object", remedy=_SEE_README)
    return document


def _refuse_constant(name: str) -> None:
    raise ValueError(name)


def _wrong(name: str, reason: str) -> InvalidSecret:
    return InvalidSecret(f"{name} can't be used, {reason}", remedy=_SEE_README)


def _not_built(what: str) -> InvalidSecret:
    return InvalidSecret(f"{what} isn't supported by this version", remedy="remove it, or wait for a version that does")
