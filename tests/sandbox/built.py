"""What `sam build` made for this machine's processor, and whether it is still what the sources say."""

import platform
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from samtranslator.yaml_helper import yaml_parse

from tests.sandbox.world import CALLERS_LAYER, FUNCTIONS, LAYER, ROOT, Code

ROTATION = "RotationFunction"
VENDOR = "TokenVendorFunction"
MONITOR = "KeyMonitorFunction"

# Apart from .aws-sam/build, which is what `sam deploy` takes, and is for another processor more often than not.
LOCAL_BUILD = ROOT / ".aws-sam" / "local" / "build"
MAKE_IT = "run `make local-build`"

_PACKAGE = "salesforce_keypair"
_CALLERS_PACKAGE = "salesforce_token"


class NotUsable(Exception):
    """The build isn't there, or can't be used here; the text says why and what to do."""


@dataclass(frozen=True)
class Build:
    """A folder that `sam build` made, and the template in it."""

    folder: Path
    template: dict[str, Any]

    @property
    def code(self) -> Code:
        """The folders of its functions and of its layer."""
        return Code(
            rotation=self.folder / ROTATION,
            vendor=self.folder / VENDOR,
            monitor=self.folder / MONITOR,
            layer=self.folder / "KeyPairLayer",
        )

    @property
    def callers_layer(self) -> Path:
        """The folder of the layer for callers."""
        return self.folder / "SalesforceTokenLayer"

    @property
    def architecture(self) -> str:
        """The processor it was built for, as Lambda names it."""
        return str(self.template["Resources"]["KeyPairLayer"]["Metadata"]["BuildArchitecture"])


def machine_architecture() -> str:
    """This machine's processor, as Lambda names it."""
    return "arm64" if platform.machine().lower() in ("arm64", "aarch64") else "x86_64"


def local_build(folder: Path = LOCAL_BUILD) -> Build:
    """The build for this machine. Raises NotUsable where it is missing, or older than the sources."""
    template = folder / "template.yaml"
    if not template.is_file():
        raise NotUsable(f"there is no {_shown(template)}: {MAKE_IT}")
    build = Build(folder, yaml_parse(template.read_text(encoding="utf-8")))
    if build.architecture != machine_architecture():
        raise NotUsable(f"{_shown(folder)} is for {build.architecture}, not for {machine_architecture()}: {MAKE_IT}")
    stale = _first_difference(build)
    if stale:
        raise NotUsable(f"{_shown(stale)} was changed after the build: {MAKE_IT}")
    return build


def check_runs_here() -> None:
    """Lambda's packages are for Linux and one version of Python. Raises NotUsable where this one is another."""
    if sys.platform != "linux":
        raise NotUsable(f"what is built for Lambda runs on Linux, and this is {sys.platform}")
    if sys.version_info[:2] != (3, 13):
        running = f"{sys.version_info.major}.{sys.version_info.minor}"
        raise NotUsable(f"what is built for Lambda runs in Python 3.13, and this is {running}")


def _first_difference(build: Build) -> Path | None:
    built = build.code
    pairs = (
        (FUNCTIONS / "rotation", built.rotation),
        (FUNCTIONS / "token_vendor", built.vendor),
        (FUNCTIONS / "key_monitor", built.monitor),
        (LAYER / _PACKAGE, built.layer / "python" / _PACKAGE),
        (CALLERS_LAYER / _CALLERS_PACKAGE, build.callers_layer / "python" / _CALLERS_PACKAGE),
    )
    for source, copy in pairs:
        for path in sorted(source.rglob("*.py")):
            counterpart = copy / path.relative_to(source)
            if not counterpart.is_file() or counterpart.read_bytes() != path.read_bytes():
                return path
    return None


def _shown(path: Path) -> Path:
    return path.relative_to(ROOT) if path.is_relative_to(ROOT) else path
