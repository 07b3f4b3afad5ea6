"""RDMs, their comparison and the noise ceiling: degenerate data, draws, bad input."""

import re

import numpy as np
import pytest
from scipy.spatial.distance import squareform
from scipy.stats import spearmanr

from brainbench.core.errors import InputError, UnknownNameError
from brainbench.metrics.similarity import rsa
from brainbench.metrics.similarity.rdm import n_stimuli, pairs_of, rdm, subset
from brainbench.metrics.similarity.rsa import COMPARISONS, compare, compare_draws, noise_ceiling
from brainbench.stats.bootstrap import image_counts

N = 12


@pytest.fixture
def two():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((N, 30))
    return rdm(X), rdm(X + rng.standard_normal((N, 30)))


def repeated(a, b, times, comparison):
    """The slow way: rows of the square matrix repeated, pairs of a stimulus with itself dropped."""
    rows = np.repeat(np.arange(N), times)
    one, other = np.triu_indices(len(rows), k=1)
    distinct = rows[one] != rows[other]
    x, y = (squareform(v)[rows[one], rows[other]][distinct] for v in (a, b))
    if comparison == "spearman":
        return spearmanr(x, y).statistic
    if comparison == "pearson":
        return np.corrcoef(x, y)[0, 1]
    pair = np.array([rows[one] * N + rows[other]])[0][distinct]
    differ = pair[:, None] != pair
    agree = np.sign(x[:, None] - x) * np.sign(y[:, None] - y)
    return agree[differ].mean()


@pytest.mark.parametrize("comparison", COMPARISONS)
@pytest.mark.parametrize("ties", [False, True])
def test_draws_are_what_repeated_rows_give(two, comparison, ties):
    a, b = (np.round(v, 1) for v in two) if ties else two
    counts = image_counts([f"im{k}" for k in range(N)], n_draws=8)
    drawn = compare_draws(a, b, counts, comparison=comparison)
    slow = [repeated(a, b, row.astype(int), comparison) for row in counts]
    np.testing.assert_allclose(drawn, slow, atol=1e-12)


@pytest.mark.parametrize("comparison", COMPARISONS)
def test_every_image_once_is_the_figure_itself(two, comparison):
    (drawn,) = compare_draws(*two, np.ones((1, N)), comparison=comparison)
    assert drawn == pytest.approx(compare(*two, comparison=comparison), abs=1e-12)


def test_draws_in_batches_are_as_at_once(two, monkeypatch):
    counts = image_counts([f"im{k}" for k in range(N)], n_draws=30)
    whole = compare_draws(*two, counts)
    monkeypatch.setattr(rsa, "BATCH_NUMBERS", 200)
    monkeypatch.setattr(rsa, "LEAST_DRAWS", 4)
    np.testing.assert_array_equal(compare_draws(*two, counts), whole)


@pytest.mark.parametrize("comparison", COMPARISONS)
def test_draws_without_a_value_are_nan(two, comparison):
    counts = np.zeros((2, N))
    counts[0, :2] = N / 2  # one pair only
    counts[1, 3] = N  # none
    assert np.isnan(compare_draws(*two, counts, comparison=comparison)).all()
    with np.errstate(all="raise"):
        flat = compare_draws(
            np.full_like(two[0], 0.3), two[1], np.ones((1, N)), comparison=comparison
        )
    assert np.isnan(flat[0]) or (comparison == "kendall" and flat[0] == 0)


def test_equal_dissimilarities_have_no_likeness(two):
    flat = np.full_like(two[0], 0.3)
    assert np.isnan(compare(flat, two[1]))
    assert np.isnan(compare(flat, two[1], comparison="pearson"))
    assert compare(flat, two[1], comparison="kendall") == 0


def test_kendall_does_not_reward_ties():
    """Tau-b of a model that knows two classes only is higher than its tau-a (Nili 2014)."""
    rng = np.random.default_rng(0)
    truth = rng.standard_normal(66)
    classes = (truth > 0).astype(float)
    noisy = truth + 0.8 * rng.standard_normal(66)
    assert compare(noisy, truth, comparison="kendall") > compare(
        classes, truth, comparison="kendall"
    )
    assert compare(classes, truth, comparison="kendall") < 0.55


def test_noise_ceiling_of_one_pattern_and_of_noise():
    rng = np.random.default_rng(0)
    pattern = rng.standard_normal(190)
    alike = noise_ceiling(pattern + 1e-9 * rng.standard_normal((4, 190)))
    assert alike.lower == pytest.approx(1, abs=1e-6)
    assert alike.upper == pytest.approx(1, abs=1e-6)
    noise = noise_ceiling(rng.standard_normal((4, 190)))
    assert abs(noise.lower) < 0.1
    assert noise.upper == pytest.approx(0.5, abs=0.1)  # each is a quarter of the mean it is in


@pytest.mark.parametrize("comparison", COMPARISONS)
def test_noise_ceiling_as_a_slow_program(comparison):
    from scipy.stats import rankdata

    rng = np.random.default_rng(0)
    rdms = rng.standard_normal(190) + rng.standard_normal((5, 190))
    prepared = (
        (rdms - rdms.mean(1, keepdims=True)) / rdms.std(1, keepdims=True)
        if comparison == "pearson"
        else rankdata(rdms, axis=1)
    )
    lower = [
        compare(rdms[k], np.delete(prepared, k, axis=0).mean(0), comparison=comparison)
        for k in range(5)
    ]
    upper = [compare(rdms[k], prepared.mean(0), comparison=comparison) for k in range(5)]
    bounds = noise_ceiling(rdms, comparison=comparison)
    assert bounds.lower == pytest.approx(np.mean(lower), abs=1e-10)
    assert bounds.upper == pytest.approx(np.mean(upper), abs=1e-10)
    assert bounds.lower < bounds.upper


def test_sizes():
    assert [n_stimuli(k) for k in (1, 3, 6, 7, 4186)] == [2, 3, 4, 0, 92]
    one, other = pairs_of(92)
    assert len(one) == 4186
    assert (one < other).all()


# --- bad input ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("distance", "value"), [("correlation", 3.3), ("correlation", 0.0), ("cosine", 0.0)]
)
def test_a_stimulus_without_a_pattern(distance, value):
    X = np.random.default_rng(0).standard_normal((5, 8))
    X[3] = value
    with pytest.raises(InputError, match=r"row 3\b.*\b1 of 5\b"):
        rdm(X, distance=distance)
    assert np.isfinite(rdm(X, distance="euclidean")).all()


def test_one_feature_has_no_correlation_over_features():
    with pytest.raises(InputError, match="single unit"):
        rdm(np.arange(5.0)[:, None])


def test_wrong_features():
    X = np.random.default_rng(0).standard_normal((5, 8))
    with pytest.raises(InputError, match=r"\b4\b.*\b5\b"):
        rdm([X, X[1:]])
    with pytest.raises(InputError, match="no features"):
        rdm([])
    X[2, 3] = np.nan
    with pytest.raises(InputError, match=r"nan\b.*feature 3\b.*row 2\b"):
        rdm(X)
    with pytest.raises(InputError, match=r"inf\b.*feature 10\b.*row 0\b"):
        rdm([np.zeros((2, 8)), np.array([[0, 0, np.inf], [0, 0, 0]])])


def test_unknown_names(two):
    with pytest.raises(UnknownNameError, match="euclidean"):
        rdm(np.eye(4), distance="euclidian")
    with pytest.raises(UnknownNameError, match="spearman"):
        compare(*two, comparison="spearmen")


@pytest.mark.parametrize(
    ("a", "b"),
    [(np.ones(6), np.ones(3)), (np.ones(7), np.ones(7)), (np.eye(6), np.eye(6)), ([1.0], [1.0])],
)
def test_rdms_that_do_not_match(a, b):
    with pytest.raises(InputError, match=re.escape(str(np.shape(a)))):
        compare(a, b)


def test_rdms_with_holes(two):
    a, b = two
    a[4] = np.nan
    with pytest.raises(InputError, match=r"\b1 of 66\b.*first"):
        compare(a, b)
    with pytest.raises(InputError, match=r"\b1 of 66\b.*second"):
        compare(b, a)


def test_a_subset_of_two_stimuli(two):
    few = [subset(one, np.array([0, 1])) for one in two]
    assert [len(one) for one in few] == [1, 1]
    with pytest.raises(InputError, match=r"\(1,\)"):
        compare(*few)


def test_counts_of_other_stimuli(two):
    with pytest.raises(InputError, match=r"\(3, 11\).*\b12\b"):
        compare_draws(*two, np.ones((3, 11)))


def test_one_subject_or_a_flat_one_has_no_noise_ceiling(two):
    with pytest.raises(InputError, match=r"\(1, 66\)"):
        noise_ceiling(two[0][None])
    with pytest.raises(InputError, match="subject 1"):
        noise_ceiling(np.stack([two[0], np.ones_like(two[0])]))
