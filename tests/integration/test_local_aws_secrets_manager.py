"""The local Secrets Manager keeps AWS's rules of versions, labels and tokens, asked by boto3."""

import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.sandbox.aws import LocalAws

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

FIRST, SECOND, THIRD = (f"{number}f1c2f4e-3b7a-4c55-9d0e-2a8b7c1d9e43" for number in (1, 2, 3))


@pytest.fixture
def aws() -> Iterator[LocalAws]:
    with LocalAws() as local:
        yield local


@pytest.fixture
def client(aws: LocalAws) -> "SecretsManagerClient":
    """Knows a secret `key-pair` whose version FIRST is current."""
    client = aws.client("secretsmanager")
    client.create_secret(Name="key-pair", SecretString="one", ClientRequestToken=FIRST)
    return client


def refusal(call: Any, **parameters: Any) -> str:
    """The error code with which AWS refuses the call."""
    with pytest.raises(ClientError) as caught:
        call(**parameters)
    return str(caught.value.response["Error"]["Code"])


def put(client: "SecretsManagerClient", token: str, value: str, *labels: str) -> None:
    client.put_secret_value(SecretId="key-pair", ClientRequestToken=token, SecretString=value, VersionStages=labels)


# Secrets and values


def test_a_secret_is_found_by_its_name_and_by_its_arn(client: "SecretsManagerClient") -> None:
    arn = client.describe_secret(SecretId="key-pair")["ARN"]

    assert arn[:-6] == "arn:aws:secretsmanager:us-east-1:123456789012:secret:key-pair-"
    assert client.get_secret_value(SecretId=arn)["SecretString"] == "one"
    assert refusal(client.get_secret_value, SecretId="another") == "ResourceNotFoundException"


def test_a_taken_name_is_refused_unless_it_is_the_same_request_again(client: "SecretsManagerClient") -> None:
    again = client.create_secret(Name="key-pair", SecretString="one", ClientRequestToken=FIRST)

    assert again["VersionId"] == FIRST
    assert refusal(client.create_secret, Name="key-pair", SecretString="two") == "ResourceExistsException"


def test_a_secret_made_without_a_value_gets_its_first_current_version_from_the_first_put(aws: LocalAws) -> None:
    client = aws.client("secretsmanager")
    assert "VersionId" not in client.create_secret(Name="empty")
    assert refusal(client.get_secret_value, SecretId="empty") == "ResourceNotFoundException"

    client.put_secret_value(SecretId="empty", SecretString="one", ClientRequestToken=FIRST, VersionStages=["mine"])

    assert aws.secrets_manager.labels("empty") == {"AWSCURRENT": FIRST, "mine": FIRST}


def test_bytes_come_back_as_they_were_put(client: "SecretsManagerClient") -> None:
    client.put_secret_value(SecretId="key-pair", SecretBinary=b"\x00\xff")

    answer = client.get_secret_value(SecretId="key-pair")
    assert answer["SecretBinary"] == b"\x00\xff"
    assert "SecretString" not in answer


@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        ({"SecretString": "x" * 65_537}, "ValidationException"),
        ({"SecretString": "é" * 32_769}, "ValidationException"),
        ({"SecretString": "x", "ClientRequestToken": "x" * 31}, "ValidationException"),
        ({"SecretString": "x", "ClientRequestToken": "x" * 65}, "ValidationException"),
        ({"SecretString": "x", "RotationToken": "not a token, for it has blanks in it"}, "ValidationException"),
        ({"SecretString": "x", "VersionStages": [f"label-{n}" for n in range(21)]}, "ValidationException"),
        ({"SecretString": "x", "SecretBinary": b"x"}, "InvalidParameterException"),
        ({}, "InvalidRequestException"),
    ],
)
def test_a_put_beyond_the_limits_is_refused_and_changes_nothing(
    client: "SecretsManagerClient", aws: LocalAws, parameters: dict[str, Any], code: str
) -> None:
    # Otherwise boto3 itself would refuse some of them, and nobody would have asked the service.
    unchecked = aws.client("secretsmanager", config=Config(parameter_validation=False))

    assert refusal(unchecked.put_secret_value, SecretId="key-pair", **parameters) == code
    assert [v.version_id for v in aws.secrets_manager.versions("key-pair")] == [FIRST]


def test_the_largest_value_is_taken(client: "SecretsManagerClient") -> None:
    client.put_secret_value(SecretId="key-pair", SecretString="x" * 65_536)
    assert len(client.get_secret_value(SecretId="key-pair")["SecretString"]) == 65_536


# Tokens


def test_the_same_token_with_the_same_value_does_nothing(client: "SecretsManagerClient", aws: LocalAws) -> None:
    put(client, SECOND, "two", "AWSPENDING")
    client.update_secret_version_stage(SecretId="key-pair", VersionStage="AWSPENDING", RemoveFromVersionId=SECOND)

    put(client, SECOND, "two", "AWSPENDING")

    assert aws.secrets_manager.labels("key-pair") == {"AWSCURRENT": FIRST}


def test_the_same_token_with_another_value_is_refused(client: "SecretsManagerClient") -> None:
    put(client, SECOND, "two", "AWSPENDING")

    assert (
        refusal(client.put_secret_value, SecretId="key-pair", ClientRequestToken=SECOND, SecretString="three")
        == "ResourceExistsException"
    )
    assert client.get_secret_value(SecretId="key-pair", VersionId=SECOND)["SecretString"] == "two"


# Labels


def test_a_put_without_labels_becomes_current_and_the_old_one_previous(
    client: "SecretsManagerClient", aws: LocalAws
) -> None:
    client.put_secret_value(SecretId="key-pair", SecretString="two", ClientRequestToken=SECOND)
    assert aws.secrets_manager.labels("key-pair") == {"AWSCURRENT": SECOND, "AWSPREVIOUS": FIRST}

    client.put_secret_value(SecretId="key-pair", SecretString="three", ClientRequestToken=THIRD)
    assert aws.secrets_manager.labels("key-pair") == {"AWSCURRENT": THIRD, "AWSPREVIOUS": SECOND}


def test_promoting_a_pending_version_keeps_its_pending_label(client: "SecretsManagerClient", aws: LocalAws) -> None:
    put(client, SECOND, "two", "AWSPENDING")

    client.update_secret_version_stage(
        SecretId="key-pair", VersionStage="AWSCURRENT", MoveToVersionId=SECOND, RemoveFromVersionId=FIRST
    )

    assert aws.secrets_manager.labels("key-pair") == {
        "AWSCURRENT": SECOND,
        "AWSPENDING": SECOND,
        "AWSPREVIOUS": FIRST,
    }


@pytest.mark.parametrize("remove_from", [None, SECOND, THIRD])
def test_a_label_moves_only_from_where_it_is(
    client: "SecretsManagerClient", aws: LocalAws, remove_from: str | None
) -> None:
    put(client, SECOND, "two", "AWSPENDING")
    source = {} if remove_from is None else {"RemoveFromVersionId": remove_from}

    code = refusal(
        client.update_secret_version_stage,
        SecretId="key-pair",
        VersionStage="AWSCURRENT",
        MoveToVersionId=SECOND,
        **source,
    )

    assert code == "InvalidParameterException"
    assert aws.secrets_manager.labels("key-pair") == {"AWSCURRENT": FIRST, "AWSPENDING": SECOND}


def test_repeating_a_move_that_was_done_is_refused_when_it_names_the_old_place(client: "SecretsManagerClient") -> None:
    put(client, SECOND, "two", "AWSPENDING")
    move = {"VersionStage": "AWSCURRENT", "MoveToVersionId": SECOND, "RemoveFromVersionId": FIRST}
    client.update_secret_version_stage(SecretId="key-pair", **move)

    assert refusal(client.update_secret_version_stage, SecretId="key-pair", **move) == "InvalidParameterException"


def test_a_label_that_is_where_it_shall_be_may_be_moved_there_again(
    client: "SecretsManagerClient", aws: LocalAws
) -> None:
    client.update_secret_version_stage(SecretId="key-pair", VersionStage="AWSCURRENT", MoveToVersionId=FIRST)
    assert aws.secrets_manager.labels("key-pair") == {"AWSCURRENT": FIRST}


@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        ({"VersionStage": "AWSCURRENT", "RemoveFromVersionId": FIRST}, "InvalidParameterException"),
        ({"VersionStage": "AWSCURRENT"}, "InvalidParameterException"),
        ({"VersionStage": "mine", "MoveToVersionId": THIRD}, "ResourceNotFoundException"),
        ({"VersionStage": "mine", "RemoveFromVersionId": FIRST}, "InvalidParameterException"),
    ],
)
def test_an_impossible_move_is_refused(client: "SecretsManagerClient", parameters: dict[str, Any], code: str) -> None:
    assert refusal(client.update_secret_version_stage, SecretId="key-pair", **parameters) == code


def test_an_empty_version_cannot_become_current(client: "SecretsManagerClient", aws: LocalAws) -> None:
    aws.secrets_manager.open_rotation("key-pair", SECOND)
    move = {"VersionStage": "AWSCURRENT", "MoveToVersionId": SECOND, "RemoveFromVersionId": FIRST}

    assert refusal(client.update_secret_version_stage, SecretId="key-pair", **move) == "InvalidRequestException"


def test_a_custom_label_reads_its_version_and_ends_when_it_is_taken_off(client: "SecretsManagerClient") -> None:
    put(client, SECOND, "two", "ROLLEDBACK")
    assert client.get_secret_value(SecretId="key-pair", VersionStage="ROLLEDBACK")["SecretString"] == "two"

    client.update_secret_version_stage(SecretId="key-pair", VersionStage="ROLLEDBACK", RemoveFromVersionId=SECOND)

    read = {"SecretId": "key-pair", "VersionStage": "ROLLEDBACK"}
    assert refusal(client.get_secret_value, **read) == "ResourceNotFoundException"


def test_an_id_and_a_label_of_different_versions_are_refused(client: "SecretsManagerClient") -> None:
    put(client, SECOND, "two", "AWSPENDING")
    read = {"SecretId": "key-pair", "VersionId": FIRST, "VersionStage": "AWSPENDING"}
    assert refusal(client.get_secret_value, **read) == "InvalidRequestException"


# Listing


def test_a_deprecated_version_is_readable_by_id_and_listed_on_request_only(client: "SecretsManagerClient") -> None:
    for token, value in ((SECOND, "two"), (THIRD, "three")):
        client.put_secret_value(SecretId="key-pair", SecretString=value, ClientRequestToken=token)

    def listed(**parameters: Any) -> set[str]:
        versions = client.list_secret_version_ids(SecretId="key-pair", **parameters)["Versions"]
        return {version["VersionId"] for version in versions}

    assert set(client.describe_secret(SecretId="key-pair")["VersionIdsToStages"]) == {SECOND, THIRD}
    assert listed() == {SECOND, THIRD}
    assert listed(IncludeDeprecated=True) == {FIRST, SECOND, THIRD}
    assert client.get_secret_value(SecretId="key-pair", VersionId=FIRST)["SecretString"] == "one"


def test_a_purge_takes_the_deprecated_versions_only(client: "SecretsManagerClient", aws: LocalAws) -> None:
    for token, value in ((SECOND, "two"), (THIRD, "three")):
        client.put_secret_value(SecretId="key-pair", SecretString=value, ClientRequestToken=token)

    aws.secrets_manager.purge_deprecated("key-pair")

    assert {v.version_id for v in aws.secrets_manager.versions("key-pair")} == {SECOND, THIRD}


def test_an_empty_version_is_described_and_not_listed(client: "SecretsManagerClient", aws: LocalAws) -> None:
    aws.secrets_manager.open_rotation("key-pair", SECOND)

    assert client.describe_secret(SecretId="key-pair")["VersionIdsToStages"][SECOND] == ["AWSPENDING"]
    listed = client.list_secret_version_ids(SecretId="key-pair", IncludeDeprecated=True)["Versions"]
    assert [version["VersionId"] for version in listed] == [FIRST]
    read = {"SecretId": "key-pair", "VersionStage": "AWSPENDING"}
    assert refusal(client.get_secret_value, **read) == "ResourceNotFoundException"


def test_a_long_list_comes_in_pages(client: "SecretsManagerClient") -> None:
    for n in range(4):
        client.put_secret_value(SecretId="key-pair", SecretString=f"{n}")
    pages: list[int] = []
    page: dict[str, str] = {}
    while not pages or page:
        answer = client.list_secret_version_ids(SecretId="key-pair", IncludeDeprecated=True, MaxResults=2, **page)
        pages.append(len(answer["Versions"]))
        page = {"NextToken": answer["NextToken"]} if "NextToken" in answer else {}

    assert pages == [2, 2, 1]
    page = {"NextToken": "nonsense"}
    assert refusal(client.list_secret_version_ids, SecretId="key-pair", **page) == "InvalidNextTokenException"


# The address


def test_what_the_local_aws_has_not_is_said_so(aws: LocalAws, client: "SecretsManagerClient") -> None:
    assert refusal(client.delete_secret, SecretId="key-pair") == "NotImplementedException"
    headers = {"Authorization": "AWS4-HMAC-SHA256 Credential=AKIA/20260101/us-east-1/kms/aws4_request"}
    request = urllib.request.Request(aws.url, data=b"{}", headers=headers)
    with pytest.raises(urllib.error.HTTPError, match="501") as caught:
        urllib.request.urlopen(request)
    with caught.value as answer:
        assert b"no 'kms'" in answer.read()


def test_an_unsigned_request_is_refused(aws: LocalAws) -> None:
    with pytest.raises(urllib.error.HTTPError, match="403") as caught:
        urllib.request.urlopen(aws.url)
    caught.value.close()
