"""`onboard --package`: a project for the Salesforce CLI that makes the app, and can't harm one that is there."""

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest
from typer.testing import Result

from tests.integration.org_client import MD, Client, package
from tests.operate.desk import Desk
from tests.sandbox.org import DeployPace
from tests.sandbox.org.metadata_types import METADATA_TYPES

SOURCE = Path("force-app/main/default")
# Salesforce's "Metadata API Developer Guide".
FOLDERS = {name: (known.folder, known.suffix) for name, known in METADATA_TYPES.items()} | {
    "PermissionSet": ("permissionsets", "permissionset")
}


@pytest.fixture
def folder(desk: Desk, tmp_path: Path) -> Path:
    """A package of the stage's app and of an admin app."""
    made = tmp_path / "package"
    result = _package(desk, made, "--admin-app", "CertAdmin", "--admin-username", "admin@example.com")
    assert result.exit_code == 0, result.output
    return made


def _package(desk: Desk, folder: Path, *more: str) -> Result:
    words = ("--app", "Billing", "--contact-email", "ops@example.com", "--username", "robot@example.com")
    return desk.run(*words, "--package", str(folder), *more, secret="")


def _elements(file: Path) -> ElementTree.Element:
    return ElementTree.fromstring(file.read_text())


def _texts(root: ElementTree.Element) -> dict[str, str]:
    return {member.tag.removeprefix(MD): (member.text or "").strip() for member in root}


def test_every_file_is_named_in_the_manifest_and_lies_where_the_guide_says(folder: Path) -> None:
    manifest = _elements(folder / "manifest" / "package.xml")
    named = {
        f"{FOLDERS[kind][0]}/{member.text}.{FOLDERS[kind][1]}-meta.xml": kind
        for types in manifest.findall(f"{MD}types")
        for kind in [types.findtext(f"{MD}name") or ""]
        for member in types.findall(f"{MD}members")
    }
    files = {str(file.relative_to(folder / SOURCE)) for file in (folder / SOURCE).rglob("*.xml")}
    assert files == named.keys()
    assert len(files) == 10
    for path, kind in named.items():
        assert _elements(folder / SOURCE / path).tag == MD + kind
    assert manifest.findtext(f"{MD}version") == "67.0"
    project = json.loads((folder / "sfdx-project.json").read_text())
    assert project == {"packageDirectories": [{"path": "force-app", "default": True}], "sourceApiVersion": "67.0"}


def test_no_file_holds_a_credential(folder: Path) -> None:
    for file in (folder / SOURCE).rglob("*.xml"):
        names = {member.tag.removeprefix(MD) for member in _elements(file).iter()}
        assert not names & {"consumerKey", "consumerSecret", "certificate", "oauthLink"}


def test_the_app_lets_in_whom_its_permission_set_names_and_does_no_more_than_it_must(folder: Path) -> None:
    policies = _texts(_elements(folder / SOURCE / "extlClntAppOauthPolicies/Billing_oauthPlcy.ecaOauthPlcy-meta.xml"))
    assert policies["commaSeparatedPermissionSet"] == "Billing_Login"
    assert policies["permittedUsersPolicyType"] == "AdminApprovedPreAuthorized"
    assert policies["refreshTokenPolicyType"] == "Infinite"
    flows = _texts(_elements(folder / SOURCE / "extlClntAppGlobalOauthSets/Billing_glbloauth.ecaGlblOauth-meta.xml"))
    on = {name for name, value in flows.items() if value == "true"}
    assert on == {"isPkceRequired", "isSecretRequiredForRefreshToken"}
    permissions = _elements(folder / SOURCE / "permissionsets/Billing_Login.permissionset-meta.xml")
    assert [name.text for name in permissions.iter(f"{MD}name")] == ["ApiEnabled"]
    assert permissions.find(f"{MD}license") is None


def test_the_admin_app_has_client_credentials_that_run_as_the_admin(folder: Path) -> None:
    policies = _texts(_elements(folder / SOURCE / "extlClntAppOauthPolicies/CertAdmin_oauthPlcy.ecaOauthPlcy-meta.xml"))
    assert policies["clientCredentialsFlowUser"] == "admin@example.com"
    flows = _texts(_elements(folder / SOURCE / "extlClntAppGlobalOauthSets/CertAdmin_glbloauth.ecaGlblOauth-meta.xml"))
    assert flows["isClientCredentialsFlowEnabled"] == "true"
    permissions = _elements(folder / SOURCE / "permissionsets/CertAdmin_Admin.permissionset-meta.xml")
    assert "ModifyMetadata" in [name.text for name in permissions.iter(f"{MD}name")]


def test_the_org_takes_the_part_that_it_knows(desk: Desk, folder: Path) -> None:
    world = desk.stage.world
    world.user.metadata_permission = True
    world.org.deployments.pace = DeployPace(0, 0)
    content = (folder / SOURCE / "extlClntAppGlobalOauthSets/Billing_glbloauth.ecaGlblOauth-meta.xml").read_text()
    token = world.org.sessions.open(world.user, world.app, world.org.clock.now()).token
    with Client(world.org, world.app, world.user) as client:
        result = client.deploy_and_wait(token, package(world.app, content))
    assert result["success"] is True, result


def test_what_is_left_to_click_comes_in_the_order_of_setups_menu(desk: Desk, tmp_path: Path) -> None:
    said = _package(desk, tmp_path, "--admin-app", "CertAdmin").output
    steps = said.partition("in the order of Setup's menu")[2]
    wanted = [
        "Billing_Login > Manage Assignments > Add Assignment: robot@example.com",
        "CertAdmin_Admin > System Permissions",
        "Billing > Settings",
        "CertAdmin > Edit Policies",
    ]
    assert sorted(wanted, key=steps.index) == wanted
    assert "once: a later deploy would take the certificate out" in said


def test_the_same_again_writes_nothing_and_another_is_not_overwritten(desk: Desk, folder: Path) -> None:
    again = ("--admin-app", "CertAdmin", "--admin-username", "admin@example.com")
    assert "0 files written, 12 were there already" in _package(desk, folder, *again).output
    before = {file: file.read_text() for file in folder.rglob("*.*")}
    refused = _package(desk, folder, "--admin-app", "Other")
    assert "holds other files of these names (manifest/package.xml)" in str(refused.exception)
    assert {file: file.read_text() for file in folder.rglob("*.*")} == before


def test_a_dry_run_writes_no_file(desk: Desk, tmp_path: Path) -> None:
    result = _package(desk, tmp_path / "package", "--dry-run")
    assert "sfdx-project.json" in result.output
    assert not (tmp_path / "package").exists()


def test_an_app_that_is_there_is_not_to_be_reset(desk: Desk, tmp_path: Path) -> None:
    result = desk.onboard("--package", str(tmp_path / "package"), "--contact-email", "ops@example.com")
    assert "has an app Billing already" in str(result.exception)
    assert not (tmp_path / "package").exists()


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("--app-type", "ConnectedApp"), "no new Connected Apps"),
        (("--admin-username", "admin@example.com"), "--admin-app"),
    ],
)
def test_what_no_package_can_make_is_refused(desk: Desk, tmp_path: Path, more: tuple[str, ...], said: str) -> None:
    result = _package(desk, tmp_path / "package", *more)
    assert result.exit_code == 2
    assert said in result.output
