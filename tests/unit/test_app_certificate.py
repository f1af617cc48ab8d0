"""Replacing the certificate of an app changes the certificate, and nothing else."""

import io
import logging
import zipfile
from collections.abc import Callable
from xml.etree.ElementTree import fromstring

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from salesforce_keypair.errors import InstallationRefused, KeyPairError
from salesforce_keypair.keypair import Certificate
from salesforce_keypair.salesforce.app_certificate import CONNECTED_APP, EXTERNAL_CLIENT_APP, AppCertificate, AppKind
from salesforce_keypair.salesforce.metadata import MetadataApi
from tests.integration.org_client import MD, certificate_of, key_pair
from tests.sandbox.org import App, CertificateEncoding, Kind
from tests.sandbox.org.exchange import Reply
from tests.sandbox.org.faults import Fault, reset_after_acting, soap_fault
from tests.sandbox.org.xmltree import Element
from tests.scenarios.promises import assert_tells_what_to_do
from tests.unit.support import Billing

FIRST, SECOND = "first", "second"


def certificate(name: str) -> Certificate:
    return Certificate.parse(key_pair(name).pem)


def app_of(billing: Billing, name: str = "Billing", kind: AppKind = EXTERNAL_CLIENT_APP) -> AppCertificate:
    api = MetadataApi(
        transport=billing.transport,
        clock=billing.clock,
        authorize=billing.admin_session,
        api_version="67.0",
        deadline=billing.clock.deadline(),
    )
    return AppCertificate(api=api, kind=kind, app_name=name, clock=billing.clock)


def others(billing: Billing) -> tuple[Element, ...]:
    return tuple(each for each in billing.app.component() if each.name != "certificate")


def refusal(call: Callable[[], object]) -> KeyPairError:
    with pytest.raises(KeyPairError) as caught:
        call()
    assert_tells_what_to_do(caught.value)
    return caught.value


def sent_members(billing: Billing) -> list[dict[str, str]]:
    """The members of each component that was sent, in the order of the deploys."""
    components = []
    for deployment in billing.org.deployments.all():
        with zipfile.ZipFile(io.BytesIO(deployment.archive)) as archive:
            (path,) = (name for name in archive.namelist() if name != "package.xml")
            root = fromstring(archive.read(path))
        components.append({member.tag.removeprefix(MD): member.text or "" for member in root})
    return components


def answering_record(members: str) -> Fault:
    """A read that is answered with a component of these members, in XML."""
    soap = "http://schemas.xmlsoap.org/soap/envelope/"
    text = (
        f'<s:Envelope xmlns:s="{soap}"><s:Body><readMetadataResponse xmlns="{MD[1:-1]}"><result><records>{members}'
        "</records></result></readMetadataResponse></s:Body></s:Envelope>"
    )
    return Fault("record", acts=False, answer=Reply(200, text.encode(), "text/xml"))


# Settings


def test_an_apps_settings_are_those_of_all_its_components_without_its_credentials(billing: Billing) -> None:
    billing.app.install(key_pair(FIRST).pem)
    billing.app.answers_consumer_secret = True
    settings = app_of(billing).settings()
    assert settings is not None
    assert settings["consumerKey"] == (billing.app.consumer_key,)
    assert settings["isPkceRequired"] == ("true",)
    assert settings["idTokenValidityInMinutes"] == ("2",)
    assert settings["commaSeparatedOauthScopes"] == ("Api, RefreshToken",)
    assert settings["permittedUsersPolicyType"] == ("AdminApprovedPreAuthorized",)
    assert not {"certificate", "consumerSecret"} & settings.keys()


def test_a_setting_may_be_there_more_than_once_or_be_empty(billing: Billing) -> None:
    several = (Element("customScopes", "one"), Element("customScopes", "two"), Element("note"))
    billing.app.elements = (*billing.app.elements, *several)
    settings = app_of(billing).settings()
    assert settings is not None

    assert (settings["customScopes"], settings["note"]) == (("one", "two"), ("",))


def test_settings_that_the_session_may_not_see_are_left_out(billing: Billing) -> None:
    billing.org.faults.add(
        soap_fault("sf:INSUFFICIENT_ACCESS"),
        on=Kind.SOAP,
        times=None,
        where=lambda request: b"ConfigurablePolicies" in request.body,
    )
    settings = app_of(billing).settings()
    assert settings is not None
    assert "commaSeparatedOauthScopes" in settings
    assert "permittedUsersPolicyType" not in settings


def test_there_are_no_settings_of_an_app_that_the_org_does_not_have(billing: Billing) -> None:
    assert app_of(billing, "Unknown").settings() is None


# Rehearsing


def test_a_rehearsal_changes_nothing(billing: Billing) -> None:
    billing.app.install(key_pair(FIRST).pem)
    before = billing.app.component()
    app_of(billing).rehearse(certificate(SECOND))
    assert [deployment.options.check_only for deployment in billing.org.deployments.all()] == [True]
    assert billing.app.component() == before


# Reading


@pytest.mark.parametrize(
    "encoding", [CertificateEncoding.PEM, CertificateEncoding.DER_BASE64, CertificateEncoding.PEM_BASE64]
)
def test_the_installed_certificate_is_read_in_every_encoding(billing: Billing, encoding: CertificateEncoding) -> None:
    billing.app.certificate_encoding = encoding
    installed = app_of(billing).installed()

    assert installed.shown
    assert installed.certificate == certificate(FIRST)


@pytest.mark.parametrize("shown", [(), (Element("certificate"),)], ids=["none", "an empty one"])
def test_an_app_without_a_certificate_shows_none(billing: Billing, shown: tuple[Element, ...]) -> None:
    billing.app.install(None)
    billing.app.elements = (*billing.app.elements, *shown)
    installed = app_of(billing).installed()

    assert (installed.shown, installed.certificate) == (False, None)


def test_a_hidden_certificate_is_told_as_not_shown(billing: Billing) -> None:
    billing.app.certificate_encoding = CertificateEncoding.ABSENT
    assert not app_of(billing).installed().shown


@pytest.mark.parametrize(
    "text",
    [
        "MyNamedCertificate",
        certificate_of(ec.generate_private_key(ec.SECP256R1())).public_bytes(Encoding.PEM).decode(),
    ],
    ids=["no certificate at all", "elliptic curve"],
)
def test_a_certificate_that_cannot_be_read_is_shown_and_unknown(billing: Billing, text: str) -> None:
    billing.app.install(None)
    billing.app.elements = (*billing.app.elements, Element("certificate", text))
    installed = app_of(billing).installed()

    assert (installed.shown, installed.certificate) == (True, None)


# Finding the app


def test_the_app_is_found_among_many_whatever_its_component_is_called(billing: Billing) -> None:
    for number in range(25):
        billing.org.add_external_client_app(f"Other{number:02}", full_name=f"A{number:02}_settings")
    billing.app.full_name = "zzz.made%20by-hand"
    app = app_of(billing)

    assert app.installed().certificate == certificate(FIRST)
    assert len(billing.org.log.entries(Kind.SOAP)) == 4
    app.installed()
    assert len(billing.org.log.entries(Kind.SOAP)) == 5


def test_a_component_named_after_its_app_is_found_by_one_read(billing: Billing) -> None:
    for number in range(25):
        billing.org.add_external_client_app(f"A{number:02}")
    billing.app.full_name = "BILLING_glbloauth"
    app_of(billing).installed()

    assert len(billing.org.log.entries(Kind.SOAP)) == 2


def test_an_app_whose_name_begins_the_same_is_not_mistaken_for_it(billing: Billing) -> None:
    other = billing.org.add_external_client_app("BillingArchive", full_name="Billing_a")
    other.install(key_pair("third").pem)
    app = app_of(billing)
    app.replace(certificate(SECOND))

    assert billing.app.fingerprint == key_pair(SECOND).fingerprint
    assert other.fingerprint == key_pair("third").fingerprint


@pytest.mark.parametrize("name", ["Missing", "billing", "Billing_glbloauth"])
def test_an_app_that_is_not_there_is_named(billing: Billing, name: str) -> None:
    error = refusal(app_of(billing, name).installed)

    assert type(error) is InstallationRefused
    assert f"named {name}" in error.what
    assert "appName" in error.remedy
    assert not error.retryable


def test_an_app_that_is_deleted_meanwhile_is_named(billing: Billing) -> None:
    app = app_of(billing)
    app.installed()
    billing.org.apps.remove(billing.app)

    assert "named Billing" in refusal(app.installed).what


@pytest.mark.parametrize("full_name", ["../Billing", "Bil/ling", ".hidden", "a b", "B" * 300])
def test_a_full_name_that_leads_elsewhere_in_a_package_is_never_asked_for(billing: Billing, full_name: str) -> None:
    billing.app.full_name = full_name
    assert type(refusal(app_of(billing).installed)) is InstallationRefused
    assert not [entry for entry in billing.org.log.entries() if f"<m:fullNames>{full_name}<".encode() in entry.body]


@pytest.mark.parametrize("full_name", ["<fullName>../x</fullName>", "<fullName/>", ""])
def test_a_record_that_answers_with_an_odd_full_name_is_refused(billing: Billing, full_name: str) -> None:
    record = f"{full_name}<externalClientApplication>Billing</externalClientApplication>"
    billing.org.faults.add(answering_record(record), Kind.SOAP, skip=1)

    assert "full name that can't be used" in refusal(app_of(billing).installed).what


# Replacing


@pytest.mark.parametrize("encoding", list(CertificateEncoding))
@pytest.mark.parametrize("answers_secret", [False, True])
def test_everything_but_the_certificate_stays_element_for_element(
    billing: Billing, encoding: CertificateEncoding, answers_secret: bool, caplog: pytest.LogCaptureFixture
) -> None:
    billing.app.certificate_encoding = encoding
    billing.app.answers_consumer_secret = answers_secret
    before, secret = others(billing), billing.app.consumer_secret
    with caplog.at_level(logging.WARNING):
        app_of(billing).replace(certificate(SECOND))

    assert billing.app.fingerprint == key_pair(SECOND).fingerprint
    assert others(billing) == before
    assert billing.app.consumer_secret == secret
    assert caplog.text == ""


def test_a_first_certificate_is_put_where_none_was(billing: Billing) -> None:
    billing.app.install(None)
    before = others(billing)
    app_of(billing).replace(certificate(SECOND))

    assert billing.app.fingerprint == key_pair(SECOND).fingerprint
    assert others(billing) == before


def test_unusual_settings_survive_to_the_last_character(billing: Billing) -> None:
    unusual = (
        Element("customScopes", "one"),
        Element("note", ' leading, trailing and\n  inner space \u00e4\u4e2d\U0001f600 & <tags> ]]> "quotes" '),
        Element("nothing"),
        Element("deep", children=(Element("a", children=(Element("b", "1"), Element("b", "2"))), Element("c"))),
    )
    billing.app.elements = (*unusual, *billing.app.elements)
    before = others(billing)
    app_of(billing).replace(certificate(SECOND))

    assert others(billing) == before


def test_keys_are_never_sent_and_never_made_anew(billing: Billing) -> None:
    billing.app.answers_consumer_secret = True
    app_of(billing).replace(certificate(SECOND))

    for members in sent_members(billing):
        assert not members.keys() & {"consumerKey", "consumerSecret", "fullName"}
        assert members["shouldRotateConsumerKey"] == members["shouldRotateConsumerSecret"] == "false"
        assert members["certificate"] == key_pair(SECOND).pem
        assert "\r" not in members["certificate"]


@pytest.mark.parametrize(
    "shown", ["", "<shouldRotateConsumerKey>true</shouldRotateConsumerKey>"], ids=["nothing", "that it would"]
)
def test_whatever_an_org_shows_of_making_keys_anew_it_is_told_not_to(billing: Billing, shown: str) -> None:
    record = f"<fullName>x</fullName><externalClientApplication>Billing</externalClientApplication>{shown}"
    billing.org.faults.add(answering_record(record), Kind.SOAP, skip=1)
    # The rest of the app is missing, so that it comes to nothing; what was sent is looked at.
    refusal(lambda: app_of(billing).rehearse(certificate(SECOND)))

    (members,) = sent_members(billing)
    assert members["shouldRotateConsumerKey"] == members["shouldRotateConsumerSecret"] == "false"


def test_a_new_member_takes_its_place_in_the_alphabet(billing: Billing) -> None:
    billing.app.install(None)
    app_of(billing).replace(certificate(SECOND))

    for members in sent_members(billing):
        assert list(members) == sorted(members)
        assert "certificate" in members


def test_a_change_is_rehearsed_then_deployed_then_read_back(billing: Billing) -> None:
    app_of(billing).replace(certificate(SECOND))
    kinds = [entry.kind for entry in billing.org.log.entries() if entry.kind is not Kind.POLL]

    assert kinds == [Kind.SOAP, Kind.SOAP, Kind.DEPLOY, Kind.DEPLOY, Kind.SOAP]
    assert [each.options.check_only for each in billing.org.deployments.all()] == [True, False]
    assert 1.0 not in billing.clock.slept, "nobody waits to read it back"


def test_what_is_to_be_done_just_before_the_change_is_done_after_its_rehearsal(billing: Billing) -> None:
    done: list[list[bool]] = []
    app_of(billing).replace(
        certificate(SECOND),
        just_before=lambda: done.append([each.options.check_only for each in billing.org.deployments.all()]),
    )

    assert done == [[True]]


def test_a_rehearsal_that_fails_stops_before_the_change(billing: Billing) -> None:
    billing.org.deployments.fail_next("no licence for that", check_only=True)
    error = refusal(lambda: app_of(billing).replace(certificate(SECOND)))

    assert "rehearsal" in error.what
    assert "no licence for that" in error.what
    assert billing.app.fingerprint == key_pair(FIRST).fingerprint
    assert len(billing.org.deployments.all()) == 1


def test_a_change_that_fails_after_its_rehearsal_is_told_as_one(billing: Billing) -> None:
    billing.org.deployments.fail_next("locked meanwhile")
    error = refusal(lambda: app_of(billing).replace(certificate(SECOND)))

    assert "refused the change of the app's certificate (locked meanwhile)" in error.what
    assert billing.app.fingerprint == key_pair(FIRST).fingerprint


@pytest.mark.parametrize("kind", [Kind.DEPLOY, Kind.POLL, Kind.SOAP])
@pytest.mark.parametrize("skip", [0, 1])
def test_an_answer_that_is_lost_on_the_way_changes_nothing_in_the_end(billing: Billing, kind: Kind, skip: int) -> None:
    before = others(billing)
    billing.org.faults.add(reset_after_acting(), kind, skip=skip)
    app_of(billing).replace(certificate(SECOND))

    assert billing.app.fingerprint == key_pair(SECOND).fingerprint
    assert others(billing) == before


def test_a_success_that_did_nothing_is_noticed(billing: Billing) -> None:
    billing.org.deployments.pretend_success = 1
    error = refusal(lambda: app_of(billing).replace(certificate(SECOND)))

    assert type(error) is InstallationRefused
    assert error.retryable
    assert "reported success, but the app holds another certificate" in error.what
    assert billing.clock.slept[-2:] == [1.0, 1.0]


def test_a_read_that_lags_behind_the_change_is_repeated(billing: Billing) -> None:
    stale = Fault("stale", before=lambda: billing.app.install(key_pair(FIRST).pem))
    fresh = Fault("fresh", before=lambda: billing.app.install(key_pair(SECOND).pem))
    billing.org.faults.add(stale, Kind.SOAP, skip=2)
    billing.org.faults.add(fresh, Kind.SOAP, skip=2)
    app_of(billing).replace(certificate(SECOND))

    assert billing.clock.slept[-1] == 1.0


def test_a_hidden_certificate_cannot_be_compared_and_is_believed(billing: Billing) -> None:
    billing.app.certificate_encoding = CertificateEncoding.ABSENT
    app_of(billing).replace(certificate(SECOND))

    assert billing.app.fingerprint == key_pair(SECOND).fingerprint


def test_settings_that_somebody_changes_meanwhile_are_named_in_the_log(
    billing: Billing, caplog: pytest.LogCaptureFixture
) -> None:
    def somebody() -> None:
        billing.app.elements = tuple(
            Element(each.name, "hunter2") if each.name == "label" else each for each in billing.app.elements
        )

    billing.org.faults.add(Fault("somebody", before=somebody), Kind.SOAP, skip=2)
    with caplog.at_level(logging.WARNING):
        app_of(billing).replace(certificate(SECOND))
    (record,) = caplog.records

    assert record.__dict__["settings"] == ["label"]
    assert record.__dict__["app"] == "Billing"
    assert "hunter2" not in str(record.__dict__)


def test_a_certificate_that_salesforce_would_not_take_is_not_sent(billing: Billing) -> None:
    text = certificate_of(key_pair(SECOND).key, padding=3200).public_bytes(Encoding.PEM).decode()
    error = refusal(lambda: app_of(billing).replace(Certificate.parse(text)))

    assert "4096 bytes" in error.what
    assert billing.org.log.entries() == ()


# The older kind of app, which is one component with the certificate inside a member


@pytest.fixture
def legacy(billing: Billing) -> App:
    """A Connected App in the same org, whose name begins as that of the other one."""
    app = billing.org.add_connected_app("BillingLegacy", approved=[billing.user])
    app.install(key_pair(FIRST).pem)
    return app


def around_the_certificate(app: App) -> list[Element]:
    """All that the component holds but the certificate, with the members of its OAuth settings beside the others."""
    (oauth,) = (each for each in app.component() if each.name == "oauthConfig")
    beside = [each for each in app.component() if each.name != "oauthConfig"]
    return beside + [each for each in oauth.children if each.name != "certificate"]


def test_everything_but_the_certificate_of_a_connected_app_stays(billing: Billing, legacy: App) -> None:
    before, secret = around_the_certificate(legacy), legacy.consumer_secret
    app_of(billing, legacy.name, CONNECTED_APP).replace(certificate(SECOND))

    assert legacy.fingerprint == key_pair(SECOND).fingerprint
    assert around_the_certificate(legacy) == before
    assert legacy.consumer_secret == secret
    assert billing.app.fingerprint == key_pair(FIRST).fingerprint


def test_a_first_certificate_is_put_into_a_connected_app(billing: Billing, legacy: App) -> None:
    legacy.install(None)
    app = app_of(billing, legacy.name, CONNECTED_APP)
    assert not app.installed().shown
    app.replace(certificate(SECOND))

    assert legacy.fingerprint == key_pair(SECOND).fingerprint
    assert app.installed().certificate == certificate(SECOND)


def test_a_connected_app_is_asked_for_by_its_own_name(billing: Billing, legacy: App) -> None:
    app_of(billing, legacy.name, CONNECTED_APP).installed()

    assert len(billing.org.log.entries(Kind.SOAP)) == 1
    assert "named Missing" in refusal(app_of(billing, "Missing", CONNECTED_APP).installed).what


def test_a_connected_app_without_oauth_settings_has_no_place_for_a_certificate(billing: Billing, legacy: App) -> None:
    record = answering_record(f"<fullName>{legacy.name}</fullName><label>Legacy</label>")
    billing.org.faults.add(record, Kind.SOAP, times=None)
    app = app_of(billing, legacy.name, CONNECTED_APP)

    assert not app.installed().shown
    error = refusal(lambda: app.replace(certificate(SECOND)))
    assert type(error) is InstallationRefused
    assert error.what == "the app BillingLegacy has no OAuth settings to put a certificate in"
    assert not billing.org.deployments.all()
