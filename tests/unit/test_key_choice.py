"""Which version of the key logs in, and which others are tried while a new certificate spreads."""

import itertools

import pytest

from salesforce_keypair.credential import Credential
from salesforce_keypair.errors import (
    HostNotAllowed,
    InvalidSecret,
    LoginRefused,
    LoginThrottled,
    SalesforceError,
    SalesforceUnavailable,
    SecretUnavailable,
)
from salesforce_keypair.key_choice import KeyChoice
from tests.integration.org_client import key_pair
from tests.unit.support import FakeClock, MemoryLogin, MemorySecrets, arn_of, parse, text_of

S = "salesforce/keypair"


class Chooser:
    """A secret whose versions `current`, `pending`, `previous` and `undone` hold the pairs first to fourth."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.secrets = MemorySecrets()
        self.login = MemoryLogin(clock)
        self.parsed: list[str] = []
        self.put("current", "first", "AWSCURRENT")
        self.keys = KeyChoice(store=self.secrets, login=self.login, parse=self._parse, clock=clock)

    def put(self, version_id: str, name: str, *labels: str, secret_id: str = S) -> None:
        self.secrets.put(secret_id, version_id, text_of(key_pair(name)), *labels)

    def put_all(self) -> None:
        self.put("previous", "third", "AWSPREVIOUS")
        self.put("undone", "fourth", "ROLLEDBACK")
        self.put("pending", "second", "AWSPENDING")

    def honour(self, *names: str) -> None:
        self.login.servers = [set(names)]

    def log_in(self, *, patient: bool = False, seconds: float = 30.0, secret_id: str = S) -> str:
        """The version that logged in."""
        key, session = self.keys.log_in(secret_id, deadline=self.clock.deadline(seconds), patient=patient)
        assert session.access_token
        assert key.credential.private_key is not None
        return key.version_id

    def _parse(self, text: str) -> Credential:
        self.parsed.append(text)
        return parse(text)


@pytest.fixture
def chooser(clock: FakeClock) -> Chooser:
    return Chooser(clock)


def test_the_current_key_logs_in_and_nothing_else_is_read(chooser: Chooser) -> None:
    chooser.put_all()
    chooser.honour("first", "second")

    assert chooser.log_in() == "current"
    assert chooser.secrets.calls == ["read AWSCURRENT"]
    assert chooser.login.asked == ["first"]


def test_a_key_is_parsed_once_however_often_it_logs_in(chooser: Chooser) -> None:
    chooser.honour("first")
    for _ in range(5):
        chooser.log_in()

    assert len(chooser.parsed) == 1
    assert chooser.secrets.calls == ["read AWSCURRENT"] * 5


def test_a_promoted_version_is_used_by_the_very_next_login(chooser: Chooser) -> None:
    chooser.honour("first", "second")
    chooser.log_in()
    chooser.put("pending", "second", "AWSCURRENT")

    assert chooser.log_in() == "pending"


@pytest.mark.parametrize("overwritten", [False, True])
def test_the_keys_of_two_secrets_are_kept_apart_even_under_one_version_id(
    chooser: Chooser, *, overwritten: bool
) -> None:
    # A version id is the client's own choice, and unique within one secret only.
    label = "AWSPREVIOUS" if overwritten else "AWSCURRENT"
    for secret_id, name in ((S, "first"), ("another", "second")):
        chooser.secrets.put(secret_id, "overwritten", text_of(), "AWSCURRENT")
        chooser.put("shared", name, label, secret_id=secret_id)
    chooser.honour("first", "second")
    chooser.log_in()
    chooser.log_in(secret_id="another")

    assert chooser.login.asked == ["first", "second"]


def test_the_other_versions_of_two_secrets_are_kept_apart_too(chooser: Chooser) -> None:
    for secret_id, name in ((S, "third"), ("another", "fourth")):
        chooser.put("current", "first", "AWSCURRENT", secret_id=secret_id)
        chooser.put("shared", name, "AWSPENDING", secret_id=secret_id)
    chooser.honour("third", "fourth")
    chooser.log_in()
    chooser.log_in(secret_id="another")

    assert chooser.login.asked == ["first", "third", "first", "fourth"]


def test_no_endless_number_of_parsed_keys_is_kept(chooser: Chooser) -> None:
    chooser.honour("first")
    for number in range(65):
        chooser.put(f"v{number}", "first", "AWSCURRENT")
        chooser.log_in()
    before = len(chooser.parsed)
    chooser.log_in()
    assert len(chooser.parsed) == before
    chooser.put("v0", "first", "AWSCURRENT")
    chooser.log_in()
    assert len(chooser.parsed) == before + 1


# Other labelled versions


@pytest.mark.parametrize(
    ("honoured", "version", "asked"),
    [
        ("second", "pending", ["first", "second"]),
        ("third", "previous", ["first", "second", "third"]),
        ("fourth", "undone", ["first", "second", "third", "fourth"]),
    ],
)
def test_a_settling_refusal_leads_to_the_others_pending_first(
    chooser: Chooser, honoured: str, version: str, asked: list[str]
) -> None:
    chooser.put_all()
    chooser.honour(honoured)

    assert chooser.log_in() == version
    assert chooser.login.asked == asked


def test_the_one_that_worked_last_is_tried_before_the_others(chooser: Chooser) -> None:
    chooser.put_all()
    chooser.honour("fourth")
    chooser.log_in()
    chooser.login.asked.clear()

    assert chooser.log_in() == "undone"
    assert chooser.login.asked == ["first", "fourth"]


def test_a_version_that_worked_last_is_forgotten_with_its_label(chooser: Chooser) -> None:
    chooser.put("undone", "fourth", "ROLLEDBACK")
    chooser.honour("fourth")
    chooser.log_in()
    chooser.put("pending", "second", "ROLLEDBACK")
    chooser.honour("second", "fourth")
    chooser.login.asked.clear()

    assert chooser.log_in() == "pending"
    assert chooser.login.asked == ["first", "second"]


def test_a_version_under_somebody_elses_label_is_never_tried(chooser: Chooser) -> None:
    chooser.put("theirs", "second", "blue-green")
    chooser.put("undone", "fourth", "ROLLEDBACK")
    chooser.put("previous", "third", "AWSPREVIOUS")
    chooser.honour("second")

    with pytest.raises(LoginRefused):
        chooser.log_in()
    assert set(chooser.login.asked) == {"first", "third", "fourth"}


def test_the_labels_are_read_afresh_after_a_refusal(chooser: Chooser) -> None:
    """A rotation ended between the read of AWSCURRENT and the login: the key that it promoted is found."""
    chooser.put("pending", "second", "AWSPENDING")
    chooser.honour("second")
    chooser.put("pending", "second", "AWSCURRENT")
    chooser.secrets.calls.clear()

    assert chooser.log_in() == "pending"
    chooser.put("third", "third", "AWSCURRENT")
    chooser.honour("second")
    assert chooser.log_in() == "pending"
    assert chooser.secrets.calls.count("state") == 1


@pytest.mark.parametrize("method", ["state", "read"])
def test_where_the_other_versions_cannot_be_looked_up_the_refusal_is_told(
    chooser: Chooser, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, method: str
) -> None:
    """It is what nobody asks again for at once; told of AWS instead, each request would be a refused login."""

    def fail(*_: object, **__: object) -> None:
        raise SecretUnavailable("DescribeSecret was throttled", remedy="try again")

    chooser.put_all()
    monkeypatch.setattr(chooser.secrets, method, fail)
    with pytest.raises(LoginRefused, match="invalid assertion"):
        chooser.log_in(patient=True)

    assert chooser.login.asked == ["first"]
    assert "throttled" in str(caplog.records[0].__dict__["reason"])


def test_one_version_under_several_labels_is_tried_once(chooser: Chooser) -> None:
    chooser.put("current", "first", "AWSCURRENT", "AWSPENDING", "AWSPREVIOUS")
    with pytest.raises(LoginRefused):
        chooser.log_in()
    assert chooser.login.asked == ["first"]


@pytest.mark.parametrize(
    "text",
    [
        None,
        text_of(),
        "not a document",
        text_of(privateKey="not a key", certificate=None),
        text_of(key_pair("second"), baseUri="https://evil.example"),
    ],
    ids=["empty", "without a key", "no JSON", "bad key", "foreign host"],
)
def test_a_labelled_version_that_cannot_be_used_is_passed_over(
    chooser: Chooser, text: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    chooser.secrets.put(S, "pending", text, "AWSPENDING")
    chooser.put("previous", "third", "AWSPREVIOUS")
    chooser.honour("third")

    assert chooser.log_in() == "previous"
    for record in caplog.records[:-1]:
        assert record.__dict__["version"] == "pending"
        assert "not a key" not in record.__dict__["reason"]
        assert record.__dict__["reason"].partition(": ")[2], "without a remedy"


def test_a_version_that_was_deleted_meanwhile_is_passed_over(chooser: Chooser) -> None:
    chooser.put_all()
    chooser.secrets.put(S, "pending", None, "AWSPENDING")
    chooser.honour("third")

    assert chooser.log_in() == "previous"


def test_if_none_logs_in_the_refusal_of_the_current_key_is_told(chooser: Chooser) -> None:
    chooser.put_all()
    chooser.login.refusal = LoginRefused("refused", remedy="wait", retryable=True)
    with pytest.raises(LoginRefused) as caught:
        chooser.log_in()

    assert caught.value is chooser.login.refusal
    assert chooser.login.asked == ["first", "second", "third", "fourth"]


@pytest.mark.parametrize(
    "error",
    [
        LoginRefused("audience is invalid", remedy="correct it"),
        LoginThrottled("too many logins", remedy="stop"),
        InvalidSecret("privateKey can't sign", remedy="rotate"),
    ],
)
def test_other_refusals_lead_to_no_other_key(chooser: Chooser, error: SalesforceError) -> None:
    chooser.put_all()
    chooser.login.error = error
    with pytest.raises(type(error)):
        chooser.log_in(patient=True)
    assert chooser.login.asked == ["first"]
    assert chooser.secrets.calls == ["read AWSCURRENT"]


def test_an_unavailable_salesforce_is_asked_a_few_times_with_the_current_key(chooser: Chooser) -> None:
    chooser.put_all()
    chooser.login.error = SalesforceUnavailable("no answer", remedy="try again")
    with pytest.raises(SalesforceUnavailable):
        chooser.log_in()
    assert chooser.login.asked == ["first"] * 4


# Patience


@pytest.mark.parametrize("servers", list(itertools.permutations([{"first"}, {"second"}, set()])))
def test_a_patient_login_outlasts_servers_that_know_different_keys(chooser: Chooser, servers: list[set[str]]) -> None:
    """Servers that answer by turns may refuse each key when it comes to them; the next round meets them otherwise."""
    chooser.put("pending", "second", "AWSPENDING")
    chooser.login.servers = list(servers)

    assert chooser.log_in(patient=True) in {"current", "pending"}


@pytest.mark.parametrize(("last", "warned"), [("first", False), ("second", True)])
def test_it_is_said_where_another_key_than_the_current_one_logs_in(
    chooser: Chooser, caplog: pytest.LogCaptureFixture, last: str, *, warned: bool
) -> None:
    """Not where a server that didn't know the current key yet was followed by one that does."""
    chooser.put("pending", "second", "AWSPENDING")
    chooser.login.servers = [set(), set(), {last}, {last}]

    chooser.log_in(patient=True)

    assert ("another labelled version logs in" in caplog.text) is warned


def test_patience_ends_after_some_seconds(chooser: Chooser) -> None:
    chooser.put("pending", "second", "AWSPENDING")
    start = chooser.clock.time()
    with pytest.raises(LoginRefused):
        chooser.log_in(patient=True)

    assert 3 < chooser.clock.time() - start <= 6
    assert 8 < len(chooser.login.asked) < 24


@pytest.mark.parametrize(("seconds", "least", "most"), [(4, 1, 2), (11, 5, 5.5)])
def test_patience_leaves_half_of_the_time_that_is_left(
    chooser: Chooser, seconds: float, least: float, most: float
) -> None:
    start = chooser.clock.time()
    with pytest.raises(LoginRefused):
        chooser.log_in(patient=True, seconds=seconds)
    assert least < chooser.clock.time() - start <= most


def test_without_patience_each_key_is_tried_once(chooser: Chooser) -> None:
    chooser.put("pending", "second", "AWSPENDING")
    with pytest.raises(LoginRefused):
        chooser.log_in(patient=False)
    assert chooser.login.asked == ["first", "second"]
    assert chooser.clock.slept == []


# No key under AWSCURRENT


@pytest.mark.parametrize("current", [text_of(), None])
def test_if_the_current_version_holds_no_key_the_previous_one_serves(chooser: Chooser, current: str | None) -> None:
    chooser.put("previous", "third", "AWSPREVIOUS")
    chooser.secrets.put(S, "overwritten", current, "AWSCURRENT")
    chooser.honour("third")

    assert chooser.log_in() == "previous"


def test_a_secret_before_its_first_rotation_says_so(chooser: Chooser) -> None:
    chooser.secrets.put(S, "current", text_of(), "AWSCURRENT")
    with pytest.raises(InvalidSecret, match="no privateKey yet: rotate it once"):
        chooser.log_in()
    assert chooser.login.asked == []


@pytest.mark.parametrize("previous", ["{}", "to be filled in", text_of(key_pair(), baseUri="https://evil.example")])
def test_what_was_there_before_the_first_document_is_not_complained_of(
    chooser: Chooser, previous: str, caplog: pytest.LogCaptureFixture
) -> None:
    chooser.secrets.put(S, "placeholder", previous, "AWSPREVIOUS")
    chooser.secrets.put(S, "current", text_of(), "AWSCURRENT")
    with pytest.raises(InvalidSecret, match="no privateKey yet: rotate it once"):
        chooser.log_in()
    (record,) = caplog.records
    assert record.__dict__["version"] == "AWSPREVIOUS"


def test_a_secret_that_is_not_there_is_told_from_one_without_a_key(chooser: Chooser) -> None:
    with pytest.raises(SecretUnavailable, match="no such secret"):
        chooser.log_in(secret_id="misspelt")


@pytest.mark.parametrize(
    ("text", "kind"),
    [("no JSON", InvalidSecret), (text_of(key_pair(), baseUri="https://evil.example"), HostNotAllowed)],
)
def test_a_current_document_that_is_wrong_is_not_papered_over(
    chooser: Chooser, text: str, kind: type[Exception]
) -> None:
    chooser.put("previous", "third", "AWSPREVIOUS")
    chooser.secrets.put(S, "broken", text, "AWSCURRENT")
    chooser.honour("third")
    with pytest.raises(kind):
        chooser.log_in()


def test_what_was_chosen_names_its_secret_and_prints_without_the_credential(chooser: Chooser) -> None:
    chooser.honour("first")
    key, session = chooser.keys.log_in(S, deadline=chooser.clock.deadline(), patient=False)

    assert key.secret_arn == arn_of(S)
    assert key.private_key is key.credential.private_key
    assert repr(key) == "VersionedKey(version_id='current')"
    assert session.access_token not in repr(session)


# A version by its id, as the key that sealed what is shared


def test_the_current_version_is_found_without_looking(chooser: Chooser) -> None:
    current = chooser.keys.current(S)
    chooser.secrets.calls.clear()

    assert chooser.keys.labelled(S, "current", current) is current
    assert chooser.secrets.calls == []


def test_another_labelled_version_is_found(chooser: Chooser) -> None:
    chooser.put_all()
    found = chooser.keys.labelled(S, "undone", chooser.keys.current(S))

    assert found is not None
    assert (found.version_id, found.secret_arn) == ("undone", arn_of(S))
    assert found.credential.certificate is not None
    assert found.credential.certificate.fingerprint == key_pair("fourth").fingerprint


def test_what_is_not_labelled_any_more_is_not_found(chooser: Chooser) -> None:
    chooser.put_all()
    chooser.put("later", "second", "AWSPENDING")

    assert chooser.keys.labelled(S, "pending", chooser.keys.current(S)) is None


@pytest.mark.parametrize(
    "text",
    [None, text_of(), "not a document", text_of(key_pair("second"), username="another@example.com")],
    ids=["empty", "without a key", "no JSON", "another user"],
)
def test_a_labelled_version_that_is_not_of_the_same_user_is_not_found(chooser: Chooser, text: str | None) -> None:
    chooser.secrets.put(S, "pending", text, "AWSPENDING")

    assert chooser.keys.labelled(S, "pending", chooser.keys.current(S)) is None


def test_where_it_can_not_be_looked_up_none_is_found(chooser: Chooser, caplog: pytest.LogCaptureFixture) -> None:
    assert chooser.keys.labelled("misspelt", "pending", chooser.keys.current(S)) is None
    assert caplog.records[-1].__dict__["version"] == "pending"
