import re

import numpy as np
import pytest

from brainbench.core.errors import InputError, UnknownNameError
from brainbench.metrics.correlation import pearson
from brainbench.stats.aggregate import median_then_mean
from brainbench.stats.ceiling import (
    FORMULAS,
    ceiled,
    half_means,
    spearman_brown,
    split_half,
)


def trials(n_rep=20, n=200, q=12, *, noise=2.0, seed=0):
    rng = np.random.default_rng(seed)
    signal = rng.standard_normal((n, q))
    return signal, signal + noise * rng.standard_normal((n_rep, n, q))


def test_split_half_finds_the_reliability_of_the_mean():
    signal, D = trials(n=2000)
    known = np.sqrt(signal.var(axis=0) / (signal.var(axis=0) + 2.0**2 / 20))
    reliability = split_half(D)
    assert reliability.shape == (10, 12)
    np.testing.assert_allclose(reliability.mean(axis=0), known**2, atol=0.02)
    assert median_then_mean(reliability) == pytest.approx(np.median(known**2), abs=0.01)
    # What a perfect model reaches is the known ceiling, hence r/sqrt(c) is 1.
    r = pearson(signal, D.mean(axis=0))
    np.testing.assert_allclose(r, known, atol=0.01)
    np.testing.assert_allclose(ceiled(r, reliability.mean(axis=0)), 1.0, atol=0.02)


@pytest.mark.parametrize("n_rep", [2, 7, 10])
def test_halves_are_disjoint_and_complete(n_rep):
    one, other = half_means(np.eye(n_rep), n_splits=4)
    assert one.shape == other.shape == (4, n_rep)
    assert ((one > 0) ^ (other > 0)).all()
    assert ((one > 0).sum(axis=1) == n_rep // 2).all()


def test_missing_trials_are_skipped():
    _, D = trials()
    D[np.random.default_rng(1).random(D.shape) < 0.2] = np.nan
    one, other = half_means(D, n_splits=3)
    picked, rest = half_means(np.eye(20), n_splits=3)
    for split in range(3):
        np.testing.assert_allclose(one[split], np.nanmean(D[picked[split] > 0], axis=0))
        np.testing.assert_allclose(other[split], np.nanmean(D[rest[split] > 0], axis=0))


def test_a_half_without_a_trial_has_no_reliability():
    _, D = trials(n_rep=4, noise=0.1)
    D[1:, 5, 3] = np.nan  # one trial for one image: one of the halves has none
    reliability = split_half(D)
    np.testing.assert_array_equal(np.isnan(reliability), [np.arange(12) == 3] * 10)
    assert median_then_mean(reliability) > 0.99


def test_images_that_were_shown_once_leave_no_halves_to_correlate():
    _, D = trials(n_rep=4)
    D[1:, ::2] = np.nan
    with pytest.raises(InputError, match="100 of 200"):
        split_half(D)
    with pytest.raises(InputError, match="vary"):
        split_half(np.ones((4, 5, 2)))


def test_halves_that_are_opposites_are_not_said_to_be_constant():
    signal, _ = trials()
    with pytest.raises(InputError, match="-1"):
        split_half(np.stack([signal, -signal]))


def test_time_bins_are_halved_alike():
    D = np.random.default_rng(0).standard_normal((6, 5, 4, 3))
    one, _ = half_means(D)
    np.testing.assert_allclose(one[..., 2], half_means(D[..., 2])[0])


def test_spearman_brown():
    np.testing.assert_allclose(spearman_brown([0.0, 0.5, 1.0, -0.5]), [0, 2 / 3, 1, -2])
    assert np.isnan(spearman_brown([-1.0, -1.0 + 1e-16, -1.0 - 1e-16, -1.0 + 5e-10])).all()
    assert spearman_brown(-1.0 + 1e-6) == pytest.approx(-2e6, rel=1e-5)


def test_spearman_brown_of_a_part_of_the_trials():
    """Signal of variance 1 and noise of variance 3 in single trials: known for any number of them."""
    few, all_trials = 4, 20
    r, c = 1 / (1 + 3 / few), 1 / (1 + 3 / all_trials)
    assert spearman_brown(r, times=all_trials / few) == pytest.approx(c)
    np.testing.assert_allclose(spearman_brown([r, r], times=[1.0, 5.0]), [r, c])
    assert np.isnan(spearman_brown([-0.25, -0.3], times=5)).all()  # from the pole down


@pytest.mark.parametrize(
    ("formula", "value"),
    [
        ("raw", 0.6),
        ("r/c", 0.75),
        ("(r/c)^2", 0.5625),
        ("r2/c", 0.45),
        ("r/sqrt(c)", 0.670820393),
        ("clip(r/c)", 0.75),
    ],
)
def test_formulas(formula, value):
    assert float(ceiled(0.6, 0.8, formula=formula)) == pytest.approx(value)
    assert FORMULAS[formula].name == formula
    assert FORMULAS[formula].version == 1


@pytest.mark.parametrize("c", [0.0, -0.2, np.nan])
def test_without_reliability_there_is_no_ceiled_value(c):
    for formula in FORMULAS:
        assert np.isnan(ceiled(0.6, c, formula=formula)) == (formula != "raw")


def test_only_the_formula_that_says_so_clips():
    for formula in ("r/c", "(r/c)^2", "r2/c", "r/sqrt(c)"):
        assert float(ceiled(0.9, 0.5, formula=formula)) > 1
    np.testing.assert_array_equal(ceiled([0.9, -0.1], 0.5, formula="clip(r/c)"), [1.0, 0.0])


def test_unknown_formula():
    with pytest.raises(UnknownNameError, match=r"'r/sqrt'\n.*r/sqrt\(c\)"):
        ceiled(0.6, 0.8, formula="r/sqrt")


@pytest.mark.parametrize("shape", [(1, 5, 3), (4, 5), (4,)])
def test_trials_that_cannot_be_halved(shape):
    with pytest.raises(InputError, match=re.escape(str(shape))):
        split_half(np.zeros(shape))


def test_each_figure_of_brainscore_is_named_with_its_years():
    """Its AlexNet, MajajHong2015.IT: raw .584, ceiling .821841."""
    r, c = 0.584, 0.821841
    by_year = {"2019": "r/c", "2020": "(r/c)^2", "since December 2025": "r2/c"}
    values = {year: float(ceiled(r, c, formula=name)) for year, name in by_year.items()}
    assert values == pytest.approx(
        {"2019": 0.7106, "2020": 0.5050, "since December 2025": 0.4150}, abs=1e-4
    )
    for year, name in by_year.items():
        assert year in FORMULAS[name].origin
