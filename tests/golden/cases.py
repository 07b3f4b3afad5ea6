"""What the goldens score: data and a model made of stored float64 arrays, and every measure on them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from known import Known, context_of

from brainbench.core import assembly, stimuli
from brainbench.core.benchmark import Benchmark
from brainbench.core.model import BEHAVIOR
from brainbench.core.presentation import CONSTANT
from brainbench.core.timeline import Timeline
from brainbench.scoring.behavior.choices import CategoryChoices
from brainbench.scoring.behavior.i2n import I2n
from brainbench.scoring.dynamics.measure import Dynamics
from brainbench.scoring.pipeline import score_context
from brainbench.scoring.regression.explained_variance import ExplainableVariance
from brainbench.scoring.regression.predictivity import Predictivity
from brainbench.scoring.similarity.measure import Similarity
from brainbench.scoring.solution_times.measure import SolutionTimes

FOLDER = Path(__file__).parent
N, OBJECTS, SITES, TRIALS = 80, 8, 6, 6
BINS = [(50.0 * k, 50.0 * (k + 1)) for k in range(4)]
STEPS = [(0.0, 100.0), (100.0, 200.0)]
IDS = [f"image{k:03d}" for k in range(N)]
NAMES = [f"object{k % OBJECTS}" for k in range(N)]

MEASURES = {
    "pls": Predictivity(n_components=5),
    "ridge-cv": Predictivity(metric="ridge-cv"),
    "ccnorm2": ExplainableVariance(),
    "rsa": Similarity(metric="rsa"),
    "cka": Similarity(metric="cka"),
    "dynamics": Dynamics(n_splits=4, n_components=5),
    "ost": SolutionTimes(decoder="converged", bin_ms=50.0),
    "i2n": I2n(n_splits=5),
    "choices": CategoryChoices(n_splits=5),
}
SCORES = {
    f"{name}, {protocol}, {formula or 'own formula'}": (name, protocol, formula)
    for name, measure in MEASURES.items()
    for protocol in measure.protocols
    for formula in (None, "r/sqrt(c)")
}
"""Every measure under every protocol, raw and related to its ceiling."""
TOLERANCES = {"ost": 1e-6, "i2n": 1e-6, "choices": 1e-6}
"""Relative; read-outs end their iteration at a gradient, which another processor reaches elsewhere."""


def make_arrays() -> dict[str, np.ndarray]:
    """Draw the arrays that are stored; `renew.py` calls this once."""
    rng = np.random.default_rng(20261129)
    objects = np.repeat(rng.standard_normal((1, OBJECTS, 12)), N // OBJECTS, axis=0).reshape(N, 12)
    features = 0.7 * objects[:, :, None] + rng.standard_normal((N, 12, 2))
    course = np.array([[0.2, 0.0], [1.0, 0.3], [0.6, 1.0], [0.1, 0.8]])
    rates = np.einsum("nps,bs,pk->nkb", features, course, rng.standard_normal((12, SITES)))
    trials = rates + 2.0 * rng.standard_normal((TRIALS, *rates.shape))
    return {
        "features": features,
        "noise": rng.standard_normal((N, 12, 2)),
        "trials": trials,
        "correct": rng.random((6, N, OBJECTS - 1)) < rng.uniform(0.5, 0.95, (1, N, 1)),
        "answers": np.where(
            rng.random((10, N)) < rng.uniform(0.4, 0.95, N),
            np.arange(N) % OBJECTS,
            rng.integers(0, OBJECTS, (10, N)),
        ),
        "i1": rng.uniform(0.2, 2.0, N),
        "ost": rng.permutation(np.linspace(60.0, 190.0, N)),
    }


@dataclass(frozen=True)
class GoldenData:
    """A data set of stored arrays, with everything that a measure may ask for."""

    arrays: dict[str, np.ndarray]
    name: str = "Golden"
    simulated: bool = False
    version: str = "1"
    command: str = "none"

    def absent(self) -> None:
        return None

    def stimuli(self) -> stimuli.StimulusSet:
        shown = np.random.default_rng(0).integers(0, 256, (N, 4, 4, 3), dtype=np.uint8)
        return stimuli.from_arrays("golden", shown, ids=IDS, metadata={"object_name": NAMES})

    def recordings(self, region: str) -> Any:
        return assembly.make(
            self.arrays["trials"],
            stimulus={"stimulus_id": IDS},
            neuroid={"neuroid_id": [f"{region}{k}" for k in range(SITES)]},
            repetitions=True,
            time=BINS,
            units="spikes/s",
        )

    def trials(self) -> pd.DataFrame:
        rows = []
        for repetition, image, k in np.ndindex(self.arrays["correct"].shape):
            truth = NAMES[image]
            distractor = [name for name in sorted(set(NAMES)) if name != truth][k]
            right = bool(self.arrays["correct"][repetition, image, k])
            rows.append((IDS[image], truth, distractor, truth if right else distractor, "subject"))
        columns = ["stimulus_id", "truth", "distractor", "choice", "subject"]
        return pd.DataFrame(rows, columns=columns)

    def category_responses(self) -> pd.DataFrame:
        rows = [
            (IDS[image], NAMES[image], f"object{answer}", f"subject{subject}")
            for (subject, image), answer in np.ndenumerate(self.arrays["answers"])
        ]
        return pd.DataFrame(rows, columns=["stimulus_id", "truth", "choice", "subject"])

    def solution_times(self) -> pd.DataFrame:
        columns = {"stimulus_id": IDS, "i1": self.arrays["i1"], "ost": self.arrays["ost"]}
        return pd.DataFrame(columns)


@dataclass(frozen=True)
class Goldens:
    """Every measure on the stored arrays."""

    arrays: dict[str, np.ndarray]

    @cached_property
    def model(self) -> Known:
        """A recurrent model of two layers, of which one is noise."""
        clock = Timeline(name="golden", source="test", steps={"IT": STEPS, "noise": STEPS})
        return Known(
            responses={"IT": self.arrays["features"], "noise": self.arrays["noise"]},
            ids=IDS,
            areas={"IT": ["IT", "noise"], BEHAVIOR: ["IT"]},
            clocks={"golden": clock},
            static=False,
        )

    def benchmark(self, name: str) -> Benchmark:
        region = BEHAVIOR if name in ("i2n", "choices") else "IT"
        return Benchmark(
            identifier=f"Golden.{region}-{name}",
            version=1,
            data=GoldenData(self.arrays),
            measure=MEASURES[name],
            region=region,
            window=(0.0, 200.0) if name in ("dynamics", "ost") else (50.0, 150.0),
            presentation=CONSTANT,
            metric="",
            ceiling="",
            citation="",
        )

    def scores(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield the figures of each of `SCORES`."""
        for key in SCORES:
            yield key, self.score(key)

    def score(self, key: str) -> dict[str, Any]:
        """Return the figures of one of `SCORES`."""
        name, protocol, formula = SCORES[key]
        context = context_of(
            self.benchmark(name),
            self.model,
            protocol=protocol,
            formula=formula,
            layers={"IT": "IT"} if protocol == "brainscore" else {},
            null="images",
            null_draws=5,
        )
        return figures(context)


def figures(context: Any) -> dict[str, Any]:
    """Return the figures of a score that must not move, as plain values."""
    score = score_context(context)
    per_unit = [] if score.per_unit is None else score.to_json()["per_unit"]["values"]
    null = {key: score.null[key] for key in ("mean", "sd", "p")} if score.null else None
    stored = score.to_json()
    return {
        **{key: stored[key] for key in ("value", "raw", "ceiling", "error", "ci", "formula")},
        **{key: stored[key] for key in ("n_units", "n_excluded", "excluded", "status")},
        "per_unit": per_unit,
        "null": null,
        "layer": score.selection.layer,
        "step": score.selection.step,
        "chosen": [row["chosen_in_folds"] for row in score.selection.curve],
    }
