"""What people are told over the notification topic: to upload a certificate, where a person alone may do that."""

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from salesforce_keypair.credential import AppType, Credential
from salesforce_keypair.json_text import GARBLED
from salesforce_keypair.keypair import Certificate
from salesforce_keypair.redaction import foreign_words

if TYPE_CHECKING:
    from mypy_boto3_sns import SNSClient

logger = logging.getLogger(__name__)

# "Amazon SNS API Reference", Publish: ASCII, without line breaks, less than 100 characters long.
_MAX_SUBJECT = 99
_NOBODY_TOLD = "nobody was told to upload the certificate; `make status ARGS=--certificate` prints it"

# "Salesforce Help", Configure a JWT Bearer Flow, which has each step. For Connected Apps it has none: Edit a Connected
# App leads to the App Manager, API (Enable OAuth Settings): Use Digital Signatures is the field, the button a browser's
_MENU_PATHS = {
    AppType.EXTERNAL_CLIENT_APP: (
        "Setup > External Client App Manager > {app} > Edit Settings > OAuth Settings > Enable JWT Bearer Flow > "
        "Upload Files > Save"
    ),
    AppType.CONNECTED_APP: (
        "Setup > App Manager > {app} > Edit > API (Enable OAuth Settings) > Use digital signatures > Choose File > Save"
    ),
}


@dataclass(frozen=True, slots=True)
class Notice:
    """A message to people. Nothing in it is secret: a topic has subscribers whom nobody here knows."""

    subject: str
    text: str


def where_to_upload(credential: Credential) -> str:
    """The way through the menus of Salesforce's Setup to where an app's certificate is uploaded."""
    return _MENU_PATHS[credential.app_type].format(app=credential.app_name)


def upload_notice(credential: Credential, certificate: Certificate, *, secret_id: str) -> Notice:
    """What a person needs who is to put a pending certificate into its app."""
    text = f"""\
A new key pair waits in the secret {secret_id} for somebody to upload its certificate to Salesforce.

Org:          {credential.base_uri.url}
App:          {credential.app_name} ({credential.app_type})
User:         {credential.username}
Certificate:  SHA-256 {certificate.fingerprint}
Valid until:  {certificate.not_after.isoformat()}

1. Save what is below, from BEGIN to END, as a file {credential.app_name}.crt. A certificate is public; no key is in it.
2. In the org: {where_to_upload(credential)}
   Change nothing else there.
3. Then run: make resume SECRET={secret_id}
   Or wait for the rotation's next delivery. Salesforce takes up to 10 minutes to honour the certificate everywhere.

Until it is uploaded, nothing changes. From then on the token vendor serves callers with whichever key Salesforce \
honours, also while step 3 is still to be done.

{certificate.pem}"""
    return Notice(subject=f"Upload a certificate to {credential.app_name} in Salesforce"[:_MAX_SUBJECT], text=text)


class Topic:
    """An SNS topic. Who tells people doesn't depend on it: what fails is a warning in the log."""

    def __init__(self, client: "SNSClient", arn: str) -> None:
        self._client = client
        self._arn = arn

    def __call__(self, notice: Notice) -> bool:
        """Publish a notice; false, and a line in the log, where that comes to nothing. Raises nothing."""
        try:
            answer = self._client.publish(TopicArn=self._arn, Subject=notice.subject, Message=notice.text)
        except ClientError as error:
            reason = foreign_words(error)
        except (BotoCoreError, ResponseParserError, *GARBLED) as error:
            reason = type(error).__name__
        else:
            # The SDK makes an empty answer of a page that somebody in between has sent.
            if answer.get("MessageId"):
                logger.info("a notice was published", extra={"topic": self._arn, "message_id": answer["MessageId"]})
                return True
            reason = "no MessageId"
        logger.warning(_NOBODY_TOLD, extra={"reason": reason, "topic": self._arn})
        return False


def no_topic(notice: Notice) -> bool:
    """In place of a topic, where there is none; false, and a line in the log."""
    logger.warning(_NOBODY_TOLD, extra={"reason": "there is no NOTIFICATION_TOPIC_ARN", "notice": notice.subject})
    return False
