"""Fixtures of the scenarios."""

import os
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.config import Config

from salesforce_keypair.wiring import aws
from tests.scenarios.promises import Promises
from tests.scenarios.support import Stage


@pytest.fixture
def stage() -> Iterator[Stage]:
    """The world before the first rotation; there is no key anywhere."""
    with Stage() as made:
        yield made


@pytest.fixture
def running(stage: Stage) -> Iterator[Stage]:
    """The world as an earlier rotation left it: a current key that logs in. All promises hold at the end."""
    stage.install_key()
    promises = Promises(stage)
    yield stage
    promises.hold()


@pytest.fixture
def lasting_clients(monkeypatch: pytest.MonkeyPatch) -> None:
    """All environments of a stage share the SDK's clients, nine tenths of whose start they are.

    And they are patient: a busy machine's answers come late, which is no failure of DynamoDB.
    """
    patient = Config(connect_timeout=20, read_timeout=20)
    monkeypatch.setattr(aws, "_TABLE_CONFIG", aws._TABLE_CONFIG.merge(patient))
    make = boto3.client
    made: dict[tuple[str, str], Any] = {}

    def client(service: Any, **options: Any) -> Any:
        name = (service, os.environ["AWS_ENDPOINT_URL"])
        if name not in made:
            made[name] = make(service, **options)
        return made[name]

    monkeypatch.setattr(boto3, "client", client)
