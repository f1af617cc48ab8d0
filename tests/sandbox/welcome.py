"""What `make sandbox` says once it is up: where everything is, and what to try."""

import os
import socket
from pathlib import Path

from tests.sandbox.running import RunningSandbox, shell_lines
from tests.sandbox.world import ADMIN_SECRET_NAME, SECRET_NAME, World


def welcome(sandbox: RunningSandbox, world: World, folder: Path, *, new: bool) -> str:
    """The text, with commands that can be pasted; `folder` is where the sandbox left its files.

    A `new` secret has no document yet: what onboarding asks for is said.
    """
    vendor = world.vendor.name
    lines = [
        "The sandbox is up: an emulated Salesforce org, a local AWS, and the functions in AWS's own runtime client.",
        "",
        f"  AWS        {world.aws.url}  (Secrets Manager, Lambda, DynamoDB, SNS)",
        f"  org        {world.org.url}",
        f"  secret     {world.secret_arn}",
        f"             ({'no value yet' if new else 'everything but a key pair: the first rotation makes it'})",
        f"  functions  {world.rotation.name}, {vendor}, {world.monitor.name}",
        *_about_table(world),
        "",
        f"In another terminal these lines, or `. {os.path.relpath(folder / 'env.sh')}`:",
        "",
        *(f"  {line}" for line in shell_lines(sandbox.shell)),
        "",
        "Then:",
        "",
        *(_about_onboarding(world) if new else _about_rotating()),
        f"  aws lambda invoke --function-name {vendor} --payload fileb://events/vend-default.json /dev/stdout",
        "",
        *_about_containers(sandbox),
        "",
        "Ctrl-C ends it. What happens from here on:",
    ]
    return "\n".join(lines)


def _about_onboarding(world: World) -> list[str]:
    return [
        f"  make onboard SECRET={SECRET_NAME}",
        "",
        "It asks for these:",
        "",
        f"  My Domain     {world.org.url}",
        f"  app           {world.app.name}",
        f"  consumer key  {world.app.consumer_key}",
        f"  username      {world.user.username}",
        f"  admin secret  {ADMIN_SECRET_NAME}",
        "",
        "And then:",
        "",
        f"  make rotate SECRET={SECRET_NAME}",
        f"  make status SECRET={SECRET_NAME}",
    ]


def _about_rotating() -> list[str]:
    return [
        f"  aws secretsmanager rotate-secret --secret-id {SECRET_NAME}",
        f"  aws secretsmanager describe-secret --secret-id {SECRET_NAME} --query VersionIdsToStages",
    ]


def _about_table(world: World) -> list[str]:
    table = world.vendor_variables.get("TOKEN_TABLE")
    return [f"  table      {table}  (tokens that the vendor's environments share)"] if table else []


def _about_containers(sandbox: RunningSandbox) -> list[str]:
    if not sandbox.reachable:
        return ["For `sam local`: make sandbox ARGS=--containers, since a container's loopback isn't this machine's."]
    lines = [
        "And the same functions in containers, by SAM CLI:",
        "",
        "  make local-rotate",
        "  make local-vend EVENT=events/vend-default.json",
        "  make local-lambda",
    ]
    host = sandbox.container_host
    if not _resolves(host):
        lines += [
            "",
            f"{host} doesn't resolve outside of containers here, so rotate-secret and lambda invoke",
            f"can't reach the org; the containers can. For both, add the line '127.0.0.1 {host}' to /etc/hosts.",
        ]
    return lines


def _resolves(host: str) -> bool:
    try:
        socket.getaddrinfo(host, None)
    except OSError:
        return False
    return True
