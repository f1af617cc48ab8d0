"""`onboard --package`: the app's metadata for the Salesforce CLI, where the org has no app yet."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.text import Text

from operate.onboard_terminal import stop
from operate.onboarding.components import NewApp
from operate.onboarding.package import DEPLOY, files_of, steps_after_deploy, write
from operate.onboarding.report import steps_in_words
from operate.workplace import Workplace
from salesforce_keypair.credential import AppType
from salesforce_keypair.errors import InvalidRequest

_SECONDS = 60.0
_CALLBACK = "{origin}/services/oauth2/success"
_ANY_ORIGIN = "https://login.salesforce.com"


@dataclass(frozen=True, slots=True)
class NewApps:
    """What a package needs beside the answers."""

    contact_email: str | None
    admin_app: str | None
    admin_username: str | None


def write_package(place: Workplace, folder: Path, answers: Mapping[str, Any], new: NewApps, *, dry_run: bool) -> None:
    """Write the project, and say how it is deployed and what is left to click then. Raises InvalidRequest."""
    name = answers.get("appName")
    if name is None or new.contact_email is None:
        stop("A package needs --app and --contact-email.")
    if answers.get("appType") == AppType.CONNECTED_APP:
        stop("Salesforce lets no new Connected Apps be made: leave --app-type out, for an External Client App.")
    if new.admin_username is not None and new.admin_app is None:
        stop("--admin-username goes with --admin-app.")
    _refuse_existing(place, answers)
    callback = _CALLBACK.format(origin=answers.get("baseUri", _ANY_ORIGIN))
    apps = [NewApp(name, new.contact_email, callback)]
    if new.admin_app is not None:
        apps.append(NewApp(new.admin_app, new.contact_email, callback, admin=True, run_as=new.admin_username))
    files = files_of(apps)
    console = place.console
    if dry_run:
        console.print(f"Dry run: {folder} would hold")
        written = list(files)
    else:
        written = list(write(folder, files))
        console.print(f"{folder}: {len(written)} files written, {len(files) - len(written)} were there already")
    for path in written:
        console.print(Text(f"  {path}"))
    console.print("\nDeploy it from that folder, once: a later deploy would take the certificate out of the app again.")
    console.print(Text(f"  {DEPLOY}\n"))
    for line in steps_in_words(steps_after_deploy(apps, answers.get("username"))):
        console.print(Text(line))
    console.print(Text("\nThen run this again without --package, with the app's consumer key."))


def _refuse_existing(place: Workplace, answers: Mapping[str, Any]) -> None:
    """Where an admin can look: an app that is there would be reset, its certificate taken out."""
    if "baseUri" not in answers or "adminSecretArn" not in answers:
        return
    # The admin looks, so nothing depends on whose app it is.
    document = {"consumerKey": "unknown", "username": "unknown", **answers}
    credential = place.parse(json.dumps(document))
    if place.open_app(credential, [], place.within(_SECONDS)).settings() is not None:
        raise InvalidRequest(
            f"the org has an app {credential.app_name} already, and deploying the package would reset it",
            remedy="leave --package out; or give the new app another name",
        )
