import tracemalloc

import numpy as np
import pytest

from brainbench.errors import InputError
from brainbench.metrics.correlation import pearson
from brainbench.stats.aggregate import mean_then_median, median_then_mean
from brainbench.stats.bootstrap import _image_weights, _pearson, _sums, bootstrap


def held_out(n_folds=4, n=30, q=9, *, noise=1.0, seed=0):
    rng = np.random.default_rng(seed)
    y = [rng.standard_normal((n, q)) for _ in range(n_folds)]
    x = [target + noise * rng.standard_normal((n, q)) for target in y]
    return x, y, list(np.arange(n_folds * n).reshape(n_folds, n))


def test_weighted_correlation_is_that_of_repeated_images():
    (x, *_), (y, *_), _ = held_out()
    rng = np.random.default_rng(1)
    counts = rng.multinomial(30, np.full(30, 1 / 30), size=5)
    r = _pearson(counts.astype(float), _sums(x * 1e5 + 1e8, y - 7))
    for draw in range(5):
        repeated = np.repeat(np.arange(30), counts[draw])
        np.testing.assert_allclose(r[draw], pearson(x[repeated], y[repeated]), atol=1e-7)


def test_one_image_many_times_has_no_correlation():
    (x, *_), (y, *_), _ = held_out()
    weights = np.zeros((1, 30))
    weights[0, 4] = 30
    assert np.isnan(_pearson(weights, _sums(x, y))).all()


@pytest.mark.parametrize("resample", ["images", "units", "both"])
@pytest.mark.parametrize("aggregate", [mean_then_median, median_then_mean])
def test_interval_holds_the_score(resample, aggregate):
    x, y, rows = held_out()
    r = np.stack([pearson(a, b) for a, b in zip(x, y, strict=True)])
    result = bootstrap(x, y, rows, aggregate=aggregate, resample=resample)
    assert result.lo < float(aggregate(r)) < result.hi
    assert result.level == 0.95
    assert result.n_undefined == 0


def test_seeded():
    ends = [(b.lo, b.hi) for b in (bootstrap(*held_out(), seed=seed) for seed in (0, 0, 1))]
    assert ends[0] == ends[1] != ends[2]


def test_more_images_make_a_narrower_interval():
    few, many = (bootstrap(*held_out(n=n), resample="images") for n in (30, 480))
    assert many.hi - many.lo < 0.4 * (few.hi - few.lo)


def test_images_interval_covers_the_truth():
    # The correlation of one neuroid is sqrt(1/2); 95 % of the intervals should hold it.
    hits = 0
    for seed in range(100):
        x, y, rows = held_out(n_folds=1, n=150, q=1, seed=seed)
        interval = bootstrap(x, y, rows, resample="images", n_draws=200)
        hits += interval.lo < 0.5**0.5 < interval.hi
    assert 88 <= hits <= 99


def test_folds_keep_their_size():
    rows = [np.arange(5), np.arange(5, 20)]
    for weights, size in zip(
        _image_weights(rows, 40, np.random.default_rng(0)), (5, 15), strict=True
    ):
        assert weights.shape == (40, size)
        assert (weights.sum(axis=1) == size).all()


def test_an_image_has_one_weight_in_all_splits_that_overlap():
    rows = [np.array([3, 1, 7]), np.array([7, 9, 3])]
    first, second = _image_weights(rows, 40, np.random.default_rng(0))
    np.testing.assert_array_equal(first[:, [0, 2]], second[:, [2, 0]])
    assert (first[:, 1] + second[:, 1] + first[:, 0] + first[:, 2] == 4).all()


def test_the_method_is_named():
    x, y, rows = held_out()
    method = bootstrap(x, y, rows, n_draws=100, seed=3).method
    assert method == (
        "percentile bootstrap of images within folds and units, 100 draws, seed 3, "
        "maps not refitted"
    )
    assert "of units," in bootstrap(x, y, rows, resample="units", n_draws=9).method
    assert "of images," in bootstrap(x, y, [rows[0]] * 4, resample="images", n_draws=9).method


def test_a_constant_neuroid_is_skipped():
    x, y, rows = held_out()
    without = bootstrap([a[:, 1:] for a in x], [b[:, 1:] for b in y], rows, resample="images")
    for target in y:
        target[:, 0] = 0.1
    with_it = bootstrap(x, y, rows, resample="images")
    assert (with_it.lo, with_it.hi) == pytest.approx((without.lo, without.hi))


def test_draws_without_a_value_are_counted():
    x, y, rows = held_out(n_folds=1, n=2, q=3)
    result = bootstrap(x, y, rows, resample="images", n_draws=200)
    assert 60 < result.n_undefined < 140  # both draws of two images are the same half the time


def test_memory_is_bounded():
    x, y, rows = held_out(n_folds=10, n=256, q=168)
    tracemalloc.start()
    bootstrap(x, y, rows, n_draws=1000)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 200e6


@pytest.mark.parametrize(
    "change",
    [
        lambda x, y, rows: (x[1:], y, rows),
        lambda x, y, rows: (x, [b[:, 1:] for b in y], rows),
        lambda x, y, rows: (x, y, [r[1:] for r in rows]),
        lambda x, y, rows: ([a[:, 0] for a in x], [b[:, 0] for b in y], rows),
        lambda x, y, rows: ([], [], []),
    ],
)
def test_shapes(change):
    message = (
        r"predictions \[.*\], targets .*\n  allowed: for each split: two .*\n  next: give what"
    )
    with pytest.raises(InputError, match=message):
        bootstrap(*change(*held_out()))


@pytest.mark.parametrize("option", [{"resample": "trials"}, {"n_draws": 1}, {"level": 1.0}])
def test_options(option):
    with pytest.raises(InputError, match=r"resample=.*\n  allowed: resample 'images', .*\n  next"):
        bootstrap(*held_out(), **option)


def test_nothing_varies():
    x, y, rows = held_out()
    message = r"no correlation in any of 10 draws\n  allowed: .* that vary .*\n  next: look at"
    with pytest.raises(InputError, match=message):
        bootstrap([0 * a for a in x], y, rows, n_draws=10)
