"""Stored scores with what each figure shows, and what is read from drawn axes."""

import numpy as np
import stored
import xarray as xr

from brainbench.core.score import Selection

BINS = np.arange(0.0, 200.0, 20.0)


def layered(model="tiny@imagenet", benchmark="Simulated.IT-pls", **more):
    """Return a score for which three layers were compared, the second of two sessions and two steps."""
    rows = [
        {"layer": "b.0", "step": 0, "inner_mean": 0.1, "inner_sd": 0.01, "session": "s1"},
        {"layer": "b.1", "step": 0, "inner_mean": 0.2, "inner_sd": 0.01, "session": "s1"},
        {"layer": "b.1", "step": 1, "inner_mean": 0.5, "inner_sd": 0.03, "session": "s1"},
        {"layer": "b.1", "step": 1, "inner_mean": 0.7, "inner_sd": 0.01, "session": "s2"},
        {"layer": "b.2", "step": 0, "inner_mean": 0.3, "inner_sd": 0.02, "session": "s1"},
        {"layer": "b.3", "step": 0, "inner_mean": None, "inner_sd": None, "session": "s1"},
    ]
    chosen = Selection(layer="b.1", step=1, curve=tuple(rows))
    return stored.make(model, benchmark, 0.6, selection=chosen, **more)


def dynamics(
    model="tiny@imagenet",
    *,
    benchmark="Simulated.IT-dynamics",
    arrays=("V4", "IT"),
    value=0.5,
    **more,
):
    """Return a score of neural dynamics: r rises by bin, c is .64 in the bins that count and .04 before."""
    n = len(BINS)
    used = [k >= 5 for k in range(n)]
    c = [0.64 if counts else 0.04 for counts in used]
    r = np.linspace(0.0, value, n)
    figures = {
        "time_start": BINS.tolist(),
        "time_end": (BINS + 20).tolist(),
        "r": r.tolist(),
        "c": c,
        "bins_used": used,
        "r_by_array": {name: (r / (k + 1)).tolist() for k, name in enumerate(arrays)},
        "c_by_array": dict.fromkeys(arrays, c),
        "temporal_correlation": {name: 0.4 + 0.1 * k for k, name in enumerate(arrays)},
        "layer_units": {
            name: {"conv1": 10.0 * (k + 1), "conv2": 30.0} for k, name in enumerate(arrays)
        },
    }
    sites = ["weak", "strong"]
    per_unit = xr.DataArray(
        [0.1, 0.2],
        dims="neuroid",
        coords={"neuroid_id": ("neuroid", sites), "ceiling": ("neuroid", [0.2, 0.9])},
        attrs={"units": "Pearson r"},
    )
    images = [f"image{k}" for k in range(5)]
    shape = np.arange(5.0)[:, None, None] * np.array([1.0, 10.0])[:, None] * np.ones(n)
    predictions = xr.Dataset(
        {
            "predicted": (("sample", "neuroid", "time"), shape + value),
            "target": (("sample", "neuroid", "time"), shape),
        },
        coords={
            "fold": ("sample", np.arange(5)),
            "stimulus_id": ("sample", images),
            "neuroid_id": ("neuroid", sites),
            "time_start": ("time", BINS),
            "time_end": ("time", BINS + 20),
        },
    )
    given = {"figures": figures, "per_unit": per_unit, "predictions": predictions}
    return stored.make(model, benchmark, value, **{**given, **more})


def solution_times(model="tiny@imagenet", value=0.25, **more):
    """Return a score of solution times: 3 images at 105 ms, 4 at 125 ms, 2 at 145 ms, 2 unsolved."""
    brain = np.array([105.0] * 3 + [125.0] * 4 + [145.0] * 2 + [np.nan, 150.0])
    times = np.array([100.0, 110, 120, 130, 130, 150, 150, 160, 170, 90, np.nan])
    table = xr.DataArray(
        times,
        dims="stimulus",
        coords={"brain": ("stimulus", brain), "threshold": ("stimulus", np.ones(len(brain)))},
    )
    return stored.make(model, "Simulated.IT-ost", value, per_unit=table, **more)


def behavior(model="tiny@imagenet", *, of_two=True, **more):
    """Return a score of behavior on four images of two objects, of two choices or of all."""
    predicted = np.array([[np.nan, 0.9], [np.nan, 0.7], [0.6, np.nan], [1.0, np.nan]])
    target = np.array([[np.nan, 0.8], [np.nan, 0.8], [0.5, np.nan], [0.9, np.nan]])
    if not of_two:
        predicted = np.array([[0.9, 0.1], [0.7, 0.3], [0.4, 0.6], [0.0, 1.0]])
        target = np.array([[0.8, 0.2], [0.8, 0.2], [0.5, 0.5], [0.1, 0.9]])
    predictions = xr.Dataset(
        {"predicted": (("sample", "choice"), predicted), "target": (("sample", "choice"), target)},
        coords={
            "fold": ("sample", [0, 1, 0, 1]),
            "stimulus_id": ("sample", list("abcd")),
            "truth": ("sample", ["cat", "cat", "dog", "dog"]),
            "choice": ("choice", ["cat", "dog"]),
        },
    )
    table = xr.DataArray(
        [0.1, 0.2, 0.3, 0.4],
        dims="stimulus",
        coords={"observed": ("stimulus", [0.4, 0.3, 0.2, 0.1])},
        attrs={"units": "mean normalized d' over distractors"},
    )
    figures = {"n_cells": 4} if of_two else {"n_answers": 40}
    given = {"figures": figures, "predictions": predictions, "per_unit": table}
    return stored.make(model, "Simulated.behavior-i2n", 0.3, **{**given, **more})


def shape_bias(model="tiny@imagenet", **more):
    """Return a score of shape bias; no answer to a dog names shape or texture."""
    of_category = {
        "cat": {"model": 0.25, "subjects": 0.9},
        "dog": {"model": None, "subjects": 1.0},
    }
    figures = {"by_shape": of_category, "shape_bias_of_subjects": 0.95}
    given = {"figures": figures, **more}
    return stored.make(model, "Geirhos2019.cueconflict-shapebias", 0.25, **given)


def responses(model="tiny@imagenet", **more):
    """Return a score of six sites on five images, one of which was held out twice; ids are out of order."""
    rng = np.random.default_rng(0)
    values = rng.standard_normal((6, 6))
    values[5] = values[4]
    predictions = xr.Dataset(
        {
            "predicted": (("sample", "neuroid"), values[:, ::-1]),
            "target": (("sample", "neuroid"), values),
        },
        coords={
            "fold": ("sample", np.arange(6)),
            "stimulus_id": ("sample", ["e", "d", "c", "b", "a", "a"]),
            "neuroid_id": ("neuroid", np.arange(6)),
        },
    )
    per_unit = xr.DataArray(np.full(6, 0.4), dims="neuroid", attrs={"units": "Pearson r"})
    given = {"predictions": predictions, "per_unit": per_unit}
    return stored.make(model, "Simulated.IT-pls", 0.4, **{**given, **more})


def similarity(model="tiny@imagenet", value=0.4, **more):
    """Return a score of RSA on three images."""
    squares = {"predicted": 0.2, "target": 0.7}
    predictions = xr.Dataset(
        {name: (("sample", "other"), d * (1 - np.eye(3))) for name, d in squares.items()},
        coords={"stimulus_id": ("sample", list("abc")), "fold": ("sample", [0, 0, 0])},
    )
    score = stored.make(model, "Simulated.IT-rsa", value, predictions=predictions, **more)
    return score.recording(choices={"similarity": "rsa"})


def words(axes):
    """Return every text in axes: title, labels, ticks, legend and others."""
    legend = axes.get_legend()
    texts = [axes.get_title(), axes.title.get_text(), axes.get_xlabel(), axes.get_ylabel()]
    texts += [axes.get_title(loc="left")]
    texts += [text.get_text() for text in axes.texts]
    texts += [tick.get_text() for tick in (*axes.get_xticklabels(), *axes.get_yticklabels())]
    texts += [text.get_text() for text in legend.get_texts()] if legend else []
    return texts


def lines(axes):
    """Return x and y of each line that has a label, by label."""
    return {line.get_label(): line.get_xydata().T for line in axes.lines if line.get_xydata().size}
