"""The bridge: just before a certificate changes, a token of the old key is left for all who can't log in meanwhile."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest

from salesforce_keypair.errors import KeyPairError
from salesforce_keypair.fetching import Fetched, Source
from tests.sandbox.aws import DropConnection
from tests.sandbox.org import Kind
from tests.sandbox.org.spreading import (
    AtOnce,
    BackOnce,
    BothUntil,
    FlappingUntil,
    NeitherUntil,
    OldUntil,
    Spreading,
)
from tests.scenarios.bridging import BRIDGED, TEN_MINUTES, rows_at_deploys
from tests.scenarios.promises import Promises
from tests.scenarios.support import CREATE, FINISH, SET, TEST, Stage
from tests.scenarios.vendors import Vendor


@pytest.fixture
def stage() -> Iterator[Stage]:
    """A key that logs in, and a table that holds nothing. All promises hold at the end."""
    with Stage(shared_tokens=True) as made:
        made.install_key()
        promises = Promises(made)
        yield made
        promises.hold()


@dataclass
class Traffic:
    """Callers who ask every now and then, for as long as the stage's time passes."""

    stage: Stage
    environment: Callable[[], Vendor]
    every: float = 40.0
    vended: list[Fetched] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.stage.clock.at(0, self._ask)

    def _ask(self) -> None:
        began = self.stage.clock.time()
        try:
            self.vended.append(self.environment().vend())
        except KeyPairError as error:
            self.failures.append(f"{began - 1_800_000_000:.0f} s: {error}")
        self.stage.clock.at(self.every, self._ask)


def cold(stage: Stage) -> Traffic:
    """Each request meets an environment that has just started."""
    return Traffic(stage, lambda: Vendor(stage))


def warm(stage: Stage) -> Traffic:
    """All requests meet one environment, which keeps its tokens."""
    vendor = Vendor(stage)
    return Traffic(stage, lambda: vendor)


def one_app(stage: Stage) -> None:
    """An administrator changes the app."""


def own_user(stage: Stage) -> None:
    """The key pair's own user changes the app."""
    stage.world.user.metadata_permission = True
    stage.edit(adminSecretArn=None)


# What it is for

NEITHER = NeitherUntil(TEN_MINUTES)
FLAPPING = FlappingUntil(TEN_MINUTES)
# Played by real processes in `make spread`, and in seconds.
OTHERS = [AtOnce(), OldUntil(TEN_MINUTES), BothUntil(TEN_MINUTES), BackOnce(60, TEN_MINUTES - 60)]
SPREADINGS = [
    pytest.param(NEITHER, one_app, id="neither, one app"),
    pytest.param(NEITHER, own_user, id="neither, own user"),
    pytest.param(FLAPPING, one_app, id="flapping, one app"),
    pytest.param(FLAPPING, own_user, id="flapping, own user", marks=pytest.mark.exhaustive),
    *(pytest.param(each, one_app, id=str(each), marks=pytest.mark.exhaustive) for each in OTHERS),
]


def rotate_under_traffic(stage: Stage) -> tuple[Traffic, Traffic]:
    """A rotation while cold and warm environments are asked, who began half a life before and go on for one after."""
    traffic = warm(stage), cold(stage)
    stage.clock.advance(450)
    # Servers that disagree may refuse finishSecret's own login.
    request = stage.rotate(times=5)
    stage.clock.advance(700)
    assert stage.labels()["AWSCURRENT"] == request.version_id
    return traffic


@pytest.mark.parametrize(("spreading", "set_up"), SPREADINGS)
def test_no_caller_fails_however_the_change_spreads(
    stage: Stage, spreading: Spreading, set_up: Callable[[Stage], None]
) -> None:
    set_up(stage)
    stage.world.app.spreading = spreading

    traffic = rotate_under_traffic(stage)

    for each in traffic:
        assert each.failures == []
        assert len(each.vended) > 25


def test_with_the_bridge_taken_out_callers_do_fail() -> None:
    with Stage(shared_tokens=True, bridge=False) as stage:
        stage.install_key()
        stage.world.app.spreading = NEITHER

        for each in rotate_under_traffic(stage):
            assert len(each.failures) > 3
            assert all("invalid assertion" in failure for failure in each.failures)


def test_callers_live_on_the_bridge_and_no_login_is_tried_but_to_renew_it(stage: Stage) -> None:
    stage.world.app.spreading = NEITHER
    request = stage.begin()
    stage.deliver(request, CREATE, SET)
    changed = stage.clock.time()
    ends = float(stage.world.table_rows()[0]["expires_at"])
    refused = stage.world.org.log.logins(stage.world.user.username).refused
    traffic = cold(stage)
    stage.clock.advance(TEN_MINUTES - 30)

    assert {each.token.expires_at for each in traffic.vended} == {ends}
    assert {each.source for each in traffic.vended} == {Source.SHARED}
    assert stage.world.org.log.logins(stage.world.user.username).refused == refused
    assert ends - changed > TEN_MINUTES + 225
    stage.deliver(request, TEST, FINISH)


# When and how it is left


def test_it_is_left_after_the_rehearsal_and_just_before_the_deploy(stage: Stage) -> None:
    current = stage.labelled("AWSCURRENT")
    seen = rows_at_deploys(stage)
    request = stage.begin()
    stage.deliver(request, CREATE)
    stage.world.org.log.clear()

    stage.deliver(request, SET)

    asked = stage.world.org.log.entries(Kind.DEPLOY, Kind.POLL, Kind.TOKEN)
    deploys = [number for number, entry in enumerate(asked) if entry.kind is Kind.DEPLOY]
    (login,) = (number for number, entry in enumerate(asked) if entry.username == stage.world.user.username)
    assert deploys[0] < login < deploys[1]
    assert Kind.POLL in {entry.kind for entry in asked[deploys[0] : login]}
    assert login == deploys[1] - 1

    (before, (row,)) = seen
    assert before == []
    assert (row["id"], row["key_version"]) == (stage.arn, current.version_id)
    assert row["issued_at"] <= asked[deploys[1]].time < row["issued_at"] + 10
    assert row["expires_at"] - row["issued_at"] == 900


def test_it_takes_the_place_of_a_token_that_ends_earlier(stage: Stage) -> None:
    old = Vendor(stage).vend().token
    stage.clock.advance(300)
    writes = len(stage.world.aws.calls("UpdateItem"))

    stage.rotate()

    assert len(stage.world.aws.calls("UpdateItem")) == writes + 1, "no lease keeps others from what it holds"
    bridge = Vendor(stage).vend().token
    assert bridge.value != old.value
    assert bridge.expires_at >= old.expires_at + 300


def test_after_the_promotion_the_token_is_still_believed_though_its_key_is_the_previous_one(stage: Stage) -> None:
    before = stage.labels()["AWSCURRENT"]
    stage.rotate()

    fetched = Vendor(stage).vend()

    assert stage.labels()["AWSPREVIOUS"] == before
    assert (fetched.source, fetched.token.key_version) == (Source.SHARED, before)
    assert stage.outsider.liveness(fetched.token.value).status_code == 200


def test_it_is_told_with_its_end_and_without_the_token(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO"):
        stage.rotate()

    (line,) = (record for record in caplog.records if record.message == BRIDGED)
    assert re.fullmatch(r"2027-01-15T08:15:\d\d\+00:00", line.__dict__["until"])
    token = Vendor(stage).vend().token.value
    assert token[16:] not in str([record.__dict__ for record in caplog.records])


def test_where_only_the_answer_of_its_write_is_lost_it_stands_and_is_said_to(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    stage.world.aws.faults.inject("UpdateItem", DropConnection(after_effect=True))

    with caplog.at_level("INFO"):
        stage.rotate()

    assert stage.world.aws.faults.unspent == 0
    assert BRIDGED in {record.message for record in caplog.records}
    assert Vendor(stage).vend().source is Source.SHARED


def test_a_row_that_nobody_believes_does_not_keep_the_bridge_out_however_long_it_says_it_lives(stage: Stage) -> None:
    """As one that somebody forged, or of a user whom the document no longer names."""
    now = int(stage.clock.time())
    table = stage.world.aws.client("dynamodb")
    forged = {
        "id": {"S": stage.arn},
        "key_version": {"S": stage.labels()["AWSCURRENT"]},
        "instance_url": {"S": stage.world.org.url},
        "issued_at": {"N": str(now)},
        "expires_at": {"N": str(now + 80_000)},
        "sealed": {"B": bytes(200)},
        "ttl": {"N": str(now + 80_000)},
    }
    table.put_item(TableName=stage.variables["TOKEN_TABLE"], Item=forged)  # type: ignore[arg-type]
    stage.world.app.spreading = NeitherUntil(600)
    request = stage.begin()
    stage.deliver(request, CREATE, SET)
    stage.clock.advance(300)

    fetched = Vendor(stage).vend()

    assert fetched.source is Source.SHARED
    assert stage.outsider.liveness(fetched.token.value).status_code == 200
