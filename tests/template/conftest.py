"""The transformed template, made once for a session: nothing changes it."""

from typing import Any

import pytest

from tests.template.transformed import transformed


@pytest.fixture(scope="session")
def template() -> dict[str, Any]:
    return transformed()


@pytest.fixture(scope="session")
def resources(template: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = template["Resources"]
    return found
