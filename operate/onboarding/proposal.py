"""The document that is to be written: what is there already, with the answers put in."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from salesforce_keypair.credential import DEFAULT_VALIDITY_DAYS, AppType, Installation
from salesforce_keypair.errors import HostNotAllowed
from salesforce_keypair.keypair import Certificate, KeyAlgorithm, UnusableKey
from salesforce_keypair.members import DEFAULT_API_VERSION
from salesforce_keypair.salesforce.hosts import Hosts

# What a document means that doesn't say it: an answer that is the same adds nothing.
_DEFAULTS: Mapping[str, Any] = {
    "appType": AppType.EXTERNAL_CLIENT_APP,
    "installation": Installation.METADATA,
    "keyAlgorithm": KeyAlgorithm.RSA_2048,
    "certificateValidityDays": DEFAULT_VALIDITY_DAYS,
    "apiVersion": DEFAULT_API_VERSION,
}
_SHOWN = frozenset(
    {
        *_DEFAULTS,
        "baseUri",
        "username",
        "appName",
        "adminSecretArn",
        "certificateAuthorityArn",
        "audience",
        "replaceForeignCertificate",
    }
)
_SHOWN_END = 4


@dataclass(frozen=True, slots=True)
class Change:
    """A member that would be written. The texts are fit to be shown; `before` is none where it is new."""

    member: str
    before: str | None
    after: str


@dataclass(frozen=True, slots=True)
class Proposal:
    """A document beside the one that is there."""

    before: Mapping[str, Any] = field(repr=False)
    after: Mapping[str, Any] = field(repr=False)

    @property
    def changes(self) -> Sequence[Change]:
        """What differs, without anything secret."""
        return [
            Change(member, shown(member, self.before[member]) if member in self.before else None, shown(member, value))
            for member, value in self.after.items()
            if member not in self.before or self.before[member] != value
        ]

    @property
    def only_leaves(self) -> bool:
        """Whether the leave to replace a foreign certificate is all that is new: a rotation under way heeds that."""
        return {change.member for change in self.changes} == {"replaceForeignCertificate"}

    @property
    def kept(self) -> Sequence[str]:
        """The names of the members that stay as they are."""
        return [member for member, value in self.before.items() if self.after.get(member) == value]


def propose(before: Mapping[str, Any], answers: Mapping[str, Any], *, hosts: Hosts) -> Proposal:
    """The document with the answers in it. No member is ever taken out, and what an answer only repeats stays."""
    after = dict(before)
    for member, given in _in_todays_places(before, answers).items():
        # The second app's may hold members that are unknown here.
        nested = member == "standby" and isinstance(before.get(member), dict)
        answer = {**before[member], **given} if nested else given
        if member in before:
            if not _same(member, before[member], answer, hosts):
                after[member] = answer
        elif answer != _DEFAULTS.get(member):
            after[member] = answer
    return Proposal(before=dict(before), after=after)


def shown(member: str, value: Any) -> str:
    """A member's value as a terminal may show it."""
    if member == "consumerKey":
        return _masked(value)
    if member == "standby" and isinstance(value, dict):
        return f"{value.get('appName')}, consumer key {_masked(value.get('consumerKey'))}"
    if member == "certificate":
        return _certificate_shown(value)
    if member == "privateKey":
        return "a private key"
    return str(value) if member in _SHOWN else "(not shown)"


def _in_todays_places(before: Mapping[str, Any], answers: Mapping[str, Any]) -> Mapping[str, Any]:
    """The answers without the apps where these are the two of the document, which a rotation has changed over."""
    standby = before.get("standby")
    if not isinstance(standby, dict):
        return answers
    now = {"consumerKey": before.get("consumerKey"), "appName": before.get("appName")}
    other = {name: standby.get(name) for name in now}
    asked = {name: answers[name] for name in now if name in answers}
    if not asked or any(other[name] != value for name, value in asked.items()) or answers.get("standby", now) != now:
        return answers
    return {name: value for name, value in answers.items() if name not in {*now, "standby"}}


def _same(member: str, before: Any, answer: Any, hosts: Hosts) -> bool:
    if before == answer:
        return True
    if member != "baseUri":
        return False
    try:
        return hosts.origin(str(before), what=member) == hosts.origin(str(answer), what=member)
    except HostNotAllowed:
        return False


def _masked(value: Any) -> str:
    text = str(value)
    return f"…{text[-_SHOWN_END:]} ({len(text)} characters)"


def _certificate_shown(value: Any) -> str:
    try:
        certificate = Certificate.parse(str(value))
    except UnusableKey:
        return "one that can't be read"
    return f"{certificate.fingerprint[:16]}, until {certificate.not_after:%Y-%m-%d}"
