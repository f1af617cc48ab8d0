"""The local SNS takes what AWS takes, asked by boto3, and shows what a topic's subscribers got."""

from collections.abc import Iterator
from typing import Any

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.sandbox.aws import LocalAws, Message

# What boto3 itself would refuse reaches the service.
PLAIN = Config(retries={"total_max_attempts": 1}, parameter_validation=False)


@pytest.fixture(scope="module")
def aws() -> Iterator[LocalAws]:
    with LocalAws() as local:
        yield local


def publish(aws: LocalAws, arn: str, **parameters: Any) -> str:
    message = {"TopicArn": arn, "Subject": "News", "Message": "all of it"} | parameters
    given = {name: value for name, value in message.items() if value is not None}
    return str(aws.client("sns", config=PLAIN).publish(**given)["MessageId"])


def test_a_message_reaches_its_subscribers_and_can_be_read_later(aws: LocalAws) -> None:
    arn, other = aws.topics.create("news"), aws.topics.create("other")
    received: list[Message] = []
    aws.topics.subscribe(arn, received.append)

    message_id = publish(aws, arn, Message="one & <two>\nthree = 3, ü")

    assert received == aws.topics.messages(arn) == [Message(message_id, arn, "News", "one & <two>\nthree = 3, ü")]
    assert aws.topics.messages(other) == []
    assert aws.calls("Publish")[-1].outcome == "ok"


@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        ({"TopicArn": "arn:aws:sns:us-east-1:123456789012:unknown"}, "NotFound"),
        ({"TopicArn": None}, "NotFound"),
        ({"Subject": "x" * 100}, "InvalidParameter"),
        ({"Subject": "two\nlines"}, "InvalidParameter"),
        ({"Subject": "Schlüssel"}, "InvalidParameter"),
        ({"Subject": " begins with a space"}, "InvalidParameter"),
        ({"Message": ""}, "InvalidParameter"),
        ({"Message": "x" * 262_145}, "InvalidParameter"),
        ({"Message": None}, "ValidationException"),
        ({"PhoneNumber": "+15550100"}, "NotImplemented"),
    ],
    ids=str,
)
def test_what_sns_refuses_is_refused(aws: LocalAws, parameters: dict[str, Any], code: str) -> None:
    arn = aws.topics.create("strict")

    with pytest.raises(ClientError) as caught:
        publish(aws, arn, **parameters)

    assert caught.value.response["Error"]["Code"] == code
    assert aws.topics.messages(arn) == []


def test_an_operation_that_nobody_needs_isnt_there(aws: LocalAws) -> None:
    with pytest.raises(ClientError, match="has no ListTopics"):
        aws.client("sns", config=PLAIN).list_topics()
