"""Span-time regressions against Brain-Score 2.4.2 (scikit-learn 1.5.2), inputs and outputs stored."""

from pathlib import Path

import numpy as np
import pytest
from sklearn.cross_decomposition import PLSRegression

from brainbench.metrics.correlation import pearson
from brainbench.metrics.temporal.components import products
from brainbench.metrics.temporal.shared_map import pls, ridge

DATA = Path(__file__).parent / "data"


def load(name):
    with np.load(DATA / f"{name}.npz") as file:
        return dict(file)


def score(o, fit):
    """R, split x time bin x neuroid, of maps that `fit` makes from training rows."""
    raw = []
    for train, test in zip(o["train_idx"], o["test_idx"], strict=True):
        predicted = fit(train).predict(o["X"][test])
        raw.append(pearson(predicted, o["Y"][test]).T)
    return np.stack(raw)


def check(raw, o, atol):
    np.testing.assert_allclose(raw, o["raw"], rtol=0, atol=atol)
    per_bin = np.median(raw, axis=2)
    np.testing.assert_allclose(per_bin.mean(axis=0), o["score"], rtol=0, atol=atol)
    error = per_bin.std(axis=0) / np.sqrt(len(raw))
    np.testing.assert_allclose(error, o["error"], rtol=0, atol=atol)


def test_spantime_ridge():
    o = load("spantime_ridge")
    # Brain-Score's Ridge has scikit-learn's own alpha.
    check(score(o, lambda train: ridge(o["X"], o["Y"], train, penalty=1.0)), o, 1e-8)


def test_spantime_ridge_from_components():
    o = load("spantime_ridge")
    inner = products([o["X"][:, :15], o["X"][:, 15:]])
    raw = []
    for train, test in zip(o["train_idx"], o["test_idx"], strict=True):
        reduced = inner.components(train).scores
        fitted = ridge(reduced, o["Y"], train, penalty=1.0)
        raw.append(pearson(fitted.predict(reduced[test]), o["Y"][test]).T)
    check(np.stack(raw), o, 1e-8)


def test_spantime_pls_by_scikit_learns_iteration():
    o = load("spantime_pls")
    fit = lambda train: pls(o["X"], o["Y"], train, n_components=25, solver="nipals")  # noqa: E731
    check(score(o, fit), o, 1e-8)


def test_spantime_pls_exact():
    """Exact singular vectors are where scikit-learn's iteration ends if it is not stopped.

    Brain-Score's stops at a tolerance of 1e-6 or after 500 rounds: .004 off in a bin's score, and .1 in
    the r of a single neuroid.
    """
    o = load("spantime_pls")
    train, test = o["train_idx"][0], o["test_idx"][0]
    ours = pls(o["X"], o["Y"], train, n_components=25).predict(o["X"][test])
    rows = [A.transpose(0, 2, 1).reshape(-1, A.shape[1]) for A in (o["X"][train], o["Y"][train])]
    converged = PLSRegression(25, scale=False, tol=1e-20, max_iter=200_000).fit(*rows)
    for k in range(5):
        np.testing.assert_allclose(ours[:, :, k], converged.predict(o["X"][test, :, k]), atol=1e-8)
    raw = score(o, lambda train: pls(o["X"], o["Y"], train, n_components=25))
    assert np.median(raw, axis=2).mean(axis=0) == pytest.approx(o["score"], abs=5e-3)
