"""Reading metadata from the emulated org over SOAP."""

import base64
from collections.abc import Iterator
from xml.etree import ElementTree

import pytest

from tests.integration.org_client import MD, XSI, Client, fault_code, key_pair
from tests.sandbox.org import CertificateEncoding, EmulatedOrg
from tests.sandbox.org.xmltree import Element


@pytest.fixture
def client() -> Iterator[Client]:
    with EmulatedOrg() as org:
        user = org.add_user("admin@example.com", metadata_permission=True)
        app = org.add_external_client_app("Billing", approved=[user])
        app.install(key_pair().pem)
        with Client(org, app, user) as client:
            yield client


def _records(client: Client, *full_names: str) -> list[ElementTree.Element]:
    response = client.read(client.access_token(), *full_names)
    assert response.status_code == 200, response.text
    return ElementTree.fromstring(response.content).findall(f".//{MD}records")


def _tree(parsed: ElementTree.Element) -> Element:
    children = tuple(_tree(child) for child in parsed)
    return Element(parsed.tag.removeprefix(MD), "" if children else parsed.text or "", children)


def test_listing_gives_file_properties_and_not_the_apps_name(client: Client) -> None:
    client.org.add_external_client_app("Orders", full_name="Orders_glbl")
    response = client.list_metadata(client.access_token())
    results = ElementTree.fromstring(response.content).findall(f".//{MD}listMetadataResponse/{MD}result")

    assert [result.findtext(f"{MD}fullName") for result in results] == ["Billing_glbloauth", "Orders_glbl"]
    assert results[0].findtext(f"{MD}type") == "ExtlClntAppGlobalOauthSettings"
    assert results[0].findtext(f"{MD}fileName") == "extlClntAppGlobalOauthSets/Billing_glbloauth.ecaGlblOauth"
    assert "externalClientApplication" not in response.text


def test_the_apps_themselves_can_be_listed_and_read(client: Client) -> None:
    token = client.access_token()
    listed = client.list_metadata(token, "ExternalClientApplication")
    read = client.read(token, "Billing", type_name="ExternalClientApplication")

    assert f"<fullName>{client.app.name}</fullName>" in listed.text
    assert f"<label>{client.app.name}</label>" in read.text


def test_an_apps_scopes_and_policies_can_be_read(client: Client) -> None:
    client.app.relaxes_ip = False
    token = client.access_token()
    scopes = client.read(token, "Billing_oauth", type_name="ExtlClntAppOauthSettings")
    policies = client.read(token, "Billing_oauthPlcy", type_name="ExtlClntAppOauthConfigurablePolicies")

    assert "<commaSeparatedOauthScopes>Api, RefreshToken</commaSeparatedOauthScopes>" in scopes.text
    assert "<permittedUsersPolicyType>AdminApprovedPreAuthorized</permittedUsersPolicyType>" in policies.text
    assert "<ipRelaxationPolicyType>Enforce</ipRelaxationPolicyType>" in policies.text


def test_a_read_answers_the_whole_component(client: Client) -> None:
    (record,) = _records(client, client.app.full_name)

    assert record.get(f"{XSI}type") == "ExtlClntAppGlobalOauthSettings"
    assert _tree(record).children == (Element("fullName", "Billing_glbloauth"), *client.app.component())
    names = [element.name for element in client.app.component()]
    assert {"callbackUrl", "certificate", "consumerKey", "externalClientApplication", "idTokenConfig", "label"} <= set(
        names
    )
    assert "consumerSecret" not in names
    assert record.findtext(f"{MD}consumerKey") == client.app.consumer_key
    assert record.findtext(f"{MD}label") == "Billing <global> OAuth & settings"
    assert record.findtext(f"{MD}idTokenConfig/{MD}idTokenValidityInMinutes") == "2"


def test_an_org_may_answer_the_consumer_secret(client: Client) -> None:
    client.app.answers_consumer_secret = True

    assert _records(client, client.app.full_name)[0].findtext(f"{MD}consumerSecret") == client.app.consumer_secret


def test_a_missing_component_is_one_nil_record(client: Client) -> None:
    records = _records(client, "Nothing_glbloauth", client.app.full_name)

    assert [record.get(f"{XSI}nil") for record in records] == ["true", None]


@pytest.mark.parametrize("encoding", CertificateEncoding, ids=str)
def test_a_certificate_is_answered_in_any_encoding(client: Client, encoding: CertificateEncoding) -> None:
    client.app.certificate_encoding = encoding
    expected = {
        CertificateEncoding.PEM: key_pair().pem,
        CertificateEncoding.DER_BASE64: base64.b64encode(key_pair().der).decode(),
        CertificateEncoding.PEM_BASE64: base64.b64encode(key_pair().pem.encode()).decode(),
        CertificateEncoding.ABSENT: None,
    }

    assert _records(client, client.app.full_name)[0].findtext(f"{MD}certificate") == expected[encoding]
    assert client.app.fingerprint == key_pair().fingerprint


@pytest.mark.parametrize(
    ("version", "type_name", "code"),
    [
        ("67.0", "CustomObject", "sf:INVALID_TYPE"),
        ("59.0", "ExtlClntAppGlobalOauthSettings", "sf:INVALID_TYPE"),
        ("69.0", "ExtlClntAppGlobalOauthSettings", "sf:UNSUPPORTED_API_VERSION"),
        ("67", "ExtlClntAppGlobalOauthSettings", "sf:UNSUPPORTED_API_VERSION"),
        ("x.0", "ExtlClntAppGlobalOauthSettings", "sf:UNSUPPORTED_API_VERSION"),
    ],
)
def test_types_and_versions_are_checked(client: Client, version: str, type_name: str, code: str) -> None:
    token = client.access_token()

    assert fault_code(client.read(token, "Billing_glbloauth", type_name=type_name, version=version)) == code
    assert fault_code(client.list_metadata(token, type_name, version=version)) == code


def test_the_first_version_of_the_type_will_do(client: Client) -> None:
    assert client.read(client.access_token(), "Billing_glbloauth", version="60.0").status_code == 200


def test_a_dead_session_is_a_fault(client: Client) -> None:
    token = client.access_token()
    client.org.sessions.kill(token)

    assert fault_code(client.list_metadata(token)) == "sf:INVALID_SESSION_ID"


@pytest.mark.parametrize("right", ["metadata_permission", "api_enabled"])
def test_a_user_without_the_right_is_refused(client: Client, right: str) -> None:
    token = client.access_token()
    setattr(client.user, right, False)

    assert fault_code(client.read(token, "Billing_glbloauth")) == "sf:INSUFFICIENT_ACCESS"


def test_a_jwt_session_is_refused_below_68(client: Client) -> None:
    app = client.org.add_external_client_app("Modern", approved=[client.user], jwt_access_tokens=True)
    app.install(key_pair().pem)
    token = Client(client.org, app, client.user, client.http).access_token()

    assert fault_code(client.read(token, "Billing_glbloauth", version="67.0")) == "sf:INVALID_SESSION_ID"
    assert client.read(token, "Billing_glbloauth", version="68.0").status_code == 200


def test_more_than_ten_names_are_too_many(client: Client) -> None:
    token = client.access_token()

    assert client.read(token, *["Billing_glbloauth"] * 10).text.count("<records") == 10
    assert fault_code(client.read(token, *["Billing_glbloauth"] * 11)) == "sf:EXCEEDED_ID_LIMIT"


def test_an_unknown_call_and_two_calls_are_client_faults(client: Client) -> None:
    token = client.access_token()

    for call in ("<m:deleteMetadata/>", "", "<m:readMetadata/><m:readMetadata/>", "<x/>", "<m:a>"):
        assert fault_code(client.soap(token, call)) == "soapenv:Client"


def test_entities_are_not_expanded(client: Client) -> None:
    bomb = b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>'
    headers = {"Content-Type": "text/xml", "SOAPAction": '""'}
    response = client.http.post(f"{client.org.url}/services/Soap/m/67.0", data=bomb, headers=headers, timeout=10)

    assert fault_code(response) == "soapenv:Client"


def test_the_soap_headers_are_needed(client: Client) -> None:
    url = f"{client.org.url}/services/Soap/m/67.0"
    for headers in ({"Content-Type": "text/xml"}, {"Content-Type": "application/json", "SOAPAction": '""'}):
        assert fault_code(client.http.post(url, data=b"<a/>", headers=headers, timeout=10)) == "soapenv:Client"
