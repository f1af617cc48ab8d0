"""`make deploy`: which of SAM's configuration files it reads, and where the answers to --guided go."""

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.apart import apart_from_make
from tests.template.transformed import TEMPLATE

PROJECT = TEMPLATE.parent
LOCAL = "samconfig.local.toml"
# In place of sam, which asks AWS before it writes: it tells how it was called and keeps an answer where sam would.
SAM = """#!/bin/sh
echo "$@"
case "$*" in *--guided*) echo '# an answer' >> "$3" ;; esac
"""


@dataclass(frozen=True)
class Checkout:
    """A fresh copy of what `make deploy` reads."""

    folder: Path

    def deploy(self, arguments: str = "") -> subprocess.CompletedProcess[str]:
        home = self.folder / "sam"
        return subprocess.run(
            [
                "make",
                "deploy",
                f"ARGS={arguments}",
                f"SAM_HOME={home}",
                f"SAM_READY={home}/.ready",
                f"UV={home}/uv",
            ],
            cwd=self.folder,
            env=apart_from_make(),
            check=True,
            capture_output=True,
            text=True,
        )

    def read(self, name: str) -> str:
        return (self.folder / name).read_text(encoding="utf-8")


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    for name in ("Makefile", "samconfig.toml"):
        shutil.copy(PROJECT / name, tmp_path)
    sam = tmp_path / "sam" / "bin" / "sam"
    sam.parent.mkdir(parents=True)
    sam.write_text(SAM, encoding="utf-8")
    sam.chmod(0o755)
    for made in ("uv", ".ready"):
        (tmp_path / "sam" / made).touch()
    return Checkout(tmp_path)


def test_answers_go_to_a_copy_that_git_ignores_and_later_deployments_read_it(checkout: Checkout) -> None:
    tracked = checkout.read("samconfig.toml")
    first = checkout.deploy("--config-env prod --guided")
    later = checkout.deploy("--config-env prod")

    assert first.stdout == f"deploy --config-file {LOCAL} --config-env prod --guided\n"
    assert later.stdout == f"deploy --config-file {LOCAL} --config-env prod\n"
    assert checkout.read("samconfig.toml") == tracked
    assert checkout.read(LOCAL) == f"{tracked}# an answer\n"
    assert "samconfig" not in first.stderr + later.stderr
    assert LOCAL in (PROJECT / ".gitignore").read_text(encoding="utf-8").splitlines()


def test_a_change_of_the_tracked_file_is_told_and_leaves_the_answers_alone(checkout: Checkout) -> None:
    checkout.deploy("--guided")
    answered = checkout.read(LOCAL)
    local = checkout.folder / LOCAL
    an_hour_ago = local.stat().st_mtime - 3600
    os.utime(local, (an_hour_ago, an_hour_ago))

    assert "samconfig.toml has changed since samconfig.local.toml" in checkout.deploy().stderr
    assert checkout.read(LOCAL) == answered
