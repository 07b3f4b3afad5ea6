"""Explainable variance: protocols, missing trials, bootstrap draws, and what cannot be computed."""

import numpy as np
import pytest
from explained import explained_on
from scipy.stats import f as f_distribution

from brainbench.core.errors import InputError
from brainbench.metrics.explained_variance.ccnorm import (
    chance_level,
    explained,
    jackknife,
    schoppe,
)
from brainbench.metrics.explained_variance.signal_power import (
    first_trials,
    mean_response,
    signal_p,
    signal_power,
)

N, T, SITES = 6, 80, 5


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture
def recorded(rng):
    """Trials, and a prediction that knows the expected response with some error."""
    signal = rng.standard_normal((T, SITES))
    trials = signal + 1.5 * rng.standard_normal((N, T, SITES))
    return trials, signal + 0.5 * rng.standard_normal((T, SITES))


def by_hand(R, p):
    """SP, CC_norm and SPE of one neuron from the formulas."""
    n = len(R)
    y = R.mean(axis=0)
    power = (R.sum(axis=0).var(ddof=1) - R.var(axis=1, ddof=1).sum()) / (n * (n - 1))
    norm = np.mean((y - y.mean()) * (p - p.mean())) / np.sqrt(power * p.var())
    return power, norm, (y.var(ddof=1) - (y - p).var(ddof=1)) / power


def test_all_neurons_at_once_are_each_by_hand(recorded):
    trials, predicted = recorded
    found = schoppe(trials, predicted)
    expected = [by_hand(trials[..., k], predicted[:, k]) for k in range(SITES)]
    got = np.stack([found.power.power, found.cc_norm, found.spe], axis=1)
    np.testing.assert_allclose(got, expected, rtol=1e-12)
    np.testing.assert_allclose(found.cc_norm, found.cc_abs / found.cc_max, rtol=1e-12)
    y = trials.mean(axis=0)
    covariances = np.mean((y - y.mean(axis=0)) * (predicted - predicted.mean(axis=0)), axis=0)
    np.testing.assert_allclose(
        found.cc_norm,
        covariances / np.sqrt(found.power.power * predicted.var(axis=0)),
        rtol=1e-12,
    )


def test_signal_power_is_the_mean_covariance_of_pairs_of_trials(recorded):
    trials, _ = recorded
    for k in range(SITES):
        covariance = np.cov(trials[..., k])
        off = covariance[~np.eye(N, dtype=bool)].mean()
        assert signal_power(trials).power[k] == pytest.approx(off, rel=1e-12)


def test_paper_tests_some_stimuli_and_normalizes_by_all(recorded):
    trials, predicted = recorded
    test = np.arange(10, 26)
    found = explained_on(test, trials, predicted[test])
    whole = schoppe(trials, predicted)
    np.testing.assert_array_equal(found.cc_max, whole.cc_max)
    r = [np.corrcoef(trials.mean(axis=0)[test, k], predicted[test, k])[0, 1] for k in range(SITES)]
    np.testing.assert_allclose(found.cc_norm, np.array(r) / whole.cc_max, rtol=1e-12)
    assert found.n_stimuli == 16


def test_anticorrelation_is_squared_and_its_sign_is_kept(recorded):
    trials, predicted = recorded
    found, opposite = schoppe(trials, predicted), schoppe(trials, -predicted)
    np.testing.assert_allclose(opposite.cc_norm, -found.cc_norm, rtol=1e-12)
    assert (opposite.spe < 0).all()


def test_spe_knows_the_expected_response_and_its_unit(rng):
    signal = rng.standard_normal((20000, 1))
    trials = signal + 2 * rng.standard_normal((5, 20000, 1))
    assert schoppe(trials, signal).spe[0] == pytest.approx(1.0, abs=0.03)
    assert schoppe(trials, 3 * signal).spe[0] < -2
    assert schoppe(trials, np.ones_like(signal)).spe[0] == 0.0


# --- missing trials -------------------------------------------------------------------------------


def test_only_as_many_trials_as_every_stimulus_has(recorded, rng):
    trials, predicted = recorded
    short = trials.copy()
    short[4:, ::3] = np.nan  # four trials of every third stimulus, six of the others
    found, four = schoppe(short, predicted), schoppe(trials[:4], predicted)
    np.testing.assert_array_equal(found.power.n_trials, np.full(SITES, 4))
    np.testing.assert_allclose(found.cc_norm, four.cc_norm, rtol=1e-12)
    np.testing.assert_allclose(mean_response(short), trials[:4].mean(axis=0), rtol=1e-12)


def test_missing_trials_may_be_anywhere_and_differ_between_neurons(recorded):
    trials, predicted = recorded
    holes = trials.copy()
    holes[0, 3, 1] = np.nan
    holes[[1, 5], 7, 2] = np.nan
    used, n_trials = first_trials(holes)
    assert n_trials.tolist() == [6, 5, 4, 6, 6]
    assert (np.isnan(used).sum(axis=0) == N - n_trials).all()
    np.testing.assert_array_equal(used[:5, 3, 1], trials[1:, 3, 1])  # later ones move up
    np.testing.assert_array_equal(used[:4, 7, 2], trials[[0, 2, 3, 4], 7, 2])
    found = schoppe(holes, predicted)
    alone = schoppe(holes[:, :, 2:3], predicted[:, 2:3])
    assert found.cc_norm[2] == pytest.approx(alone.cc_norm[0], rel=1e-12)
    np.testing.assert_allclose(
        found.cc_norm[[0, 3]], schoppe(trials, predicted).cc_norm[[0, 3]], rtol=1e-12
    )


def test_neuron_with_one_trial_of_some_stimulus_is_left_out(recorded):
    trials, predicted = recorded
    holes = trials.copy()
    holes[1:, 3, 1] = np.nan
    holes[:, 5, 4] = np.nan  # and one without any
    found = schoppe(holes, predicted)
    assert np.flatnonzero(np.isnan(found.cc_norm)).tolist() == [1, 4]
    assert np.isnan(found.cc_max[[1, 4]]).all()
    others = schoppe(trials, predicted).cc_norm[[0, 2, 3]]
    np.testing.assert_allclose(found.cc_norm[[0, 2, 3]], others, rtol=1e-12)


# --- draws ----------------------------------------------------------------------------------------


def test_a_draw_is_the_stimuli_repeated(recorded, rng):
    trials, predicted = recorded
    counts = np.stack([np.bincount(rng.integers(T, size=T), minlength=T) for _ in range(3)])
    power = signal_power(trials, counts=counts)
    found = explained(predicted, mean_response(trials), power, counts=counts)
    for draw, times in enumerate(counts):
        rows = np.repeat(np.arange(T), times)
        expected = schoppe(trials[:, rows], predicted[rows])
        np.testing.assert_allclose(power.power[draw], expected.power.power, rtol=1e-10)
        np.testing.assert_allclose(power.variance[draw], expected.power.variance, rtol=1e-10)
        np.testing.assert_allclose(found.cc_norm[draw], expected.cc_norm, rtol=1e-10)
        np.testing.assert_allclose(found.spe[draw], expected.spe, rtol=1e-10)


def test_each_stimulus_once_is_no_draw(recorded):
    trials, predicted = recorded
    power = signal_power(trials, counts=np.ones((1, T)))
    np.testing.assert_array_equal(power.power[0], signal_power(trials).power)
    found = explained(predicted, mean_response(trials), power, counts=np.ones((1, T)))
    np.testing.assert_array_equal(found.cc_norm[0], schoppe(trials, predicted).cc_norm)


def test_draw_of_one_stimulus_has_no_figure(recorded):
    trials, predicted = recorded
    one = np.zeros((1, T))
    one[0, 3] = T
    power = signal_power(trials, counts=one)
    assert (power.power == 0).all()
    found = explained(predicted, mean_response(trials), power, counts=one)
    assert np.isnan(found.cc_norm).all()


# --- jackknife ------------------------------------------------------------------------------------


def test_jackknife_with_missing_trials_is_that_of_each_neuron(recorded):
    trials, predicted = recorded
    holes = trials.copy()
    holes[4:, 3, 1] = np.nan
    found = jackknife(holes, predicted)
    alone = jackknife(trials[:4, :, 1:2], predicted[:, 1:2])
    np.testing.assert_allclose(found.cc_norm[:4, 1], alone.cc_norm[:, 0], rtol=1e-12)
    assert np.isnan(found.cc_norm[4:, 1]).all()
    assert found.error[1] == pytest.approx(alone.error[0], rel=1e-12)
    assert found.estimate[1] == pytest.approx(alone.estimate[0], rel=1e-12)


def test_jackknife_error_is_the_spread_over_fresh_trials(rng):
    signal = rng.standard_normal((60, 1))
    predicted = signal + rng.standard_normal((60, 1))
    figures, errors = [], []
    for _ in range(200):
        trials = signal + 2 * rng.standard_normal((12, 60, 1))
        figures.append(schoppe(trials, predicted).cc_norm[0])
        errors.append(jackknife(trials, predicted).error[0])
    assert np.mean(errors) == pytest.approx(np.std(figures), rel=0.2)


# --- bad input ------------------------------------------------------------------------------------


def test_negative_signal_power_has_no_figure(rng):
    noise = rng.standard_normal((T, 1))
    signal = rng.standard_normal((T, 1))
    trials = np.concatenate([[noise, -noise], [signal, signal]], axis=2)
    found = schoppe(trials, rng.standard_normal((T, 2)))
    assert found.power.power[0] < 0
    assert found.cc_max[0] == 0.0
    assert np.isnan(found.cc_norm).tolist() == [True, False]


def test_silent_neuron_is_left_out(recorded):
    trials, predicted = recorded
    silent = trials.copy()
    silent[..., 0] = 0.1
    found = schoppe(silent, predicted)
    assert found.power.power[0] == 0.0
    assert np.flatnonzero(np.isnan(found.cc_norm)).tolist() == [0]
    assert np.isnan([found.cc_norm[0], found.cc_abs[0], found.spe[0]]).all()


def test_neuron_silent_on_the_test_stimuli_is_left_out(recorded):
    trials, predicted = recorded
    trials = trials.copy()
    trials[:, :10, 0] = 2.5
    found = explained_on(np.arange(10), trials, predicted[:10])
    assert found.power.power[0] > 0
    assert np.flatnonzero(np.isnan(found.cc_norm)).tolist() == [0]


@pytest.mark.parametrize("constant", [0.0, 0.1, -1e6])
def test_constant_prediction_counts_as_0(recorded, constant):
    trials, predicted = recorded
    flat = predicted.copy()
    flat[:, 2] = constant
    found = schoppe(trials, flat)
    assert found.cc_abs[2] == found.cc_norm[2] == 0.0
    assert found.constant.tolist() == [False, False, True, False, False]
    assert np.isfinite(found.cc_norm).all()


@pytest.mark.parametrize("trials", [np.ones((1, T, SITES)), np.full((3, T, SITES), np.nan)])
def test_one_trial_or_none(trials, recorded):
    for function in (schoppe, jackknife):
        with pytest.raises(InputError, match=r"\b[01]\b"):
            function(trials, recorded[1])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda t, p: (t[:, :-1], p),
            r"\(80, 5\).*\(79, 5\)",
        ),
        (lambda t, p: (t, p[:, :-1]), r"\(80, 4\)"),
        (lambda t, p: (t, p[:, 0]), r"\(80,\)"),
        (lambda t, p: (t[..., 0], p), r"\(6, 80\)"),
        (lambda t, p: (t[:, :1], p[:1]), r"\(6, 1, 5\)"),
        (lambda t, p: (t[:, :, :0], p[:, :0]), r"\(6, 80, 0\)"),
        (lambda t, p: (np.where(t == t[2, 3, 1], np.inf, t), p), r"\b1\b.*\binf\b"),
        (lambda t, p: (np.where(t == t[2, 3, 1], -np.inf, t), p), r"\b1\b.*\binf\b"),
        (lambda t, p: (t, np.where(p == p[7, 2], np.nan, p)), r"nan\b.*\b2\b.*\b7\b"),
        (lambda t, p: (t, np.where(p == p[7, 2], np.inf, p)), r"inf\b.*\b2\b.*\b7\b"),
    ],
)
def test_wrong_shapes_and_values(recorded, change, message):
    with pytest.raises(InputError, match=message):
        schoppe(*change(*recorded))


def test_one_test_stimulus(recorded):
    trials, predicted = recorded
    with pytest.raises(InputError, match=r"\(1, 5\)"):
        explained_on([0], trials, predicted[:1])


def test_counts_of_other_stimuli(recorded):
    with pytest.raises(InputError, match=r"\(2, 7\).*\b80\b"):
        signal_power(recorded[0], counts=np.ones((2, 7)))


def test_chance_level_of_a_neuron_without_signal():
    np.testing.assert_array_equal(chance_level(11, [1.0, 0.0]), [0.1, np.nan])


# --- the signal test --------------------------------------------------------------------------------


def nested_least_squares(trials):
    """Return p of the stimuli, from the residuals of two models of the trials fitted by least squares."""
    n, t = trials.shape
    trial, stimulus = np.repeat(np.eye(n), t, axis=0), np.tile(np.eye(t), (n, 1))
    sums = []
    for design in (trial, np.hstack([trial, stimulus])):
        fitted = design @ np.linalg.lstsq(design, trials.ravel(), rcond=None)[0]
        sums.append(np.sum((trials.ravel() - fitted) ** 2))
    dof = t - 1, (t - 1) * (n - 1)
    return f_distribution.sf((sums[0] - sums[1]) / dof[0] / (sums[1] / dof[1]), *dof)


def test_signal_p_is_that_of_an_analysis_of_variance_with_trials_as_blocks(rng):
    trials = rng.standard_normal((4, 12, 5)) + rng.standard_normal((12, 5)) * [0, 0.3, 0.6, 1, 2]
    expected = [nested_least_squares(trials[..., k]) for k in range(5)]
    np.testing.assert_allclose(signal_p(signal_power(trials), 12), expected, rtol=1e-9)


def test_signal_p_of_trials_without_noise_or_variance_or_repeats():
    response = np.arange(5.0)[:, None] * [1.0, 0.0, 1.0]
    trials = np.stack([response, response])
    trials[1, :, 2] = np.nan
    np.testing.assert_array_equal(signal_p(signal_power(trials), 5), [0.0, 1.0, np.nan])


@pytest.mark.parametrize("share", [0.0, 0.5])
def test_mean_cc_norm2_of_sites_with_a_signal_is_the_truth(share):
    """A model that explains half of the signal scores .50, whatever share of sites has none."""
    rng = np.random.default_rng(0)
    n_sites, n_images, n_trials = 2000, 200, 8
    signal = rng.standard_normal((2, n_images, n_sites))
    scale = rng.lognormal(-1.0, 0.7, n_sites) * (np.arange(n_sites) >= share * n_sites)
    noise = rng.standard_normal((n_trials, n_images, n_sites))
    trials = signal.sum(axis=0) / np.sqrt(2) * scale + noise
    counted = signal_p(signal_power(trials), n_images) < 0.001
    assert np.nanmean(schoppe(trials, signal[0]).cc_norm[counted] ** 2) == pytest.approx(
        0.5, abs=0.01
    )
