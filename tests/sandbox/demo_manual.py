"""Rotations where only a person may change the app, played on the local world: `make demo-manual`.

A first installation, a rotation whose notice is read late, and one whose certificate is mistaken for another, with
workloads that call Salesforce all the time. Ends with what everybody saw, and with an exit code that says whether all
of it went as promised.
"""

import sys
import time
import uuid

from rich.console import Console
from rich.text import Text

from tests.sandbox.administrator import Administrator
from tests.sandbox.aws import Message, Outcome
from tests.sandbox.org import Kind
from tests.sandbox.org.spreading import FlappingUntil
from tests.sandbox.staging import (
    POLICY,
    TIMING,
    Stage,
    callers_figures,
    expect,
    expect_callers_served,
    fingerprint,
    labelled,
    perform,
    report,
    rotate,
    workload_of,
)
from tests.sandbox.world import APP_NAME, World

MEANING = {
    "createSecret": "a new key pair stored as AWSPENDING, or found there",
    "setSecret": "a login with it: somebody has uploaded its certificate",
    "testSecret": "logins until the certificate is honoured everywhere",
    "finishSecret": "one more login, then AWSCURRENT moves",
}
# Longer than a token of the old key stays fresh with the vendor and then with a caller.
LATE_SECONDS = 8


def main() -> int:
    """Play it; returns the exit code."""
    return perform(
        "make demo-manual", __doc__, _play, lambda: World(timing=TIMING, rotation_policy=POLICY, notices=True)
    )


def _play(console: Console, world: World, callers: int) -> None:
    started = time.monotonic()
    workload = workload_of(world, callers)
    stage = Stage(console, workload, MEANING)
    administrator = Administrator(world.org)
    world.put_document(world.document(installation="manual", adminSecretArn=None))
    world.turn_rotation_on()

    stage.act(
        "1. First installation",
        "The secret's document says installation: manual and names no admin. There is no key, and nobody but a person "
        f"may change {APP_NAME}.",
    )
    version_id = _ask(world, stage)
    _show(console, world.aws.topics.messages(world.topic_arn)[-1])
    _upload(world, stage, administrator)
    _resume(world, stage, version_id)

    with workload:
        stage.act(
            "2. A notice that is read late",
            "Secrets Manager has given up when the certificate is uploaded, and the org's servers disagree for 3 s. "
            "Nobody resumes the rotation for a while: callers are served with the pending key.",
        )
        version_id = _ask(world, stage)
        administrator.spreading = FlappingUntil(3)
        _upload(world, stage, administrator)
        before = len(workload.tally.failures)
        time.sleep(LATE_SECONDS)
        expect(len(workload.tally.failures) == before, "callers failed while the rotation waited to be resumed")
        expect(workload.tally.versions[version_id] > 0, "no caller had a token of the pending key")
        _resume(world, stage, version_id)

        stage.act(
            "3. The wrong certificate",
            "Somebody takes the first notice for the last one. The error says what has happened and both ways out, and "
            "callers live on the tokens that they have until the right certificate is there.",
        )
        version_id = _ask(world, stage)
        administrator.spreading = None
        first = world.aws.topics.messages(world.topic_arn)[0]
        administrator.upload(first)
        stage.say(f"Somebody uploads the certificate of the first notice to {APP_NAME}.")
        _expect_waiting(world, stage, version_id, "the key of AWSCURRENT doesn't log in either")
        _upload(world, stage, administrator)
        _resume(world, stage, version_id)
        time.sleep(1)

    notices = world.aws.topics.messages(world.topic_arn)
    by_the_rotation = [entry for entry in world.org.log.entries() if entry.kind not in {Kind.TOKEN, Kind.LIVENESS}]
    figures = [
        *callers_figures(world, workload),
        ("notices published", len(notices)),
        ("times that the rotation read or changed an app", len(by_the_rotation)),
        ("seconds", f"{time.monotonic() - started:.0f}"),
    ]
    report(console, world, figures)
    expect(len(notices) == 3, "there wasn't one notice for each rotation")
    expect(not by_the_rotation, "the rotation read or changed the app")
    current = labelled(world, "AWSCURRENT")
    expect(fingerprint(current) == world.app.fingerprint, "the app doesn't hold the certificate of AWSCURRENT")
    expect_callers_served(workload)


def _ask(world: World, stage: Stage) -> str:
    """A rotation up to where Secrets Manager gives up; the version that waits."""
    version_id = str(uuid.uuid4())
    _expect_waiting(world, stage, version_id, "waits for somebody to upload it")
    return version_id


def _expect_waiting(world: World, stage: Stage, version_id: str, said: str) -> None:
    rotation = rotate(world, version_id)
    expect(stage.follow(rotation) is Outcome.GAVE_UP, "the rotation went on although nothing was uploaded")
    expect(said in (rotation.deliveries[-1].error_message or ""), f"the error doesn't say that {said}")
    expect(labelled(world, "AWSPENDING").version_id == version_id, "the version that waits isn't pending any more")


def _show(console: Console, notice: Message) -> None:
    for line in (f"Notice: {notice.subject}", "", *notice.text.splitlines()):
        console.print(Text(f"  │ {line}", style="dim"), soft_wrap=True)


def _upload(world: World, stage: Stage, administrator: Administrator) -> None:
    app = administrator.upload(world.aws.topics.messages(world.topic_arn)[-1])
    stage.say(f"A person reads the notice and uploads the certificate to {app.name}.")


def _resume(world: World, stage: Stage, version_id: str) -> None:
    stage.say("The rotation is resumed.")
    expect(stage.follow(rotate(world, version_id)) is Outcome.SUCCEEDED, "the resumed rotation didn't succeed")
    expect(labelled(world, "AWSCURRENT").version_id == version_id, "another version is current")


if __name__ == "__main__":
    sys.exit(main())
