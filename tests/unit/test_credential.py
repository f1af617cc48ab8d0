"""The secret's document: what is read, what is refused and by which name, and what the next version takes over."""

import base64
import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from salesforce_keypair.credential import (
    MAX_DOCUMENT_BYTES,
    ClientCredentials,
    Credential,
    certificate_in,
    holds_private_key,
    parse_admin,
)
from salesforce_keypair.errors import HostNotAllowed, InvalidSecret, KeyPairError
from salesforce_keypair.keypair import Certificate, PrivateKey, SigningRequest
from salesforce_keypair.salesforce.hosts import Hosts
from tests.integration.org_client import certificate_of, key_pair
from tests.unit.support import FakeClock, document, mangled_pem, parse, private_pem, text_of

HOSTS = Hosts()


def refusal(text: str) -> KeyPairError:
    with pytest.raises(KeyPairError) as caught:
        Credential.parse(text, hosts=HOSTS)
    assert caught.value.remedy
    return caught.value


def not_installable(**members: Any) -> KeyPairError:
    with pytest.raises(InvalidSecret) as caught:
        parse(text_of(key_pair(), **members)).check_installable()
    assert caught.value.remedy
    return caught.value


def test_a_document_before_its_first_rotation_is_read() -> None:
    credential = parse(text_of())

    assert credential.base_uri.url == credential.audience == "https://acme.my.salesforce.com"
    assert (credential.username, credential.consumer_key) == ("robot@example.com", "3MVG9consumer")
    assert (credential.app_name, credential.api_version) == ("Billing", "67.0")
    assert (credential.app_type, credential.installation) == ("ExternalClientApp", "metadata")
    assert (credential.key_algorithm, credential.validity_days) == ("RSA_2048", 365)
    assert credential.private_key is None
    assert credential.certificate is None
    assert not credential.replace_foreign_certificate
    credential.check_installable()


def test_what_a_document_says_counts() -> None:
    credential = parse(
        text_of(
            key_pair(),
            audience="https://login.salesforce.com",
            apiVersion="v68.0",
            keyAlgorithm="RSA_4096",
            certificateValidityDays=30,
            replaceForeignCertificate=True,
        )
    )

    assert (credential.audience, credential.api_version) == ("https://login.salesforce.com", "68.0")
    assert (credential.key_algorithm, credential.validity_days) == ("RSA_4096", 30)
    assert credential.replace_foreign_certificate
    assert credential.certificate is not None
    assert credential.certificate.fingerprint == key_pair().fingerprint


def test_a_member_that_is_null_counts_as_left_out() -> None:
    nulls = {
        "standby": None,
        "audience": None,
        "privateKey": None,
        "certificate": None,
        "certificateAuthorityArn": None,
    }

    assert parse(json.dumps(document() | nulls)).audience == "https://acme.my.salesforce.com"
    parse(json.dumps(document() | nulls)).check_installable()


def ec_key() -> str:
    key = ec.generate_private_key(ec.SECP256R1())
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


AUTHORITY = "arn:aws:acm-pca:eu-west-1:123456789012:certificate-authority/6f1c2d3e-0000-4000-8000-0123456789ab"
STRINGS = ("consumerKey", "username", "baseUri", "audience", "appName", "adminSecretArn", "apiVersion")
BAD_MEMBERS: list[tuple[str, object, str]] = [
    *((name, "", "empty") for name in STRINGS),
    *((name, 4711_4711, "string") for name in STRINGS),
    *((name, ["secret-value"], "string") for name in STRINGS),
    *((name, "secret\nvalue", "control character") for name in STRINGS),
    *((name, " secret-value", "space") for name in STRINGS),
    *((name, "secret-value\u00a0", "space") for name in STRINGS),
    ("baseUri", "http://acme.my.salesforce.com", "https"),
    ("baseUri", "https://robot:hunter2@acme.my.salesforce.com", "origin"),
    ("appName", "Billing/../Other", "API name"),
    ("appName", "1Billing", "API name"),
    ("appName", "B" * 81, "API name"),
    ("appType", "connectedapp", "ExternalClientApp, ConnectedApp"),
    ("appType", 7_777_777, "ExternalClientApp, ConnectedApp"),
    ("installation", "by hand", "metadata, manual"),
    ("installation", ["metadata"], "metadata, manual"),
    ("keyAlgorithm", "RSA_1024", "RSA_2048, RSA_3072, RSA_4096"),
    ("keyAlgorithm", 2048, "RSA_2048, RSA_3072, RSA_4096"),
    ("keyAlgorithm", "EC_P256", "takes RSA only"),
    ("keyAlgorithm", "ecdsa-p256", "takes RSA only"),
    ("keyAlgorithm", "P-256", "takes RSA only"),
    ("keyAlgorithm", "ED25519", "takes RSA only"),
    ("certificateValidityDays", 0, "1 to 3650"),
    ("certificateValidityDays", 3651, "1 to 3650"),
    ("certificateValidityDays", "365", "1 to 3650"),
    ("certificateValidityDays", 36.5, "1 to 3650"),
    ("certificateValidityDays", True, "1 to 3650"),
    ("certificateValidityDays", 10**400, "1 to 3650"),
    ("certificateAuthorityArn", "arn:aws:acm-pca:x", "AWS Private CA"),
    ("certificateAuthorityArn", f"{AUTHORITY}/certificate/1", "AWS Private CA"),
    ("certificateAuthorityArn", AUTHORITY.replace("acm-pca", "acm"), "AWS Private CA"),
    ("certificateAuthorityArn", ["secret-value"], "string"),
    ("apiVersion", "67.0", "v67.0"),
    ("apiVersion", "v67", "v67.0"),
    ("apiVersion", "v59.0", "v60.0 or later"),
    ("apiVersion", "v67.0/../../x", "v67.0"),
    ("replaceForeignCertificate", "true", "true or false"),
    ("replaceForeignCertificate", 1, "true or false"),
    ("privateKey", 4711_4711, "string"),
    ("privateKey", "not-a-key", "neither PEM"),
    ("certificate", ["PEM"], "string"),
    ("certificate", "not a certificate!", "neither PEM"),
]


@pytest.mark.parametrize(("member", "value", "reason"), BAD_MEMBERS)
def test_a_bad_member_is_named_with_the_reason_and_never_quoted(member: str, value: object, reason: str) -> None:
    error = refusal(json.dumps(document() | {member: value}))

    assert isinstance(error, HostNotAllowed if reason in {"https", "origin"} else InvalidSecret)
    assert re.search(rf"\b{member}\b", error.what)
    assert reason in str(error)
    shown = str(value)
    assert len(shown) < 5 or shown not in str(error).replace("https://<MyDomain>.my.salesforce.com", "")


@pytest.mark.parametrize("member", ["consumerKey", "username", "audience"])
@pytest.mark.parametrize("value", ["\ud800value", "secret\udfffvalue", "secret\udc00"], ids=["first", "within", "last"])
def test_a_lone_surrogate_is_refused_like_a_control_character(member: str, value: str) -> None:
    # JSON can spell it, and no form, assertion or log line can be encoded with it.
    with pytest.raises(InvalidSecret, match=member):
        parse(json.dumps(document() | {member: value}))


def test_a_lone_surrogate_is_refused_in_an_admins_secret() -> None:
    with pytest.raises(InvalidSecret, match="consumerSecret"):
        parse_admin(text_of(consumerSecret="secret\ud800value"), hosts=HOSTS)


@pytest.mark.parametrize("member", ["consumerKey", "username", "baseUri"])
def test_a_missing_member_is_named(member: str) -> None:
    assert f"{member} is missing" in str(refusal(text_of(**{member: None})))


BAD_KEYS: dict[str, tuple[Callable[[], dict[str, Any]], str, str]] = {
    "encrypted": (
        lambda: document(key_pair(), privateKey="-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA"),
        "privateKey",
        "encrypted PEM",
    ),
    "elliptic curve": (lambda: document(key_pair(), privateKey=ec_key()), "privateKey", "RSA only"),
    "1024 bits": (lambda: document(key_pair("short", bits=1024)), "certificate", "1024 bits"),
    "short key alone": (
        lambda: document(privateKey=private_pem(key_pair("short", bits=1024).key)),
        "privateKey",
        "1024 bits",
    ),
    "no certificate": (lambda: document(key_pair(), certificate=None), "certificate", "missing beside privateKey"),
    "another's certificate": (
        lambda: document(key_pair(), certificate=key_pair("second").pem),
        "certificate",
        "isn't the one to privateKey",
    ),
    "oversize certificate": (
        lambda: document(certificate=certificate_of(key_pair().key, padding=4000).public_bytes(Encoding.PEM).decode()),
        "certificate",
        "4096 bytes",
    ),
}


@pytest.mark.parametrize("case", BAD_KEYS)
def test_key_material_that_cannot_be_used_is_named_with_the_reason(case: str) -> None:
    make, member, reason = BAD_KEYS[case]
    content = make()
    error = refusal(json.dumps(content))

    assert isinstance(error, InvalidSecret)
    assert member in error.what
    assert reason in error.what
    assert str(content.get("privateKey"))[40:80] not in str(error) or "privateKey" not in content


def test_the_numbers_of_a_key_are_checked_unless_that_was_done_before_it_was_stored() -> None:
    text = text_of(key_pair(), privateKey=mangled_pem(d=key_pair().key.private_numbers().d - 2))

    assert "privateKey" in refusal(text).what
    assert Credential.parse(text, hosts=HOSTS, check_key=False).private_key is not None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hunter2-hunter2",
        "[]",
        '"hunter2-hunter2"',
        "null",
        '{"username": NaN}',
        '{"username": Infinity, "x": "hunter2-hunter2"}',
        '{"privateKey": "hunter2-hunter2"',
        "[" * 200_000,
        '{"a": ' + "9" * 5000 + "}",
    ],
)
def test_what_is_no_json_object_is_refused_without_being_quoted_even_in_the_cause(text: str) -> None:
    error = refusal(text)

    assert isinstance(error, InvalidSecret)
    assert "isn't JSON" in error.what or "isn't a JSON object" in error.what
    cause = error.__cause__
    assert "hunter2" not in str(error) + repr(error) + repr(cause) + repr(getattr(cause, "doc", ""))


def test_a_credential_prints_without_what_is_secret() -> None:
    text = text_of(key_pair(), other="hunter2-hunter2")
    shown = repr(parse(text)) + str(parse(text))

    for secret in ("hunter2", "BEGIN", "3MVG9consumer", "RSAPrivateKey"):
        assert secret not in shown


# The next version


def test_a_successor_has_a_new_pair_and_keeps_everything_else(clock: FakeClock) -> None:
    before = document(key_pair(), certificateValidityDays=30, owner={"team": "billing", "list": [1, None]}, ä="ö")
    successor = parse(json.dumps(before)).successor(now=clock.time())
    after = json.loads(successor.text)

    changed = {name for name in before | after if before.get(name) != after.get(name)}
    assert changed == {"privateKey", "certificate"}
    assert parse(successor.text).certificate == successor.certificate
    assert successor.certificate.not_after.timestamp() == clock.time() + 30 * 86_400
    assert "BEGIN" not in repr(successor)


def test_leave_to_replace_a_foreign_certificate_holds_for_one_rotation(clock: FakeClock) -> None:
    successor = parse(text_of(key_pair(), replaceForeignCertificate=True)).successor(now=clock.time())

    assert "replaceForeignCertificate" not in json.loads(successor.text)


@pytest.mark.parametrize("app_name", ["Billing", None])
def test_a_new_certificate_bears_the_apps_name(clock: FakeClock, app_name: str | None) -> None:
    successor = parse(text_of(appName=app_name)).successor(now=clock.time())
    subject = x509.load_pem_x509_certificate(successor.certificate.pem.encode()).subject.rfc4514_string()

    assert subject == f"CN={app_name or 'salesforce-keypair'}"


def test_a_new_key_is_of_the_algorithm_that_was_asked_for(clock: FakeClock) -> None:
    key = parse(parse(text_of(keyAlgorithm="RSA_3072")).successor(now=clock.time()).text).private_key

    assert isinstance(key, PrivateKey)
    assert key.rsa_key.key_size == 3072


def test_a_successor_that_secrets_manager_would_not_take_is_refused(clock: FakeClock) -> None:
    with pytest.raises(InvalidSecret, match="65536 bytes: remove"):
        parse(text_of(notes="x" * 63_500)).successor(now=clock.time())
    parse(text_of(notes="x" * 60_000)).successor(now=clock.time())


def test_a_successor_may_be_as_long_as_secrets_manager_takes(clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> None:
    # Keys and certificates differ by a few bytes, so all successors get the same ones.
    pair = key_pair()
    certificate = Certificate.parse(pair.pem)
    monkeypatch.setattr(rsa, "generate_private_key", lambda **_: pair.key)

    def successor(notes: str) -> bytes:
        return parse(text_of(notes=notes)).successor(now=clock.time(), sign=lambda _: certificate).text.encode()

    room = MAX_DOCUMENT_BYTES - len(successor(""))
    assert len(successor("x" * room)) == MAX_DOCUMENT_BYTES
    with pytest.raises(InvalidSecret):
        successor("x" * (room + 1))


def test_an_authority_certifies_the_new_key_where_there_is_one(clock: FakeClock) -> None:
    certificate = Certificate.parse(key_pair().pem)
    asked: list[SigningRequest] = []

    def sign(request: SigningRequest) -> Certificate:
        asked.append(request)
        return certificate

    successor = parse(text_of(certificateValidityDays=90)).successor(now=clock.time(), sign=sign)

    assert [each.validity_days for each in asked] == [90]
    assert successor.certificate is certificate
    assert json.loads(successor.text)["certificate"] == certificate.pem


def test_the_certificate_that_a_key_needs_is_there_or_asked_for() -> None:
    assert parse(text_of(key_pair())).required_certificate().pem == key_pair().pem
    with pytest.raises(InvalidSecret, match="certificate is missing: rotate the secret"):
        parse(text_of()).required_certificate()


def test_a_successor_is_no_longer_for_letters_beyond_ascii(clock: FakeClock) -> None:
    notes = "ü" * 25_000 + "\ud800"
    text = json.dumps(document(notes=notes), ensure_ascii=False).replace("\ud800", "\\ud800")
    successor = parse(text).successor(now=clock.time())

    assert len(successor.text.encode()) <= len(text.encode()) + 8_000
    assert json.loads(successor.text)["notes"] == notes


def test_a_successor_is_told_by_all_but_what_a_rotation_replaces() -> None:
    mine = parse(text_of(key_pair(), owner="billing", replaceForeignCertificate=True))

    assert parse(text_of(key_pair("second"), owner="billing")).is_successor_of(mine)
    assert not parse(text_of(key_pair("second"), owner="another")).is_successor_of(mine)
    assert not parse(text_of(key_pair("second"))).is_successor_of(mine)


def test_two_apps_change_places_and_the_standby_keeps_what_else_it_holds(clock: FakeClock) -> None:
    standby = {"consumerKey": "3MVG9standby", "appName": "BillingB", "note": "kept"}
    mine = parse(text_of(key_pair(), standby=standby))
    next_one = parse(mine.successor(now=clock.time()).text)

    assert (next_one.consumer_key, next_one.app_name) == ("3MVG9standby", "BillingB")
    assert next_one.document["standby"] == {"consumerKey": mine.consumer_key, "appName": mine.app_name, "note": "kept"}
    assert next_one.is_successor_of(mine)
    assert not next_one.same_app(mine)
    assert next_one.same_user(mine)


@pytest.mark.parametrize(
    ("standby", "named"),
    [
        ("BillingB", "standby can't be used, it must be an object"),
        ({"appName": "BillingB"}, "in standby, consumerKey is missing"),
        ({"consumerKey": "k"}, "in standby, appName is missing"),
        ({"consumerKey": 5, "appName": "BillingB"}, "in standby, consumerKey can't be used"),
        ({"consumerKey": "3MVG9consumer", "appName": "BillingB"}, "standby can't be used, it names the same app"),
        ({"consumerKey": "k", "appName": "Billing"}, "standby can't be used, it names the same app"),
    ],
)
def test_a_standby_that_cannot_be_used_is_named(standby: object, named: str) -> None:
    error = refusal(text_of(key_pair(), standby=standby))

    assert isinstance(error, InvalidSecret)
    assert named in error.what


# What a rotation needs


@pytest.mark.parametrize(
    ("members", "named"),
    [
        ({"appName": None}, "appName is missing"),
        ({"adminSecretArn": None, "privateKey": None, "certificate": None}, "adminSecretArn is missing"),
    ],
)
def test_what_no_rotation_can_install_is_refused_by_name(members: dict[str, Any], named: str) -> None:
    assert named in not_installable(**members).what


def test_where_a_person_installs_no_admin_is_needed_and_no_user_is_asked_to() -> None:
    credential = parse(text_of(installation="manual", adminSecretArn=None))

    credential.check_installable()
    assert not credential.own_user_installs
    assert parse(text_of(key_pair(), adminSecretArn=None)).own_user_installs


# The admin's secret and half-right documents


def test_aws_shape_of_an_admins_secret_is_read() -> None:
    text = json.dumps(
        {
            "consumerKey": "3MVG9admin",
            "consumerSecret": "hunter2-hunter2",
            "baseUri": "https://acme.my.salesforce.com",
            "appId": "0xI000000000001",
            "consumerId": "888000000000001",
        }
    )
    admin = parse_admin(text, hosts=HOSTS)

    assert isinstance(admin, ClientCredentials)
    assert (admin.consumer_key, admin.consumer_secret) == ("3MVG9admin", "hunter2-hunter2")
    assert admin.base_uri.url == "https://acme.my.salesforce.com"
    assert "hunter2" not in repr(admin)


@pytest.mark.parametrize("extra", [{}, {"consumerSecret": "hunter2"}])
def test_an_admins_secret_with_a_key_pair_is_read_as_this_same_document(extra: dict[str, str]) -> None:
    admin = parse_admin(text_of(key_pair(), **extra), hosts=HOSTS)

    assert isinstance(admin, Credential)
    assert admin.private_key is not None


def test_a_private_key_that_is_null_leaves_an_admins_secret_one_of_client_credentials() -> None:
    admin = parse_admin(json.dumps(document(consumerSecret="hunter2") | {"privateKey": None}), hosts=HOSTS)

    assert isinstance(admin, ClientCredentials)


@pytest.mark.parametrize("member", ["consumerKey", "baseUri"])
def test_a_member_missing_from_an_admins_secret_is_named(member: str) -> None:
    with pytest.raises(InvalidSecret, match=f"{member} is missing"):
        parse_admin(text_of(consumerSecret="hunter2", **{member: None}), hosts=HOSTS)


@pytest.mark.parametrize(
    ("text", "held"),
    [
        ('{"privateKey": "nonsense", "baseUri": 5}', True),
        ('{"privateKey": null}', False),
        ('{"PrivateKey": "x"}', False),
        ("[]", False),
        ("", False),
    ],
)
def test_a_private_key_is_seen_in_a_document_that_is_otherwise_wrong(text: str, *, held: bool) -> None:
    assert holds_private_key(text) is held


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"certificate": 5}', '{"certificate": "x"}'])
def test_no_certificate_is_found_where_none_can_be_read(text: str) -> None:
    assert certificate_in(text) is None


def test_the_certificate_is_found_in_a_document_that_is_otherwise_wrong() -> None:
    encoded = base64.b64encode(key_pair().der).decode()
    found = certificate_in(json.dumps({"certificate": encoded, "baseUri": "nonsense"}))

    assert found is not None
    assert found.fingerprint == key_pair().fingerprint
