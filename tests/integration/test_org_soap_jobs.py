"""Writing to the emulated org over SOAP: updates at once, deploys and retrieves as jobs."""

import base64
import io
import zipfile
from collections.abc import Iterator
from xml.etree import ElementTree

import pytest
import requests

from tests.integration.org_client import MD, Client, component_xml, fault_code, key_pair, package, settings_of
from tests.sandbox.org import DeployPace, EmulatedOrg
from tests.sandbox.org.spreading import OldUntil

TYPE = "ExtlClntAppGlobalOauthSettings"


@pytest.fixture
def client() -> Iterator[Client]:
    with EmulatedOrg() as org:
        user = org.add_user("admin@example.com", metadata_permission=True)
        app = org.add_external_client_app("Billing", approved=[user])
        app.install(key_pair().pem)
        with Client(org, app, user) as client:
            yield client


def _result(response: requests.Response) -> ElementTree.Element:
    assert response.status_code == 200, response.text
    result = ElementTree.fromstring(response.content).find(f".//{MD}result")
    assert result is not None
    return result


def _text(parent: ElementTree.Element, path: str) -> str | None:
    return parent.findtext("/".join(f"{MD}{name}" for name in path.split("/")))


def _archive(client: Client, **changed: str | None) -> str:
    content = component_xml(settings_of(client.app, certificate=key_pair("second").pem, **changed))
    return base64.b64encode(package(client.app, content)).decode()


def _deploy(client: Client, token: str, archive: str, options: str = "") -> requests.Response:
    taken = f"<m:DeployOptions><m:singlePackage>True</m:singlePackage>{options}</m:DeployOptions>"
    return client.soap(token, f"<m:deploy><m:ZipFile>{archive}</m:ZipFile>{taken}</m:deploy>")


def _deploy_status(client: Client, token: str, job: str | None, details: str = "true") -> requests.Response:
    asked = f"<m:asyncProcessId>{job}</m:asyncProcessId><m:includeDetails>{details}</m:includeDetails>"
    return client.soap(token, f"<m:checkDeployStatus>{asked}</m:checkDeployStatus>")


def _retrieve(client: Client, token: str, *members: str, type_name: str = TYPE, version: str = "67.0") -> str:
    names = "".join(f"<m:members>{member}</m:members>" for member in members)
    wanted = f"<m:unpackaged><m:types>{names}<m:name>{type_name}</m:name></m:types></m:unpackaged>"
    request = f"<m:apiVersion>{version}</m:apiVersion><m:singlePackage>true</m:singlePackage>{wanted}"
    call = f"<m:retrieve><m:retrieveRequest>{request}</m:retrieveRequest></m:retrieve>"
    result = _result(client.soap(token, call))
    assert _text(result, "state") == "Queued"
    return str(_text(result, "id"))


def _retrieve_status(client: Client, token: str, job: str) -> ElementTree.Element:
    call = f"<m:checkRetrieveStatus><m:asyncProcessId>{job}</m:asyncProcessId></m:checkRetrieveStatus>"
    return _result(client.soap(token, call))


def _update(client: Client, token: str, *sent: str, type_name: str = TYPE) -> requests.Response:
    namespace = 'xmlns:x="http://www.w3.org/2001/XMLSchema-instance"'
    metadata = "".join(f'<m:metadata {namespace} x:type="m:{type_name}">{inner}</m:metadata>' for inner in sent)
    return client.soap(token, f"<m:updateMetadata>{metadata}</m:updateMetadata>")


def _settings(client: Client, full_name: str = "Billing_glbloauth", **changed: str | None) -> str:
    elements = {"fullName": full_name, **settings_of(client.app, certificate=key_pair("second").pem)} | changed
    return "".join(f"<m:{name}>{value}</m:{name}>" for name, value in elements.items() if name != "idTokenConfig")


def test_a_deploy_is_a_job(client: Client) -> None:
    client.org.deployments.pace = DeployPace(60, 60)
    token = client.access_token()
    job = _text(_result(_deploy(client, token, _archive(client))), "id")
    seen = []
    for seconds in (0, 61, 60):
        client.org.clock.advance(seconds)
        seen.append(_text(_result(_deploy_status(client, token, job)), "status"))

    assert seen == ["Pending", "InProgress", "Succeeded"]
    assert client.app.fingerprint == key_pair("second").fingerprint


def test_a_rehearsal_writes_nothing(client: Client) -> None:
    client.org.deployments.pace = DeployPace(0, 0)
    token = client.access_token()
    taken = _deploy(client, token, _archive(client), "<m:checkOnly>True</m:checkOnly>")
    result = _result(_deploy_status(client, token, _text(_result(taken), "id")))

    assert (_text(result, "checkOnly"), _text(result, "success")) == ("true", "true")
    assert client.app.fingerprint == key_pair().fingerprint


def test_failures_come_with_the_details_alone(client: Client) -> None:
    client.org.deployments.pace = DeployPace(0, 0)
    token = client.access_token()
    job = _text(_result(_deploy(client, token, _archive(client, consumerKey="3MVG9own"))), "id")
    brief, whole = (_result(_deploy_status(client, token, job, details)) for details in ("false", "true"))

    assert _text(brief, "numberComponentErrors") == "1"
    assert _text(brief, "details/componentFailures/problem") is None
    assert _text(whole, "details/componentFailures/problem") == "You cannot provide a Consumer Key"


def test_what_cannot_be_read_is_a_fault(client: Client) -> None:
    token = client.access_token()

    assert fault_code(_deploy(client, token, "not base64")) == "soapenv:Client"
    options = "<m:checkOnly>perhaps</m:checkOnly>"
    assert fault_code(_deploy(client, token, _archive(client), options)) == "soapenv:Client"
    retrieve = "<m:retrieve><m:retrieveRequest><m:apiVersion>x</m:apiVersion></m:retrieveRequest></m:retrieve>"
    assert fault_code(client.soap(token, retrieve)) == "soapenv:Client"


def test_an_unknown_job_is_a_fault(client: Client) -> None:
    token = client.access_token()
    call = "<m:checkRetrieveStatus><m:asyncProcessId>09S000000000001</m:asyncProcessId></m:checkRetrieveStatus>"

    assert fault_code(_deploy_status(client, token, "0Af000000000001")) == "sf:INVALID_CROSS_REFERENCE_KEY"
    assert fault_code(client.soap(token, call)) == "sf:INVALID_CROSS_REFERENCE_KEY"


def test_a_retrieve_takes_its_time(client: Client) -> None:
    client.org.retrievals.seconds = 60
    token = client.access_token()
    job = _retrieve(client, token, "Billing_glbloauth")
    early = _retrieve_status(client, token, job)
    client.org.clock.advance(61)
    late = _retrieve_status(client, token, job[:15])

    assert [_text(result, "done") for result in (early, late)] == ["false", "true"]
    assert not _text(early, "zipFile")
    assert _text(late, "zipFile")


def test_a_retrieved_package_holds_what_was_asked_for(client: Client) -> None:
    client.org.add_external_client_app("Orders")
    client.org.retrievals.seconds = 0
    token = client.access_token()
    result = _retrieve_status(client, token, _retrieve(client, token, "Billing_glbloauth", "Absent"))
    with zipfile.ZipFile(io.BytesIO(base64.b64decode(_text(result, "zipFile") or ""))) as archive:
        names = archive.namelist()
        component = ElementTree.fromstring(archive.read(names[0]))
        manifest = ElementTree.fromstring(archive.read("package.xml"))

    assert names == ["extlClntAppGlobalOauthSets/Billing_glbloauth.ecaGlblOauth", "package.xml"]
    assert component.findtext(f"{MD}certificate") == key_pair().pem
    assert component.find(f"{MD}fullName") is None
    assert manifest.findtext(f"{MD}types/{MD}members") == "Billing_glbloauth"
    assert manifest.findtext(f"{MD}version") == "67.0"
    assert _text(result, "messages/problem") == f"Entity of type '{TYPE}' named 'Absent' cannot be found"


def test_a_request_is_known_by_its_place_and_its_packages_version_goes_first(client: Client) -> None:
    client.org.retrievals.seconds = 0
    token = client.access_token()
    types = f"<m:types><m:members>*</m:members><m:name>{TYPE}</m:name></m:types>"
    wanted = f"<m:unpackaged>{types}<m:version>61.0</m:version></m:unpackaged>"
    request = f"<m:request><m:apiVersion>59.0</m:apiVersion>{wanted}</m:request>"
    job = _text(_result(client.soap(token, f"<m:retrieve>{request}</m:retrieve>")), "id")
    result = _retrieve_status(client, token, str(job))
    with zipfile.ZipFile(io.BytesIO(base64.b64decode(_text(result, "zipFile") or ""))) as archive:
        manifest = archive.read("unpackaged/package.xml").decode()

    assert (
        _text(result, "fileProperties/fileName")
        == f"unpackaged/extlClntAppGlobalOauthSets/{client.app.full_name}.ecaGlblOauth"
    )
    assert "<version>61.0</version>" in manifest


@pytest.mark.parametrize(("type_name", "version"), [("CustomObject", "67.0"), (TYPE, "59.0")])
def test_a_type_that_is_not_known_is_said_to_be(client: Client, type_name: str, version: str) -> None:
    client.org.retrievals.seconds = 0
    token = client.access_token()
    result = _retrieve_status(client, token, _retrieve(client, token, "*", type_name=type_name, version=version))

    assert _text(result, "messages/problem") == f"Unknown type name '{type_name}' specified in package.xml"


def test_an_update_is_as_declarative_as_a_deploy(client: Client) -> None:
    client.app.spreading = OldUntil(100)
    (saved,) = _result(_update(client, client.access_token(), _settings(client))).iter(f"{MD}success")
    names = {element.name for element in client.app.component()}

    assert saved.text == "true"
    assert client.app.fingerprint == key_pair("second").fingerprint
    assert "idTokenConfig" not in names, "it was left out"
    assert {"callbackUrl", "consumerKey", "certificate"} <= names
    assert client.logs_in()


def test_each_update_succeeds_or_fails_for_itself(client: Client) -> None:
    token = client.access_token()
    refused = _settings(client, label=" ")
    response = _update(client, token, refused, _settings(client))
    results = ElementTree.fromstring(response.content).findall(f".//{MD}result")

    assert [_text(result, "success") for result in results] == ["false", "true"]
    assert _text(results[0], "errors/message") == "Required field is missing: label"
    assert client.app.fingerprint == key_pair("second").fingerprint


def test_updates_are_limited_in_type_and_number(client: Client) -> None:
    token = client.access_token()
    sent = _settings(client)

    assert fault_code(_update(client, token, sent, type_name="CustomObject")) == "sf:INVALID_TYPE"
    assert fault_code(_update(client, token, *[sent] * 11)) == "sf:EXCEEDED_ID_LIMIT"
    assert client.app.fingerprint == key_pair().fingerprint


def test_the_path_may_go_on_after_the_version(client: Client) -> None:
    url = f"{client.org.url}/services/Soap/m/67.0/00D000000000001"
    headers = {"Content-Type": "text/xml", "SOAPAction": '""'}

    assert fault_code(client.http.post(url, data=b"<a/>", headers=headers, timeout=10)) == "soapenv:Client"
