"""What `onboard` finds out before it writes: each trouble by name, with its remedy, and nothing written."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from operate.onboarding.app_rules import menu_of
from operate.onboarding.finding import Place
from salesforce_keypair.credential import AppType
from salesforce_keypair.errors import ForeignCertificate
from salesforce_keypair.notices import where_to_upload
from tests.integration.org_client import key_pair
from tests.operate.desk import Desk
from tests.sandbox.org import DeployPace, Kind, PermittedUsers, Presence
from tests.sandbox.org.faults import rest_error, soap_fault
from tests.sandbox.world import ADMIN_SECRET_NAME
from tests.scenarios.support import Stage
from tests.unit.support import parse, text_of


def _admin(desk: Desk, **members: str) -> None:
    """Store another credential of the admin."""
    world = desk.stage.world
    app = world.admin_app
    right = {"consumerKey": app.consumer_key, "consumerSecret": app.consumer_secret, "baseUri": world.org.url}
    world.secrets.put_secret_value(SecretId=ADMIN_SECRET_NAME, SecretString=json.dumps(right | members))


def _no_dns(desk: Desk) -> None:
    desk.resolves = False


def _missing_app(desk: Desk) -> None:
    desk.stage.world.app.presence = Presence.MISSING


def _no_permission(desk: Desk) -> None:
    for user in desk.stage.world.org.users.values():
        user.metadata_permission = False


def _jwt_tokens_for_the_admin(desk: Desk) -> None:
    elements = desk.stage.world.admin_app.elements
    desk.stage.world.admin_app.elements = tuple(
        type(each)(each.name, "true") if each.name == "isNamedUserJwtEnabled" else each for each in elements
    )


def _foreign_certificate(desk: Desk) -> None:
    desk.stage.world.app.install(key_pair("second").pem)


def _no_refresh_token_scope(desk: Desk) -> None:
    desk.stage.world.app.scopes = {"api"}


def _may_read_apps_only(desk: Desk) -> None:
    desk.stage.world.org.faults.add(rest_error(403, "INSUFFICIENT_ACCESS"), on=Kind.DEPLOY, times=None)


Break = Callable[[Desk], None]

TROUBLES: dict[str, tuple[Break, dict[str, str], str, str]] = {
    "no DNS": (_no_dns, {}, "127.0.0.1 doesn't resolve", "correct the My Domain"),
    "no admin secret": (
        lambda _: None,
        {"admin_secret": "salesforce/nowhere"},
        "has no value, or isn't there",
        "store the admin's credential",
    ),
    "the admin's secret isn't right": (
        lambda desk: _admin(desk, consumerSecret="wrong"),
        {},
        "refused the login of the admin's client credentials",
        "correct",
    ),
    "the admin is of another org": (
        lambda desk: _admin(desk, baseUri="https://other.my.salesforce.com"),
        {},
        "name different orgs",
        "set baseUri to the same My Domain",
    ),
    "no such app": (_missing_app, {}, "no ExternalClientApp with OAuth named Billing", "--package"),
    "the admin may not read apps": (_no_permission, {}, "INSUFFICIENT_ACCESS", "Modify Metadata"),
    "the admin may read apps and not change them": (
        _may_read_apps_only,
        {},
        "INSUFFICIENT_ACCESS",
        "view and edit the app",
    ),
    "the admin's tokens are JWTs": (_jwt_tokens_for_the_admin, {}, "JWT-format tokens", "v68.0"),
    "an API version that the org lacks": (
        lambda _: None,
        {"api_version": "v99.0"},
        "UNSUPPORTED_API_VERSION",
        "set apiVersion to one that the org offers",
    ),
    "another app's consumer key": (
        lambda _: None,
        {"consumer_key": "3MVG9another"},
        "the consumer key isn't the one of Billing",
        "Consumer Key and Secret",
    ),
    "somebody else's certificate": (
        _foreign_certificate,
        {},
        "would stop with ForeignCertificate",
        "--replace-foreign-certificate",
    ),
    "a scope is missing": (_no_refresh_token_scope, {}, "lacks the scope api or refresh_token", "OAuth Scopes"),
}


@pytest.mark.parametrize("name", TROUBLES)
def test_each_trouble_is_named_with_its_remedy_and_nothing_is_written(desk: Desk, name: str) -> None:
    trouble, answers, what, remedy = TROUBLES[name]
    trouble(desk)
    before = desk.seen()
    result = desk.onboard("--yes", **answers)
    assert result.exit_code == 1
    failed = result.output.split("failed")[1]
    assert what in failed
    assert remedy in failed
    assert desk.seen() == before


def test_the_own_secret_as_the_admins_is_refused(desk: Desk) -> None:
    desk.done()
    result = desk.onboard("--yes", admin_secret=desk.stage.arn)
    assert "this very secret" in str(result.exception)


def test_a_foreign_certificate_is_replaced_once_where_that_is_said(desk: Desk) -> None:
    _foreign_certificate(desk)
    said = desk.done("--replace-foreign-certificate")
    assert "warning" in said
    assert desk.document["replaceForeignCertificate"] is True
    desk.stage.rotate()
    assert "Nothing changes" in desk.done("--replace-foreign-certificate")


def test_a_foreign_certificate_that_came_later_is_replaced_too_and_locks_nobody_in(desk: Desk) -> None:
    desk.done()
    desk.stage.rotate()
    _foreign_certificate(desk)
    refused = desk.onboard("--yes")
    said = desk.done("--replace-foreign-certificate")
    desk.stage.rotate()

    assert refused.exit_code == 1
    assert "let the next rotation replace the certificate (--replace-foreign-certificate)" in refused.output
    assert "the next rotation replaces it" in said
    assert "into the app: make rotate" in said
    assert "replaceForeignCertificate" not in desk.document
    assert "logs in with the key" in desk.done()


def test_a_key_is_not_moved_to_an_app_that_holds_a_foreign_certificate(desk: Desk) -> None:
    desk.done()
    desk.stage.rotate()
    desk.use_standby()
    other = desk.stage.world.standby
    other.install(key_pair("second").pem)
    before = desk.seen()
    result = desk.onboard("--yes", "--replace-foreign-certificate", app=other.name, consumer_key=other.consumer_key)

    assert result.exit_code == 1
    assert "the private key can't log in through this app" in result.output
    assert desk.seen() == before


def test_a_rotation_that_has_stopped_at_a_foreign_certificate_goes_on_once_it_may_replace_it(desk: Desk) -> None:
    desk.done()
    desk.stage.rotate()
    _foreign_certificate(desk)
    stopped = desk.stage.begin()
    assert isinstance(desk.stage.deliver_all(stopped), ForeignCertificate)
    more = desk.onboard("--yes", "--replace-foreign-certificate", "--validity-days", "90")
    said = desk.done("--replace-foreign-certificate")

    assert more.exit_code == 1
    assert "Next, puts a certificate of ours into the app: make resume" in said
    assert desk.stage.deliver_all(stopped) is None
    assert desk.stage.labels()["AWSCURRENT"] == stopped.version_id


def test_of_two_apps_a_rotation_goes_over_to_the_second_before_it_replaces_what_is_in_the_first(desk: Desk) -> None:
    desk.done()
    desk.stage.rotate()
    second = desk.use_standby()
    desk.stage.world.standby.install(key_pair("second").pem)
    refused = desk.onboard("--yes", **second)
    added = desk.done("--replace-foreign-certificate", **second)
    _foreign_certificate(desk)
    in_use = desk.onboard("--yes", "--replace-foreign-certificate", **second)

    assert "so the next rotation would stop with ForeignCertificate" in refused.output
    assert "BillingStandby holds a certificate that no version of this secret knows" in added
    assert "the next rotation replaces it" in added
    assert in_use.exit_code == 1
    assert "the next rotation goes over to BillingStandby; after that" in " ".join(in_use.output.split())

    desk.stage.rotate()
    assert (desk.document["appName"], "replaceForeignCertificate" in desk.document) == ("BillingStandby", False)
    assert "the next rotation replaces it" in desk.done("--replace-foreign-certificate", **second)
    desk.stage.rotate()
    assert desk.document["appName"] == "Billing"


def test_before_the_first_key_the_first_of_two_apps_may_keep_what_it_holds_till_its_turn(desk: Desk) -> None:
    second = desk.use_standby()
    _foreign_certificate(desk)
    said = desk.done("--replace-foreign-certificate", **second)

    assert "the next rotation goes over to BillingStandby" in said
    assert "replaceForeignCertificate" not in desk.document
    desk.stage.rotate()


def test_a_key_from_outside_comes_in_only_if_it_logs_in(desk: Desk, tmp_path: Path) -> None:
    _foreign_certificate(desk)
    key = tmp_path / "key.pem"
    key.write_text(key_pair("imported").private_pem)
    result = desk.onboard("--yes", "--replace-foreign-certificate", "--private-key", str(key))

    assert result.exit_code == 1
    assert "the private key can't log in through this app" in result.output


def test_what_is_only_unwise_is_a_warning_and_left_to_click(desk: Desk) -> None:
    desk.stage.world.app.relaxes_ip = False
    desk.stage.world.app.permitted_users = PermittedUsers.ALL_MAY_SELF_AUTHORIZE
    said = desk.done()
    assert said.count("warning") == 2
    steps = said.partition("in the order of Setup's menu")[2]
    assert steps.index("Permission Sets") < steps.index("Admin approved users") < steps.index("Relax IP restrictions")


def test_a_proven_login_leaves_nothing_to_click(desk: Desk) -> None:
    desk.stage.install_key()
    result = desk.run()
    assert "Nothing is left to do in Salesforce" in result.output


def test_what_the_org_does_not_show_is_said_to_be_unknown(desk: Desk) -> None:
    said = desk.done()
    assert "only a login with a key proves that billing.robot@example.com may use Billing" in said
    assert "has the permission set Billing_Login" in said


def test_what_the_admin_may_not_see_is_left_to_a_person_to_look_at(desk: Desk) -> None:
    desk.stage.world.app.answers_consumer_key = False
    desk.stage.world.org.faults.add(
        soap_fault("sf:INSUFFICIENT_ACCESS"),
        on=Kind.SOAP,
        times=None,
        where=lambda request: b"ConfigurablePolicies" in request.body,
    )
    said = desk.done()
    assert "doesn't show the consumer key of Billing; the first login tells" in said
    assert "whether Billing relaxes IP restrictions can't be seen from here" in said
    assert "Billing > Edit Policies: see that it is so: IP Relaxation" in said
    desk.stage.rotate()
    assert "Nothing is left to do in Salesforce" in desk.done(), "the login has proved the rest"


def test_an_org_that_is_busy_with_other_deploys_keeps_nobody_from_onboarding(desk: Desk) -> None:
    desk.stage.world.org.deployments.pace = DeployPace(pending=3600, in_progress=0)
    assert "whether the admin may change Billing can't be rehearsed now" in desk.done()


def test_a_connected_app_is_looked_at_in_its_own_terms() -> None:
    with Stage(connected_apps=True) as stage:
        desk = Desk(stage)
        said = desk.done(app_type="ConnectedApp")
        assert "the permission set Integration_Login or Integration_Data" in said
        assert desk.document["appType"] == "ConnectedApp"
        stage.rotate()
        assert desk.secrets_printed() == set()


def test_both_apps_are_looked_at(desk: Desk) -> None:
    second = desk.use_standby()
    desk.stage.world.standby.install(key_pair("second").pem)
    result = desk.onboard("--yes", **second)
    assert result.exit_code == 1
    assert "BillingStandby holds a certificate that no version of this secret knows" in result.output


@pytest.mark.parametrize("app_type", AppType)
def test_onboarding_and_a_rotations_notice_lead_to_an_apps_settings_by_the_same_actions(app_type: AppType) -> None:
    credential = parse(text_of(key_pair(), appType=app_type.value))

    onboarding = menu_of(Place.APP_SETTINGS, app_type, "Billing").rpartition("Manager > ")[2]

    assert f"Manager > {onboarding} > " in where_to_upload(credential)
