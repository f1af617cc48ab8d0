"""No process outlives the local AWS, however that ends."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.sandbox.aws import LocalAws, Outcome, RotationPolicy

ROOT = Path(__file__).parents[2]

# Writes the ids of itself and of a child of its own, then works for longer than any test waits.
HANDLER = """
import os, pathlib, subprocess, time

def lambda_handler(event, context):
    child = subprocess.Popen(["sleep", "300"])
    written = pathlib.Path(event["pids"])
    written.with_suffix(".new").write_text(f"{os.getpid()} {child.pid}")
    written.with_suffix(".new").rename(written)
    if event.get("exit"):
        os._exit(1)
    time.sleep(event["seconds"])
"""

HOST = """
import pathlib, signal, sys
# A shell's background jobs, and what they start, inherit that SIGINT is ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)
from tests.sandbox.aws import LocalAws

folder, pids = sys.argv[1:]
with LocalAws() as aws:
    function = aws.create_function("worker", pathlib.Path(folder), timeout=300)
    function.invoke({"pids": pids, "seconds": 300})
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "app.py").write_text(HANDLER)
    return tmp_path


def process_ids(written: Path) -> list[int]:
    wait_until(written.exists)
    return [int(word) for word in written.read_text().split()]


def is_running(process_id: int) -> bool:
    try:
        state = Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    # A zombie that nobody has waited for yet has ended.
    return state != "Z"


def wait_until(condition: Callable[[], bool], seconds: float = 15.0) -> None:
    give_up = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < give_up, "waited in vain"
        time.sleep(0.02)


def test_the_end_of_the_block_ends_functions_at_work_and_their_children(folder: Path) -> None:
    written = folder / "pids"
    with LocalAws() as aws:
        function = aws.create_function("worker", folder, timeout=300)
        busy = threading.Thread(target=function.invoke, args=({"pids": str(written), "seconds": 300},))
        busy.start()
        processes = process_ids(written)
        assert all(map(is_running, processes))

    busy.join(5)
    assert not any(map(is_running, processes))
    assert function.results[0].error_type == "Runtime.ExitError"


def test_an_exception_in_the_block_ends_them_too(folder: Path) -> None:
    written = folder / "pids"

    def interrupted() -> None:
        with LocalAws() as aws:
            aws.create_function("worker", folder).invoke({"pids": str(written), "seconds": 0})
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()

    assert not any(map(is_running, process_ids(written)))


def test_the_end_of_the_block_ends_a_rotation_under_way(folder: Path) -> None:
    (folder / "app.py").write_text("def lambda_handler(event, context): raise ValueError('never')")
    with LocalAws(RotationPolicy(repeats=99, pause_seconds=60)) as aws:
        function = aws.create_function("worker", folder)
        client = aws.client("secretsmanager")
        client.create_secret(Name="key-pair", SecretString="one")
        client.rotate_secret(SecretId="key-pair", RotationLambdaARN=function.arn)
        (rotation,) = aws.secrets_manager.rotations("key-pair")
        started = time.monotonic()

    assert time.monotonic() - started < 10
    assert rotation.outcome is Outcome.CANCELLED


@pytest.mark.parametrize("exits", [True, False])
def test_a_dead_process_leaves_no_child_of_its_own(folder: Path, *, exits: bool) -> None:
    with LocalAws() as aws:
        function = aws.create_function("worker", folder, timeout=0.5)
        function.invoke({"pids": str(folder / "pids"), "seconds": 300, "exit": exits})
        processes = process_ids(folder / "pids")
        wait_until(lambda: not any(map(is_running, processes)))


def test_a_process_that_died_while_idle_is_replaced(folder: Path) -> None:
    with LocalAws() as aws:
        function = aws.create_function("worker", folder)
        function.invoke({"pids": str(folder / "pids"), "seconds": 0})
        os.kill(process_ids(folder / "pids")[0], signal.SIGKILL)
        wait_until(lambda: function.environments == 0)

        after = function.invoke({"pids": str(folder / "pids"), "seconds": 0})

    assert (after.cold, after.failed) == (True, False)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process of its parent's death")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_host_that_is_stopped_takes_its_functions_along(folder: Path, number: signal.Signals) -> None:
    written = folder / "pids"
    host = subprocess.Popen(
        [sys.executable, "-c", HOST, str(folder), str(written)],
        cwd=ROOT,
        # Killed, it can't remove its temporary folder.
        env=os.environ | {"TMPDIR": str(folder)},
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        worker, child = process_ids(written)
        host.send_signal(number)
        assert host.wait(15) != 0
        wait_until(lambda: not is_running(worker))
        if number is signal.SIGKILL:
            # The kernel's signal reaches the function's process alone; what that had started is nobody's.
            os.kill(child, signal.SIGKILL)
        wait_until(lambda: not is_running(child))
    finally:
        host.kill()
        host.wait()
