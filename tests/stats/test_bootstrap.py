import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from scipy.stats import ttest_1samp

from brainbench.core.errors import InputError
from brainbench.stats.bootstrap import crossed, image_counts, interval, jackknife, unit_counts

IDS = st.lists(st.text("abc0", min_size=1, max_size=4), min_size=1, max_size=30, unique=True)


@hypothesis_settings(deadline=None, max_examples=40)
@given(ids=IDS, seed=st.integers(0, 1000), data=st.data())
def test_the_order_of_images_does_not_matter(ids, seed, data):
    order = data.draw(st.permutations(range(len(ids))))
    counts = image_counts(ids, n_draws=20, seed=seed)
    again = image_counts([ids[k] for k in order], n_draws=20, seed=seed)
    np.testing.assert_array_equal(again, counts[:, order])


@hypothesis_settings(deadline=None, max_examples=40)
@given(ids=IDS, seed=st.integers(0, 1000))
def test_as_many_images_are_drawn_as_there_are(ids, seed):
    counts = image_counts(ids, n_draws=20, seed=seed)
    assert (counts.sum(axis=1) == len(ids)).all()
    assert (counts >= 0).all()
    assert (counts == counts.astype(int)).all()


def test_counts_are_multinomial():
    counts = image_counts([f"image{k}" for k in range(8)], n_draws=20_000)
    np.testing.assert_allclose(counts.mean(axis=0), 1, atol=0.03)
    covariance = np.cov(counts.T)
    np.testing.assert_allclose(covariance, np.eye(8) - 1 / 8, atol=0.05)
    # Of 8 draws none is a given image with probability (7/8)^8.
    assert (counts == 0).mean() == pytest.approx((7 / 8) ** 8, abs=0.005)


def test_images_that_two_sets_share_are_drawn_nearly_together():
    some = [f"image{k:03d}" for k in range(100)]
    more = some + [f"extra{k:03d}" for k in range(300)]
    few, many = image_counts(some), image_counts(more)
    together = [np.corrcoef(few[:, k], many[:, k])[0, 1] for k in range(100)]
    apart = [np.corrcoef(few[:, k], many[:, 100 + k])[0, 1] for k in range(100)]
    assert np.mean(together) > 0.9
    assert abs(np.mean(apart)) < 0.05


def test_seeds_differ():
    ids = ["a", "b", "c"]
    assert (image_counts(ids, seed=0) != image_counts(ids, seed=1)).any()
    assert (unit_counts(9, seed=0) != unit_counts(9, seed=1)).any()


def test_units_are_drawn_by_name():
    v4, it = (unit_counts(50, name=name) for name in ("V4", "IT"))
    np.testing.assert_array_equal(v4, unit_counts(50, name="V4"))
    assert (v4 != it).any()
    assert v4.shape == (1000, 50)
    assert (v4.sum(axis=1) == 50).all()


def test_units_with_ids_are_drawn_together_whatever_is_left_out():
    ids = [f"site{k:02d}" for k in range(40)]
    everyone, fewer = (unit_counts(n, ids=ids[:n]) for n in (40, 36))
    assert (everyone.sum(axis=1) == 40).all()
    shared = [np.corrcoef(everyone[:, k], fewer[:, k])[0, 1] for k in range(36)]
    assert np.mean(shared) > 0.85


def width(draws):
    return np.ptp(np.quantile(draws, [0.025, 0.975]))


def test_crossed_leaves_the_median_and_goes_no_further_in_than_either_alone():
    rng = np.random.default_rng(0)
    both, images, units = 5 + rng.standard_normal((3, 2000))
    made = crossed(both, images=images, units=units)
    assert np.median(made) == pytest.approx(np.median(both))
    narrow = crossed(both, images=0.1 * images, units=0.2 * units)
    assert width(narrow) == pytest.approx(0.2 * width(units))
    np.testing.assert_array_equal(crossed(0 * both, images=images, units=units), 0)


@hypothesis_settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 1000), far=st.floats(10, 1e9), n=st.integers(1, 20))
def test_a_few_draws_far_out_change_little(seed, far, n):
    """A ceiling near zero makes some draws as large as one likes."""
    both, images, units = np.random.default_rng(seed).standard_normal((3, 1000))
    plain = crossed(both, images=images, units=units)
    both[:n] = far
    images[-n:] = -far
    made = crossed(both, images=images, units=units)
    assert 0.5 < width(made) / width(plain) < 2
    assert width(made) >= max(width(images), width(units)) * (1 - 1e-9)
    found = interval(made, what="images", seed=0, value=0.5)
    assert found.lo < 0.5 < found.hi


def test_crossed_keeps_draws_without_a_value():
    rng = np.random.default_rng(0)
    both, images, units = rng.standard_normal((3, 100))
    both[:7] = images[:7] = np.nan
    made = crossed(both, images=images, units=units)
    np.testing.assert_array_equal(np.isnan(made), np.isnan(both))


def test_interval_centered_on_the_value():
    draws = np.random.default_rng(0).exponential(size=1000)
    draws[:10] = np.nan
    made = interval(draws, what="images", seed=3, value=2.5)
    assert np.nanmedian(made.draws) == pytest.approx(2.5)
    lo, hi = np.nanquantile(draws, [0.025, 0.975])
    assert made.hi - made.lo == pytest.approx(hi - lo)
    np.testing.assert_allclose(made.draws - made.lo, draws - lo)
    assert made.n_undefined == 10
    assert made.method == (
        "percentile bootstrap of images, 1000 draws, seed 3, centered on the value, "
        "10 draws without a value"
    )


# --- errors ---------------------------------------------------------------------------------------


def test_the_interval_of_a_square_is_centered_and_cut_at_0():
    draws = np.append(np.random.default_rng(0).standard_normal(4000) ** 2, np.nan)
    made = interval(draws, what="images", seed=0, value=0.1, bounds=(0.0, np.inf))
    plain = interval(draws, what="images", seed=0, value=0.1)
    assert (made.lo, plain.lo < 0, made.hi) == (0.0, True, plain.hi)
    assert np.nanmedian(made.draws) == pytest.approx(0.1)
    assert (np.nanmin(made.draws), made.n_undefined) == (0.0, 1)
    assert "cut at 0" in made.method
    far = interval(draws + 5.0, what="images", seed=0, value=6.0, bounds=(0.0, np.inf))
    assert far.lo > 0
    assert "cut at 0" not in far.method
    both = interval(draws, what="images", seed=0, value=0.1, bounds=(0.0, 1.0))
    assert (both.lo, both.hi) == (0.0, 1.0)
    assert "cut at 0 and 1" in both.method


@pytest.mark.parametrize(("ids", "told"), [([], r"\b0\b"), (["a", "b", "a"], r"\b3\b.*'a'")])
def test_ids_are_there_once(ids, told):
    with pytest.raises(InputError, match=told):
        image_counts(ids)


@pytest.mark.parametrize(("n", "ids"), [(0, None), (3, ["a"])])
def test_units_are_there(n, ids):
    with pytest.raises(InputError, match=rf"\b{n}\b"):
        unit_counts(n, ids=ids)


def test_no_draw_has_a_value():
    with pytest.raises(InputError, match=r"\b3\b"):
        interval(np.full(3, np.nan), what="images", seed=0, value=1.0)


def test_an_interval_of_few_images_is_approximate():
    made = interval(np.arange(101.0), what="images", seed=0, value=50.0)
    assert made.is_approximate(n_images=39)
    assert not made.is_approximate(n_images=40)


@pytest.mark.parametrize(("lost", "approximate"), [(5, False), (6, True)])
def test_an_interval_of_some_draws_only_is_approximate(lost, approximate):
    draws = np.append(np.arange(100.0 - lost), np.full(lost, np.nan))
    made = interval(draws, what="images", seed=0, value=50.0)
    assert made.is_approximate(n_images=100) == approximate


# --- few groups -----------------------------------------------------------------------------------


def without_each(values):
    return (values.sum(axis=-1, keepdims=True) - values) / (values.shape[-1] - 1)


@pytest.mark.parametrize("n", [3, 5, 19])
def test_the_jackknife_of_a_mean_is_the_interval_of_students_t(n):
    values = np.random.default_rng(n).standard_normal(n)
    expected = ttest_1samp(values, 0).confidence_interval(0.95)
    assert jackknife(without_each(values), values.mean()) == pytest.approx(tuple(expected))


def test_the_jackknife_covers_where_percentiles_of_few_groups_do_not():
    rng = np.random.default_rng(0)
    for n, percentiles in ((3, 0.75), (6, 0.84)):
        samples = rng.standard_normal((2000, n))
        ends = [jackknife(without_each(one), one.mean()) for one in samples]
        assert np.mean([low < 0 < high for low, high in ends]) == pytest.approx(0.95, abs=0.02)
        drawn = samples[:, rng.integers(n, size=(400, n))].mean(axis=2)
        low, high = np.quantile(drawn, [0.025, 0.975], axis=1)
        assert np.mean((low < 0) & (high > 0)) == pytest.approx(percentiles, abs=0.03)


def test_what_is_further_random_adds_to_the_square_of_the_half_width():
    values = np.array([0.1, 0.4, 0.3, 0.6])
    alone, both = (
        np.ptp(jackknife(without_each(values), 0.35, further=further)) / 2 for further in (0.0, 0.2)
    )
    assert both == pytest.approx(np.hypot(alone, 0.2))


def test_two_groups_or_a_missing_value_have_no_interval():
    assert jackknife(np.array([0.1, 0.2]), 0.15) is None
    assert jackknife(np.array([0.1, np.nan, 0.2, 0.3]), 0.2) is None
