"""What the functions log, and what no level makes them log."""

import json
import logging
from collections.abc import Iterator

import pytest

from salesforce_keypair.observability import NAMESPACE, function_logger, function_metrics
from salesforce_keypair.salesforce.transport import Transport
from tests.sandbox.aws import LocalAws
from tests.unit.support import Billing

TALKATIVE = ("boto3", "botocore", "urllib3", "requests")


@pytest.fixture(autouse=True)
def _as_it_was(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Loggers are the process's: what a test makes of them is taken back."""
    for name in ("POWERTOOLS_SERVICE_NAME", "POWERTOOLS_METRICS_NAMESPACE", "POWERTOOLS_LOG_LEVEL", "LOG_LEVEL"):
        monkeypatch.delenv(name, raising=False)
    loggers = [logging.getLogger(name) for name in ("salesforce_keypair", "s3transfer", *TALKATIVE)]
    before = [(each, each.level, list(each.handlers), each.propagate, list(each.filters)) for each in loggers]
    yield
    for each, level, handlers, propagate, filters in before:
        each.setLevel(level)
        each.handlers, each.propagate, each.filters = handlers, propagate, filters


def lines(captured: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in captured.splitlines() if line.startswith("{")]


@pytest.mark.usefixtures("far_from_greenwich")
def test_a_function_logs_json_with_its_service_in_utc(capsys: pytest.CaptureFixture[str]) -> None:
    function_logger("rotation-a").info("done")
    (line,) = lines(capsys.readouterr().out)

    assert (line["message"], line["service"], line["level"]) == ("done", "rotation-a", "INFO")
    assert str(line["timestamp"]).endswith("+0000")


def test_the_packages_own_loggers_write_to_the_same_place(capsys: pytest.CaptureFixture[str]) -> None:
    function_logger("rotation-b")
    logging.getLogger("salesforce_keypair.rotation").warning("from within", extra={"fingerprint": "ab12"})
    (line,) = lines(capsys.readouterr().out)

    assert (line["message"], line["service"], line["fingerprint"]) == ("from within", "rotation-b", "ab12")


def test_the_environment_may_name_service_and_namespace(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POWERTOOLS_SERVICE_NAME", "billing")
    monkeypatch.setenv("POWERTOOLS_METRICS_NAMESPACE", "Acme")
    function_logger("rotation-c").info("done")

    assert lines(capsys.readouterr().out)[0]["service"] == "billing"
    metrics = function_metrics("rotation-c")
    assert (metrics.namespace, metrics.service) == ("Acme", "billing")


def test_metrics_have_the_products_namespace_by_default() -> None:
    metrics = function_metrics("token-vendor")
    assert (metrics.namespace, metrics.service) == (NAMESPACE, "token-vendor")


def test_at_debug_no_library_prints_an_answer(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    billing: Billing,
) -> None:
    monkeypatch.setenv("POWERTOOLS_LOG_LEVEL", "DEBUG")
    caplog.set_level(logging.DEBUG)
    function_logger("rotation-d").debug("our own words")
    with LocalAws() as aws:
        aws.client("secretsmanager").create_secret(Name="s", SecretString="the-secret-value")
        aws.client("secretsmanager").get_secret_value(SecretId="s")
    Transport().send(
        "GET",
        billing.admin_session().instance,
        "/services/data/v67.0/?the-secret-value",
        deadline=billing.clock.deadline(),
    )
    output = capsys.readouterr()

    assert "our own words" in output.out
    assert "the-secret-value" not in output.out + output.err + caplog.text
    assert not [record for record in caplog.records if record.name.startswith(TALKATIVE)]
