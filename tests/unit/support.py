"""What the unit tests share: a clock of their own, documents with real keys, and outside parties kept in memory."""

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any
from urllib.parse import parse_qsl

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from salesforce_keypair.credential import Credential
from salesforce_keypair.errors import KeyPairError, LoginRefused, SecretUnavailable
from salesforce_keypair.salesforce.hosts import ExtraHost, Hosts, Origin
from salesforce_keypair.salesforce.login import SalesforceLogin
from salesforce_keypair.salesforce.session import Session
from salesforce_keypair.salesforce.transport import Transport
from salesforce_keypair.secret_history import SecretState
from salesforce_keypair.secret_store import Value
from salesforce_keypair.timing import Deadline
from tests.integration.org_client import Pair, key_pair
from tests.sandbox.org import App, Org, User

LOOPBACK = Hosts(extra=(ExtraHost("127.0.0.1", plain_http=True),))
ORG_ID = "00D000000000001AAA"
USER_ID = "005000000000001AAA"
TOKEN_REPLY = {
    "access_token": f"{ORG_ID[:15]}!" + "AQ" * 48,
    "instance_url": "https://acme.my.salesforce.com",
    "id": f"https://login.salesforce.com/id/{ORG_ID}/{USER_ID}",
    "token_type": "Bearer",
}


class FakeClock:
    """Stands still until somebody sleeps or a test lets time pass."""

    def __init__(self, now: float = 1_800_000_000.0) -> None:
        self.now = now
        self.slept: list[float] = []
        self._appointments: list[tuple[float, Callable[[], object]]] = []

    def time(self) -> float:
        return self.now

    def monotonic(self) -> float:
        # From another beginning than the epoch's, so that mixing the two up shows.
        return self.now - 1_700_000_000.0

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        # On a clock that never tires a loop would fill the memory before any time-out ends it.
        assert len(self.slept) < 100_000, "somebody waits without end"
        self.advance(seconds)

    def advance(self, seconds: float) -> None:
        """Let time pass without anybody sleeping."""
        end = self.now + seconds
        while due := [each for each in self._appointments if each[0] <= end]:
            first = min(due, key=lambda each: each[0])
            self._appointments.remove(first)
            self.now = max(self.now, first[0])
            first[1]()
        # An appointment may have let time pass itself; set back, the clock is where it was set.
        self.now = max(self.now, end) if seconds >= 0 else end

    def at(self, seconds: float, action: Callable[[], object]) -> None:
        """Let something else happen so many seconds from now, while whoever lets the time pass waits."""
        self._appointments.append((self.now + seconds, action))

    def deadline(self, seconds: float = 60.0) -> Deadline:
        """The deadline so many seconds away."""
        return Deadline.after(self, seconds)


def private_pem(key: rsa.RSAPrivateKey, form: PrivateFormat = PrivateFormat.PKCS8) -> str:
    """The PEM of a private key."""
    return key.private_bytes(Encoding.PEM, form, NoEncryption()).decode()


def mangled_pem(**numbers: int) -> str:
    """The PEM of a key some of whose numbers aren't those of a key."""
    right = key_pair().key.private_numbers()
    given = {name: getattr(right, name) for name in ("p", "q", "d", "dmp1", "dmq1", "iqmp")} | numbers
    public = rsa.RSAPublicNumbers(right.public_numbers.e, given["p"] * given["q"])
    wrong = rsa.RSAPrivateNumbers(public_numbers=public, **given)
    return private_pem(wrong.private_key(unsafe_skip_rsa_key_validation=True))


def document(pair: Pair | None = None, **members: Any) -> dict[str, Any]:
    """A secret's document that is right but for what is changed; a member given as None is left out."""
    right: dict[str, Any] = {
        "consumerKey": "3MVG9consumer",
        "username": "robot@example.com",
        "baseUri": "https://acme.my.salesforce.com",
        "appName": "Billing",
        "adminSecretArn": "arn:aws:secretsmanager:eu-west-1:123456789012:secret:admin-AbCdEf",
    }
    if pair is not None:
        right |= {"privateKey": private_pem(pair.key), "certificate": pair.pem}
    return {name: value for name, value in (right | members).items() if value is not None}


def text_of(pair: Pair | None = None, **members: Any) -> str:
    """The text of such a document."""
    return json.dumps(document(pair, **members))


def parse(text: str) -> Credential:
    """The credential of a document, as the vendor reads it; loopback counts as Salesforce's."""
    return Credential.parse(text, hosts=LOOPBACK, check_key=False)


@dataclass
class Billing:
    """An emulated org with the app `Billing`, its user, and an administrator with client credentials."""

    org: Org
    clock: FakeClock
    app: App
    user: User
    admin: User
    admin_app: App
    transport: Transport = field(default_factory=Transport)

    @property
    def login(self) -> SalesforceLogin:
        """A login that knows nothing of the org's clock yet."""
        return SalesforceLogin(transport=self.transport, hosts=LOOPBACK, clock=self.clock)

    def credential(self, pair: Pair | None = None, **members: Any) -> Credential:
        """The credential of the app's user."""
        right = {"consumerKey": self.app.consumer_key, "username": self.user.username, "baseUri": self.org.url}
        return parse(text_of(pair or key_pair("first"), **(right | members)))

    def admin_session(self) -> Session:
        """A new session that may change apps."""
        opened = self.org.sessions.open(self.admin, self.admin_app, self.org.clock.now())
        return Session(
            access_token=opened.token,
            token_type="Bearer",
            instance=LOOPBACK.origin(self.org.url, what="url"),
            org_id=self.org.org_id,
            user_id=self.admin.user_id,
            expires_at=None,
        )


def arn_of(secret_id: str) -> str:
    """The ARN of a secret in memory."""
    return f"arn:aws:secretsmanager:eu-west-1:123456789012:secret:{secret_id}-AbCdEf"


class MemorySecrets:
    """Secrets in memory, with Secrets Manager's rules for reading. `calls` holds what was asked, in order."""

    def __init__(self) -> None:
        self._values: dict[str, dict[str, str | None]] = {}
        self._labels: dict[str, dict[str, str]] = {}
        self.calls: list[str] = []

    def put(self, secret_id: str, version_id: str, text: str | None, *labels: str) -> None:
        """Make a version, empty where `text` is None; each label leaves the version that carried it."""
        self._values.setdefault(secret_id, {})[version_id] = text
        self._labels.setdefault(secret_id, {}).update(dict.fromkeys(labels, version_id))

    def state(self, secret_id: str) -> SecretState:
        self.calls.append("state")
        if secret_id not in self._values:
            raise SecretUnavailable("there is no such secret", remedy="check its name")
        labels: dict[str, frozenset[str]] = {}
        for label, version_id in self._labels[secret_id].items():
            labels[version_id] = labels.get(version_id, frozenset()) | {label}
        return SecretState(rotation_enabled=True, labels=labels)

    def read(self, secret_id: str, *, version_id: str) -> Value | None:
        self.calls.append(f"read {version_id}")
        text = self._values.get(secret_id, {}).get(version_id)
        return None if text is None else Value(arn_of(secret_id), version_id, text)

    def read_labelled(self, secret_id: str, label: str) -> Value | None:
        self.calls.append(f"read {label}")
        version_id = self._labels.get(secret_id, {}).get(label)
        text = None if version_id is None else self._values[secret_id][version_id]
        return None if version_id is None or text is None else Value(arn_of(secret_id), version_id, text)


class MemoryLogin:
    """A token endpoint in memory. Its servers answer by turns; each honours the key pairs that it knows, by name.

    `error` is raised in place of an answer. `asked` names the key of each login, in order, and `given` the seconds that
    each had.
    """

    def __init__(self, clock: FakeClock, *servers: set[str]) -> None:
        self.servers: list[set[str]] = list(servers) or [set()]
        self.error: KeyPairError | None = None
        self.refusal: KeyPairError = LoginRefused("invalid assertion", remedy="wait", retryable=True)
        self.lifetime: float | None = None
        self.same_token = False
        self.takes = 0.0
        self.asked: list[str] = []
        self.given: list[float] = []
        self.accepted = 0
        self._clock = clock

    def __call__(self, credential: Credential, *, deadline: Deadline) -> Session:
        name = next(name for name in _NAMES if credential.certificate and _is_of(credential, name))
        server = self.servers[len(self.asked) % len(self.servers)]
        self.asked.append(name)
        self.given.append(deadline.remaining())
        self._clock.advance(self.takes)
        if self.error is not None:
            raise self.error
        if name not in server:
            raise self.refusal
        self.accepted += 1
        number = 1 if self.same_token else self.accepted
        return Session(
            # What says itself when it ends is a JWT.
            access_token=f"{ORG_ID[:15]}!{number}" if self.lifetime is None else f"header.{number}.signature",
            token_type="Bearer",
            instance=Origin("https://acme.my.salesforce.com"),
            org_id=ORG_ID,
            user_id=USER_ID,
            expires_at=None if self.lifetime is None else self._clock.time() + self.lifetime,
        )


_NAMES = ("first", "second", "third", "fourth")


def _is_of(credential: Credential, name: str) -> bool:
    return credential.certificate is not None and credential.certificate.fingerprint == key_pair(name).fingerprint


def header_of(headers: Mapping[str, str] | tuple[tuple[str, str], ...], name: str) -> str | None:
    """A header's value without regard to case."""
    pairs = headers.items() if isinstance(headers, Mapping) else headers
    return next((value for key, value in pairs if key.lower() == name.lower()), None)


@dataclass(frozen=True)
class Received:
    """A request as a host got it."""

    method: str
    authorization: str
    accept: str
    form: dict[str, str]


Answering = Callable[[Received], tuple[int, object, dict[str, str]]]


@contextmanager
def answering_host(answer: Answering) -> Iterator[str]:
    """A host on loopback that answers as it is told: status, JSON, headers, and no Date of its own. Gives its URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
            authorization, accept = (self.headers.get(name) or "" for name in ("Authorization", "Accept"))
            status, content, headers = answer(Received(self.command, authorization, accept, dict(parse_qsl(body))))
            self.send_response_only(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(json.dumps(content).encode())

        def do_POST(self) -> None:
            self.do_GET()

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()
