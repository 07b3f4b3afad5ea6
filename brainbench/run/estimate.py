"""What a run would cost in time, memory and disk, found out from one batch and the sizes of the data."""

from __future__ import annotations

import logging
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from brainbench.core.benchmark import Benchmark, Needs
from brainbench.core.dataset import Dataset, HasRDMs, HasSessions
from brainbench.core.effort import Foreseeing, Probe, Sizes, Work
from brainbench.core.model import BEHAVIOR, BrainModel, clock_of
from brainbench.core.provenance import peak_memory_mb
from brainbench.core.settings import Settings
from brainbench.core.stimuli import StimulusSet
from brainbench.data.manifest import open_dataset
from brainbench.run.plan import Item, reason_of

log = logging.getLogger(__name__)

START_SECONDS = 0.7
"""What a benchmark takes beside its work: stimuli to be hashed again, files, the record."""
WRITTEN = 0.3e9
"""Bytes of activations that are checked and written in a second."""


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """Cost of one model on all benchmarks of a run.

    Parameters
    ----------
    model : str
        Its name.
    images : int
        Images that the network will be shown.
    forward_seconds, other_seconds : float
        Time in the network, and everything else.
    memory_gb : float
        Largest memory of the process; an accelerator's own is not counted.
    disk_gb : float
        What will be added to the cache.
    unknown : tuple of str
        What the estimate leaves out, with the reason.
    """

    model: str
    images: int = 0
    forward_seconds: float = 0.0
    other_seconds: float = 0.0
    memory_gb: float = 0.0
    disk_gb: float = 0.0
    unknown: tuple[str, ...] = ()


def estimate(model: BrainModel, items: Sequence[Item], settings: Settings) -> Estimate:
    """Estimate what scoring a model will cost, without scoring it.

    The network is shown one batch of each stimulus set; nothing is kept of it.

    Parameters
    ----------
    model : BrainModel
        With a method `probe`, as `wrap` makes it; other models' passes are left out, and said to be.
    items : sequence of Item
        From `plan`.
    settings : Settings
        As for the run.
    """
    todo = [item for item in items if item.needs is not None]
    before_mb = peak_memory_mb()
    images, forward, disk, unknown = 0, 0.0, 0.0, []
    probes: dict[tuple[str, str], Probe] = {}
    for part, layers, need in _asked(todo):
        try:
            probe = probes[need.shared_by(part)] = _probe(model, part, layers, need)
        except Exception as error:
            log.debug("no estimate for %s", model.name, exc_info=True)
            unknown.append(f"passes over {part.identifier}: {reason_of(error)}")
            continue
        if probe.absent:
            images += len(part)
            forward += probe.seconds_per_image * len(part)
            disk += probe.bytes_per_image() * len(part)
    works = []
    for item in todo:
        try:
            works += list(_works(model, item.benchmark, item.needs, probes, settings))
        except Exception as error:
            log.debug("no estimate for %s", item.benchmark.identifier, exc_info=True)
            unknown.append(f"{item.benchmark.identifier}: {reason_of(error)}")
    scoring_mb = before_mb + max((work.memory_bytes for work in works), default=0.0) / 1e6
    return Estimate(
        model=model.name,
        images=images,
        forward_seconds=forward,
        other_seconds=sum(work.time() for work in works)
        + START_SECONDS * len(todo)
        + disk / WRITTEN,
        memory_gb=max(peak_memory_mb(), scoring_mb) / 1000,
        disk_gb=disk / 1e9,
        unknown=tuple(unknown),
    )


def _asked(items: Sequence[Item]) -> Iterator[tuple[StimulusSet, list[str], Needs]]:
    """Each stimulus set once, with all layers that will be asked for on it, as `execute` extracts them."""
    groups: dict[tuple[str, str], tuple[StimulusSet, list[str], Needs]] = {}
    for need in (item.needs for item in items if item.needs is not None):
        for part in need.parts:
            group = groups.setdefault(need.shared_by(part), (part, [], need))
            group[1].extend(layer for layer in need.layers if layer not in group[1])
    yield from groups.values()


def _probe(model: BrainModel, stimuli: StimulusSet, layers: Sequence[str], need: Needs) -> Probe:
    if not hasattr(model, "probe"):
        raise TypeError(f"{type(model).__name__} has no method probe")
    found: Probe = model.probe(stimuli, layers, need.presentation)
    return found


def _works(
    model: BrainModel,
    benchmark: Benchmark,
    need: Needs | None,
    probes: Mapping[tuple[str, str], Probe],
    settings: Settings,
) -> Iterator[Work]:
    """Work of each session of a benchmark."""
    procedure = benchmark.measure
    if need is None or not isinstance(procedure, Foreseeing):
        raise TypeError(f"{type(procedure).__name__} does not say what it takes")
    data = open_dataset(benchmark.data)
    parts: Sequence[Dataset] = [data]
    if isinstance(data, HasSessions) and need.sessions:
        found = data.sessions()
        parts = [_session_of(stimuli, found) for stimuli in need.parts]
    nominal = clock_of(model, settings.protocol).nominal
    for part, stimuli in zip(parts, need.parts, strict=True):
        probe = probes[need.shared_by(stimuli)]
        recorded = _recorded(part, benchmark.region)
        sizes = _sizes(probe, need.layers, recorded, len(stimuli), nominal=nominal)
        work = procedure.work(sizes, settings)
        held = 3 * 8.0 * sizes.repetitions * sizes.stimuli * sizes.units * sizes.bins
        yield Work(
            flops=work.flops,
            read_bytes=work.read_bytes,
            seconds=work.seconds + held / 1e9,
            memory_bytes=work.memory_bytes + held,
        )


def _session_of(stimuli: StimulusSet, found: Mapping[str, Dataset]) -> Dataset:
    """The session that showed these stimuli; a measure may leave sessions out."""
    return next(one for one in found.values() if set(stimuli.ids) <= set(one.stimuli().ids))


def _recorded(data: Dataset, region: str) -> Mapping[Hashable, int]:
    """Sizes of the recordings; none where the data is of another kind."""
    if region == BEHAVIOR or isinstance(data, HasRDMs):
        return {}
    return data.recordings(region).sizes


def _sizes(
    probe: Probe,
    layers: Sequence[str],
    recorded: Mapping[Hashable, int],
    n: int,
    *,
    nominal: bool,
) -> Sizes:
    return Sizes(
        stimuli=n,
        units=recorded.get("neuroid", 1),
        repetitions=recorded.get("repetition", 1),
        bins=recorded.get("time", 1),
        features=tuple(probe.features[layer] for layer in layers),
        steps=tuple(probe.steps[layer] for layer in layers),
        nominal=nominal,
    )
