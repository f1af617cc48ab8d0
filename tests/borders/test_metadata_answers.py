"""Any answer of the Metadata API: what is installed, or an error without the token."""

import json
from collections.abc import Callable
from typing import TypeVar

from hypothesis import given
from hypothesis import strategies as st

from salesforce_keypair.errors import SalesforceError
from salesforce_keypair.keypair import Certificate
from salesforce_keypair.salesforce.app_certificate import CONNECTED_APP, EXTERNAL_CLIENT_APP, AppCertificate, AppKind
from salesforce_keypair.salesforce.hosts import Origin
from salesforce_keypair.salesforce.metadata import MetadataApi
from salesforce_keypair.salesforce.session import Session
from salesforce_keypair.salesforce.transport import Transport
from tests.borders.counting import examples
from tests.borders.judge import value_or_error
from tests.borders.odd import bodies, encoded, scratched, weighted
from tests.borders.wire import SALESFORCE, SALESFORCE_PORT, http, wired
from tests.integration.org_client import MD, XSI, key_pair
from tests.scenarios.leaks import Searcher
from tests.unit.support import ORG_ID, USER_ID, FakeClock

T = TypeVar("T")

_TOKEN = f"{ORG_ID[:15]}!AQcAQH0dMHZfz972Szmpkb58urFRkgeBGsxLaWTrYtWXkdUTQC5"
_NEW = Certificate.parse(key_pair("second").pem)
_INSTALLED = key_pair("first").pem

_RECORD = (
    "<fullName>{name}</fullName><callbackUrl>https://acme.example/&amp;x</callbackUrl>{certificate}"
    "<externalClientApplication>Billing</externalClientApplication><label>Bill&#x2028;ing</label>"
    "<shouldRotateConsumerKey>false</shouldRotateConsumerKey>{more}"
)
_CONNECTED = (
    "<fullName>{name}</fullName><contactEmail>a@example.com</contactEmail><label>Billing</label>"
    "<oauthConfig><callbackUrl>https://acme.example</callbackUrl>{certificate}<scopes>Api</scopes></oauthConfig>{more}"
)
_RECORDS = {EXTERNAL_CLIENT_APP: _RECORD, CONNECTED_APP: _CONNECTED}
_certificates = st.sampled_from(
    (
        f"<certificate>{_INSTALLED}</certificate>",
        "<certificate/>",
        "",
        "<certificate>AAAA</certificate>",
        "<certificate>\u0660</certificate>",
        f"<certificate><x>{_INSTALLED}</x></certificate>",
        f"<certificate>{'A' * 50_000}</certificate>",
        "<certificate xsi:nil='true'/>",
        f"<certificate>{_INSTALLED * 3}</certificate>",
        f"<certificate>{_INSTALLED}</certificate><certificate>x</certificate>",
    )
)
_more = st.sampled_from(
    (
        "",
        "",
        "",
        "<isX>true</isX>",
        "<x xmlns='urn:other'>1</x>",
        "<x xsi:nil='true'/>",
        "<a:b xmlns:a='urn:a' a:c='1'/>",
        "<x>\r\n&#13;</x>",
        "<label>twice</label>",
        "<!-- c --><?p i?>",
        "<![CDATA[<x/>]]>",
        "&bomb;",
        "&nbsp;",
        "&#0;",
        "&#xD800;",
        "<x>" * 400 + "</x>" * 400,
        "<x>" * 3_000 + "</x>" * 3_000,
        "<x>" * 30_000 + "</x>" * 30_000,
        "<x/>" * 5_000,
        f"<x>{'y' * 200_000}</x>",
        "<fullName>../../x</fullName>",
        "<x " + " ".join(f"a{n}='1'" for n in range(500)) + "/>",
        "<externalClientApplication>Other</externalClientApplication>",
        "<consumerKey>3MVG9</consumerKey><consumerSecret>x</consumerSecret>",
        "<" + "n" * 9_000 + "/>",
        "<x:y/>",
    )
)
_names = st.sampled_from(
    ("Billing", "Billing_glbloauth", "", "../Billing", "a" * 300, "ns__Billing", "Bill\u200bing", "%2e%2e%2f")
)
_PROLOGUES = (
    "",
    "",
    "",
    '<?xml version="1.0" encoding="UTF-8"?>',
    '<?xml version="1.1"?>',
    '<?xml version="1.0" encoding="UTF-7"?>',
    '<?xml version="1.0" encoding="nonsense"?>',
    '<?xml version="1.0" encoding="utf-16"?>',
    "<!DOCTYPE e>",
    '<!DOCTYPE e [<!ENTITY a "aaaaaaaaaa"><!ENTITY bomb "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>',
    '<!DOCTYPE e [<!ENTITY bomb SYSTEM "file:///etc/passwd">]>',
    '<!DOCTYPE e SYSTEM "http://evil.example/x.dtd">',
    '<!DOCTYPE e [<!ENTITY % p SYSTEM "http://evil.example/x">%p;]>',
    "\ufeff",
    " \n",
    "<?xml-stylesheet href='http://evil.example/'?>",
)
_ENVELOPE = (
    '{prologue}<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/" xmlns="'
    + MD[1:-1]
    + '" xmlns:xsi="'
    + XSI[1:-1]
    + '">'
    "<e:Header/><e:Body>{payload}</e:Body></e:Envelope>"
)
_FAULTS = ("sf:INVALID_SESSION_ID", "sf:INVALID_TYPE", "sf:UNKNOWN_EXCEPTION", "", f"sf:{_TOKEN}", "x" * 5_000)
_statuses = weighted((5, st.just(200)), (2, st.just(500)), (1, st.sampled_from((204, 302, 401, 403, 404, 420, 503))))


@st.composite
def _reads(draw: st.DrawFn, kind: AppKind) -> bytes:
    """An answer to readMetadata: a right one, with most of the time something wrong with it."""
    record = _RECORDS[kind].format(name=draw(_names), certificate=draw(_certificates), more=draw(_more))
    records = f"<result><records xsi:type='{kind.metadata_type}'>{record}</records></result>" * draw(st.integers(0, 2))
    return draw(_enveloped(f"<readMetadataResponse>{records}</readMetadataResponse>"))


@st.composite
def _lists(draw: st.DrawFn) -> bytes:
    """An answer to listMetadata."""
    names = draw(st.lists(_names, max_size=4)) * draw(st.sampled_from((1, 1, 40)))
    results = "".join(f"<result><fullName>{name}</fullName></result>" for name in names)
    return draw(_enveloped(f"<listMetadataResponse>{results}</listMetadataResponse>"))


@st.composite
def _enveloped(draw: st.DrawFn, payload: str) -> bytes:
    if draw(st.integers(0, 5)) == 0:
        fault = draw(st.sampled_from(_FAULTS))
        payload = f"<e:Fault><faultcode>{fault}</faultcode><faultstring>no, {_TOKEN}</faultstring></e:Fault>"
    text = _ENVELOPE.format(prologue=draw(st.sampled_from(_PROLOGUES)), payload=payload)
    if draw(st.integers(0, 4)) == 0:
        text = draw(scratched(text))
    return http(draw(encoded(text)), status=draw(_statuses))


_DEPLOYED = {
    "id": "0Af000000000001AAA",
    "deployResult": {"id": "0Af000000000001AAA", "done": False, "status": "Pending"},
}
_RESULT = {
    "id": "0Af000000000001AAA",
    "done": True,
    "success": True,
    "status": "Succeeded",
    "errorMessage": None,
    "details": {"componentFailures": [], "componentSuccesses": [{"fullName": "Billing"}]},
}
_FAILURE = {
    "problem": f"The certificate is invalid {_TOKEN}",
    "problemType": "Error",
    "success": False,
    "fullName": "Billing",
}
_FAILED = _RESULT | {"success": False, "status": "Failed", "details": {"componentFailures": [_FAILURE, _FAILURE]}}
_FAILED_ALONE = _FAILED | {"details": {"componentFailures": _FAILURE}}
_FAILED_WHOLE = _FAILED | {"details": None, "errorMessage": f"UNKNOWN_EXCEPTION: An unexpected error {_TOKEN}"}
_RUNNING = _RESULT | {"done": False, "success": False, "status": "InProgress"}
_polled = weighted(
    (4, st.just(_RESULT)),
    (3, st.just(_FAILED)),
    (2, st.just(_FAILED_ALONE)),
    (2, st.just(_FAILED_WHOLE)),
    (1, st.just(_RUNNING)),
).flatmap(lambda result: bodies({"id": "0Af000000000001AAA", "deployResult": result}, most=2))
_errors = bodies([{"errorCode": "INSUFFICIENT_ACCESS", "message": f"no access, {_TOKEN}"}])
_rest_statuses = st.sampled_from((200, 201, 302, 400, 401, 403, 404, 420, 500, 503))
_submitted = st.builds(
    lambda body, status: http(body, status=status),
    bodies(_DEPLOYED, most=2) | _errors,
    weighted((6, st.just(201)), (1, _rest_statuses)),
)
_polls = st.builds(
    lambda body, status: http(body, status=status),
    weighted((5, _polled), (1, _errors)),
    weighted((6, st.just(200)), (1, _rest_statuses)),
)


def _right(kind: AppKind, installed: str) -> bytes:
    record = _RECORDS[kind].format(name="Billing", certificate=f"<certificate>{installed}</certificate>", more="")
    payload = f"<readMetadataResponse><result><records>{record}</records></result></readMetadataResponse>"
    return http(_ENVELOPE.format(prologue="", payload=payload).encode())


_LISTED = http(
    _ENVELOPE.format(
        prologue="",
        payload="<listMetadataResponse><result><fullName>Billing</fullName></result></listMetadataResponse>",
    ).encode()
)


def _judged(kind: AppKind, answer: Callable[[bytes], bytes], call: Callable[[AppCertificate], T]) -> T | None:
    clock, secrets = FakeClock(), Searcher()
    secrets.know("access token", _TOKEN)
    session = Session(_TOKEN, "Bearer", Origin(SALESFORCE), ORG_ID, USER_ID, None)
    api = MetadataApi(
        transport=Transport(), clock=clock, authorize=lambda: session, api_version="67.0", deadline=clock.deadline(30)
    )
    app = AppCertificate(api=api, kind=kind, app_name="Billing", clock=clock)
    with wired(clock) as wire:
        wire.answers[SALESFORCE_PORT] = answer
        result = value_or_error(lambda: call(app), secrets=secrets, errors=(SalesforceError,))
        assert not wire.strangers()
        assert len(wire.called) < 200, "an answer that doesn't help mustn't be asked for without end"
    return result


_kinds = st.sampled_from((EXTERNAL_CLIENT_APP, CONNECTED_APP))
_scripts = _kinds.flatmap(
    lambda kind: st.tuples(
        st.just(kind), weighted((3, st.just(_LISTED)), (1, _lists())), st.lists(_reads(kind), min_size=1, max_size=2)
    )
)


@given(script=_scripts)
@examples(800)
def test_any_answer_to_a_read(script: tuple[AppKind, bytes, list[bytes]]) -> None:
    kind, listed, reads = script
    answer = reads[0]
    found = _judged(kind, lambda request: listed if b"listMetadata" in request else answer, AppCertificate.installed)

    assert found is None or b"<!DOCTYPE" not in answer, "a document type has no place in SOAP, nor have entities"


@given(script=_scripts)
@examples(600)
def test_what_was_read_is_written_back_or_not(script: tuple[AppKind, bytes, list[bytes]]) -> None:
    kind, listed, reads = script
    waiting = reads[:]

    def answer(request: bytes) -> bytes:
        if request.startswith(b"GET"):
            return http(json.dumps({"deployResult": _RESULT}).encode())
        if b"deployRequest" in request[:200]:
            return http(json.dumps(_DEPLOYED).encode(), status=201)
        return listed if b"listMetadata" in request else waiting.pop(0) if len(waiting) > 1 else waiting[0]

    _judged(kind, answer, lambda app: app.replace(_NEW))


@given(kind=_kinds, submitted=_submitted, polls=st.lists(_polls, min_size=1, max_size=3))
@examples(800)
def test_any_answer_to_a_deploy(kind: AppKind, submitted: bytes, polls: list[bytes]) -> None:
    waiting = polls[:]

    def answer(request: bytes) -> bytes:
        if request.startswith(b"GET"):
            return waiting.pop(0) if len(waiting) > 1 else waiting[0]
        if b"deployRequest" in request[:200]:
            return submitted
        return _LISTED if b"listMetadata" in request else _right(kind, _INSTALLED)

    _judged(kind, answer, lambda app: app.replace(_NEW))
