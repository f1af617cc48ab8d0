"""The commands: `python -m operate --help`, or the tasks of the same names in the Makefile."""

import logging
import sys

import typer
from rich.console import Console
from rich.text import Text

from operate.checks.aws_words import remedy_here
from operate.doctor import doctor
from operate.onboard import onboard
from operate.rotation_commands import register as register_rotations
from salesforce_keypair.errors import KeyPairError

app = typer.Typer(
    name="operate",
    help="Set up, look after and rescue Salesforce key pairs that AWS Secrets Manager rotates.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

# Exit codes of all commands: 0 done or well, 1 not well (what was looked at, or what was asked for failed), 2 usage.
FAILED = 1
# By Ctrl-C, as typer ends then.
STOPPED = 130


@app.callback()
def main() -> None:
    """Set up, look after and rescue Salesforce key pairs that AWS Secrets Manager rotates."""
    # The package tells a log what a command tells its user; at no level do its loggers print a secret.
    logging.getLogger("salesforce_keypair").addHandler(logging.NullHandler())
    for name in ("boto3", "botocore", "urllib3", "requests"):
        # At DEBUG these print whole answers, secret values among them.
        logging.getLogger(name).setLevel(logging.INFO)


app.command("onboard")(onboard)
app.command("doctor")(doctor)
register_rotations(app)


def run() -> int:
    """Run the command of the arguments; an error of ours ends it with its text, which says what to do."""
    errors = Console(stderr=True, highlight=False, soft_wrap=True)
    try:
        app(standalone_mode=True)
    except KeyPairError as error:
        errors.print(Text(f"{error.code}: {error.what}: {remedy_here(error)}", style="bold red"))
        return FAILED
    except SystemExit as ended:
        if ended.code == STOPPED:
            # A rollback may have changed the app, and a rotation doesn't end with the command that follows it.
            errors.print("Stopped; nothing is undone, and a rotation goes on by itself: `status` tells how it stands.")
        raise
    return 0


if __name__ == "__main__":
    sys.exit(run())
