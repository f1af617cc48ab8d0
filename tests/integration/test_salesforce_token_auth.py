"""The client for callers on calls of requests: the real vendor, an emulated org, and hosts that aren't the org's."""

import io
import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests
from botocore.config import Config

from salesforce_token import ForeignHost, SalesforceToken, TokenUnavailable
from tests.integration.org_client import key_pair
from tests.sandbox.aws import LocalAws
from tests.sandbox.org import EmulatedOrg, Kind, LogEntry, Org
from tests.sandbox.org.faults import Fault, answering, html_page, redirected, rest_error
from tests.sandbox.world import World

CALLERS = 8
REFUSED = rest_error(401, "INVALID_SESSION_ID", "Session expired or invalid")
FORCED = {"min_ttl_seconds": 60, "force_refresh": True}
ORDINARY = {"min_ttl_seconds": 60}


@dataclass(frozen=True)
class Scene:
    """A world with a key, a client of its vendor, and a session that takes the client's tokens."""

    world: World
    vendor: SalesforceToken
    session: requests.Session
    vends_before: int

    @property
    def org(self) -> Org:
        return self.world.org

    @property
    def asked(self) -> list[dict[str, Any]]:
        """What the vendor was asked in this test."""
        return [json.loads(result.event) for result in self.world.vendor.results[self.vends_before :]]

    @property
    def calls(self) -> tuple[LogEntry, ...]:
        """What the org was called for with a token, whether that was good or not."""
        return self.org.log.entries(Kind.LIVENESS, Kind.OTHER)

    def call(self, method: str = "GET", path: str = "/services/data/v67.0/", **options: Any) -> requests.Response:
        return self.session.request(method, self.org.url + path, timeout=30, **options)

    def post(self, body: Any) -> requests.Response:
        """Send a body; the org has nothing there, and says so to whoever has a token that it doesn't refuse."""
        return self.call("POST", "/services/apexrest/import", data=body)


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with World() as world:
        pair = key_pair()
        world.app.install(pair.pem)
        world.put_document(world.document(privateKey=pair.private_pem, certificate=pair.pem))
        yield world


@pytest.fixture
def scene(world: World) -> Iterator[Scene]:
    world.org.faults.clear()
    world.org.log.clear()
    once = world.aws.client("lambda", config=Config(retries={"total_max_attempts": 1}))
    vendor = SalesforceToken(world.vendor.name, client=once)
    with requests.Session() as session:
        session.trust_env = False
        session.auth = vendor.auth()
        made = Scene(world, vendor, session, len(world.vendor.results))
        yield made
    if FORCED in made.asked:
        # Within seconds the same environment wouldn't log in again for the next test.
        world.vendor.recycle()


@pytest.fixture
def foreign() -> Iterator[Org]:
    """A host that would like to have a token."""
    with EmulatedOrg() as org:
        yield org


def authorization(entry: LogEntry) -> str | None:
    return dict(entry.headers).get("Authorization")


def test_calls_carry_the_token_and_the_vendor_is_asked_once(scene: Scene) -> None:
    for _ in range(3):
        assert scene.call().status_code == 200

    assert scene.asked == [ORDINARY]
    assert {authorization(call) for call in scene.calls} == {f"Bearer {scene.vendor.get().access_token}"}


def test_a_call_whose_session_was_killed_is_repeated_with_a_new_token(scene: Scene) -> None:
    scene.call()
    scene.org.sessions.kill_all()

    answer = scene.call()

    assert answer.status_code == 200
    assert [refused.status_code for refused in answer.history] == [401]
    assert scene.asked == [ORDINARY, FORCED]
    first, refused, repeated = map(authorization, scene.calls)
    assert first == refused != repeated
    assert scene.call().status_code == 200
    assert len(scene.asked) == 2


def test_a_repeated_call_that_is_refused_too_is_left_so(scene: Scene) -> None:
    scene.org.faults.add(REFUSED, Kind.LIVENESS, times=None)

    answer = scene.call()

    assert (answer.status_code, answer.json()[0]["errorCode"]) == (401, "INVALID_SESSION_ID")
    assert len(scene.calls) == 2
    assert scene.asked == [ORDINARY, FORCED]


@pytest.mark.slow
def test_an_org_that_refuses_every_token_is_no_login_a_call(scene: Scene) -> None:
    scene.org.faults.add(REFUSED, Kind.LIVENESS, times=None)

    assert [scene.call().status_code for _ in range(5)] == [401] * 5

    assert scene.asked == [ORDINARY, FORCED]
    assert len(scene.calls) == 6


@pytest.mark.parametrize(
    "fault",
    [
        rest_error(401, "INVALID_AUTH_HEADER"),
        html_page(401),
        answering(401),
        rest_error(403, "INSUFFICIENT_ACCESS"),
        rest_error(500, "INVALID_SESSION_ID"),
    ],
    ids=lambda fault: fault.name,
)
def test_other_refusals_are_the_callers_own(scene: Scene, fault: Fault) -> None:
    scene.org.faults.add(fault, Kind.LIVENESS)

    answer = scene.call()

    assert fault.answer is not None
    assert (answer.status_code, answer.content) == (fault.answer.status, fault.answer.body)
    assert scene.asked == [ORDINARY]
    assert len(scene.calls) == 1


def test_where_no_new_token_is_to_be_had_the_call_says_why(scene: Scene) -> None:
    scene.call()
    scene.org.sessions.kill_all()
    scene.world.user.frozen = True
    try:
        with pytest.raises(TokenUnavailable) as raised:
            scene.call()
    finally:
        scene.world.user.frozen = False

    assert raised.value.code == "LoginRefused"


@pytest.mark.slow
def test_many_callers_with_a_killed_session_are_one_new_token(scene: Scene) -> None:
    scene.call()
    scene.org.sessions.kill_all()

    with ThreadPoolExecutor(CALLERS) as pool:
        answers = list(pool.map(lambda _: scene.call().status_code, range(CALLERS)))

    assert answers == [200] * CALLERS
    assert scene.asked == [ORDINARY, FORCED]


class Unseekable(io.BytesIO):
    """As a pipe: nothing of it comes twice."""

    def tell(self) -> int:
        raise OSError("Illegal seek")

    def seek(self, offset: int, whence: int = 0) -> int:
        raise OSError("Illegal seek")


class SeeksInVain(io.BytesIO):
    """Says where it is, and once it was read doesn't go back there."""

    read_to_its_end = False

    def read(self, size: int | None = -1) -> bytes:
        data = super().read(size)
        self.read_to_its_end = self.tell() == len(self.getvalue())
        return data

    def seek(self, offset: int, whence: int = 0) -> int:
        if self.read_to_its_end:
            raise OSError("Illegal seek")
        return super().seek(offset, whence)


def half_read(kind: type[io.BytesIO]) -> io.BytesIO:
    body = kind(b"readbody")
    body.read(4)
    return body


@pytest.mark.slow
@pytest.mark.parametrize(
    "make",
    [lambda: b"body", lambda: "body", lambda: bytearray(b"body"), lambda: half_read(io.BytesIO)],
    ids=["bytes", "text", "bytearray", "half-read file"],
)
def test_a_body_that_can_be_sent_again_is(scene: Scene, make: Callable[[], Any]) -> None:
    scene.org.faults.add(REFUSED, Kind.OTHER)

    answer = scene.post(make())

    assert answer.status_code == 404
    assert [call.body for call in scene.calls] == [b"body", b"body"]


def test_a_file_on_disk_is_sent_again(scene: Scene, tmp_path: Path) -> None:
    scene.org.faults.add(REFUSED, Kind.OTHER)
    (tmp_path / "rows.csv").write_bytes(b"body")

    with (tmp_path / "rows.csv").open("rb") as rows:
        answer = scene.post(rows)

    assert answer.status_code == 404
    assert [call.body for call in scene.calls] == [b"body", b"body"]


@pytest.mark.slow
@pytest.mark.parametrize(
    "make",
    [lambda: iter([b"bo", b"dy"]), lambda: half_read(Unseekable), lambda: half_read(SeeksInVain)],
    ids=["generator", "pipe", "file that doesn't seek"],
)
def test_a_body_that_is_gone_is_not_sent_again_and_the_next_call_has_a_new_token(
    scene: Scene, make: Callable[[], Any]
) -> None:
    scene.call()
    scene.org.faults.add(REFUSED, Kind.OTHER)
    scene.org.log.clear()

    answer = scene.post(make())

    assert (answer.status_code, answer.json()[0]["errorCode"]) == (401, "INVALID_SESSION_ID")
    assert [call.body for call in scene.calls] == [b"body"]
    assert scene.asked == [ORDINARY]
    assert scene.post(make()).status_code == 404
    assert scene.asked == [ORDINARY, FORCED]


def test_a_streamed_answer_is_streamed_after_a_repetition_too(scene: Scene) -> None:
    scene.org.faults.add(REFUSED, Kind.LIVENESS)

    with scene.call(stream=True) as answer:
        content = b"".join(answer.iter_content(7))

    assert answer.history
    assert "identity" in json.loads(content)


def test_a_foreign_host_is_not_even_called(scene: Scene, foreign: Org) -> None:
    with pytest.raises(ForeignHost, match="doesn't get the token") as raised:
        scene.session.get(f"{foreign.url.replace('//', '//secret:secret@')}/secret/path?secret=1", timeout=10)

    assert foreign.url in str(raised.value)
    assert scene.org.url in str(raised.value)
    assert "secret" not in str(raised.value)
    assert foreign.log.entries() == ()


@pytest.mark.parametrize(
    "template",
    [
        "http://{org}@{foreign}/",
        "http://{foreign}\\@{org}/",
        "http://{foreign}#@{org}/",
        "http://{foreign}?@{org}/",
        "http://{foreign}/@{org}/",
        "http://{org_host}.:{org_port}/",
        "http://localhost:{org_port}/",
        "https://{org}/",
    ],
)
def test_no_way_of_writing_an_address_takes_the_token_elsewhere(scene: Scene, foreign: Org, template: str) -> None:
    with pytest.raises(ForeignHost):
        scene.session.get(written(template, scene.org, foreign), timeout=10)

    assert foreign.log.entries() == ()
    assert scene.calls == ()


@pytest.mark.parametrize(
    "template", ["http://{org}\\@{foreign}/", "http://user:word@{org}/", "http://{org}/@{foreign}"]
)
def test_an_address_that_is_the_orgs_in_spite_of_its_looks_is_called(scene: Scene, foreign: Org, template: str) -> None:
    assert scene.session.get(written(template, scene.org, foreign), timeout=10).status_code == 404

    assert [authorization(call) for call in scene.calls] == [f"Bearer {scene.vendor.get().access_token}"]
    assert foreign.log.entries() == ()


def written(template: str, org: Org, foreign: Org) -> str:
    host, port = org.url.removeprefix("http://").split(":")
    other = foreign.url.removeprefix("http://")
    return template.format(org=f"{host}:{port}", foreign=other, org_host=host, org_port=port)


def test_a_redirect_to_a_foreign_host_is_told_and_takes_no_token_along(scene: Scene, foreign: Org) -> None:
    scene.org.faults.add(redirected(f"{foreign.url}/services/data/v67.0/"), Kind.LIVENESS)

    with pytest.raises(ForeignHost):
        scene.call()

    assert [authorization(entry) for entry in foreign.log.entries()] == [None]
    # The foreign host says INVALID_SESSION_ID, and that is nothing to us.
    assert scene.asked == [ORDINARY]
    assert scene.call().status_code == 200


def test_who_follows_redirects_himself_sees_them(scene: Scene, foreign: Org) -> None:
    scene.org.faults.add(redirected(f"{foreign.url}/download"), Kind.LIVENESS)

    answer = scene.call(allow_redirects=False)

    assert (answer.status_code, answer.headers["Location"]) == (307, f"{foreign.url}/download")
    assert foreign.log.entries() == ()


def test_a_redirect_within_the_org_is_followed_also_when_the_session_was_killed(scene: Scene) -> None:
    scene.call()
    scene.org.sessions.kill_all()
    scene.org.faults.add(redirected("/services/data/v67.0/"), Kind.OTHER)

    answer = scene.call(path="/services/apexrest/moved")

    assert answer.status_code == 200
    assert scene.asked == [ORDINARY, FORCED]


def test_a_token_is_for_the_hosts_of_its_own_org_alone_and_over_https(tmp_path: Path) -> None:
    plain = "http://acme.my.salesforce.com"
    with vendor_that_names(plain, tmp_path) as vendor:
        for url in (f"{plain}/", "https://acme.my.salesforce.com/"):
            with pytest.raises(ForeignHost):
                requests.Request("GET", url, auth=vendor.auth()).prepare()


@pytest.mark.parametrize(
    ("url", "goes"),
    [
        ("https://acme.my.salesforce.com/services/data", True),
        ("https://ACME.my.salesforce.com:443/services/data", True),
        ("https://acme.my.salesforce.com:8443/services/data", False),
        ("http://acme.my.salesforce.com/services/data", False),
        ("https://acme.lightning.force.com/services/data", False),
        ("https://acme.my.salesforce.com.example.com/services/data", False),
        ("https://login.salesforce.com/services/oauth2/userinfo", False),
    ],
)
def test_the_orgs_own_host_is_what_the_vendor_named(tmp_path: Path, url: str, goes: bool) -> None:
    with vendor_that_names("https://acme.my.salesforce.com", tmp_path) as vendor:
        call = requests.Request("GET", url, auth=vendor.auth())
        if goes:
            assert call.prepare().headers["Authorization"] == "Bearer secret"
        else:
            with pytest.raises(ForeignHost):
                call.prepare()


def test_a_new_token_of_another_org_does_not_go_to_the_one_before(tmp_path: Path, foreign: Org) -> None:
    foreign.faults.add(REFUSED, Kind.VERSIONS)
    elsewhere = "https://acme.my.salesforce.com"
    with vendor_that_names(foreign.url, tmp_path, then=elsewhere) as vendor, pytest.raises(ForeignHost, match="acme"):
        requests.get(f"{foreign.url}/services/data", auth=vendor.auth(), timeout=10)

    assert [authorization(entry) for entry in foreign.log.entries()] == ["Bearer secret"]


VENDOR = """
def lambda_handler(event, context):
    forced = event.get("force_refresh", False)
    reply = dict.fromkeys(["access_token", "org_id", "username", "key_version"], "newer" if forced else "secret")
    return reply | {{"instance_url": {then!r} if forced else {first!r}, "expires_in": 900}}
"""


@contextmanager
def vendor_that_names(instance_url: str, folder: Path, *, then: str | None = None) -> Iterator[SalesforceToken]:
    """A client of a vendor whose org is anywhere, and for a token that is forced out somewhere else."""
    (folder / "app.py").write_text(VENDOR.format(first=instance_url, then=then))
    with LocalAws() as aws:
        aws.create_function("vendor", folder)
        yield SalesforceToken("vendor", client=aws.client("lambda"))
