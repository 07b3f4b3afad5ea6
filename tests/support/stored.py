"""A results folder with scores that were never computed, for tests of what reads one."""

import hashlib

import numpy as np

from brainbench.core import provenance, registry
from brainbench.core.score import Score
from brainbench.simulate.brain import SimulatedBrain
from brainbench.storage.results import Results

TWINS = (
    "Simulated.V4-pls",
    "Simulated.IT-pls",
    "Simulated.behavior-i2n",
    "Simulated.IT-ost",
)
REAL = ("MajajHong2015.V4-pls", "MajajHong2015.IT-pls", "Rajalingham2018-i2n", "Kar2019-ost")
CORNET_S = (0.650, 0.600, 0.382, 0.25)


def draws(value, *, width=0.02, seed=0, n=200):
    return value + width * np.random.default_rng(seed).standard_normal(n)


def make(model, benchmark, value, *, created="2026-01-01T00:00:00+00:00", **more):
    """A score; `digest`, `data`, `hashes`, `settings` go to its record, the rest to the score."""
    simulated = benchmark.startswith("Simulated")
    data = more.pop("data", SimulatedBrain().version if simulated else "1")
    record = provenance.record(
        seeds={"bootstrap": 0},
        hashes={
            "model": more.pop("digest", f"of {model}"),
            "data": data,
            **more.pop("hashes", {}),
        },
        settings=more.pop("settings", {}),
    ).model_copy(update={"created": created})
    weights = model.partition("@")[2] or "none"
    version = registry.load("benchmarks", benchmark).version if benchmark in TWINS else 1
    base = {"weights": weights, "version": version, "protocol": "paper", "simulated": simulated}
    if value is None:
        reason = "12 images for 25 components\n  allowed: more images\n  next: use more"
        base |= {"status": "failed", "reason": reason}
    else:
        drawn = draws(value)
        low, high = np.quantile(drawn, [0.025, 0.975])
        base |= {"raw": value, "ceiling": 0.871, "draws": drawn, "ci": (low, high)}
    known = {"model": model, "benchmark": benchmark, "value": value, "record": record}
    return Score(**{**base, **known, **more})


def fill(folder, scores):
    """Write scores, each into a file of its own, as `brainbench score` would."""
    results = Results(folder)
    for place, score in enumerate(scores):
        results.save(score, key=hashlib.sha256(str(place).encode()).hexdigest())
    return results


def of_all(model, benchmarks, values, **more):
    pairs = zip(benchmarks, values, strict=True)
    return [make(model, benchmark, value, **more) for benchmark, value in pairs]


def joint(values, *, own=0.005, common=0.03, n=200, seed=0):
    """Return joint draws of several models, which share most of what images and units do to them."""
    rng = np.random.default_rng(seed)
    images, units = (
        common * rng.standard_normal(n) + own * rng.standard_normal((len(values), n))
        for _ in range(2)
    )
    return [
        {"images": value + i, "units": value + u, "both": value + i + u}
        for value, i, u in zip(values, images, units, strict=True)
    ]


def together(models, benchmark, values, *, own=0.005, seed=0, **more):
    """Return scores of several models on one benchmark, with joint draws."""
    drawn = joint(values, own=own, seed=seed)
    return [
        make(model, benchmark, value, joint_draws=draws, **more)
        for model, value, draws in zip(models, values, drawn, strict=True)
    ]
