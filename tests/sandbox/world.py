"""The local world: an emulated org, a local AWS and the functions in it, with a secret between them.

Nobody outside is asked: no AWS account, no org, no network but loopback.
"""

import json
import time
import uuid
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from tests.sandbox.aws import Function, LocalAws, Result, RotationPolicy
from tests.sandbox.in_process import ORG_URL, answered_here
from tests.sandbox.org import App, EmulatedOrg, Org, OrgClock, User

ROOT = Path(__file__).parents[2]
LAYER = ROOT / "layers" / "salesforce_keypair"
CALLERS_LAYER = ROOT / "layers" / "salesforce_token"
FUNCTIONS = ROOT / "functions"

SECRET_NAME = "salesforce/keypair"
ADMIN_SECRET_NAME = "salesforce/keypair-admin"
TOKEN_TABLE = "salesforce-tokens"
TOPIC = "salesforce-keypair"
VENDOR_NAME = "token-vendor"
APP_NAME = "Billing"
STANDBY_APP_NAME = "BillingStandby"
USERNAME = "billing.robot@example.com"
ADMIN_USERNAME = "certificate.admin@example.com"


@dataclass(frozen=True)
class Timing:
    """Minutes of the real world scaled down to seconds."""

    settling: float = 4.0
    settled_logins: int = 3
    settled_interval: float = 0.1
    rotation_timeout: float = 60.0
    vendor_timeout: float = 30.0
    monitor_timeout: float = 60.0
    token_lifetime: float = 900.0


@dataclass(frozen=True)
class Code:
    """The folders that the functions run from: the sources, or what `sam build` made of them."""

    rotation: Path = FUNCTIONS / "rotation"
    vendor: Path = FUNCTIONS / "token_vendor"
    monitor: Path = FUNCTIONS / "key_monitor"
    layer: Path = LAYER


@dataclass(frozen=True)
class Place:
    """Where the world listens, port 0 being any free one; `name` is the org's host where that isn't `host`."""

    host: str = "127.0.0.1"
    org_port: int = 0
    aws_port: int = 0
    name: str | None = None


@dataclass(frozen=True)
class Version:
    """A version of the secret as `describe-secret` shows it, with the certificate that it holds."""

    version_id: str
    labels: frozenset[str]
    document: Mapping[str, Any] | None = field(repr=False)


class World:
    """A context manager: org, AWS, functions and the two secrets, as a newcomer has them before the first rotation.

    With `shared_tokens` there is a table, too, and the functions know of it; with `notices` there is a topic, and the
    rotation knows of it. A `new_secret` has no value yet, as a stack leaves it. One that isn't `served` listens
    nowhere, and has no functions: see `tests.sandbox.in_process`. AWS dates by `now`, in epoch seconds.
    """

    def __init__(
        self,
        *,
        timing: Timing | None = None,
        rotation_policy: RotationPolicy | None = None,
        clock: OrgClock | None = None,
        extra_environment: Mapping[str, str] | None = None,
        seed: int = 0,
        code: Code | None = None,
        place: Place | None = None,
        connected_apps: bool = False,
        shared_tokens: bool = False,
        served: bool = True,
        new_secret: bool = False,
        notices: bool = False,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._served = served
        self._now = now
        self.timing = timing or Timing()
        self._policy = rotation_policy or RotationPolicy(repeats=1, pause_seconds=0.1)
        self._clock = clock
        self._extra_environment = dict(extra_environment or {})
        self._seed = seed
        self._code = code or Code()
        self._place = place or Place()
        self._connected_apps = connected_apps
        self._shared_tokens = shared_tokens
        self._new_secret = new_secret
        self._notices = notices
        self._stack = ExitStack()
        # What came out of it in a test's own process: texts of errors, and what handlers printed.
        self.notes: list[str] = []

    org: Org
    aws: LocalAws
    app: App
    standby: App
    user: User
    rotation: Function
    vendor: Function
    monitor: Function
    secret_arn: str
    admin_secret_arn: str
    topic_arn: str

    def __enter__(self) -> Self:
        with self._stack:
            place = self._place
            if self._served:
                self.org = self._stack.enter_context(
                    EmulatedOrg(
                        clock=self._clock, seed=self._seed, host=place.host, port=place.org_port, name=place.name
                    )
                )
            else:
                self.org = Org(ORG_URL, self._clock or OrgClock(), self._seed)
            self.aws = self._stack.enter_context(
                LocalAws(self._policy, host=place.host, port=place.aws_port, served=self._served, now=self._now)
            )
            if not self._served:
                self._stack.enter_context(answered_here(self.aws, self.org))
            self._set_up_org()
            self._create_secrets()
            self.topic_arn = self.aws.topics.create(TOPIC)
            if self._shared_tokens:
                self._create_table()
            if self._served:
                self._create_functions()
            self._stack = self._stack.pop_all()
        return self

    def __exit__(self, *exception: object) -> None:
        self._stack.close()

    def document(self, **members: Any) -> dict[str, Any]:
        """The secret's first document: everything but a key. A member given as None is left out."""
        document: dict[str, Any] = {
            "consumerKey": self.app.consumer_key,
            "username": self.user.username,
            "baseUri": self.org.url,
            "appName": self.app.name,
            "adminSecretArn": self.admin_secret_arn,
            "appType": "ConnectedApp" if self._connected_apps else None,
        }
        return {name: value for name, value in (document | members).items() if value is not None}

    def put_document(self, document: Mapping[str, Any]) -> str:
        """Make a document AWSCURRENT, as an engineer would; returns its version id."""
        answer = self.secrets.put_secret_value(SecretId=self.secret_arn, SecretString=json.dumps(document))
        return answer["VersionId"]

    def add_standby(self) -> None:
        """Make a second app for the same user, and a document whose rotations alternate between the two."""
        self.standby = self._add_app(STANDBY_APP_NAME)
        members = {"consumerKey": self.standby.consumer_key, "appName": self.standby.name}
        self.put_document(self.document(standby=members))

    def add_vendor(self, name: str) -> Function:
        """Deploy the token vendor, once more if there is one."""
        return self.aws.create_function(
            name,
            self._code.vendor,
            layers=[self._code.layer],
            environment=self.vendor_variables,
            timeout=self.timing.vendor_timeout,
        )

    def turn_rotation_on(self, *, immediately: bool = False) -> str:
        """Set the schedule up; returns the version id of a rotation that starts at once."""
        answer = self.secrets.rotate_secret(
            SecretId=self.secret_arn,
            RotationLambdaARN=self.rotation.arn,
            RotationRules={"ScheduleExpression": "rate(30 days)"},
            RotateImmediately=immediately,
        )
        return answer.get("VersionId", "")

    def rotate(self) -> str:
        """Start a rotation and wait for its end; returns how it ended."""
        self.secrets.rotate_secret(SecretId=self.secret_arn, ClientRequestToken=str(uuid.uuid4()))
        return self.aws.secrets_manager.wait_for_rotation(self.secret_arn).outcome

    def vend(self, **request: Any) -> Result:
        """Ask the vendor once."""
        return self.vendor.invoke(request)

    def versions(self) -> list[Version]:
        """The labelled versions, the current one first."""
        labels = self.secrets.describe_secret(SecretId=self.secret_arn).get("VersionIdsToStages", {})
        versions = [
            Version(version_id, frozenset(stages), self._document_of(version_id))
            for version_id, stages in labels.items()
        ]
        return sorted(versions, key=lambda version: ("AWSCURRENT" not in version.labels, sorted(version.labels)))

    def version_with(self, label: str) -> Version | None:
        """The version that carries a label."""
        return next((version for version in self.versions() if label in version.labels), None)

    def table_rows(self) -> list[dict[str, Any]]:
        """What the table of shared tokens holds: numbers as Decimal, the rest as Python has it."""
        return self.aws.dynamodb.rows(TOKEN_TABLE)

    def clear_table(self) -> None:
        """Leave no token in the table, as if nobody had asked for a long time."""
        for row in self.table_rows():
            self.tables.delete_item(TableName=TOKEN_TABLE, Key={"id": {"S": row["id"]}})

    @property
    def shares_tokens(self) -> bool:
        """Whether there is a table."""
        return self._shared_tokens

    @property
    def rotation_variables(self) -> dict[str, str]:
        """What the rotation function is told besides the AWS SDK's own variables."""
        return {
            "SETTLED_LOGINS": str(self.timing.settled_logins),
            "SETTLED_INTERVAL_SECONDS": f"{self.timing.settled_interval:g}",
            **({"NOTIFICATION_TOPIC_ARN": self.topic_arn} if self._notices else {}),
            **self.common_variables(),
        }

    @property
    def vendor_variables(self) -> dict[str, str]:
        """What the token vendor is told besides the AWS SDK's own variables."""
        return {
            "SECRET_ID": self.secret_arn,
            **self.common_variables(),
        }

    @property
    def monitor_variables(self) -> dict[str, str]:
        """What the key monitor is told besides the AWS SDK's own variables."""
        return {"TOKEN_VENDOR_FUNCTION": VENDOR_NAME, **self.vendor_variables}

    def common_variables(self) -> dict[str, str]:
        """What the functions are told."""
        return {
            "EXTRA_SALESFORCE_HOSTS": self.org.url.removeprefix("http://"),
            "SETTLING_SECONDS": f"{self.timing.settling:g}",
            "TOKEN_LIFETIME_SECONDS": f"{self.timing.token_lifetime:g}",
            **({"TOKEN_TABLE": TOKEN_TABLE} if self._shared_tokens else {}),
            **self._extra_environment,
        }

    def _document_of(self, version_id: str) -> Mapping[str, Any] | None:
        try:
            answer = self.secrets.get_secret_value(SecretId=self.secret_arn, VersionId=version_id)
        except self.secrets.exceptions.ResourceNotFoundException:
            return None
        document: Mapping[str, Any] = json.loads(answer["SecretString"])
        return document

    def _set_up_org(self) -> None:
        admin = self.org.add_user(ADMIN_USERNAME, metadata_permission=True)
        self.admin_app = self.org.add_external_client_app("CertificateAdmin", client_credentials_user=admin)
        self.user = self.org.add_user(USERNAME)
        self.app = self._add_app(APP_NAME)

    def _add_app(self, name: str) -> App:
        add = self.org.add_connected_app if self._connected_apps else self.org.add_external_client_app
        return add(name, approved=[self.user])

    def _create_secrets(self) -> None:
        self.secrets = self.aws.client("secretsmanager")
        admin = {
            "consumerKey": self.admin_app.consumer_key,
            "consumerSecret": self.admin_app.consumer_secret,
            "baseUri": self.org.url,
        }
        self.admin_secret_arn = self.secrets.create_secret(Name=ADMIN_SECRET_NAME, SecretString=json.dumps(admin))[
            "ARN"
        ]
        self.secret_arn = self.secrets.create_secret(Name=SECRET_NAME)["ARN"]
        if not self._new_secret:
            self.put_document(self.document())

    def _create_table(self) -> None:
        self.tables = self.aws.client("dynamodb")
        self.tables.create_table(
            TableName=TOKEN_TABLE,
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
        self.tables.update_time_to_live(
            TableName=TOKEN_TABLE, TimeToLiveSpecification={"Enabled": True, "AttributeName": "ttl"}
        )

    def _create_functions(self) -> None:
        self.rotation = self.aws.create_function(
            "rotation",
            self._code.rotation,
            layers=[self._code.layer],
            environment=self.rotation_variables,
            timeout=self.timing.rotation_timeout,
        )
        self.vendor = self.add_vendor(VENDOR_NAME)
        self.monitor = self.aws.create_function(
            "key-monitor",
            self._code.monitor,
            layers=[self._code.layer],
            environment=self.monitor_variables,
            timeout=self.timing.monitor_timeout,
        )
