"""The model's side of a comparison over time: the states of a layer, and how they make time bins."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial

import numpy as np
import numpy.typing as npt

from brainbench.core.assembly import Assembly
from brainbench.core.errors import InputError
from brainbench.core.stimuli import StimulusSet
from brainbench.core.timeline import Span, Timeline
from brainbench.metrics.array_types import AnyArray, BoolArray, FloatArray, IntArray
from brainbench.metrics.features import checked_magnitudes
from brainbench.metrics.temporal.components import Products, Reduced, products
from brainbench.scoring.context import RunContext
from brainbench.scoring.kept import BoundedStore
from brainbench.scoring.layer_candidates import chunk_width

WIDE = 1000
"""More features than this are reduced to this many principal components of the training images."""
REDUCED_BYTES = 1e9
"""Components that the layers of a benchmark keep together, from choosing among layers to fitting a map."""


@dataclass(frozen=True, kw_only=True, eq=False)
class LayerStates:
    """A layer over time."""

    layer: str
    activations: Assembly  # stimulus x neuroid x model step; values may be on disk
    # Bin x step, share of each step in each bin; what a bin lacks to 1 is time without a
    # response.
    weights: FloatArray

    # Where reductions are kept for the next map that is fitted to the same images.
    reductions: BoundedStore[Reduced] = field(default_factory=BoundedStore, repr=False)

    step: None = None

    @property
    def label(self) -> dict[str, str]:
        return {"layer": self.layer}

    @cached_property
    def steps(self) -> IntArray:
        """Steps that some bin needs."""
        return np.flatnonzero(self.weights.any(axis=0))

    @cached_property
    def has_blank(self) -> bool:
        """Whether some bin holds time without a response: a further state, in which no unit responds."""
        return bool((self.weights.sum(axis=1) < 1 - 1e-9).any())

    @cached_property
    def shares(self) -> FloatArray:
        """Share of each state in each bin, bin x state, rows summing to 1."""
        used = self.weights[:, self.steps]
        if not self.has_blank:
            return used
        return np.column_stack([used, np.clip(1 - used.sum(axis=1), 0.0, None)])

    @cached_property
    def constant(self) -> BoolArray:
        """States that are the same for all images, such as those before the layer's first input."""
        pair = self.activations.variable.isel(stimulus=slice(0, 2), time=self.steps).values
        alike = (pair == pair[:1]).all(axis=(0, 1))
        for state in np.flatnonzero(alike):
            alike[state] = all((part == part[:1]).all() for part in self._read(states=[int(state)]))
        return np.append(alike, True) if self.has_blank else np.asarray(alike)

    @property
    def n_features(self) -> int:
        return int(self.activations.sizes["neuroid"])

    def chunks(self) -> Iterator[npt.NDArray[np.float32]]:
        """Yield the features in chunks of columns, stimulus x feature x state.

        InputError for features beyond float32, see `check_magnitude`.
        """
        for given in checked_magnitudes(self._read(), what=f"responses of layer {self.layer!r}"):
            values = np.asarray(given, dtype=np.float32)
            if self.has_blank:
                values = np.concatenate([values, np.zeros_like(values[:, :, :1])], axis=2)
            yield values

    def _read(self, states: Sequence[int] | None = None) -> Iterator[AnyArray]:
        """Yield responses in chunks of columns; None reads all states of the model."""
        steps = self.steps if states is None else self.steps[states]
        width = chunk_width(self.activations.sizes["stimulus"] * len(steps))
        values = self.activations.variable  # indexing the coordinates would take as long as reading
        for first in range(0, self.n_features, width):
            yield values.isel(neuroid=slice(first, first + width), time=steps).values

    @cached_property
    def features(self) -> npt.NDArray[np.float32]:
        """All features, stimulus x feature x state."""
        return np.concatenate(list(self.chunks()), axis=1)

    @cached_property
    def products(self) -> Products:
        """Inner products of all features."""
        return products(self.chunks(), constant=self.constant)

    def reduced(self, train: IntArray, *, n_components: int | None = WIDE) -> Reduced:
        """Return features for a map fitted to some images: the layer's own, or components of these images.

        A layer with more than `WIDE` features is reduced to `n_components`, None for all of them. InputError
        for a layer that responds the same to all training images at all times.
        """
        if self.n_features > WIDE:
            key = (self.layer, train.tobytes(), n_components)
            return self.reductions.get(key, partial(self.products.components, train, n_components))
        X = self.features
        if not np.ptp(X[train], axis=(0, 2)).any():
            raise InputError(
                f"layer {self.layer!r} responds the same to all {len(train)} training images",
                allowed="a layer whose responses vary with the stimulus",
                todo="check the preprocessing and the layer's name",
            )
        return Reduced(X, 1.0, len(train))


def layer_states(
    context: RunContext,
    stimuli: StimulusSet,
    bins: Sequence[Span],
    *,
    static: Timeline | None = None,
) -> list[LayerStates]:
    """Return every layer that may stand for the benchmark's region, over time bins (start, end) in ms.

    `static` is the clock of a model that has one state and does not say when; None lets the state hold at all
    times. InputError as in `RunContext.activations`, and for a bin that the model's clock does not cover.
    """
    clock = static if static is not None and context.clock.static else context.clock
    reductions = BoundedStore[Reduced](REDUCED_BYTES)
    return [
        LayerStates(
            layer=layer,
            activations=activations,
            weights=clock.weights(layer, bins, calls=activations.sizes["time"]),
            reductions=reductions,
        )
        for layer, activations in context.activations(stimuli).items()
    ]
