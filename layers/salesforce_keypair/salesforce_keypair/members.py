"""The members of a secret's document, each read with its check.

An error names the member and the reason, never the value.
"""

import re
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any, TypeVar

from salesforce_keypair.errors import InvalidSecret
from salesforce_keypair.json_text import parse_json
from salesforce_keypair.keypair import MAX_CERTIFICATE_BYTES, Certificate, KeyAlgorithm, PrivateKey, UnusableKey

Choice = TypeVar("Choice", bound=StrEnum)
Material = TypeVar("Material")

SEE_DOCS = "correct the document in the secret (docs/secret-document.md describes its members)"

DEFAULT_API_VERSION = "v67.0"
# ExtlClntAppGlobalOauthSettings came with this version of the Metadata API.
MIN_API_VERSION = 60

_API_VERSION = re.compile(r"v([0-9]{2,3})\.0")
# "AWS Private CA API Reference", IssueCertificate.
_AUTHORITY_ARN = re.compile(r"arn:aws[a-z-]*:acm-pca:[a-z0-9-]{1,30}:[0-9]{12}:certificate-authority/[0-9a-f-]{36}")
_API_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,79}")


class Members:
    """Reads the members of a document. Every method raises InvalidSecret for one that can't be used."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self.document = document

    def given(self, name: str) -> bool:
        return self.document.get(name) is not None

    def text(self, name: str) -> str:
        value = self.optional_text(name)
        if value is None:
            raise InvalidSecret(f"{name} is missing", remedy=SEE_DOCS)
        return value

    def optional_text(self, name: str) -> str | None:
        value = self.document.get(name)
        if value is None:
            return None
        if not isinstance(value, str):
            raise wrong(name, "it must be a string")
        if not value:
            raise wrong(name, "it is empty")
        if not value.isprintable() or value != value.strip():
            raise wrong(name, "it begins or ends with a space, or holds a control character or one like it")
        return value

    def matching(self, name: str, pattern: re.Pattern[str], what: str) -> str | None:
        value = self.optional_text(name)
        if value is not None and not pattern.fullmatch(value):
            raise wrong(name, f"it must be {what}")
        return value

    def app_name(self) -> str | None:
        return self.matching("appName", _API_NAME, "the app's API name: letters, digits, underscores")

    def certificate_authority(self) -> str | None:
        return self.matching(
            "certificateAuthorityArn", _AUTHORITY_ARN, "the ARN of a certificate authority in AWS Private CA"
        )

    def flag(self, name: str) -> bool:
        value = self._or(name, default=False)
        if not isinstance(value, bool):
            raise wrong(name, "it must be true or false")
        return value

    def whole(self, name: str, default: int, least: int, most: int) -> int:
        value = self._or(name, default)
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise wrong(name, f"it must be a whole number from {least} to {most}")
        return value

    def one_of(self, name: str, choices: type[Choice], default: Choice) -> Choice:
        value = self._or(name, default)
        if not isinstance(value, str) or value not in set(choices):
            raise wrong(name, f"it must be one of {', '.join(choices)}")
        return choices(value)

    def api_version(self) -> str:
        value = self.optional_text("apiVersion") or DEFAULT_API_VERSION
        match = _API_VERSION.fullmatch(value)
        if match is None or int(match[1]) < MIN_API_VERSION:
            raise wrong("apiVersion", f"it must look like {DEFAULT_API_VERSION} and be v{MIN_API_VERSION}.0 or later")
        return value.removeprefix("v")

    def key_algorithm(self) -> KeyAlgorithm:
        value = self.document.get("keyAlgorithm")
        if isinstance(value, str) and not value.upper().startswith("RSA"):
            raise wrong("keyAlgorithm", "Salesforce takes RSA only and refuses elliptic curves without saying why")
        return self.one_of("keyAlgorithm", KeyAlgorithm, KeyAlgorithm.RSA_2048)

    def private_key(self, checked: bool) -> PrivateKey | None:
        return self._key_material("privateKey", lambda text: PrivateKey.parse(text, checked=checked))

    def certificate(self) -> Certificate | None:
        certificate = self._key_material("certificate", Certificate.parse)
        if certificate is not None and len(certificate.pem) > MAX_CERTIFICATE_BYTES:
            raise wrong("certificate", f"it exceeds the {MAX_CERTIFICATE_BYTES} bytes that Salesforce takes")
        return certificate

    def _or(self, name: str, default: object) -> Any:
        """A member's value; null is as good as not there."""
        value = self.document.get(name)
        return default if value is None else value

    def _key_material(self, name: str, parse: Callable[[str], Material]) -> Material | None:
        value = self.document.get(name)
        if value is None:
            return None
        if not isinstance(value, str):
            raise wrong(name, "it must be a string")
        try:
            return parse(value)
        except UnusableKey as error:
            raise wrong(name, str(error)) from error


def json_object(text: str) -> Mapping[str, Any]:
    """The object that a secret's value is. Raises InvalidSecret."""
    try:
        document = parse_json(text)
    except ValueError as error:
        raise InvalidSecret(f"the secret's value isn't JSON that can be kept, {error}", remedy=SEE_DOCS) from error
    if not isinstance(document, dict):
        raise InvalidSecret("the secret's value isn't a JSON object", remedy=SEE_DOCS)
    return document


def wrong(name: str, reason: str) -> InvalidSecret:
    """The error for a member that can't be used."""
    return InvalidSecret(f"{name} can't be used, {reason}", remedy=SEE_DOCS)
