"""Cost of a run in time, memory and disk, from one batch of images and the sizes of layers."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from brainbench.core.model import BrainModel, Probe
from brainbench.core.provenance import peak_memory_mb
from brainbench.run.plan import Extraction, Plan, extractions, reason_of
from brainbench.scoring.kept import GRAM_BYTES

log = logging.getLogger(__name__)
FLOAT64 = 8.0


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """Cost of scoring one model on all benchmarks of a run."""

    model: str
    # shown to the network, frames of movies too; those in the cache are not shown again
    images: int = 0
    layers: int = 0  # to be extracted
    forward_seconds: float = 0.0  # in the network
    # memory of this process so far, with the Gram matrices of all candidates and the activations of the
    # largest layer; an accelerator's own is not counted
    memory_gb: float = 0.0
    disk_gb: float = 0.0  # activations that will be added to the cache
    unknown: tuple[str, ...] = ()  # what the estimate omits, with the reason


def estimate(planned: Plan) -> Estimate:
    """Estimate what scoring a model will cost, without scoring it.

    The network is shown one batch of each stimulus set; nothing is kept of it. A model whose `probe` returns
    None is only said to be omitted.
    """
    if planned.model is None:
        return Estimate(model=planned.name)
    probes: list[tuple[Extraction, Probe]] = []
    unknown = []
    for extraction in extractions(planned.tasks):
        try:
            probe = _probe(planned.model, extraction)
        except Exception as error:
            log.debug("no estimate for %s", planned.name, exc_info=True)
            unknown.append(f"{extraction.stimuli.identifier}: {reason_of(error)}")
            continue
        if probe is None:
            unknown.append(f"{extraction.stimuli.identifier}: the model has no probe()")
        else:
            probes.append((extraction, probe))
    shown = [(len(one.stimuli), probe) for one, probe in probes if probe.absent]
    return Estimate(
        model=planned.name,
        images=sum(n * probe.pictures for n, probe in shown),
        layers=len({layer for _, probe in shown for layer in probe.absent}),
        forward_seconds=sum(n * probe.seconds_per_image for n, probe in shown),
        memory_gb=peak_memory_mb() / 1e3 + (_gram_bytes(probes) + _largest_layer(probes)) / 1e9,
        disk_gb=sum(n * probe.bytes_per_image() for n, probe in shown) / 1e9,
        unknown=tuple(unknown),
    )


def _probe(model: BrainModel, extraction: Extraction) -> Probe | None:
    return model.probe(extraction.stimuli, extraction.layers, extraction.presentation)


def _gram_bytes(probes: list[tuple[Extraction, Probe]]) -> float:
    """Return the size of the Gram matrices that are kept: one of each candidate, layer or layer and step."""
    total = 0.0
    for extraction, probe in probes:
        nominal = extraction.tasks[0].context.clock.nominal
        candidates = sum(probe.steps.values()) if nominal else len(probe.steps)
        total += FLOAT64 * len(extraction.stimuli) ** 2 * candidates
    return min(total, GRAM_BYTES)


def _largest_layer(probes: list[tuple[Extraction, Probe]]) -> float:
    """Return the size of the largest layer's activations at one step."""
    sizes = [
        FLOAT64 * len(extraction.stimuli) * features
        for extraction, probe in probes
        for features in probe.features.values()
    ]
    return max(sizes, default=0.0)
