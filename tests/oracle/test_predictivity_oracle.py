"""Neural predictivity against Brain-Score 2.4.2 (scikit-learn 1.5.2), inputs and outputs stored."""

import hashlib
import runpy
from pathlib import Path

import numpy as np
import pytest

from brainbench.metrics.correlation import pearson
from brainbench.metrics.gram import gram
from brainbench.metrics.linear.pls import cross_predict
from brainbench.stats import splits
from brainbench.stats.aggregate import error_over_splits, median_then_mean
from brainbench.stats.ceiling import ceiled, half_means, split_half

DATA = Path(__file__).parent / "data"
INPUTS = Path(__file__).parents[2] / "perf" / "synthetic_inputs.py"
CROSS_VALIDATED = ["pls_cv_small", "pls_cv_wide", "pls_cv_nostrat", "pls_cv_constant_neuroid"]
CEILINGS = ["ceiling_r10", "ceiling_r7_odd", "ceiling_r50"]


def load(name):
    with np.load(DATA / f"{name}.npz") as file:
        return dict(file)


def score(X, Y, folds, **options):
    held_out = cross_predict(X, Y, folds, kind="pls2", **options)
    return np.stack([pearson(p, Y[test]) for p, (_, test) in zip(held_out, folds, strict=True)])


@pytest.mark.parametrize("name", CROSS_VALIDATED)
def test_brainscore_splits_from_the_ids(name):
    o = load(name)
    objects = None if name == "pls_cv_nostrat" else o["object_name"]
    ours = splits.brainscore(o["stimulus_id"], objects)
    np.testing.assert_array_equal([s.train for s in ours], o["train_idx"])
    np.testing.assert_array_equal([s.test for s in ours], o["test_idx"])


@pytest.mark.parametrize("name", CROSS_VALIDATED)
def test_nipals_predictions(name):
    o = load(name)
    folds = list(zip(o["train_idx"], o["test_idx"], strict=True))
    held_out = cross_predict(o["X"], o["Y"], folds, kind="pls2", solver="nipals")
    for i, (_, test) in enumerate(folds):
        row = {stimulus: k for k, stimulus in enumerate(o["stimulus_id"][test])}
        theirs = [row[stimulus] for stimulus in o[f"pred{i}_stim"]]
        np.testing.assert_allclose(held_out[i][theirs], o[f"pred{i}"], rtol=0, atol=1e-10)


@pytest.mark.parametrize("name", CROSS_VALIDATED)
def test_nipals_scores(name):
    o = load(name)
    folds = list(zip(o["train_idx"], o["test_idx"], strict=True))
    r = score(o["X"], o["Y"], folds, solver="nipals")
    np.testing.assert_allclose(r, o["raw"], rtol=0, atol=1e-10)  # NaN where theirs is NaN
    assert median_then_mean(r) == pytest.approx(float(o["score"]), abs=1e-10)
    assert error_over_splits(r) == pytest.approx(float(o["error"]), abs=1e-10)
    assert np.isnan(r).all(axis=0).sum() == (name == "pls_cv_constant_neuroid")


@pytest.mark.parametrize("form", [np.asarray, gram], ids=["primal", "dual"])
@pytest.mark.parametrize("name", CROSS_VALIDATED)
def test_exact_pls2_scores(name, form):
    o = load(name)
    folds = list(zip(o["train_idx"], o["test_idx"], strict=True))
    r = score(form(o["X"]), o["Y"], folds)
    assert median_then_mean(r) == pytest.approx(float(o["score"]), abs=5e-4)


@pytest.mark.parametrize("name", ["pls_split_small", "pls_split_wide"])
def test_one_split(name):
    o = load(name)
    fold = [(o["train"], o["test"])]
    r = score(o["X"], o["Y"], fold, solver="nipals")
    np.testing.assert_allclose(r[0], o["raw"], rtol=0, atol=1e-10)
    assert np.median(r) == pytest.approx(float(o["score"]), abs=1e-10)
    assert np.median(score(o["X"], o["Y"], fold)) == pytest.approx(float(o["score"]), abs=5e-4)


@pytest.mark.parametrize("name", CEILINGS)
def test_ceiling(name):
    o = load(name)
    ours = split_half(o["D"])
    np.testing.assert_allclose(ours, o["raw"], rtol=0, atol=1e-12)
    assert median_then_mean(ours) == pytest.approx(float(o["ceiling"]), abs=1e-12)
    assert error_over_splits(ours) == pytest.approx(float(o["error"]), abs=1e-12)


@pytest.mark.parametrize("name", CEILINGS)
def test_halves(name):
    o = load(name)
    # Each repetition answers to a stimulus of its own: a half mean says which ones it holds.
    one, other = half_means(np.eye(len(o["D"])))
    for split in range(10):
        assert set(np.flatnonzero(one[split])) == set(o["half1_rep"][split])
        assert set(np.flatnonzero(other[split])) == set(o["half2_rep"][split])


def test_model_to_ceiled_score():
    o = load("benchmark_ceiled")
    ids = o["target_stim"]
    X = o["X"][[list(o["X_stim"]).index(stimulus) for stimulus in ids]]
    folds = splits.brainscore(ids, o["target_obj"])
    np.testing.assert_array_equal([s.test for s in folds], o["test_idx"])
    r = score(X, o["target"], folds, solver="nipals")
    np.testing.assert_allclose(r, o["raw"], rtol=0, atol=1e-12)
    raw = float(median_then_mean(r))
    assert raw == pytest.approx(float(o["raw_score"]), abs=1e-12)
    ceiling = float(median_then_mean(split_half(o["D"])))
    assert ceiling == pytest.approx(float(o["ceiling"]), abs=1e-12)
    value = float(ceiled(raw, ceiling, formula="r2/c"))
    assert value == pytest.approx(float(o["ceiled"]), abs=1e-12)
    exact = median_then_mean(score(X, o["target"], folds))
    assert exact == pytest.approx(float(o["raw_score"]), abs=5e-4)


@pytest.mark.parametrize(("k", "form"), [(88, "dual"), (168, "primal")])
def test_the_size_of_a_real_benchmark(k, form):
    o = load(f"seedscale_pls_{k}")
    neural = runpy.run_path(str(INPUTS))["neural"]
    X, Y, ids, objects = neural(7, 64, 40, 1000, k, n_latent=60, noise=2.0)
    X = X.astype(np.float32)
    digest = hashlib.sha1(np.ascontiguousarray(X).tobytes(), usedforsecurity=False).hexdigest()
    assert digest == o["X_sha1"]
    features = gram(np.array_split(X, 3, axis=1)) if form == "dual" else X
    r = score(features, Y, splits.brainscore(ids, objects))
    assert median_then_mean(r) == pytest.approx(float(o["score"]), abs=5e-4)
    assert error_over_splits(r) == pytest.approx(float(o["error"]), abs=5e-4)
    assert np.abs(r - o["raw"]).max() < 0.02  # a single neuroid, see `solver` of cross_predict
