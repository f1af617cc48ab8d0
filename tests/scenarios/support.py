"""A stage: the local world with the rotation in this process, on a clock that passes no real time.

Secrets Manager, the org and what runs between them are the same as in `make demo`; only the function's process and the
waiting are left out, so that a rotation of twelve minutes takes a tenth of a second.
"""

import json
import uuid
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cache, lru_cache
from types import MappingProxyType
from typing import Any, Self

import boto3
import botocore.endpoint
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from salesforce_keypair.errors import KeyPairError
from salesforce_keypair.rotation import Rotation
from salesforce_keypair.rotation_request import RotationRequest
from salesforce_keypair.settings import Settings
from salesforce_keypair.timing import Deadline
from salesforce_keypair.wiring.rotation import build_rotation
from tests.integration.org_client import Client, Pair, key_pair
from tests.sandbox.aws import Message, RotationPolicy
from tests.sandbox.aws import RotationRequest as Opened
from tests.sandbox.org import Kind, OrgClock
from tests.sandbox.world import FUNCTIONS, ROOT, TOKEN_TABLE, World
from tests.scenarios.hearing import told_by
from tests.scenarios.keys_made_once import share_keys
from tests.unit.support import FakeClock, private_pem

EVENTS = ROOT / "events"
CREATE, SET, TEST, FINISH = STEPS = ("createSecret", "setSecret", "testSecret", "finishSecret")
EVENT_OF = {
    CREATE: "rotation-create-secret",
    SET: "rotation-set-secret",
    TEST: "rotation-test-secret",
    FINISH: "rotation-finish-secret",
}
# The template's time-out, less what the handler keeps for itself.
LAMBDA_SECONDS = 899.0
# Twelve minutes of refusals, asked about as often as in production, are 72 logins: most of a test's time.
SELDOM = {"SETTLED_INTERVAL_SECONDS": "30"}
AS_OFTEN_AS_IN_PRODUCTION = {"SETTLED_INTERVAL_SECONDS": "10"}
# So that a step that waits makes few calls.
SHORT_WAIT = {"SETTLING_SECONDS": "12", "SETTLED_LOGINS": "2", "SETTLED_INTERVAL_SECONDS": "3"}
# Which calls in the log are the rotation's.
ROTATION = "rotation"


def event(name: str, **members: str) -> dict[str, Any]:
    """An event of `events/`, with the members that are a placeholder there."""
    sent: dict[str, Any] = json.loads(_text_of(name))
    assert members.keys() <= sent.keys(), "the file has no such member"
    return sent | members


def step_event(step: str, request: Opened) -> dict[str, Any]:
    """The event of `events/` for a step of a rotation that was begun."""
    members = {"SecretId": request.secret_arn, "ClientRequestToken": request.version_id}
    if request.rotation_token is None:
        return event(EVENT_OF[step], **members)
    with_token = event("rotation-create-secret-with-rotation-token", **members, RotationToken=request.rotation_token)
    return with_token | {"Step": event(EVENT_OF[step])["Step"]}


@dataclass(frozen=True)
class Held:
    """A version of the secret: what everybody may compare with what was there before."""

    version_id: str
    labels: frozenset[str]
    text: str | None = field(repr=False)

    @property
    def document(self) -> Mapping[str, Any]:
        """What it says; nothing where somebody stored what is no document."""
        return _document_in(self.text or "")

    @property
    def pair(self) -> Pair | None:
        """Its key pair, if it holds one."""
        return _pair_in(self.text or "")

    @property
    def fingerprint(self) -> str | None:
        """Of its certificate."""
        return None if self.pair is None else self.pair.fingerprint


def pair_in(document: Mapping[str, Any]) -> Pair | None:
    """The key pair of a document, read without the package."""
    if "privateKey" not in document:
        return None
    key = serialization.load_pem_private_key(document["privateKey"].encode(), None, unsafe_skip_rsa_key_validation=True)
    assert isinstance(key, rsa.RSAPrivateKey)
    return Pair(key, x509.load_pem_x509_certificate(document["certificate"].encode()))


def document_of(pair: Pair) -> dict[str, str]:
    """The members that hold a key pair."""
    return {"privateKey": private_pem(pair.key), "certificate": pair.pem}


class Stage:
    """A context manager: the world before the first rotation, and the rotation function's inside, ready to be called.

    Times are those of production, but for SELDOM: what waits, waits on the stage's own clock. Without `bridge` the
    rotation isn't told of the table; with `notices` it is told of a topic. Only one that is `served` listens on
    sockets, for time-outs and functions in processes of their own.
    """

    world: World
    rotation: Rotation
    outsider: Client

    def __init__(
        self,
        environment: Mapping[str, str] | None = None,
        *,
        hand_out_tokens: bool = False,
        connected_apps: bool = False,
        shared_tokens: bool = False,
        bridge: bool = True,
        served: bool = False,
        notices: bool = False,
    ) -> None:
        self.clock = FakeClock()
        self._served = served
        self._connected_apps = connected_apps
        self._shared_tokens = shared_tokens
        self._bridge = bridge
        self._notices = notices
        self._policy = RotationPolicy(repeats=0, pause_seconds=0, hand_out_tokens=hand_out_tokens)
        self._environment = dict(environment or {})
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with self._stack:
            self.world = self._stack.enter_context(
                World(
                    rotation_policy=self._policy,
                    clock=OrgClock(source=self.clock.time),
                    connected_apps=self._connected_apps,
                    shared_tokens=self._shared_tokens,
                    served=self._served,
                    now=self.clock.time,
                )
            )
            # Secrets Manager can start a rotation of it and reaches nobody: the test delivers.
            self._nobody = self.world.aws.create_function("nobody", FUNCTIONS / "rotation", concurrency=0)
            self.outsider = self._stack.enter_context(Client(self.world.org, self.world.app, self.world.user))
            self.outsider.http.headers["User-Agent"] = "outsider"
            self._set_environment(self._stack.enter_context(pytest.MonkeyPatch.context()))
            self.restart()
            self._stack = self._stack.pop_all()
        return self

    def __exit__(self, *exception: object) -> None:
        self._stack.close()

    def _set_environment(self, patch: pytest.MonkeyPatch) -> None:
        self.variables = {
            **self.world.aws.environment(ROTATION),
            "EXTRA_SALESFORCE_HOSTS": self.world.org.url.removeprefix("http://"),
            **({"TOKEN_TABLE": TOKEN_TABLE} if self._shared_tokens else {}),
            **({"NOTIFICATION_TOPIC_ARN": self.world.topic_arn} if self._notices else {}),
            **SELDOM,
            **self._environment,
        }
        for name, value in self.variables.items():
            patch.setenv(name, value)
        patch.setattr(boto3, "DEFAULT_SESSION", _aws_session(self.variables["AWS_ACCESS_KEY_ID"]))
        if not self._served:
            # Nothing passes through it that it could remember, and making one takes as long as half a rotation.
            patch.setattr(boto3, "client", _client_made_once)
        # Its pauses between two tries of a call.
        patch.setattr(botocore.endpoint, "time", self.clock)
        share_keys(patch)

    def restart(self, **variables: str) -> None:
        """A new execution environment, in which variables may differ: nothing that was in memory is left."""
        self.variables |= variables
        variables = self.variables if self._bridge else self.variables | {"TOKEN_TABLE": ""}
        settings = Settings.from_environment(variables, serves_secrets=False)
        self.rotation = build_rotation(settings, self.clock, table_failed=lambda: None)

    @contextmanager
    def another_environment(self) -> Iterator[None]:
        """Deliver to an environment of its own for a while, beside the one that is at work."""
        at_work = self.rotation
        self.restart()
        try:
            yield
        finally:
            self.rotation = at_work

    # What an engineer does

    def install_key(self, pair: Pair | None = None, **members: Any) -> Pair:
        """A secret and an app as an earlier rotation left them."""
        pair = pair or key_pair()
        self.world.put_document(self.world.document(**document_of(pair), **members))
        self.world.app.install(pair.pem)
        return pair

    def edit(self, **members: Any) -> str:
        """Change members of the current document; None takes one out."""
        document = dict(self.labelled("AWSCURRENT").document) | members
        return self.world.put_document({name: value for name, value in document.items() if value is not None})

    def put_pending(self, request: Opened, document: Mapping[str, Any] | str) -> None:
        """Store a document, or its text, by hand under a rotation's token, in place of what it would make."""
        self.world.secrets.put_secret_value(
            SecretId=self.arn,
            ClientRequestToken=request.version_id,
            SecretString=document if isinstance(document, str) else json.dumps(document),
            VersionStages=["AWSPENDING"],
        )

    def move_label(self, label: str, *, onto: str | None = None, off: str | None = None) -> None:
        """Move a staging label by hand."""
        moved = {"MoveToVersionId": onto, "RemoveFromVersionId": off}
        self.world.secrets.update_secret_version_stage(
            SecretId=self.arn, VersionStage=label, **{name: value for name, value in moved.items() if value}
        )

    # What Secrets Manager does

    def begin(self, token: str | None = None, *, schedule: str | None = None) -> Opened:
        """RotateSecret: the request that its steps are delivered for. A schedule that is given is kept."""
        more: dict[str, Any] = {} if schedule is None else {"RotationRules": {"ScheduleExpression": schedule}}
        self.world.secrets.rotate_secret(
            SecretId=self.arn,
            ClientRequestToken=token or str(uuid.uuid4()),
            RotationLambdaARN=self._nobody.arn,
            **more,
        )
        return self.world.aws.secrets_manager.wait_for_rotation(self.arn).request

    def deliver(self, request: Opened, *steps: str, seconds: float = LAMBDA_SECONDS) -> bool:
        """Deliver some steps in that order; whether one says that it made the version current.

        Raises what the first one that fails raises.
        """
        promoted = False
        for step in steps:
            parsed = RotationRequest.parse(step_event(step, request))
            try:
                promoted |= self.rotation.run(parsed, deadline=Deadline.after(self.clock, seconds))
            except Exception as error:
                self.note(told_by(error))
                raise
        return promoted

    def deliver_all(self, request: Opened, *, times: int = 1) -> KeyPairError | None:
        """Deliver the whole rotation, and again after a failure; the last failure, if it didn't succeed."""
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

    def rotate(self, *, times: int = 1) -> Opened:
        """A whole rotation that must succeed, within so many deliveries."""
        request = self.begin()
        failure = self.deliver_all(request, times=times)
        assert failure is None, failure
        return request

    # What an outsider sees

    def note(self, text: str) -> None:
        """Something came out: it is searched for secrets when the stage is left."""
        self.world.notes.append(text)

    def notices(self) -> list[Message]:
        """What was published to the topic so far."""
        return self.world.aws.topics.messages(self.world.topic_arn)

    @property
    def arn(self) -> str:
        """Of the secret."""
        return self.world.secret_arn

    def versions(self) -> list[Held]:
        """All versions, oldest first, without a call over the wire."""
        return [
            Held(version.version_id, version.labels, version.value.string if version.value else None)
            for version in self.world.aws.secrets_manager.versions(self.arn)
        ]

    def version(self, version_id: str) -> Held:
        """One version."""
        return next(version for version in self.versions() if version.version_id == version_id)

    def labelled(self, label: str) -> Held:
        """The version that carries a label, which there must be."""
        return self.version(self.labels()[label])

    def labels(self) -> dict[str, str]:
        """Label -> version id."""
        return self.world.aws.secrets_manager.labels(self.arn)

    def logs_in(self, version: Held) -> bool:
        """Whether somebody who holds that version gets a token."""
        if version.pair is None:
            return False
        who = {"iss": version.document["consumerKey"], "sub": version.document["username"]}
        return self.outsider.login(version.pair, **who).status_code == 200

    def seen(self) -> object:
        """All that a rotation could change, to be compared with what is seen later."""
        app = self.world.app
        return (self.versions(), app.component(), app.consumer_secret)

    def deployed_by(self) -> set[str | None]:
        """Who has sent changes of apps so far."""
        return {entry.username for entry in self.world.org.log.entries(Kind.DEPLOY)}

    def deploys(self) -> int:
        """How many changes of apps, rehearsals included, were sent so far."""
        return len(self.world.org.log.entries(Kind.DEPLOY))

    def requests(self) -> int:
        """How many calls the rotation has made so far, to AWS and to Salesforce."""
        to_salesforce = [
            entry for entry in self.world.org.log.entries() if ("User-Agent", "outsider") not in entry.headers
        ]
        return len(self.world.aws.calls(caller=ROTATION)) + len(to_salesforce)


# The same few versions are looked at before and after everything that happens.
@lru_cache(maxsize=64)
def _document_in(text: str) -> Mapping[str, Any]:
    document: dict[str, Any] = json.loads(text) if text.startswith("{") else {}
    return MappingProxyType(document)


@lru_cache(maxsize=64)
def _pair_in(text: str) -> Pair | None:
    return pair_in(_document_in(text))


@cache
def _text_of(name: str) -> str:
    return (EVENTS / f"{name}.json").read_text(encoding="utf-8")


_client_made_once = cache(boto3.client)


@cache
def _aws_session(access_key: str) -> boto3.session.Session:
    # One a process, for each reads AWS's models again.
    return boto3.session.Session(aws_access_key_id=access_key, aws_secret_access_key="local", aws_session_token="local")
