"""Nothing secret is printed, at any level: everything that the functions write is searched for all that is secret."""

import base64
import json
import logging
from collections.abc import Callable
from types import SimpleNamespace
from urllib.parse import quote_plus

import jwt
import pytest
import requests
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from salesforce_keypair.salesforce.component import new_element, package_of
from tests.integration.org_client import Pair, key_pair
from tests.sandbox.aws import Outcome, Refuse, RotationPolicy
from tests.sandbox.org import Kind, Refusal, faults
from tests.sandbox.org.spreading import AtOnce, Never
from tests.sandbox.world import TOKEN_TABLE, Timing, World
from tests.scenarios.hearing import told_by
from tests.scenarios.leaks import Searcher, found_in, know_assertion, know_the_world, know_token
from tests.scenarios.support import Stage, document_of, event

LOGGER = logging.getLogger("salesforce_keypair")


@pytest.mark.slow
def test_nothing_secret_is_printed_whatever_happens_and_however_loud_the_loggers_are() -> None:
    policy = RotationPolicy(repeats=1, pause_seconds=0.05, hand_out_tokens=True)
    with World(timing=Timing(settling=1.5), rotation_policy=policy, shared_tokens=True) as world:
        play_everything(world)

        rows = world.table_rows()
        requests = [call.parameters for call in world.aws.calls() if call.service == "dynamodb"]
        kinds = know_the_world(world).kinds
        printed = world.rotation.output() + world.vendor.output()
        told = [result.error_type for result in world.rotation.results]

    # What is searched for, and where, when the world ends (tests/scenarios/auditing.py): there was some of each.
    assert kinds == {"private key", "consumer secret", "assertion", "access token", "rotation token"}
    assert '"DEBUG"' in printed
    assert "NotSettled" in told
    assert [row["id"] for row in rows] == [world.secret_arn]
    assert any(":sealed" in request.get("ExpressionAttributeValues", {}) for request in requests)


def play_everything(world: World) -> None:
    """What goes well and what goes wrong, with the other parties' errors quoting what they were sent."""
    world.turn_rotation_on()
    assert world.rotate() is Outcome.SUCCEEDED
    for name in ("vend-default", "vend-force-refresh", "vend-min-ttl"):
        assert not world.vendor.invoke(event(name)).failed
    assert world.vendor.invoke({"secret_id": document_of(key_pair())["privateKey"]}).failed

    quoting = Refusal("invalid_client", f"invalid client credentials {world.admin_app.consumer_secret}")
    world.org.faults.add(faults.oauth_error(quoting), Kind.TOKEN)
    assert world.rotate() is Outcome.SUCCEEDED

    world.aws.faults.inject("GetSecretValue", Refuse("AccessDeniedException"), caller="token-vendor")
    assert world.vend(force_refresh=True).failed
    world.org.faults.add(faults.html_page(200), Kind.TOKEN, times=None)
    assert world.vend(force_refresh=True).failed
    world.org.faults.clear()

    world.app.spreading = Never()
    assert world.rotate() is Outcome.GAVE_UP
    world.app.spreading = AtOnce()

    world.vendor.recycle()
    token = world.vend().value["access_token"]
    world.aws.faults.inject("UpdateItem", Refuse("ValidationException", message=f"no {token}"), caller="token-vendor")
    assert not world.vend(force_refresh=True).failed

    current = world.version_with("AWSCURRENT")
    assert current is not None
    assert current.document is not None
    # Half a key, in a document that isn't even JSON.
    pem = current.document["privateKey"]
    for broken in (json.dumps({**current.document, "privateKey": pem[:800]}), f'{{"privateKey": "{pem}"'):
        world.secrets.put_secret_value(SecretId=world.secret_arn, SecretString=broken)
        assert world.vend(force_refresh=True).failed


# Who looks on when a world ends


def _caused_by(token: str) -> Exception:
    error = ValueError("failed")
    error.__cause__ = KeyError(token)
    return error


def _get(stage: Stage, path: str, **headers: str) -> None:
    requests.get(stage.world.org.url + path, headers=headers, timeout=10)


def _deploy(stage: Stage, token: str) -> None:
    content = package_of(
        metadata_type="A", full_name="a", path="a/a", component=new_element("a", token), api_version="67.0"
    )
    url = f"{stage.world.org.url}/services/data/v67.0/metadata/deployRequest"
    requests.post(url, files={"file": ("deploy.zip", content, "application/zip")}, timeout=10)


def _mislabel(stage: Stage, token: str) -> None:
    client = stage.world.aws.client("secretsmanager", caller="rotation")
    version_id = stage.labels()["AWSCURRENT"]
    client.update_secret_version_stage(SecretId=stage.arn, VersionStage=token, MoveToVersionId=version_id)


def _write_row(stage: Stage, token: str) -> None:
    stage.world.tables.put_item(TableName=TOKEN_TABLE, Item={"id": {"S": "x"}, "sealed": {"B": token.encode()}})


LEAKS: dict[str, tuple[str, Callable[[Stage, str], object]]] = {
    "a line of the log": ("what was logged", lambda stage, token: LOGGER.debug("got it", extra={"got": token})),
    "an error's cause": ("what was logged", lambda stage, token: LOGGER.error("failed", exc_info=_caused_by(token))),
    "an error": ("what was raised or printed", lambda stage, token: stage.note(told_by(_caused_by(token)))),
    "an address": ("requests to Salesforce", lambda stage, token: _get(stage, f"/services/data/?sid={token}")),
    "a header": ("requests to Salesforce", lambda stage, token: _get(stage, "/services/data/", cookie=token)),
    "a deploy": ("requests to Salesforce", _deploy),
    "a call of AWS": ("requests to AWS", _mislabel),
    "a row": ("rows of the table", _write_row),
}


@pytest.mark.parametrize(("place", "leak"), LEAKS.values(), ids=LEAKS.keys())
def test_a_token_is_noticed_at_the_end_of_a_world_in(place: str, leak: Callable[[Stage, str], object]) -> None:
    with pytest.raises(AssertionError, match=f"leaked: {{'{place}': {{'access token'}}}}"):
        _leak(leak)


def _leak(leak: Callable[[Stage, str], object]) -> None:
    with Stage(shared_tokens=True) as stage:
        stage.install_key()
        leak(stage, stage.outsider.access_token())


# The searcher itself

SECRET = "s3cr3t+/" * 8
TOKEN = "00D000000000001!" + "AbC.dEf_" * 12
ROTATION_TOKEN = "5f7f3c1e-6f5f-4a57-9d3c-0a1b2c3d4e5f"
ASSERTION = jwt.encode({"iss": "3MVG9", "sub": "robot@example.com"}, key_pair().key, algorithm="RS256")


@pytest.fixture(scope="module")
def searcher() -> Searcher:
    made = Searcher()
    made.know_key(key_pair().key)
    made.know("consumer secret", SECRET)
    know_token(made, TOKEN)
    made.know("rotation token", ROTATION_TOKEN)
    know_assertion(made, ASSERTION)
    return made


def pem(pair: Pair, layout: PrivateFormat = PrivateFormat.PKCS8) -> str:
    return pair.key.private_bytes(Encoding.PEM, layout, NoEncryption()).decode()


def der(pair: Pair) -> bytes:
    return pair.key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())


PLANTED: dict[str, tuple[str, Callable[[], str]]] = {
    "PEM": ("private key", lambda: pem(key_pair())),
    "PKCS#1 PEM": ("private key", lambda: pem(key_pair(), PrivateFormat.TraditionalOpenSSL)),
    "PEM in JSON": ("private key", lambda: json.dumps({"privateKey": pem(key_pair())})),
    "PEM in JSON in JSON": ("private key", lambda: json.dumps(json.dumps({"privateKey": pem(key_pair())}))),
    "repr of PEM": ("private key", lambda: repr(pem(key_pair()).encode())),
    "one line of PEM": ("private key", lambda: pem(key_pair()).splitlines()[20]),
    "base64 of PEM": ("private key", lambda: base64.b64encode(pem(key_pair()).encode()).decode()),
    "base64 of DER": ("private key", lambda: base64.b64encode(der(key_pair())).decode()),
    "base64 of a document": ("private key", lambda: base64.b64encode(b"x" + pem(key_pair()).encode()).decode()),
    "hex of DER": ("private key", lambda: der(key_pair()).hex()),
    "its numbers": ("private key", lambda: str(key_pair().key.private_numbers().d)),
    "form with PEM": ("private key", lambda: quote_plus(pem(key_pair()))),
    "assertion": ("assertion", lambda: ASSERTION),
    "signature": ("assertion", lambda: ASSERTION.rpartition(".")[2]),
    "form with assertion": ("assertion", lambda: f"grant_type=x&assertion={ASSERTION}"),
    "consumer secret": ("consumer secret", lambda: SECRET),
    "form with consumer secret": ("consumer secret", lambda: f"client_secret={quote_plus(SECRET)}"),
    "consumer secret in JSON": ("consumer secret", lambda: json.dumps({"consumerSecret": SECRET}).replace("/", "\\/")),
    "token": ("access token", lambda: TOKEN),
    "header": ("access token", lambda: f"Authorization: Bearer {TOKEN}"),
    "token in hex": ("access token", lambda: TOKEN.encode().hex()),
    "token in base64": ("access token", lambda: base64.b64encode(TOKEN.encode()).decode()),
    "token in base64 of more": ("access token", lambda: base64.urlsafe_b64encode(b"x" + TOKEN.encode()).decode()),
    "token in UTF-16": ("access token", lambda: TOKEN.encode("utf-16-be").decode("latin-1")),
    "end of a token": ("access token", lambda: TOKEN[-30:]),
    "rotation token": ("rotation token", lambda: f"'RotationToken': '{ROTATION_TOKEN}'"),
}


@pytest.mark.parametrize(("kind", "planted"), PLANTED.values(), ids=PLANTED.keys())
def test_the_searcher_finds(searcher: Searcher, kind: str, planted: Callable[[], str]) -> None:
    assert searcher.find(f'{{"level": "DEBUG", "message": "before {planted()} after"}}') == {kind}


PLACES: dict[str, Callable[[bytes], object]] = {
    "bytes": lambda token: {"sealed": token},
    "text in base64": lambda token: [{"B": base64.b64encode(b"xy" + token).decode()}],
    "base64 in bytes": lambda token: {"sealed": base64.b64encode(token)},
    "hex in bytes": lambda token: (token.hex().encode(),),
    "UTF-16 in bytes": lambda token: {token.decode().encode("utf-16-le")},
    "a name": lambda token: {token.decode(): 1},
    "a value's text": lambda token: {"n": SimpleNamespace(held=token.decode())},
}


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES.keys())
def test_the_searcher_finds_a_token_in_a_row_as(searcher: Searcher, place: Callable[[bytes], object]) -> None:
    assert found_in(searcher, {"rows": [{"id": "x"}, place(TOKEN.encode())]}) == {"access token"}


@pytest.mark.parametrize(
    "harmless",
    [
        lambda: key_pair().pem,
        lambda: key_pair().fingerprint,
        lambda: base64.b64encode(key_pair().der).decode(),
        lambda: pem(key_pair("another")),
        lambda: "-----BEGIN PRIVATE KEY-----",
        lambda: ASSERTION.partition(".")[0],
    ],
)
def test_the_searcher_lets_what_is_public_pass(searcher: Searcher, harmless: Callable[[], str]) -> None:
    assert searcher.find(f'"{harmless()}"') == set()
