"""AWS Lambda's entry to the key monitor: a schedule or a moved label becomes measures and findings."""

import os

from aws_lambda_powertools.utilities.typing import LambdaContext

from salesforce_keypair.findings import Report
from salesforce_keypair.monitor_run import examine_each
from salesforce_keypair.monitoring import secrets_of
from salesforce_keypair.observability import function_logger, function_metrics, write_measures
from salesforce_keypair.settings import Settings
from salesforce_keypair.timing import SystemClock
from salesforce_keypair.wiring.aws import deadline_of
from salesforce_keypair.wiring.monitoring import build_monitor

logger = function_logger("key-monitor")
metrics = function_metrics("key-monitor")
clock = SystemClock()
# Wrong settings fail the deployment's first call, not the thousandth.
settings = Settings.from_environment(os.environ, serves_secrets=True)
monitor = build_monitor(settings, clock)


@logger.inject_lambda_context(log_event=False, clear_state=True)
def lambda_handler(event: object, context: LambdaContext) -> None:
    """Measure the secrets that the event is about. What is wrong with them is logged and measured, never raised."""
    deadline = deadline_of(context, clock)
    # First, for it takes no login, and what is left of the time is for the secrets to share.
    refusal = monitor.check_refusal()
    checks_failed = refusal.checks_failed
    for report in examine_each(monitor.examine, secrets_of(event, settings.secret_ids), deadline):
        measures = {"ChecksFailed": float(report.checks_failed)}
        tell(report, dimensions={"secret": str(report.secret_id)}, measures=measures)
        checks_failed += report.checks_failed
    # Last, for it says that a run came to its end.
    tell(refusal, dimensions={}, measures={"MonitorRuns": 1.0, "ChecksFailed": float(checks_failed)})


def tell(report: Report, *, dimensions: dict[str, str], measures: dict[str, float]) -> None:
    """Log what was found, and print what was measured."""
    for finding in report.findings:
        logger.warning(
            f"{finding.what}: {finding.run}", extra={**dimensions, "run": finding.run, "error": finding.error}
        )
    write_measures(metrics, report.measures | measures, dimensions=dimensions, fields={"level": "INFO"})
