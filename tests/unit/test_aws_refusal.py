"""What a refusal by AWS says, and what is made of one that AWS didn't write."""

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from salesforce_keypair.aws_refusal import code_of, is_refusal, may_pass, message_of


def refusal(code: object = "AccessDeniedException", message: object = "no", status: int = 400) -> ClientError:
    response = {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(response, "GetSecretValue")  # type: ignore[arg-type]


def test_its_parts_are_what_it_says() -> None:
    assert code_of(refusal()) == "AccessDeniedException"
    assert message_of(refusal(message="User:  x\nis not authorized")) == "User: x is not authorized"


def test_what_looks_like_a_credential_is_not_shown() -> None:
    assert message_of(refusal(message=f"token {'A' * 40} is wrong")) == "token [redacted] is wrong"


@pytest.mark.parametrize("response", [{}, {"Error": {}}, {"Error": {}, "ResponseMetadata": {}}], ids=str)
def test_what_is_missing_is_empty(response: dict[str, object]) -> None:
    error = ClientError(response, "GetSecretValue")  # type: ignore[arg-type]

    assert (code_of(error), message_of(error), may_pass(error)) == ("", "", False)


def test_a_name_that_is_none_is_text_all_the_same() -> None:
    assert code_of(refusal(code=503)) == "503"


@pytest.mark.parametrize(
    ("status", "passes"),
    [(400, False), (428, False), (429, True), (430, False), (499, False), (500, True), (503, True)],
)
def test_a_server_that_fails_or_throttles_may_do_better_later(status: int, *, passes: bool) -> None:
    assert may_pass(refusal(status=status)) is passes


def test_a_cause_is_asked_for_its_name() -> None:
    assert is_refusal(refusal(), "AccessDeniedException")
    assert is_refusal(refusal(), "ResourceNotFoundException", "AccessDeniedException")
    assert not is_refusal(refusal(), "ResourceNotFoundException")
    assert not is_refusal(EndpointConnectionError(endpoint_url="https://example.com"), "AccessDeniedException")
    assert not is_refusal(None, "AccessDeniedException")
