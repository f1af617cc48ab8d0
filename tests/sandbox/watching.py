"""What happens in a running sandbox, one line for each thing that ended."""

import json
from collections.abc import Callable

from tests.sandbox.alarms import Alarms
from tests.sandbox.aws import Call, Result, Rotation
from tests.sandbox.world import World

# What a step of `sam local` leaves in the log of calls: it doesn't go through the sandbox's own Lambda.
_WORTH_A_LINE = frozenset({"PutSecretValue", "UpdateSecretVersionStage"})


class Watch:
    """Tells of rotations, vends, measurings with their alarms, notices and writes that ended since it last looked."""

    def __init__(self, world: World, say: Callable[[str], None]) -> None:
        self._world = world
        self._say = say
        self._deliveries: dict[str, int] = {}
        self._vends = 0
        self._notices = 0
        self._runs = 0
        self._alarms = Alarms()
        self._calls = len(world.aws.calls())
        # The test of the schedule belongs to the setting up.
        for rotation in self._rotations():
            self._deliveries[rotation.request.version_id] = len(rotation.deliveries)

    def look(self) -> None:
        """Say what is new."""
        for rotation in self._rotations():
            self._tell_of(rotation)
        for vend in self._world.vendor.results[self._vends :]:
            self._vends += 1
            self._say(f"token-vendor  {_vended(vend)}")
        for notice in self._world.aws.topics.messages(self._world.topic_arn)[self._notices :]:
            self._notices += 1
            self._say(f"notice        {notice.subject}\n\n{notice.text}")
        for run in self._world.monitor.results[self._runs :]:
            self._runs += 1
            for words in _measured(run, self._world.monitor.output()):
                self._say(f"key-monitor   {words}")
            for words in self._alarms.heard(self._world.monitor.output()):
                self._say(f"alarm         {words}")
        calls = self._world.aws.calls()
        for call in calls[self._calls :]:
            if call.caller.startswith("sam-") and call.operation in _WORTH_A_LINE:
                self._say(f"{call.caller}  {_called(call)}")
        self._calls = len(calls)

    def _rotations(self) -> list[Rotation]:
        return self._world.aws.secrets_manager.rotations(self._world.secret_arn)

    def _tell_of(self, rotation: Rotation) -> None:
        version = rotation.request.version_id
        deliveries = rotation.deliveries
        for delivery in deliveries[self._deliveries.get(version, 0) :]:
            ended = "ok" if delivery.error_type is None else f"{delivery.error_type}: {delivery.error_message}"
            self._say(f"rotation      {version[:8]} {delivery.step:<12} {delivery.seconds:5.1f} s  {ended}")
        self._deliveries[version] = len(deliveries)


def _vended(vend: Result) -> str:
    if vend.failed:
        return f"{vend.seconds:.2f} s  {vend.error_type}: {vend.error_message}"
    return f"{vend.seconds:.2f} s  a token, by key version {str(vend.value['key_version'])[:8]}"


def _measured(run: Result, printed: str) -> list[str]:
    if run.failed:
        return [f"{run.seconds:.2f} s  {run.error_type}: {run.error_message}"]
    lines = [json.loads(line) for line in printed.splitlines() if run.request_id in line]
    found = [line["message"] for line in lines if line["level"] == "WARNING"]
    return [f"{run.seconds:.2f} s  {message}" for message in found or ["nothing to say"]]


def _called(call: Call) -> str:
    label = call.parameters.get("VersionStage", "")
    version = call.parameters.get("MoveToVersionId") or call.parameters.get("ClientRequestToken") or ""
    return " ".join(filter(None, (call.operation, str(label), str(version)[:8], call.outcome)))
