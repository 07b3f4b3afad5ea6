"""Invariances of explainable variance that hold for any data."""

import numpy as np
from explained import explained_on, mean_score
from hypothesis import assume, given
from hypothesis import strategies as st

from brainbench.metrics.explained_variance.ccnorm import jackknife, schoppe
from brainbench.metrics.explained_variance.signal_power import signal_power

SEED = st.integers(0, 2**32 - 1)
TRIALS, STIMULI, SITES = st.integers(2, 7), st.integers(3, 30), st.integers(1, 5)
SCALE, SHIFT = st.floats(1e-4, 1e4), st.floats(-1e3, 1e3)


def draw(seed, n, t, sites):
    rng = np.random.default_rng(seed)
    signal = rng.standard_normal((t, sites))
    trials = signal + rng.uniform(0.3, 3) * rng.standard_normal((n, t, sites))
    return trials, signal + rng.standard_normal((t, sites)), rng


def close(a, b, *, rtol=1e-8):
    np.testing.assert_allclose(a, b, rtol=rtol, atol=1e-10)


@given(SEED, TRIALS, STIMULI, SITES, SCALE, SHIFT)
def test_scale_and_shift_of_the_prediction(seed, n, t, sites, scale, shift):
    trials, predicted, _ = draw(seed, n, t, sites)
    one, moved = schoppe(trials, predicted), schoppe(trials, scale * predicted + scale * shift)
    close(moved.cc_norm, one.cc_norm)
    close(moved.cc_max, one.cc_max)


@given(SEED, TRIALS, STIMULI, SITES, SHIFT)
def test_spe_ignores_a_shift_of_the_prediction(seed, n, t, sites, shift):
    trials, predicted, _ = draw(seed, n, t, sites)
    close(schoppe(trials, predicted + shift).spe, schoppe(trials, predicted).spe)


@given(SEED, TRIALS, STIMULI, SITES, SCALE, SHIFT)
def test_unit_of_the_response(seed, n, t, sites, scale, shift):
    trials, predicted, _ = draw(seed, n, t, sites)
    one = schoppe(trials, predicted)
    other = schoppe(scale * (trials + shift), scale * predicted)
    close(other.power.power / scale**2, one.power.power, rtol=1e-6)
    defined = one.power.power > 1e-6  # elsewhere its sign may be rounding
    assume(defined.any())
    close(other.cc_norm[defined], one.cc_norm[defined], rtol=1e-6)
    close(other.spe[defined], one.spe[defined], rtol=1e-6)


@given(SEED, TRIALS, STIMULI, SITES)
def test_order_of_stimuli_trials_and_neurons(seed, n, t, sites):
    trials, predicted, rng = draw(seed, n, t, sites)
    rows, order, columns = rng.permutation(t), rng.permutation(n), rng.permutation(sites)
    one = schoppe(trials, predicted)
    other = schoppe(trials[order][:, rows][..., columns], predicted[rows][:, columns])
    for name in ("cc_abs", "cc_max", "cc_norm", "spe"):
        close(getattr(other, name), getattr(one, name)[columns])
    close(mean_score(other), mean_score(one))


@given(SEED, TRIALS, STIMULI, SITES)
def test_order_of_trials_within_the_jackknife(seed, n, t, sites):
    trials, predicted, rng = draw(seed, n, t, sites)
    order = rng.permutation(n)
    one, other = jackknife(trials, predicted), jackknife(trials[order], predicted)
    close(other.cc_norm, one.cc_norm[order])
    close(other.error, one.error)


@given(SEED, TRIALS, STIMULI, SITES)
def test_level_of_a_trial_does_not_matter(seed, n, t, sites):
    """A drift from repetition to repetition is no signal and no noise over stimuli."""
    trials, predicted, rng = draw(seed, n, t, sites)
    drift = rng.standard_normal((n, 1, sites))
    close(signal_power(trials + drift).power, signal_power(trials).power)
    close(schoppe(trials + drift, predicted).cc_norm, schoppe(trials, predicted).cc_norm)


@given(SEED, TRIALS, STIMULI, SITES)
def test_the_mean_response_itself_reaches_one_over_cc_max(seed, n, t, sites):
    trials, _, _ = draw(seed, n, t, sites)
    found = schoppe(trials, trials.mean(axis=0))
    defined = found.cc_max > 0
    assume(defined.any())
    close(found.cc_abs, np.ones(sites))
    close((found.cc_norm * found.cc_max)[defined], np.ones(defined.sum()))


@given(SEED, TRIALS, st.integers(6, 30), SITES)
def test_paper_on_all_stimuli_in_any_order_is_schoppe(seed, n, t, sites):
    trials, predicted, rng = draw(seed, n, t, sites)
    rows = rng.permutation(t)
    close(explained_on(rows, trials, predicted[rows]).cc_norm, schoppe(trials, predicted).cc_norm)


@given(SEED, TRIALS, STIMULI, SITES)
def test_trials_that_agree_have_a_ceiling_of_one(seed, n, t, sites):
    trials, predicted, _ = draw(seed, n, t, sites)
    same = np.broadcast_to(trials[:1], trials.shape)
    # CC_max mixes ddof 1 and 0 as the published code does.
    close(schoppe(same, predicted).cc_max, np.full(sites, np.sqrt(t / (t - 1))))
