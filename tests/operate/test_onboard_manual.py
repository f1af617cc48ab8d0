"""`onboard --installation manual`: a person uploads the certificates, from the first one on, and there is no admin."""

from operate.rotating.rotations import Rotations
from operate.rotating.status import certificate_to_upload
from operate.workplace import Workplace
from salesforce_keypair.settings import Settings
from tests.operate.desk import Desk
from tests.sandbox.org import Kind


def test_onboarding_leads_by_a_persons_upload_to_the_first_token(desk: Desk) -> None:
    stage = desk.stage
    said = desk.done(installation="manual", admin_secret=None)

    assert "a person installs the certificates (installation manual); each rotation waits for that" in said
    assert "Billing > Edit Settings: once the first rotation waits, upload its certificate" in said
    assert desk.document["installation"] == "manual"
    assert "adminSecretArn" not in desk.document
    assert not {entry.kind for entry in stage.world.org.log.entries()} & {Kind.SOAP, Kind.DEPLOY}

    request = stage.begin()
    assert stage.deliver_all(request) is not None
    place = Workplace(Settings.from_environment(stage.variables, serves_secrets=False), clock=stage.clock)
    rotations = Rotations(place, stage.arn, desk.printed.append)
    stage.world.app.install(certificate_to_upload(rotations.look(), "AWSPENDING"))
    assert stage.deliver_all(request) is None
    assert stage.logs_in(stage.labelled("AWSCURRENT"))
    assert "Nothing changes" in desk.done(installation="manual", admin_secret=None)


def test_without_a_key_and_an_admin_only_a_person_can_begin(desk: Desk) -> None:
    before = desk.seen()
    result = desk.onboard("--own-user", "--yes", admin_secret=None)

    assert result.exit_code == 1
    assert "manual" in result.output + str(result.exception)
    assert desk.seen() == before
