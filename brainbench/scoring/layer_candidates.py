"""The model's side of a comparison: which layers and steps may stand for a region."""

from __future__ import annotations

import logging
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from brainbench.core.assembly import Assembly
from brainbench.core.errors import InputError
from brainbench.core.stimuli import StimulusSet
from brainbench.core.timeline import Span, Timeline
from brainbench.metrics.array_types import AnyArray, FloatArray, IntArray
from brainbench.metrics.features import check_magnitude, checked_magnitudes
from brainbench.metrics.gram import Gram, gram
from brainbench.scoring.context import RunContext
from brainbench.scoring.kept import BoundedStore
from brainbench.storage.array_file import COLUMNS

log = logging.getLogger(__name__)

CHUNK_BYTES = 64e6
ROUNDING = 1e-12
"""Share of the largest response; rounding leaves about 1e-16 of it, far below any real variation."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Candidate:
    """One layer, at one step or averaged over steps, that may stand for a region."""

    layer: str
    step: int | None  # None where several were averaged
    span: Span  # time that it stands for, in ms from stimulus onset
    activations: Assembly  # stimulus x neuroid x time; values may be on disk
    weights: FloatArray  # of each step
    # Where Gram matrices are kept for other benchmarks on the same images.
    grams: BoundedStore[Gram] = field(default_factory=BoundedStore, repr=False)
    # Stimuli and presentation: what the responses depend on beside the layer.
    shown: Hashable = None

    @property
    def label(self) -> dict[str, Any]:
        start, end = self.span
        return {
            "layer": self.layer,
            "step": self.step,
            "start_ms": start,
            "end_ms": end if np.isfinite(end) else None,
        }

    @property
    def n_features(self) -> int:
        return int(self.activations.sizes["neuroid"])

    def chunks(self) -> Iterator[FloatArray]:
        """Yield the features in chunks of columns, stimulus x feature, of at most 64 MB.

        InputError for features beyond float32, see `check_magnitude`.
        """
        parts = (np.asarray(part, dtype=np.float64) for part in self._read())
        return checked_magnitudes(parts, what=self._what)

    @property
    def _what(self) -> str:
        return f"responses of layer {self.layer!r}"

    def _read(self) -> Iterator[AnyArray]:
        """Yield the chunks: one step as it is stored, means in float64."""
        steps = np.flatnonzero(self.weights)
        width = chunk_width(self.activations.sizes["stimulus"])
        values = self.activations.variable  # indexing the coordinates would take as long as reading
        for first in range(0, self.n_features, width):
            columns = slice(first, first + width)
            if len(steps) == 1:
                part = values.isel(neuroid=columns, time=steps[0])
                yield part.values
                continue
            mean = np.zeros((values.sizes["stimulus"], len(range(self.n_features)[columns])))
            for step in steps:  # one after the other, as they lie on disk
                mean += values.isel(neuroid=columns, time=step).values * self.weights[step]
            yield mean

    def varies(self) -> bool:
        """Return whether any feature differs between stimuli by more than rounding."""
        return any(
            bool((np.ptp(chunk, axis=0) > ROUNDING * np.abs(chunk).max()).any())
            for chunk in self.chunks()
        )

    def gram(self) -> Gram:
        """Return the inner products of the features; InputError where no feature varies."""
        key = (self.layer, self.weights.tobytes(), self.shown)
        if self.shown is None:
            return self._make_gram()
        return self.grams.get(key, self._make_gram)

    def gram_of(self, rows: IntArray) -> Gram:
        """Return the inner products of some stimuli in this order, not kept; errors as for `gram`."""
        return self._make_gram(rows)

    def _make_gram(self, rows: IntArray | None = None) -> Gram:
        largest: list[float] = []
        chunks = self._read() if rows is None else (chunk[rows] for chunk in self._read())
        products = gram(_noting_largest(chunks, largest))
        check_magnitude(max(largest), what=self._what)
        n, p = products.n_stimuli, products.n_features
        if np.trace(products.K) <= (ROUNDING * max(largest)) ** 2 * n * p:
            raise InputError(
                f"layer {self.layer!r} responds the same to all {n} stimuli",
                allowed="a layer whose responses vary with the stimulus",
                todo="check the preprocessing and the layer's name",
            )
        return products


def chunk_width(numbers_per_column: int) -> int:
    """Return how many columns a chunk of at most 64 MB has: at most those that lie together on disk."""
    return min(COLUMNS, max(1, int(CHUNK_BYTES / (8 * numbers_per_column))))


def _noting_largest(chunks: Iterator[AnyArray], largest: list[float]) -> Iterator[AnyArray]:
    for chunk in chunks:
        largest.append(max(float(chunk.max()), -float(chunk.min())))
        yield chunk


def candidates_of(context: RunContext, stimuli: StimulusSet) -> list[Candidate]:
    """Return every layer and step that may stand for the benchmark's region under the protocol's clock.

    A nominal clock offers each step of a layer; any other clock gives the average of the steps over the
    benchmark's window, weighted as it declares. Of several candidates those that are the same for all
    stimuli, such as steps that the image has not reached yet, are omitted. Rows are in the order of the
    stimuli. InputError as in `RunContext.activations`.
    """
    shown = (context.shown(stimuli).digest, repr(context.presentation))
    candidates = [
        candidate
        for layer, activations in context.activations(stimuli).items()
        for candidate in _of_layer(
            layer,
            activations,
            context.clock,
            context.benchmark.window,
            context.model_run.grams,
            shown,
        )
    ]
    return _varying(candidates)


def _varying(candidates: list[Candidate]) -> list[Candidate]:
    """Return the candidates that differ between stimuli; all, where none does or there is only one."""
    if len(candidates) == 1:
        return candidates
    varying = []
    for candidate in candidates:
        if candidate.varies():
            varying.append(candidate)
        else:
            log.info(
                "%s, step %s: the same for all stimuli, so no candidate",
                candidate.layer,
                candidate.step,
            )
    return varying or candidates


def _of_layer(
    layer: str,
    activations: Assembly,
    clock: Timeline,
    window: Span,
    grams: BoundedStore[Gram],
    shown: Hashable,
) -> Sequence[Candidate]:
    n_steps = activations.sizes["time"]
    steps: list[tuple[int | None, Span, FloatArray]]
    if n_steps > 1 and clock.nominal:
        spans = clock.spans(layer, calls=n_steps)
        steps = [(k, spans[k], weights) for k, weights in enumerate(np.eye(n_steps))]
    else:
        weights = clock.weights(layer, [window], calls=n_steps)[0]
        used = np.flatnonzero(weights)
        steps = [(int(used[0]) if len(used) == 1 else None, window, weights)]
    return [
        Candidate(
            layer=layer,
            step=step,
            span=span,
            activations=activations,
            weights=weights,
            grams=grams,
            shown=shown,
        )
        for step, span, weights in steps
    ]
