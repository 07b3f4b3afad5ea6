"""How alike a model and a brain are without a map between them: RSA and CKA behind one set of verbs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from brainbench.core.errors import InputError, unknown
from brainbench.metrics.gram import Gram, gram
from brainbench.metrics.similarity import cka, rsa
from brainbench.metrics.similarity.rdm import DISTANCES, Distance, n_stimuli, rdm, subset

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.intp]
Representation: TypeAlias = FloatArray | Gram
"""An RDM (its pairs), or inner products of stimuli."""
SimilarityName: TypeAlias = Literal["rsa", "cka", "cka-biased"]
SIMILARITIES: tuple[SimilarityName, ...] = ("rsa", "cka", "cka-biased")
"""Similarities by name; docs/measures.md says what each does."""


@dataclass(frozen=True, kw_only=True)
class Likeness:
    """A similarity of two representations of the same images.

    Parameters
    ----------
    metric : str
        One of `SIMILARITIES`.
    distance : str
        Of RSA: one of `DISTANCES`.
    comparison : str
        Of RSA: "spearman", "pearson" or "kendall".

    Raises
    ------
    UnknownNameError
        No such similarity, distance or comparison.
    """

    metric: SimilarityName = "rsa"
    distance: Distance = "correlation"
    comparison: rsa.Comparison = "spearman"

    def __post_init__(self) -> None:
        for what, given, allowed in (
            ("similarity", self.metric, SIMILARITIES),
            ("distance", self.distance, tuple(DISTANCES)),
            ("comparison", self.comparison, rsa.COMPARISONS),
        ):
            if given not in allowed:
                raise unknown(what, given, list(allowed), todo="choose one of these")

    @property
    def least(self) -> int:
        """Images that it needs."""
        return 3 if self.metric == "rsa" else 4

    def describe(self) -> dict[str, Any]:
        """Name and options, for the record."""
        if self.metric == "rsa":
            distance = "1 - Pearson" if self.distance == "correlation" else self.distance
            return {"similarity": "rsa", "distance": distance, "comparison": self.comparison}
        return {"similarity": "cka", "hsic": "unbiased" if self.metric == "cka" else "biased"}

    def of(self, features: FloatArray | Iterable[FloatArray]) -> Representation:
        """Representation by responses, stimulus x unit, or by chunks of such columns.

        Raises
        ------
        InputError
            A stimulus to which all units respond the same, which has no correlation distance.
        """
        return rdm(features, distance=self.distance) if self.metric == "rsa" else gram(features)

    def given(self, dissimilarities: FloatArray, *, name: str) -> Representation:
        """Representation by published dissimilarities.

        Raises
        ------
        InputError
            CKA, which needs responses.
        """
        if self.metric != "rsa":
            raise InputError(
                f"{self.metric} with {name}, of which dissimilarities alone are published",
                allowed="metric='rsa'; CKA needs the responses",
                todo="choose metric='rsa'",
            )
        return dissimilarities

    def part(self, one: Representation, rows: IntArray) -> Representation:
        """Representation of some of the stimuli, in the order of `rows`."""
        if isinstance(one, Gram):
            return Gram(one.K[np.ix_(rows, rows)], one.n_features)
        return one if _is_all(rows, n_stimuli(len(one))) else subset(one, rows)

    def value(self, a: Representation, b: Representation) -> float:
        """Similarity; NaN where one side does not vary."""
        if isinstance(a, Gram) and isinstance(b, Gram):
            return cka.cka(a, b, unbiased=self.metric == "cka")
        return rsa.compare(_pairs(a), _pairs(b), comparison=self.comparison)

    def draws(self, a: Representation, b: Representation, counts: FloatArray) -> FloatArray:
        """Similarity over stimuli that were drawn with replacement, one for each draw."""
        if isinstance(a, Gram) and isinstance(b, Gram):
            return cka.cka_draws(a, b, counts, unbiased=self.metric == "cka")
        return rsa.compare_draws(_pairs(a), _pairs(b), counts, comparison=self.comparison)


def _is_all(rows: IntArray, n: int) -> bool:
    return len(rows) == n and bool((rows == np.arange(n)).all())


def _pairs(one: Representation) -> FloatArray:
    if isinstance(one, Gram):
        raise InputError(
            "inner products compared with dissimilarities",
            allowed="two RDMs, or two Gram matrices",
            todo="make both with the same Likeness",
        )
    return one
