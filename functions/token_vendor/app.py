"""AWS Lambda's entry to the token vendor: a caller's request becomes a token."""

import os
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from salesforce_keypair.audit import audit_fields
from salesforce_keypair.errors import KeyPairError
from salesforce_keypair.fetching import Source
from salesforce_keypair.http_request import answered, asked_of, is_http, url_caller
from salesforce_keypair.observability import Tally, function_logger, function_metrics
from salesforce_keypair.settings import Settings
from salesforce_keypair.timing import SystemClock
from salesforce_keypair.vend_request import VendRequest
from salesforce_keypair.vending import reply
from salesforce_keypair.wiring.aws import deadline_of
from salesforce_keypair.wiring.vending import build_vendor

METRIC_OF = {
    Source.CACHED: "TokensFromCache",
    Source.SHARED: "TokensFromTable",
    Source.FRESH: "TokensByLogin",
    Source.STALE: "StaleTokensServed",
}

logger = function_logger("token-vendor")
tally = Tally(function_metrics("token-vendor"))
clock = SystemClock()
# Wrong settings fail the deployment's first call, not the thousandth.
settings = Settings.from_environment(os.environ, serves_secrets=True)
vendor = build_vendor(settings, clock, table_failed=lambda: tally.count("TokenTableFailures"))


def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Give the caller a token. Raises the errors of `salesforce_keypair.errors`, which callers catch by name.

    Who calls the Function URL gets both as answers over HTTP.
    """
    if is_http(event):
        return answered(event, lambda: vend(event, context))
    return vend(event, context)


def vend(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Give the caller a token, and write the audit line. Raises as the handler does."""
    # In place of Powertools' decorator, which costs more than the rest of a request whose token is cached.
    logger.set_correlation_id(context.aws_request_id)
    caller = url_caller(event, context.aws_request_id)
    try:
        asked = asked_of(event)
        request = VendRequest.parse(asked, secret_ids=settings.secret_ids, token_lifetime=settings.token_lifetime)
        vended = vendor.vend(request, deadline=deadline_of(context, clock))
    except Exception as error:
        tally.count("VendsFailed")
        tally.write({"level": "ERROR", "error": type(error).__name__, **audit_fields(context), **caller})
        if isinstance(error, KeyPairError):
            # Without a traceback, which Lambda logs anyway: the text says what happened and what to do.
            logger.error(str(error), error=error.code, retryable=error.retryable, remedy=error.remedy)  # noqa: TRY400
        raise
    tally.count("TokensVended")
    tally.count(METRIC_OF[vended.source])
    tally.write({"level": "INFO", "message": "token vended", **audit_fields(context, request, vended), **caller})
    return reply(vended.token, clock.time())
