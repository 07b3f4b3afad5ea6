"""Selection of a layer and step for each fold, by scores inside its training images.

A model whose areas are committed has one layer per region and nothing to select but the step; any other
model offers all its layers. Each measure scores the candidates by itself, within the training images of each
fold; what was selected, and by which scores, is kept and reported here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from brainbench.core.score import Selection
from brainbench.metrics.array_types import FloatArray, IntArray
from brainbench.scoring.measure import finite


class LayerCandidate(Protocol):
    """A layer, at one step or over several, that may stand for a region."""

    @property
    def layer(self) -> str: ...
    @property
    def step(self) -> int | None: ...
    @property
    def label(self) -> Mapping[str, Any]: ...


@dataclass(frozen=True, kw_only=True, eq=False)
class FoldSelection:
    """The candidate that was selected for each fold, and the scores that it was selected by."""

    candidates: Sequence[LayerCandidate]
    best: IntArray  # number of the candidate of each fold
    # Fold x candidate, inside the training images; NaN where there was nothing to select or to
    # score.
    scores: FloatArray
    # Further entries of each row of the curve, such as the session.
    labels: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of_one(cls, candidate: LayerCandidate, n_folds: int, **labels: Any) -> FoldSelection:
        """Take one candidate for every fold, without a score."""
        return cls(
            candidates=[candidate],
            best=np.zeros(n_folds, dtype=np.intp),
            scores=np.full((n_folds, 1), np.nan),
            labels=labels,
        )

    @classmethod
    def by_scores(
        cls, candidates: Sequence[LayerCandidate], scores: FloatArray, **labels: Any
    ) -> FoldSelection:
        """Select the highest score of each fold, the first of equals; NaN is never taken before a number."""
        best = np.where(np.isnan(scores), -np.inf, scores).argmax(axis=1)
        return cls(candidates=candidates, best=best, scores=scores, labels=labels)

    @property
    def chosen(self) -> list[LayerCandidate]:
        return [self.candidates[k] for k in self.best.tolist()]

    def folds_by_candidate(self) -> Iterator[tuple[int, list[int]]]:
        """Yield the number of each selected candidate, with the numbers of its folds."""
        for number in np.unique(self.best).tolist():
            yield number, np.flatnonzero(self.best == number).tolist()

    def curve(self) -> list[dict[str, Any]]:
        """Return each candidate with its score inside the training images: mean and spread over folds."""
        times = Counter(self.best.tolist())
        return [
            {
                **self.labels,
                **candidate.label,
                "inner_mean": finite(np.mean(self.scores[:, k])),
                "inner_sd": finite(np.std(self.scores[:, k])),
                "chosen_in_folds": times[k],
            }
            for k, candidate in enumerate(self.candidates)
        ]


def selection_of(selections: Sequence[FoldSelection]) -> Selection:
    """Return the layer and step of most folds of all sessions, and the curves of all sessions."""
    chosen = Counter((one.layer, one.step) for selection in selections for one in selection.chosen)
    (layer, step), _ = chosen.most_common(1)[0]
    curve = [row for selection in selections for row in selection.curve()]
    return Selection(layer=layer, step=step, curve=tuple(curve))
