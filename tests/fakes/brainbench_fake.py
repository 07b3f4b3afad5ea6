"""An outside plug-in with small models, data and benchmarks, so that the rest can be tested without networks.

It registers itself through entry points, like any plug-in that a user installs. What it does can be
steered by environment variables, so that it behaves alike in this process and in another.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar

import numpy as np
import xarray as xr

from brainbench.core import assembly, progress, provenance, stimuli, timeline
from brainbench.core.benchmark import Benchmark
from brainbench.core.errors import InputError, unknown
from brainbench.core.presentation import CONSTANT, Presentation
from brainbench.core.score import Selection
from brainbench.scoring.context import RunContext
from brainbench.scoring.measure import (
    Evaluation,
    Figure,
    ImageSet,
    Material,
    Measure,
    ProtocolRules,
    Report,
)
from brainbench.stats.composite import Composite, Member

ASKED: list[tuple[str, tuple[str, ...]]] = []
"""Every extraction of this process: (model, layers). Emptied before each test."""
SCORED: list[tuple[str, str]] = []
"""Every score that was computed: (model, benchmark)."""

REGIONS = ("V1", "V2", "V4", "IT")


def pictures(n: int = 12, size: int = 6, *, seed: int = 0) -> stimuli.StimulusSet:
    values = np.random.default_rng(seed).integers(0, 256, (n, size, size, 3), dtype=np.uint8)
    return stimuli.from_arrays(
        "fake pictures",
        values,
        ids=[f"picture{k:02d}" for k in range(n)],
        metadata={"object_name": [f"object{k % 3}" for k in range(n)]},
    )


@dataclass(frozen=True, kw_only=True)
class FakeModel:
    """Answers with the mean color of a picture, and keeps count of how often it was asked."""

    name: str = "fake"
    weights: str = "none"
    areas: Mapping[str, Sequence[str]] = field(
        default_factory=lambda: {region: (f"{region}.output",) for region in REGIONS}
    )
    clocks: Mapping[str, timeline.Timeline] = field(
        default_factory=lambda: {"static": timeline.STATIC}
    )
    static: bool = True
    presentations: tuple[str, ...] = ("constant",)
    digest: str = "digest of fake"
    layers: tuple[str, ...] = tuple(f"{region}.output" for region in REGIONS)
    device: str = "auto"
    batch_size: int | str = "auto"
    forward_seconds: float = 0.01

    def on(self, *, device: str = "auto", batch_size: int | str = "auto") -> FakeModel:
        return replace(self, device=device, batch_size=batch_size)

    def activations(
        self,
        stimuli: stimuli.StimulusSet,
        layers: Sequence[str],
        presentation: Presentation = CONSTANT,
    ) -> dict[str, xr.DataArray]:
        ASKED.append((self.name, tuple(layers)))
        for layer in layers:
            if layer not in self.layers:
                raise unknown(
                    "layer", layer, self.layers, todo="choose one of the network's layers"
                )
        with progress.current().task(f"{self.name} on {stimuli.identifier}", len(stimuli)) as step:
            rows = []
            for k in range(len(stimuli)):
                rows.append(stimuli.picture(k).mean(axis=(0, 1)))
                step(1)
        provenance.count_forward(self.forward_seconds, len(stimuli))
        return {
            layer: assembly.make(
                np.array(rows)[..., None],
                stimulus=stimuli.coordinates(),
                neuroid={"neuroid_id": np.arange(3), "layer": np.full(3, layer)},
                time=[timeline.ALWAYS],
                units="a.u.",
            )
            for layer in layers
        }


def fake(*, weights: str = "none", size: int = 3, flag: object = None) -> FakeModel:
    if weights not in ("none", "untrained-0", "other"):
        raise InputError(
            f"fake with weights {weights!r}", allowed="none, untrained-0, other", todo="choose one"
        )
    if os.environ.get("FAKE_MODEL") == "broken":
        raise RuntimeError("the weights could not be read")
    name = "fake" if weights == "none" else f"fake@{weights}"
    options = f"{size!r} {flag!r}" if (size, flag) != (3, None) else ""
    extra = os.environ.get("FAKE_DIGEST", "")
    return FakeModel(name=name, weights=weights, digest=f"digest of {weights} {options}{extra}")


def second() -> FakeModel:
    return FakeModel(name="fake_second", digest="digest of second")


@dataclass(frozen=True, kw_only=True)
class FakeData:
    name: str = "Fake"
    simulated: bool = True
    version: str = "1"
    command: str = "brainbench data get Fake"
    missing: bool = False
    n: int = 12

    def absent(self) -> str | None:
        return "the recordings are not in the data folder" if self.missing else None

    def stimuli(self) -> stimuli.StimulusSet:
        return pictures(self.n)

    def recordings(self, region: str) -> xr.DataArray:
        values = np.random.default_rng(7).normal(size=(2, self.n, 4))
        return assembly.make(
            values,
            stimulus={"stimulus_id": [f"picture{k:02d}" for k in range(self.n)]},
            neuroid={"neuroid_id": [f"{region}{k}" for k in range(4)]},
            repetitions=True,
            units="spikes",
        )


@dataclass(frozen=True, kw_only=True)
class MeanActivation(Measure[np.ndarray, np.ndarray]):
    """Scores by the mean activation; `misbehavior` says how it fails."""

    misbehavior: str = ""

    rules: ClassVar = {
        "paper": ProtocolRules(formula="raw"),
        "brainscore": ProtocolRules(formula="r2/c"),
    }

    def stimulus_sets(self, context: RunContext) -> list[stimuli.StimulusSet]:
        if self.misbehavior == "no stimuli":
            raise InputError("recordings of no site", allowed="one or more", todo="check the data")
        return [context.stimuli()]

    def target(self, context: RunContext) -> np.ndarray:
        identifier = context.benchmark.identifier
        SCORED.append((context.model.name, identifier))
        _misbehave(os.environ.get("FAKE_" + identifier.replace(".", "_"), self.misbehavior))
        return context.data.recordings(context.benchmark.region).values

    def candidates(self, context: RunContext, target: np.ndarray) -> np.ndarray:
        activations = context.activations(context.stimuli())[context.layers[0]]
        return activations.isel(time=0).values / 255

    def evaluate(
        self, context: RunContext, target: np.ndarray, candidates: np.ndarray
    ) -> MeanEvaluation:
        return MeanEvaluation(
            material=Material(
                stimulus_sets=[context.stimuli()],
                image_sets=[ImageSet(ids=context.stimuli().ids)],
                partial=context.is_partial(),
                targets=[target],
            ),
            formula=context.formula,
            context=context,
            activations=candidates,
        )

    def has_measured_coverage(self, context: RunContext, evaluation: Evaluation) -> bool:
        return self.misbehavior != "approximate"


@dataclass(frozen=True, kw_only=True)
class MeanEvaluation(Evaluation):
    """Mean over images and neuroids, plus the seed, so that another seed is another score."""

    context: RunContext
    activations: np.ndarray

    n_images = 1000  # enough for an interval that is not approximate

    @property
    def selection(self) -> Selection:
        return Selection(layer=self.context.layers[0], step=0)

    def over_images(self, counts: np.ndarray | None) -> np.ndarray:
        images = self.activations.mean(axis=1)
        weights = np.ones((1, len(images))) if counts is None else counts
        return weights @ images / weights.sum(axis=1) + self.context.settings.seed

    def figure_of(self, results: np.ndarray, unit_counts: np.ndarray | None) -> Figure:
        return Figure.of_one_part(results, np.full(len(results), 0.871))

    def shuffled(self, orders: Sequence[np.ndarray]) -> Figure:
        return Figure.of_one_part(np.zeros(len(orders[0])), np.full(len(orders[0]), 0.871))

    def report(self, figure: Figure) -> Report:
        return Report(
            n_units=4,
            excluded={"constant response": 1},
            per_unit=_per_unit(self.activations.mean(axis=0)),
            predictions=_predictions(self.activations, self.context.stimuli().ids),
            seeds={"run": self.context.settings.seed},
        )


def _misbehave(misbehavior: str) -> None:
    if misbehavior == "fails":
        raise InputError(
            "12 images for 25 components",
            allowed="more images than components",
            todo="use more images or fewer components",
        )
    if misbehavior == "crashes":
        raise ZeroDivisionError("division by zero")
    if misbehavior == "interrupted":
        raise KeyboardInterrupt
    if misbehavior.startswith("sleeps"):
        time.sleep(float(misbehavior.removeprefix("sleeps ")))


def _per_unit(values: np.ndarray) -> xr.DataArray:
    ids = [f"site{k}" for k in range(len(values))]
    return xr.DataArray(
        np.append(values, np.nan),
        dims=("neuroid",),
        coords={"neuroid_id": ("neuroid", [*ids, "silent"])},
        attrs={"formula": "raw-v1"},
    )


def _predictions(values: np.ndarray, ids: Sequence[str]) -> xr.Dataset:
    return xr.Dataset(
        dict.fromkeys(("predicted", "target"), (("sample", "neuroid"), values)),
        coords={
            "fold": ("sample", np.arange(len(values)) % 2),
            "stimulus_id": ("sample", np.array(ids, dtype=object)),
            "neuroid_id": ("neuroid", np.arange(values.shape[1])),
        },
    )


def declare(
    identifier: str, misbehavior: str = "", *, data: object = None, region: str = "IT"
) -> Benchmark:
    return Benchmark(
        identifier=identifier,
        version=1,
        data=FakeData() if data is None else data,
        measure=MeanActivation(misbehavior=misbehavior),
        region=region,
        window=(70, 170),
        metric="mean activation",
        ceiling="invented",
        citation="Nobody, 2026",
    )


V1 = declare("Fake.V1-pls", region="V1")
IT = declare("Fake.IT-pls")
failing = declare("Fake.failing-pls", "fails")
crashing = declare("Fake.crashing-pls", "crashes")
blind = declare("Fake.blind-pls", "no stimuli")
away = declare("Away.IT-pls", data=FakeData(name="Away", missing=True, simulated=False))
stored = declare("Stored.IT-pls", data="FakeStored")
elsewhere = declare("Elsewhere.TE-pls", region="TE")

recorded_it, recorded_v1, recorded_failing = (
    declare(f"Recorded.{name}", misbehavior, data=FakeData(name="Recorded", simulated=False))
    for name, misbehavior in (("IT-pls", ""), ("V1-pls", ""), ("failing-pls", "fails"))
)
"""Not listed: for tests of composites, which are of recordings or of simulated brains, as their names say."""
recorded_mean = Composite(
    name="Recorded.mean-v1",
    members=(Member("Recorded.IT-pls"), Member("Recorded.V1-pls")),
    meaning="mean of two",
    citation="Nobody, 2026",
)
recorded_mixed = replace(
    recorded_mean,
    name="Recorded.mixed-v1",
    members=(Member("Recorded.IT-pls"), Member("Recorded.V1-pls", "r/c-v1")),
)
recorded_broken = replace(
    recorded_mean,
    name="Recorded.broken-v1",
    members=(Member("Recorded.IT-pls"), Member("Recorded.failing-pls")),
)
RECORDED = {
    "benchmarks": {
        "Recorded.IT-pls": "brainbench_fake:recorded_it",
        "Recorded.V1-pls": "brainbench_fake:recorded_v1",
        "Recorded.failing-pls": "brainbench_fake:recorded_failing",
    },
    "composites": {
        "Recorded.mean-v1": "brainbench_fake:recorded_mean",
        "Recorded.mixed-v1": "brainbench_fake:recorded_mixed",
        "Recorded.broken-v1": "brainbench_fake:recorded_broken",
    },
}

MANIFEST = {
    "name": "FakeStored",
    "title": "Invented recordings",
    "loader": "brainbench_fake:loaded",
    "license": "CC0",
    "citation": "Nobody, 2026",
    "simulated": True,
    "parameters": {"n": 12},
}


def loaded(manifest: object) -> FakeData:
    missing = os.environ.get("FAKE_DATA") == "missing"
    command = "brainbench data get FakeStored"
    return FakeData(name="FakeStored", command=command, missing=missing, n=manifest.parameters["n"])


def models() -> dict[str, str]:
    return {"fake": "brainbench_fake:fake", "fake_second": "brainbench_fake:second"}


def benchmarks() -> dict[str, str]:
    names = ("V1", "IT", "failing", "crashing", "blind", "away", "stored", "elsewhere")
    return {globals()[name].identifier: f"brainbench_fake:{name}" for name in names}


def data() -> dict[str, str]:
    return {"FakeStored": "brainbench_fake:MANIFEST"}
