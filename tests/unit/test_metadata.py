"""The Metadata API as far as one component needs it: calls, faults, and sessions that end in between."""

import io
import json
import re
import zipfile
from collections.abc import Callable
from dataclasses import replace
from xml.etree.ElementTree import Element, fromstring, tostring

import pytest

from salesforce_keypair.errors import InstallationRefused, KeyPairError, SalesforceUnavailable
from salesforce_keypair.salesforce.component import as_file, element, local_name, new_element
from salesforce_keypair.salesforce.metadata import MetadataApi
from salesforce_keypair.salesforce.session import Session
from tests.integration.org_client import MD, SETTINGS, XSI
from tests.sandbox.org import DeployPace, Kind
from tests.sandbox.org.exchange import Reply
from tests.sandbox.org.faults import (
    Fault,
    answering,
    html_page,
    redirected,
    reset_after_acting,
    reset_before_acting,
    rest_error,
    soap_fault,
    truncated,
)
from tests.scenarios.promises import assert_tells_what_to_do
from tests.unit.support import Billing

FULL_NAME = "Billing_glbloauth"
PATH = f"extlClntAppGlobalOauthSets/{FULL_NAME}.ecaGlblOauth"


class Admin:
    """An administrator at the Metadata API; `logins` counts how often a session was opened."""

    def __init__(self, billing: Billing, *, api_version: str = "67.0", seconds: float = 60.0) -> None:
        self.billing = billing
        self.logins = 0
        self.api = MetadataApi(
            transport=billing.transport,
            clock=billing.clock,
            authorize=self._authorize,
            api_version=api_version,
            deadline=billing.clock.deadline(seconds),
        )

    def read(self) -> Element:
        (record,) = self.api.read(SETTINGS, [FULL_NAME])
        return record

    def deploy(self, component: Element | None = None, *, check_only: bool = False) -> None:
        component = as_file(self.read(), SETTINGS) if component is None else component
        for member in list(component):
            if local_name(member) == "consumerKey":
                component.remove(member)
        self.api.deploy(
            metadata_type=SETTINGS, full_name=FULL_NAME, path=PATH, component=component, check_only=check_only
        )

    def _authorize(self) -> Session:
        self.logins += 1
        return self.billing.admin_session()


@pytest.fixture
def admin(billing: Billing) -> Admin:
    return Admin(billing)


def raised(call: Callable[[], object]) -> KeyPairError:
    with pytest.raises(KeyPairError) as caught:
        call()
    assert_tells_what_to_do(caught.value)
    return caught.value


def sent(billing: Billing, kind: Kind) -> list[bytes]:
    return [entry.body for entry in billing.org.log.entries(kind)]


# Reading


def test_all_full_names_of_a_type_are_listed(billing: Billing, admin: Admin) -> None:
    assert admin.api.full_names(SETTINGS) == [FULL_NAME, "CertificateAdmin_glbloauth"]
    (entry,) = billing.org.log.entries(Kind.SOAP)
    assert entry.path == "/services/Soap/m/67.0"


def test_an_org_without_apps_lists_none(billing: Billing, admin: Admin) -> None:
    billing.org.apps.clear()
    assert admin.api.full_names(SETTINGS) == []


def test_components_are_read_by_name_and_missing_ones_left_out(billing: Billing, admin: Admin) -> None:
    records = admin.api.read(SETTINGS, ["Missing", FULL_NAME, "a & <b>"])
    (entry,) = billing.org.log.entries(Kind.SOAP)

    assert b"</m:fullNames><m:fullNames>a &amp; &lt;b&gt;</m:fullNames></m:readMetadata>" in entry.body
    assert dict(entry.headers)["SOAPAction"] == '""'
    assert [record.findtext(f"{MD}fullName") for record in records] == [FULL_NAME]
    label = element(records[0], "label")
    assert label is not None
    assert label.text == "Billing <global> OAuth & settings"
    assert element(records[0], "nothing") is None


def test_one_session_serves_several_calls_over_one_connection(billing: Billing, admin: Admin) -> None:
    admin.api.full_names(SETTINGS)
    admin.deploy()

    assert admin.logins == 1
    assert billing.org.log.connections() == 1


# Writing


def test_a_deploy_sends_one_whole_component_and_waits_for_its_end(billing: Billing, admin: Admin) -> None:
    billing.org.deployments.pace = DeployPace(2, 3, counted_in="polls")
    admin.deploy()
    (deployment,) = billing.org.deployments.all()

    assert not deployment.options.check_only
    assert deployment.polls == 6
    assert billing.clock.slept == [0.5, 1.0, 2.0, 3.0, 3.0]
    with zipfile.ZipFile(io.BytesIO(deployment.archive)) as archive:
        assert set(archive.namelist()) == {"package.xml", PATH}
        manifest = fromstring(archive.read("package.xml"))
    assert manifest.findtext(f"{MD}version") == "67.0"
    assert manifest.findtext(f"{MD}types/{MD}members") == FULL_NAME


def test_a_deploy_rolls_back_on_errors_and_deletes_nothing(billing: Billing, admin: Admin) -> None:
    admin.deploy()
    (body,) = sent(billing, Kind.DEPLOY)
    start = body.index(b'{"deployOptions"')
    options = json.loads(body[start : body.index(b"\r\n", start)])["deployOptions"]

    assert body.count(b"Content-Type: application/json\r\n") == 1
    assert b'filename="deploy.zip"\r\nContent-Type: application/zip\r\n' in body
    assert options == {
        "singlePackage": True,
        "rollbackOnError": True,
        "checkOnly": False,
        "ignoreWarnings": False,
        "allowMissingFiles": False,
        "purgeOnDelete": False,
    }


def test_a_rehearsal_writes_nothing(billing: Billing, admin: Admin) -> None:
    component = as_file(admin.read(), SETTINGS)
    label = element(component, "label")
    assert label is not None
    label.text = "changed"
    before = billing.app.component()
    admin.deploy(component, check_only=True)

    assert billing.app.component() == before
    assert billing.org.deployments.all()[0].options.check_only


@pytest.mark.parametrize("as_object", [True, False], ids=["object", "array"])
@pytest.mark.parametrize(("check_only", "what"), [(True, "rehearsal of the change"), (False, "change")])
def test_component_failures_are_told_in_salesforces_words(
    billing: Billing, admin: Admin, as_object: bool, check_only: bool, what: str
) -> None:
    billing.org.deployments.failures_as_object = as_object
    component = as_file(admin.read(), SETTINGS)
    component.insert(0, new_element("externalClientApplication", "Another"))
    error = raised(lambda: admin.deploy(component, check_only=check_only))

    assert type(error) is InstallationRefused
    assert error.what == (
        f"Salesforce refused the {what} of the app's certificate (Duplicate element externalClientApplication)"
    )
    assert "correct what it names" in error.remedy


def result(**members: object) -> Fault:
    body = {"deployResult": {"done": True, "success": False, "status": "Failed"} | members}
    return answering(200, json.dumps(body), content_type="application/json", name="result")


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ({"errorMessage": "No package.xml found"}, "No package.xml found"),
        ({"errorMessage": None}, "Failed"),
        ({"status": None}, "no reason"),
        ({"details": {"componentFailures": [{"problem": "one"}, {"problem": "two"}, 5, {}]}}, "one; two"),
        ({"details": {"componentFailures": None}, "errorMessage": "why"}, "why"),
        ({"details": ["odd"], "errorMessage": "why"}, "why"),
        ({"success": True, "status": "SucceededPartial"}, "SucceededPartial"),
        ({"success": "true", "status": "Succeeded"}, "Succeeded"),
        ({"status": "Canceled"}, "Canceled"),
    ],
)
def test_a_deploy_that_did_not_fully_succeed_is_refused(
    billing: Billing, admin: Admin, members: dict[str, object], words: str
) -> None:
    billing.org.faults.add(result(**members), Kind.POLL)
    error = raised(admin.deploy)

    assert type(error) is InstallationRefused
    assert f"({words})" in error.what
    assert not error.retryable


def test_a_deploy_that_takes_too_long_is_left_to_the_next_delivery(billing: Billing) -> None:
    billing.org.deployments.pace = DeployPace(1000, 1000)
    start = billing.clock.time()
    error = raised(Admin(billing, seconds=30).deploy)

    assert type(error) is SalesforceUnavailable
    assert error.retryable
    assert "still at work" in error.what
    assert billing.clock.slept[-1] == 3.0
    assert 25 < billing.clock.time() - start < 30


def test_nobody_waits_just_to_find_the_time_over(billing: Billing) -> None:
    billing.org.deployments.pace = DeployPace(1000, 1000)
    raised(Admin(billing, seconds=3.5).deploy)

    assert billing.clock.slept == [0.5, 1.0]


EARLY = [
    rest_error(500, "INVALID_CROSS_REFERENCE_KEY"),
    rest_error(400, "INVALID_CROSS_REFERENCE_KEY"),
    rest_error(404, "INVALID_CROSS_REFERENCE_KEY"),
    rest_error(403, "REQUEST_LIMIT_EXCEEDED"),
    rest_error(500, "UNKNOWN_EXCEPTION"),
    answering(420),
    answering(408),
    answering(429),
    html_page(502),
    html_page(503),
    reset_before_acting(),
    reset_after_acting(),
    truncated(5),
]


@pytest.mark.parametrize("fault", EARLY, ids=lambda fault: str(fault.name))
def test_what_passes_while_polling_is_waited_out(billing: Billing, admin: Admin, fault: Fault) -> None:
    billing.org.faults.add(fault, Kind.POLL, times=2)
    admin.deploy()
    assert len(billing.org.deployments.all()) == 1


def test_a_cross_reference_error_counts_as_early_only_while_polling(billing: Billing, admin: Admin) -> None:
    billing.org.faults.add(rest_error(400, "INVALID_CROSS_REFERENCE_KEY", "no such app"), Kind.DEPLOY)
    error = raised(admin.deploy)

    assert type(error) is InstallationRefused
    assert "INVALID_CROSS_REFERENCE_KEY (no such app)" in error.what


@pytest.mark.parametrize("kind", [Kind.DEPLOY, Kind.POLL])
@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (rest_error(403, "INSUFFICIENT_ACCESS", "no rights"), ["INSUFFICIENT_ACCESS (no rights)", "Modify Metadata"]),
        (rest_error(403, "API_DISABLED_FOR_ORG", "off"), ["API_DISABLED_FOR_ORG", "edition"]),
        (rest_error(404, "NOT_FOUND", "gone"), ["NOT_FOUND (gone)"]),
        (answering(404, "<html>"), ["HTTP 404: "]),
        (answering(400, "[]"), ["HTTP 400: "]),
        (answering(400, '[{"message": "no code"}]'), ["HTTP 400"]),
        (answering(400, '{"errorCode": "JSON_PARSER_ERROR"}'), ["JSON_PARSER_ERROR: "]),
        (redirected("https://evil.example"), ["redirect", "renamed"]),
    ],
    ids=lambda value: str(value.name) if isinstance(value, Fault) else "",
)
def test_a_refusal_over_rest_is_told_with_its_remedy(
    billing: Billing, admin: Admin, kind: Kind, fault: Fault, words: list[str]
) -> None:
    billing.org.faults.add(fault, kind)
    error = raised(admin.deploy)

    assert type(error) is InstallationRefused
    for each in words:
        assert each in str(error)


@pytest.mark.parametrize(
    ("kind", "fault"),
    [
        (Kind.DEPLOY, answering(201, "[]")),
        (Kind.DEPLOY, answering(201, "<html>")),
        (Kind.DEPLOY, answering(201, "{}")),
        (Kind.DEPLOY, answering(201, '{"id": 5}')),
        (Kind.DEPLOY, answering(201, '{"id": "../../apps/x"}')),
        (Kind.DEPLOY, answering(201, '{"id": ""}')),
        (Kind.DEPLOY, answering(201, '{"id": "0Af\u00e9"}')),
        (Kind.DEPLOY, html_page(200)),
        (Kind.POLL, answering(200, "{}")),
        (Kind.POLL, answering(200, '{"deployResult": []}')),
        (Kind.POLL, answering(200, "[" * 100_000)),
    ],
)
def test_a_garbled_answer_over_rest_is_salesforce_unavailable(
    billing: Billing, admin: Admin, kind: Kind, fault: Fault
) -> None:
    billing.org.faults.add(fault, kind, times=None)
    error = raised(admin.deploy)

    assert type(error) is SalesforceUnavailable
    assert re.search(
        r"HTTP 200|sent (a REST answer|a deploy's status|the answer to a deploy) that can't be", error.what
    )


def test_a_component_with_a_member_of_another_namespace_is_not_sent(billing: Billing, admin: Admin) -> None:
    component = as_file(admin.read(), SETTINGS)
    component.append(Element("ofNoNamespace"))
    error = raised(lambda: admin.deploy(component))

    assert type(error) is SalesforceUnavailable
    assert error.what == "Salesforce sent a component that can't be understood"
    assert not billing.org.deployments.all()


# Faults over SOAP


@pytest.mark.parametrize(
    ("code", "remedy"),
    [
        ("sf:INSUFFICIENT_ACCESS", "'Modify Metadata Through Metadata API Functions'"),
        ("sf:INVALID_TYPE", "v60.0 or later"),
        ("sf:UNSUPPORTED_API_VERSION", "one that the org offers"),
        ("sf:API_DISABLED_FOR_ORG", "edition"),
        ("sf:API_CURRENTLY_DISABLED", "API Enabled"),
        ("soapenv:Client", "API Enabled"),
        ("INVALID_TYPE", "v60.0 or later"),
    ],
)
def test_a_fault_is_told_with_salesforces_words_and_its_remedy(
    billing: Billing, admin: Admin, code: str, remedy: str
) -> None:
    billing.org.faults.add(soap_fault(code, "it isn't so"))
    error = raised(admin.read)

    assert type(error) is InstallationRefused
    assert f"{code.rpartition(':')[2]} (" in error.what
    assert "it isn't so" in error.what
    assert remedy in error.remedy


def test_a_user_without_the_permission_is_told_which_one(billing: Billing, admin: Admin) -> None:
    billing.admin.metadata_permission = False
    assert "Modify Metadata" in raised(admin.read).remedy


def test_an_api_version_that_the_org_lacks_is_named(billing: Billing) -> None:
    assert "set apiVersion" in raised(Admin(billing, api_version="99.0").read).remedy


PASSING = [
    *(soap_fault(f"sf:{code}") for code in ("REQUEST_LIMIT_EXCEEDED", "SERVER_UNAVAILABLE", "UNKNOWN_EXCEPTION")),
    soap_fault("sf:UNABLE_TO_LOCK_ROW"),
    answering(420),
    html_page(503),
    reset_before_acting(),
    truncated(50),
]


@pytest.mark.parametrize("fault", PASSING, ids=lambda fault: str(fault.name))
def test_what_passes_over_soap_is_tried_again(billing: Billing, admin: Admin, fault: Fault) -> None:
    billing.org.faults.add(fault, Kind.SOAP, times=2)

    assert admin.read() is not None
    assert len(billing.clock.slept) == 2


def test_a_fault_that_stays_is_told(billing: Billing, admin: Admin) -> None:
    billing.org.faults.add(soap_fault("sf:UNKNOWN_EXCEPTION"), Kind.SOAP, times=None)
    error = raised(admin.read)

    assert type(error) is SalesforceUnavailable
    assert "UNKNOWN_EXCEPTION" in error.what


def xml(body: str, *, prolog: str = "") -> Fault:
    soap = "http://schemas.xmlsoap.org/soap/envelope/"
    text = f'{prolog}<s:Envelope xmlns:s="{soap}">{body}</s:Envelope>'
    return Fault("xml", acts=False, answer=Reply(200, text.encode(), "text/xml"))


def answer_of(text: str) -> str:
    """A right answer to a read, with that text in it."""
    records = f"<result><records><fullName>{FULL_NAME}</fullName><label>{text}</label></records></result>"
    return f'<s:Body><readMetadataResponse xmlns="{MD[1:-1]}">{records}</readMetadataResponse></s:Body>'


ENTITIES = '<!DOCTYPE e [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>'
GARBLED: dict[str, Fault] = {
    "entities": xml(answer_of("&b;"), prolog=ENTITIES),
    "an external entity": xml(answer_of("&x;"), prolog='<!DOCTYPE e [<!ENTITY x SYSTEM "file:///etc/passwd">]>'),
    "a document type": xml(answer_of("x"), prolog="<!DOCTYPE e>"),
    "no body": xml(""),
    "an empty body": xml("<s:Body/>"),
    "another element": xml("<s:Body><other/></s:Body>"),
    "half of XML": answering(200, "<s:Envelope", content_type="text/xml"),
    "an unknown encoding": answering(200, '<?xml version="1.0" encoding="klingon"?><a/>', content_type="text/xml"),
    "nested too deeply": xml(answer_of("<x>" * 500 + "</x>" * 500)),
    "HTML": html_page(200),
    "HTML with status 500": html_page(500),
    "empty": answering(200),
}


def test_a_status_that_soap_does_not_have_is_told_by_its_number(billing: Billing, admin: Admin) -> None:
    billing.org.faults.add(answering(420), Kind.SOAP, times=None)
    error = raised(admin.read)

    assert type(error) is SalesforceUnavailable
    assert "HTTP 420" in error.what


def test_the_same_answer_without_entities_and_document_type_is_read(billing: Billing, admin: Admin) -> None:
    billing.org.faults.add(xml(answer_of("x")), Kind.SOAP)
    assert admin.read().findtext(f"{MD}label") == "x"


@pytest.mark.parametrize("case", GARBLED)
def test_a_garbled_answer_over_soap_is_salesforce_unavailable(billing: Billing, admin: Admin, case: str) -> None:
    billing.org.faults.add(GARBLED[case], Kind.SOAP, times=None)
    error = raised(admin.read)

    assert type(error) is SalesforceUnavailable
    assert error.what == "Salesforce sent a SOAP answer that can't be understood"


def test_a_fault_without_words_is_told_by_its_name(billing: Billing, admin: Admin) -> None:
    billing.org.faults.add(xml("<s:Body><s:Fault><faultcode>sf:NEW_ONE</faultcode></s:Fault></s:Body>"), Kind.SOAP)

    assert raised(admin.read).what == "Salesforce's Metadata API answered NEW_ONE"


def test_a_redirect_over_soap_is_refused(billing: Billing, admin: Admin) -> None:
    billing.org.faults.add(redirected("https://evil.example"), Kind.SOAP)
    error = raised(admin.read)

    assert type(error) is InstallationRefused
    assert "redirect" in error.what
    assert len(billing.org.log.entries()) == 1


# Sessions


@pytest.mark.parametrize("kind", [Kind.SOAP, Kind.DEPLOY, Kind.POLL])
def test_a_session_that_dies_between_calls_is_replaced(billing: Billing, admin: Admin, kind: Kind) -> None:
    died = Fault("died", before=billing.org.sessions.kill_all)
    billing.org.faults.add(died, kind)
    admin.deploy()

    assert admin.logins == 2
    assert billing.org.deployments.all()[-1].status(billing.clock.time()) == "Succeeded"


@pytest.mark.parametrize(
    ("kind", "fault"),
    [
        (Kind.SOAP, soap_fault("sf:INVALID_SESSION_ID")),
        (Kind.DEPLOY, rest_error(401, "INVALID_SESSION_ID")),
        (Kind.POLL, rest_error(401, "INVALID_SESSION_ID")),
    ],
)
def test_servers_that_refuse_every_session_are_not_asked_for_ever(
    billing: Billing, admin: Admin, kind: Kind, fault: Fault
) -> None:
    billing.org.faults.add(fault, kind, times=None)
    error = raised(admin.deploy)

    assert type(error) is SalesforceUnavailable
    assert admin.logins <= 9


@pytest.mark.parametrize(("api_version", "refused"), [("67.0", True), ("68.0", False)])
def test_a_jwt_session_below_api_68_is_a_named_error(billing: Billing, api_version: str, refused: bool) -> None:
    elements = billing.admin_app.elements
    billing.admin_app.elements = tuple(
        type(each)(each.name, "true") if each.name == "isNamedUserJwtEnabled" else each for each in elements
    )
    admin = Admin(billing, api_version=api_version)
    if not refused:
        assert admin.read() is not None
        return
    error = raised(admin.read)
    assert type(error) is InstallationRefused
    assert "JWT-format tokens" in error.what
    assert "set apiVersion to v68.0" in error.remedy
    assert billing.org.log.entries() == ()


def test_a_token_is_written_into_the_envelope_as_text(billing: Billing) -> None:
    api = MetadataApi(
        transport=billing.transport,
        clock=billing.clock,
        authorize=lambda: _with_token(billing, "<&>"),
        api_version="67.0",
        deadline=billing.clock.deadline(1),
    )
    raised(lambda: api.read(SETTINGS, [FULL_NAME]))

    assert b"<m:sessionId>&lt;&amp;&gt;</m:sessionId>" in sent(billing, Kind.SOAP)[0]


def _with_token(billing: Billing, token: str) -> Session:
    return replace(billing.admin_session(), access_token=token)


# A record in the form of a file


def test_a_record_becomes_a_file_without_what_only_a_read_has() -> None:
    record = fromstring(
        f'<records xmlns="{MD[1:-1]}" xmlns:xsi="{XSI[1:-1]}" xsi:type="T"><fullName>N</fullName>\n'
        f'  <gone xsi:nil="true"/><list> <a xsi:nil="true"/>\n <b xsi:type="xsd:string"> text </b> </list><empty/>'
        f"</records>"
    )
    before = tostring(record)
    made = as_file(record, "T")

    assert [local_name(member) for member in made.iter()] == ["T", "list", "b", "empty"]
    assert [member.text for member in made.iter()] == [None, None, " text ", None]
    assert all(member.tail is None and not member.attrib for member in made.iter())
    assert tostring(record) == before
