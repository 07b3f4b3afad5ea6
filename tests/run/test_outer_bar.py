"""The bar over a whole run: what it counts, and the time left from measured rates."""

import contextlib
from types import SimpleNamespace

import pytest

from brainbench.core import progress
from brainbench.core.score import Score
from brainbench.run import outer_bar
from brainbench.run.outer_bar import seconds_left, with_outer_bar

PAIRS = [(model, name) for model in ("a", "b") for name in ("A.IT-pls", "A.V1-pls")]


class Recorded(progress.Silent):
    """A reporter that keeps what its bars were told."""

    def __init__(self):
        self.told = []

    @contextlib.contextmanager
    def task(self, label, total):
        self.told.append((label, total))
        yield lambda n, seconds_left=None: self.told.append((n, seconds_left))


def score(seconds, value=0.5):
    """Return a score that once took so many seconds."""
    status = {"status": "failed", "reason": "why"} if value is None else {}
    made = Score(
        model="m", weights="w", benchmark="b", version=1, protocol="paper", value=value, **status
    )
    object.__setattr__(made, "record", SimpleNamespace(seconds=seconds))
    return made


@pytest.fixture
def clock(monkeypatch):
    """`clock([2.0, ...], scores)`: what comes of scores, each of which takes so long now."""
    now = [0.0]
    monkeypatch.setattr(outer_bar.time, "perf_counter", lambda: now[0])

    def computed(seconds, scores):
        for took, made in zip(seconds, scores, strict=True):
            now[0] += took
            yield made

    def taking(seconds, scores, **more):
        made = []
        for one in with_outer_bar(computed(seconds, scores), PAIRS, **more):
            made.append(one)
            now[0] += 1000.0  # what is done with a score is no part of it
        return made

    return taking


def test_every_score_counts_and_the_order_stays(clock):
    made = [score(1.0) for _ in PAIRS]
    reporter = Recorded()
    with progress.use(reporter):
        assert clock([1.0] * 4, made) == made
    assert reporter.told[0] == ("scores", 4)
    assert reporter.told[1:] == [(1, 3.0), (1, 2.0), (1, 1.0), (1, 0)]


def test_rates_are_those_of_each_benchmark_without_what_was_stored(clock):
    # The first was stored: it took 60 s once, and no time now.
    made = [score(60.0), score(8.0), score(2.0), score(8.0)]
    reporter = Recorded()
    with progress.use(reporter):
        clock([0.1, 10.0, 2.0, 10.0], made)
    assert [left for _, left in reporter.told[1:]] == [None, 20.0, 10.0, 0]


def test_failures_tell_no_rate(clock):
    made = [score(0.0, value=None), score(4.0), score(4.0), score(4.0)]
    reporter = Recorded()
    with progress.use(reporter):
        clock([0.0, 5.0, 5.0, 5.0], made)
    assert [left for _, left in reporter.told[1:]] == [None, 10.0, 5.0, 0]


def test_benchmarks_without_data_take_no_time(clock):
    made = [score(8.0), score(0.0, value=None), score(8.0), score(0.0, value=None)]
    reporter = Recorded()
    with progress.use(reporter):
        clock([10.0, 0.0, 12.0, 0.0], made, absent={"A.V1-pls"})
    assert [left for _, left in reporter.told[1:]] == [10.0, 10.0, 0, 0]


def test_time_left_of_benchmarks_that_were_never_measured_is_the_mean():
    measured = {("a", "long"): 9.0, ("b", "long"): 11.0, ("a", "short"): 1.0}
    assert seconds_left(measured, [("c", "long"), ("c", "short"), ("c", "new")]) == 10 + 1 + 7
    assert seconds_left(measured, []) == 0
    assert seconds_left({}, [("a", "b")]) is None
