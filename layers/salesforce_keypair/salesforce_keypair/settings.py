"""The environment, checked once and frozen."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from salesforce_keypair.errors import InvalidSettings
from salesforce_keypair.salesforce.hosts import ExtraHost, Hosts, is_container_host, is_loopback

_MAX_SECONDS = 86_400
# Of the 900 seconds that Lambda gives a step at most.
_MAX_SETTLED_SECONDS = 600
_HOST_PORT = re.compile(r"([A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:]+\])(?::([0-9]{1,5}))?")
_MAX_PORT = 65_535
# "Amazon DynamoDB Developer Guide", naming rules.
_TABLE = re.compile(r"(?:arn:aws[a-z-]*:dynamodb:[a-z0-9-]+:[0-9]{12}:table/)?[A-Za-z0-9_.-]{3,255}")

# "Amazon SNS API Reference", CreateTopic. Those that end in .fifo deliver to queues only.
_TOPIC = re.compile(r"arn:aws[a-z-]*:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_-]{1,256}")
# "AWS Lambda API Reference", Invoke, FunctionName; without a partial ARN, which nothing here gives.
_FUNCTION = re.compile(
    r"(?:arn:aws[a-z-]*:lambda:[a-z0-9-]+:[0-9]{12}:function:)?[A-Za-z0-9_-]{1,64}(?::(?:\$LATEST|[A-Za-z0-9_-]{1,128}))?"
)


@dataclass(frozen=True, slots=True)
class Settings:
    """What the functions are told by their environment. Times are seconds."""

    secret_ids: tuple[str, ...]
    token_table: str | None
    notification_topic: str | None
    token_vendor: str | None
    token_lifetime: float
    settling: float
    settled_logins: int
    settled_interval: float
    hosts: Hosts

    @classmethod
    def from_environment(cls, environ: Mapping[str, str], *, serves_secrets: bool) -> "Settings":
        """Read and check the variables; a vendor `serves_secrets` and must be told which. Raises InvalidSettings."""
        secret_ids = _list(environ, "SECRET_ID")
        if serves_secrets and not secret_ids:
            raise InvalidSettings("SECRET_ID is not set", remedy="name the secrets that this function serves")
        logins = _whole(environ, "SETTLED_LOGINS", default=3, least=1, most=100)
        interval = _number(environ, "SETTLED_INTERVAL_SECONDS", default=10, least=0)
        if (logins - 1) * interval > _MAX_SETTLED_SECONDS:
            raise InvalidSettings(
                "SETTLED_LOGINS times SETTLED_INTERVAL_SECONDS takes longer than a step may",
                remedy=f"lower one of them, so that both make at most {_MAX_SETTLED_SECONDS} seconds",
            )
        return cls(
            secret_ids=secret_ids,
            token_table=_table(environ),
            notification_topic=_topic(environ),
            token_vendor=_vendor(environ),
            token_lifetime=_number(environ, "TOKEN_LIFETIME_SECONDS", default=900, least=1),
            settling=_number(environ, "SETTLING_SECONDS", default=720, least=0),
            settled_logins=logins,
            settled_interval=interval,
            hosts=_hosts(environ),
        )


def _table(environ: Mapping[str, str]) -> str | None:
    """The table that shares tokens, by name or ARN; none where tokens are kept in memory only."""
    name = environ.get("TOKEN_TABLE", "").strip()
    if name and not _TABLE.fullmatch(name):
        raise InvalidSettings(
            "TOKEN_TABLE isn't the name or ARN of a DynamoDB table",
            remedy="correct it, or remove it; each environment then keeps its own tokens in memory",
        )
    return name or None


def _topic(environ: Mapping[str, str]) -> str | None:
    """The ARN of the topic over which people are told; none where nobody is."""
    arn = environ.get("NOTIFICATION_TOPIC_ARN", "").strip()
    if arn and not _TOPIC.fullmatch(arn):
        raise InvalidSettings(
            "NOTIFICATION_TOPIC_ARN isn't the ARN of a standard SNS topic",
            remedy="correct it (a FIFO topic can't send e-mails), or remove it; nobody is told anything then",
        )
    return arn or None


def _vendor(environ: Mapping[str, str]) -> str | None:
    """The token vendor that the monitor asks, by name or ARN; none where it asks nobody."""
    name = environ.get("TOKEN_VENDOR_FUNCTION", "").strip()
    if name and not _FUNCTION.fullmatch(name):
        raise InvalidSettings(
            "TOKEN_VENDOR_FUNCTION isn't the name or ARN of a Lambda function",
            remedy="correct it, or remove it; no token is then asked for",
        )
    return name or None


def _list(environ: Mapping[str, str], name: str) -> tuple[str, ...]:
    """The comma-separated entries of a variable, in order, each once."""
    entries = (entry.strip() for entry in environ.get(name, "").split(","))
    return tuple(dict.fromkeys(entry for entry in entries if entry))


def _number(environ: Mapping[str, str], name: str, *, default: float, least: float) -> float:
    text = environ.get(name, "").strip()
    if not text:
        return default
    if not re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,6})?", text):
        raise InvalidSettings(f"{name} isn't a number of seconds", remedy=f"set it to {default:g}, or remove it")
    value = float(text)
    if not least <= value <= _MAX_SECONDS:
        raise InvalidSettings(f"{name} is out of range", remedy=f"set it to {least:g} to {_MAX_SECONDS} seconds")
    return value


def _whole(environ: Mapping[str, str], name: str, *, default: int, least: int, most: int) -> int:
    text = environ.get(name, "").strip()
    if not text:
        return default
    if not re.fullmatch(r"[0-9]{1,9}", text) or not least <= int(text) <= most:
        raise InvalidSettings(
            f"{name} isn't a whole number from {least} to {most}", remedy=f"set it to {default}, or remove it"
        )
    return int(text)


def _hosts(environ: Mapping[str, str]) -> Hosts:
    entries = _list(environ, "EXTRA_SALESFORCE_HOSTS")
    if not entries:
        return Hosts()
    sam_local = environ.get("AWS_SAM_LOCAL", "").strip().lower() == "true"
    if not sam_local and not _is_loopback_url(environ.get("AWS_ENDPOINT_URL", "")):
        # In a deployed function this variable would let whoever may change it collect assertions at a host of theirs.
        raise InvalidSettings(
            "EXTRA_SALESFORCE_HOSTS is set outside a local test",
            remedy="remove it; it counts only where AWS_SAM_LOCAL=true or AWS_ENDPOINT_URL is this machine",
        )
    return Hosts(extra=tuple(_extra_host(entry, sam_local=sam_local) for entry in entries))


def _extra_host(entry: str, *, sam_local: bool) -> ExtraHost:
    match = _HOST_PORT.fullmatch(entry)
    if match is None or (match[2] and not 0 < int(match[2]) <= _MAX_PORT):
        raise InvalidSettings(
            "EXTRA_SALESFORCE_HOSTS holds an entry that isn't host or host:port",
            remedy="write it like 127.0.0.1:8443, several separated by commas",
        )
    host = match[1].lower()
    return ExtraHost(
        host=host,
        port=int(match[2]) if match[2] else None,
        plain_http=is_loopback(host) or (sam_local and is_container_host(host)),
    )


def _is_loopback_url(url: str) -> bool:
    try:
        host = urlsplit(url.strip()).hostname
    except ValueError:
        return False
    return host is not None and is_loopback(host)
