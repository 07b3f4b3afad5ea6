"""References beside scores: what other animals predict of the same sites. No score depends on them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from brainbench.core import progress
from brainbench.core.benchmark import Benchmark
from brainbench.core.errors import BrainbenchError
from brainbench.core.score import Score
from brainbench.core.settings import Beside, Settings
from brainbench.run.execute import ONE_AT_A_TIME
from brainbench.run.plan import reason_of
from brainbench.scoring.context import Run
from brainbench.scoring.regression.animals import animal_reference


@dataclass(frozen=True, kw_only=True)
class References:
    """References of a command: each is computed once, when the first score beside it is there.

    They are kept nowhere: stored scores stay as they are.
    """

    benchmarks: Sequence[Benchmark]
    settings: Settings
    beside: Beside
    known: dict[str, dict[str, Any]] = field(default_factory=dict)

    def added_to(self, scores: Iterable[Score]) -> Iterable[Score]:
        """Yield scores with `figures["animals"]` where they were asked for: figures, or a `reason`."""
        for score in scores:
            if self.beside.reference is None or score.value is None:
                yield score
            else:
                animals = self.of(score.benchmark)
                yield replace(score, figures={**score.figures, "animals": animals})

    def of(self, identifier: str) -> dict[str, Any]:
        """Return the figures of a benchmark, or why there are none, which is noted once."""
        if identifier not in self.known:
            [benchmark] = [one for one in self.benchmarks if one.identifier == identifier]
            label = f"animals on {identifier}"
            with ONE_AT_A_TIME, progress.current().task(label, None):
                try:
                    self.known[identifier] = animal_reference(benchmark, Run(self.settings))
                except BrainbenchError as error:
                    self.known[identifier] = {"reason": reason_of(error)}
                    progress.current().note(f"{label}: no reference: {error.got}")
        return self.known[identifier]
