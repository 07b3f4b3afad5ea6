"""Curvature: exact on trajectories of known angle, and from trials without the bias of their noise."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from brainbench.core.errors import InputError
from brainbench.metrics.curvature.curvature import (
    cross_validated_curvature,
    curvature,
    curvature_of_products,
    naive_curvature,
)


def trajectory(angle, n_frames=11, n_units=200, seed=0):
    """Steps of one length, each turned by the same angle into a new direction."""
    rng = np.random.default_rng(seed)
    directions = np.linalg.qr(rng.standard_normal((n_units, n_frames)))[0].T
    steps = [directions[0]]
    for k in range(1, n_frames - 1):
        across = directions[k] - (directions[k] @ steps[-1]) * steps[-1]
        across /= np.linalg.norm(across)
        turn = np.radians(angle)
        steps.append(np.cos(turn) * steps[-1] + np.sin(turn) * across)
    return np.vstack([np.zeros(n_units), np.cumsum(steps, axis=0)])


def counts(angle, *, size, n_trials, seed):
    """Poisson counts whose mean square roots follow such a trajectory, with steps of a size."""
    rates = (3.0 + size * trajectory(angle, seed=seed)) ** 2
    return np.random.default_rng(seed).poisson(rates, (n_trials, *rates.shape)).astype(float)


@pytest.mark.parametrize("angle", [0, 20, 60, 90, 120, 180])
def test_a_known_angle(angle):
    tolerance = 1e-5 if angle in (0, 180) else 1e-9  # arccos at its ends takes the root of rounding
    X = trajectory(angle)
    assert curvature(X) == pytest.approx(angle, abs=tolerance)
    assert curvature_of_products(X @ X.T) == pytest.approx(angle, abs=tolerance)


def test_the_mean_over_triplets():
    X = np.array([[0.0, 0.0], [1.0, 0.0], [2.0, 0.0], [2.0, 1.0], [1.0, 1.0], [2.0, 1.0]])
    assert curvature(X) == pytest.approx((0 + 90 + 90 + 180) / 4)


def test_noise_alone_bends_by_120_degrees():
    X = np.random.default_rng(0).standard_normal((400, 2000))
    assert curvature(X) == pytest.approx(120, abs=0.5)


@settings(max_examples=25)
@given(seed=st.integers(0, 1000), size=st.floats(1e-3, 1e3))
def test_what_changes_nothing(seed, size):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((6, 5))
    expected = curvature(X)
    turned = np.linalg.qr(rng.standard_normal((5, 5)))[0]
    assert curvature(size * X @ turned + rng.standard_normal(5)) == pytest.approx(
        expected, abs=1e-6
    )
    assert curvature(X[::-1]) == pytest.approx(expected, abs=1e-9)
    centered = X - X.mean(axis=0)
    assert curvature_of_products(centered @ centered.T) == pytest.approx(expected, abs=1e-6)


def test_a_step_without_direction_has_no_curvature():
    X = trajectory(60)
    X[4] = X[3]
    assert np.isnan(curvature(X))
    assert np.isnan(curvature(np.full((5, 3), 7.0)))


# --- from trials -----------------------------------------------------------------------------------


@pytest.mark.parametrize("angle", [30, 60, 90, 120])
def test_trials_along_a_known_angle(angle):
    """Over worlds the estimate is within 2 degrees, where means of trials are 36, 20, 10 and 0 off."""
    worlds = [counts(angle, size=2.0, n_trials=50, seed=seed) for seed in range(12)]
    found = [cross_validated_curvature(trials, n_halvings=20).degrees for trials in worlds]
    assert np.mean(found) == pytest.approx(angle, abs=2)
    assert np.std(found) < 6
    naive = np.mean([naive_curvature(trials) for trials in worlds])
    assert naive == pytest.approx({30: 66, 60: 80, 90: 100, 120: 120}[angle], abs=2)


def test_small_steps_have_no_value_rather_than_a_wrong_one():
    trials = counts(30, size=0.3, n_trials=10, seed=0)
    found = cross_validated_curvature(trials)
    assert found.negative > 0.1
    assert np.isnan(found.degrees)
    assert naive_curvature(trials) > 100


def test_without_noise_halves_are_the_whole():
    trials = np.square(3 + trajectory(60))[None].repeat(4, axis=0)
    found = cross_validated_curvature(trials, n_halvings=3)
    assert found.degrees == pytest.approx(60, abs=1e-9)
    assert found.negative == 0
    assert naive_curvature(trials) == pytest.approx(60, abs=1e-9)


def test_missing_trials_are_left_out():
    whole = counts(60, size=4.0, n_trials=20, seed=3)
    padded = np.concatenate([whole, np.full_like(whole[:5], np.nan)])
    assert naive_curvature(padded) == pytest.approx(naive_curvature(whole))
    holed = whole.copy()
    holed[np.random.default_rng(0).random(whole.shape) < 0.3] = np.nan
    found = cross_validated_curvature(holed)
    assert found.degrees == pytest.approx(cross_validated_curvature(whole).degrees, abs=15)


def test_the_seed_says_which_halves():
    trials = counts(60, size=4.0, n_trials=11, seed=1)
    first, again = (cross_validated_curvature(trials, seed=1).degrees for _ in range(2))
    assert first == again != cross_validated_curvature(trials, seed=2).degrees


@pytest.mark.parametrize(
    ("X", "said"),
    [
        (np.zeros((2, 5)), r"\(2, 2\)"),
        (np.zeros(5), r"\(5,\)"),
        (np.array([[0.0], [np.nan], [1.0]]), "5 of 9"),
    ],
)
def test_films_that_are_none(X, said):
    with pytest.raises(InputError, match=said):
        curvature(X)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda trials: trials[:, :2], r"\(4, 2, 6\)"),
        (lambda trials: trials[0], r"\(5, 6\)"),
        (lambda trials: -1 - trials, "120 negative"),
        (lambda trials: trials / 0.0, "infinite"),
        (lambda trials: trials[:1], "1 trials of a frame"),
        (lambda trials: np.where(np.arange(6) == 2, np.nan, trials), "0 trials of a frame"),
    ],
)
@pytest.mark.filterwarnings("ignore:divide by zero")
def test_trials_that_are_none(change, said):
    trials = np.ones((4, 5, 6))
    for estimate in (cross_validated_curvature, naive_curvature):
        with pytest.raises(InputError, match=said):
            estimate(change(trials))
