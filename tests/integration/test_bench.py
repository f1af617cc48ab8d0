"""`make bench`: a small run of it, and the arithmetic behind its columns."""

import sys
from collections.abc import Mapping

import pytest

from tests.sandbox import bench
from tests.sandbox.bench_peers import Figures, Peer, Plan, measure
from tests.sandbox.prices import Use, dollars
from tests.sandbox.world import Code

# Half a minute of starting processes, for a task that nobody depends on at night.
pytestmark = pytest.mark.further

PLAN = Plan(environments=3, calls=5, slow_calls=2)


@pytest.fixture(scope="module")
def figures() -> Mapping[Peer, Figures]:
    return measure(PLAN, Code(), memory_mb=512, tell=lambda _: None)


def test_a_vendor_logs_in_once_an_environment_and_with_a_table_once_for_all(
    figures: Mapping[Peer, Figures],
) -> None:
    assert {peer: of_peer.logins for peer, of_peer in figures.items()} == {
        Peer.VENDOR: PLAN.environments,
        Peer.SHARED: 1,
        Peer.EMPTY: 0,
        Peer.CLIENT: 0,
        Peer.EACH_TIME: PLAN.environments * PLAN.slow_calls,
    }


def test_calls_are_counted_by_function(figures: Mapping[Peer, Figures]) -> None:
    assert figures[Peer.EMPTY].use.invocations == PLAN.environments * PLAN.calls
    assert figures[Peer.EACH_TIME].use.secret_calls == PLAN.environments * PLAN.slow_calls
    assert figures[Peer.EACH_TIME].per_thousand(figures[Peer.EACH_TIME].use.secret_calls) == 1000
    assert figures[Peer.VENDOR].use.secret_calls == PLAN.environments
    assert figures[Peer.VENDOR].use.table_reads == figures[Peer.VENDOR].use.table_writes == 0
    assert figures[Peer.SHARED].use.table_reads >= PLAN.environments
    assert figures[Peer.SHARED].use.table_writes >= 1
    assert figures[Peer.EMPTY].use.log_bytes == 0 < figures[Peer.VENDOR].use.log_bytes


def test_there_are_first_tokens_where_there_is_one_and_warm_calls_everywhere(figures: Mapping[Peer, Figures]) -> None:
    assert {peer for peer, of_peer in figures.items() if of_peer.first_by_login is not None} == {
        Peer.VENDOR,
        Peer.SHARED,
        Peer.EACH_TIME,
    }
    assert {peer for peer, of_peer in figures.items() if of_peer.first_from_table is not None} == {Peer.SHARED}
    for peer, of_peer in figures.items():
        assert len(of_peer.warm) == PLAN.environments * (PLAN.calls_of(peer) - 1)
        assert 0 < of_peer.warm_quantile(0.5) <= of_peer.warm_quantile(0.99)
        # An environment's start is paid for as well.
        assert of_peer.use.billed_milliseconds > PLAN.environments * of_peer.init * 500


def test_importing_little_starts_faster_than_importing_much(figures: Mapping[Peer, Figures]) -> None:
    assert figures[Peer.EMPTY].init < figures[Peer.CLIENT].init
    if sys.platform == "linux":
        assert (figures[Peer.EMPTY].peak_memory or 0) < (figures[Peer.CLIENT].peak_memory or 0)


def test_it_shows_a_table_and_says_what_is_in_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["bench", "--sources", "--environments", "1", "--calls", "2", "--slow-calls", "2"])

    assert bench.main() == 0

    shown = capsys.readouterr().out
    rows = [line.split("│") for line in shown.splitlines() if line.startswith("│")]
    assert [row[1].strip() for row in rows] == list(Peer), shown
    assert rows[-1][-5].strip() == "1000.0", shown
    assert "public prices of us-east-1" in shown
    assert "the sources" in shown


def test_what_is_used_costs_what_the_price_list_says() -> None:
    million = 1_000_000
    nothing = Use(0, 0, 0, 0, 0, 0)
    # A million calls of a millisecond with 512 MB: $0.20 for the requests, 500 GB-seconds.
    assert dollars(Use(million, million, 0, 0, 0, 0), memory_mb=512) == pytest.approx(0.20 + 500 * 0.0000133334)
    assert dollars(Use(0, 0, 10_000, 0, 0, 0), memory_mb=512) == pytest.approx(0.05)
    assert dollars(Use(0, 0, 0, million, 2 * million, 0), memory_mb=512) == pytest.approx(0.125 + 2 * 0.625)
    assert dollars(Use(0, 0, 0, 0, 0, 2 * 1024**3), memory_mb=512) == pytest.approx(1.0)
    assert dollars(nothing, memory_mb=512) == 0


def test_a_quantile_is_a_time_that_was_measured() -> None:
    figures = Figures(0.1, None, None, tuple(float(n) for n in range(100, 0, -1)), None, 0, Use(1, 1, 0, 0, 0, 0))

    assert figures.warm_quantile(0.5) == 50
    assert figures.warm_quantile(0.99) == 99
    assert figures.warm_quantile(1) == 100
