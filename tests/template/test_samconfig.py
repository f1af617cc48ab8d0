"""samconfig.toml: a stack for each environment, with answers that the template takes."""

import tomllib
from typing import Any

import pytest

from tests.template.transformed import TEMPLATE

ENVIRONMENTS = ("dev", "prod")


@pytest.fixture(scope="module")
def config() -> dict[str, Any]:
    return tomllib.loads((TEMPLATE.parent / "samconfig.toml").read_text(encoding="utf-8"))


def deploy(config: dict[str, Any], environment: str) -> dict[str, Any]:
    found: dict[str, Any] = config[environment]["deploy"]["parameters"]
    return found


def answers(config: dict[str, Any], environment: str) -> dict[str, str]:
    pairs = (pair.split("=", 1) for pair in deploy(config, environment)["parameter_overrides"])
    return {name: value.strip("'") for name, value in pairs}


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_what_an_environment_answers_is_what_the_template_takes(
    template: dict[str, Any], config: dict[str, Any], environment: str
) -> None:
    for name, value in answers(config, environment).items():
        allowed = template["Parameters"][name].get("AllowedValues")
        assert allowed is None or value in [str(each) for each in allowed], name


def test_environments_share_neither_a_stack_nor_a_secret(config: dict[str, Any]) -> None:
    stacks = {deploy(config, each)["stack_name"] for each in ENVIRONMENTS}
    secrets = {answers(config, each)["SecretName"] for each in ENVIRONMENTS}

    assert len(stacks | {config["default"]["global"]["parameters"]["stack_name"]}) == len(ENVIRONMENTS) + 1
    assert len(secrets) == len(ENVIRONMENTS)


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_everything_of_an_environment_is_tagged_with_its_name(config: dict[str, Any], environment: str) -> None:
    assert deploy(config, environment)["tags"] == ["application=salesforce-keypair", f"environment={environment}"]


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_an_environment_is_deployed_like_the_default_one_but_for_its_answers(
    config: dict[str, Any], environment: str
) -> None:
    own = {"stack_name", "parameter_overrides", "tags", "confirm_changeset"}
    default = {name: value for name, value in deploy(config, "default").items() if name not in own}

    assert {name: value for name, value in deploy(config, environment).items() if name not in own} == default


def test_a_change_of_production_is_looked_at_before_it_is_made(config: dict[str, Any]) -> None:
    assert deploy(config, "prod")["confirm_changeset"] is True
