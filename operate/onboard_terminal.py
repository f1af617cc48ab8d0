"""What onboarding says to a person, and asks."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NoReturn

import typer
from rich.console import Console
from rich.text import Text

from operate.asking import USAGE
from operate.onboarding.finding import Finding, Level
from operate.onboarding.key_file import is_encrypted, private_key_in, unlocked
from operate.onboarding.preparing import Import
from operate.onboarding.questions import ADMIN_QUESTION, checked, unanswered
from operate.workplace import Workplace
from salesforce_keypair.errors import HostNotAllowed, InvalidRequest, InvalidSecret

_PASSPHRASE_TRIES = 3
_STYLES = {Level.OK: "green", Level.UNKNOWN: "cyan", Level.WARNING: "yellow", Level.FAILED: "bold red"}
_LEVEL_WIDTH = max(len(level) for level in Level) + 2


def stop(*lines: str) -> NoReturn:
    """End the command: it was called wrongly."""
    for line in lines:
        typer.echo(line, err=True)
    raise typer.Exit(USAGE)


def say(console: Console, finding: Finding) -> None:
    """One line for what was seen, and one for what to do about it."""
    line = Text(f"  {finding.level:{_LEVEL_WIDTH}}", style=_STYLES[finding.level])
    console.print(line.append(finding.what, style="default"))
    if finding.remedy:
        console.print(Text(f"  {'':{_LEVEL_WIDTH}}{finding.remedy}"))


def usable(place: Workplace, given: Mapping[str, Any]) -> dict[str, Any]:
    """The answers that came as options, as the document has them; all that are wrong end the command at once."""
    answers, wrong = {}, []
    for member, value in given.items():
        try:
            answers[member] = checked(member, value, hosts=place.settings.hosts)
        except (InvalidSecret, HostNotAllowed) as error:
            wrong.append(str(error))
    if wrong:
        stop(*wrong)
    return answers


def ask(place: Workplace, document: Mapping[str, Any], answers: Mapping[str, Any], *, own_user: bool) -> dict[str, Any]:
    """The answers with what neither they nor the document say; without a terminal its lack ends the command."""
    questions = unanswered({**document, **answers}, own_user=own_user)
    if questions and not place.can_ask:
        stop(
            "There is no terminal to ask at, so these must be given:",
            *(f"  {question.option:16}{question.text}" for question in questions),
            *(["Where there is no admin, give --own-user in place of it."] if ADMIN_QUESTION in questions else []),
        )
    asked = dict(answers)
    for question in questions:
        asked[question.member] = typer.prompt(question.text, value_proc=_asked_until_right(place, question.member))
    if questions and not document and "standby" not in asked:
        name = typer.prompt("API name of a second app to alternate with (empty: none)", default="", show_default=False)
        if name:
            asked["standby"] = _second_app(place, name)
    return asked


def read_key_pair(
    place: Workplace, key_file: Path | None, passphrase_file: Path | None, certificate_file: Path | None
) -> Import | None:
    """The key pair of the files. Raises InvalidSecret, or InvalidRequest where nobody tells the passphrase."""
    if key_file is None:
        if certificate_file is not None or passphrase_file is not None:
            stop("--certificate and --passphrase-file go with --private-key.")
        return None
    text = _read(key_file)
    if is_encrypted(text):
        text = _unlocked(place, text, passphrase_file)
    return Import.of(private_key_in(text), None if certificate_file is None else _read(certificate_file))


def _asked_until_right(place: Workplace, member: str) -> Callable[[str], Any]:
    """What makes an answer of a text, or has the question asked again."""

    def answer(text: str) -> Any:
        try:
            return checked(member, text.strip(), hosts=place.settings.hosts)
        except (InvalidSecret, HostNotAllowed) as error:
            raise typer.BadParameter(str(error)) from error

    return answer


def _second_app(place: Workplace, name: str) -> Mapping[str, str]:
    consumer_key = typer.prompt("Consumer key of the second app", value_proc=_asked_until_right(place, "consumerKey"))
    return {"consumerKey": consumer_key, "appName": name}


def _unlocked(place: Workplace, text: str, passphrase_file: Path | None) -> str:
    if passphrase_file is not None:
        return unlocked(text, _read(passphrase_file).rstrip("\r\n"))
    if not place.can_ask:
        raise InvalidRequest(
            "the private key is encrypted, and there is no terminal to ask for its passphrase at",
            remedy="give it with --passphrase-file FILE",
        )
    for tries_left in reversed(range(_PASSPHRASE_TRIES)):
        try:
            return unlocked(text, typer.prompt("Passphrase of the private key", hide_input=True))
        except InvalidSecret as error:
            if not tries_left:
                raise
            typer.echo(f"{error.what}.", err=True)
    raise AssertionError


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidRequest(f"{file} can't be read as text ({type(error).__name__})", remedy="give a PEM") from None
