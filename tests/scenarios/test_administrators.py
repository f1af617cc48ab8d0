"""The admin who changes the app: a consumer secret or a key pair of its own, with opaque or JWT-format tokens."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from salesforce_keypair.errors import InstallationRefused
from tests.integration.org_client import key_pair
from tests.scenarios.setups import Before, Scene, members_of

ADMIN = "keys.admin@example.com"

Shape = Callable[[Scene, bool], dict[str, Any]]


def consumer_secret(scene: Scene, jwt_tokens: bool) -> dict[str, Any]:
    """AWS's shape of a Salesforce secret: the client credentials flow."""
    admin = scene.world.org.add_user(ADMIN, metadata_permission=True)
    app = scene.world.org.add_external_client_app(
        "KeysAdmin", client_credentials_user=admin, jwt_access_tokens=jwt_tokens
    )
    return {"consumerKey": app.consumer_key, "consumerSecret": app.consumer_secret, "baseUri": scene.world.org.url}


def own_key_pair(scene: Scene, jwt_tokens: bool) -> dict[str, Any]:
    """A document like the one that is rotated, of another app and user."""
    admin = scene.world.org.add_user(ADMIN, metadata_permission=True)
    app = scene.world.org.add_external_client_app("KeysAdmin", approved=[admin], jwt_access_tokens=jwt_tokens)
    pair = key_pair("admin")
    app.install(pair.pem)
    return {
        "consumerKey": app.consumer_key,
        "username": admin.username,
        "baseUri": scene.world.org.url,
        **members_of(pair),
    }


@pytest.fixture(params=[False, True], ids=["External Client App", "Connected App"])
def scene(request: pytest.FixtureRequest) -> Iterator[Scene]:
    with Scene(connected_apps=request.param) as made:
        made.install_key()
        yield made


def name_admin(scene: Scene, document: dict[str, Any], **members: Any) -> None:
    """Store the admin's document in a secret of its own, and name it in the one that is rotated."""
    answer = scene.world.secrets.create_secret(Name="another-admin", SecretString=json.dumps(document))
    scene.edit(adminSecretArn=answer["ARN"], **members)


@pytest.mark.parametrize("shape", [consumer_secret, own_key_pair])
def test_an_admin_changes_the_app_whichever_way_it_logs_in(scene: Scene, shape: Shape) -> None:
    name_admin(scene, shape(scene, False))
    before = Before(scene)

    request = scene.rotate()

    assert scene.deployed_by() == {ADMIN}
    assert scene.world.app.fingerprint == scene.version(request.version_id).fingerprint
    before.holds()


@pytest.mark.parametrize("shape", [consumer_secret, own_key_pair])
def test_jwt_format_tokens_of_an_admin_are_refused_by_name_where_soap_refuses_them(scene: Scene, shape: Shape) -> None:
    name_admin(scene, shape(scene, True))
    held = scene.world.app.component()
    before = Before(scene)

    failure = scene.deliver_all(scene.begin(), times=2)

    assert isinstance(failure, InstallationRefused)
    assert "issues JWT-format tokens, which SOAP refuses at API 67.0" in failure.what
    assert "set apiVersion to v68.0" in failure.remedy
    assert scene.deployed_by() == set()
    assert scene.world.app.component() == held
    before.holds()


@pytest.mark.parametrize("shape", [consumer_secret, own_key_pair])
def test_jwt_format_tokens_of_an_admin_work_from_the_version_that_takes_them(scene: Scene, shape: Shape) -> None:
    name_admin(scene, shape(scene, True), apiVersion="v68.0")

    request = scene.rotate()

    assert scene.deployed_by() == {ADMIN}
    assert scene.world.app.fingerprint == scene.version(request.version_id).fingerprint
