"""Explainable variance against the published MATLAB formulas, run in GNU Octave 7.3 and stored."""

from pathlib import Path

import numpy as np
import pytest
from explained import explained_on, mean_score

from brainbench.metrics.explained_variance.ccnorm import (
    chance_level,
    explained,
    jackknife,
    schoppe,
)
from brainbench.metrics.explained_variance.signal_power import mean_response, signal_power

DATA = Path(__file__).parent / "data" / "ccnorm_oracle.npz"
CASES = range(1, 7)
NO_SIGNAL = (5, 6)  # SP < 0
TWO_TRIALS = 4


@pytest.fixture(scope="module")
def oracle():
    with np.load(DATA) as file:
        return dict(file)


def theirs(oracle, case):
    return dict(zip(oracle["cols"].tolist(), oracle[f"octave{case}"], strict=True))


def ours(oracle, case):
    return schoppe(oracle[f"R{case}"][:, :, None], oracle[f"yhat{case}"][:, None])


@pytest.mark.parametrize("case", CASES)
def test_every_figure_to_the_last_digit(oracle, case):
    expected, found = theirs(oracle, case), ours(oracle, case)
    for name, value in {
        "CCnorm": found.cc_norm,
        "CCabs": found.cc_abs,
        "CCmax": found.cc_max,
        "SP": found.power.power,
        "SPE": found.spe,
    }.items():
        np.testing.assert_allclose(value, [expected[name]], rtol=1e-12, atol=1e-14, err_msg=name)


@pytest.mark.parametrize("case", CASES)
def test_jackknife_over_trials(oracle, case):
    trials, predicted = oracle[f"R{case}"][:, :, None], oracle[f"yhat{case}"][:, None]
    found = jackknife(trials, predicted)
    np.testing.assert_allclose(
        found.cc_norm[:, 0], oracle[f"jack{case}"][0], rtol=1e-12, atol=1e-14
    )
    for k in range(len(trials)):
        others = np.delete(trials, k, axis=0)
        part = explained(predicted, mean_response(others), signal_power(others))
        both = part.cc_abs[0], part.cc_max[0]
        np.testing.assert_allclose(both, oracle[f"jack{case}"][1:, k], rtol=1e-12, atol=1e-14)
    assert np.isnan(found.error[0]) == np.isnan(oracle[f"jack{case}"][0]).any()


def test_the_cases_hold_what_is_hard(oracle):
    assert all(theirs(oracle, case)["SP"] < 0 for case in NO_SIGNAL)
    assert len(oracle[f"R{TWO_TRIALS}"]) == 2
    assert np.isnan(oracle[f"jack{TWO_TRIALS}"][0]).all()


@pytest.mark.parametrize("case", NO_SIGNAL)
def test_no_signal_has_no_score(oracle, case):
    found = ours(oracle, case)
    assert (found.power.power < 0).all()
    assert np.isnan(found.cc_norm).all()


@pytest.mark.parametrize("case", set(CASES) - set(NO_SIGNAL))
def test_the_two_protocols_are_one_where_all_stimuli_are_tested(oracle, case):
    trials, predicted = oracle[f"R{case}"][:, :, None], oracle[f"yhat{case}"][:, None]
    whole = explained_on(np.arange(len(predicted)), trials, predicted)
    assert mean_score(whole) == pytest.approx(theirs(oracle, case)["CCnorm"] ** 2, rel=1e-12)


def test_equations_3a_to_3e_of_zhang(oracle):
    """Read literally, with one ddof throughout, CC_max^2 is lower by (T - 1) / T."""
    R, p = oracle["R1"], oracle["yhat1"]
    test = np.arange(40)
    n_trials, n_stimuli = R.shape
    r = np.corrcoef(R.mean(axis=0)[test], p[test])[0, 1]
    power = (R.sum(axis=0).var() - R.var(axis=1).sum()) / (n_trials * (n_trials - 1))
    literal = r**2 / (power / R.mean(axis=0).var())
    found = explained_on(test, R[:, :, None], p[test][:, None])
    assert mean_score(found) == pytest.approx(literal * (n_stimuli - 1) / n_stimuli, rel=1e-12)
    assert found.n_stimuli == 40
    np.testing.assert_allclose(mean_response(R[:, :, None])[:, 0], R.mean(axis=0))
    np.testing.assert_allclose(chance_level(40, found.cc_max), 1 / (39 * found.cc_max**2))
