"""Every cut: each remote call of a rotation, found by running it, meets each trouble, and all promises hold.

The single cuts of the main set-ups are marked `cuts`; what else there is, and two cuts in one rotation, `exhaustive`.
"""

from collections.abc import Callable, Iterable
from itertools import product
from random import Random

import pytest

from tests.scenarios.cutting import LASTING, TROUBLES, Cut, calls_of, cut, give_up
from tests.scenarios.set_ups import (
    BY_HAND,
    CERTIFIED,
    CONNECTED,
    MAIN,
    SPREADING,
    UNHEEDED,
    WITHOUT_USE_OF_THE_TABLE,
    SetUp,
)
from tests.scenarios.weight import by_weight

# Rotations by the dozen in each test: what is right on a quiet machine is no time on a busy one.
# And measuring coverage takes longer than all that is measured.
pytestmark = [pytest.mark.timeout(1200), pytest.mark.no_cover]

KILLED = [name for name in TROUBLES if name.startswith("killed")]
# A second try within the same step is all that they take.
BORNE = ("server error", "reset before", "reset after")
# After a call that took effect, in a process that ends and in one that tries again.
IN_SHORT = ("killed after", "reset after")
# By how many calls the second of two cuts comes after the first, at most: past a whole delivery.
FURTHER = 45
PAIRS, PAIRS_AT_ONCE = 500, 20
SAMPLE = 2

Count = Callable[[str, int], None]


def cut_each(set_up: SetUp, trouble: str, count: Count) -> None:
    """Cut at every call of a rotation that nothing befalls."""
    calls = len(calls_of(set_up))
    assert calls > 20
    for number in range(1, calls + 1):
        story = cut(set_up, Cut(number, trouble))
        # Where the certificate isn't honoured a rotation takes one delivery more, which finds it undone.
        borne = set_up.heeded and trouble in BORNE
        assert len(story) == set_up.deliveries or not borne, f"at call {number} a second try was enough"
    count("cuts", calls)


def each(set_ups: Iterable[SetUp], troubles: Iterable[str]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize(("set_up", "trouble"), list(product(set_ups, troubles)), ids=str)


@pytest.mark.cuts
@each(MAIN, TROUBLES)
def test_a_rotation_survives_each_trouble_at_each_of_its_calls(set_up: SetUp, trouble: str, count: Count) -> None:
    cut_each(set_up, trouble, count)


@pytest.mark.further
@each(MAIN[1:], LASTING)
def test_a_rotation_survives_what_lasts_until_the_delivery_ends(set_up: SetUp, trouble: str, count: Count) -> None:
    cut_each(set_up, trouble, count)


@pytest.mark.further
@each((*CONNECTED, *SPREADING), ["killed before"])
def test_the_process_may_end_anywhere_in_other_set_ups(set_up: SetUp, trouble: str, count: Count) -> None:
    cut_each(set_up, trouble, count)


@pytest.mark.parametrize(
    ("set_up", "trouble"),
    by_weight(
        product((*BY_HAND, *CERTIFIED), IN_SHORT),
        further=product((*BY_HAND, *CERTIFIED), [trouble for trouble in TROUBLES if trouble not in IN_SHORT]),
    ),
    ids=str,
)
def test_a_rotation_that_others_take_part_in_survives_each_trouble_at_each_of_its_calls(
    set_up: SetUp, trouble: str, count: Count
) -> None:
    cut_each(set_up, trouble, count)


@pytest.mark.further
@each(UNHEEDED, ["killed before", "reset after", "server error, lasting"])
def test_a_certificate_that_is_never_honoured_is_put_back_whatever_comes_between(
    set_up: SetUp, trouble: str, count: Count
) -> None:
    cut_each(set_up, trouble, count)


@pytest.mark.exhaustive
@pytest.mark.parametrize("set_up", [set_up for set_up in MAIN if set_up.name in {"one app", "two apps"}], ids=str)
def test_a_killed_rotation_that_is_given_up_by_hand_leaves_the_next_one_possible(set_up: SetUp, count: Count) -> None:
    calls = len(calls_of(set_up))
    for number in range(1, calls + 1):
        give_up(set_up, number)
    count("cuts", calls)


@pytest.mark.exhaustive
@pytest.mark.parametrize("seed", range(PAIRS // PAIRS_AT_ONCE))
def test_a_rotation_survives_two_troubles(seed: int, count: Count) -> None:
    rng = Random(seed)
    for _ in range(PAIRS_AT_ONCE):
        set_up = rng.choice((*MAIN, *CONNECTED, *SPREADING, *BY_HAND))
        first = rng.randint(1, len(calls_of(set_up)))
        troubles = [*TROUBLES, *LASTING]
        cut(
            set_up,
            Cut(first, rng.choice(troubles)),
            Cut(first + rng.randint(1, FURTHER), rng.choice(troubles)),
        )
    count("pairs of cuts", PAIRS_AT_ONCE)


@pytest.mark.parametrize("set_up", [*MAIN, *BY_HAND, *CERTIFIED, *UNHEEDED], ids=str)
def test_a_rotation_survives_a_trouble_at_some_of_its_calls(set_up: SetUp, count: Count) -> None:
    """The sample that `make test` runs."""
    rng = Random(str(set_up))
    calls = len(calls_of(set_up))
    troubles = list(TROUBLES) if set_up.heeded else KILLED
    for _ in range(SAMPLE):
        cut(set_up, Cut(rng.randint(1, calls), rng.choice(troubles)))
    count("cuts", SAMPLE)


@pytest.mark.parametrize("set_up", WITHOUT_USE_OF_THE_TABLE, ids=str)
def test_where_the_app_in_use_doesnt_change_no_call_goes_to_the_table(set_up: SetUp) -> None:
    """So these set-ups have the same cuts with a table as without."""
    assert not [call for call in calls_of(set_up) if "DynamoDB" in call]


def test_the_calls_that_are_cut_are_those_of_all_parties() -> None:
    calls = " ".join(calls_of(MAIN[1]))

    for part in ("PutSecretValue", "UpdateSecretVersionStage", "oauth2/token", "Soap", "deployRequest", "UpdateItem"):
        assert part in calls
