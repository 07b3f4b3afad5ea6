"""The model's side of a comparison over time: the states of a layer, and how they make time bins."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from brainbench.core.assembly import Assembly, align
from brainbench.core.benchmark import Benchmark
from brainbench.core.errors import InputError
from brainbench.core.model import BrainModel, clock_of, layers_of
from brainbench.core.settings import Settings
from brainbench.core.stimuli import StimulusSet
from brainbench.core.timeline import Span, Timeline
from brainbench.metrics.temporal.components import Products, Reduced, products
from brainbench.scoring.layer_candidates import CHUNK_BYTES, COLUMNS

FloatArray = npt.NDArray[np.float64]

WIDE = 1000
"""More features than this are reduced to as many principal components of the training images."""


@dataclass(frozen=True, kw_only=True, eq=False)
class States:
    """A layer over time.

    Parameters
    ----------
    layer : str
        Dotted name.
    activations : DataArray
        Responses (stimulus, neuroid, time), one entry of time per model step; values may be on disk.
    weights : array, bin x step
        Share of each step in each bin; what a bin lacks to 1 is time without a response.
    """

    layer: str
    activations: Assembly
    weights: FloatArray

    @cached_property
    def steps(self) -> npt.NDArray[np.intp]:
        """Steps that some bin needs."""
        return np.flatnonzero(self.weights.any(axis=0))

    @cached_property
    def blank(self) -> bool:
        """Some bin holds time without a response: a state more, in which no unit responds."""
        return bool((self.weights.sum(axis=1) < 1 - 1e-9).any())

    @cached_property
    def shares(self) -> FloatArray:
        """Share of each state in each bin, bin x state, rows summing to 1."""
        used = self.weights[:, self.steps]
        if not self.blank:
            return used
        return np.column_stack([used, np.clip(1 - used.sum(axis=1), 0.0, None)])

    @property
    def n_features(self) -> int:
        """Neuroids of the layer."""
        return int(self.activations.sizes["neuroid"])

    def chunks(self) -> Iterator[npt.NDArray[np.float32]]:
        """Features in chunks of columns, stimulus x feature x state."""
        n, p = self.activations.sizes["stimulus"], self.n_features
        states = self.shares.shape[1]
        width = max(1, int(CHUNK_BYTES / (8 * n * states)))
        width -= width % COLUMNS if width > COLUMNS else 0
        for first in range(0, p, width):
            part = self.activations.isel(neuroid=slice(first, first + width), time=self.steps)
            values = np.asarray(part.values, dtype=np.float32)
            if self.blank:
                values = np.concatenate([values, np.zeros_like(values[:, :, :1])], axis=2)
            yield values

    @cached_property
    def whole(self) -> npt.NDArray[np.float32]:
        """All features, stimulus x feature x state."""
        return np.concatenate(list(self.chunks()), axis=1)

    @cached_property
    def products(self) -> Products:
        """Inner products of all features."""
        return products(self.chunks())

    def features(self, train: npt.NDArray[np.intp], *, most: int | None = WIDE) -> Reduced:
        """Features for a map fitted to some images: the layer's own, or components of these images.

        Parameters
        ----------
        train : array of int
            Training images, the only ones that components are made of.
        most : int or None
            A layer with more than `WIDE` features gets so many components; None gives it all of them.

        Raises
        ------
        InputError
            A layer that responds the same to all training images at all times.
        """
        if self.n_features > WIDE:
            return self.products.components(train, most)
        X = self.whole
        if not np.ptp(X[train], axis=(0, 2)).any():
            raise InputError(
                f"layer {self.layer!r} responds the same to all {len(train)} training images",
                allowed="a layer whose responses vary with the stimulus",
                todo="check the preprocessing and the layer's name",
            )
        return Reduced(X, 1.0, len(train))


def states(
    benchmark: Benchmark,
    model: BrainModel,
    settings: Settings,
    stimuli: StimulusSet,
    bins: Sequence[Span],
    *,
    static: Timeline | None = None,
) -> list[States]:
    """Every layer that may stand for the benchmark's region, over the given time bins.

    Parameters
    ----------
    benchmark : Benchmark
        Region and presentation.
    model : BrainModel
        Asked for its activations; its clock says what each bin is made of.
    settings : Settings
        Protocol and the user's layers.
    stimuli : StimulusSet
        In the order that the rows shall have.
    bins : sequence of (start, end)
        In ms from stimulus onset.
    static : Timeline, optional
        Clock of a model that has one state and does not say when; None lets the state hold at all times.

    Raises
    ------
    InputError
        Several layers under the protocol `brainscore`, which takes one; activations of other stimuli; a bin
        that the model's clock does not cover.
    """
    layers = layers_of(model, benchmark.region, settings)
    if settings.protocol == "brainscore" and len(layers) > 1:
        raise InputError(
            f"model {model.name!r} has {len(layers)} layers for {benchmark.region}: {', '.join(layers)}",
            allowed="one layer per region under the protocol brainscore",
            todo=f"choose one: --layers {benchmark.region}={layers[0]}",
        )
    shown = benchmark.presentation.accepted_by(model.presentations)
    found = model.activations(stimuli, layers, shown)
    clock = clock_of(model, settings.protocol)
    if clock.static and static is not None:
        clock = static
    return [
        States(
            layer=layer,
            activations=align(
                found[layer], stimuli.ids, name=f"activations of {model.name} {layer}"
            ),
            weights=clock.weights(layer, bins, calls=found[layer].sizes["time"]),
        )
        for layer in layers
    ]
