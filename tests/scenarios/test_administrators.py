"""The admin who changes the app: a consumer secret or a key pair of its own, with opaque or JWT-format tokens."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from salesforce_keypair.errors import InstallationRefused
from tests.integration.org_client import key_pair
from tests.scenarios.promises import Promises
from tests.scenarios.support import Stage, document_of

ADMIN = "keys.admin@example.com"

Shape = Callable[[Stage, bool], dict[str, Any]]


def consumer_secret(stage: Stage, jwt_tokens: bool) -> dict[str, Any]:
    """AWS's shape of a Salesforce secret: the client credentials flow."""
    admin = stage.world.org.add_user(ADMIN, metadata_permission=True)
    app = stage.world.org.add_external_client_app(
        "KeysAdmin", client_credentials_user=admin, jwt_access_tokens=jwt_tokens
    )
    return {"consumerKey": app.consumer_key, "consumerSecret": app.consumer_secret, "baseUri": stage.world.org.url}


def own_key_pair(stage: Stage, jwt_tokens: bool) -> dict[str, Any]:
    """A document like the one that is rotated, of another app and user."""
    admin = stage.world.org.add_user(ADMIN, metadata_permission=True)
    app = stage.world.org.add_external_client_app("KeysAdmin", approved=[admin], jwt_access_tokens=jwt_tokens)
    pair = key_pair("admin")
    app.install(pair.pem)
    return {
        "consumerKey": app.consumer_key,
        "username": admin.username,
        "baseUri": stage.world.org.url,
        **document_of(pair),
    }


@pytest.fixture(params=[False, True], ids=["External Client App", "Connected App"])
def stage(request: pytest.FixtureRequest) -> Iterator[Stage]:
    with Stage(connected_apps=request.param) as made:
        made.install_key()
        yield made


def name_admin(stage: Stage, document: dict[str, Any], **members: Any) -> None:
    """Store the admin's document in a secret of its own, and name it in the one that is rotated."""
    answer = stage.world.secrets.create_secret(Name="another-admin", SecretString=json.dumps(document))
    stage.edit(adminSecretArn=answer["ARN"], **members)


@pytest.mark.parametrize("shape", [consumer_secret, own_key_pair])
def test_an_admin_changes_the_app_whichever_way_it_logs_in(stage: Stage, shape: Shape) -> None:
    name_admin(stage, shape(stage, False))
    promises = Promises(stage)

    request = stage.rotate()

    assert stage.deployed_by() == {ADMIN}
    assert stage.world.app.fingerprint == stage.version(request.version_id).fingerprint
    promises.hold()


@pytest.mark.parametrize("shape", [consumer_secret, own_key_pair])
def test_jwt_format_tokens_of_an_admin_are_refused_by_name_where_soap_refuses_them(stage: Stage, shape: Shape) -> None:
    name_admin(stage, shape(stage, True))
    held = stage.world.app.component()
    promises = Promises(stage)

    failure = stage.deliver_all(stage.begin(), times=2)

    assert isinstance(failure, InstallationRefused)
    assert "issues JWT-format tokens, which SOAP refuses at API 67.0" in failure.what
    assert "set apiVersion to v68.0" in failure.remedy
    assert stage.deployed_by() == set()
    assert stage.world.app.component() == held
    promises.hold()


@pytest.mark.parametrize("shape", [consumer_secret, own_key_pair])
def test_jwt_format_tokens_of_an_admin_work_from_the_version_that_takes_them(stage: Stage, shape: Shape) -> None:
    name_admin(stage, shape(stage, True), apiVersion="v68.0")

    request = stage.rotate()

    assert stage.deployed_by() == {ADMIN}
    assert stage.world.app.fingerprint == stage.version(request.version_id).fingerprint
