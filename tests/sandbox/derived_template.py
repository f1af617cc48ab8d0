"""The built template with the sandbox in it, for `sam local`.

`sam local --env-vars` overrides only the variables that a template declares, and template.yaml must never declare the
ones that point a function at a local world.
"""

import copy
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.sandbox.built import Build

_CODE = {"AWS::Serverless::Function": "CodeUri", "AWS::Serverless::LayerVersion": "ContentUri"}


def derived(build: Build, variables: Mapping[str, Mapping[str, str]]) -> dict[str, Any]:
    """The template of `build` with those variables, by logical id of the function; its code is found from anywhere."""
    template: dict[str, Any] = copy.deepcopy(build.template)
    template["Parameters"]["Architecture"]["Default"] = build.architecture
    for name, resource in template["Resources"].items():
        member = _CODE.get(resource["Type"])
        if member:
            resource["Properties"][member] = str(build.folder / resource["Properties"][member])
        if name in variables:
            declared = resource["Properties"].setdefault("Environment", {}).setdefault("Variables", {})
            declared.update(variables[name])
    return template


def write(build: Build, variables: Mapping[str, Mapping[str, str]], folder: Path) -> Path:
    """Write it into `folder`, for this sandbox alone; returns its path."""
    path = folder / "template.json"
    path.write_text(json.dumps(derived(build, variables), indent=2) + "\n", encoding="utf-8")
    return path
