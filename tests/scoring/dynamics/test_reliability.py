"""Reliability of sites in each time bin, and which bins and sites count."""

from dataclasses import replace

import numpy as np
import pytest
from known import brain
from over_time import BINS, SITES, TIME, N, benchmark, model_of, with_coordinates
from scipy.stats import spearmanr
from sklearn.model_selection import ShuffleSplit

from brainbench.core.errors import InputError
from brainbench.core.settings import Settings
from brainbench.metrics.correlation import spearman
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


def test_ceiling_by_hand(moving, four_quarters):
    _, _, trials = moving
    c = []
    for first, second in ShuffleSplit(10, train_size=0.5, random_state=1).split(trials):
        halves = trials[first].mean(axis=0), trials[second].mean(axis=0)
        r = [
            [spearmanr(halves[0][:, k, t], halves[1][:, k, t]).statistic for t in range(BINS)]
            for k in range(SITES)
        ]
        c.append(2 * np.array(r) / (1 + np.array(r)))
    by_hand = np.median(np.mean(c, axis=0), axis=0)
    np.testing.assert_allclose(four_quarters.figures["c"], by_hand, atol=1e-9)


def test_each_time_bin_has_the_reliability_of_its_own_trials():
    rng = np.random.default_rng(0)
    signal = rng.standard_normal((60, 7, 3)) * [0.0, 1.0, 3.0]
    trials = signal + rng.standard_normal((8, 60, 7, 3))
    c = reliability_of(trials)
    for k in range(3):
        alone = spearman_brown(spearman(*half_means(trials[..., k]), axis=1)).mean(axis=0)
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
    highest = max(failed.figures["c"])
    assert "0.3" in failed.reason
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
