"""What a delivery finds in its secret: keys by their labels, and whose key went missing."""

from typing import cast

import pytest

from salesforce_keypair.errors import InvalidSecret
from salesforce_keypair.rotating_secret import RotatingSecret
from salesforce_keypair.rotation_request import RotationRequest, Step
from salesforce_keypair.seams import SecretStore
from tests.integration.org_client import key_pair
from tests.scenarios.promises import assert_tells_what_to_do
from tests.unit.support import MemorySecrets, arn_of, parse, text_of

S = "salesforce/keypair"


@pytest.fixture
def secrets() -> MemorySecrets:
    """A secret whose current version has a key, and a rotation of it that has just begun."""
    made = MemorySecrets()
    made.put(S, "current", text_of(key_pair()), "AWSCURRENT")
    made.put(S, "new", None, "AWSPENDING")
    return made


def rotating(secrets: MemorySecrets) -> RotatingSecret:
    request = RotationRequest(Step.CREATE_SECRET, S, "new")
    return RotatingSecret(request=request, store=cast("SecretStore", secrets), parse=parse)


# Keys by label


def test_the_current_key_is_found(secrets: MemorySecrets) -> None:
    found = rotating(secrets).current_key()

    assert found is not None
    assert (found.version_id, found.secret_arn) == ("current", arn_of(S))
    assert found.private_key is found.credential.private_key


def test_without_a_current_version_there_is_no_current_key() -> None:
    secrets = MemorySecrets()
    secrets.put(S, "new", None, "AWSPENDING")

    assert rotating(secrets).current_key() is None
    assert not [call for call in secrets.calls if call.startswith("read")]


@pytest.mark.parametrize("text", [None, text_of(), "no JSON", text_of(key_pair(), baseUri="https://evil.example")])
def test_a_version_without_a_key_that_can_be_used_has_none(secrets: MemorySecrets, text: str | None) -> None:
    secrets.put(S, "previous", text, "AWSPREVIOUS")

    assert rotating(secrets).labelled_key("previous") is None


def test_a_version_that_carries_no_label_any_more_is_not_believed(secrets: MemorySecrets) -> None:
    secrets.put(S, "older", text_of(key_pair("second")), "AWSPREVIOUS")
    secrets.put(S, "previous", text_of(key_pair("third")), "AWSPREVIOUS")

    assert rotating(secrets).labelled_key("older") is None
    assert rotating(secrets).labelled_key("previous") is not None


# A secret that somebody overwrote


def overwritten(secrets: MemorySecrets, *labels: str) -> InvalidSecret:
    """The error for a current version without a key, while the one before it carries these labels."""
    secrets.put(S, "before", text_of(key_pair()), *labels)
    secrets.put(S, "current", text_of(), "AWSCURRENT")
    secret = rotating(secrets)
    with pytest.raises(InvalidSecret, match="somebody overwrote the secret") as caught:
        secret.refuse_overwritten(secret.current())
    assert_tells_what_to_do(caught.value)
    return caught.value


GIVE_UP = f"give this rotation up (make resume SECRET={S} ARGS=--give-up)"
GO_BACK = f"go back to that version (make rollback SECRET={S})"


def test_whoever_overwrote_it_gives_the_rotation_up_and_goes_back(secrets: MemorySecrets) -> None:
    error = overwritten(secrets, "AWSPREVIOUS")

    assert error.remedy == f"{GIVE_UP}, {GO_BACK}, and change single members of its document only"


def test_where_no_rotation_is_under_way_none_is_given_up(secrets: MemorySecrets) -> None:
    secrets.put(S, "current", text_of(), "AWSPENDING")

    assert overwritten(secrets, "AWSPREVIOUS").remedy.startswith(GO_BACK)


def test_to_a_version_under_a_label_of_ones_own_no_command_goes_back(secrets: MemorySecrets) -> None:
    error = overwritten(secrets, "blue-green")

    assert "labelled blue-green" in error.what
    assert error.remedy.startswith("move AWSCURRENT back onto that version (update-secret-version-stage)")


@pytest.mark.parametrize("text", [None, text_of()])
def test_a_version_before_it_without_a_key_was_not_overwritten(secrets: MemorySecrets, text: str | None) -> None:
    secrets.put(S, "before", text, "AWSPREVIOUS")
    secrets.put(S, "current", text_of(), "AWSCURRENT")
    secret = rotating(secrets)

    secret.refuse_overwritten(secret.current())
