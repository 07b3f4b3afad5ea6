"""The provenance that every procedure gives: what was compared, how it was shown, on what it ran."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from brainbench.core.benchmark import Benchmark
from brainbench.core.model import BrainModel, clock_of
from brainbench.core.provenance import Record, record, sha256
from brainbench.core.settings import Settings
from brainbench.core.stimuli import StimulusSet
from brainbench.data.manifest import open_dataset


def record_of(
    benchmark: Benchmark,
    model: BrainModel,
    settings: Settings,
    *,
    stimuli: Sequence[StimulusSet],
    target: Sequence[npt.NDArray[Any]],
    seeds: Mapping[str, int],
    layer: str | None = None,
    step: int | None = None,
    curve: Sequence[dict[str, Any]] = (),
    choices: Mapping[str, Any],
    notes: Sequence[str] = (),
) -> Record:
    """Record of a score.

    Parameters
    ----------
    benchmark, model, settings
        What was scored, and how.
    stimuli : sequence of StimulusSet
        Those that were used, one for each session.
    target : sequence of array
        What the model was compared with, one for each session: it is hashed.
    seeds : mapping of str to int
        Every seed that was used, by its purpose.
    layer, step, curve
        See `Record`.
    choices : mapping
        Further choices of the procedure.
    notes : sequence of str
        Beside those of the model, and what was asked for where something else was shown.
    """
    asked = benchmark.presentation
    given = asked.accepted_by(model.presentations)
    shown = [] if given == asked else [f"asked for: {asked.describe()}"]
    digests = [one.digest for one in stimuli]
    return record(
        seeds=dict(seeds),
        hashes={
            "stimuli": digests[0] if len(digests) == 1 else sha256(*digests),
            "data": open_dataset(benchmark.data).version,
            "model": model.digest,
            "target": sha256(*(np.ascontiguousarray(values).tobytes() for values in target)),
        },
        layer=layer,
        step=step,
        curve=list(curve),
        clock=clock_of(model, settings.protocol).name,
        presentation=given.describe(),
        device=str(getattr(model, "device", "cpu")),
        precision=str(getattr(model, "precision", "float32")),
        choices=dict(choices),
        notes=[*getattr(model, "notes", ()), *shown, *notes],
    )
