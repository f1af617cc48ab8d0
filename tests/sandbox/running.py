"""A sandbox that runs in another process: where it is, and what is asked of it besides AWS's own calls."""

import json
import shlex
import shutil
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tests.sandbox.aws import ApiError, Outcome
from tests.sandbox.aws.http_server import HttpServer, Request, Response
from tests.sandbox.org.certificates import CertificateRefusedError
from tests.sandbox.world import ROOT, World

FOLDER = ROOT / ".aws-sam" / "sandbox"
_STATE = "sandbox.json"
_TIMEOUT_SECONDS = 10


class SandboxError(Exception):
    """The sandbox isn't there or can't do it; the text says what to do."""


@dataclass(frozen=True)
class RunningSandbox:
    """What the commands beside the sandbox need to know. `variables` are those of each function in a container.

    `reachable` says whether containers reach it; without `--containers` it listens where only this machine does.
    """

    control_url: str
    aws_url: str
    secret_arn: str
    reachable: bool
    container_host: str
    shell: Mapping[str, str]
    variables: Mapping[str, Mapping[str, str]]

    def write(self, folder: Path) -> None:
        """Leave it for others, with a file of `export` lines beside it."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / _STATE).write_text(json.dumps(asdict(self), indent=2) + "\n", encoding="utf-8")
        (folder / "env.sh").write_text("\n".join(shell_lines(self.shell)) + "\n", encoding="utf-8")

    def open_rotation(self) -> dict[str, str]:
        """The members of every step's event of a new rotation, or of the unfinished one. Raises SandboxError."""
        return self._have_done("/rotations")

    def upload(self, certificate: str) -> str:
        """Put a certificate into the app, as a person in Setup does; returns the app's name. Raises SandboxError."""
        return self._have_done("/uploads", certificate.encode())["App"]

    def _have_done(self, path: str, body: bytes = b"") -> dict[str, str]:
        try:
            return _ask(f"{self.control_url}{path}", "POST", body)
        except urllib.error.HTTPError as error:
            with error:
                raise SandboxError(json.load(error)["message"]) from error


def find(folder: Path = FOLDER) -> RunningSandbox:
    """The sandbox that runs. Raises SandboxError where none does."""
    not_running = "The sandbox isn't running: start it with `make sandbox` in another terminal, and leave it there."
    try:
        sandbox = RunningSandbox(**json.loads((folder / _STATE).read_text(encoding="utf-8")))
        # One that was killed leaves its file, and by now its port may be somebody else's.
        alive = _ask(sandbox.control_url, "GET").get("SecretId") == sandbox.secret_arn
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise SandboxError(not_running) from error
    if not alive:
        raise SandboxError(not_running)
    return sandbox


def remove(folder: Path) -> None:
    """Take away what a sandbox left."""
    shutil.rmtree(folder, ignore_errors=True)


def shell_lines(variables: Mapping[str, str]) -> list[str]:
    """What a shell is told so that the AWS CLI and SDKs talk to the sandbox."""
    # A profile that the shell names wouldn't be found in the empty configuration.
    return [
        "unset AWS_PROFILE AWS_DEFAULT_PROFILE",
        *(f"export {name}={shlex.quote(value)}" for name, value in variables.items()),
    ]


def _ask(url: str, method: str, body: bytes | None = None) -> dict[str, str]:
    request = urllib.request.Request(url, method=method, data=body)
    # Not by way of the proxy that the environment may name: this is loopback.
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with direct.open(request, timeout=_TIMEOUT_SECONDS) as answer:
        members: dict[str, str] = json.load(answer)
    return members


class Control:
    """Answers what `RunningSandbox` asks; on loopback always, whatever address the world listens on."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._server = HttpServer(self._answer)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://{self._server.address}"

    def close(self) -> None:
        """Stop."""
        self._server.close()

    def _answer(self, request: Request) -> Response:
        try:
            if (request.method, request.path) == ("POST", "/rotations"):
                return _json(200, self._open_rotation())
            if (request.method, request.path) == ("POST", "/uploads"):
                return _json(200, self._upload(request.body))
        except (ApiError, CertificateRefusedError, SandboxError) as error:
            return _json(409, {"message": str(error)})
        return _json(200, {"SecretId": self._world.secret_arn})

    def _upload(self, certificate: bytes) -> dict[str, str]:
        app = self._world.app
        app.install(certificate, app.spreading)
        return {"App": app.name}

    def _open_rotation(self) -> dict[str, str]:
        service, arn = self._world.aws.secrets_manager, self._world.secret_arn
        if any(rotation.outcome is Outcome.RUNNING for rotation in service.rotations(arn)):
            raise SandboxError("The sandbox is rotating the secret itself just now: try again when it is done.")
        labels = service.labels(arn)
        pending = labels.get("AWSPENDING")
        # As Secrets Manager does: an unfinished rotation is delivered again, a new one can't start.
        if pending and pending != labels.get("AWSCURRENT"):
            return {"SecretId": arn, "ClientRequestToken": pending}
        opened = service.open_rotation(arn)
        return {"SecretId": opened.secret_arn, "ClientRequestToken": opened.version_id}


def _json(status: int, members: Mapping[str, Any]) -> Response:
    return Response(status, json.dumps(members).encode(), {"Content-Type": "application/json"})
