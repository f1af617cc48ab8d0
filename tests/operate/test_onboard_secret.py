"""How a document becomes current: never over a key, whatever else happens to the secret meanwhile."""

import json
from collections.abc import Mapping

import boto3
import pytest

from operate.onboarding.secret import ONBOARDING, Secret
from salesforce_keypair.errors import SecretUnavailable
from salesforce_keypair.secret_store import SecretsManager
from tests.integration.org_client import key_pair
from tests.operate.desk import Desk
from tests.scenarios.support import CREATE, document_of


def _secret(desk: Desk) -> Secret:
    client = boto3.client("secretsmanager")
    return Secret(client, SecretsManager(client), desk.stage.arn)


def _changed(desk: Desk) -> Mapping[str, object]:
    return {**desk.document, "certificateValidityDays": 90}


def test_a_rotation_that_ends_while_somebody_thinks_keeps_its_key(desk: Desk) -> None:
    desk.stage.install_key()
    secret = _secret(desk)
    found = secret.look()
    document = _changed(desk)
    desk.stage.rotate()
    rotated = desk.stage.labels()
    with pytest.raises(SecretUnavailable, match="AWSCURRENT stays where it is"):
        secret.write(document, found)
    assert desk.stage.labels() == rotated


def test_two_that_write_a_first_document_at_once_do_not_overwrite_each_other(desk: Desk) -> None:
    secret = _secret(desk)
    found = secret.look()
    desk.done()
    first = desk.stage.labels()
    with pytest.raises(SecretUnavailable, match="AWSCURRENT stays where it is"):
        secret.write({"consumerKey": "another"}, found)
    assert desk.stage.labels() == first


def test_no_label_of_ours_stays_behind_and_the_old_version_is_the_previous_one(desk: Desk) -> None:
    desk.stage.install_key()
    before = desk.stage.labels()["AWSCURRENT"]
    desk.run("--validity-days", "90", "--yes")
    labels = desk.stage.labels()
    assert ONBOARDING not in labels
    assert labels["AWSPREVIOUS"] == before


def test_a_secret_that_somebody_overwrote_is_not_built_upon(desk: Desk) -> None:
    desk.stage.install_key()
    desk.stage.edit(privateKey=None, certificate=None)
    before = desk.seen()
    result = desk.run("--validity-days", "90", "--yes")
    assert "somebody overwrote the secret" in str(result.exception)
    assert "go back to that version (make rollback SECRET=salesforce/new), then run this" in str(result.exception)
    assert desk.seen() == before


def test_a_value_that_is_no_document_is_not_overwritten(desk: Desk) -> None:
    desk.stage.world.secrets.put_secret_value(SecretId=desk.stage.arn, SecretString="hunter2")
    before = desk.seen()
    result = desk.onboard("--yes")
    assert result.exit_code == 1
    assert "isn't JSON" in str(result.exception)
    assert desk.seen() == before


def test_a_rotation_under_way_is_waited_for(desk: Desk) -> None:
    desk.stage.install_key()
    request = desk.stage.begin()
    desk.stage.deliver(request, CREATE)
    before = desk.seen()
    result = desk.run("--validity-days", "90", "--yes")
    assert "a rotation of the secret is under way" in str(result.exception)
    assert desk.seen() == before


def test_a_first_rotation_that_was_undone_may_be_onboarded_again(desk: Desk) -> None:
    desk.done()
    request = desk.stage.begin()
    desk.stage.deliver(request, CREATE)
    desk.stage.move_label("ROLLEDBACK", onto=request.version_id)
    desk.stage.move_label("AWSPENDING", off=request.version_id)
    assert "+ certificateValidityDays" in desk.done(validity_days="90")


def test_the_certificates_of_all_versions_count_as_ours(desk: Desk) -> None:
    first, second, third = key_pair("first"), key_pair("second"), key_pair("third")
    for pair in (first, second, third):
        document = desk.stage.world.document(**document_of(pair))
        desk.stage.world.secrets.put_secret_value(SecretId=desk.stage.arn, SecretString=json.dumps(document))
    shown = {certificate.fingerprint for certificate in _secret(desk).look().certificates}
    assert shown == {pair.fingerprint for pair in (first, second, third)}
