"""The model's side of a comparison: which layers and steps may stand for a region."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from brainbench.core.assembly import Assembly, align
from brainbench.core.benchmark import Benchmark
from brainbench.core.errors import InputError
from brainbench.core.model import BrainModel, clock_of, layers_of
from brainbench.core.settings import Settings
from brainbench.core.stimuli import StimulusSet
from brainbench.core.timeline import Span, Timeline
from brainbench.metrics.gram import Gram, gram

log = logging.getLogger(__name__)

CHUNK_BYTES = 64e6
ROUNDING = 1e-12
"""Share of the largest response; rounding leaves about 1e-16 of it, far below any real variation."""
COLUMNS = 4096
"""Neuroids that lie together on disk; chunks that begin and end with them are read fastest."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Candidate:
    """One layer, at one step or averaged over steps, that may stand for a region.

    Parameters
    ----------
    layer : str
        Dotted name.
    step : int or None
        Model step; None where several were averaged.
    span : (start, end)
        Time that it stands for, in ms from stimulus onset.
    activations : DataArray
        Responses (stimulus, neuroid, time); values may be on disk.
    weights : array, shape (n_steps,)
        Weight of each step.
    """

    layer: str
    step: int | None
    span: Span
    activations: Assembly
    weights: npt.NDArray[np.float64]

    def chunks(self) -> Iterator[npt.NDArray[np.float64]]:
        """Features in chunks of columns, shape (n_stimuli, at most what 64 MB hold)."""
        steps = np.flatnonzero(self.weights)
        n, p = self.activations.sizes["stimulus"], self.activations.sizes["neuroid"]
        width = max(1, int(CHUNK_BYTES / (8 * n * len(steps))))
        width -= width % COLUMNS if width > COLUMNS else 0
        for first in range(0, p, width):
            part = self.activations.isel(neuroid=slice(first, first + width), time=steps)
            values = np.asarray(part.values, dtype=np.float64)
            yield values[..., 0] if len(steps) == 1 else values @ self.weights[steps]

    def varies(self) -> bool:
        """Whether any feature differs between stimuli by more than rounding."""
        return any(
            bool((np.ptp(chunk, axis=0) > ROUNDING * np.abs(chunk).max()).any())
            for chunk in self.chunks()
        )

    def gram(self) -> Gram:
        """Inner products of the features of all pairs of stimuli.

        Raises
        ------
        InputError
            A layer that responds the same to every stimulus.
        """
        largest = 0.0

        def watched() -> Iterator[npt.NDArray[np.float64]]:
            nonlocal largest
            for chunk in self.chunks():
                largest = max(largest, float(np.abs(chunk).max()))
                yield chunk

        inner = gram(watched())
        if np.trace(inner.K) <= (ROUNDING * largest) ** 2 * inner.n_stimuli * inner.n_features:
            raise InputError(
                f"layer {self.layer!r} responds the same to all {inner.n_stimuli} stimuli",
                allowed="a layer whose responses vary with the stimulus",
                todo="check the preprocessing and the layer's name",
            )
        return inner


def candidates(
    benchmark: Benchmark, model: BrainModel, settings: Settings, stimuli: StimulusSet
) -> list[Candidate]:
    """Every layer and step that may stand for the benchmark's region under the protocol's clock.

    A clock that is nominal offers each step of a layer; any other clock gives the average of the steps over
    the benchmark's window, weighted as it declares. Of several those are left out that are the same for all
    stimuli, such as steps that the image has not reached yet.

    Parameters
    ----------
    benchmark : Benchmark
        Region, window and presentation.
    model : BrainModel
        Asked for its activations.
    settings : Settings
        Protocol and the user's layers.
    stimuli : StimulusSet
        In the order that the rows shall have.

    Raises
    ------
    InputError
        Several layers under the protocol `brainscore`, which takes one; activations of other stimuli.
    """
    layers = layers_of(model, benchmark.region, settings)
    if settings.protocol == "brainscore" and len(layers) > 1:
        raise InputError(
            f"model {model.name!r} has {len(layers)} layers for {benchmark.region}: {', '.join(layers)}",
            allowed="one layer per region under the protocol brainscore",
            todo=f"choose one: --layers {benchmark.region}={layers[0]}",
        )
    shown = benchmark.presentation.accepted_by(model.presentations)
    activations = model.activations(stimuli, layers, shown)
    clock = clock_of(model, settings.protocol)
    offered = [
        candidate
        for layer in layers
        for candidate in _of_layer(
            layer,
            align(activations[layer], stimuli.ids, name=f"activations of {model.name} {layer}"),
            clock,
            benchmark.window,
        )
    ]
    return _varying(offered)


def _varying(offered: list[Candidate]) -> list[Candidate]:
    """Candidates that differ between stimuli; all, where none does or there is only one."""
    if len(offered) == 1:
        return offered
    varying = []
    for one in offered:
        if one.varies():
            varying.append(one)
        else:
            log.info("%s, step %s: the same for all stimuli, so no candidate", one.layer, one.step)
    return varying or offered


def _of_layer(
    layer: str, activations: Assembly, clock: Timeline, window: Span
) -> Sequence[Candidate]:
    n_steps = activations.sizes["time"]
    if n_steps > 1 and clock.nominal:
        spans = clock.spans(layer, calls=n_steps)
        return [
            Candidate(layer=layer, step=k, span=spans[k], activations=activations, weights=one_hot)
            for k, one_hot in enumerate(np.eye(n_steps))
        ]
    weights = clock.weights(layer, [window], calls=n_steps)[0]
    used = np.flatnonzero(weights)
    step = int(used[0]) if len(used) == 1 else None
    return [
        Candidate(layer=layer, step=step, span=window, activations=activations, weights=weights)
    ]
