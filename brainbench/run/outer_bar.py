"""The bar over all models and benchmarks of a run, with the time left from what was measured so far."""

from __future__ import annotations

import time
from collections.abc import Container, Iterator, Mapping, Sequence
from statistics import mean

from brainbench.core import progress
from brainbench.core.score import Score


def with_outer_bar(
    scores: Iterator[Score], pairs: Sequence[tuple[str, str]], *, absent: Container[str] = ()
) -> Iterator[Score]:
    """Yield the scores of pairs of a model and a benchmark, in this order, below a bar of all of them.

    `absent` names the benchmarks whose data is not here, which take no time.
    """
    measured: dict[tuple[str, str], float] = {}
    with progress.current().task("scores", len(pairs)) as advance:
        began = time.perf_counter()
        for place, score in enumerate(scores):
            seconds = time.perf_counter() - began
            # A score that was stored took longer to compute than it took now, and tells no rate.
            if score.value is not None and seconds >= score.seconds:
                measured[pairs[place]] = seconds
            remaining = [pair for pair in pairs[place + 1 :] if pair[1] not in absent]
            advance(1, seconds_left=seconds_left(measured, remaining))
            yield score
            began = time.perf_counter()


def seconds_left(
    measured: Mapping[tuple[str, str], float], remaining: Sequence[tuple[str, str]]
) -> float | None:
    """Return how long pairs of a model and a benchmark will take, s; None where nothing was measured.

    Each takes as long as the same benchmark took for other models, or else as all took on average.

    Examples
    --------
    >>> seconds_left({("a", "long"): 10.0, ("a", "short"): 2.0}, [("b", "long"), ("b", "other")])
    16.0
    """
    if not measured:
        return None
    overall = mean(measured.values())
    of_benchmark: dict[str, list[float]] = {}
    for (_, benchmark), seconds in measured.items():
        of_benchmark.setdefault(benchmark, []).append(seconds)
    return sum(mean(of_benchmark.get(benchmark, [overall])) for _, benchmark in remaining)
