"""AWS Lambda's entry to the rotation: Secrets Manager's event becomes one step."""

import os
from typing import Any

from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from salesforce_keypair.errors import KeyPairError
from salesforce_keypair.observability import function_logger, function_metrics
from salesforce_keypair.rotation_request import RotationRequest
from salesforce_keypair.settings import Settings
from salesforce_keypair.timing import SystemClock
from salesforce_keypair.wiring.aws import deadline_of
from salesforce_keypair.wiring.rotation import build_rotation

logger = function_logger("rotation")
metrics = function_metrics("rotation")
clock = SystemClock()
# Wrong settings fail the deployment's first call, not the thousandth.
settings = Settings.from_environment(os.environ, serves_secrets=False)
rotation = build_rotation(
    settings, clock, table_failed=lambda: metrics.add_metric("TokenTableFailures", MetricUnit.Count, 1)
)


@logger.inject_lambda_context(log_event=False, clear_state=True)
@metrics.log_metrics
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> None:
    """Do the step of the event. Raises the errors of `salesforce_keypair.errors`, on which Secrets Manager retries."""
    try:
        request = RotationRequest.parse(event)
        logger.set_correlation_id(request.version_id)
        logger.append_keys(step=request.step, secret_id=request.secret_id)
        promoted = rotation.run(request, deadline=deadline_of(context, clock))
    except Exception as error:
        metrics.add_metric("RotationStepsFailed", MetricUnit.Count, 1)
        metrics.add_metadata("error", type(error).__name__)
        if isinstance(error, KeyPairError):
            # Without a traceback, which Lambda logs anyway: the text says what happened and what to do.
            logger.error(str(error), error=error.code, retryable=error.retryable, remedy=error.remedy)  # noqa: TRY400
        raise
    metrics.add_metric("RotationStepsSucceeded", MetricUnit.Count, 1)
    if promoted:
        metrics.add_metric("RotationsSucceeded", MetricUnit.Count, 1)
