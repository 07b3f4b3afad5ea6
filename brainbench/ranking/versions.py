"""Which version of a benchmark, and of its data, counts: what is installed and here, whatever clocks say."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from brainbench.core import registry
from brainbench.core.benchmark import Benchmark
from brainbench.core.errors import InputError
from brainbench.core.score import Score
from brainbench.data.manifest import open_dataset

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Versions:
    """Version of a benchmark that counts, and the version of its data.

    `data` has several versions where scores have several and none of them is known to be that of here.
    """

    benchmark: int
    data: tuple[str, ...]

    def why_not(self, score: Score) -> str | None:
        """Return why a score of the benchmark does not count by its versions; None where it does."""
        data = score.hash_of("data")
        if data is None:
            return None
        if score.version != self.benchmark or data not in self.data:
            return "of another version of the benchmark or its data than the one here"
        if len(self.data) > 1:
            digits = ", ".join(version[:8] for version in self.data)
            return f"of {data[:8]}, one of several versions of the data ({digits}), none of which is here"
        return None


def versions_here(benchmarks: Iterable[str]) -> dict[str, tuple[int, str | None]]:
    """Return the version of each installed benchmark, and that of its data if it is on this machine."""
    known = registry.entries("benchmarks")
    found = {name: _here(name) for name in benchmarks if name in known}
    return {name: versions for name, versions in found.items() if versions is not None}


def _here(name: str) -> tuple[int, str | None] | None:
    try:
        benchmark: Benchmark = registry.load("benchmarks", name)
    except InputError:  # a broken plug-in
        log.debug("%s cannot be loaded", name, exc_info=True)
        return None
    try:
        data = open_dataset(benchmark.data)
        return benchmark.version, None if data.absent() else data.version
    except Exception:  # data that cannot be opened says nothing of its version
        log.debug("the data of %s cannot be opened", name, exc_info=True)
        return benchmark.version, None


def counting(
    scores: Sequence[Score], here: Mapping[str, tuple[int, str | None]]
) -> dict[str, Versions]:
    """Return the versions that count for each benchmark.

    They are those that are here. Of a benchmark that is not installed it is the highest number, and of data
    that is not here whatever version the scores have.
    """
    by_benchmark: dict[str, list[Score]] = {}
    for score in scores:
        by_benchmark.setdefault(score.benchmark, []).append(score)
    return {name: _counting(group, here.get(name)) for name, group in by_benchmark.items()}


def _counting(group: Sequence[Score], here: tuple[int, str | None] | None) -> Versions:
    version, data = here or (max(score.version for score in group), None)
    if data is not None:
        return Versions(version, (data,))
    there = {score.hash_of("data") for score in group if score.version == version}
    return Versions(version, tuple(sorted(one for one in there if one is not None)))
