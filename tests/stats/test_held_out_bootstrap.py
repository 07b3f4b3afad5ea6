import tracemalloc

import numpy as np
import pytest

from brainbench.core.errors import InputError
from brainbench.metrics.correlation import pearson, weighted_moments, weighted_pearson
from brainbench.stats.aggregate import mean_then_median, median_then_mean
from brainbench.stats.bootstrap import image_counts, unit_draws
from brainbench.stats.ceiling import ceiled, split_half
from brainbench.stats.held_out_bootstrap import HeldOut, bootstrap, bootstrap_sessions


def held_out(n_folds=4, n=30, q=9, *, noise=1.0, seed=0):
    rng = np.random.default_rng(seed)
    y = [rng.standard_normal((n, q)) for _ in range(n_folds)]
    x = [target + noise * rng.standard_normal((n, q)) for target in y]
    return x, y, list(np.arange(n_folds * n).reshape(n_folds, n))


def test_weighted_correlation_is_that_of_repeated_images():
    (x, *_), (y, *_), _ = held_out()
    rng = np.random.default_rng(1)
    counts = rng.multinomial(30, np.full(30, 1 / 30), size=5)
    r = weighted_pearson(counts.astype(float), weighted_moments(x * 1e5 + 1e8, y - 7))
    for draw in range(5):
        repeated = np.repeat(np.arange(30), counts[draw])
        np.testing.assert_allclose(r[draw], pearson(x[repeated], y[repeated]), atol=1e-7)


def test_one_image_many_times_has_no_correlation():
    (x, *_), (y, *_), _ = held_out()
    weights = np.zeros((1, 30))
    weights[0, 4] = 30
    assert np.isnan(weighted_pearson(weights, weighted_moments(x, y))).all()


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
    assert 88 <= sum(holds(seed, "images", q=1, spread=0) for seed in range(100)) <= 99


def test_an_interval_that_ignores_units_misses_when_units_are_random():
    # Sites differ in noise: the median of nine of them varies far more than images let it.
    both, images = (
        sum(holds(seed, what, q=9, spread=1.0) for seed in range(60)) for what in ("both", "images")
    )
    assert both > 0.8 * 60
    assert images < 0.6 * 60


def holds(seed, resample, *, q, spread):
    """Whether the interval of 150 images and q new sites holds the correlation of the median site."""
    rng = np.random.default_rng([4, seed])
    y = rng.standard_normal((150, q))
    x = y + np.exp(spread * rng.standard_normal(q)) * rng.standard_normal((150, q))
    interval = bootstrap([x], [y], [np.arange(150)], resample=resample, n_draws=200)
    return interval.lo < 0.5**0.5 < interval.hi


def slow(x, y, rows, ids, trials, formula, *, n_draws, repeats=None):
    """Draws of the score with images written out as often as they are drawn, units taken one by one."""
    counts = image_counts(ids, n_draws=n_draws)
    units = unit_draws(y[0].shape[1], n_draws=n_draws, name="units", ids=None)
    values = []
    for drawn, chosen in zip(counts.astype(int), units, strict=True):
        r = [
            pearson(np.repeat(a, drawn[fold], axis=0), np.repeat(b, drawn[fold], axis=0))
            for a, b, fold in zip(x, y, rows, strict=True)
        ]
        raw = mean_then_median(np.stack(r)[:, chosen])
        again = np.repeat(trials, drawn, axis=1)[:, :, chosen]
        c = split_half(again, correlate=pearson).value
        values.append(float(ceiled(raw, c, formula=formula)))
    return np.array(values)


@pytest.mark.parametrize("formula", ["raw", "r/c", "r2/c", "r/sqrt(c)"])
def test_draws_are_those_of_repeated_images_and_units_with_a_ceiling_of_their_own(formula):
    x, y, rows, ids, trials = with_trials()
    session = HeldOut(predictions=x, targets=y, rows=rows, ids=ids, trials=trials)
    made = bootstrap_sessions([session], formula=formula, n_draws=30)
    expected = slow(x, y, rows, ids, trials, formula, n_draws=30)
    # Moved to the value and scaled, but the same draws.
    ours, theirs = made.draws - made.draws.mean(), expected - expected.mean()
    np.testing.assert_allclose(ours / ours.std(), theirs / theirs.std(), atol=1e-6)
    r = np.stack([pearson(a, b) for a, b in zip(x, y, strict=True)])
    c = split_half(trials, correlate=pearson).value
    value = float(ceiled(mean_then_median(r), c, formula=formula))
    assert np.median(made.draws) == pytest.approx(value, abs=1e-12)


def with_trials(n_folds=3, n=40, q=5):
    rng = np.random.default_rng(7)
    signal = rng.standard_normal((n_folds * n, q))
    trials = signal + rng.standard_normal((6, *signal.shape))
    rows = list(np.arange(n_folds * n).reshape(n_folds, n))
    y = [trials.mean(axis=0)[fold] for fold in rows]
    x = [signal[fold] + rng.standard_normal((n, q)) for fold in rows]
    return x, y, rows, [f"image{k:03d}" for k in range(n_folds * n)], trials


def test_images_of_overlapping_splits_have_one_weight():
    x, y, _ = held_out(n_folds=1, n=60)
    alone = bootstrap(x, y, [np.arange(60)], resample="images")
    twice = bootstrap(x * 2, y * 2, [np.arange(60)] * 2, resample="images")
    np.testing.assert_allclose(twice.draws, alone.draws, atol=1e-12)


def test_units_alone_and_images_alone():
    x, y, rows = held_out()
    r = np.stack([pearson(a, b) for a, b in zip(x, y, strict=True)])
    taken = mean_then_median(r[:, unit_draws(9, n_draws=50)].swapaxes(0, 1))
    by_units = bootstrap(x, y, rows, resample="units", n_draws=50).draws
    np.testing.assert_allclose(by_units - by_units.mean(), taken - taken.mean(), atol=1e-12)
    one_unit = [a[:, :1] for a in x], [b[:, :1] for b in y]
    assert np.ptp(bootstrap(*one_unit, rows, resample="units", n_draws=50).draws) < 1e-12
    assert np.ptp(bootstrap(*one_unit, rows, resample="images", n_draws=50).draws) > 0.01


def test_measures_on_the_same_images_move_together():
    """V4 and IT saw the same images: where an image is hard for both, their draws say so."""
    rng = np.random.default_rng(0)
    hard = np.where(rng.random(200) < 0.3, 3.0, 0.3)[:, None]

    def measure(seed, ids, population):
        mine = np.random.default_rng(seed)
        y = mine.standard_normal((200, 12))
        x = y + hard * mine.standard_normal((200, 1)) + 0.1 * mine.standard_normal((200, 12))
        held = HeldOut(predictions=[x], targets=[y], rows=[np.arange(200)], ids=ids)
        return bootstrap_sessions([held], resample="images", population=population).draws

    ids = [f"image{k}" for k in range(200)]
    v4, it = measure(1, ids, "V4"), measure(2, ids, "IT")
    elsewhere = measure(2, [f"other{k}" for k in range(200)], "IT")
    assert np.corrcoef(v4, it)[0, 1] > 0.15
    assert abs(np.corrcoef(v4, elsewhere)[0, 1]) < 0.1


def test_order_of_images_changes_nothing():
    x, y, _ = held_out(n_folds=1, n=60)
    ids = [f"image{k:02d}" for k in range(60)]
    order = np.random.default_rng(0).permutation(60)

    def made(rows):
        held = HeldOut(
            predictions=[x[0][rows]],
            targets=[y[0][rows]],
            rows=[np.arange(60)],
            ids=[ids[k] for k in rows],
        )
        return bootstrap_sessions([held]).draws

    np.testing.assert_allclose(made(order), made(np.arange(60)), atol=1e-12)


def test_the_method_is_named():
    x, y, rows = held_out()
    method = bootstrap(x, y, rows, n_draws=100, seed=3).method
    assert method == (
        "percentile bootstrap of images and units, noise counted once, 100 draws, seed 3, "
        "centered on the value, maps not refitted"
    )
    assert "of units," in bootstrap(x, y, rows, resample="units", n_draws=9).method
    assert "of images," in bootstrap(x, y, rows, resample="images", n_draws=9).method


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
    assert f"{result.n_undefined} draws without a value" in result.method
    assert np.isnan(result.draws).sum() == result.n_undefined


def test_memory_is_bounded():
    x, y, rows = held_out(n_folds=10, n=256, q=168)
    tracemalloc.start()
    bootstrap(x, y, rows, n_draws=1000)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 200e6


def test_nothing_reliable_leaves_no_draw():
    x, y, rows, ids, trials = with_trials()
    opposed = np.stack([trials[0], -trials[0]])
    session = HeldOut(predictions=x, targets=y, rows=rows, ids=ids, trials=opposed)
    with pytest.raises(InputError, match="no value in any of 20 draws"):
        bootstrap_sessions([session], formula="r/c", n_draws=20)


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
    message = r"no value in any of 10 draws\n  allowed: .* that vary .*\n  next: look at"
    with pytest.raises(InputError, match=message):
        bootstrap([0 * a for a in x], y, rows, n_draws=10)


def test_a_formula_with_a_ceiling_needs_trials():
    x, y, rows = held_out()
    session = HeldOut(predictions=x, targets=y, rows=rows)
    message = (
        r"formula 'r/c' for sessions without trials\n  allowed: the single .*\n  next: leave out"
    )
    with pytest.raises(InputError, match=message):
        bootstrap_sessions([session], formula="r/c")


@pytest.mark.parametrize("change", [{"ids": ["a", "b"]}, {"trials": np.zeros((2, 120, 8))}])
def test_ids_and_trials_are_those_of_the_session(change):
    x, y, rows = held_out()
    message = r"\d+ stimuli and 9 neuroids, rows up to 119, .*\n  allowed: rows .*\n  next: give"
    with pytest.raises(InputError, match=message):
        bootstrap_sessions([HeldOut(predictions=x, targets=y, rows=rows, **change)])
