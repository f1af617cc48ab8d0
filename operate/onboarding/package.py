"""A project folder for `sf project deploy start` that makes the app, where the org has none yet."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from operate.onboarding.app_rules import MANAGER
from operate.onboarding.components import API_VERSION, NewApp, components_of, manifest
from operate.onboarding.finding import Place, Step
from salesforce_keypair.errors import InvalidRequest

_FOLDER = "force-app/main/default"
DEPLOY = "sf project deploy start --manifest manifest/package.xml --target-org <alias>"


def files_of(apps: Sequence[NewApp]) -> Mapping[str, str]:
    """Path in the folder -> content. No consumer key, secret or certificate is among it."""
    components = tuple(component for app in apps for component in components_of(app))
    project = {"packageDirectories": [{"path": "force-app", "default": True}], "sourceApiVersion": API_VERSION}
    return {
        "sfdx-project.json": json.dumps(project, indent=2) + "\n",
        "manifest/package.xml": manifest(components),
        **{f"{_FOLDER}/{component.path}": component.xml for component in components},
    }


def write(folder: Path, files: Mapping[str, str]) -> Sequence[str]:
    """Write what isn't there yet; returns the paths written. Raises InvalidRequest before it would change a file."""
    try:
        return _written(folder, files)
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidRequest(
            f"{folder} can't be written to ({type(error).__name__})", remedy="give another folder (--package)"
        ) from error


def _written(folder: Path, files: Mapping[str, str]) -> Sequence[str]:
    there = {path: (folder / path).read_text(encoding="utf-8") for path in files if (folder / path).is_file()}
    changed = sorted(path for path, text in there.items() if text != files[path])
    if changed:
        raise InvalidRequest(
            f"{folder} holds other files of these names ({', '.join(changed)})",
            remedy="give another folder, or remove them; nothing was written",
        )
    new = [path for path in files if path not in there]
    for path in new:
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(files[path], encoding="utf-8", newline="\n")
    return new


def steps_after_deploy(apps: Sequence[NewApp], username: str | None) -> Sequence[Step]:
    """What is left to click once the package is deployed."""
    steps = []
    for app in apps:
        who = app.run_as if app.admin else username
        steps.append(
            Step(
                Place.PERMISSION_SETS,
                f"Setup > Users > Permission Sets > {app.permission_set} > Manage Assignments > Add Assignment: "
                + (who or ("the user that the admin app runs as" if app.admin else "the integration user")),
            )
        )
        if app.admin:
            steps.append(
                Step(
                    Place.PERMISSION_SETS,
                    f"Setup > Users > Permission Sets > {app.permission_set} > System Permissions > Edit: tick the "
                    "permissions to view and edit External Client Apps",
                )
            )
        manager = f"{MANAGER} > {app.name}"
        if app.admin and app.run_as is None:
            steps.append(
                Step(
                    Place.APP_POLICIES,
                    f"{manager} > Edit Policies > OAuth Flows and External Client App Enhancements: Enable Client "
                    "Credentials Flow, and the user to run as",
                )
            )
        use = "store both in the admin's secret" if app.admin else "the key is what onboarding asks for"
        steps.append(
            Step(Place.APP_SETTINGS, f"{manager} > Settings > OAuth Settings > Consumer Key and Secret: {use}")
        )
    return sorted(steps, key=lambda step: step.place)
