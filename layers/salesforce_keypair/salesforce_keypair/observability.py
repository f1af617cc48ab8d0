"""Logs and metrics of the functions, in one place so that no function forgets what must not be logged."""

import logging
import os

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.logging.utils import copy_config_to_registered_loggers

NAMESPACE = "SalesforceKeyPair"

# At DEBUG these print whole answers, secret values among them.
_TALKATIVE = ("boto3", "botocore", "urllib3", "requests", "s3transfer")


def function_logger(service: str) -> Logger:
    """A logger of JSON lines, which the package's own loggers write to as well.

    `service` is its name where POWERTOOLS_SERVICE_NAME gives none.
    """
    logger = Logger(service=_named(service), utc=True)
    logging.getLogger("salesforce_keypair")
    copy_config_to_registered_loggers(source_logger=logger, include={"salesforce_keypair"})
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(logging.INFO)
    return logger


def function_metrics(service: str) -> Metrics:
    """Metrics of a function, in CloudWatch's embedded format."""
    return Metrics(namespace=os.environ.get("POWERTOOLS_METRICS_NAMESPACE") or NAMESPACE, service=_named(service))


def _named(service: str) -> str:
    return os.environ.get("POWERTOOLS_SERVICE_NAME") or service
