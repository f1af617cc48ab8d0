"""`make sandbox` as a process of its own, and stand-ins for a container engine's API and for SAM CLI.

The stand-in for SAM reads the derived template and the event as SAM does, and has the sandbox's own Lambda run the
function: no containers, but the same words in between.
"""

import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingUnixStreamServer
from typing import Any

from tests.sandbox.built import MONITOR, ROTATION, VENDOR, machine_architecture
from tests.sandbox.running import RunningSandbox, SandboxError, find
from tests.sandbox.world import CALLERS_LAYER, FUNCTIONS, LAYER, ROOT
from tests.template.transformed import source

# Linux answers on all of 127.0.0.0/8: an address that isn't the usual loopback, and no other machine reaches it.
BRIDGE = "127.0.0.2"

STAND_IN_FOR_SAM = f"""#!{sys.executable}
import json, os, sys, urllib.request
arguments = sys.argv[1:]
template = json.load(open(arguments[arguments.index("--template") + 1]))
with open(os.environ["RECORD"], "a") as record:
    record.write(json.dumps({{"arguments": arguments, "variables": dict(os.environ)}}) + "\\n")
if arguments[1] == "invoke":
    print("a line that the function printed")
    function = arguments[2]
    variables = template["Resources"][function]["Properties"]["Environment"]["Variables"]
    name = {{"{ROTATION}": "rotation", "{VENDOR}": "token-vendor", "{MONITOR}": "key-monitor"}}[function]
    request = urllib.request.Request(
        variables["AWS_ENDPOINT_URL"] + f"/2015-03-31/functions/{{name}}/invocations",
        data=sys.stdin.read().encode(),
        headers={{"Authorization": "Credential=AKIASAM/20261122/us-east-1/lambda/aws4_request"}},
    )
    print(urllib.request.build_opener(urllib.request.ProxyHandler({{}})).open(request).read().decode())
"""


@contextmanager
def sandbox_process(
    folder: Path, *arguments: str, environ: Mapping[str, str] | None = None
) -> Iterator["subprocess.Popen[str]"]:
    """A sandbox on free ports that is up; its files are in `folder`."""
    command = [sys.executable, "-m", "tests.sandbox.serve", "--aws-port", "0", "--org-port", "0"]
    process = subprocess.Popen(
        [*command, "--folder", str(folder), *arguments],
        cwd=ROOT,
        env=os.environ | dict(environ or {}),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        wait_until(lambda: process.poll() is not None or is_up(folder))
        yield process
    finally:
        process.terminate()
        try:
            process.communicate(timeout=20)
        finally:
            # One that doesn't listen to signals fails its test, and must not outlive it.
            process.kill()


def is_up(folder: Path) -> bool:
    """Whether a sandbox runs that left its files in `folder`."""
    try:
        find(folder)
    except SandboxError:
        return False
    return True


def wait_until(holds: Callable[[], bool], seconds: float = 30) -> None:
    """Wait for something, and fail where it doesn't come."""
    give_up = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < give_up, "waited in vain"
        time.sleep(0.05)


@contextmanager
def container_engine(socket: Path, answers: Mapping[str, Any]) -> Iterator[dict[str, str]]:
    """An engine's API on a socket: path -> JSON, all else is not found. Gives the variables that name it."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps(answers.get(self.path, {"message": "page not found"})).encode()
            self.send_response(200 if self.path in answers else 404)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def address_string(self) -> str:
            return "unix"

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is the base class's
            """Say nothing."""

    with ThreadingUnixStreamServer(str(socket), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield {"DOCKER_HOST": f"unix://{socket}"}
        finally:
            server.shutdown()
            thread.join()


def engine_with_bridge(address: str) -> dict[str, Any]:
    """What an engine answers whose containers reach this machine at `address`."""
    network = {"IPAM": {"Config": [{"Subnet": f"{address}/32", "Gateway": address}]}}
    return {"/info": {"OperatingSystem": "Some Linux"}, "/networks/bridge": network}


def fake_build(folder: Path) -> Path:
    """A folder like the one that `sam build` makes, but for the layer's dependencies."""
    template = source()
    for name, member, origin in (
        (ROTATION, "CodeUri", FUNCTIONS / "rotation"),
        (VENDOR, "CodeUri", FUNCTIONS / "token_vendor"),
        (MONITOR, "CodeUri", FUNCTIONS / "key_monitor"),
        ("KeyPairLayer", "ContentUri", None),
        ("SalesforceTokenLayer", "ContentUri", None),
    ):
        template["Resources"][name]["Properties"][member] = name
        if origin:
            shutil.copytree(origin, folder / name)
    template["Resources"]["KeyPairLayer"]["Metadata"]["BuildArchitecture"] = machine_architecture()
    shutil.copytree(LAYER / "salesforce_keypair", folder / "KeyPairLayer" / "python" / "salesforce_keypair")
    callers_package = folder / "SalesforceTokenLayer" / "python" / "salesforce_token"
    shutil.copytree(CALLERS_LAYER / "salesforce_token", callers_package)
    (folder / "template.yaml").write_text(json.dumps(template))
    return folder


def environment_of(sandbox: RunningSandbox) -> dict[str, Any]:
    """The arguments with which boto3 makes a client of the sandbox."""
    return {
        "endpoint_url": sandbox.shell["AWS_ENDPOINT_URL"],
        "region_name": sandbox.shell["AWS_REGION"],
        "aws_access_key_id": sandbox.shell["AWS_ACCESS_KEY_ID"],
        "aws_secret_access_key": sandbox.shell["AWS_SECRET_ACCESS_KEY"],
    }
