"""Connected Apps in the emulated org: the same rules as for External Client Apps, with the certificate elsewhere."""

from collections.abc import Iterable, Iterator
from xml.etree import ElementTree

import pytest

from tests.integration.org_client import MD, XSI, Client, fault_code, file_xml, key_pair, package, refusal
from tests.sandbox.org import CertificateEncoding, DeployPace, EmulatedOrg, Presence
from tests.sandbox.org.spreading import OldUntil
from tests.sandbox.org.xmltree import Element

_CREDENTIALS = {"certificate", "consumerKey", "consumerSecret"}


@pytest.fixture(params=["Billing", "acme__Billing"])
def client(request: pytest.FixtureRequest) -> Iterator[Client]:
    with EmulatedOrg() as org:
        user = org.add_user("admin@example.com", metadata_permission=True)
        app = org.add_connected_app(request.param, approved=[user])
        app.install(key_pair().pem)
        org.deployments.pace = DeployPace(0, 0)
        with Client(org, app, user) as client:
            yield client


def _oauth(client: Client) -> tuple[Element, ...]:
    (config,) = [element for element in client.app.component() if element.name == "oauthConfig"]
    return config.children


def _file(client: Client, *sent: Element, without: Iterable[str] = ()) -> str:
    """What a careful client sends: all that it reads but the keys and some names, with `sent` in oauthConfig."""
    kept = [element for element in _oauth(client) if element.name not in {*_CREDENTIALS, *without}]
    config = Element("oauthConfig", children=(*sent, *kept))
    others = [element for element in client.app.component() if element.name != "oauthConfig"]
    elements = [element for element in (config, *others) if element.name not in without]
    return file_xml("ConnectedApp", "".join(element.render() for element in elements))


def _certificate(name: str = "second") -> Element:
    return Element("certificate", key_pair(name).pem)


def _others(client: Client) -> list[Element]:
    beside = [element for element in client.app.component() if element.name != "oauthConfig"]
    return beside + [element for element in _oauth(client) if element.name != "certificate"]


def _problem(client: Client, content: str) -> str:
    result = client.deploy_and_wait(client.access_token(), package(client.app, content))
    (failure,) = result["details"]["componentFailures"]
    assert (result["status"], failure["componentType"]) == ("Failed", "ConnectedApp")
    return str(failure["problem"])


def test_it_is_listed_and_read_as_a_whole(client: Client) -> None:
    token = client.access_token()
    listed = ElementTree.fromstring(client.list_metadata(token, "ConnectedApp").content)
    (record,) = ElementTree.fromstring(client.read(token, client.app.name, type_name="ConnectedApp").content).iter(
        f"{MD}records"
    )

    assert [name.text for name in listed.iter(f"{MD}fullName")] == [client.app.name]
    assert listed.findtext(f".//{MD}fileName") == f"connectedApps/{client.app.name}.connectedApp"
    packaged = client.app.name.startswith("acme__")
    assert listed.findtext(f".//{MD}manageableState") == ("installed" if packaged else "unmanaged")
    assert listed.findtext(f".//{MD}namespacePrefix") == ("acme" if packaged else None)
    assert record.get(f"{XSI}type") == "ConnectedApp"
    assert record.findtext(f"{MD}oauthConfig/{MD}certificate") == key_pair().pem
    assert record.findtext(f"{MD}oauthConfig/{MD}consumerKey") == client.app.consumer_key
    assert record.find(f"{MD}oauthConfig/{MD}consumerSecret") is None
    assert [scope.text for scope in record.iter(f"{MD}scopes")] == ["Api", "RefreshToken"]
    assert [name.text for name in record.iter(f"{MD}permissionSetName")] == ["Integration_Login", "Integration_Data"]
    names = [child.tag.removeprefix(MD) for child in record]
    assert names == ["fullName", *sorted(names[1:])]
    assert {"contactEmail", "label", "oauthPolicy", "profileName", "sessionPolicy"} <= set(names)


def test_the_type_begins_with_version_29(client: Client) -> None:
    token = client.access_token()
    read = {"type_name": "ConnectedApp"}

    assert client.read(token, client.app.name, version="29.0", **read).status_code == 200
    assert fault_code(client.read(token, client.app.name, version="28.0", **read)) == "sf:INVALID_TYPE"


def test_each_kind_is_found_under_its_own_type_alone(client: Client) -> None:
    client.org.add_external_client_app("Modern")
    token = client.access_token()

    assert "Modern" not in client.list_metadata(token, "ConnectedApp").text
    assert "Billing" not in client.list_metadata(token).text
    assert "Billing" not in client.list_metadata(token, "ExternalClientApplication").text
    assert 'xsi:nil="true"' in client.read(token, "Modern_glbloauth", type_name="ConnectedApp").text


def test_a_careful_deploy_changes_the_certificate_alone(client: Client) -> None:
    before = _others(client)
    result = client.deploy_and_wait(client.access_token(), package(client.app, _file(client, _certificate())))

    success, manifest = result["details"]["componentSuccesses"]
    assert (manifest["componentType"], manifest["fullName"]) == ("", "package.xml")
    assert (success["componentType"], success["fullName"]) == ("ConnectedApp", client.app.name)
    assert success["fileName"] == f"connectedApps/{client.app.name}.connectedApp"
    assert client.app.fingerprint == key_pair("second").fingerprint
    assert _others(client) == before
    assert client.logs_in(key_pair("second"))
    assert not client.logs_in()


def test_what_a_write_leaves_out_is_gone(client: Client) -> None:
    token = client.access_token()
    names = {"oauthPolicy", "sessionPolicy", "profileName", "permissionSetName", "ipRanges", "description"}
    client.deploy_and_wait(token, package(client.app, _file(client, _certificate(), without=names)))

    assert [element.name for element in client.app.component()] == [
        "contactEmail",
        "contactPhone",
        "label",
        "oauthConfig",
    ]


def test_a_write_without_a_certificate_clears_it(client: Client) -> None:
    client.deploy_and_wait(client.access_token(), package(client.app, _file(client)))

    assert client.app.fingerprint is None
    assert refusal(client.login()) == ("invalid_grant", "invalid assertion")


def test_a_write_without_oauth_settings_leaves_no_certificate_and_no_scopes(client: Client) -> None:
    content = _file(client, without=["oauthConfig"])
    client.deploy_and_wait(client.access_token(), package(client.app, content))
    client.app.install(key_pair().pem)

    assert [element.name for element in _oauth(client)] == ["certificate", "consumerKey"]
    assert refusal(client.login()) == ("invalid_grant", "no valid scopes defined")


@pytest.mark.parametrize(
    ("kept", "expected"),
    [("Api", "invalid_request"), ("RefreshToken", "invalid_grant")],
)
def test_losing_a_scope_refuses_the_next_login(client: Client, kept: str, expected: str) -> None:
    content = _file(client, _certificate(), Element("scopes", kept), without=["scopes"])
    client.deploy_and_wait(client.access_token(), package(client.app, content))

    assert refusal(client.login(key_pair("second")))[0] == expected


@pytest.mark.parametrize(
    ("sent", "problem"),
    [
        (Element("consumerKey", "3MVG9own"), "You cannot provide a Consumer Key"),
        (Element("consumerSecret", "secret"), "You cannot provide a Consumer Secret"),
        (Element("certificate", "bm90IGEgY2VydGlmaWNhdGU="), "The certificate is invalid: it can't be parsed"),
        (Element("callbackUrl", "https://second.example"), "Duplicate element callbackUrl"),
        (Element("isTokenExchangeEnabled", "yes"), "'yes' is not a valid value for the type xsd:boolean"),
    ],
)
def test_a_component_is_refused_and_nothing_written(client: Client, sent: Element, problem: str) -> None:
    before = client.app.component()

    assert _problem(client, _file(client, sent)) == problem
    assert client.app.component() == before


def test_the_key_of_another_app_is_taken(client: Client) -> None:
    other = client.org.add_connected_app("Other")
    content = _file(client, Element("consumerKey", other.consumer_key))

    assert _problem(client, content) == "The consumer key is already taken."


@pytest.mark.parametrize("missing", ["contactEmail", "label", "callbackUrl"])
def test_required_fields_are_required(client: Client, missing: str) -> None:
    assert _problem(client, _file(client, without=[missing])) == f"Required field is missing: {missing}"


def test_no_new_one_can_be_made(client: Client) -> None:
    token = client.access_token()
    archive = package(client.app, _file(client), full_name="Another")
    (failure,) = client.deploy_and_wait(token, archive)["details"]["componentFailures"]

    assert "can't create a connected app" in failure["problem"]


def test_an_app_that_is_missing_has_no_component(client: Client) -> None:
    token = client.access_token()
    client.app.presence = Presence.MISSING

    assert 'xsi:nil="true"' in client.read(token, client.app.name, type_name="ConnectedApp").text
    assert "<result>" not in client.list_metadata(token, "ConnectedApp").text


@pytest.mark.parametrize("host", ["login.salesforce.com", "test.salesforce.com"])
def test_generic_hosts_serve_it_where_they_are_the_orgs(client: Client, host: str) -> None:
    generic = f"https://{host}"
    assert refusal(client.login(aud=generic)) == ("invalid_grant", "audience is invalid")
    assert refusal(client.login(host=host)) == ("invalid_grant", "request not supported on this domain")

    client.org.accepted_audiences.add(generic)

    assert client.login(aud=generic).status_code == 200
    assert client.login(host=host).status_code == 200
    assert client.logs_in()


def test_client_credentials_and_jwt_access_tokens_are_its_own_flags(client: Client) -> None:
    admin = client.org.add_connected_app("Admin", client_credentials_user=client.user, jwt_access_tokens=True)
    form = {"grant_type": "client_credentials", "client_id": admin.consumer_key, "client_secret": admin.consumer_secret}

    assert client.token(form).json()["access_token"].count(".") == 2
    form |= {"client_id": client.app.consumer_key, "client_secret": client.app.consumer_secret}
    assert refusal(client.token(form)) == ("invalid_grant", "no client credentials user enabled")


def test_its_certificate_spreads_and_is_answered_in_any_encoding(client: Client) -> None:
    token = client.access_token()
    client.app.spreading = OldUntil(100)
    client.app.certificate_encoding = CertificateEncoding.ABSENT
    client.deploy_and_wait(token, package(client.app, _file(client, _certificate())))

    assert "certificate" not in {element.name for element in _oauth(client)}
    assert client.logs_in()
    client.org.clock.advance(101)
    assert client.logs_in(key_pair("second"))
