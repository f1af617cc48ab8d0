"""What doctor says of the org's side: the app, its admin, the host and the clock. All of it on one stage."""

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from operate.checks.finding import Status
from tests.integration.org_client import key_pair
from tests.operate.doctoring import CURRENT_LOGIN, doctor, in_use, told, workplace
from tests.sandbox.org import CertificateEncoding, Kind, faults
from tests.sandbox.world import ADMIN_USERNAME
from tests.scenarios.support import Stage


@pytest.fixture(scope="module")
def shared() -> Iterator[Stage]:
    with Stage() as made:
        in_use(made)
        yield made


@pytest.fixture
def stage(shared: Stage) -> Iterator[Stage]:
    """Doctor changes nothing; what a test does to the org is taken back."""
    yield shared
    org, app = shared.world.org, shared.world.app
    org.faults.clear()
    org.deployments.forget_failures()
    org.clock.offset = 0.0
    org.users[ADMIN_USERNAME].metadata_permission = True
    app.certificate_encoding = CertificateEncoding.PEM
    app.install(shared.labelled("AWSCURRENT").document["certificate"])
    change_admin(shared)


def test_a_foreign_certificate_is_told_before_the_login_that_it_breaks(stage: Stage) -> None:
    stage.world.app.install(key_pair("foreign").pem)

    seen = doctor(stage)

    assert seen.failures == ["app.certificate", CURRENT_LOGIN]
    assert seen["app.certificate"].finding.error == "ForeignCertificate"
    assert "replaceForeignCertificate" in (seen["app.certificate"].finding.remedy or "")


@pytest.mark.parametrize("encoding", CertificateEncoding)
def test_a_certificate_is_known_in_every_form(stage: Stage, encoding: CertificateEncoding) -> None:
    stage.world.app.certificate_encoding = encoding

    assert doctor(stage)["app.certificate"].status is Status.OK


def test_an_admin_who_may_not_change_the_app_is_told_which_permissions_are_missing(stage: Stage) -> None:
    stage.world.org.users[ADMIN_USERNAME].metadata_permission = False

    seen = doctor(stage)

    assert seen.failures == ["app"]
    assert "Modify Metadata" in (seen["app"].finding.remedy or "")
    assert seen["app.certificate"].status is Status.SKIPPED


def test_a_rehearsal_tells_what_a_deploy_would_be_refused_for(stage: Stage) -> None:
    stage.world.org.deployments.fail_next("INSUFFICIENT_ACCESS: no edit permission", check_only=True)

    seen = doctor(stage, rehearse=True)

    assert seen.failures == ["app.deploy"]
    assert "no edit permission" in told(seen, "app.deploy")[1]


@pytest.mark.parametrize(
    ("admin", "words"),
    [({"consumerSecret": "wrong"}, "consumerSecret"), ({"baseUri": "https://other.my.salesforce.com"}, "My Domain")],
)
def test_an_admins_secret_that_cant_be_used_is_told_as_that(stage: Stage, admin: dict[str, str], words: str) -> None:
    change_admin(stage, **admin)

    seen = doctor(stage)

    assert seen.failures == ["admin.login"]
    assert words in (seen["admin.login"].finding.remedy or "")


# Host and clock


def test_a_host_that_doesnt_resolve_is_the_first_thing_to_mend(stage: Stage) -> None:
    def resolve(host: str, port: int) -> object:
        raise OSError("Name or service not known")

    seen = doctor(stage, place=replace(workplace(stage), resolve=resolve))

    assert seen.failures == ["host.resolves"]
    assert seen.report.logins == 0
    assert seen[CURRENT_LOGIN].finding.cause == "host.resolves comes first"


@pytest.mark.parametrize(("offset", "word"), [(600.0, "behind"), (-600.0, "ahead of")])
def test_a_clock_that_is_off_is_a_warning(stage: Stage, offset: float, word: str) -> None:
    stage.world.org.clock.offset = offset

    seen = doctor(stage)

    assert seen.failures == []
    assert seen.warnings == ["clock"]
    assert f"600 s {word} the org's" in told(seen, "clock")[1]


def test_a_renamed_my_domain_is_told_before_any_login(stage: Stage) -> None:
    stage.world.org.faults.add(faults.redirected("https://new.my.salesforce.com/"), Kind.VERSIONS)

    seen = doctor(stage)

    assert seen.failures == ["host.answers"]
    assert seen.report.logins == 0


def change_admin(stage: Stage, **members: Any) -> None:
    """Store the admin's secret, some members changed."""
    world = stage.world
    document = {
        "consumerKey": world.admin_app.consumer_key,
        "consumerSecret": world.admin_app.consumer_secret,
        "baseUri": world.org.url,
    }
    world.secrets.put_secret_value(SecretId=world.admin_secret_arn, SecretString=json.dumps(document | members))
