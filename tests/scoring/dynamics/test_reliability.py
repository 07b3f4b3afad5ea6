"""Reliability of sites in each time bin, and which bins and sites count."""

from dataclasses import replace

import numpy as np
import pytest
from known import brain
from over_time import BINS, SITES, TIME, N, benchmark, model_of, with_coordinates
from scipy.stats import pearsonr, spearmanr
from sklearn.model_selection import ShuffleSplit

from brainbench.core.errors import InputError
from brainbench.core.settings import Settings
from brainbench.metrics.correlation import pearson
from brainbench.scoring.dynamics.target import BinnedRecordings
from brainbench.scoring.pipeline import score
from brainbench.stats.ceiling import half_means, spearman_brown


def recordings_of(trials):
    """Return recordings of trials, repetition x stimulus x neuroid x bin."""
    data = brain(None, trials=np.nan_to_num(trials), time=TIME[: trials.shape[3]])
    return BinnedRecordings(
        stimuli=data.pictures,
        bins=tuple(TIME[: trials.shape[3]]),
        values=np.nanmean(trials, axis=0),
        trials=trials,
        strata=None,
        neuroids=data.regions["IT"].coords["neuroid_id"],
        partial=False,
        normalized_by="nothing",
    )


def reliability_of(trials):
    """Return the reliability of every site and bin, site x bin."""
    n_images, n_sites = trials.shape[1:3]
    once = np.ones((1, n_images))
    return recordings_of(trials).reliability(np.arange(n_sites), np.arange(n_images), once)[0]


def c_by_hand(trials, correlation, n_all):
    """Return the median c over sites in each bin, by loops over splits, sites and bins."""
    r = np.empty((10, SITES, BINS))
    splits = ShuffleSplit(10, train_size=0.5, random_state=1).split(trials)
    for split, (first, second) in enumerate(splits):
        halves = trials[first].mean(axis=0), trials[second].mean(axis=0)
        for k, t in np.ndindex(SITES, BINS):
            r[split, k, t] = correlation(halves[0][:, k, t], halves[1][:, k, t]).statistic
    mean, times = r.mean(axis=0), 2 * n_all / len(trials)
    return np.median(times * mean / (1 + (times - 1) * mean), axis=0)


def test_ceilings_by_hand(moving, data, model, four_quarters):
    """The c that divides a Pearson r is a Pearson one; Spearman's stands beside it."""
    trials, chosen = moving[2], four_quarters.figures
    every_third = np.arange(10) % 3 == 0
    by_hand = c_by_hand(trials[~every_third], pearsonr, 10)
    np.testing.assert_allclose(chosen["c"], by_hand, atol=1e-9)
    by_hand = c_by_hand(trials[every_third], pearsonr, 10)
    np.testing.assert_allclose(chosen["c_choosing"], by_hand, atol=1e-9)
    declared = score(benchmark(data, scored=(10, 50)), model).figures
    np.testing.assert_allclose(declared["c"], c_by_hand(trials, pearsonr, 10), atol=1e-9)
    assert declared["c_choosing"] is None
    for figures in (chosen, declared):
        assert figures["c_by_array"] == {"all": figures["c"]}
        by_hand = c_by_hand(trials, spearmanr, 10)
        np.testing.assert_allclose(figures["c_spearman"], by_hand, atol=1e-9)


@pytest.mark.parametrize("protocol", ["paper", "brainscore"])
def test_declared_bins_make_the_value(data, model, protocol):
    settings = Settings(protocol=protocol, formula="r/sqrt(c)")
    declared = score(benchmark(data, scored=(10, 50), n_components=3), model, settings)
    r, c = (np.array(declared.figures[key]) for key in ("r", "c"))
    used = np.arange(BINS) if protocol == "brainscore" else np.arange(1, 5)
    assert np.flatnonzero(declared.figures["bins_used"]).tolist() == used.tolist()
    assert declared.value == pytest.approx(np.mean(r[used] / np.sqrt(c[used])), abs=1e-12)


def test_a_declared_bin_without_ceiling_is_named(moving, model):
    opposite = moving[2].copy()
    signs = np.array([1, -1] * 5)[
        :, None, None
    ]  # halves of the trials are opposites, but for noise
    opposite[..., 2] = signs * moving[1][..., 2]
    opposite[..., 2] += 0.1 * np.random.default_rng(1).standard_normal(opposite[..., 2].shape)
    data = brain(None, trials=opposite, time=TIME)
    failed = score(benchmark(data, scored=(10, 50)), model)
    assert failed.value is None
    assert "20 ms" in failed.reason
    with pytest.raises(InputError, match=r"(?s)\(60, 70\).* 0 to 60 ms"):
        score(benchmark(data, scored=(60, 70)), model)


@pytest.mark.parametrize("n_trials", [2, 3])
def test_too_few_trials_choose_no_bins(moving, model, n_trials):
    data = brain(None, trials=moving[2][:n_trials], time=TIME)
    failed = score(benchmark(data), model)
    assert failed.value is None
    assert f"{n_trials} repetitions" in failed.reason
    assert failed.figures["c"] is not None
    raw = score(benchmark(data), model, Settings(formula="raw"))
    assert raw.value == pytest.approx(np.mean(raw.figures["r"]))
    assert score(benchmark(data, scored=(10, 50)), model).value > 0.8


def test_the_order_of_summation_moves_no_figure():
    """Means of tied counts differ in their last digits from one number of threads to another."""
    rng = np.random.default_rng(0)
    counts = rng.poisson(2.0 * rng.random((1, 60, 4, 3)), (7, 60, 4, 3)).astype(float)
    moved = counts * (1 + 1e-15 * rng.standard_normal(counts.shape))
    every = np.arange(60)
    as_it_is, other = (recordings_of(trials).rank_reliability(every) for trials in (counts, moved))
    np.testing.assert_allclose(other, as_it_is, atol=1e-13)
    np.testing.assert_allclose(reliability_of(moved), reliability_of(counts), atol=1e-12)
    constant = np.full((6, 20, 2, 2), 0.1) * (1 + 1e-16 * rng.standard_normal((6, 20, 2, 2)))
    assert np.isnan(
        reliability_of(constant * (1 + 2e-16 * (np.arange(20) % 3))[:, None, None])
    ).all()


def test_each_time_bin_has_the_reliability_of_its_own_trials():
    rng = np.random.default_rng(0)
    signal = rng.standard_normal((60, 7, 3)) * [0.0, 1.0, 3.0]
    trials = signal + rng.standard_normal((8, 60, 7, 3))
    c = reliability_of(trials)
    for k in range(3):
        alone = spearman_brown(pearson(*half_means(trials[..., k]), axis=1).mean(axis=0))
        np.testing.assert_allclose(c[:, k], alone, atol=1e-12)
    median = np.median(c, axis=0)
    assert abs(median[0]) < 0.3  # noise
    assert median[1] == pytest.approx(8 / 9, abs=0.05)
    assert median[2] > 0.97


def test_a_bin_without_reliability_is_nan_and_leaves_the_others():
    trials = np.random.default_rng(0).standard_normal((6, 20, 4, 3))
    trials[1:, 3, :, 1] = np.nan  # an image of which one half has nothing in this bin
    trials[..., 2] = 5.0
    np.testing.assert_array_equal(np.isnan(reliability_of(trials)), [[False, True, True]] * 4)


@pytest.mark.parametrize("second", [0.0, -1.5])
def test_halves_without_a_reliability_say_so(moving, second):
    """The halves are opposites, or one of them does not vary: reliability has no figure in any bin."""
    _, signal, _ = moving
    trials = np.stack([signal, second * signal])
    assert np.isnan(reliability_of(trials)).all()
    assert "opposites" in recordings_of(trials).why_unreliable(np.arange(N))


@pytest.mark.parametrize("n_trials", [None, 1])
def test_no_trials_no_ceiling(moving, n_trials):
    X, _, trials = moving
    mean = trials.mean(axis=0)
    data = brain(mean, trials=None if n_trials is None else trials[:1], time=TIME)
    model = model_of(data, X)
    failed = score(benchmark(data), model)
    assert failed.status == "failed"
    assert "r/sqrt(c)" in failed.reason
    assert failed.figures["c"] is None
    raw = score(benchmark(data), model, Settings(formula="raw"))
    assert raw.value == pytest.approx(np.mean(raw.figures["r"]))
    assert raw.ceiling is None
    with pytest.raises(InputError, match=r"0\.1.* 6 "):
        score(benchmark(data), model, Settings(floor=0.1))


@pytest.mark.parametrize("protocol", ["paper", "brainscore"])
def test_an_image_that_was_shown_once_costs_the_ceiling_not_the_raw_score(data, moving, protocol):
    X, _, trials = moving
    holes = trials.copy()
    holes[1:, :3] = np.nan
    case = benchmark(with_coordinates(data, holes), n_components=3)
    model, settings = model_of(data, X), Settings(formula="raw", protocol=protocol)
    raw = score(case, model, settings)
    assert raw.value == raw.raw == pytest.approx(np.mean(raw.figures["r"])) != 0
    assert (raw.ceiling, raw.figures["c"]) == (None, None)
    assert all(raw.figures["bins_used"])
    assert raw.ci[0] < raw.value < raw.ci[1]
    held_out = raw.record.choices["held_out_images"]
    n_lost = [k for k in range(1, 4) for note in raw.record.notes if f"{k} of {held_out}" in note]
    assert len(n_lost) == 1
    assert protocol == "brainscore" or n_lost == [3]
    lost = f"{n_lost[0]} of {held_out}"
    ceiled = score(case, model, replace(settings, formula="r/sqrt(c)"))
    assert (ceiled.value, ceiled.raw) == (None, raw.raw)
    assert lost in ceiled.reason
    with pytest.raises(InputError, match=lost):
        score(case, model, replace(settings, floor=0.1))


def test_noise_alone_has_no_bin_that_counts(model):
    noise = np.random.default_rng(0).standard_normal((10, N, SITES, BINS))
    failed = score(benchmark(brain(None, trials=noise, time=TIME)), model)
    assert failed.value is None
    highest = max(failed.figures["c_choosing"])
    assert (
        "0.39" in failed.reason
    )  # two standard errors of noise: 2 x sqrt(pi / 2 / (80 x 6)), of 2 trials
    assert f"{highest:.3f}" in failed.reason
    assert not any(failed.figures["bins_used"])


def test_floor_leaves_out_and_counts(moving, model):
    noisy = moving[2].copy()
    noisy[:, :, 0] = np.random.default_rng(0).standard_normal(noisy[:, :, 0].shape)
    case = benchmark(brain(None, trials=noisy, time=TIME))
    floored = score(case, model, Settings(floor=0.4))
    assert floored.excluded == {"reliability below 0.4": 1}
    assert floored.n_units == SITES - 1
    with pytest.raises(InputError, match=r"0\.999.* 6 "):
        score(case, model, Settings(floor=0.999))


def test_silent_sites_and_silent_bins_are_counted(moving, model):
    quiet = moving[2].copy()
    quiet[:, :, 0] = 7.0
    quiet[:, :, 1, 0] = 0.0
    quiet[:, :, :, 5] = 3.0
    quieter = score(benchmark(brain(None, trials=quiet, time=TIME)), model)
    assert quieter.excluded == {"constant response": 1}
    assert np.isnan(quieter.per_unit.values[0])
    assert quieter.figures["constant_responses"] == [1, 0, 0, 0, 0, SITES - 1]
    assert quieter.figures["r"][5] is None
    assert quieter.figures["bins_used"][5] is False
    assert np.isfinite(quieter.value)
    with pytest.raises(InputError, match="all 2 sites"):
        score(benchmark(brain(np.ones((N, 2, BINS)), time=TIME)), model)


def test_missing_trials_are_skipped(data, moving, model, four_quarters):
    holes = moving[2].copy()
    holes[3, ::2] = np.nan
    fewer = score(benchmark(with_coordinates(data, holes)), model)
    assert fewer.value == pytest.approx(four_quarters.value, abs=0.05)
    holes[:, 0, 0, 2] = np.nan
    with pytest.raises(InputError, match="1 responses"):
        score(benchmark(with_coordinates(data, holes)), model)
