import re

import numpy as np
import pytest
from scipy.stats import rankdata

from brainbench.core.errors import InputError
from brainbench.metrics.correlation import (
    pearson,
    tolerant_ranks,
    weighted_correlation_of_halves,
    weighted_moments,
    weighted_pearson,
)
from brainbench.stats.ceiling import half_means


def test_equals_corrcoef_for_each_neuroid():
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((2, 30, 5))
    expected = [np.corrcoef(x[:, i], y[:, i])[0, 1] for i in range(5)]
    np.testing.assert_allclose(pearson(x, y), expected, atol=1e-14)


def test_batches_over_another_axis():
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((2, 4, 30, 5))
    r = pearson(x, y, axis=1)
    assert r.shape == (4, 5)
    np.testing.assert_allclose(r[2], pearson(x[2], y[2]), atol=1e-15)


@pytest.mark.parametrize("value", [0.0, 0.1, 1e300, -7.3])
def test_constant_is_nan(value):
    x = np.random.default_rng(0).standard_normal((23, 2))
    x[:, 1] = value
    for r in (pearson(x, x[:, ::-1]), pearson(x[:, ::-1], x)):
        assert np.isnan(r).all()


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_one_bad_value_spoils_its_neuroid_only(bad):
    x = np.random.default_rng(0).standard_normal((23, 2))
    y = x.copy()
    y[3, 1] = bad
    np.testing.assert_allclose(pearson(x, y), [1.0, np.nan])


def test_tiny_responses_do_not_underflow():
    x = np.array([0.0, 1.0, 3.0])
    np.testing.assert_allclose(pearson(x * 1e-300, x), 1.0)


@pytest.mark.parametrize(
    ("x", "y"), [((3, 2), (3, 1)), ((1, 2), (1, 2)), ((), ())], ids=["shape", "one", "scalar"]
)
def test_shapes(x, y):
    with pytest.raises(InputError, match=re.escape(str(x)) + ".*" + re.escape(str(y))):
        pearson(np.ones(x), np.ones(y))


def test_ranks_tie_what_rounding_tells_apart():
    rng = np.random.default_rng(0)
    counts = rng.poisson(3.0, (50, 2, 4)) / 7.0
    plain = rankdata(counts, axis=0)
    moved = counts * (1 + 4e-16 * rng.standard_normal(counts.shape))
    assert (rankdata(moved, axis=0) != plain).any()
    np.testing.assert_array_equal(tolerant_ranks(moved), plain)
    np.testing.assert_array_equal(tolerant_ranks(1e-30 * moved), plain)
    smooth = rng.standard_normal((50, 3))
    np.testing.assert_array_equal(tolerant_ranks(smooth), rankdata(smooth, axis=0))
    smooth[4, 1] = np.nan
    assert np.isnan(tolerant_ranks(smooth)[:, 1]).all()
    assert np.isfinite(tolerant_ranks(smooth)[:, [0, 2]]).all()


@pytest.mark.parametrize("n_trials", [2, 3, 8])
@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_halves_from_one_half_and_all_trials_are_those_of_both_halves(n_trials, scale):
    rng = np.random.default_rng(0)
    trials = scale * rng.poisson(1.0, (n_trials, 30, 4)).astype(float)
    trials[:, :, 3] = 2.0 * scale
    first, second = half_means(trials)
    weights = np.concatenate([rng.integers(0, 4, (20, 30)), np.eye(30)[:1], np.zeros((1, 30))])
    share = n_trials // 2 / n_trials
    ours = weighted_correlation_of_halves(weights, first, trials.mean(axis=0), share=share)
    for k in range(len(first)):
        slow = weighted_pearson(weights, weighted_moments(first[k], second[k]))
        np.testing.assert_allclose(ours[:, k], slow, rtol=0, atol=1e-10)
    assert np.isfinite(ours[:20, :, :3]).any(axis=(1, 2)).all()
    assert np.isnan(ours[:, :, 3]).all()  # one value
    assert np.isnan(ours[20:]).all()  # one stimulus, or none
