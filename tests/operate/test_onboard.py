"""`onboard`: from answers to a secret that its first rotation can work with, and again without harm."""

import pytest

from tests.operate.desk import NEW_SECRET, Desk


def test_what_onboarding_writes_is_all_that_the_first_rotation_needs(desk: Desk) -> None:
    said = desk.done()
    assert "make rotate SECRET=salesforce/new" in said
    assert "privateKey" not in desk.document
    assert desk.document["adminSecretArn"] == desk.stage.world.admin_secret_arn
    desk.stage.rotate()
    assert desk.stage.logs_in(desk.stage.labelled("AWSCURRENT"))


def test_the_same_answers_again_change_nothing_and_say_so(desk: Desk) -> None:
    desk.done()
    before = desk.seen()
    assert "Nothing changes" in desk.done()
    assert desk.seen() == before


def test_the_same_answers_change_nothing_after_a_rotation_either(desk: Desk) -> None:
    desk.done(validity_days="90", key_algorithm="RSA_2048")
    assert "keyAlgorithm" not in desk.document, "what goes without saying isn't said"
    desk.stage.rotate()
    before = desk.seen()
    said = desk.done(validity_days="90", key_algorithm="RSA_2048")
    assert "Nothing changes" in said
    assert "logs in with the key" in said
    assert "make rotate" not in said
    assert desk.seen() == before


@pytest.mark.parametrize("rotations", [1, 2])
def test_the_two_apps_are_the_same_answer_in_whatever_places_rotations_left_them(desk: Desk, rotations: int) -> None:
    second = desk.use_standby()
    desk.done(**second)
    for _ in range(rotations):
        desk.stage.rotate()
    before = desk.seen()
    assert "Nothing changes" in desk.done(**second)
    assert desk.seen() == before


def test_a_dry_run_looks_at_everything_and_writes_nothing(desk: Desk) -> None:
    before = desk.seen()
    result = desk.onboard("--dry-run")
    assert result.exit_code == 0
    assert "+ consumerKey" in result.output
    assert "nothing was written" in result.output
    assert desk.seen() == before


def test_without_a_terminal_all_that_is_missing_is_listed_at_once(desk: Desk) -> None:
    result = desk.onboard(app=None, username=None)
    assert result.exit_code == 2
    assert "--app" in result.output
    assert "--username" in result.output
    assert "--my-domain" not in result.output


def test_where_a_person_installs_certificates_nobody_asks_for_an_admin(desk: Desk) -> None:
    result = desk.onboard(installation="manual", admin_secret=None, username=None)
    assert "--username" in result.output
    assert "--admin-secret  " not in result.output


def test_all_wrong_options_are_named_at_once(desk: Desk) -> None:
    result = desk.onboard(my_domain="https://acme.lightning.force.com", app="My App", validity_days="0")
    assert result.exit_code == 2
    for member in ("baseUri", "appName", "certificateValidityDays"):
        assert member in result.output


def test_without_a_terminal_nothing_is_written_unless_told_so(desk: Desk) -> None:
    before = desk.seen()
    result = desk.onboard()
    assert result.exit_code == 2
    assert "--yes" in result.output
    assert desk.seen() == before


def test_a_document_that_is_there_answers_for_itself_and_keeps_its_key_and_what_nobody_knows(desk: Desk) -> None:
    pair = desk.stage.install_key(owner="payments team")
    result = desk.run("--validity-days", "90", "--yes")
    assert result.exit_code == 0
    assert "+ certificateValidityDays" in result.output
    assert "kept: " in result.output
    assert "payments team" not in result.output
    assert desk.holds(pair)
    assert desk.document["certificateValidityDays"] == 90
    assert desk.document["owner"] == "payments team"


def test_a_my_domain_that_is_only_written_otherwise_is_the_same(desk: Desk) -> None:
    desk.done()
    desk.stage.edit(baseUri=desk.stage.world.org.url + "/")
    assert "Nothing changes" in desk.done()


def test_an_admin_and_no_admin_at_once_are_refused(desk: Desk) -> None:
    assert desk.onboard("--own-user", "--yes").exit_code == 2
    desk.done()
    assert "the document names one" in str(desk.run("--own-user").exception)


def test_a_key_that_no_longer_fits_the_changed_answers_stops_the_change(desk: Desk) -> None:
    desk.stage.install_key()
    other = desk.stage.world.org.add_user("somebody.else@example.com")
    before = desk.seen()
    result = desk.run("--username", other.username, "--yes")
    assert result.exit_code == 1
    assert "Nothing was written" in result.output
    assert desk.seen() == before


def test_a_secret_that_is_not_there_is_made_only_when_told_so(desk: Desk) -> None:
    refused = desk.onboard("--yes", secret="salesforce/other")
    # In the wrong Region one that is made would rotate the same app as the stack's.
    assert "in this shell's account and Region (us-east-1): see that they are the stack's" in str(refused.exception)
    assert "--create" in str(refused.exception)
    made = desk.onboard("--yes", "--create", secret="salesforce/other")
    assert made.exit_code == 0
    labels = desk.stage.world.aws.secrets_manager.labels("salesforce/other")
    assert set(labels) == {"AWSCURRENT"}


def test_it_is_said_whether_rotation_is_on_and_else_how_to_turn_it_on(desk: Desk) -> None:
    assert "rotate-secret --secret-id salesforce/new" in desk.done()
    desk.stage.rotate()
    desk.stage.world.secrets.rotate_secret(
        SecretId=desk.stage.arn, RotationRules={"ScheduleExpression": "rate(30 days)"}
    )
    assert "Rotation is on: rate(30 days)" in desk.done()


def test_the_variable_of_the_other_commands_names_the_secret_too(desk: Desk) -> None:
    assert "Give the secret" in desk.onboard("--yes", secret="").output
    words = [word for pair in desk.answers.items() for word in pair]
    assert desk.run("--yes", *words, secret="", SECRET=NEW_SECRET).exit_code == 0


def test_a_second_app_needs_both_its_answers(desk: Desk) -> None:
    result = desk.onboard(standby_app="Other")
    assert result.exit_code == 2
    assert "--standby-consumer-key" in result.output
