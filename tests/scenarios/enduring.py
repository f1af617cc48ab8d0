"""A rotation, and a day of vending, at an org that is hostile for a while: what is checked, and what is counted."""

from random import Random

from salesforce_keypair.errors import KeyPairError, LoginRefused, NotSettled, RolledBack, SalesforceError, UnprovedKey
from salesforce_keypair.settings import Settings
from salesforce_keypair.timing import Deadline
from salesforce_keypair.vend_request import VendRequest
from salesforce_keypair.vending import TokenVendor
from salesforce_keypair.wiring.vending import build_vendor
from tests.sandbox.aws import RotationRequest
from tests.sandbox.org import Kind
from tests.sandbox.org.hostility import SHARE, hostile
from tests.sandbox.org.spreading import AtOnce
from tests.scenarios import wire as wires
from tests.scenarios.promises import Promises, assert_tells_what_to_do
from tests.scenarios.set_ups import SetUp
from tests.scenarios.shortcut import shortcut
from tests.scenarios.support import STEPS, Stage
from tests.scenarios.wire import Answer, RemoteCall, Trouble, Wire
from tests.unit.support import header_of

HOSTILE_DELIVERIES = 3
# Promise 5: "after at most two more deliveries".
CALM_DELIVERIES = 3
# More calls than a seed's hostile deliveries make.
_CALLS = 2_000
_SECONDS_BETWEEN = 60.0
# After which the logins that were used up are given back.
_HOUR = 3_600.0
_VENDS = 40
_VEND_SECONDS = 29.0
_SECONDS_BETWEEN_VENDS = 150.0


def rotation_endures(set_up: SetUp, seed: int) -> int:
    """Rotate while the org is hostile, then while it is calm; the most logins that one delivery took."""
    with set_up.staged() as stage, shortcut(stage.world):
        promises = Promises(stage)
        request = stage.begin()
        logins: list[int] = []
        wire = _hostile_wire(stage, seed)
        with hostile(stage.world.org, seed), wire.strung_up():
            failure = _delivered(stage, request, HOSTILE_DELIVERIES, logins)
        promises.hold()
        if failure is not None:
            stage.clock.advance(_HOUR)
            failure = _delivered(stage, request, CALM_DELIVERIES, logins)
        promises.hold()
        if failure is None:
            assert stage.labels()["AWSCURRENT"] == request.version_id
            assert stage.logs_in(stage.version(request.version_id))
        else:
            _helped(stage, failure, logins)
            promises.hold()
        return max(logins)


def _delivered(stage: Stage, request: RotationRequest, times: int, logins: list[int]) -> KeyPairError | None:
    """Deliver the whole rotation some times; the last failure, if it didn't succeed."""
    failure: KeyPairError | None = None
    for _ in range(times):
        before = _logins(stage)
        stage.restart()
        try:
            stage.deliver(request, *STEPS)
        except KeyPairError as error:
            failure = error
            assert_tells_what_to_do(error)
        else:
            return None
        finally:
            logins.append(_logins(stage) - before)
        stage.clock.advance(_SECONDS_BETWEEN)
    return failure


def _helped(stage: Stage, failure: KeyPairError, logins: list[int]) -> None:
    """A person does what the error says, and the next rotation succeeds."""
    assert isinstance(failure, NotSettled | RolledBack | UnprovedKey | LoginRefused), failure
    for each in stage.world.org.apps:
        each.spreading = AtOnce()
    current = stage.labelled("AWSCURRENT")
    app = stage.world.org.app_of(current.document["consumerKey"])
    assert app is not None
    if current.pair is not None and "certificate of AWSCURRENT" in str(failure):
        app.install(current.pair.pem)
    labels = stage.labels()
    if labels.get("AWSPENDING") not in (None, labels["AWSCURRENT"]):
        stage.move_label("AWSPENDING", off=labels["AWSPENDING"])
    again = stage.begin()
    left = _delivered(stage, again, CALM_DELIVERIES, logins)
    assert left is None, left


def vending_endures(seed: int) -> tuple[int, int]:
    """Ask for tokens through some hours at a hostile org: the most logins of one request, and of all of them."""
    with Stage(environment={"SETTLING_SECONDS": "720"}) as stage, shortcut(stage.world):
        stage.install_key()
        settings = Settings.from_environment(stage.variables | {"SECRET_ID": stage.arn}, serves_secrets=True)
        vendor = build_vendor(settings, stage.clock, table_failed=lambda: None)
        request = VendRequest(stage.arn, 60.0, force_refresh=False)
        worst, served = 0, 0
        wire = _hostile_wire(stage, seed)
        with hostile(stage.world.org, seed) as mood, wire.strung_up():
            for _ in range(_VENDS):
                before = _logins(stage)
                served += _is_served(vendor, request, stage)
                worst = max(worst, _logins(stage) - before)
                stage.clock.advance(_SECONDS_BETWEEN_VENDS)
        stage.clock.advance(_HOUR)
        # As soon as the org is well again, so is the vendor.
        vendor.vend(request, deadline=Deadline.after(stage.clock, _VEND_SECONDS))
        # The answers to the few logins of an hour may all be lost.
        assert served or mood.logins is not None
        return worst, _logins(stage)


def _is_served(vendor: TokenVendor, request: VendRequest, stage: Stage) -> bool:
    try:
        token = vendor.vend(request, deadline=Deadline.after(stage.clock, _VEND_SECONDS)).token
    except SalesforceError as error:
        assert_tells_what_to_do(error)
        return False
    assert token.expires_at > stage.clock.time(), "a token that has ended is never handed out"
    return True


def _logins(stage: Stage) -> int:
    """Logins that were asked for so far, whatever came of them; not an outsider's."""
    entries = stage.world.org.log.entries(Kind.TOKEN)
    return sum(header_of(entry.headers, "User-Agent") != "outsider" for entry in entries)


def _hostile_wire(stage: Stage, seed: int) -> Wire:
    """Resets, silence and halves of answers on the way to Salesforce and back."""
    rng = Random(f"wire {seed}")
    troubles = (wires.reset_before, wires.reset_after, wires.silence_before, wires.silence_after, wires.cut_short)
    wire = Wire(stage.clock)
    wire.befall({number: _at_salesforce(rng.choice(troubles)) for number in range(1, _CALLS) if rng.random() < SHARE})
    return wire


def _at_salesforce(trouble: Trouble) -> Trouble:
    def only_there(call: RemoteCall) -> Answer:
        return call.make() if call.target else trouble(call)

    return only_there
