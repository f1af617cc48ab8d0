"""A client of the emulated org made of requests, PyJWT and cryptography alone, independent of both sides."""

import io
import json
import uuid
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any
from xml.etree import ElementTree

import jwt
import requests
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from tests.sandbox.org import App, Org, User

GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
SETTINGS = "ExtlClntAppGlobalOauthSettings"
COMPONENT_PATHS = {
    SETTINGS: "extlClntAppGlobalOauthSets/{}.ecaGlblOauth",
    "ConnectedApp": "connectedApps/{}.connectedApp",
}
MD = "{http://soap.sforce.com/2006/04/metadata}"
XSI = "{http://www.w3.org/2001/XMLSchema-instance}"
JSON_OPTIONS = {"singlePackage": True, "rollbackOnError": True, "checkOnly": False, "allowMissingFiles": False}


@dataclass(frozen=True)
class Pair:
    """A private key and a certificate for it."""

    key: rsa.RSAPrivateKey = field(repr=False)
    certificate: x509.Certificate

    @property
    def pem(self) -> str:
        return self.certificate.public_bytes(Encoding.PEM).decode()

    @property
    def private_pem(self) -> str:
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(Encoding.DER)

    @property
    def fingerprint(self) -> str:
        return self.certificate.fingerprint(SHA256()).hex()


def key_pair(name: str = "first", bits: int = 2048) -> Pair:
    """A pair that stays the same for one test run."""
    return _made_once(name, bits)


@cache
def _made_once(name: str, bits: int) -> Pair:
    key = rsa.generate_private_key(public_exponent=65537, key_size=bits)
    return Pair(key, certificate_of(key, name))


def certificate_of(
    key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey,
    name: str = "test",
    *,
    ended_days_ago: int = -1,
    padding: int = 0,
) -> x509.Certificate:
    """A self-signed certificate; `padding` bytes of extension make it larger."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    end = datetime.now(UTC) - timedelta(days=ended_days_ago)
    builder = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(end - timedelta(days=30))
        .not_valid_after(end)
    )
    if padding:
        opaque = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4.5"), b"\0" * padding)
        builder = builder.add_extension(opaque, critical=False)
    return builder.sign(key, SHA256())


@dataclass
class Client:
    """What a workload and an administrator do, over one kept-alive HTTP session. Close it."""

    org: Org
    app: App
    user: User
    http: requests.Session = field(default_factory=requests.Session)

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *exc: object) -> None:
        self.http.close()

    def claims(self, **changed: Any) -> dict[str, Any]:
        """Right claims, except for what is changed; None leaves a claim out."""
        right = {
            "iss": self.app.consumer_key,
            "sub": self.user.username,
            "aud": self.org.url,
            "exp": int(self.org.clock.now()) + 180,
            "jti": str(uuid.uuid4()),
        }
        return {name: value for name, value in (right | changed).items() if value is not None}

    def login(self, pair: Pair | None = None, *, host: str | None = None, **changed: Any) -> requests.Response:
        pair = pair or key_pair()
        assertion = jwt.encode(self.claims(**changed), pair.key, algorithm="RS256")
        return self.send_assertion(assertion, host=host)

    def send_assertion(self, assertion: str, *, host: str | None = None) -> requests.Response:
        return self.token({"grant_type": GRANT, "assertion": assertion}, host=host)

    def token(self, form: Mapping[str, str], *, host: str | None = None) -> requests.Response:
        headers = {"Host": host} if host else {}
        return self.http.post(
            f"{self.org.url}/services/oauth2/token", data=form, headers=headers, timeout=10, allow_redirects=False
        )

    def logs_in(self, pair: Pair | None = None) -> bool:
        return self.login(pair).status_code == 200

    def access_token(self) -> str:
        """The token of a login that must succeed."""
        response = self.login()
        assert response.status_code == 200, response.text
        return str(response.json()["access_token"])

    def liveness(self, token: str, version: str = "67.0") -> requests.Response:
        return self.get(f"/services/data/v{version}/", token)

    def get(self, path: str, token: str | None = None) -> requests.Response:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return self.http.get(self.org.url + path, headers=headers, timeout=10)

    def soap(self, token: str, call: str, *, version: str = "67.0") -> requests.Response:
        envelope = (
            '<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/" xmlns:m="http://soap.sforce.com/2006/04/metadata">'
            f"<e:Header><m:SessionHeader><m:sessionId>{token}</m:sessionId></m:SessionHeader></e:Header>"
            f"<e:Body>{call}</e:Body></e:Envelope>"
        )
        headers = {"Content-Type": "text/xml; charset=UTF-8", "SOAPAction": '""'}
        return self.http.post(
            f"{self.org.url}/services/Soap/m/{version}", data=envelope.encode(), headers=headers, timeout=10
        )

    def read(self, token: str, *full_names: str, type_name: str = SETTINGS, version: str = "67.0") -> requests.Response:
        names = "".join(f"<m:fullNames>{name}</m:fullNames>" for name in full_names)
        call = f"<m:readMetadata><m:type>{type_name}</m:type>{names}</m:readMetadata>"
        return self.soap(token, call, version=version)

    def list_metadata(self, token: str, type_name: str = SETTINGS, *, version: str = "67.0") -> requests.Response:
        query = f"<m:queries><m:type>{type_name}</m:type></m:queries><m:asOfVersion>{version}</m:asOfVersion>"
        return self.soap(token, f"<m:listMetadata>{query}</m:listMetadata>", version=version)

    def deploy(
        self, token: str, archive: bytes, *, options: object = None, json_name: str = "json", file_first: bool = False
    ) -> requests.Response:
        description = json.dumps({"deployOptions": JSON_OPTIONS if options is None else options})
        parts: list[tuple[str, tuple[str | None, str | bytes, str]]] = [
            (json_name, (None, description, "application/json")),
            ("file", ("package.zip", archive, "application/zip")),
        ]
        return self.http.post(
            f"{self.org.url}/services/data/v67.0/metadata/deployRequest",
            files=parts[::-1] if file_first else parts,
            headers={"Authorization": f"Bearer {token}"},
            timeout=10,
        )

    def poll(self, token: str, deployment_id: str) -> dict[str, Any]:
        response = self.get(f"/services/data/v67.0/metadata/deployRequest/{deployment_id}?includeDetails=true", token)
        assert response.status_code == 200, response.text
        result: dict[str, Any] = response.json()["deployResult"]
        return result

    def deploy_and_wait(self, token: str, archive: bytes, **options: Any) -> dict[str, Any]:
        """Deploy at a pace of no seconds and give the result."""
        response = self.deploy(token, archive, options=JSON_OPTIONS | options)
        assert response.status_code == 201, response.text
        return self.poll(token, response.json()["id"])


def refusal(response: requests.Response) -> tuple[str, str]:
    """The OAuth error pair of a refused login."""
    assert response.status_code == 400, response.text
    body = response.json()
    return body["error"], body["error_description"]


def fault_code(response: requests.Response) -> str:
    """The code of a SOAP fault."""
    assert response.status_code == 500, response.text
    return str(ElementTree.fromstring(response.content).findtext(".//faultcode"))


def component_xml(elements: Mapping[str, str]) -> str:
    """A file of global OAuth settings with these elements; their values are XML."""
    return file_xml(SETTINGS, "".join(f"<{name}>{value}</{name}>" for name, value in elements.items()))


def file_xml(type_name: str, inner: str) -> str:
    """A component file around its content."""
    return f'<?xml version="1.0" encoding="UTF-8"?><{type_name} xmlns="{MD[1:-1]}">{inner}</{type_name}>'


def settings_of(app: App, **changed: str | None) -> dict[str, str]:
    """What a careful client sends for an app: all that it reads but the keys; None leaves an element out."""
    kept = {
        element.name: element.render().partition(">")[2].rpartition("</")[0]
        for element in app.component()
        if element.name not in {"consumerKey", "consumerSecret"}
    }
    return {name: value for name, value in (kept | changed).items() if value is not None}


def package(
    app: App,
    content: str,
    *,
    full_name: str | None = None,
    member: str | None = None,
    type_name: str | None = None,
    version: str = "67.0",
    extra: Mapping[str, str] | None = None,
) -> bytes:
    """A zip with one component and its package.xml."""
    full_name = full_name or app.full_name
    manifest = (
        f'<?xml version="1.0" encoding="UTF-8"?><Package xmlns="{MD[1:-1]}">'
        f"<types><members>{member or full_name}</members><name>{type_name or app.kind.component.name}</name></types>"
        f"<version>{version}</version></Package>"
    )
    path = COMPONENT_PATHS[app.kind.component.name].format(full_name)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, text in {"package.xml": manifest, path: content, **(extra or {})}.items():
            archive.writestr(name, text)
    return buffer.getvalue()
