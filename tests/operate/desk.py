"""Where an engineer sits who onboards: a terminal or none, AWS and the org of a stage, and a secret without a value."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from typer.testing import CliRunner, Result

from operate.__main__ import app
from operate.workplace import Workplace
from salesforce_keypair.settings import Settings
from tests.integration.org_client import Pair
from tests.sandbox.world import ADMIN_SECRET_NAME
from tests.scenarios.leaks import Searcher, know_the_world
from tests.scenarios.support import Stage

NEW_SECRET = "salesforce/new"


@dataclass
class Desk:
    """Runs the command in this process. From then on the stage's secret is the one that is onboarded."""

    stage: Stage
    printed: list[str] = field(default_factory=list)
    resolves: bool = True

    def __post_init__(self) -> None:
        self.stage.world.secret_arn = self.stage.world.secrets.create_secret(Name=NEW_SECRET)["ARN"]

    @property
    def answers(self) -> dict[str, str]:
        """What a newcomer answers, by option."""
        world = self.stage.world
        return {
            "--my-domain": world.org.url,
            "--app": world.app.name,
            "--consumer-key": world.app.consumer_key,
            "--username": world.user.username,
            "--admin-secret": ADMIN_SECRET_NAME,
        }

    def run(
        self, *arguments: str, typed: str | None = None, secret: str | None = NEW_SECRET, **environment: str
    ) -> Result:
        """One command. With `typed` somebody sits at a terminal and types that."""
        settings = Settings.from_environment(self.stage.variables, serves_secrets=False)
        place = Workplace(settings, clock=self.stage.clock, resolve=self._resolve, can_ask=typed is not None)
        named = ["--secret", secret] if secret else []
        result = CliRunner().invoke(app, ["onboard", *named, *arguments], input=typed, obj=place, env=environment)
        self.printed += [result.output, repr(result.exception), str(result.exception)]
        return result

    def onboard(
        self, *arguments: str, typed: str | None = None, secret: str | None = NEW_SECRET, **answers: str | None
    ) -> Result:
        """A command with a newcomer's answers, of which some may be others, or left out."""
        changed = {f"--{name.replace('_', '-')}": value for name, value in answers.items()}
        given = {name: value for name, value in (self.answers | changed).items() if value is not None}
        return self.run(*(word for pair in given.items() for word in pair), *arguments, typed=typed, secret=secret)

    def done(self, *arguments: str, **answers: str | None) -> str:
        """What is printed by a command that must succeed, and that nobody is asked about."""
        result = self.onboard("--yes", *arguments, **answers)
        assert result.exit_code == 0, (result.output, result.exception)
        return result.output

    def use_standby(self) -> dict[str, str | None]:
        """Make a second app; returns the answers that name it."""
        world = self.stage.world
        world.standby = world.org.add_external_client_app("BillingStandby", approved=[world.user])
        return {"standby_app": world.standby.name, "standby_consumer_key": world.standby.consumer_key}

    @property
    def document(self) -> Mapping[str, Any]:
        """What AWSCURRENT says."""
        return self.stage.labelled("AWSCURRENT").document

    def holds(self, pair: Pair) -> bool:
        """Whether AWSCURRENT holds that key pair."""
        held = self.stage.labelled("AWSCURRENT").pair
        return held is not None and held.pem == pair.pem and held.private_pem == pair.private_pem

    def seen(self) -> object:
        """All that onboarding could change."""
        return (self.stage.seen(), self.stage.labels())

    def secrets_printed(self, *keys: Pair, words: tuple[str, ...] = ()) -> set[str]:
        """The kinds of secrets that were printed, the given ones among what is searched for."""
        searcher: Searcher = know_the_world(self.stage.world)
        for pair in keys:
            searcher.know_key(pair.key)
        searcher.know("passphrase", *words)
        searcher.know("consumer key", self.stage.world.app.consumer_key)
        return searcher.find(json.dumps(self.printed)) | searcher.find("\n".join(self.printed))

    def _resolve(self, host: str, port: int) -> None:
        if not self.resolves:
            raise OSError(f"{host}:{port} isn't known")
