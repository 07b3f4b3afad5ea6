"""Explainable variance against the published MATLAB formulas, run in GNU Octave 7.3 and stored."""

from pathlib import Path

import numpy as np
import pytest

from brainbench.metrics.explained_variance.ccnorm import chance_level, jackknife, paper, schoppe
from brainbench.metrics.explained_variance.signal_power import mean_response

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
    expected, result = theirs(oracle, case), ours(oracle, case)
    for name, value in {
        "CCnorm": result.cc_norm,
        "CCabs": result.cc_abs,
        "CCmax": result.cc_max,
        "SP": result.power.power,
        "SPE": result.spe,
    }.items():
        np.testing.assert_allclose(value, [expected[name]], rtol=1e-12, atol=1e-14, err_msg=name)


@pytest.mark.parametrize("case", CASES)
def test_jackknife_over_trials(oracle, case):
    result = jackknife(oracle[f"R{case}"][:, :, None], oracle[f"yhat{case}"][:, None])
    both = np.stack([result.cc_norm[:, 0], result.cc_abs[:, 0], result.cc_max[:, 0]])
    np.testing.assert_allclose(both, oracle[f"jack{case}"], rtol=1e-12, atol=1e-14)
    assert np.isnan(result.error[0]) == np.isnan(oracle[f"jack{case}"][0]).any()


def test_the_cases_hold_what_is_hard(oracle):
    assert all(theirs(oracle, case)["SP"] < 0 for case in NO_SIGNAL)
    assert len(oracle[f"R{TWO_TRIALS}"]) == 2
    assert np.isnan(oracle[f"jack{TWO_TRIALS}"][0]).all()


@pytest.mark.parametrize("case", NO_SIGNAL)
def test_no_signal_has_a_reason_and_no_score(oracle, case):
    result = ours(oracle, case)
    assert np.isnan(result.score).all()
    assert np.isnan(result.value)
    assert result.excluded == {"signal power not above 0": 1}


@pytest.mark.parametrize("case", set(CASES) - set(NO_SIGNAL))
def test_the_two_protocols_are_one_where_all_stimuli_are_tested(oracle, case):
    trials, predicted = oracle[f"R{case}"][:, :, None], oracle[f"yhat{case}"][:, None]
    whole = paper(trials, predicted, np.arange(len(predicted)))
    assert whole.value == pytest.approx(theirs(oracle, case)["CCnorm"] ** 2, rel=1e-12)


def test_equations_3a_to_3e_of_zhang(oracle):
    """Read literally, with one ddof throughout, CC_max^2 is lower by (T - 1) / T."""
    R, p = oracle["R1"], oracle["yhat1"]
    test = np.arange(40)
    n_trials, n_stimuli = R.shape
    r = np.corrcoef(R.mean(axis=0)[test], p[test])[0, 1]
    power = (R.sum(axis=0).var() - R.var(axis=1).sum()) / (n_trials * (n_trials - 1))
    literal = r**2 / (power / R.mean(axis=0).var())
    result = paper(R[:, :, None], p[test][:, None], test)
    assert result.value == pytest.approx(literal * (n_stimuli - 1) / n_stimuli, rel=1e-12)
    assert result.n_stimuli == 40
    np.testing.assert_allclose(mean_response(R[:, :, None])[:, 0], R.mean(axis=0))
    np.testing.assert_allclose(chance_level(40, result.cc_max), 1 / (39 * result.cc_max**2))
