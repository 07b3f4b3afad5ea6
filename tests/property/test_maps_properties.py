"""Invariances of ridge regression and of one unit per neuroid."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import ortho_group

from brainbench.metrics.correlation import pearson
from brainbench.metrics.linear import neuron_to_neuron, ridge

SEED = st.integers(0, 2**16)
SCALE = st.floats(1e-4, 1e4)
WIDTH = st.sampled_from([5, 70])
SPLITS = [(np.arange(10, 40), np.arange(10)), (np.arange(30), np.arange(30, 40))]
CHOOSING = {"penalties": ridge.RELATIVE, "relative": True}


def data(seed, p):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((40, p))
    return rng, X, X @ rng.standard_normal((p, 4)) + rng.standard_normal((40, 4))


@settings(max_examples=20)
@given(SEED, WIDTH, SCALE, st.booleans())
def test_ridge_ignores_scale_offset_and_rotation_of_features(seed, p, scale, per_neuroid):
    _, X, Y = data(seed, p)
    plain = ridge.cross_predict(X, Y, SPLITS, per_neuroid=per_neuroid, **CHOOSING)
    turned = scale * X @ ortho_group.rvs(p, random_state=seed) + 3.0 * scale
    again = ridge.cross_predict(turned, Y, SPLITS, per_neuroid=per_neuroid, **CHOOSING)
    for a, b in zip(plain, again, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


@settings(max_examples=20)
@given(SEED, WIDTH, SCALE)
def test_ridge_follows_scale_and_offset_of_responses(seed, p, scale):
    _, X, Y = data(seed, p)
    plain = ridge.cross_predict(X, Y, SPLITS, **CHOOSING)
    again = ridge.cross_predict(X, scale * Y - 2.0, SPLITS, **CHOOSING)
    for a, b in zip(plain, again, strict=True):
        np.testing.assert_allclose((b + 2.0) / scale, a, atol=1e-8)


@settings(max_examples=20)
@given(SEED, WIDTH)
def test_order_of_stimuli_neuroids_and_features_does_not_matter(seed, p):
    rng, X, Y = data(seed, p)
    order, neuroids, features = rng.permutation(40), rng.permutation(4), rng.permutation(p)
    where = np.argsort(order)
    moved = [(where[train], where[test]) for train, test in SPLITS]
    for how, options in (
        (ridge.cross_predict, CHOOSING),
        (ridge.cross_predict, {"penalties": 0.0}),
        (neuron_to_neuron.cross_predict, {}),
    ):
        plain = how(X, Y, SPLITS, **options)
        again = how(X[order][:, features], Y[order][:, neuroids], moved, **options)
        for a, b in zip(plain, again, strict=True):
            np.testing.assert_allclose(b, a[:, neuroids], atol=1e-7)


@settings(max_examples=20)
@given(SEED, WIDTH)
def test_neuroids_do_not_know_of_each_other(seed, p):
    _, X, Y = data(seed, p)
    together = ridge.cross_predict(X, Y, SPLITS, per_neuroid=True, **CHOOSING)
    alone = ridge.cross_predict(X, Y[:, [2]], SPLITS, per_neuroid=True, **CHOOSING)
    for a, b in zip(together, alone, strict=True):
        np.testing.assert_allclose(a[:, [2]], b, atol=1e-9)


@settings(max_examples=20)
@given(SEED, WIDTH)
def test_what_is_held_out_does_not_reach_the_map(seed, p):
    rng, X, Y = data(seed, p)
    train, test = SPLITS[0]
    other = Y.copy()
    other[test] = 100 * rng.standard_normal((len(test), 4))
    for options in (CHOOSING, {"penalties": 1.0}):
        a = ridge.cross_predict(X, Y, [(train, test)], **options)[0]
        b = ridge.cross_predict(X, other, [(train, test)], **options)[0]
        np.testing.assert_array_equal(a, b)


@settings(max_examples=20)
@given(SEED, SCALE)
def test_neuron_to_neuron_ignores_scale_of_responses(seed, scale):
    _, X, Y = data(seed, 12)
    plain = neuron_to_neuron.cross_predict(X, Y, SPLITS)
    again = neuron_to_neuron.cross_predict(X, scale * Y + 5.0, SPLITS)
    for a, b, (_, test) in zip(plain, again, SPLITS, strict=True):
        np.testing.assert_array_equal(a, b)
        assert pearson(a, Y[test]).shape == (4,)
