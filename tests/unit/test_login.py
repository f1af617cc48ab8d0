"""Logging in at an emulated org: what is sent, what a reply is worth, what a refusal tells."""

import re
from dataclasses import replace
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any
from urllib.parse import parse_qs

import jwt
import pytest

from salesforce_keypair.credential import ClientCredentials
from salesforce_keypair.errors import (
    HostNotAllowed,
    InvalidSecret,
    KeyPairError,
    LoginRefused,
    SalesforceUnavailable,
)
from salesforce_keypair.keypair import PrivateKey
from salesforce_keypair.salesforce.login import SalesforceLogin
from salesforce_keypair.salesforce.session import Session, is_jwt
from salesforce_keypair.salesforce.transport import Transport
from tests.integration.org_client import key_pair
from tests.sandbox.org import Kind, Presence
from tests.sandbox.org.exchange import json_reply, oauth_reply
from tests.sandbox.org.faults import Fault, answering, html_page, oauth_error, wrong_date
from tests.sandbox.org.refusals import EXPIRED
from tests.scenarios.promises import assert_tells_what_to_do
from tests.unit.support import (
    LOOPBACK,
    TOKEN_REPLY,
    Billing,
    FakeClock,
    Received,
    answering_host,
    mangled_pem,
    parse,
    text_of,
)

JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"


def log_in(billing: Billing, **options: Any) -> Session:
    return billing.login.jwt_bearer(billing.credential(), deadline=billing.clock.deadline(), **options)


def refusal(billing: Billing, **members: Any) -> KeyPairError:
    with pytest.raises(KeyPairError) as caught:
        billing.login.jwt_bearer(billing.credential(**members), deadline=billing.clock.deadline())
    assert_tells_what_to_do(caught.value)
    return caught.value


def forms(billing: Billing) -> list[dict[str, str]]:
    """The token requests so far."""
    entries = billing.org.log.entries(Kind.TOKEN)
    return [{name: values[0] for name, values in parse_qs(entry.body.decode()).items()} for entry in entries]


def claims(billing: Billing) -> list[dict[str, Any]]:
    """The claims of the assertions so far, each verified with the key that should have signed it."""
    audience = billing.org.url
    return [
        jwt.decode(
            form["assertion"],
            key_pair("first").key.public_key(),
            algorithms=["RS256"],
            audience=audience,
            options={"verify_exp": False},
        )
        for form in forms(billing)
    ]


# The assertion


def test_the_assertion_says_what_salesforce_asks_for_and_no_more(billing: Billing) -> None:
    log_in(billing)
    (form,), (claim,) = forms(billing), claims(billing)

    assert form.keys() == {"grant_type", "assertion"}
    assert form["grant_type"] == JWT_BEARER
    assert jwt.get_unverified_header(form["assertion"])["alg"] == "RS256"
    assert claim.pop("jti")
    assert claim == {
        "iss": billing.app.consumer_key,
        "sub": "robot@example.com",
        "aud": billing.org.url,
        "exp": int(billing.clock.time()) + 180,
    }
    assert isinstance(claim["exp"], int)


def test_another_audience_is_sent_where_one_is_set(billing: Billing) -> None:
    billing.org.accepted_audiences = {"https://other.example"}
    credential = billing.credential(audience="https://other.example")
    billing.login.jwt_bearer(credential, deadline=billing.clock.deadline())

    sent = jwt.decode(forms(billing)[0]["assertion"], options={"verify_signature": False})
    assert sent["aud"] == "https://other.example"


def test_each_login_signs_an_assertion_of_its_own(billing: Billing) -> None:
    login, credential = billing.login, billing.credential()
    for _ in range(3):
        login.jwt_bearer(credential, deadline=billing.clock.deadline())

    assert len({claim["jti"] for claim in claims(billing)}) == 3
    assert billing.org.log.connections() == 1


def test_a_login_may_ask_for_a_connection_of_its_own(billing: Billing) -> None:
    log_in(billing)
    log_in(billing, new_connection=True)
    assert billing.org.log.connections() == 2


def test_the_reply_is_asked_for_as_json(clock: FakeClock) -> None:
    asked: list[Received] = []

    def answer(received: Received) -> tuple[int, object, dict[str, str]]:
        asked.append(received)
        return 200, TOKEN_REPLY, {}

    with answering_host(answer) as url:
        login = SalesforceLogin(transport=Transport(), hosts=LOOPBACK, clock=clock)
        login.jwt_bearer(parse(text_of(key_pair("first"), baseUri=url)), deadline=clock.deadline())
    assert [(each.method, each.accept) for each in asked] == [("POST", "application/json")]


def test_without_a_key_nothing_is_asked(billing: Billing) -> None:
    error = refusal(billing, privateKey=None)

    assert isinstance(error, InvalidSecret)
    assert "privateKey is missing" in error.what
    assert billing.org.log.entries() == ()


def test_a_key_whose_numbers_are_wrong_cannot_sign_and_says_so(billing: Billing) -> None:
    pem = mangled_pem(p=key_pair().key.private_numbers().p - 1)
    credential = replace(billing.credential(), private_key=PrivateKey.parse(pem, checked=False))
    with pytest.raises(InvalidSecret, match="privateKey can't sign") as caught:
        billing.login.jwt_bearer(credential, deadline=billing.clock.deadline())

    assert_tells_what_to_do(caught.value)
    assert billing.org.log.entries() == ()


# The session


@pytest.mark.parametrize("at_login_host", [True, False])
def test_a_session_names_the_org_the_user_and_where_to_call(billing: Billing, at_login_host: bool) -> None:
    billing.org.identity_at_login_host = at_login_host
    session = log_in(billing)

    assert billing.org.sessions.find(session.access_token, billing.clock.time())
    assert (session.instance.url, session.token_type) == (billing.org.url, "Bearer")
    assert (session.org_id, session.user_id) == (billing.org.org_id, billing.user.user_id)
    assert (session.expires_at, session.is_jwt) == (None, False)
    assert session.access_token not in repr(session)


@pytest.mark.parametrize("offset", [0.0, 600.0, -600.0, 20.0])
def test_a_jwt_token_says_how_long_it_lives_whatever_their_clock_says(billing: Billing, offset: float) -> None:
    billing.org.apps[0].elements = tuple(
        each if each.name != "isNamedUserJwtEnabled" else type(each)(each.name, "true") for each in billing.app.elements
    )
    billing.app.session_timeout = 1800
    billing.org.clock.offset = offset
    session = log_in(billing)

    assert session.is_jwt
    assert session.expires_at == pytest.approx(billing.clock.time() + 1800, abs=1)


@pytest.mark.parametrize(
    ("token", "jwt_"),
    [
        ("a.b.c", True),
        ("opaque", False),
        ("a.b", False),
        ("00D000000000001!AQ.x.y", False),
        ("00D000000000001!AQx", False),
    ],
)
def test_a_jwt_has_three_parts_and_an_opaque_token_names_its_org(token: str, *, jwt_: bool) -> None:
    assert is_jwt(token) is jwt_


def replying(**members: object) -> Fault:
    body = {name: value for name, value in (TOKEN_REPLY | members).items() if value is not None}
    return Fault("reply", acts=False, answer=json_reply(body))


def token_with(exp: str) -> str:
    """A JWT whose `exp` is that JSON."""
    return ".".join(
        jwt.utils.base64url_encode(part.encode()).decode() for part in ('{"alg":"RS256"}', f'{{"exp":{exp}}}', "x")
    )


@pytest.mark.parametrize(
    "exp",
    [
        '"1800000900"',
        "null",
        "true",
        "[1]",
        "NaN",
        "Infinity",
        "-Infinity",
        "1e400",
        "1" + "0" * 400,
        "0",
        "-1",
        "253402300800",
    ],
)
def test_an_expiry_that_is_no_time_counts_for_nothing(billing: Billing, exp: str) -> None:
    billing.org.faults.add(replying(access_token=token_with(exp)))

    assert log_in(billing).expires_at is None


@pytest.mark.parametrize("left", [0, -1, -1_800_000_000 + 1])
def test_a_token_that_has_expired_already_is_none(billing: Billing, left: int) -> None:
    error = garbled(billing, replying(access_token=token_with(str(int(billing.clock.time()) + left))))

    assert isinstance(error, SalesforceUnavailable)
    assert "(a token that has expired already)" in error.what


@pytest.mark.parametrize("offset", [600, -600])
def test_a_reply_without_a_date_is_judged_by_a_clock_that_was_corrected(clock: FakeClock, offset: int) -> None:
    theirs = clock.time() + offset
    date = format_datetime(datetime.fromtimestamp(theirs, UTC), usegmt=True)
    answers: list[tuple[int, object, dict[str, str]]] = [
        (400, {"error": EXPIRED.error, "error_description": EXPIRED.description}, {"Date": date}),
        (200, TOKEN_REPLY | {"access_token": token_with(str(int(theirs) + 900))}, {}),
    ]
    with answering_host(lambda _: answers.pop(0)) as url:
        login = SalesforceLogin(transport=Transport(), hosts=LOOPBACK, clock=clock)
        session = login.jwt_bearer(parse(text_of(key_pair("first"), baseUri=url)), deadline=clock.deadline())

    assert session.expires_at == clock.time() + 900


@pytest.mark.parametrize("date", [None, "yesterday", "Fri, 99 Foo 2027 08:00:00 GMT"])
def test_a_reply_without_a_date_is_judged_by_our_own_clock(clock: FakeClock, date: str | None) -> None:
    token = token_with(str(int(clock.time()) + 900))
    headers = {} if date is None else {"Date": date}
    with answering_host(lambda _: (200, TOKEN_REPLY | {"access_token": token}, headers)) as url:
        credential = parse(text_of(key_pair("first"), baseUri=url))
        login = SalesforceLogin(transport=Transport(), hosts=LOOPBACK, clock=clock)
        session = login.jwt_bearer(credential, deadline=clock.deadline())

    assert session.expires_at == clock.time() + 900


@pytest.mark.parametrize("date", [None, "yesterday"])
def test_an_expired_assertion_is_not_signed_anew_where_no_date_says_so(clock: FakeClock, date: str | None) -> None:
    asked = []

    def answer(received: Received) -> tuple[int, object, dict[str, str]]:
        asked.append(received)
        return (
            400,
            {"error": EXPIRED.error, "error_description": EXPIRED.description},
            {} if date is None else {"Date": date},
        )

    with answering_host(answer) as url:
        login = SalesforceLogin(transport=Transport(), hosts=LOOPBACK, clock=clock)
        with pytest.raises(LoginRefused, match="expired authorization code"):
            login.jwt_bearer(parse(text_of(key_pair("first"), baseUri=url)), deadline=clock.deadline())
    assert len(asked) == 1


def test_org_and_user_stand_at_the_end_of_the_identity_url(billing: Billing) -> None:
    billing.org.faults.add(replying(id="https://x.example/some/where/id/00D000000000001/005000000000002"))
    session = log_in(billing)

    assert (session.org_id, session.user_id) == ("00D000000000001", "005000000000002")


def test_a_token_type_that_is_left_out_is_bearer(billing: Billing) -> None:
    billing.org.faults.add(replying(token_type=None))
    assert log_in(billing).token_type == "Bearer"


def garbled(billing: Billing, fault: Fault) -> KeyPairError:
    billing.org.faults.add(fault)
    return refusal(billing)


GARBLED: dict[str, Fault] = {
    **{f"{name} missing": replying(**{name: None}) for name in ("access_token", "instance_url", "id")},
    **{f"{name} empty": replying(**{name: ""}) for name in ("access_token", "instance_url", "id")},
    **{f"{name} a number": replying(**{name: 7}) for name in ("access_token", "instance_url", "id")},
    "token with a line end": replying(access_token="to\r\nken"),
    "token with a space": replying(access_token="to ken"),
    "token with other letters": replying(access_token="t\u00f6ken"),
    "token too long for a header": replying(access_token="t" * 16_001),
    "token type that is no string": replying(token_type=["Bearer"]),
    "token type that is no word": replying(token_type="Bearer\u001f"),
    "identity with ids of other letters": replying(id=f"https://login.salesforce.com/id/{'٣' * 15}/005000000000001"),
    "identity without ids": replying(id="https://login.salesforce.com/id/"),
    "identity elsewhere": replying(id="https://login.salesforce.com/user/00D000000000001/005000000000001"),
    "identity with odd ids": replying(id="https://login.salesforce.com/id/00D00000000000!/005000000000001"),
    "identity with short ids": replying(id="https://login.salesforce.com/id/00D/005"),
    "identity with more behind it": replying(id="https://x.example/id/00D000000000001/005000000000001/x"),
    "identity that is no URL": replying(id="https://[/id/00D000000000001/005000000000001"),
    "HTML": html_page(200),
    "empty": answering(200),
    "an array": answering(200, "[]"),
    "half of JSON": answering(200, '{"access_token": "00D000000000001!hunter2'),
    "deep JSON": answering(200, "[" * 100_000),
}


@pytest.mark.parametrize("case", GARBLED)
def test_a_garbled_reply_is_salesforce_unavailable_and_not_quoted(billing: Billing, case: str) -> None:
    error = garbled(billing, GARBLED[case])

    assert isinstance(error, SalesforceUnavailable)
    assert re.search(r"can't be understood \((the token endpoint|the identity URL|\w+ in the answer)\)", error.what)
    assert "hunter2" not in str(error) + repr(error.__cause__) + str(getattr(error.__cause__, "doc", ""))


@pytest.mark.parametrize("url", ["https://evil.example", "http://acme.my.salesforce.com", "https://u@127.0.0.1"])
def test_a_token_is_not_used_at_a_foreign_host(billing: Billing, url: str) -> None:
    error = garbled(billing, replying(instance_url=url))

    assert isinstance(error, HostNotAllowed)
    assert "instance_url" in error.what


# Client credentials


def admin_of(billing: Billing, **changed: str) -> ClientCredentials:
    return ClientCredentials(
        base_uri=LOOPBACK.origin(billing.org.url, what="url"),
        consumer_key=billing.admin_app.consumer_key,
        consumer_secret=changed.get("secret", billing.admin_app.consumer_secret),
    )


def test_an_admin_logs_in_with_key_and_secret(billing: Billing) -> None:
    login = billing.login
    session = login.client_credentials(admin_of(billing), deadline=billing.clock.deadline())
    (form,) = forms(billing)

    assert session.user_id == billing.admin.user_id
    assert form == {
        "grant_type": "client_credentials",
        "client_id": billing.admin_app.consumer_key,
        "client_secret": billing.admin_app.consumer_secret,
    }
    login.client_credentials(admin_of(billing), deadline=billing.clock.deadline())
    assert billing.org.log.connections() == 1


def test_a_wrong_consumer_secret_is_a_matter_of_configuration(billing: Billing) -> None:
    with pytest.raises(LoginRefused, match="the admin's client credentials at http") as caught:
        billing.login.client_credentials(admin_of(billing, secret="hunter2"), deadline=billing.clock.deadline())

    assert not caught.value.retryable
    assert "correct consumerSecret" in caught.value.remedy


# The clock


@pytest.mark.parametrize(("offset", "asked"), [(-600.0, 1), (0.0, 1), (170.0, 1), (600.0, 2), (86_400.0, 2)])
def test_a_clock_that_is_behind_is_corrected_once_and_for_what_follows(
    billing: Billing, offset: float, asked: int
) -> None:
    billing.org.clock.offset = offset
    login, credential = billing.login, billing.credential()
    login.jwt_bearer(credential, deadline=billing.clock.deadline())
    assert len(forms(billing)) == asked
    login.jwt_bearer(credential, deadline=billing.clock.deadline())

    assert len(forms(billing)) == asked + 1
    assert len({claim["jti"] for claim in claims(billing)}) == asked + 1
    if asked == 2:
        assert claims(billing)[-1]["exp"] == pytest.approx(billing.org.clock.now() + 180, abs=2)


def test_a_clock_that_is_put_right_later_is_corrected_again(billing: Billing) -> None:
    billing.org.clock.offset = 86_400
    login, credential = billing.login, billing.credential()
    login.jwt_bearer(credential, deadline=billing.clock.deadline())
    billing.org.clock.offset = 172_800
    login.jwt_bearer(credential, deadline=billing.clock.deadline())

    assert len(forms(billing)) == 4


@pytest.mark.parametrize(("date_offset", "asked"), [(0.0, 1), (60.0, 1), (-60.0, 1), (61.0, 2), (-61.0, 2), (600.0, 2)])
def test_an_expired_assertion_is_signed_anew_once_where_the_date_says_so(
    billing: Billing, date_offset: float, asked: int
) -> None:
    fault = Fault("expired", acts=False, answer=oauth_reply(EXPIRED), date_offset=date_offset)
    billing.org.faults.add(fault, Kind.TOKEN, times=None)
    error = refusal(billing)

    assert type(error) is LoginRefused
    assert not error.retryable
    assert "username, audience and certificate" in error.remedy
    assert len(forms(billing)) == asked


def test_a_clock_known_to_be_off_is_not_taken_for_the_reason_again(billing: Billing) -> None:
    billing.org.clock.offset = 86_400
    login, credential = billing.login, billing.credential()
    login.jwt_bearer(credential, deadline=billing.clock.deadline())
    billing.org.faults.add(oauth_error(EXPIRED), Kind.TOKEN)
    with pytest.raises(LoginRefused, match="expired authorization code"):
        login.jwt_bearer(credential, deadline=billing.clock.deadline())

    assert len(forms(billing)) == 3


def test_a_server_whose_dates_never_agree_is_asked_twice_and_no_more(clock: FakeClock) -> None:
    asked = []

    def answer(received: Received) -> tuple[int, object, dict[str, str]]:
        asked.append(received)
        headers = {"Date": format_datetime(datetime.fromtimestamp(clock.time() + 3600 * len(asked), UTC), usegmt=True)}
        return 400, {"error": EXPIRED.error, "error_description": EXPIRED.description}, headers

    with answering_host(answer) as url:
        login = SalesforceLogin(transport=Transport(), hosts=LOOPBACK, clock=clock)
        with pytest.raises(LoginRefused, match="expired authorization code"):
            login.jwt_bearer(parse(text_of(key_pair("first"), baseUri=url)), deadline=clock.deadline())
    assert len(asked) == 2


def test_the_date_of_another_refusal_corrects_nothing(billing: Billing) -> None:
    billing.org.faults.add(wrong_date(600), Kind.TOKEN, times=None)
    billing.app.presence = Presence.MISSING
    refusal(billing)
    log_in_again = [claim["exp"] for claim in claims(billing)]

    assert log_in_again == [int(billing.clock.time()) + 180]
