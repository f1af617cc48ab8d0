"""The local AWS: one address, the services behind it, and the processes of its functions, all ended together."""

import os
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from email.utils import formatdate
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self, overload

import boto3
from botocore.config import Config

from tests.sandbox.aws.dynamodb import DynamoDb
from tests.sandbox.aws.faults import FaultPlan
from tests.sandbox.aws.functions import Function, FunctionSettings
from tests.sandbox.aws.gateway import REGION, Call, Callers, Gateway
from tests.sandbox.aws.http_server import HttpServer, Request, Response
from tests.sandbox.aws.lambda_service import Invocable, LambdaService
from tests.sandbox.aws.private_ca import PrivateCa
from tests.sandbox.aws.rotations import RotationPolicy
from tests.sandbox.aws.secrets_manager import SecretsManager
from tests.sandbox.aws.topics import Topics

if TYPE_CHECKING:
    from mypy_boto3_acm_pca import ACMPCAClient
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_secretsmanager import SecretsManagerClient
    from mypy_boto3_sns import SNSClient

_SESSION_LOCK = threading.Lock()
# Nobody listens there.
_NOWHERE = "127.0.0.1:2"


@cache
def _session() -> boto3.session.Session:
    # Reading AWS's models takes 0.1 s, so they are read once; clients are made under a lock since sessions need one.
    return boto3.session.Session()


@cache
def _client(service: Any, url: str, access_key: str, secret_key: str, config: Config | None) -> Any:
    direct = Config(proxies={})
    with _SESSION_LOCK:
        made: Any = _session().client(
            service,
            endpoint_url=url,
            region_name=REGION,
            aws_access_key_id=access_key,
            aws_secret_access_key=secret_key,
            config=direct.merge(config) if config else direct,
        )
    return made


class LocalAws:
    """A context manager; nothing that it started is left when it ends, however it ends.

    with LocalAws() as aws:
        rotation = aws.create_function("rotation", folder, layers=[layer], timeout=900)
        aws.client("secretsmanager").create_secret(Name="key-pair", SecretString=document)

    One that isn't `served` listens nowhere: who sees to it that requests get to `answer` spares the sockets, but no
    function's process can reach it. `now` is what it dates by, in epoch seconds.
    """

    def __init__(
        self,
        rotation_policy: RotationPolicy | None = None,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        served: bool = True,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._host, self._port, self._served, self._now = host, port, served, now
        self._callers = Callers()
        self._lambda = LambdaService()
        self.secrets_manager = SecretsManager(self._lambda, rotation_policy or RotationPolicy(), now)
        self.dynamodb = DynamoDb()
        self.topics = Topics()
        self.private_ca = PrivateCa()
        self._gateway = Gateway(
            {
                "secretsmanager": self.secrets_manager,
                "dynamodb": self.dynamodb,
                "lambda": self._lambda,
                "sns": self.topics,
                "acm-pca": self.private_ca,
            },
            self._callers,
        )
        self._stack = ExitStack()
        self._server: HttpServer | None = None
        self._logs: Path | None = None

    def __enter__(self) -> Self:
        with self._stack:
            self._logs = Path(os.devnull)
            # Ended in the opposite order: no more deliveries, then the functions, so that who waits for one gets an
            # answer, then the rotations, which waited too, and the address last.
            if self._served:
                self._logs = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="local-aws-")))
                self._server = HttpServer(self.answer, self._host, self._port)
                self._stack.callback(self._server.close)
            self._stack.callback(self.secrets_manager.wait_for_all_rotations)
            self._stack.callback(self._lambda.close)
            self._stack.callback(self.secrets_manager.stop_rotations)
            self._stack = self._stack.pop_all()
        return self

    def __exit__(self, *exception: object) -> None:
        self._stack.close()

    @property
    def url(self) -> str:
        """What AWS_ENDPOINT_URL is set to."""
        if not self._served:
            return f"http://{_NOWHERE}"
        if self._server is None:
            raise RuntimeError("The local AWS runs only inside its with block")
        return f"http://{self._server.address}"

    def answer(self, request: Request) -> Response:
        """What a request over HTTP is answered. Raises DroppedConnection."""
        response = self._gateway.answer(request)
        return replace(response, headers={"Date": formatdate(self._now(), usegmt=True), **response.headers})

    @property
    def faults(self) -> FaultPlan:
        """What shall go wrong."""
        return self._gateway.faults

    @property
    def functions(self) -> list[Function]:
        """All of them, in the order in which they were made."""
        return self._lambda.functions

    def calls(self, operation: str | None = None, *, caller: str | None = None) -> list[Call]:
        """The calls so far in the order in which they ended, all or those of one operation or caller."""
        return self._gateway.calls(operation, caller=caller)

    def environment(self, caller: str = "test") -> dict[str, str]:
        """The variables with which an AWS SDK talks to this address; in the log its calls bear the caller's name."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ACCESS_KEY_ID": self._callers.access_key(caller),
            "AWS_SECRET_ACCESS_KEY": "local",
            "AWS_SESSION_TOKEN": "local",
            # Neither a developer's own profile nor a company's proxy must come between.
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "NO_PROXY": ",".join(dict.fromkeys(("127.0.0.1", self._host))),
        }

    def create_function(
        self,
        name: str,
        folder: Path,
        *,
        layers: Sequence[Path] = (),
        environment: Mapping[str, str] | None = None,
        timeout: float = 3.0,
        handler: str = "app.lambda_handler",
        memory_size: int = 128,
        concurrency: int = 10,
    ) -> Function:
        """A function whose calls bear its name in the log. `timeout` in seconds. Raises ValueError."""
        for path in (folder, *layers):
            if not path.is_dir():
                raise ValueError(f"{path} is no folder")
        settings = FunctionSettings(
            name,
            folder.resolve(),
            handler,
            [layer.resolve() for layer in layers],
            dict(environment or {}),
            timeout,
            memory_size,
            concurrency,
        )
        if self._logs is None:
            raise RuntimeError("The local AWS runs only inside its with block")
        function = Function(settings, self.environment(name), self._logs)
        self._lambda.add(function)
        return function

    def stand_in(self, function: Invocable) -> None:
        """Let something else answer for the function of that name, in place of a process."""
        self._lambda.stand_in(function)

    @overload
    def client(
        self, service: Literal["secretsmanager"], *, caller: str = ..., config: Config | None = ...
    ) -> "SecretsManagerClient": ...
    @overload
    def client(
        self, service: Literal["dynamodb"], *, caller: str = ..., config: Config | None = ...
    ) -> "DynamoDBClient": ...
    @overload
    def client(
        self, service: Literal["lambda"], *, caller: str = ..., config: Config | None = ...
    ) -> "LambdaClient": ...
    @overload
    def client(self, service: Literal["sns"], *, caller: str = ..., config: Config | None = ...) -> "SNSClient": ...
    @overload
    def client(
        self, service: Literal["acm-pca"], *, caller: str = ..., config: Config | None = ...
    ) -> "ACMPCAClient": ...
    def client(self, service: Any, *, caller: str = "test", config: Config | None = None) -> Any:
        """A boto3 client of this address; without `config` it retries as boto3 does by default."""
        variables = self.environment(caller)
        make = _client if not self._served else _client.__wrapped__
        client = make(service, self.url, variables["AWS_ACCESS_KEY_ID"], variables["AWS_SECRET_ACCESS_KEY"], config)
        if self._served:
            self._stack.callback(client.close)
        return client
