"""What onboarding must be told, and whether an answer can be used."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from salesforce_keypair.credential import Credential, Installation
from salesforce_keypair.salesforce.hosts import Hosts

# Right in itself, so that what is wrong with a document of these and one answer is wrong with the answer.
_NEUTRAL = {"consumerKey": "key", "username": "user", "baseUri": "https://acme.my.salesforce.com"}


@dataclass(frozen=True, slots=True)
class Question:
    """A member of the document that nobody can guess, and the option that answers it."""

    member: str
    option: str
    text: str


ADMIN_QUESTION = Question("adminSecretArn", "--admin-secret", "Secret with the admin's credential, name or ARN")
QUESTIONS = (
    Question("baseUri", "--my-domain", "The org's My Domain (https://<MyDomain>.my.salesforce.com)"),
    Question("appName", "--app", "API name of the app"),
    Question("consumerKey", "--consumer-key", "Consumer key of the app"),
    Question("username", "--username", "Username of the integration user"),
    ADMIN_QUESTION,
)


def unanswered(known: Mapping[str, Any], *, own_user: bool) -> Sequence[Question]:
    """The questions that neither an option nor the document answers; without an admin there is none to be named."""
    without_admin = own_user or known.get("installation") == Installation.MANUAL
    return [
        question
        for question in QUESTIONS
        if known.get(question.member) is None and not (without_admin and question is ADMIN_QUESTION)
    ]


def checked(member: str, answer: Any, *, hosts: Hosts) -> Any:
    """The answer as the document has it. Raises InvalidSecret or HostNotAllowed, which say what is wrong with it."""
    if member == "baseUri" and "://" not in str(answer):
        answer = f"https://{answer}"
    credential = Credential.parse(json.dumps({**_NEUTRAL, member: answer}), hosts=hosts)
    return credential.base_uri.url if member == "baseUri" else answer
