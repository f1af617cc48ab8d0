"""Steps of several rotations in any order, twice, late, overlapping, killed and cancelled, and people in between."""

from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from tests.scenarios.disorder import (
    FOREIGN,
    SPREADINGS,
    Begin,
    Cancel,
    Deliver,
    DeliverAll,
    Event,
    Killed,
    MoveLabel,
    OrgClock,
    Overlap,
    Overwrite,
    PutCertificate,
    Spread,
    TakeUpAgain,
    Wait,
)
from tests.scenarios.set_ups import MAIN
from tests.scenarios.support import STEPS
from tests.scenarios.watching_disorder import play

# Measuring coverage takes longer than all that is measured, and other tests cover the same.
pytestmark = [pytest.mark.timeout(1800), pytest.mark.no_cover]

SEQUENCES, AT_ONCE, LONGEST = 10_000, 125, 5
SAMPLE_SHARDS, SAMPLE_AT_ONCE = 2, 12
SHARDS = SEQUENCES // AT_ONCE
FURTHER_SEQUENCES, FURTHER_LONGEST = 5_000, 12

SET_UPS = {set_up.name: set_up for set_up in MAIN}
# The emulated table takes as long as all the rest, and orders of steps matter little to it.
SET_UP = st.sampled_from(sorted([*SET_UPS, *(name for name in SET_UPS if not SET_UPS[name].shared_tokens)]))
STEP = st.sampled_from(STEPS)
CALL = st.integers(1, 30)
WHOLE: st.SearchStrategy[Event] = st.one_of(
    st.builds(DeliverAll, back=st.integers(0, 1)),
    st.builds(Deliver, step=STEP, back=st.integers(0, 2)),
)
DELIVERIES: st.SearchStrategy[Event] = st.one_of(
    WHOLE,
    WHOLE,
    st.builds(Overlap, step=STEP, at=CALL, other=WHOLE),
    st.builds(Killed, step=STEP, at=CALL),
    st.sampled_from([Begin(), Cancel(), TakeUpAgain()]),
)
CIRCUMSTANCES: st.SearchStrategy[Event] = st.one_of(
    st.builds(Wait, seconds=st.sampled_from([1, 5, 60, 720, 7200])),
    st.builds(OrgClock, offset=st.sampled_from([-600, -100, 0, 100, 600])),
    st.builds(Spread, how=st.sampled_from(sorted(SPREADINGS))),
)
PEOPLE: st.SearchStrategy[Event] = st.one_of(
    st.builds(PutCertificate, whose=st.sampled_from([FOREIGN, "AWSCURRENT", "AWSPENDING", "AWSPREVIOUS"])),
    st.builds(Overwrite, how=st.sampled_from(["a note", "no key", "another key", "no document"])),
    st.builds(
        MoveLabel,
        label=st.sampled_from(["AWSCURRENT", "AWSPENDING", "AWSPREVIOUS", "ROLLEDBACK"]),
        onto=st.sampled_from([None, 0, 1, 2]),
    ),
)
ALONE = st.one_of(DELIVERIES, DELIVERIES, CIRCUMSTANCES)
MEANWHILE: st.SearchStrategy[Event] = st.builds(Overlap, step=STEP, at=CALL, other=PEOPLE)
AMONG_PEOPLE = st.one_of(DELIVERIES, DELIVERIES, CIRCUMSTANCES, PEOPLE, PEOPLE, MEANWHILE)


def play_many(shard: int, sequences: int, *, longest: int = LONGEST) -> None:
    """So many sequences of so many events at most; others for each shard, and the same ones each time."""

    @seed(shard)
    @settings(
        max_examples=sequences,
        deadline=None,
        database=None,
        print_blob=False,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )
    @given(
        set_up=SET_UP,
        how=st.sampled_from(sorted(SPREADINGS)),
        events=st.one_of(
            st.lists(ALONE, min_size=3, max_size=longest), st.lists(AMONG_PEOPLE, min_size=3, max_size=longest)
        ),
    )
    def each(set_up: str, how: str, events: list[Event]) -> None:
        play(SET_UPS[set_up], [Spread(how), *events])

    each()


@pytest.mark.parametrize("shard", range(SAMPLE_SHARDS))
def test_some_sequences_in_which_no_promise_is_broken(shard: int, count: Callable[[str, int], None]) -> None:
    """The sample that `make test` runs."""
    play_many(shard, SAMPLE_AT_ONCE)
    count("sequences", SAMPLE_AT_ONCE)


@pytest.mark.exhaustive
@pytest.mark.parametrize("shard", range(SAMPLE_SHARDS, SAMPLE_SHARDS + SHARDS))
def test_no_promise_is_broken_in_whatever_order_things_happen(shard: int, count: Callable[[str, int], None]) -> None:
    play_many(shard, AT_ONCE)
    count("sequences", AT_ONCE)


@pytest.mark.further
@pytest.mark.parametrize("shard", range(1_000, 1_000 + FURTHER_SEQUENCES // AT_ONCE))
def test_no_promise_is_broken_in_longer_sequences_either(shard: int, count: Callable[[str, int], None]) -> None:
    play_many(shard, AT_ONCE, longest=FURTHER_LONGEST)
    count("longer sequences", AT_ONCE)
