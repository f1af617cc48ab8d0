"""`onboard`: an app of Salesforce's and a secret of AWS's become a key pair that rotates."""

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from operate.asking import NOT_DONE, confirm
from operate.onboard_package import NewApps, write_package
from operate.onboard_terminal import ask, read_key_pair, say, stop, usable
from operate.onboarding.preparing import prepare
from operate.onboarding.proposal import Proposal
from operate.onboarding.report import ending, lines_of
from operate.onboarding.secret import Found, Secret
from operate.workplace import Workplace
from salesforce_keypair.credential import AppType, Installation
from salesforce_keypair.errors import InvalidRequest
from salesforce_keypair.keypair import KeyAlgorithm

_SECRET = "Give the secret: --secret NAME_OR_ARN, or the variable SECRET."  # noqa: S105 - a text, not a password


def onboard(
    context: typer.Context,
    secret: Annotated[
        str,
        typer.Option(metavar="NAME_OR_ARN", help="The secret; the stack's, or another with --create.", envvar="SECRET"),
    ] = "",
    my_domain: Annotated[str | None, typer.Option(help="https://<MyDomain>.my.salesforce.com")] = None,
    app: Annotated[str | None, typer.Option(help="API name of the app, not its label.")] = None,
    app_type: Annotated[AppType | None, typer.Option(help="Kind of app.")] = None,
    consumer_key: Annotated[str | None, typer.Option(help="The app's consumer key.")] = None,
    username: Annotated[str | None, typer.Option(help="The integration user.")] = None,
    admin_secret: Annotated[str | None, typer.Option(help="Secret of who may change the app, name or ARN.")] = None,
    own_user: Annotated[
        bool, typer.Option("--own-user", help="There is no admin: the integration user installs its certificates.")
    ] = False,
    standby_app: Annotated[str | None, typer.Option(help="Second app, to alternate with.")] = None,
    standby_consumer_key: Annotated[str | None, typer.Option(help="The second app's consumer key.")] = None,
    installation: Annotated[Installation | None, typer.Option(help="Who installs certificates.")] = None,
    key_algorithm: Annotated[KeyAlgorithm | None, typer.Option(help="Of new keys (RSA_2048).")] = None,
    validity_days: Annotated[int | None, typer.Option(help="Of new certificates (365).")] = None,
    certificate_authority: Annotated[str | None, typer.Option(help="ARN of an AWS Private CA that signs.")] = None,
    api_version: Annotated[str | None, typer.Option(help="Of the Metadata API (v67.0).")] = None,
    private_key: Annotated[
        Path | None,
        typer.Option(
            help="Import this key, which the app's certificate is to: PEM, or its base64.", exists=True, dir_okay=False
        ),
    ] = None,
    passphrase_file: Annotated[
        Path | None, typer.Option(help="Holds the key's passphrase; else it is asked for.", exists=True, dir_okay=False)
    ] = None,
    certificate: Annotated[
        Path | None,
        typer.Option(help="Certificate to the key; left out, the app must show it.", exists=True, dir_okay=False),
    ] = None,
    replace_foreign_certificate: Annotated[
        bool, typer.Option("--replace-foreign-certificate", help="Let the next rotation replace one that isn't ours.")
    ] = False,
    create: Annotated[bool, typer.Option("--create", help="Make the secret if there is none.")] = False,
    package: Annotated[
        Path | None,
        typer.Option(help="Write a project into this folder that makes the app, and stop.", file_okay=False),
    ] = None,
    contact_email: Annotated[str | None, typer.Option(help="For --package: the app's contact.")] = None,
    admin_app: Annotated[str | None, typer.Option(help="For --package: make an admin app of this name, too.")] = None,
    admin_username: Annotated[str | None, typer.Option(help="For --package: the admin app runs as this user.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Look at everything, write nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Write without asking.")] = False,
) -> None:
    """Set a secret up for its first rotation: ask, look at the org, write the document, say what is left to click."""
    place = context.obj if isinstance(context.obj, Workplace) else Workplace.of()
    given = {
        "baseUri": my_domain,
        "appName": app,
        "appType": app_type,
        "consumerKey": consumer_key,
        "username": username,
        "adminSecretArn": admin_secret,
        "standby": _standby(standby_app, standby_consumer_key),
        "installation": installation,
        "keyAlgorithm": key_algorithm,
        "certificateValidityDays": validity_days,
        "certificateAuthorityArn": certificate_authority,
        "apiVersion": api_version,
    }
    answers = usable(
        place,
        {
            name: str(value) if isinstance(value, StrEnum) else value
            for name, value in given.items()
            if value is not None
        },
    )
    if package is not None:
        write_package(place, package, answers, NewApps(contact_email, admin_app, admin_username), dry_run=dry_run)
        return
    if not secret:
        stop(_SECRET)
    if own_user and admin_secret:
        stop("--own-user says that there is no admin: leave --admin-secret out, or --own-user.")
    kept = Secret(place.secrets, place.store, secret)
    found = kept.look()
    if not found.exists and not create:
        raise InvalidRequest(
            f"there is no secret {secret} in this shell's account and Region ({place.secrets.meta.region_name})",
            remedy="see that they are the stack's; deploy the stack, which makes it; or give --create to make it here",
        )
    if own_user and "adminSecretArn" in found.document:
        raise InvalidRequest(
            "--own-user says that there is no admin, and the document names one",
            remedy="leave --own-user out; or take adminSecretArn out of the document by hand",
        )
    answers = ask(place, found.document, answers, own_user=own_user or _has_no_admin(found))
    imported = read_key_pair(place, private_key, passphrase_file, certificate)
    place.console.print("Looking at the org and the secret; nothing is written yet.")
    with place.console.status("Looking"):
        proposal, checks = prepare(
            place,
            found,
            answers,
            imported=imported,
            replace_foreign=replace_foreign_certificate,
            say=lambda finding: say(place.console, finding),
        )
    if checks.failed:
        place.console.print("\nNothing was written. Put right what failed, and run this again with the same answers.")
        raise typer.Exit(NOT_DONE)
    _write(place, kept, found, proposal, dry_run=dry_run, yes=yes)
    for line in ending(secret, found, proposal, checks.findings):
        place.console.print(Text(line))


def _standby(app: str | None, consumer_key: str | None) -> Mapping[str, str] | None:
    if app is None and consumer_key is None:
        return None
    if app is None or consumer_key is None:
        stop("A second app needs both --standby-app and --standby-consumer-key.")
    return {"consumerKey": consumer_key, "appName": app}


def _has_no_admin(found: Found) -> bool:
    """Whether there is a document that does without: nobody is asked for one then."""
    return "consumerKey" in found.document and "adminSecretArn" not in found.document


def _write(place: Workplace, kept: Secret, found: Found, proposal: Proposal, *, dry_run: bool, yes: bool) -> None:
    """Show what would change, ask, and change it."""
    place.console.print()
    for line in lines_of(found, proposal):
        place.console.print(Text(line))
    if not proposal.changes:
        return
    if dry_run:
        place.console.print("Dry run: nothing was written.")
        return
    if found.rotating and not proposal.only_leaves:
        raise InvalidRequest(
            "a rotation of the secret is under way, and would not take the change over",
            remedy="wait until it has ended, or give it up (`make resume` with ARGS=--give-up), and run this again",
        )
    confirm(place, (), yes=yes, question="Write this?")
    if found.exists:
        kept.write(proposal.after, found)
    else:
        kept.create(proposal.after)
    place.console.print("Written.")
