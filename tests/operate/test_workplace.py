"""A shell that isn't set up for AWS is told so, by name and with the cure."""

import boto3
import pytest

from operate.workplace import Workplace
from salesforce_keypair.errors import SecretUnavailable


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({}, "NoRegionError.*AWS_DEFAULT_REGION"),
        ({"AWS_REGION": "eu west"}, "InvalidRegionError"),
        ({"AWS_REGION": "eu-west-1", "AWS_PROFILE": "nobody"}, "ProfileNotFound.*sign this shell in"),
        ({"AWS_REGION": "eu-west-1", "AWS_ENDPOINT_URL": "nonsense"}, "ValueError.*AWS_ENDPOINT_URL"),
    ],
)
def test_a_shell_that_isnt_set_up_is_told(
    variables: dict[str, str], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {
        "AWS_CONFIG_FILE": "/dev/null",
        "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
        **variables,
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)

    with pytest.raises(SecretUnavailable, match=said):
        _ = Workplace.of({}).secrets


def test_either_variable_for_the_region_will_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)

    assert Workplace.of({}).secrets.meta.region_name == "eu-west-1"
