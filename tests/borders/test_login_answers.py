"""Any answer to a login: a session that can be handed on, or an error that tells no secret."""

import json
from urllib.parse import parse_qs

import pytest
from hypothesis import given
from hypothesis import strategies as st

from salesforce_keypair.credential import ClientCredentials
from salesforce_keypair.errors import SalesforceError
from salesforce_keypair.salesforce.login import SalesforceLogin
from salesforce_keypair.salesforce.session import Session
from salesforce_keypair.salesforce.transport import Transport
from salesforce_keypair.token_cache import Token
from salesforce_keypair.vending import reply
from tests.borders.counting import examples
from tests.borders.judge import value_or_error
from tests.borders.odd import bodies, scratched, weighted
from tests.borders.wire import SALESFORCE, SALESFORCE_PORT, http, wired
from tests.integration.org_client import key_pair
from tests.scenarios.leaks import Searcher, know_assertion
from tests.unit.support import LOOPBACK, ORG_ID, TOKEN_REPLY, USER_ID, FakeClock, parse, text_of

_SECRET = "8A1B2C3D4E5F60718293A4B5C6D7E8F98A1B2C3D4E5F60718293A4B5C6D7E8F9"
# Where the answer quotes what it was sent.
_ECHO = "@@sent@@"
_JWT = "eyJhbGciOiJSUzI1NiJ9.{}.c2lnbmF0dXJlLW9mLXRoZS10b2tlbi1pdHNlbGY"
_CLAIMS = (
    "eyJleHAiOjE4MDAwMDA5MDB9",
    "eyJleHAiOjFlOTk5fQ",
    "eyJleHAiOiJ4In0",
    "W10",
    "eyJleHAiOi0xfQ",
    "bnVsbA",
    "=",
    "eyJleHAiOk5hTn0",
)
_ANSWER = {**TOKEN_REPLY, "instance_url": SALESFORCE, "scope": "api refresh_token", "issued_at": "1800000000000"}
_JWT_ANSWERS = st.sampled_from(_CLAIMS).map(lambda claims: _ANSWER | {"access_token": _JWT.format(claims)})
_REFUSALS = tuple(
    {"error": error, "error_description": description}
    for error, description in (
        ("invalid_grant", "invalid assertion"),
        ("invalid_grant", f"expired authorization code {_ECHO}"),
        ("invalid_grant", _ECHO),
        (_ECHO, f"client_secret={_ECHO}"),
        ("invalid_client", f"invalid client credentials '{_ECHO}'"),
        ("rate_limit_exceeded", "login rate exceeded"),
        ("unknown_error", "retry your request"),
    )
)
_ARRAY = [{"errorCode": "INVALID_SESSION_ID", "message": f"Session expired or invalid {_ECHO}"}]
_statuses = weighted(
    (6, st.just(200)), (6, st.just(400)), (2, st.sampled_from((201, 302, 401, 403, 404, 420, 429, 500, 503)))
)
_dates = (
    st.none()
    | st.sampled_from(
        (
            "Sun, 10 Jan 2027 08:00:00 GMT",
            "Fri, 15 Jan 2027 09:00:00 GMT",
            "0",
            "",
            "Mon, 99 Foo 0000 99:99:99 GMT",
            "1 Jan 1 00:00:00",
            "Thu, 01 Jan 9999 00:00:00 -2359",
            "Fri, 15 Jan 2027 08:00:00 +999999999999",
            "Fri, 15 Jan 2027",
            "15 Jan 99999999999 08:00:00 GMT",
        )
    )
    | st.text(st.characters(max_codepoint=255, exclude_characters="\r\n"), max_size=30)
)
_bodies = weighted(
    (4, bodies(_ANSWER)),
    (2, _JWT_ANSWERS.flatmap(lambda answer: bodies(answer, most=1))),
    (4, st.sampled_from(_REFUSALS).flatmap(lambda refusal: bodies(refusal, most=2))),
    (1, bodies(_ARRAY)),
    (1, st.binary(max_size=60)),
    (
        1,
        scratched("<html><body>We are down for maintenance.</body></html>").map(
            lambda text: text.encode("utf-8", "replace")
        ),
    ),
)


def _answers(body: bytes, status: int, date: str | None) -> bytes:
    return http(body, status=status, headers={} if date is None else {"Date": date})


_login_answers = st.builds(_answers, _bodies, _statuses, _dates)
_liveness = {
    "identity": f"https://login.salesforce.com/id/{ORG_ID}/{USER_ID}",
    "sobjects": "/services/data/v67.0/sobjects",
}
_liveness_answers = st.builds(
    _answers,
    weighted((3, bodies(_liveness)), (1, bodies(_ARRAY)), (1, st.sampled_from(_REFUSALS).flatmap(bodies))),
    weighted((3, st.just(200)), (1, st.sampled_from((204, 302, 400, 401, 403, 404, 500)))),
    _dates,
)


class _Org:
    """Answers as it is told, quoting what it was sent where it is asked to, and knows what must not be told on."""

    def __init__(self, login: bytes, liveness: bytes = b"") -> None:
        self._login = login
        self._liveness = liveness
        self.secrets = Searcher()
        self.secrets.know("consumer secret", _SECRET)
        self.secrets.know("access token", *(_JWT.format(claims).partition(".")[2] for claims in _CLAIMS))
        self.secrets.know("access token", str(TOKEN_REPLY["access_token"]))

    def __call__(self, request: bytes) -> bytes:
        if request.startswith(b"GET"):
            return self._liveness
        form = parse_qs(request.partition(b"\r\n\r\n")[2].decode())
        sent = form.get("assertion") or form["client_secret"]
        if "assertion" in form:
            know_assertion(self.secrets, sent[0])
        return self._login.replace(_ECHO.encode(), sent[0].encode()).replace(b"Content-Length", b"X-Length")


@pytest.fixture(scope="module")
def login_parts() -> tuple[Transport, FakeClock]:
    """What all examples have in common; connections aren't kept."""
    return Transport(), FakeClock()


def _check(session: Session | None) -> None:
    """A session is one that can be used and handed on."""
    if session is None:
        return
    assert session.instance.url == SALESFORCE or session.instance.url.endswith(
        (".my.salesforce.com", ".my.salesforce.mil", ".my.sfcrmproducts.cn", ".my-salesforce.com")
    )
    token = Token.of_login(session, username="robot", key_version="v", issued_at=1.8e9, lifetime=900)
    for name, value in json.loads(json.dumps(reply(token, 1.8e9), allow_nan=False)).items():
        assert isinstance(value, int if name in ("issued_at", "expires_in", "expires_at") else str), name
        assert not isinstance(value, str) or (value and value.isprintable() and len(value) < 20_000), name
    assert 1.8e9 < token.expires_at <= 1.8e9 + 90_000


@given(answer=_login_answers)
@examples(1_000)
def test_any_answer_to_an_assertion(login_parts: tuple[Transport, FakeClock], answer: bytes) -> None:
    transport, clock = login_parts
    org = _Org(answer)
    login = SalesforceLogin(transport=transport, hosts=LOOPBACK, clock=clock)
    with wired(clock) as wire:
        wire.answers[SALESFORCE_PORT] = org
        credential = parse(text_of(key_pair(), baseUri=SALESFORCE))
        call = lambda: login.jwt_bearer(credential, deadline=clock.deadline())  # noqa: E731
        _check(value_or_error(call, secrets=org.secrets))
        assert not wire.strangers()
        assert len(wire.called) <= 2, "one login, and one more where the clock was off"


@given(answer=_login_answers)
@examples(1_000)
def test_any_answer_to_client_credentials(login_parts: tuple[Transport, FakeClock], answer: bytes) -> None:
    transport, clock = login_parts
    org = _Org(answer)
    login = SalesforceLogin(transport=transport, hosts=LOOPBACK, clock=clock)
    admin = ClientCredentials(LOOPBACK.origin(SALESFORCE, what="url"), "3MVG9admin", _SECRET)
    with wired(clock) as wire:
        wire.answers[SALESFORCE_PORT] = org
        call = lambda: login.client_credentials(admin, deadline=clock.deadline())  # noqa: E731
        _check(value_or_error(call, secrets=org.secrets))
        assert not wire.strangers()
        assert len(wire.called) == 1


@given(answer=_liveness_answers)
@examples(1_000)
def test_any_answer_to_a_new_token(login_parts: tuple[Transport, FakeClock], answer: bytes) -> None:
    transport, clock = login_parts
    org = _Org(http(json.dumps(_ANSWER).encode()), answer)
    login = SalesforceLogin(transport=transport, hosts=LOOPBACK, clock=clock)
    with wired(clock) as wire:
        wire.answers[SALESFORCE_PORT] = org
        credential = parse(text_of(key_pair(), baseUri=SALESFORCE))
        value_or_error(
            lambda: login.prove(credential, deadline=clock.deadline()), secrets=org.secrets, errors=(SalesforceError,)
        )
        assert not wire.strangers()
