"""What the functions ask of AWS in rotations, vends and measurings on stages, as requests that IAM decides on."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from tests.integration.org_client import key_pair
from tests.sandbox.aws import Call, Result
from tests.sandbox.aws.environment import Invocation
from tests.sandbox.aws.gateway import ACCOUNT, REGION
from tests.sandbox.world import TOKEN_TABLE, TOPIC, VENDOR_NAME
from tests.scenarios.handlers import Deployed, loaded
from tests.scenarios.set_ups import BY_HAND, CERTIFIED, MAIN, UNHEEDED, SetUp
from tests.scenarios.support import CREATE, ROTATION, SET, SHORT_WAIT, Stage, event
from tests.scenarios.vendors import Vendor
from tests.template.iam import Request, Values

ROTATION_ROLE, VENDOR_ROLE, MONITOR_ROLE = ROLES = ("RotationRole", "TokenVendorRole", "KeyMonitorRole")

_HERE = f"{REGION}:{ACCOUNT}"
# With everything that a stack may have. What differs from stage to stage is renamed to these.
PARAMETERS = {
    "SecretKmsKeyArn": f"arn:aws:kms:{_HERE}:key/11111111-1111-1111-1111-111111111111",
    "AdminSecretArn": f"arn:aws:secretsmanager:{_HERE}:secret:salesforce/keypair-admin-AbCdEf",
    "AdminSecretKmsKeyArn": f"arn:aws:kms:{_HERE}:key/22222222-2222-2222-2222-222222222222",
    "CertificateAuthorityArn": f"arn:aws:acm-pca:{_HERE}:certificate-authority/11111111-2222-3333-4444-555555555555",
    "ShareTokens": "true",
}
STACK: Values = PARAMETERS | {
    "Secret": f"arn:aws:secretsmanager:{_HERE}:secret:salesforce/keypair-AbCdEf",
    "TokenTable.Arn": f"arn:aws:dynamodb:{_HERE}:table/{TOKEN_TABLE}",
    "NotificationTopic": f"arn:aws:sns:{_HERE}:{TOPIC}",
    "NotificationKey.Arn": f"arn:aws:kms:{_HERE}:key/33333333-3333-3333-3333-333333333333",
    "RotationFunction.Arn": f"arn:aws:lambda:{_HERE}:function:rotation",
    "TokenVendorFunction.Arn": f"arn:aws:lambda:{_HERE}:function:{VENDOR_NAME}",
    "RotationLogGroup.Arn": f"arn:aws:logs:{_HERE}:log-group:rotation",
    "TokenVendorLogGroup.Arn": f"arn:aws:logs:{_HERE}:log-group:token-vendor",
    "KeyMonitorLogGroup.Arn": f"arn:aws:logs:{_HERE}:log-group:key-monitor",
}

# Which keys a service uses in the caller's name. Source: "Secret encryption and decryption in AWS Secrets Manager" and
# "Configuring AWS KMS permissions" of SNS. Of DynamoDB no page says which of its key's uses belongs to which call.
_KEYS_USED = {
    "secretsmanager:GetSecretValue": ("kms:Decrypt",),
    "secretsmanager:PutSecretValue": ("kms:Decrypt", "kms:GenerateDataKey"),
    "sns:Publish": ("kms:Decrypt", "kms:GenerateDataKey"),
}
_KEY_OF = {
    STACK["Secret"]: STACK["SecretKmsKeyArn"],
    STACK["AdminSecretArn"]: STACK["AdminSecretKmsKeyArn"],
    STACK["NotificationTopic"]: STACK["NotificationKey.Arn"],
}


def witnessed() -> Mapping[str, frozenset[Request]]:
    """Role -> what its function asked for, in all that the functions are for."""
    asked: dict[str, set[Request]] = {role: set() for role in ROLES}
    with_table = (set_up for set_up in (*MAIN, *BY_HAND) if set_up.shared_tokens)
    for set_up in (*with_table, *CERTIFIED, *UNHEEDED[:1]):
        _rotate(set_up, asked)
    _meet_a_foreign_certificate(asked)
    _vend(asked)
    _measure(asked)
    return {role: frozenset(requests) for role, requests in asked.items()}


class _Witness:
    """Says of each call on a stage which role it was made by: a function invoked by another one has its own."""

    def __init__(self, stage: Stage, asked: Mapping[str, set[Request]]) -> None:
        self._stage = stage
        self._asked = asked
        self._roles: list[str] = []
        self._seen = 0

    @contextmanager
    def of(self, role: str) -> Iterator[None]:
        """Until it ends, calls are this role's."""
        self._look()
        self._roles.append(role)
        try:
            yield
        finally:
            self._look()
            self._roles.pop()

    def _look(self) -> None:
        calls = self._stage.world.aws.calls(caller=ROTATION)
        for call in calls[self._seen :] if self._roles else []:
            self._asked[self._roles[-1]].update(_requests_of(call, self._stage))
        self._seen = len(calls)


def _requests_of(call: Call, stage: Stage) -> list[Request]:
    """What one call asks of IAM: the action itself, and the uses of a key that it leads to in the caller's name."""
    asked = call.parameters
    context: dict[str, str] = {}
    match call.service:
        case "secretsmanager":
            action = f"secretsmanager:{call.operation}"
            name = {stage.arn: "Secret", stage.world.admin_secret_arn: "AdminSecretArn"}[asked["SecretId"]]
            resource = STACK[name]
            if name == "Secret":
                context["secretsmanager:resource/AllowRotationLambdaArn"] = STACK["RotationFunction.Arn"]
        case "dynamodb":
            action, resource = f"dynamodb:{call.operation}", f"arn:aws:dynamodb:{_HERE}:table/{asked['TableName']}"
        case "lambda":
            assert call.operation == "Invoke"
            action, resource = "lambda:InvokeFunction", f"arn:aws:lambda:{_HERE}:function:{asked['FunctionName']}"
        case "sns":
            action, resource = f"sns:{call.operation}", asked["TopicArn"]
        case "acm-pca":
            action, resource = f"acm-pca:{call.operation}", STACK["CertificateAuthorityArn"]
            if "TemplateArn" in asked:
                context["acm-pca:TemplateArn"] = asked["TemplateArn"]
        case other:
            raise AssertionError(f"a call of {other}: teach it here")
    return [Request(action, resource, tuple(sorted(context.items()))), *_uses_of_keys(action, resource)]


def _uses_of_keys(action: str, resource: str) -> list[Request]:
    service = action.partition(":")[0]
    context = {"kms:ViaService": f"{service}.{REGION}.amazonaws.com"}
    if service == "secretsmanager":
        context["kms:EncryptionContext:SecretARN"] = resource
    uses = _KEYS_USED.get(action, ())
    return [Request(use, _KEY_OF[resource], tuple(sorted(context.items()))) for use in uses]


def _rotate(set_up: SetUp, asked: Mapping[str, set[Request]]) -> None:
    with set_up.staged() as stage, _Witness(stage, asked).of(ROTATION_ROLE):
        failure = stage.deliver_all(stage.begin(), times=max(2, set_up.deliveries))
        assert (failure is None) == set_up.heeded, failure


def _meet_a_foreign_certificate(asked: Mapping[str, set[Request]]) -> None:
    with Stage(SHORT_WAIT) as stage, _Witness(stage, asked).of(ROTATION_ROLE):
        stage.install_key()
        stage.world.app.install(key_pair("somebody else").pem)
        assert stage.deliver_all(stage.begin()) is not None


def _vend(asked: Mapping[str, set[Request]]) -> None:
    with Stage(SHORT_WAIT, shared_tokens=True) as stage:
        witness = _Witness(stage, asked)
        stage.install_key()
        with witness.of(VENDOR_ROLE):
            Vendor(stage).vend()
        with witness.of(ROTATION_ROLE):
            stage.deliver(stage.begin(), CREATE, SET)
        # The pending key alone is honoured now, and has to be found by its label.
        stage.clock.advance(900)
        with witness.of(VENDOR_ROLE):
            Vendor(stage).vend()


@dataclass(frozen=True)
class _Witnessed:
    """The vendor that the monitor invokes."""

    deployed: Deployed
    witness: _Witness

    @property
    def name(self) -> str:
        return self.deployed.name

    @property
    def arn(self) -> str:
        return self.deployed.arn

    def invoke_raw(self, invocation: Invocation) -> Result:
        with self.witness.of(VENDOR_ROLE):
            return self.deployed.invoke_raw(invocation)


def _measure(asked: Mapping[str, set[Request]]) -> None:
    with (
        Stage(SHORT_WAIT) as stage,
        loaded("token_vendor", stage, SECRET_ID=stage.arn) as vendor,
        loaded("key_monitor", stage, SECRET_ID=stage.arn, TOKEN_VENDOR_FUNCTION=VENDOR_NAME) as monitor,
    ):
        stage.install_key()
        stage.rotate()
        witness = _Witness(stage, asked)
        stage.world.aws.stand_in(_Witnessed(Deployed(VENDOR_NAME, vendor), witness))
        with witness.of(MONITOR_ROLE):
            monitor(event("monitor-schedule"))
