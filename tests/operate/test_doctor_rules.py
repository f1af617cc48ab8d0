"""Doctor's rules about time, and what AWS says of a secret: what no stage can show."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from botocore.exceptions import NoCredentialsError
from botocore.stub import Stubber

from operate.checks.aws_words import remedy_here
from operate.checks.described import Described, LabelledVersion, Schedule, describe, in_words
from operate.checks.finding import Status
from operate.checks.host import judge_name
from operate.checks.schedule import judge_schedule
from operate.checks.versions import judge_rolled_back, judge_rotation, judge_secret
from salesforce_keypair.errors import SecretUnavailable
from salesforce_keypair.secret_store import SecretsManager
from tests.unit.support import parse, text_of

DAY = timedelta(days=1)
ARN = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:salesforce/keypair-AbCdEf"
FUNCTION = "arn:aws:lambda:eu-west-1:123456789012:function:keypair-rotation"
MONTHLY = Schedule(
    enabled=True,
    function_arn=FUNCTION,
    interval=30 * DAY,
    expression="rate(30 days)",
    since_rotated=10 * DAY,
    until_next=20 * DAY,
    age_of_secret=100 * DAY,
)


def described(*versions: LabelledVersion, unchanged_for: timedelta | None = None) -> Described:
    return Described(ARN, ARN, "salesforce/keypair", False, versions, (), unchanged_for, MONTHLY)


def version(name: str, age: timedelta | None) -> LabelledVersion:
    return LabelledVersion(f"{name.lower()}-version", frozenset({name}), age)


def changed(**members: Any) -> Schedule:
    values = {name: getattr(MONTHLY, name) for name in MONTHLY.__slots__} | members
    return Schedule(**values)


@pytest.mark.parametrize(
    ("schedule", "status", "words"),
    [
        (MONTHLY, Status.OK, "keypair-rotation rotates it (rate(30 days)); last 10 days ago, next in 20 days"),
        (changed(since_rotated=37 * DAY), Status.OK, "last 37 days ago"),
        (changed(since_rotated=38 * DAY), Status.FAILED, "the last success was 38 days ago"),
        (changed(since_rotated=None, age_of_secret=20 * DAY), Status.OK, "none has succeeded yet"),
        (changed(since_rotated=None), Status.FAILED, "no rotation has succeeded since the secret was made"),
        # A cron expression has no one interval: what AWS says of the next rotation must do.
        (changed(interval=None, since_rotated=400 * DAY), Status.OK, "last 400 days ago"),
        (changed(interval=None, until_next=-2 * DAY), Status.WARNING, "was due 2 days ago"),
        (changed(until_next=-DAY / 2), Status.OK, "last 10 days ago"),
        (changed(enabled=False), Status.FAILED, "somebody cancelled it"),
        (changed(enabled=False, function_arn=None), Status.FAILED, "no rotation function was ever attached"),
    ],
)
def test_a_schedule_is_judged_by_its_interval(schedule: Schedule, status: Status, words: str) -> None:
    finding = judge_schedule(schedule, "salesforce/keypair")

    assert finding.status is status
    assert words in f"{finding.what} / {finding.cause}"
    assert (finding.remedy is not None) == (status is not Status.OK)


def test_a_daily_schedule_isnt_late_while_its_window_is_open() -> None:
    secrets = boto3.client("secretsmanager", region_name="eu-west-1")
    rules = {"ScheduleExpression": "rate(1 day)"}
    with Stubber(secrets) as stub:
        stub.add_response("describe_secret", {"ARN": ARN, "Name": "salesforce/keypair", "RotationRules": rules})
        stub.add_response("list_secret_version_ids", {"ARN": ARN, "Name": "salesforce/keypair", "Versions": []})

        schedule = describe(SecretsManager(secrets), ARN, now=0).schedule

    assert schedule.interval == 2 * DAY


@pytest.mark.parametrize(
    ("age", "unchanged_for", "status"),
    [
        (timedelta(minutes=119), None, Status.WARNING),
        (timedelta(hours=2), None, Status.FAILED),
        # One that holds no value yet isn't dated; it is at least as old as the last change of the secret.
        (None, timedelta(hours=3), Status.FAILED),
        (None, timedelta(minutes=5), Status.WARNING),
        (None, None, Status.WARNING),
    ],
)
def test_a_rotation_that_moves_no_more_is_stuck(
    age: timedelta | None, unchanged_for: timedelta | None, status: Status
) -> None:
    secret = described(version("AWSCURRENT", DAY), version("AWSPENDING", age), unchanged_for=unchanged_for)

    finding = judge_rotation(secret, [])

    assert finding.status is status
    if status is Status.FAILED:
        assert finding.command == f'make resume SECRET="{ARN}"'


def test_awspending_on_the_current_version_is_no_rotation() -> None:
    both = LabelledVersion("one", frozenset({"AWSCURRENT", "AWSPENDING"}), 9 * DAY)

    assert judge_rotation(described(both), []).status is Status.OK
    assert both.name == "AWSCURRENT"


@pytest.mark.parametrize(
    ("undone", "current", "status"), [(DAY, 9 * DAY, Status.WARNING), (9 * DAY, DAY, Status.OK), (None, DAY, Status.OK)]
)
def test_only_an_undone_rotation_newer_than_the_key_in_use_is_worth_a_word(
    undone: timedelta | None, current: timedelta, status: Status
) -> None:
    secret = described(version("AWSCURRENT", current), version("ROLLEDBACK", undone))

    assert judge_rolled_back(secret).status is status


@pytest.mark.parametrize(
    ("age", "words"),
    [
        (timedelta(seconds=1), "1 second"),
        (timedelta(seconds=119), "119 seconds"),
        (timedelta(minutes=90), "90 minutes"),
        (timedelta(hours=3), "3 hours"),
        (timedelta(hours=25), "1 day"),
        (timedelta(days=40), "40 days"),
        (timedelta(seconds=-5), "0 seconds"),
    ],
)
def test_ages_are_told_in_their_largest_unit(age: timedelta, words: str) -> None:
    assert in_words(age) == words


def test_a_deleted_secret_is_told_with_how_to_get_it_back() -> None:
    finding = judge_secret(replace(described(), deleted=True))

    assert finding.status is Status.FAILED
    assert "restore-secret" in (finding.remedy or "")


# The host


def test_behind_a_proxy_it_is_the_proxy_that_resolves(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(host: str, port: int) -> object:
        raise OSError

    credential = parse(text_of())
    assert judge_name(credential, unknown).status is Status.FAILED
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    assert judge_name(credential, unknown).status is Status.OK


# What AWS says of the secret


def test_a_shell_that_isnt_signed_in_to_aws_is_told_how(monkeypatch: pytest.MonkeyPatch) -> None:
    client = boto3.client("secretsmanager", region_name="eu-west-1")

    def not_signed_in(**_: object) -> None:
        raise NoCredentialsError

    monkeypatch.setattr(client, "describe_secret", not_signed_in)

    with pytest.raises(SecretUnavailable) as caught:
        describe(SecretsManager(client), ARN, now=0)
    assert "sign this shell in" in remedy_here(caught.value)


def test_all_pages_of_versions_are_read_and_ages_go_by_aws_clock() -> None:
    client = boto3.client("secretsmanager", region_name="eu-west-1", aws_access_key_id="a", aws_secret_access_key="b")
    now = datetime(2026, 11, 26, 12, tzinfo=UTC)
    headers = {"ResponseMetadata": {"HTTPHeaders": {"date": "Thu, 26 Nov 2026 12:00:00 GMT"}}}
    answer = {"ARN": ARN, "Name": "n", "VersionIdsToStages": {"v" * 32: ["AWSCURRENT"]}, "DeletedDate": now} | headers
    pages = [
        {"ARN": ARN, "Versions": [{"VersionId": "v" * 32, "CreatedDate": now - DAY}], "NextToken": "more"},
        {"ARN": ARN, "Versions": [{"VersionId": "w" * 32, "CreatedDate": now - 2 * DAY}]},
    ]
    with Stubber(client) as stubber:
        stubber.add_response("describe_secret", answer)
        stubber.add_response("list_secret_version_ids", pages[0], {"SecretId": ARN, "IncludeDeprecated": True})
        stubber.add_response(
            "list_secret_version_ids", pages[1], {"SecretId": ARN, "IncludeDeprecated": True, "NextToken": "more"}
        )
        secret = describe(SecretsManager(client), ARN, now=0)

    assert secret.versions == (LabelledVersion("v" * 32, frozenset({"AWSCURRENT"}), DAY),)
    assert secret.unlabelled == ("w" * 32,)
    assert secret.deleted
