"""SNS: topics to publish to, strict in what it takes, and whoever subscribed to them.

Sources: "Amazon SNS API Reference", Publish, and botocore's model of the service. Topics are made by the test; of the
API there is what the functions use.
"""

import threading
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape

from tests.sandbox.aws import shapes
from tests.sandbox.aws.api_error import ApiError
from tests.sandbox.aws.gateway import ACCOUNT, REGION
from tests.sandbox.aws.http_server import Request, Response

_VERSION = "2010-03-31"
_NAMESPACE = f"http://sns.amazonaws.com/doc/{_VERSION}/"
_TAKEN = frozenset({"TopicArn", "Subject", "Message"})
_MAX_MESSAGE_BYTES = 262_144
_MAX_SUBJECT = 99


@dataclass(frozen=True)
class Message:
    """What a subscriber gets."""

    message_id: str
    topic_arn: str
    subject: str | None
    text: str


class Topics:
    """The service. A subscriber is called with each message before its publisher has the answer. Safe for threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._messages: dict[str, list[Message]] = {}
        self._subscribers: dict[str, list[Callable[[Message], object]]] = {}

    def create(self, name: str) -> str:
        """Make a topic; returns its ARN."""
        arn = f"arn:aws:sns:{REGION}:{ACCOUNT}:{name}"
        with self._lock:
            self._messages.setdefault(arn, [])
            self._subscribers.setdefault(arn, [])
        return arn

    def subscribe(self, arn: str, receive: Callable[[Message], object]) -> None:
        """Let somebody receive what is published from now on."""
        with self._lock:
            self._subscribers[arn].append(receive)

    def messages(self, arn: str) -> list[Message]:
        """What was published to a topic so far, oldest first."""
        with self._lock:
            return list(self._messages[arn])

    # The wire protocol

    def read(self, request: Request) -> tuple[str, Mapping[str, Any]]:
        """The operation and its parameters, checked against AWS's model. Raises ApiError."""
        try:
            form = dict(parse_qsl(request.body.decode(), keep_blank_values=True, strict_parsing=True))
        except ValueError as error:
            raise ApiError("MalformedQueryString", "The body isn't a form.") from error
        operation, version = form.pop("Action", ""), form.pop("Version", "")
        if version != _VERSION or operation not in shapes.service_model("sns").operation_names:
            raise ApiError("InvalidAction", f"'{operation}' of version '{version}' is no operation of SNS.")
        if operation == "Publish":
            # Lists and maps are spread over numbered parameters, which nobody here sends.
            shapes.check("sns", operation, form)
        return operation, form

    def perform(self, operation: str, parameters: Mapping[str, Any]) -> Response:
        """Do it. Raises ApiError."""
        if operation != "Publish" or not parameters.keys() <= _TAKEN:
            names = ", ".join(sorted(parameters))
            raise ApiError("NotImplemented", f"This local SNS has no {operation} with {names}.", status=501)
        message = self._publish(parameters)
        return _xml(
            200,
            f'<PublishResponse xmlns="{_NAMESPACE}"><PublishResult><MessageId>{message.message_id}</MessageId>'
            f"</PublishResult><ResponseMetadata><RequestId>{uuid.uuid4()}</RequestId></ResponseMetadata>"
            "</PublishResponse>",
        )

    def refusal(self, error: ApiError) -> Response:
        """The answer by which SNS refuses."""
        blame = "Receiver" if error.status >= 500 else "Sender"
        return _xml(
            error.status,
            f'<ErrorResponse xmlns="{_NAMESPACE}"><Error><Type>{blame}</Type><Code>{error.code}</Code>'
            f"<Message>{escape(error.message)}</Message></Error><RequestId>{uuid.uuid4()}</RequestId></ErrorResponse>",
        )

    def _publish(self, parameters: Mapping[str, Any]) -> Message:
        subject, text, arn = parameters.get("Subject"), parameters["Message"], parameters.get("TopicArn", "")
        if subject is not None and not _is_subject(subject):
            raise ApiError("InvalidParameter", "Invalid parameter: Subject")
        if not text or len(text.encode()) > _MAX_MESSAGE_BYTES:
            raise ApiError("InvalidParameter", "Invalid parameter: Message")
        message = Message(str(uuid.uuid4()), arn, subject, text)
        with self._lock:
            if arn not in self._messages:
                raise ApiError("NotFound", "Topic does not exist", status=404)
            self._messages[arn].append(message)
            subscribers = list(self._subscribers[arn])
        for receive in subscribers:
            receive(message)
        return message


def _is_subject(subject: str) -> bool:
    # "Subjects must be ASCII text that begins with a letter, number, or punctuation mark; must not include line breaks
    # or control characters; and must be less than 100 characters long."
    return 0 < len(subject) <= _MAX_SUBJECT and subject.isascii() and subject.isprintable() and subject[0] != " "


def _xml(status: int, body: str) -> Response:
    return Response(status, body.encode(), {"Content-Type": "text/xml"})
