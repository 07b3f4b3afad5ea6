"""Differences between models: variance, one error rate for all, ranks, letters."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from brainbench.core.errors import InputError
from brainbench.stats.bootstrap import crossed
from brainbench.stats.comparison import (
    Differences,
    complete,
    decide,
    holm,
    letters,
    rank_intervals,
)


def crossed_draws(values, *, own=0.01, common=0.03, noise=0.0, n=1000, seed=0):
    """Joint draws of models that share most of what images and units do to them."""
    rng = np.random.default_rng(seed)
    size = (len(values), n)
    kinds = [common * rng.standard_normal(n) + own * rng.standard_normal(size) for _ in range(2)]
    pairs = [noise * rng.standard_normal(size) for _ in range(3)]
    images, units = kinds[0] + pairs[0], kinds[1] + pairs[1]
    both = kinds[0] + kinds[1] + 3**0.5 * pairs[2]
    return np.asarray(values)[:, None] + np.stack([images, units, both])


def differences(values, **options):
    return Differences(values=np.asarray(values, float), draws=crossed_draws(values, **options))


def test_the_variance_is_that_of_the_difference_and_noise_counts_once():
    made = differences([0.5, 0.4], noise=0.02, n=40_000)
    # Own parts of images and units of two models, and their noise once.
    expected = np.sqrt(2 * (0.01**2 + 0.01**2 + 0.02**2))
    assert made.standard_error[0, 1] == pytest.approx(expected, rel=0.02)


def test_a_difference_of_draws_that_were_scaled_to_each_score_is_too_wide():
    """`Score.draws` of one less those of the other: images and units cancel, noise counts three times."""
    draws = crossed_draws([0.5, 0.4], own=0.0, common=0.05, noise=0.005, n=40_000)
    made = Differences(values=np.array([0.5, 0.4]), draws=draws)
    one, other = (crossed(both, images=i, units=u) for i, u, both in draws.swapaxes(0, 1))
    assert made.standard_error[0, 1] == pytest.approx(2**0.5 * 0.005, rel=0.02)
    assert np.std(one - other) / made.standard_error[0, 1] > 1.6


def test_never_below_the_variance_over_images_or_units_alone():
    rng = np.random.default_rng(0)
    one, other = 0.02 * rng.standard_normal((2, 1000))
    draws = np.zeros((3, 2, 1000))
    draws[0, 0], draws[2, 0] = one, 3 * other
    made = Differences(values=np.array([0.5, 0.4]), draws=draws)
    assert made.standard_error[0, 1] == pytest.approx(one.std(ddof=1))


def test_antisymmetric_and_blind_to_order_and_to_a_constant():
    values = [0.5, 0.42, 0.47, 0.3]
    draws = crossed_draws(values, noise=0.01)
    made = Differences(values=np.array(values), draws=draws)
    np.testing.assert_array_equal(made.of_pairs, -made.of_pairs.T)
    np.testing.assert_array_equal(made.z, -made.z.T)
    np.testing.assert_array_equal(made.alone(), made.alone().T)
    order = np.array([2, 0, 3, 1])
    again = Differences(values=np.array(values)[order], draws=draws[:, order] + 0.3)
    np.testing.assert_allclose(again.standard_error, made.standard_error[np.ix_(order, order)])
    [one], [other] = decide([made]).significant, decide([again]).significant
    np.testing.assert_array_equal(other, one[np.ix_(order, order)])
    assert decide([again]).critical == pytest.approx(decide([made]).critical)


def test_a_model_and_its_copy_do_not_differ():
    draws = crossed_draws([0.5, 0.5, 0.3])
    draws[:, 1] = draws[:, 0]
    made = Differences(values=np.array([0.5, 0.5, 0.3]), draws=draws)
    assert made.standard_error[0, 1] == made.z[0, 1] == 0
    [significant] = decide([made]).significant
    assert significant.tolist() == [[0, 0, 1], [0, 0, 1], [1, 1, 0]]
    copies = Differences(values=np.array([0.5, 0.5]), draws=draws[:, :2])
    assert not decide([copies]).significant[0].any()


def test_draws_without_a_value_or_far_out_change_little():
    values = [0.5, 0.45]
    draws = crossed_draws(values)
    usual = Differences(values=np.array(values), draws=draws)
    odd = draws.copy()
    odd[:, 0, :20] = np.nan
    odd[:, 1, 30:34] = 1e6
    made = Differences(values=np.array(values), draws=odd)
    assert made.standard_error[0, 1] == pytest.approx(usual.standard_error[0, 1], rel=0.2)
    assert made.alone()[0, 1] == pytest.approx(usual.alone()[0, 1], rel=0.1)
    assert np.isfinite(decide([made]).critical)


def test_a_family_of_one_has_the_usual_figures():
    made = differences([0.5, 0.45], n=20_000)
    family = decide([made])
    se = made.standard_error[0, 1]
    assert family.n == 1
    assert family.critical == pytest.approx(1.96, abs=0.03)
    assert made.smallest_seen(family.critical)[0, 1] == pytest.approx(2.80 * se, rel=0.02)
    assert made.alone()[0, 1] == pytest.approx(family.critical * se)


def slow_decisions(values, images, units, both):
    """The step-down test of all pairs as Mogstad et al. write it, pair by pair; no matrix, no shortcut."""
    pairs = list(itertools.combinations(range(len(values)), 2))
    se, t, star = {}, {}, {}
    for j, k in pairs:
        v_images, v_units, v_both = (np.var(x[j] - x[k], ddof=1) for x in (images, units, both))
        se[j, k] = np.sqrt(max(2 * v_images + 2 * v_units - v_both, v_images, v_units))
        t[j, k] = (values[j] - values[k]) / se[j, k]
        scaled = (both[j] - both[k]) * se[j, k] / np.sqrt(v_both)
        star[j, k] = (scaled - scaled.mean()) / se[j, k]
    left, rejected = set(pairs), set()
    while left:
        largest = [max(abs(star[pair][b]) for pair in left) for b in range(both.shape[1])]
        critical = sorted(largest)[int(np.ceil(0.95 * (len(largest) - 1)))]
        more = {pair for pair in left if abs(t[pair]) > critical}
        if not more:
            break
        left, rejected = left - more, rejected | more
    return rejected


@pytest.mark.parametrize("seed", range(4))
def test_decisions_and_ranks_are_those_of_the_definition(seed):
    values = np.random.default_rng(seed).uniform(0.3, 0.5, 6)
    draws = crossed_draws(values, own=0.012, noise=0.01, n=200, seed=seed)
    rejected = slow_decisions(values, *draws)
    [significant] = decide([Differences(values=values, draws=draws)]).significant
    upper = zip(*np.nonzero(np.triu(significant)), strict=True)
    assert {(int(j), int(k)) for j, k in upper} == rejected
    assert 0 < len(rejected) < 15
    low, high = rank_intervals(values, significant)
    for j in range(6):
        better = sum(values[k] > values[j] for k in range(6) if significant[j, k])
        worse = sum(values[k] < values[j] for k in range(6) if significant[j, k])
        assert (low[j], high[j]) == (1 + better, 6 - worse)


def test_steps_find_more_than_the_first_critical_value():
    values = np.array([0.9, 0.5, 0.46])
    found = []
    for seed in range(40):
        draws = crossed_draws(values, own=0.0105, n=400, seed=seed)
        made = Differences(values=values, draws=draws)
        family = decide([made])
        found.append(family.significant[0][1, 2] and abs(made.z[1, 2]) <= family.critical)
    assert any(found)


def test_one_error_rate_for_models_that_are_alike():
    """Five equal models, whose scores vary as their draws do: how often is any difference called one?"""
    rng, wrong = np.random.default_rng(0), 0
    for replicate in range(200):
        own = 0.02 * rng.standard_normal((2, 5))
        draws = crossed_draws(own.sum(axis=0), own=0.02, n=300, seed=1000 + replicate)
        made = Differences(values=own.sum(axis=0), draws=draws)
        wrong += decide([made]).significant[0].any()
    assert wrong / 200 < 0.05 + 3 * np.sqrt(0.05 * 0.95 / 200)


def test_a_family_over_benchmarks_is_stricter_than_each_by_itself():
    parts = [differences([0.5, 0.4, 0.45], seed=seed) for seed in range(4)]
    together = decide(parts)
    assert together.n == 12
    assert together.critical > max(decide([one]).critical for one in parts)
    assert [one.shape for one in together.significant] == [(3, 3)] * 4


def test_seeds_are_random_with_few_degrees_of_freedom():
    """Of equal networks the mean over three seeds differs from a fixed score in 5 % of all cases."""
    rng = np.random.default_rng(0)
    quiet = np.zeros((3, 2, 50))
    quiet[:, 0] = 1e-4 * rng.standard_normal((3, 50))
    wrong = 0
    for _ in range(1000):
        seeds = 0.05 * rng.standard_normal(3)
        made = Differences(
            values=np.array([seeds.mean(), 0.0]),
            draws=quiet,
            seed_variance=np.array([seeds.var(ddof=1) / 3, 0.0]),
            n_seeds=np.array([3, 1]),
        )
        wrong += abs(made.z[0, 1]) > 1.96
    assert wrong / 1000 == pytest.approx(0.05, abs=0.02)
    assert made.degrees[0, 1] == 2
    assert made.half_width(1.959964)[0, 1] == pytest.approx(
        4.303 * made.standard_error[0, 1], rel=1e-3
    )


def test_what_was_not_drawn_is_constant():
    draws = np.array([0.1, 0.3])
    assert complete({"units": draws}, 0.2).tolist() == [[0.2, 0.2], [0.1, 0.3], [0.1, 0.3]]
    assert complete({"both": draws}, 0.2).tolist() == [[0.1, 0.3], [0.2, 0.2], [0.1, 0.3]]


@pytest.mark.parametrize("kinds", [{}, {"sites": np.zeros(3)}, dict.fromkeys(["images", "both"])])
def test_joint_draws_that_are_none(kinds):
    with pytest.raises(InputError):
        complete(kinds, 0.2)


@pytest.mark.parametrize(
    ("values", "shape"), [([0.5], (3, 1, 9)), ([0.5, 0.4], (2, 2, 9)), ([0.5, np.nan], (3, 2, 9))]
)
def test_values_and_draws_that_do_not_belong_together(values, shape):
    with pytest.raises(InputError):
        Differences(values=np.array(values), draws=np.zeros(shape))


def test_no_benchmark():
    with pytest.raises(InputError):
        decide([])


@given(st.integers(2, 9), st.randoms(use_true_random=False))
def test_models_share_a_letter_exactly_where_they_do_not_differ(n, random):
    significant = np.zeros((n, n), dtype=bool)
    for j, k in itertools.combinations(range(n), 2):
        significant[j, k] = significant[k, j] = random.random() < 0.5
    values = np.array([random.random() for _ in range(n)])
    made = letters(values, significant)
    for j, k in itertools.combinations(range(n), 2):
        assert (not set(made[j]) & set(made[k])) == significant[j, k]
    assert "a" in made[int(values.argmax())]


def test_more_groups_than_letters():
    n = 30
    made = letters(-np.arange(n, dtype=float), ~np.eye(n, dtype=bool))
    assert (made[0], made[25], made[26], made[29]) == ("a", "z", "aa", "ad")


@given(st.lists(st.floats(0.0001, 1.0), min_size=1, max_size=8))
def test_holm_is_its_definition(p):
    order = sorted(range(len(p)), key=lambda k: p[k])
    expected, largest = {}, 0.0
    for place, k in enumerate(order):
        largest = max(largest, (len(p) - place) * p[k])
        expected[k] = min(1.0, largest)
    np.testing.assert_allclose(holm(np.array(p)), [expected[k] for k in range(len(p))])
