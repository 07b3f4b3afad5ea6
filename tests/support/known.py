"""A model and a brain whose responses are given, for tests of procedures."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from brainbench.core import assembly, stimuli
from brainbench.core.benchmark import Benchmark
from brainbench.core.model import check_model
from brainbench.core.presentation import CONSTANT, Presentation
from brainbench.core.settings import Settings
from brainbench.core.timeline import STATIC, Timeline
from brainbench.data.arrays import ArrayData
from brainbench.scoring.context import ModelRun, Run, RunContext
from brainbench.scoring.regression.predictivity import Predictivity

PER_OBJECT = 10


@dataclass(frozen=True, kw_only=True)
class Known:
    """A model whose responses are given: layer -> (stimulus, neuroid, step)."""

    responses: Mapping[str, np.ndarray]
    ids: Sequence[str]
    areas: Mapping[str, Sequence[str]]
    clocks: Mapping[str, Timeline] = field(default_factory=lambda: {"static": STATIC})
    name: str = "known"
    weights: str = "none"
    static: bool = True
    presentations: Sequence[str] = ("constant",)
    digest: str = "known"

    def activations(self, pictures, layers, presentation=CONSTANT):
        rows = [list(self.ids).index(i) for i in pictures.ids]
        return {
            layer: self._of(layer, self.responses[layer][rows], pictures.ids) for layer in layers
        }

    def _of(self, layer, values, ids):
        steps = [(100.0 * k, 100.0 * (k + 1)) for k in range(values.shape[2])]
        neuroid = {"neuroid_id": [f"{layer}{k}" for k in range(values.shape[1])]}
        return assembly.make(
            values, stimulus={"stimulus_id": ids}, neuroid=neuroid, time=steps, units="a.u."
        )


def brain(values, *, objects=True, trials=None, ids=None, time=None):
    """Array data with one region, IT; `trials` is repetition x stimulus x neuroid (x time)."""
    responses = values if trials is None else trials
    n = responses.shape[0 if trials is None else 1]
    ids = ids or [f"im{(7 * k) % n:03d}" for k in range(n)]
    columns = {"object_name": [f"obj{k // PER_OBJECT}" for k in range(n)]} if objects else {}
    pictures = np.random.default_rng(0).integers(0, 256, (n, 4, 4, 3), dtype=np.uint8)
    recorded = assembly.make(
        responses,
        stimulus={"stimulus_id": ids},
        neuroid={
            "neuroid_id": [f"site{k}" for k in range(responses.shape[1 if trials is None else 2])]
        },
        repetitions=trials is not None,
        time=time,
        units="spikes/s",
    )
    shown = stimuli.from_arrays("known", pictures, ids=ids, metadata=columns)
    return ArrayData(name="Known", pictures=shown, regions={"IT": recorded})


def benchmark(data, **options):
    return Benchmark(
        identifier="Known.IT-pls",
        version=1,
        data=data,
        region="IT",
        window=(70, 170),
        presentation=Presentation(kind="pulse", on_ms=100, total_ms=250),
        measure=Predictivity(**{"n_components": 3, **options}),
        metric="r",
        ceiling="split-half",
        citation="nobody",
    )


def model_of(data, X, **more):
    return Known(
        responses={"IT": X[:, :, None]}, ids=data.pictures.ids, areas={"IT": ["IT"]}, **more
    )


def context_of(declared, model, **chosen):
    """Build the view of a benchmark on a run and a model, with settings."""
    model_run = ModelRun(check_model(model, name=model.name))
    return RunContext(benchmark=declared, run=Run(Settings(**chosen)), model_run=model_run)
