"""RDMs and CKA against Brain-Score 2.4.2, inputs and outputs stored."""

from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.distance import pdist, squareform
from scipy.stats import kendalltau, spearmanr

from brainbench.metrics.gram import gram
from brainbench.metrics.similarity.cka import cka
from brainbench.metrics.similarity.rdm import DISTANCES, rdm, subset
from brainbench.metrics.similarity.rsa import compare
from brainbench.scoring.layer_selection import Choice
from brainbench.scoring.similarity.evaluation import Compared, values_of
from brainbench.scoring.similarity.representations import Likeness
from brainbench.stats.splits import nine_tenths

DATA = Path(__file__).parent / "data"


@pytest.fixture(scope="module")
def o():
    with np.load(DATA / "rdm_cka.npz") as file:
        return dict(file)


def test_subsets_from_the_ids(o):
    """Brain-Score calls the nine tenths that it scores the test set, and trains nothing."""
    ours = nine_tenths(o["stimulus_id"], o["object_name"])
    np.testing.assert_array_equal(ours, o["test_idx"])


def test_rdm(o):
    value = compare(rdm(o["X"]), rdm(o["Y"]))
    assert value == pytest.approx(float(o["rdm"]), abs=1e-10)


def cross_validated(o, likeness):
    """Return the figure within each set, as `scoring.similarity` computes it."""
    parts = list(o["test_idx"])
    compared = Compared(models=[likeness.of(o["X"])], parts=parts, choice=Choice.of_one(len(parts)))
    return values_of(likeness, compared, [likeness.of(o["Y"])])


def test_rdm_cross_validated(o):
    values = cross_validated(o, Likeness(metric="rsa"))
    np.testing.assert_allclose(values, o["rdm_cv_raw"], rtol=0, atol=1e-10)
    assert values.mean() == pytest.approx(float(o["rdm_cv"]), abs=1e-10)
    assert values.std() / np.sqrt(10) == pytest.approx(float(o["rdm_cv_error"]), abs=1e-10)


@pytest.mark.parametrize("prepare", [np.asarray, gram])
def test_cka(o, prepare):
    X, Y = prepare(o["X"]), prepare(o["Y"])
    assert cka(X, Y) == pytest.approx(float(o["cka"]), abs=1e-10)
    assert cka(X, Y, unbiased=False) == pytest.approx(float(o["cka_biased"]), abs=1e-10)


def test_cka_cross_validated(o):
    values = cross_validated(o, Likeness(metric="cka"))
    np.testing.assert_allclose(values, o["cka_cv_raw"], rtol=0, atol=1e-10)
    assert values.mean() == pytest.approx(float(o["cka_cv"]), abs=1e-10)
    assert values.std() / np.sqrt(10) == pytest.approx(float(o["cka_cv_error"]), abs=1e-10)


# --- scipy, in this process ------------------------------------------------------------------------


@pytest.mark.parametrize("distance", DISTANCES)
def test_distances_are_those_of_scipy(o, distance):
    chunks = np.array_split(o["X"], 7, axis=1)
    np.testing.assert_allclose(rdm(chunks, distance=distance), pdist(o["X"], distance), atol=1e-10)


@pytest.mark.parametrize("offset", [0.0, 1e6])
def test_a_large_common_response_costs_no_digits(o, offset):
    expected = pdist(o["X"], "correlation")
    np.testing.assert_allclose(rdm(o["X"] + offset), expected, atol=1e-8)


def test_rank_correlations_are_those_of_scipy():
    rng = np.random.default_rng(0)
    a = rng.integers(0, 6, 45).astype(float)  # ties
    b = a + rng.integers(0, 6, 45)
    assert compare(a, b) == pytest.approx(spearmanr(a, b).statistic, abs=1e-12)
    agree = np.sign(a[:, None] - a) * np.sign(b[:, None] - b)
    assert compare(a, b, how="kendall") == pytest.approx(agree.sum() / (45 * 44), abs=1e-12)
    x, y = rng.standard_normal((2, 45))
    assert compare(x, y, how="kendall") == pytest.approx(kendalltau(x, y).statistic, abs=1e-12)
    assert compare(x, y, how="pearson") == pytest.approx(np.corrcoef(x, y)[0, 1], abs=1e-12)


def test_subset_of_an_rdm_is_the_rdm_of_the_subset(o):
    rows = np.array([5, 3, 17, 60])
    np.testing.assert_allclose(subset(rdm(o["X"]), rows), rdm(o["X"][rows]), atol=1e-12)
    square = squareform(rdm(o["X"]))
    assert subset(rdm(o["X"]), rows)[0] == square[5, 3]
