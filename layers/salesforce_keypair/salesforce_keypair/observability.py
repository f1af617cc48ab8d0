"""Logs and metrics of the functions, in one place so that no function forgets what must not be logged."""

import json
import logging
import os
from collections.abc import Mapping
from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.logging.utils import copy_config_to_registered_loggers
from aws_lambda_powertools.metrics import MetricUnit

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


class Tally:
    """What an invocation counts, printed as one line in CloudWatch's embedded metric format, with fields beside it.

    One line, and from sets made once: a second one, or counting anew by Metrics.add_metric, costs a warm request as
    much as all the rest of it. For the same reason the variable that turns Powertools' metrics off isn't asked: the
    line also says who got a token.
    """

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._counted: list[str] = []
        self._sets: dict[tuple[str, ...], dict[str, Any]] = {}

    def count(self, name: str) -> None:
        """Count one."""
        self._counted.append(name)

    def write(self, fields: Mapping[str, Any]) -> None:
        """Print what was counted since the last line, and the fields."""
        names, self._counted = tuple(self._counted), []
        counted = self._sets.get(names)
        if counted is None:
            counted = {
                name: {"Unit": "Count", "StorageResolution": 60, "Value": [float(names.count(name))]} for name in names
            }
            self._sets[names] = counted
        line = self._metrics.serialize_metric_set(
            metrics=counted, dimensions={"service": self._metrics.service}, metadata=dict(fields)
        )
        _print(line)


def write_measures(
    metrics: Metrics, measures: Mapping[str, float], *, dimensions: Mapping[str, str], fields: Mapping[str, Any]
) -> None:
    """Print measures as one line in CloudWatch's embedded metric format, under the service and those dimensions."""
    _print(
        metrics.serialize_metric_set(
            metrics={name: {"Unit": MetricUnit.NoUnit.value, "Value": [value]} for name, value in measures.items()},
            dimensions={"service": metrics.service, **dimensions},
            metadata=dict(fields),
        )
    )


def _print(line: Mapping[str, Any]) -> None:
    print(json.dumps(line, separators=(",", ":")))  # noqa: T201 - where CloudWatch reads metrics from


def _named(service: str) -> str:
    return os.environ.get("POWERTOOLS_SERVICE_NAME") or service
