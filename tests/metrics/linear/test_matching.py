"""Units matched to neuroids: against brute force and a linear program, invariances, truth, errors."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from brainbench.core.errors import InputError
from brainbench.metrics.correlation import pearson
from brainbench.metrics.linear import matching

SEED = st.integers(0, 2**16)
SPLIT = (np.arange(8, 40), np.arange(8))


def data(seed, n_units=6, n_neuroids=4):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((40, n_units))
    return X, X[:, :1] + rng.standard_normal((40, n_neuroids))


def correlations(X, Y):
    return np.corrcoef(X.T, Y.T)[: X.shape[1], X.shape[1] :]


def soft_score(X, Y, split=SPLIT):
    (match,) = matching.soft(X, Y, [split])
    r = pearson(match.units, Y[split[1]][:, match.neuroids])
    return match.pool(r)


# --- oracle -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(5))
def test_one_to_one_is_the_best_of_all_matchings(seed):
    X, Y = data(seed)
    train, test = SPLIT
    r = correlations(X[train], Y[train])
    best = max(permutations(range(6), 4), key=lambda units: r[list(units), range(4)].sum())
    (held_out,) = matching.one_to_one(X, Y, [SPLIT])
    np.testing.assert_array_equal(held_out, X[test][:, list(best)])


@pytest.mark.parametrize(("n", "m"), [(6, 4), (4, 6), (5, 3), (6, 3), (3, 6), (4, 4), (7, 1)])
def test_transport_is_the_solution_of_the_linear_program(n, m):
    gain = np.random.default_rng(n * m).standard_normal((n, m))
    plan = matching.transport(gain)
    np.testing.assert_allclose(plan.sum(axis=1), 1 / n, atol=1e-9)
    np.testing.assert_allclose(plan.sum(axis=0), 1 / m, atol=1e-9)
    assert (plan >= 0).all()
    rows, columns = np.divmod(np.arange(n * m), m)
    sums = np.array([*(rows == i for i in range(n)), *(columns == j for j in range(m))], float)
    totals = [*[1 / n] * n, *[1 / m] * m]
    slow = linprog(-gain.ravel(), A_eq=sums, b_eq=totals, method="highs-ds")
    assert (plan * gain).sum() == pytest.approx(-slow.fun, abs=1e-9)


@pytest.mark.parametrize("n_units", [6, 8])
def test_the_soft_score_is_the_sum_of_the_plan_with_held_out_correlations(n_units):
    X, Y = data(1, n_units=n_units)
    train, test = SPLIT
    plan = matching.transport(correlations(X[train], Y[train]))
    assert soft_score(X, Y).mean() == pytest.approx((plan * correlations(X[test], Y[test])).sum())


# --- properties -------------------------------------------------------------------------------------


@settings(max_examples=20)
@given(SEED, st.floats(1e-3, 1e3))
def test_scale_and_order_of_units_and_neuroids_do_not_matter(seed, scale):
    X, Y = data(seed)
    units, neuroids = (np.random.default_rng(seed).permutation(k) for k in (6, 4))
    moved = scale * X[:, units] + 1.0, Y[:, neuroids] / scale
    (plain,), (again,) = (matching.one_to_one(*pair, [SPLIT]) for pair in ((X, Y), moved))
    np.testing.assert_allclose((again - 1.0) / scale, plain[:, neuroids], rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(soft_score(*moved), soft_score(X, Y)[neuroids], atol=1e-6)


@settings(max_examples=20)
@given(SEED)
def test_a_unit_serves_one_neuroid(seed):
    X, Y = data(seed)
    (held_out,) = matching.one_to_one(X, Y, [SPLIT])
    matched = [
        np.flatnonzero((column == X[SPLIT[1]].T).all(axis=1)).item() for column in held_out.T
    ]
    assert len(set(matched)) == 4
    (match,) = matching.soft(X, Y, [SPLIT])
    np.testing.assert_allclose(np.bincount(match.neuroids, match.weights), 1.0, atol=1e-9)


@settings(max_examples=10)
@given(SEED)
def test_what_is_held_out_does_not_reach_the_matching(seed):
    X, Y = data(seed)
    other = Y.copy()
    other[SPLIT[1]] += 100 * np.random.default_rng(seed).standard_normal((8, 4))
    a, b = (matching.one_to_one(X, given_, [SPLIT])[0] for given_ in (Y, other))
    np.testing.assert_array_equal(a, b)
    for one, two in zip(
        *(matching.soft(X, given_, [SPLIT])[0] for given_ in (Y, other)), strict=True
    ):
        np.testing.assert_array_equal(one, two)


def test_chunks_of_features_are_the_features():
    X, Y = data(3)
    for match in (matching.one_to_one, lambda *given_: [matching.soft(*given_)[0].units]):
        whole, chunked = match(X, Y, [SPLIT]), match(lambda: iter([X[:, :2], X[:, 2:]]), Y, [SPLIT])
        np.testing.assert_array_equal(whole[0], chunked[0])


# --- truth ------------------------------------------------------------------------------------------


def test_copied_units_are_found_though_one_unit_is_best_for_all():
    """Each site is a copy of its own unit; a unit that is their mean correlates with all of them."""
    rng = np.random.default_rng(0)
    own = rng.standard_normal((300, 10)) + rng.standard_normal((300, 1))
    X = np.column_stack([own.mean(axis=1), own])[:, rng.permutation(11)]
    Y = own + 0.3 * rng.standard_normal((300, 10))
    split = (np.arange(200), np.arange(200, 300))
    (held_out,) = matching.one_to_one(X, Y, [split])
    np.testing.assert_array_equal(held_out, own[200:])


def test_a_rotation_lowers_the_soft_score_though_a_linear_map_does_not_see_it():
    rng = np.random.default_rng(1)
    X = rng.standard_normal((300, 20))
    Y = X + 0.3 * rng.standard_normal((300, 20))
    split = (np.arange(200), np.arange(200, 300))
    rotation = np.linalg.qr(rng.standard_normal((20, 20)))[0]
    assert soft_score(X, Y, split).mean() == pytest.approx(1 / np.sqrt(1.09), abs=0.02)
    assert soft_score(X @ rotation, Y, split).mean() < 0.6
    twice = np.hstack([X, X])  # two equal units share their neuroid
    assert soft_score(twice, Y, split).mean() == pytest.approx(soft_score(X, Y, split).mean())


def test_more_units_than_are_matched_are_drawn(monkeypatch):
    monkeypatch.setattr(matching, "MOST_UNITS", 10)
    rng = np.random.default_rng(2)
    X, Y = rng.standard_normal((40, 30)), rng.standard_normal((40, 4))
    splits = [SPLIT, (np.arange(30), np.arange(30, 40))]

    def units_of(seed, splits):
        matches = matching.soft(X, Y, splits, seed=seed)
        return [
            {int(np.flatnonzero((unit == X[test].T).all(axis=1))[0]) for unit in match.units.T}
            for match, (_, test) in zip(matches, splits, strict=True)
        ]

    first, second = units_of(0, splits)
    assert len(first) == len(second) == 8  # a multiple of the neuroids
    assert first != second
    assert units_of(0, splits[::-1]) == [second, first]
    assert units_of(1, splits)[0] != first


# --- errors -----------------------------------------------------------------------------------------


def test_too_few_units():
    X, Y = data(0)
    still = X.copy()
    still[SPLIT[0], :3] = 1.0
    for features in (X[:, :3], still):
        with pytest.raises(InputError, match="3 units that vary, for 4 neuroids"):
            matching.one_to_one(features, Y, [SPLIT])
    assert soft_score(X[:, :3], Y).shape == (4,)
    with pytest.raises(InputError, match="no unit"):
        matching.soft(np.ones((40, 3)), Y, [SPLIT])


@pytest.mark.parametrize("match", [matching.one_to_one, matching.soft])
def test_what_cannot_be_matched(match):
    X, Y = data(0)
    bad = X.copy()
    bad[3, 5] = np.inf
    with pytest.raises(InputError, match="feature 5 of the stimulus in row 3"):
        match(bad, Y, [SPLIT])
    with pytest.raises(InputError, match="nan"):
        match(X, np.where(Y[2, 1] == Y, np.nan, Y), [SPLIT])
    with pytest.raises(InputError, match=r"\(39, 4\)"):
        match(X, Y[:39], [SPLIT])
    with pytest.raises(InputError, match="repeated"):
        match(X, Y, [(np.arange(30), np.arange(29, 40))])
