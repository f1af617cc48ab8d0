"""Secrets Manager's event is read, and anything else refused by the member's name."""

import json
from pathlib import Path
from typing import Any

import pytest

from salesforce_keypair.errors import InvalidRequest
from salesforce_keypair.rotation_request import RotationRequest, Step

EVENTS = Path(__file__).parents[2] / "events"
TOKEN = "5f0e6c1a-0d0f-4f38-9d3c-6a2f3a1b7c11"


def event(**members: Any) -> dict[str, Any]:
    return {"Step": "createSecret", "SecretId": "arn:aws:x", "ClientRequestToken": TOKEN, **members}


@pytest.mark.parametrize("step", list(Step))
def test_each_step_is_known_by_secrets_managers_name(step: Step) -> None:
    request = RotationRequest.parse(event(Step=step.value))

    assert (request.step, request.secret_id, request.version_id) == (step, "arn:aws:x", TOKEN)
    assert request.rotation_token is None


@pytest.mark.parametrize("path", sorted(EVENTS.glob("rotation-*.json")), ids=lambda path: str(path.stem))
def test_the_events_that_people_try_are_understood(path: Path) -> None:
    text = json.loads(path.read_text())

    assert RotationRequest.parse(text).step == text["Step"]


@pytest.mark.parametrize("length", [36, 256])
def test_a_rotation_token_is_kept_and_not_printed(length: int) -> None:
    request = RotationRequest.parse(event(RotationToken="r" * length))

    assert request.rotation_token == "r" * length
    assert "rrrr" not in repr(request)


def test_a_rotation_token_may_be_null() -> None:
    assert RotationRequest.parse(event(RotationToken=None)).rotation_token is None


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("Step", None),
        ("Step", "dropSecret"),
        ("Step", "CREATESECRET"),
        ("Step", ["createSecret"]),
        ("Step", "x" * 65),
        ("SecretId", None),
        ("SecretId", ""),
        ("SecretId", 17),
        ("SecretId", "s" * 2049),
        ("SecretId", "forged\nline"),
        ("ClientRequestToken", None),
        ("ClientRequestToken", "t" * 31),
        ("ClientRequestToken", "t" * 65),
        ("ClientRequestToken", "t" * 31 + "\x00"),
        ("RotationToken", "r" * 35),
        ("RotationToken", "r" * 257),
        ("RotationToken", 5),
        ("RotationToken", ""),
    ],
)
def test_a_bad_member_is_named_and_not_quoted(member: str, value: object) -> None:
    with pytest.raises(InvalidRequest) as caught:
        RotationRequest.parse(event(**{member: value}))

    assert member in str(caught.value)
    if isinstance(value, str) and value:
        assert value not in str(caught.value)


@pytest.mark.parametrize("member", ["Step", "SecretId", "ClientRequestToken"])
def test_a_missing_member_is_named(member: str) -> None:
    short = event()
    del short[member]
    with pytest.raises(InvalidRequest, match=member):
        RotationRequest.parse(short)


@pytest.mark.parametrize("value", [None, [], "createSecret", 3])
def test_what_is_no_object_is_refused(value: object) -> None:
    with pytest.raises(InvalidRequest, match="isn't an object"):
        RotationRequest.parse(value)
