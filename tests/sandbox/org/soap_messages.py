"""SOAP envelopes as the org writes them."""

from collections.abc import Iterable
from dataclasses import dataclass

from tests.sandbox.org.exchange import Reply
from tests.sandbox.org.users import User
from tests.sandbox.org.xmltree import INSTANCE_NAMESPACE, METADATA_NAMESPACE, Element

SOAP_NAMESPACE = "http://schemas.xmlsoap.org/soap/envelope/"
_CONTENT_TYPE = "text/xml;charset=utf-8"


class SoapFaultError(Exception):
    """A call that is answered by a fault; `code` gets the prefix of Salesforce's own codes unless it has one."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code if ":" in code else f"sf:{code}"
        self.message = message


@dataclass(frozen=True, slots=True)
class SoapCall:
    """A call that was let in: its element, who makes it, at which API version."""

    element: Element
    user: User
    version: int


def answer_reply(call: str, result: Iterable[Element], *, username: str | None = None) -> Reply:
    """The answer to a call of the Metadata API."""
    name = f"{call}Response"
    body = _envelope(f'<{name} xmlns="{METADATA_NAMESPACE}">', result, f"</{name}>")
    return Reply(200, body, _CONTENT_TYPE, outcome=call, username=username)


def fault_reply(code: str, message: str, *, username: str | None = None) -> Reply:
    """A SOAP fault; `code` with its prefix, such as `sf:INVALID_SESSION_ID`."""
    children = (Element("faultcode", code), Element("faultstring", f"{code.partition(':')[2]}: {message}"))
    body = _envelope(f'<soapenv:Fault xmlns:sf="{METADATA_NAMESPACE}">', children, "</soapenv:Fault>")
    return Reply(500, body, _CONTENT_TYPE, outcome=f"refused: {code}", username=username)


def _envelope(opening: str, children: Iterable[Element], closing: str) -> bytes:
    content = "".join(child.render() for child in children)
    return (
        '<?xml version="1.0" encoding="UTF-8"?>'
        f'<soapenv:Envelope xmlns:soapenv="{SOAP_NAMESPACE}" xmlns:xsi="{INSTANCE_NAMESPACE}">'
        f"<soapenv:Body>{opening}{content}{closing}</soapenv:Body></soapenv:Envelope>"
    ).encode()
