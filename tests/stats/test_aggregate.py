import numpy as np
import pytest

from brainbench.metrics.reductions import nan_mean, nan_median, weighted_mean
from brainbench.stats.aggregate import error_over_splits, mean_then_median, median_then_mean

R = np.array([[0.1, 0.9, 0.5, np.nan], [0.3, 0.2, np.nan, np.nan]])


def test_paper_takes_the_mean_over_folds_first():
    assert mean_then_median(R) == pytest.approx(0.5)


def test_brainscore_takes_the_median_over_neuroids_first():
    assert median_then_mean(R) == pytest.approx((0.5 + 0.25) / 2)
    assert error_over_splits(R) == pytest.approx(0.125 / np.sqrt(2))


@pytest.mark.parametrize("n", [1, 2, 5, 6])
def test_nan_median_and_mean_equal_numpys(n):
    x = np.random.default_rng(0).standard_normal((40, n))
    x[np.random.default_rng(1).random(x.shape) < 0.3] = np.nan
    x[:, 0] = 1.0  # numpy warns where nothing is left
    np.testing.assert_allclose(nan_median(x), np.nanmedian(x, axis=1), rtol=1e-15)
    np.testing.assert_allclose(nan_mean(x, axis=1), np.nanmean(x, axis=1), rtol=1e-14)


def test_nothing_left_is_nan():
    x = np.full((2, 3), np.nan)
    assert np.isnan(nan_median(x)).all()
    assert np.isnan(nan_mean(x, axis=0)).all()
    assert np.isnan([mean_then_median(x), median_then_mean(x)]).all()


@pytest.mark.parametrize("n_units", [1, 2, 5, 8])
def test_median_of_counted_units_is_that_of_repeated_ones(n_units):
    rng = np.random.default_rng(n_units)
    x = rng.standard_normal((7, 3, n_units)).round(1)
    x[rng.random(x.shape) < 0.2] = np.nan
    counts = rng.integers(0, 3, (7, n_units))
    drawn = nan_median(x, counts)
    for k in range(7):
        repeated = np.repeat(x[k], counts[k], axis=-1)
        for split in range(3):
            values = repeated[split][~np.isnan(repeated[split])]
            slow = np.median(values) if len(values) else np.nan
            np.testing.assert_array_equal(drawn[k, split], slow)


def test_one_draw_serves_all_draws_of_the_other_side():
    x = np.random.default_rng(0).standard_normal((1, 4))
    counts = np.array([[1, 1, 1, 1], [0, 2, 0, 1], [3, 0, 0, 0]])
    slow = [np.median(np.repeat(x[0], row)) for row in counts]
    np.testing.assert_array_equal(nan_median(x, counts), slow)
    many = np.random.default_rng(1).standard_normal((3, 4))
    np.testing.assert_array_equal(nan_median(many, counts[:1]), np.median(many, axis=1))


def test_weighted_mean_leaves_out_what_does_not_count():
    x = np.array([[1.0, np.nan, 4.0], [np.nan, 2.0, 2.0], [1.0, 2.0, 3.0]])
    weights = np.array([[1.0, 0.0, 2.0], [1.0, 1.0, 0.0], [0.0, 0.0, 0.0]])
    np.testing.assert_array_equal(weighted_mean(x, weights), [3.0, np.nan, np.nan])
    np.testing.assert_array_equal(weighted_mean(x), [np.nan, np.nan, 2.0])
    assert np.isnan(weighted_mean(np.empty((2, 0)))).all()
