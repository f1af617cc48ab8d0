"""The Salesforce CLI against the emulated org: `make test-clients` runs these, apart from the other tests.

They need Node and 300 MB from npm. The file's name keeps pytest from finding them by itself.
"""

import json
import os
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from operate.onboarding.components import NewApp
from operate.onboarding.package import files_of, write
from tests.integration.org_client import key_pair
from tests.sandbox.org import App, EmulatedOrg, Kind, Org, User

pytestmark = pytest.mark.timeout(600)

PROJECT = {"packageDirectories": [{"path": "force-app", "default": True}], "sourceApiVersion": "67.0"}
TRANSPORTS = {"SOAP": "false", "REST": "true"}


@dataclass(frozen=True)
class Cli:
    """The CLI with a home of its own, so that it neither sees nor leaves anything of the user's."""

    home: Path

    @property
    def project(self) -> Path:
        return self.home / "project"

    def run(self, *arguments: str, **environment: str) -> dict[str, Any]:
        """One command in the project; its JSON answer, whether it succeeded or not."""
        node, program = os.environ["NODE"], os.environ["SALESFORCE_CLI"]
        finished = subprocess.run(
            [node, program, *arguments, "--json"],
            cwd=self.project,
            env=self._environment(Path(node).parent) | environment,
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
        assert finished.stdout, finished.stderr
        answer: dict[str, Any] = json.loads(finished.stdout)
        return answer

    def _environment(self, node_folder: Path) -> dict[str, str]:
        return {
            "PATH": f"{node_folder}:{os.environ['PATH']}",
            "HOME": str(self.home),
            "XDG_CONFIG_HOME": str(self.home / "config"),
            "XDG_DATA_HOME": str(self.home / "data"),
            "XDG_CACHE_HOME": str(self.home / "cache"),
            "SF_USE_GENERIC_UNIX_KEYCHAIN": "true",
            "SF_DISABLE_TELEMETRY": "true",
            "SF_AUTOUPDATE_DISABLE": "true",
            "SF_SKIP_NEW_VERSION_CHECK": "true",
            "SF_DISABLE_LOG_FILE": "true",
        }


@dataclass(frozen=True)
class Scene:
    """An org with an app of either kind, and a project that was retrieved from it by a login through the app."""

    org: Org
    app: App
    user: User
    cli: Cli
    login: dict[str, Any]
    retrieved: dict[str, Any]

    @property
    def component(self) -> str:
        return f"{self.app.kind.component.name}:{self.app.full_name}"

    @property
    def file(self) -> Path:
        path = self.cli.project / "force-app/main/default" / self.app.kind.component.file_name(self.app.full_name)
        return path.with_name(path.name + "-meta.xml")

    def deploy(self, transport: str) -> dict[str, Any]:
        self.org.log.clear()
        return self.cli.run(
            *("project", "deploy", "start", "--target-org", "emulated", "--metadata", self.component),
            SF_ORG_METADATA_REST_DEPLOY=TRANSPORTS[transport],
        )


@pytest.fixture(scope="module", params=["ConnectedApp", "ExtlClntAppGlobalOauthSettings"])
def scene(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    cli = Cli(tmp_path_factory.mktemp("home"))
    (cli.project / "force-app").mkdir(parents=True)
    (cli.project / "sfdx-project.json").write_text(json.dumps(PROJECT))
    key_file = cli.home / "server.key"
    key_file.write_text(key_pair().private_pem)
    with EmulatedOrg() as org:
        # The CLI's first audience ends in a slash; on its own it would go on to Salesforce's generic hosts.
        org.accepted_audiences.add(f"{org.url}/")
        user = org.add_user("admin@example.com", metadata_permission=True)
        add = org.add_connected_app if request.param == "ConnectedApp" else org.add_external_client_app
        app = add("Billing", approved=[user])
        app.install(key_pair().pem)
        login = cli.run(
            *("org", "login", "jwt", "--alias", "emulated", "--instance-url", org.url),
            *("--username", user.username, "--client-id", app.consumer_key, "--jwt-key-file", str(key_file)),
        )
        component = f"{app.kind.component.name}:{app.full_name}"
        retrieved = cli.run("project", "retrieve", "start", "--target-org", "emulated", "--metadata", component)
        yield Scene(org, app, user, cli, login, retrieved)


def test_it_logs_in_by_jwt(scene: Scene) -> None:
    assert scene.login["status"] == 0, scene.login
    assert scene.login["result"]["orgId"] == scene.org.org_id
    assert scene.login["result"]["username"] == scene.user.username
    assert scene.login["result"]["instanceUrl"] == scene.org.url


def test_it_retrieves_the_component(scene: Scene) -> None:
    assert scene.retrieved["status"] == 0, scene.retrieved
    (file,) = scene.retrieved["result"]["files"]

    assert (file["type"], file["state"]) == (scene.app.kind.component.name, "Created")
    assert Path(file["filePath"]) == scene.file


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_it_is_refused_a_component_as_it_was_retrieved(scene: Scene, transport: str) -> None:
    answer = scene.deploy(transport)

    assert answer["status"] == 1
    assert answer["result"]["status"] == "Failed"
    assert "You cannot provide a Consumer Key" in json.dumps(answer["result"]["details"])


@pytest.mark.parametrize(("transport", "pair"), [("SOAP", "second"), ("REST", "third")])
def test_it_deploys_a_new_certificate_and_changes_nothing_else(scene: Scene, transport: str, pair: str) -> None:
    before = scene.app.elements
    as_retrieved = scene.file.read_text()
    certificate = f"<certificate>{key_pair(pair).pem}</certificate>"
    changed = re.sub(r"<certificate>.*?</certificate>", certificate, as_retrieved, flags=re.DOTALL)
    scene.file.write_text(re.sub(r"<consumerKey>.*?</consumerKey>", "", changed))
    answer = scene.deploy(transport)
    scene.file.write_text(as_retrieved)

    assert answer["status"] == 0, answer
    assert answer["result"]["numberComponentsDeployed"] == 1
    assert scene.app.fingerprint == key_pair(pair).fingerprint
    assert scene.app.elements == before
    assert bool(scene.org.log.entries(Kind.DEPLOY)) is (transport == "REST")
    assert "deploy" in {entry.outcome for entry in scene.org.log.entries(Kind.SOAP)} or transport == "REST"


def test_it_finds_every_component_of_the_package_that_onboarding_writes(tmp_path: Path) -> None:
    cli = Cli(tmp_path)
    apps = [
        NewApp("Billing", "ops@example.com", "https://acme.my.salesforce.com/services/oauth2/success"),
        NewApp(
            "CertAdmin", "ops@example.com", "https://acme.my.salesforce.com", admin=True, run_as="admin@example.com"
        ),
    ]
    write(cli.project, files_of(apps))
    answer = cli.run(
        *("project", "convert", "source", "--manifest", "manifest/package.xml", "--output-dir", "converted")
    )

    assert answer["status"] == 0, answer
    converted = {path.name for path in (cli.project / "converted").rglob("*.*") if path.is_file()}
    assert converted == {
        "package.xml",
        *(f"Billing{end}" for end in (".eca", "_glbloauth.ecaGlblOauth", "_oauth.ecaOauth", "_oauthPlcy.ecaOauthPlcy")),
        *(
            f"CertAdmin{end}"
            for end in (".eca", "_glbloauth.ecaGlblOauth", "_oauth.ecaOauth", "_oauthPlcy.ecaOauthPlcy")
        ),
        "Billing_Login.permissionset",
        "CertAdmin_Admin.permissionset",
    }
