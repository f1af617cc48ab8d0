"""What the secret's document says, and what became of it meanwhile: refused by name before anything changes."""

from collections.abc import Callable
from typing import Any

import pytest

from salesforce_keypair.errors import ForeignCertificate, HostNotAllowed, InvalidSecret, KeyPairError, UnprovedKey
from tests.integration.org_client import key_pair
from tests.sandbox.aws import Act, RotationRequest
from tests.sandbox.org import CertificateEncoding, Kind
from tests.sandbox.org.xmltree import Element
from tests.scenarios.promises import Promises, assert_tells_what_to_do, has_logged_in
from tests.scenarios.support import CREATE, FINISH, ROTATION, SET, TEST, Stage, document_of

UNUSABLE = [
    ({"appName": None}, "appName", InvalidSecret),
    ({"consumerKey": None}, "consumerKey", InvalidSecret),
    ({"username": None}, "username", InvalidSecret),
    ({"baseUri": None}, "baseUri", InvalidSecret),
    ({"baseUri": "https://example.com"}, "baseUri", HostNotAllowed),
    ({"keyAlgorithm": "EC_P256"}, "RSA only", InvalidSecret),
    ({"certificateValidityDays": 0}, "certificateValidityDays", InvalidSecret),
    ({"apiVersion": "v59.0"}, "apiVersion", InvalidSecret),
    ({"replaceForeignCertificate": "yes"}, "replaceForeignCertificate", InvalidSecret),
    ({"installation": "by hand"}, "installation", InvalidSecret),
    ({"certificateAuthorityArn": "arn:aws:acm-pca:x"}, "certificateAuthorityArn", InvalidSecret),
]


def refused(
    stage: Stage, request: RotationRequest, *steps: str, error: type[KeyPairError] = InvalidSecret
) -> KeyPairError:
    """Deliver steps, the last of which is refused and changes nothing."""
    stage.deliver(request, *steps[:-1])
    seen = stage.seen()
    with pytest.raises(error) as caught:
        stage.deliver(request, steps[-1])
    assert stage.seen() == seen
    assert_tells_what_to_do(caught.value)
    assert not caught.value.retryable
    return caught.value


def test_a_secret_that_names_itself_as_its_admins_is_refused_by_name(stage: Stage) -> None:
    stage.world.user.metadata_permission = True
    stage.install_key(adminSecretArn=stage.arn)

    error = refused(stage, stage.begin(), CREATE)

    assert "adminSecretArn" in error.what


@pytest.mark.parametrize(("members", "named", "error"), UNUSABLE, ids=[named for _, named, _ in UNUSABLE])
def test_a_document_that_cant_be_used_is_refused_naming_the_member(
    stage: Stage, members: dict[str, Any], named: str, error: type[KeyPairError]
) -> None:
    stage.edit(**members)

    assert named in refused(stage, stage.begin(), CREATE, error=error).what

    assert stage.world.org.log.entries() == ()


@pytest.mark.parametrize("text", ["", "hello", "[]", '"text"', '{"consumerKey": NaN}', "{" * 5000])
def test_a_value_that_is_no_document_is_refused(stage: Stage, text: str) -> None:
    stage.world.secrets.put_secret_value(SecretId=stage.arn, SecretString=text or " ")

    refused(stage, stage.begin(), CREATE)


def test_a_binary_value_is_refused(stage: Stage) -> None:
    stage.world.secrets.put_secret_value(SecretId=stage.arn, SecretBinary=b"\x00\x01")

    assert "binary" in refused(stage, stage.begin(), CREATE).what


def test_a_secret_without_a_value_is_refused(stage: Stage) -> None:
    stage.world.secret_arn = stage.world.secrets.create_secret(Name="empty")["ARN"]

    assert "no current value" in refused(stage, stage.begin(), CREATE).what


def test_a_key_that_isnt_the_certificates_is_refused(stage: Stage) -> None:
    stage.edit(**document_of(key_pair()) | {"certificate": key_pair("other").pem})

    assert "certificate" in refused(stage, stage.begin(), CREATE).what


# A secret that somebody overwrote


def overwrite(stage: Stage) -> None:
    stage.world.put_document(stage.world.document())


def test_a_current_version_without_the_key_that_another_has_is_refused(stage: Stage) -> None:
    stage.install_key()
    overwrite(stage)

    error = refused(stage, stage.begin(), CREATE)

    assert "overwrote" in error.what
    assert "AWSPREVIOUS" in error.what
    assert stage.world.org.log.entries() == ()


def test_an_overwritten_secret_is_mended_by_its_label_while_the_rotation_waits(stage: Stage) -> None:
    stage.install_key()
    promises = Promises(stage)
    overwrite(stage)
    request = stage.begin()
    refused(stage, request, CREATE)
    labels = stage.labels()

    stage.move_label("AWSCURRENT", onto=labels["AWSPREVIOUS"], off=labels["AWSCURRENT"])

    assert stage.deliver_all(request) is None
    promises.hold()


def test_an_overwriting_right_after_a_rotation_is_noticed_too(stage: Stage) -> None:
    stage.rotate()
    pending = stage.labels().get("AWSPENDING")
    overwrite(stage)
    if pending is not None:
        stage.move_label("AWSPENDING", off=pending)

    assert "overwrote" in refused(stage, stage.begin(), CREATE).what


# A document that somebody edits while its rotation is under way


def test_a_document_edited_before_set_secret_ends_in_an_error_whose_way_out_works(running: Stage) -> None:
    request = running.begin()
    running.deliver(request, CREATE)
    running.edit(certificateValidityDays=30)

    error = refused(running, request, SET)

    assert "changed" in error.what
    assert f"make resume SECRET={running.arn} ARGS=--give-up" in error.remedy
    running.move_label("AWSPENDING", off=request.version_id)
    successor = running.rotate()
    assert running.version(successor.version_id).document["certificateValidityDays"] == 30


def test_a_document_edited_before_a_first_installation_ends_in_an_error_whose_way_out_works(stage: Stage) -> None:
    request = stage.begin()
    stage.deliver(request, CREATE)
    stage.edit(keyAlgorithm="RSA_3072")

    refused(stage, request, SET)

    stage.move_label("AWSPENDING", off=request.version_id)
    stage.rotate()


def test_an_edit_before_create_secret_is_simply_taken(running: Stage) -> None:
    request = running.begin()
    running.edit(certificateValidityDays=30)

    assert running.deliver_all(request) is None

    assert running.version(request.version_id).document["certificateValidityDays"] == 30


def test_an_edit_after_the_deploy_isnt_lost_in_silence(running: Stage, caplog: pytest.LogCaptureFixture) -> None:
    request = running.begin()
    running.deliver(request, CREATE, SET)
    running.edit(certificateValidityDays=30)

    failure = running.deliver_all(request)

    current = running.labelled("AWSCURRENT")
    # The rotation stops and says so, or what becomes current says what the engineer wrote, or somebody is told.
    kept = current.document.get("certificateValidityDays") == 30
    warned = any(record.levelname == "WARNING" for record in caplog.records)
    assert failure is not None or kept or warned


# A pending version that no rotation stored


def put_pending(stage: Stage, request: RotationRequest, **members: Any) -> None:
    """Somebody stores a version of the document under the rotation's token; None takes a member out."""
    document = {**stage.labelled("AWSCURRENT").document, **document_of(key_pair("by hand")), **members}
    stage.put_pending(request, {name: value for name, value in document.items() if value is not None})


@pytest.mark.parametrize(("step", "error"), [(CREATE, InvalidSecret), (SET, InvalidSecret), (FINISH, UnprovedKey)])
def test_a_pending_document_without_a_key_is_refused_by_name(
    running: Stage, step: str, error: type[KeyPairError]
) -> None:
    request = running.begin()
    put_pending(running, request, privateKey=None, certificate=None)
    seen = running.seen()

    with pytest.raises(error, match="the pending version holds") as caught:
        running.deliver(request, step)

    assert running.seen() == seen
    assert_tells_what_to_do(caught.value)
    assert running.world.org.log.entries() == ()


def test_a_pending_document_without_a_key_that_came_first_is_refused_by_create_secret(running: Stage) -> None:
    request = running.begin()
    put_first = Act(lambda: put_pending(running, request, privateKey=None, certificate=None))
    running.world.aws.faults.inject("PutSecretValue", put_first, caller=ROTATION)

    with pytest.raises(InvalidSecret, match="without privateKey"):
        running.deliver(request, CREATE)


def test_test_secret_finds_no_key_to_test_in_a_pending_document_without_one(running: Stage) -> None:
    request = running.begin()
    put_pending(running, request, privateKey=None, certificate=None)

    running.deliver(request, TEST)

    assert has_logged_in(running, running.labelled("AWSCURRENT"))


@pytest.mark.parametrize("installation", ["metadata", "manual"])
def test_a_pending_document_that_cant_be_installed_is_refused_before_salesforce_is_asked(
    running: Stage, installation: str
) -> None:
    request = running.begin()
    put_pending(running, request, appName=None, installation=installation)

    assert "appName" in refused(running, request, CREATE, SET).what

    assert running.world.org.log.entries() == ()


# The guard against a foreign certificate


@pytest.fixture
def foreign(stage: Stage) -> Stage:
    """An app that somebody else uses."""
    stage.install_key()
    stage.world.app.install(key_pair("somebody else").pem)
    return stage


def test_a_foreign_certificate_stops_a_rotation_and_nothing_is_touched(foreign: Stage) -> None:
    error = refused(foreign, foreign.begin(), CREATE, SET, error=ForeignCertificate)

    assert f"({key_pair('somebody else').fingerprint[:16]})" in error.what
    assert "replaceForeignCertificate" in error.remedy
    assert foreign.world.org.log.entries(Kind.DEPLOY) == ()
    assert foreign.outsider.logs_in(key_pair("somebody else"))


def test_a_foreign_certificate_stops_a_first_installation(stage: Stage) -> None:
    stage.world.app.install(key_pair("somebody else").pem)

    refused(stage, stage.begin(), CREATE, SET, error=ForeignCertificate)


@pytest.mark.parametrize("first", [True, False], ids=["first installation", "rotation"])
def test_replace_foreign_certificate_holds_for_exactly_one_rotation(stage: Stage, first: bool) -> None:
    if not first:
        stage.install_key()
    stage.world.app.install(key_pair("somebody else").pem)
    stage.edit(replaceForeignCertificate=True)

    request = stage.rotate()

    assert "replaceForeignCertificate" not in stage.version(request.version_id).document
    stage.world.app.install(key_pair("somebody else").pem)
    refused(stage, stage.begin(), CREATE, SET, error=ForeignCertificate)


def test_what_no_certificate_can_be_read_from_is_somebody_elses_too(running: Stage) -> None:
    running.world.app.install(None)
    running.world.app.elements = (*running.world.app.elements, Element("certificate", "of another kind"))

    error = refused(running, running.begin(), CREATE, SET, error=ForeignCertificate)

    assert "one that can't be read" in error.what
    assert running.world.org.log.entries(Kind.DEPLOY) == ()


def unlabelled(stage: Stage) -> str:
    """The certificate of a version that has lost its last label."""
    certificate = stage.rotate()
    stage.rotate()
    stage.rotate()
    assert stage.version(certificate.version_id).labels == frozenset()
    pair = stage.version(certificate.version_id).pair
    assert pair is not None
    return pair.pem


def labelled(stage: Stage) -> str:
    """The certificate of AWSPREVIOUS."""
    stage.rotate()
    previous = stage.labelled("AWSPREVIOUS")
    assert previous.pair is not None
    return previous.pair.pem


@pytest.mark.parametrize("find", [labelled, unlabelled])
def test_a_certificate_of_any_version_of_the_secret_isnt_foreign(stage: Stage, find: Callable[[Stage], str]) -> None:
    stage.install_key()
    stage.world.app.install(find(stage))

    request = stage.rotate()

    assert stage.logs_in(stage.version(request.version_id))


def test_a_certificate_whose_version_was_deleted_is_foreign(stage: Stage) -> None:
    stage.install_key()
    stage.world.app.install(unlabelled(stage))
    stage.world.aws.secrets_manager.purge_deprecated(stage.arn)

    refused(stage, stage.begin(), CREATE, SET, error=ForeignCertificate)


@pytest.mark.parametrize("encoding", [CertificateEncoding.DER_BASE64, CertificateEncoding.PEM_BASE64])
def test_a_foreign_certificate_is_noticed_in_every_form(foreign: Stage, encoding: CertificateEncoding) -> None:
    foreign.world.app.certificate_encoding = encoding

    refused(foreign, foreign.begin(), CREATE, SET, error=ForeignCertificate)


def test_a_version_whose_document_is_broken_doesnt_stand_in_the_way_of_the_guard(stage: Stage) -> None:
    stage.world.secrets.put_secret_value(SecretId=stage.arn, SecretString="broken")
    stage.world.secrets.put_secret_value(SecretId=stage.arn, SecretBinary=b"\x00")
    stage.install_key()

    request = stage.rotate()

    assert stage.logs_in(stage.version(request.version_id))


def test_a_first_delivery_that_stopped_at_the_guard_goes_on_once_the_leave_is_given(foreign: Stage) -> None:
    request = foreign.begin()
    refused(foreign, request, CREATE, SET, error=ForeignCertificate)

    foreign.edit(replaceForeignCertificate=True)

    assert foreign.deliver_all(request) is None
    current = foreign.labelled("AWSCURRENT")
    assert "replaceForeignCertificate" not in current.document


def test_test_secret_never_writes_anything_while_the_app_is_somebody_elses(foreign: Stage) -> None:
    refused(foreign, foreign.begin(), CREATE, TEST, error=ForeignCertificate)

    assert foreign.world.org.log.entries(Kind.DEPLOY) == ()
