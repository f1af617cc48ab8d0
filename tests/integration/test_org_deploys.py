"""Deploying to the emulated org over REST: declarative, asynchronous, and refused component by component."""

import base64
import io
import zipfile
from collections.abc import Iterator
from typing import Any
from xml.etree import ElementTree

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding

from tests.integration.org_client import (
    JSON_OPTIONS,
    MD,
    XSI,
    Client,
    certificate_of,
    component_xml,
    key_pair,
    package,
    refusal,
    settings_of,
)
from tests.sandbox.org import CertificateEncoding, DeployPace, EmulatedOrg
from tests.sandbox.org.spreading import Never, OldUntil
from tests.sandbox.org.xmltree import Element


@pytest.fixture
def client() -> Iterator[Client]:
    with EmulatedOrg() as org:
        user = org.add_user("admin@example.com", metadata_permission=True)
        app = org.add_external_client_app("Billing", approved=[user])
        app.install(key_pair().pem)
        org.deployments.pace = DeployPace(0, 0)
        with Client(org, app, user) as client:
            yield client


def _new_certificate(client: Client, **changed: str | None) -> bytes:
    return package(client.app, component_xml(settings_of(client.app, certificate=key_pair("second").pem, **changed)))


def _others(client: Client) -> tuple[Element, ...]:
    return tuple(element for element in client.app.component() if element.name != "certificate")


def test_a_careful_deploy_changes_the_certificate_alone(client: Client) -> None:
    before = _others(client)
    token = client.access_token()
    result = client.deploy_and_wait(token, _new_certificate(client))

    assert (result["status"], result["done"], result["success"]) == ("Succeeded", True, True)
    assert result["details"]["componentSuccesses"][0]["fullName"] == client.app.full_name
    assert client.app.fingerprint == key_pair("second").fingerprint
    assert _others(client) == before
    assert client.logs_in(key_pair("second"))
    assert not client.logs_in()
    assert client.liveness(token).status_code == 200


def test_what_a_write_leaves_out_is_gone(client: Client) -> None:
    token = client.access_token()
    client.deploy_and_wait(token, _new_certificate(client, isPkceRequired=None, idTokenConfig=None))
    names = {element.name for element in client.app.component()}

    assert not names & {"isPkceRequired", "idTokenConfig"}
    assert {"isNamedUserJwtEnabled", "callbackUrl", "consumerKey", "certificate"} <= names


def test_a_write_without_a_certificate_clears_it(client: Client) -> None:
    content = component_xml(settings_of(client.app, certificate=None))
    client.deploy_and_wait(client.access_token(), package(client.app, content))

    assert client.app.fingerprint is None
    assert refusal(client.login()) == ("invalid_grant", "invalid assertion")


@pytest.mark.parametrize("encoding", ["pem", "der", "base64 of pem"])
def test_a_certificate_is_taken_in_three_encodings(client: Client, encoding: str) -> None:
    pair = key_pair("second")
    text = {
        "pem": pair.pem,
        "der": base64.encodebytes(pair.der).decode(),
        "base64 of pem": base64.b64encode(pair.pem.encode()).decode(),
    }[encoding]
    content = component_xml(settings_of(client.app, certificate=text))

    assert client.deploy_and_wait(client.access_token(), package(client.app, content))["success"]
    assert client.logs_in(pair)


def test_a_rehearsal_writes_nothing(client: Client) -> None:
    before = client.app.component()
    archive = _new_certificate(client, shouldRotateConsumerKey="true")
    result = client.deploy_and_wait(client.access_token(), archive, checkOnly=True)

    assert (result["success"], result["checkOnly"]) == (True, True)
    assert client.app.component() == before
    assert client.logs_in()


def test_unusual_text_and_attributes_come_back_as_they_were_sent(client: Client) -> None:
    odd = component_xml(settings_of(client.app, isOdd=None, futureSetting=" a&#13;&#10;<![CDATA[<b>]]>&amp; "))
    nil = '<futureList xmlns:i="http://www.w3.org/2001/XMLSchema-instance" i:nil="true" kind="x"/>'
    content = odd.replace("<label>", nil + "<label>")
    client.deploy_and_wait(client.access_token(), package(client.app, content))
    written = {element.name: element for element in client.app.component()}
    read = client.read(client.access_token(), client.app.full_name)

    assert written["futureSetting"].text == " a\r\n<b>& "
    assert ElementTree.fromstring(read.content).findtext(f".//{MD}futureSetting") == " a\r\n<b>& "
    found = ElementTree.fromstring(read.content).find(f".//{MD}futureList")
    assert found is not None
    assert found.attrib == {f"{XSI}nil": "true", "kind": "x"}


def test_turning_a_flow_off_by_leaving_its_flag_out_refuses_the_next_login(client: Client) -> None:
    admin = client.org.add_external_client_app("Admin", client_credentials_user=client.user)
    form = {"grant_type": "client_credentials", "client_id": admin.consumer_key, "client_secret": admin.consumer_secret}
    token = str(client.token(form).json()["access_token"])
    content = component_xml(settings_of(admin, isClientCredentialsFlowEnabled=None))

    assert client.deploy_and_wait(token, package(admin, content))["success"]
    assert refusal(client.token(form)) == ("invalid_grant", "no client credentials user enabled")


def test_rotating_the_consumer_key_locks_out_who_knew_the_old_one(client: Client) -> None:
    old = client.app.consumer_key
    client.deploy_and_wait(client.access_token(), _new_certificate(client, shouldRotateConsumerKey="true"))

    assert client.app.consumer_key != old
    assert refusal(client.login(key_pair("second"), iss=old))[0] == "invalid_client_id"
    assert client.logs_in(key_pair("second"))


def test_a_deploy_spreads_as_the_app_says(client: Client) -> None:
    client.app.next_spreadings.append(Never())
    client.app.spreading = OldUntil(1000)
    token = client.access_token()
    client.deploy_and_wait(token, _new_certificate(client))
    client.org.clock.advance(1001)
    assert client.logs_in()

    third = component_xml(settings_of(client.app, certificate=key_pair("third").pem))
    client.deploy_and_wait(token, package(client.app, third))
    assert client.logs_in()
    client.org.clock.advance(1001)
    assert client.logs_in(key_pair("third"))


def _weak() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=1024)
    return certificate_of(key).public_bytes(Encoding.PEM).decode()


def _elliptic() -> str:
    return certificate_of(ec.generate_private_key(ec.SECP256R1())).public_bytes(Encoding.PEM).decode()


def _large() -> str:
    return certificate_of(key_pair().key, padding=2600).public_bytes(Encoding.PEM).decode()


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ({"certificate": _weak}, "at least 2048 bits"),
        ({"certificate": _elliptic}, "RSA public key"),
        ({"certificate": _large}, "4 KB"),
        ({"certificate": lambda: "bm90IGEgY2VydGlmaWNhdGU="}, "can't be parsed"),
        ({"certificate": lambda: "-----BEGIN CERTIFICATE-----\n&#228;\n-----END CERTIFICATE-----"}, "can't be parsed"),
        ({"certificate": lambda: key_pair("second").pem * 2}, "exactly one"),
        ({"consumerKey": lambda: "3MVG9"}, "You cannot provide a Consumer Key"),
        ({"consumerSecret": lambda: "secret"}, "You cannot provide a Consumer Secret"),
        ({"externalClientApplication": lambda: "Nothing"}, "no ExternalClientApplication named Nothing found"),
        ({"externalClientApplication": None}, "Required field is missing: externalClientApplication"),
        ({"label": None}, "Required field is missing: label"),
        ({"isPkceRequired": lambda: "maybe"}, "not a valid value for the type xsd:boolean"),
    ],
)
def test_a_component_is_refused_and_nothing_written(client: Client, changed: dict[str, Any], problem: str) -> None:
    before = client.app.component()
    texts = {name: value() if value else None for name, value in changed.items()}
    content = component_xml(settings_of(client.app, **texts))
    result = client.deploy_and_wait(client.access_token(), package(client.app, content))
    (failure,) = result["details"]["componentFailures"]

    assert (result["status"], result["success"], result["numberComponentErrors"]) == ("Failed", False, 1)
    assert problem in failure["problem"]
    assert failure["fullName"] == client.app.full_name
    assert client.app.component() == before


def test_a_certificate_just_under_the_limit_is_taken(client: Client) -> None:
    pem = certificate_of(key_pair().key, padding=2000).public_bytes(Encoding.PEM).decode()
    assert 3000 < len(pem) < 4096
    content = component_xml(settings_of(client.app, certificate=pem))

    assert client.deploy_and_wait(client.access_token(), package(client.app, content))["success"]


@pytest.mark.parametrize(
    ("how", "problem"),
    [
        ({"member": "Other_glbloauth"}, "was named in package.xml, but was not found"),
        ({"full_name": "Other_glbloauth"}, "already has global OAuth settings"),
        ({"type_name": "CustomObject"}, "Unknown type name 'CustomObject'"),
        ({"version": "59.0"}, "Unknown type name"),
        ({"version": "69.0"}, "Invalid version"),
        ({"extra": {"classes/A.cls": "class A {}"}}, "classes/A.cls is not named in package.xml"),
    ],
)
def test_package_and_files_must_match(client: Client, how: dict[str, Any], problem: str) -> None:
    content = component_xml(settings_of(client.app))
    result = client.deploy_and_wait(client.access_token(), package(client.app, content, **how))

    assert not result["success"]
    assert problem in " ".join(failure["problem"] for failure in result["details"]["componentFailures"])


@pytest.mark.parametrize("name", ["certificate", "label", "externalClientApplication"])
def test_an_element_sent_twice_is_refused(client: Client, name: str) -> None:
    elements = settings_of(client.app)
    twice = f"<{name}>{elements[name]}</{name}>"
    content = component_xml(elements).replace("</Ext", twice + "</Ext")
    result = client.deploy_and_wait(client.access_token(), package(client.app, content))

    assert result["details"]["componentFailures"][0]["problem"] == f"Duplicate element {name}"


@pytest.mark.parametrize("allowed", [True, False])
def test_a_missing_file_may_be_allowed(client: Client, allowed: bool) -> None:
    archive = package(client.app, "")
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(archive)) as whole, zipfile.ZipFile(buffer, "w") as manifest_alone:
        manifest_alone.writestr("package.xml", whole.read("package.xml"))
    result = client.deploy_and_wait(client.access_token(), buffer.getvalue(), allowMissingFiles=allowed)

    assert result["success"] is allowed
    assert client.app.fingerprint == key_pair().fingerprint


@pytest.mark.parametrize(
    ("archive", "options", "message"),
    [
        (b"no zip", {}, "The zip file can't be read"),
        (None, {"singlePackage": False}, "No package.xml found"),
    ],
)
def test_a_package_that_cannot_be_opened_fails_as_a_whole(
    client: Client, archive: bytes | None, options: dict[str, bool], message: str
) -> None:
    result = client.deploy_and_wait(client.access_token(), archive or _new_certificate(client), **options)

    assert (result["status"], result["errorMessage"]) == ("Failed", message)
    assert client.logs_in()


def test_one_failure_can_come_as_an_object(client: Client) -> None:
    client.org.deployments.failures_as_object = True
    content = component_xml(settings_of(client.app, consumerKey="3MVG9"))
    result = client.deploy_and_wait(client.access_token(), package(client.app, content))

    assert result["details"]["componentFailures"]["problem"] == "You cannot provide a Consumer Key"


def test_a_deploy_or_only_its_rehearsal_can_be_made_to_fail(client: Client) -> None:
    token = client.access_token()
    client.org.deployments.fail_next("UNKNOWN_EXCEPTION: real")
    client.org.deployments.fail_next("UNKNOWN_EXCEPTION: rehearsed", check_only=True)
    rehearsed = client.deploy_and_wait(token, _new_certificate(client), checkOnly=True)
    real = client.deploy_and_wait(token, _new_certificate(client))

    assert rehearsed["errorMessage"] == "UNKNOWN_EXCEPTION: rehearsed"
    assert real["errorMessage"] == "UNKNOWN_EXCEPTION: real"
    assert client.deploy_and_wait(token, _new_certificate(client))["success"]


def test_success_can_be_said_without_a_deed(client: Client) -> None:
    client.org.deployments.pretend_success = 1
    token = client.access_token()

    assert client.deploy_and_wait(token, _new_certificate(client), checkOnly=True)["success"]
    assert client.deploy_and_wait(token, _new_certificate(client))["success"]
    assert client.app.fingerprint == key_pair().fingerprint
    assert client.deploy_and_wait(token, _new_certificate(client))["success"]
    assert client.app.fingerprint == key_pair("second").fingerprint


def test_states_advance_with_the_polls(client: Client) -> None:
    client.org.deployments.pace = DeployPace(1, 2, "polls")
    token = client.access_token()
    deployment_id = client.deploy(token, _new_certificate(client)).json()["id"]
    polled = [client.poll(token, deployment_id) for _ in range(5)]

    assert [result["status"] for result in polled] == ["Pending", "InProgress", "InProgress", "Succeeded", "Succeeded"]
    assert [result["done"] for result in polled] == [False, False, False, True, True]


def test_a_deploy_takes_effect_in_its_time_though_nobody_polls(client: Client) -> None:
    client.org.deployments.pace = DeployPace(60, 60)
    token = client.access_token()
    deployment_id = client.deploy(token, _new_certificate(client)).json()["id"]
    seen = []
    for seconds in (0, 90, 60):
        client.org.clock.advance(seconds)
        seen.append((client.app.fingerprint, client.poll(token, deployment_id[:15])["status"]))
    old, new = key_pair().fingerprint, key_pair("second").fingerprint

    assert seen == [(old, "Pending"), (old, "InProgress"), (new, "Succeeded")]


def test_a_deploy_spreads_from_when_it_took_effect(client: Client) -> None:
    client.org.deployments.pace = DeployPace(60, 60)
    client.app.spreading = OldUntil(100)
    client.deploy(client.access_token(), _new_certificate(client))

    client.org.clock.advance(125)
    assert client.logs_in()
    client.org.clock.advance(100)
    assert client.logs_in(key_pair("second"))


@pytest.mark.parametrize("json_name", ["json", "entity_content"])
@pytest.mark.parametrize("file_first", [False, True])
def test_parts_come_in_any_order_and_under_either_name(client: Client, json_name: str, file_first: bool) -> None:
    response = client.deploy(
        client.access_token(), _new_certificate(client), json_name=json_name, file_first=file_first
    )

    assert response.status_code == 201
    assert response.json()["deployResult"]["status"] == "Pending"
    assert client.app.fingerprint == key_pair("second").fingerprint


def test_only_who_may_change_metadata_deploys_and_polls(client: Client) -> None:
    token = client.access_token()
    deployment_id = client.deploy(token, _new_certificate(client)).json()["id"]
    client.user.metadata_permission = False
    polled = client.get(f"/services/data/v67.0/metadata/deployRequest/{deployment_id}", token)

    for response in (client.deploy(token, _new_certificate(client)), polled):
        assert (response.status_code, response.json()[0]["errorCode"]) == (403, "INSUFFICIENT_ACCESS")
    assert client.deploy("nothing", _new_certificate(client)).status_code == 401


def test_a_jwt_token_deploys(client: Client) -> None:
    app = client.org.add_external_client_app("Modern", approved=[client.user], jwt_access_tokens=True)
    app.install(key_pair().pem)
    token = Client(client.org, app, client.user, client.http).access_token()

    assert client.deploy_and_wait(token, _new_certificate(client))["success"]


@pytest.mark.parametrize("options", [["checkOnly"], JSON_OPTIONS | {"checkOnly": "false"}])
def test_options_that_cannot_be_read_are_a_bad_request(client: Client, options: object) -> None:
    response = client.deploy(client.access_token(), _new_certificate(client), options=options)

    assert (response.status_code, response.json()[0]["errorCode"]) == (400, "JSON_PARSER_ERROR")
    assert client.app.fingerprint == key_pair().fingerprint


def test_a_body_that_is_no_multipart_is_a_bad_request(client: Client) -> None:
    headers = {"Authorization": f"Bearer {client.access_token()}"}
    url = f"{client.org.url}/services/data/v67.0/metadata/deployRequest"

    assert client.http.post(url, json={}, headers=headers, timeout=10).status_code == 400


def test_an_unknown_deploy_is_not_found(client: Client) -> None:
    path = "/services/data/v67.0/metadata/deployRequest/0Af000000000001"

    assert client.get(path, client.access_token()).status_code == 404


def test_a_component_read_and_sent_back_is_the_same_whatever_the_encoding(client: Client) -> None:
    token = client.access_token()
    before = client.app.component()
    for encoding in (CertificateEncoding.DER_BASE64, CertificateEncoding.PEM_BASE64, CertificateEncoding.PEM):
        client.app.certificate_encoding = encoding
        client.deploy_and_wait(token, package(client.app, component_xml(settings_of(client.app))))

    assert client.app.component() == before
