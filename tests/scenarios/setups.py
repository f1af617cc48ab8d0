"""A scene: the local world in one of its set-ups, with the rotation in this process and time that passes on demand.

Which set-up it is, who changes the app and whether there are one or two, each test arranges for itself.
"""

import json
import uuid
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cache
from itertools import cycle
from random import Random
from types import SimpleNamespace
from typing import Any, Self

import boto3
import pytest
import urllib3
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from salesforce_keypair import keypair
from salesforce_keypair.errors import KeyPairError
from salesforce_keypair.rotation import Rotation
from salesforce_keypair.rotation_request import RotationRequest
from salesforce_keypair.settings import Settings
from salesforce_keypair.timing import Deadline
from salesforce_keypair.wiring.rotation import build_rotation
from tests.integration.org_client import Client, Pair, key_pair
from tests.sandbox.aws import RotationPolicy
from tests.sandbox.aws import RotationRequest as Begun
from tests.sandbox.org import Kind, OrgClock
from tests.sandbox.org.spreading import Honoured
from tests.sandbox.world import FUNCTIONS, World

STEPS = CREATE, SET, TEST, FINISH = ("createSecret", "setSecret", "testSecret", "finishSecret")
# The template's time-out, less what the handler keeps for itself.
LAMBDA_SECONDS = 899.0
# So that a step that waits makes few calls.
SHORT_WAIT = {"SETTLING_SECONDS": "12", "SETTLED_LOGINS": "2", "SETTLED_INTERVAL_SECONDS": "3"}


class SceneClock:
    """Passes no real time."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def time(self) -> float:
        return self.now

    def monotonic(self) -> float:
        return self.now - 1_700_000_000.0

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@dataclass(frozen=True)
class Kept:
    """A version of the secret, as it is kept."""

    version_id: str
    labels: frozenset[str]
    text: str | None = field(repr=False)

    @property
    def document(self) -> Mapping[str, Any]:
        """What it says."""
        document: Mapping[str, Any] = json.loads(self.text or "{}")
        return document

    @property
    def pair(self) -> Pair | None:
        """Its key pair, if it holds one."""
        if "privateKey" not in self.document:
            return None
        key = serialization.load_pem_private_key(self.document["privateKey"].encode(), None)
        assert isinstance(key, rsa.RSAPrivateKey)
        return Pair(key, x509.load_pem_x509_certificate(self.document["certificate"].encode()))

    @property
    def fingerprint(self) -> str | None:
        """Of its certificate."""
        return None if self.pair is None else self.pair.fingerprint


def members_of(pair: Pair) -> dict[str, str]:
    """The members of a document that hold a key pair."""
    key = pair.key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return {"privateKey": key.decode(), "certificate": pair.pem}


class Scene:
    """A context manager: the world before its first rotation, and the inside of the rotation function.

    Times are those of production unless `environment` says otherwise.
    """

    world: World
    rotation: Rotation

    def __init__(self, environment: Mapping[str, str] | None = None, *, connected_apps: bool = False) -> None:
        self.clock = SceneClock()
        self._environment = dict(environment or {})
        self._connected_apps = connected_apps
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with self._stack:
            policy = RotationPolicy(repeats=0, pause_seconds=0)
            self.world = self._stack.enter_context(
                World(
                    rotation_policy=policy,
                    clock=OrgClock(source=self.clock.time),
                    connected_apps=self._connected_apps,
                )
            )
            # Rotations are begun with a function that nobody can invoke: the test delivers.
            self._nobody = self.world.aws.create_function("nobody", FUNCTIONS / "rotation", concurrency=0)
            self.variables = {
                **self.world.aws.environment("rotation"),
                "EXTRA_SALESFORCE_HOSTS": self.world.org.url.removeprefix("http://"),
                **self._environment,
            }
            patch = self._stack.enter_context(pytest.MonkeyPatch.context())
            for name, value in self.variables.items():
                patch.setenv(name, value)
            patch.setattr(boto3, "DEFAULT_SESSION", _session())
            # Nine tenths of the time go into making and checking keys otherwise.
            patch.setattr(serialization, "load_pem_private_key", _loaded_once)
            patch.setattr(keypair, "rsa", SimpleNamespace(**vars(rsa) | {"generate_private_key": _ready_made}))
            self.restart()
            self._stack = self._stack.pop_all()
        return self

    def __exit__(self, *exception: object) -> None:
        self._stack.close()

    def restart(self) -> None:
        """A new execution environment: nothing that was in memory is left."""
        self.rotation = build_rotation(
            Settings.from_environment(self.variables, serves_secrets=False), self.clock, table_failed=lambda: None
        )

    # What people do

    def install_key(self, **members: Any) -> Pair:
        """A secret with a key, and an app with its certificate, as they are brought along or left by a rotation."""
        pair = key_pair()
        self.world.put_document(self.world.document(**members_of(pair), **members))
        self.world.app.install(pair.pem)
        return pair

    def edit(self, **members: Any) -> None:
        """Change members of the current document; None takes one out."""
        document = dict(self.labelled("AWSCURRENT").document) | members
        self.world.put_document({name: value for name, value in document.items() if value is not None})

    def take_off_pending(self, version_id: str) -> None:
        """Give a rotation up by hand."""
        self.world.secrets.update_secret_version_stage(
            SecretId=self.world.secret_arn, VersionStage="AWSPENDING", RemoveFromVersionId=version_id
        )

    # What Secrets Manager does

    def begin(self) -> Begun:
        """RotateSecret."""
        self.world.secrets.rotate_secret(
            SecretId=self.world.secret_arn,
            ClientRequestToken=str(uuid.uuid4()),
            RotationLambdaARN=self._nobody.arn,
        )
        return self.world.aws.secrets_manager.wait_for_rotation(self.world.secret_arn).request

    def deliver(self, request: Begun, *steps: str) -> None:
        """Deliver some steps; raises what the first that fails raises."""
        for step in steps:
            parsed = RotationRequest.parse(request.event(step))
            self.rotation.run(parsed, deadline=Deadline.after(self.clock, LAMBDA_SECONDS))

    def deliver_all(self, request: Begun, *, times: int = 1) -> KeyPairError | None:
        """Deliver the whole rotation, and again in a new environment after a failure; the last failure, if any."""
        failure = None
        for _ in range(times):
            self.restart()
            try:
                self.deliver(request, *STEPS)
            except KeyPairError as error:
                failure = error
            else:
                return None
        return failure

    def rotate(self) -> Begun:
        """A whole rotation that must succeed."""
        request = self.begin()
        failure = self.deliver_all(request)
        assert failure is None, failure
        return request

    # What an outsider sees

    def versions(self) -> list[Kept]:
        """All versions, oldest first."""
        return [
            Kept(version.version_id, version.labels, version.value.string if version.value else None)
            for version in self.world.aws.secrets_manager.versions(self.world.secret_arn)
        ]

    def version(self, version_id: str) -> Kept:
        """One version."""
        return next(version for version in self.versions() if version.version_id == version_id)

    def labelled(self, label: str) -> Kept:
        """The version that carries a label."""
        return self.version(self.labels()[label])

    def labels(self) -> dict[str, str]:
        """Label -> version id."""
        return self.world.aws.secrets_manager.labels(self.world.secret_arn)

    def logs_in(self, version: Kept) -> bool:
        """Whether somebody who holds that version gets a token."""
        app = self.world.org.app_of(version.document["consumerKey"])
        assert app is not None
        with Client(self.world.org, app, self.world.user) as outsider:
            return version.pair is not None and outsider.logs_in(version.pair)

    def deployed_by(self) -> set[str | None]:
        """Who has sent changes of apps so far."""
        return {entry.username for entry in self.world.org.log.entries(Kind.DEPLOY)}

    def deploys(self) -> int:
        """How many changes of apps, rehearsals included, were sent so far."""
        return len(self.world.org.log.entries(Kind.DEPLOY))

    def accepted_logins(self) -> int:
        """Of the key pair's user so far, an outsider's included."""
        return self.world.org.log.logins(self.world.user.username).accepted


class Before:
    """What there was when the scene was set, compared at any later moment: the promises that hold always."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._apps = _apps_but_certificates(scene)
        self._texts = _texts(scene)

    def holds(self) -> None:
        """Some labelled key logs in wherever any does, nothing but certificates changed, and material stays."""
        honoured = [version for version in self._scene.versions() if version.pair and self._scene.logs_in(version)]
        assert not honoured or any(version.labels for version in honoured), "no label leads to a key that logs in"
        assert _apps_but_certificates(self._scene) == self._apps, "something but a certificate changed in an app"
        now = _texts(self._scene)
        assert now | self._texts == now, "the material under a version id changed"
        self._texts = now


def _apps_but_certificates(scene: Scene) -> object:
    def kept(element: Any) -> Any:
        # A Connected App has the certificate within a member of the component.
        children = tuple(kept(child) for child in element.children if child.name != "certificate")
        return (element.name, element.text, element.attributes, children)

    return [
        (app.name, app.consumer_secret, [kept(member) for member in app.component() if member.name != "certificate"])
        for app in scene.world.org.apps
    ]


def _texts(scene: Scene) -> dict[str, str]:
    return {version.version_id: version.text for version in scene.versions() if version.text is not None}


@dataclass(frozen=True)
class NobodyAfter:
    """A way of spreading: the new certificate is honoured for some seconds, then none is."""

    seconds: float

    def __call__(self, old: Honoured, new: Honoured, elapsed: float, rng: Random, /) -> Honoured:
        return new if elapsed < self.seconds else frozenset()


class Killed(BaseException):
    """The process ended here. Not an Exception, so that no code goes on after it."""


@contextmanager
def killed_before_call(number: int | None) -> Iterator[list[str]]:
    """End the process before its `number`-th call over the wire, from 1; None only counts. Yields the calls made."""
    made: list[str] = []
    urlopen = urllib3.HTTPConnectionPool.urlopen

    def counted(pool: urllib3.HTTPConnectionPool, method: str, url: str, *rest: Any, **more: Any) -> Any:
        if number is not None and len(made) + 1 >= number:
            raise Killed
        made.append(f"{method} {url}")
        return urlopen(pool, method, url, *rest, **more)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(urllib3.HTTPConnectionPool, "urlopen", counted)
        yield made


@cache
def _session() -> boto3.session.Session:
    # One for all scenes, for each reads AWS's models again; the address is looked up when a client is made.
    return boto3.session.Session()


_loaded_once = cache(serialization.load_pem_private_key)
# More keys than the rotations of one scene ask for.
_turns = cycle(range(8))
_made = cache(lambda turn: rsa.generate_private_key(public_exponent=65537, key_size=2048))


def _ready_made(public_exponent: int, key_size: int) -> rsa.RSAPrivateKey:
    assert key_size == 2048, "these scenes ask for no other size"
    key: rsa.RSAPrivateKey = _made(next(_turns))
    return key
