"""What the token vendor imports before its first request: each module is a part of every cold start.

A list that grows is a decision, so it fails here first. Milliseconds depend on the machine: they are for `make bench`.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import packages_distributions

import pytest

from tests.sandbox.world import FUNCTIONS, LAYER

# Says which modules the handler brought, and which files were opened meanwhile: botocore reads a service's model from a
# file when a client of that service is made, so this shows the clients.
PROBE = """
import json, sys
opened = []
sys.addaudithook(lambda event, arguments: opened.append(str(arguments[0])) if event == "open" else None)
before = set(sys.modules)
import app
print(json.dumps({"modules": sorted(set(sys.modules) - before), "opened": opened}))
"""

PACKAGES = {
    "aws-lambda-powertools",
    "boto3",
    "botocore",
    "certifi",
    "cffi",
    "charset-normalizer",
    "cryptography",
    "idna",
    "jmespath",
    "pyjwt",
    "python-dateutil",
    "requests",
    "s3transfer",
    "six",
    "typing-extensions",
    "urllib3",
    # Not in the layer: requests takes it where it is, and AWS's runtime client brings it along.
    "simplejson",
}
OWN_MODULES = {
    "audit",
    "aws_refusal",
    "credential",
    "errors",
    "fetching",
    "http_request",
    "json_text",
    "key_choice",
    "keypair",
    "logins",
    "members",
    "observability",
    "redaction",
    "salesforce",
    "salesforce.hosts",
    "salesforce.login",
    "salesforce.refusals",
    "salesforce.session",
    "salesforce.transport",
    "sealed_refusal",
    "sealed_token",
    "sealing",
    "seams",
    "secret_answers",
    "secret_history",
    "secret_store",
    "settings",
    "shared_tokens",
    "standing_back",
    "timing",
    "token_cache",
    "token_table",
    "vend_request",
    "vending",
    "wiring",
    "wiring.aws",
    "wiring.vending",
}
# Parts of packages that are needed otherwise. (Powertools imports its Tracer's module always; what costs more than all
# that is imported now is aws_xray_sdk, which comes with a Tracer and isn't among the packages above.)
NEEDLESS = [
    "asyncio",
    "aws_lambda_powertools.event_handler",
    "aws_lambda_powertools.utilities.data_classes",
    "aws_lambda_powertools.utilities.idempotency",
    "aws_lambda_powertools.utilities.parameters",
    "aws_lambda_powertools.utilities.parser",
    "aws_lambda_powertools.utilities.validation",
    "http.server",
    "sqlite3",
    "unittest",
]


@dataclass(frozen=True)
class Imported:
    """What came into a fresh process with the vendor."""

    modules: frozenset[str]
    opened: tuple[str, ...]

    def packages(self) -> set[str]:
        """The distributions, by their names on the package index."""
        distributions = packages_distributions()
        return {_normal(name) for top in self._tops() for name in distributions.get(top, [])}

    def own(self) -> set[str]:
        """The modules of this project's package."""
        return {name.removeprefix("salesforce_keypair.") for name in self.modules if "salesforce_keypair." in name}

    def clients(self) -> set[str]:
        """The AWS services that a client was made of."""
        models = [path.split("/botocore/data/", 1)[1] for path in self.opened if "/botocore/data/" in path]
        return {path.split("/")[0] for path in models if "/service-2" in path}

    def _tops(self) -> Iterable[str]:
        return {name.partition(".")[0] for name in self.modules}


def _normal(name: str) -> str:
    return name.lower().replace("_", "-")


def import_vendor(**variables: str) -> Imported:
    """Import the vendor's handler as Lambda does, in a process of its own."""
    # Nothing but what Lambda sets, so that no developer's settings make a difference.
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": os.pathsep.join([str(FUNCTIONS / "token_vendor"), str(LAYER)]),
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_LAMBDA_FUNCTION_NAME": "token-vendor",
        "SECRET_ID": "salesforce/keypair",
        **variables,
    }
    done = subprocess.run(
        [sys.executable, "-c", PROBE], env=environment, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    return Imported(frozenset(said["modules"]), tuple(said["opened"]))


@pytest.fixture(scope="module")
def alone() -> Imported:
    """The vendor without a table."""
    return import_vendor()


@pytest.fixture(scope="module")
def sharing() -> Imported:
    """The vendor with a table."""
    return import_vendor(TOKEN_TABLE="tokens")


@pytest.mark.slow
def test_it_imports_no_further_package(alone: Imported, sharing: Imported) -> None:
    assert alone.packages() - PACKAGES == set()
    assert sharing.packages() - PACKAGES == set()


def test_it_imports_nothing_of_the_rotation(alone: Imported, sharing: Imported) -> None:
    assert alone.own() - OWN_MODULES == set()
    assert sharing.own() - OWN_MODULES == set()


@pytest.mark.parametrize("name", NEEDLESS)
def test_it_does_without(name: str, sharing: Imported) -> None:
    assert name not in sharing.modules


def test_the_lists_name_what_is_imported(sharing: Imported) -> None:
    """Else what they allow could come back unseen."""
    assert OWN_MODULES - sharing.own() == set()
    assert PACKAGES - sharing.packages() - {"cffi", "simplejson", "typing-extensions"} == set()


def test_it_makes_a_client_of_dynamodb_only_for_a_table(alone: Imported, sharing: Imported) -> None:
    assert alone.clients() == {"secretsmanager"}
    assert sharing.clients() == {"secretsmanager", "dynamodb"}
