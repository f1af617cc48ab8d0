"""simple-salesforce against the emulated org: a client that nobody here wrote, over Salesforce's own WSDL."""

import io
import os
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import simple_salesforce
import zeep
from simple_salesforce.api import Salesforce
from simple_salesforce.exceptions import SalesforceAuthenticationFailed

from tests.integration.org_client import key_pair
from tests.sandbox.org import App, DeployPace, EmulatedOrg, Org, ThrowAwayAuthority, User

VERSION = "63.0"
WSDL = Path(simple_salesforce.__file__).with_name("metadata.wsdl")
# The library makes its sessions itself: what leads them to loopback, and what they trust, must come from here.
_PROXY_VARIABLES = {"http_proxy", "https_proxy", "all_proxy", "no_proxy"}


@dataclass(frozen=True)
class Scene:
    """An org at a My Domain with an app of either kind, and the library logged in through the app."""

    org: Org
    app: App
    user: User
    salesforce: Salesforce

    @property
    def type_name(self) -> str:
        return self.app.kind.component.name

    @property
    def metadata(self) -> Any:
        return getattr(self.salesforce.mdapi, self.type_name)

    def read(self) -> Any:
        return self.metadata.read([self.app.full_name])

    def credentials(self, component: Any) -> Any:
        """The part of a component with the certificate in it."""
        return component.oauthConfig if self.type_name == "ConnectedApp" else component


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> ThrowAwayAuthority:
    return ThrowAwayAuthority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module", params=["ConnectedApp", "ExtlClntAppGlobalOauthSettings"])
def logged_in(request: pytest.FixtureRequest, authority: ThrowAwayAuthority) -> Iterator[Scene]:
    """For the whole module, since the library reads 1.5 MB of WSDL for every login."""
    with EmulatedOrg(tls=authority, my_domain="acme.my.salesforce.com") as org, pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.lower() in _PROXY_VARIABLES]:
            patch.delenv(name)
        assert org.proxy_url is not None
        patch.setenv("HTTPS_PROXY", org.proxy_url)
        patch.setenv("REQUESTS_CA_BUNDLE", str(authority.ca_file))
        user = org.add_user("admin@example.com", metadata_permission=True)
        add = org.add_connected_app if request.param == "ConnectedApp" else org.add_external_client_app
        app = add("Billing", approved=[user])
        app.install(key_pair().pem)
        org.deployments.pace = DeployPace(0, 0)
        org.retrievals.seconds = 0
        salesforce = _login(app, user)
        yield Scene(org, app, user, salesforce)
        salesforce.session.close()


@pytest.fixture
def scene(logged_in: Scene) -> Iterator[Scene]:
    kept = logged_in.app.elements
    yield logged_in
    logged_in.app.elements = kept
    logged_in.app.install(key_pair().pem)


def _login(app: App, user: User, name: str = "first") -> Salesforce:
    return Salesforce(
        username=user.username,
        consumer_key=app.consumer_key,
        privatekey=key_pair(name).private_pem,
        domain="acme.my",
        version=VERSION,
    )


def test_it_logs_in_by_jwt_at_the_my_domain(scene: Scene) -> None:
    assert scene.salesforce.sf_instance == "acme.my.salesforce.com"
    with pytest.raises(SalesforceAuthenticationFailed, match=r"invalid_grant\): invalid assertion"):
        _login(scene.app, scene.user, "second")


def test_it_describes_and_lists(scene: Scene) -> None:
    api = scene.salesforce.mdapi
    described = {known.xmlName: known.directoryName for known in api.describe_metadata().metadataObjects}
    (listed,) = api.list_metadata([api.ListMetadataQuery(type=scene.type_name)])

    assert described[scene.type_name] == scene.app.kind.component.folder
    assert (listed.fullName, listed.type) == (scene.app.full_name, scene.type_name)
    assert listed.fileName == scene.app.kind.component.file_name(scene.app.full_name)


def test_it_reads_and_changes_the_certificate_alone(scene: Scene) -> None:
    before = scene.app.elements
    component = scene.read()
    credentials = scene.credentials(component)
    assert (credentials.certificate, credentials.consumerKey) == (key_pair().pem, scene.app.consumer_key)

    credentials.consumerKey = None
    credentials.certificate = key_pair("second").pem
    scene.metadata.update([component])

    assert scene.app.fingerprint == key_pair("second").fingerprint
    assert scene.app.elements == before
    assert scene.credentials(scene.read()).certificate == key_pair("second").pem
    assert _login(scene.app, scene.user, "second").sf_instance == scene.salesforce.sf_instance


def test_an_update_that_forgets_the_certificate_clears_it(scene: Scene) -> None:
    component = scene.read()
    scene.credentials(component).consumerKey = None
    scene.credentials(component).certificate = None
    scene.metadata.update([component])

    assert scene.app.fingerprint is None


def test_a_component_as_it_was_read_is_refused_for_its_key(scene: Scene) -> None:
    component = scene.read()
    with pytest.raises(Exception, match="You cannot provide a Consumer Key"):
        scene.metadata.update([component])

    assert scene.app.fingerprint == key_pair().fingerprint


def test_a_name_that_is_not_there_reads_as_nothing(scene: Scene) -> None:
    assert scene.metadata.read(["Absent"]).fullName is None


def _without_key(archive: bytes, app: App, certificate: str) -> io.BytesIO:
    """A retrieved package, made fit to be deployed by text alone."""
    changed = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(archive)) as old, zipfile.ZipFile(changed, "w") as new:
        for name in old.namelist():
            text = old.read(name).decode().replace(f"<consumerKey>{app.consumer_key}</consumerKey>", "")
            new.writestr(name, text.replace(key_pair().pem, certificate))
    return changed


def test_it_retrieves_a_package_and_deploys_it_with_a_new_certificate(scene: Scene) -> None:
    before = scene.app.elements
    api = scene.salesforce.mdapi
    retrieval, state = api.retrieve("", unpackaged={scene.type_name: [scene.app.full_name, "Absent"]})
    assert (state, retrieval is not None) == ("Queued", True)
    status, _, messages = api.check_retrieve_status(str(retrieval))
    _, _, _, archive = api.retrieve_zip(str(retrieval))
    package = _without_key(archive, scene.app, key_pair("second").pem)
    deployment = scene.salesforce.deploy(package, sandbox=False)
    result = scene.salesforce.checkDeployStatus(str(deployment["asyncId"]))

    assert status == "Succeeded"
    assert messages == [], "it looks for them in details, where the schema has none"
    assert result["state"] == "Succeeded"
    assert scene.app.fingerprint == key_pair("second").fingerprint
    assert scene.app.elements == before


def test_a_failed_deploy_names_its_component(scene: Scene) -> None:
    api = scene.salesforce.mdapi
    retrieval, _ = api.retrieve("", unpackaged={scene.type_name: [scene.app.full_name]})
    _, _, _, archive = api.retrieve_zip(str(retrieval))
    deployment = scene.salesforce.deploy(io.BytesIO(archive), sandbox=True)
    state, _, detail, _ = api.check_deploy_status(str(deployment["asyncId"]))

    assert state == "Failed"
    assert detail is not None
    assert detail["errors"] == [
        {
            "type": scene.type_name,
            "file": scene.app.kind.component.file_name(scene.app.full_name),
            "status": "Error",
            "message": "You cannot provide a Consumer Key",
        }
    ]


def test_every_answer_keeps_to_the_schema(scene: Scene) -> None:
    """The library lets order and unknown elements pass; zeep itself, when strict, doesn't."""
    client = zeep.Client(WSDL.as_uri())  # type: ignore[no-untyped-call]
    url = f"{scene.org.url}/services/Soap/m/{VERSION}"
    service = client.create_service("{http://soap.sforce.com/2006/04/metadata}MetadataBinding", url)  # type: ignore[no-untyped-call]
    header = client.get_element("ns0:SessionHeader")(sessionId=scene.salesforce.session_id)  # type: ignore[no-untyped-call]
    wanted = {"types": [{"members": ["*"], "name": scene.type_name}], "version": VERSION}

    def call(name: str, *arguments: object) -> Any:
        return service[name](*arguments, _soapheaders=[header])

    (component,) = call("readMetadata", scene.type_name, [scene.app.full_name])
    (saved,) = call("updateMetadata", [component])
    retrieval = call("retrieve", {"apiVersion": 63.0, "singlePackage": False, "unpackaged": wanted})
    retrieved = call("checkRetrieveStatus", retrieval.id, True)
    options = dict.fromkeys(
        ["allowMissingFiles", "autoUpdatePackage", "checkOnly", "ignoreWarnings", "performRetrieve", "purgeOnDelete"],
        False,
    )
    taken = call(
        "deploy",
        retrieved.zipFile,
        {**options, "rollbackOnError": True, "singlePackage": True, "testLevel": "NoTestRun"},
    )
    deployed = call("checkDeployStatus", taken.id, True).body.result

    assert call("describeMetadata", 63.0).testRequired is False
    assert call("listMetadata", [{"type": scene.type_name}], 63.0)[0].fullName == scene.app.full_name
    assert (saved.success, saved.errors[0].message) == (False, "You cannot provide a Consumer Key")
    with zipfile.ZipFile(io.BytesIO(retrieved.zipFile)) as archive:
        path = scene.app.kind.component.file_name(scene.app.full_name)
        assert archive.namelist() == [f"unpackaged/{path}", "unpackaged/package.xml"]
    assert [properties.fileName for properties in retrieved.fileProperties] == [f"unpackaged/{path}"]
    assert call("checkRetrieveStatus", retrieval.id, False).zipFile is None
    assert (deployed.status, deployed.errorMessage) == ("Failed", "No package.xml found")
    client.transport.session.close()
