"""Representations of images by the distances or inner products of responses to them, and their similarity."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np

from brainbench.core.errors import InputError, unknown
from brainbench.metrics.array_types import FloatArray, IntArray
from brainbench.metrics.gram import Gram, gram
from brainbench.metrics.similarity import cka, rsa
from brainbench.metrics.similarity.rdm import DISTANCES, Distance, n_stimuli, rdm, subset
from brainbench.scoring.layer_candidates import Candidate

Representation: TypeAlias = FloatArray | Gram
"""An RDM, as the vector of its pairs, or a Gram matrix of stimuli."""
SimilarityName: TypeAlias = Literal["rsa", "cka", "cka-biased"]
SIMILARITIES: tuple[SimilarityName, ...] = ("rsa", "cka", "cka-biased")
"""Similarities by name; docs/measures.md says what each computes."""


@dataclass(frozen=True, kw_only=True)
class SimilarityMetric:
    """A similarity of two representations of the same images.

    Raises
    ------
    UnknownNameError
        No such similarity, distance or comparison.
    """

    name: SimilarityName = "rsa"
    distance: Distance = "correlation"  # of RSA
    comparison: rsa.Comparison = "spearman"  # of RSA

    def __post_init__(self) -> None:
        for what, given, allowed in (
            ("similarity", self.name, SIMILARITIES),
            ("distance", self.distance, tuple(DISTANCES)),
            ("comparison", self.comparison, rsa.COMPARISONS),
        ):
            if given not in allowed:
                raise unknown(what, given, list(allowed), todo="choose one of these")

    @property
    def takes_rdms(self) -> bool:
        return self.name == "rsa"

    @property
    def judging(self) -> SimilarityMetric:
        """Similarity whose c must be above 0: the biased CKA of unrelated halves is not 0."""
        return SimilarityMetric(name="cka") if self.name == "cka-biased" else self

    @property
    def least_images(self) -> int:
        return 3 if self.takes_rdms else 4

    @property
    def estimate(self) -> str:
        """How two RDMs are compared, or which estimate of HSIC CKA takes."""
        if self.takes_rdms:
            return self.comparison
        return "unbiased" if self.name == "cka" else "biased"

    @property
    def drawn(self) -> str:
        """Description of the bootstrap draws."""
        return "images" if self.name == "cka-biased" else "images, identical pairs dropped"

    def describe(self) -> dict[str, Any]:
        if not self.takes_rdms:
            return {"similarity": "cka", "hsic": self.estimate}
        distance = "1 - Pearson" if self.distance == "correlation" else self.distance
        return {"similarity": "rsa", "distance": distance, "comparison": self.comparison}

    def of_responses(self, responses: FloatArray) -> Representation:
        """Return the representation by responses, stimulus x unit.

        InputError for a stimulus to which all units respond the same: it has no correlation distance.
        """
        return rdm(responses, distance=self.distance) if self.takes_rdms else gram(responses)

    def of_layer(self, candidate: Candidate) -> Representation:
        """Return the representation by a layer; its Gram matrix is shared by all benchmarks of a run.

        InputError for a layer that does not vary, or an image to which all its units respond the same.
        """
        if not self.takes_rdms:
            return candidate.gram()
        try:
            return rdm(candidate.chunks(), distance=self.distance)
        except InputError as error:
            raise InputError(
                f"layer {candidate.layer!r}: {error.got}", allowed=error.allowed, todo=error.todo
            ) from error

    def part(self, representation: Representation, rows: IntArray) -> Representation:
        """Return the representation of some of the stimuli, in the order of `rows`."""
        if isinstance(representation, Gram):
            return Gram(representation.K[np.ix_(rows, rows)], representation.n_features)
        n = n_stimuli(len(representation))
        if len(rows) == n and (rows == np.arange(n)).all():
            return representation
        return subset(representation, rows)

    def compare(
        self, a: Representation, b: Representation, counts: FloatArray | None = None
    ) -> FloatArray:
        """Return the similarity of two representations of the same stimuli, one entry for each draw.

        `counts`, draw x stimulus, say how often each stimulus is drawn; None is a single draw of each
        stimulus once. NaN where one side does not vary.
        """
        if isinstance(a, Gram) and isinstance(b, Gram):
            unbiased = self.name == "cka"
            if counts is None:
                return np.array([cka.cka(a, b, unbiased=unbiased)])
            return cka.cka_draws(a, b, counts, unbiased=unbiased)
        if isinstance(a, Gram) or isinstance(b, Gram):
            raise InputError(
                "a Gram matrix compared with dissimilarities",
                allowed="two RDMs, or two Gram matrices",
                todo="make both with the same SimilarityMetric",
            )
        if counts is None:
            return np.array([rsa.compare(a, b, comparison=self.comparison)])
        return rsa.compare_draws(a, b, counts, comparison=self.comparison)
