"""`status`: what a secret, its rotation and its apps look like at one moment."""

import json
import re
from dataclasses import asdict

import pytest
from typer.testing import CliRunner

from operate.__main__ import app
from operate.rotating.looking import span
from operate.rotating.status import certificate_to_upload, lines_of
from salesforce_keypair.errors import InvalidSecret
from tests.integration.org_client import key_pair
from tests.operate.rotations.support import Engineer
from tests.sandbox.org import CertificateEncoding
from tests.scenarios.set_ups import two_apps
from tests.scenarios.support import CREATE, SET, Stage, document_of


def test_versions_labels_fingerprints_and_what_the_app_holds(stage: Stage, engineer: Engineer) -> None:
    status = engineer.rotations().status(with_apps=True)

    current, previous = status.versions
    assert (current.labels, previous.labels) == (["AWSCURRENT"], ["AWSPREVIOUS"])
    assert current.version_id == stage.labels()["AWSCURRENT"]
    assert current.fingerprint == (stage.labelled("AWSCURRENT").fingerprint or "")[:16]
    assert (current.in_apps, previous.in_apps) == (["Billing"], [])
    # Counted from when it was made, not from when its certificate begins, an hour before.
    assert 0 <= (current.key_age_days or 0) < 1 / 24
    assert current.certificate_days_left == pytest.approx(365, abs=1)
    assert status.rotation.enabled
    assert (status.rotation.function or "").endswith(":function:nobody")
    assert status.pending is None


def test_it_is_the_same_as_text_and_as_json_and_holds_no_secret(stage: Stage, engineer: Engineer) -> None:
    status = engineer.rotations().status(with_apps=True)

    text, data = "\n".join(lines_of(status)), json.dumps(asdict(status))

    for held in (stage.labelled("AWSCURRENT"), stage.labelled("AWSPREVIOUS")):
        assert held.version_id in text
        assert (held.fingerprint or "")[:16] in text
        assert held.version_id in data
    assert "Billing holds the certificate of AWSCURRENT" in text
    assert engineer.has_leaked(text, data) == set()


def test_a_rotation_that_waits_says_for_what_at_every_stage(stage: Stage, engineer: Engineer) -> None:
    request = stage.begin()
    seen = []
    for step in (None, CREATE, SET):
        if step:
            stage.deliver(request, step)
        pending = engineer.rotations().status(with_apps=True).pending
        assert pending is not None
        assert pending.version_id == request.version_id
        seen.append((pending.waits_for, pending.age_seconds is None))

    assert [re.sub(r".*?(\(.*\)).*", r"\1", waits_for) for waits_for, _ in seen] == [
        "(createSecret)",
        "(setSecret)",
        "(testSecret, finishSecret)",
    ]
    assert [unknown for _, unknown in seen] == [True, False, False]
    without = engineer.rotations().status(with_apps=False)
    assert without.apps is None
    assert "(setSecret to finishSecret)" in (without.pending.waits_for if without.pending else "")

    stage.world.secrets.cancel_rotate_secret(SecretId=stage.arn)
    off = engineer.rotations().status(with_apps=False)
    assert "rotation is off" in (off.pending.waits_for if off.pending else "")
    assert "  rotation   OFF" in lines_of(off)


def test_a_manual_rotation_waits_for_a_person_who_is_told_what_to_upload_and_where(
    stage: Stage, engineer: Engineer
) -> None:
    pair = key_pair()
    document = stage.world.document(**document_of(pair), installation="manual")
    request = stage.begin()
    stage.put_pending(request, document)

    pending = engineer.rotations().status(with_apps=True).pending

    assert pending is not None
    assert pending.waits_for == "somebody puts its certificate into the app"
    assert "Setup > External Client App Manager > Billing" in pending.remedy
    assert certificate_to_upload(engineer.look(), "AWSPENDING") == pair.pem


def test_an_app_that_only_a_person_may_look_into_is_no_fault_and_doctor_tells_what_it_holds(
    stage: Stage, engineer: Engineer
) -> None:
    stage.edit(installation="manual", adminSecretArn=None)

    apps = engineer.rotations().status(with_apps=True).apps

    assert apps is not None
    (told,) = apps
    assert told.text.startswith("isn't looked into: a person installs its certificates (installation manual)")
    assert "`doctor` tells whose certificate it holds" in told.text
    assert told.fingerprint is None


def test_what_cant_be_read_is_said_and_the_rest_is_shown_all_the_same(stage: Stage, engineer: Engineer) -> None:
    stage.world.admin_app.consumer_secret = "changed"
    stage.edit(keyAlgorithm="EC_P256")

    status = engineer.rotations().status(with_apps=True)
    text = "\n".join(lines_of(status))

    assert "can't be used: keyAlgorithm" in text
    assert stage.labels()["AWSPREVIOUS"] in text
    stage.move_label("AWSCURRENT", onto=stage.labels()["AWSPREVIOUS"], off=stage.labels()["AWSCURRENT"])
    assert "app        Billing can't be read: " in "\n".join(lines_of(engineer.rotations().status(with_apps=True)))


def test_both_apps_are_asked_where_there_are_two_and_one_may_not_show_its_certificate() -> None:
    with Stage() as stage:
        two_apps(stage)
        stage.rotate()
        stage.world.app.certificate_encoding = CertificateEncoding.ABSENT

        status = Engineer(stage).rotations().status(with_apps=True)

        apps = {each.name: each.text for each in status.apps or ()}
        assert apps["BillingStandby"].startswith("holds the certificate of AWSCURRENT")
        assert "doesn't show it" in apps["Billing"]


def test_a_certificate_that_isnt_there_cant_be_printed(engineer: Engineer) -> None:
    with pytest.raises(InvalidSecret, match="AWSPENDING"):
        certificate_to_upload(engineer.look(), "AWSPENDING")


def test_the_command_prints_data_or_a_certificate_and_nothing_else(stage: Stage) -> None:
    run = CliRunner().invoke

    data = run(app, ["status", "--secret", "salesforce/keypair", "--no-app", "--json"])
    pem = run(app, ["status", "--secret", stage.arn, "--certificate", "--label", "AWSCURRENT"])

    assert json.loads(data.stdout)["arn"] == stage.arn
    assert pem.stdout == stage.labelled("AWSCURRENT").document["certificate"]
    assert (data.exit_code, pem.exit_code) == (0, 0)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(5, "5 seconds"), (119, "119 seconds"), (120, "2 minutes"), (7200, "2 hours"), (172_800, "2 days")],
)
def test_a_length_of_time_is_told_in_the_largest_unit_of_which_there_are_two(seconds: float, text: str) -> None:
    assert span(seconds) == text
