"""The behavioral read-out: equal to a slow program, and never on images it was fitted on."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import ortho_group
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from brainbench.core.errors import InputError
from brainbench.metrics.classification import standardize as standardize
from brainbench.metrics.classification.logistic_regression import ReadoutOptions, cross_decode
from brainbench.stats.splits import paper

N = 60
CONVERGED = ReadoutOptions(C=1e-2, tol=1e-7)


def draw(seed=0, p=10, n_classes=3):
    rng = np.random.default_rng(seed)
    labels = np.array([f"obj{k % n_classes}" for k in range(N)])
    means = rng.standard_normal((n_classes, p))
    X = means[np.arange(N) % n_classes] + rng.standard_normal((N, p)) * rng.uniform(0.1, 5, p)
    ids = [f"im{k:02d}" for k in range(N)]
    return X, labels, paper(ids, labels, n_splits=5)


def test_equals_a_slow_program_of_scikit_learn():
    X, labels, folds = draw()
    found = cross_decode(X, labels, folds)
    for (train, test), ours in zip(folds, found.probabilities, strict=True):
        slow = make_pipeline(
            StandardScaler(),
            LogisticRegression(C=1e-3, solver="newton-cg", tol=1e-4, max_iter=100),
        ).fit(X[train], labels[train])
        np.testing.assert_allclose(ours, slow.predict_proba(X[test]), atol=1e-12)
        np.testing.assert_array_equal(np.unique(labels), slow.classes_)


def padded(X):
    """Constant features, which say nothing, make the features outnumber the images."""
    return np.hstack([X, np.full((len(X), len(X)), 3.0)])


def test_narrow_features_agree_with_padded_ones():
    X, labels, folds = draw()
    X[:, 0] = 3.0  # constant everywhere
    X[:, 1] = 0.0
    X[folds[0].test[0], 1] = 7.0  # constant over the training images of one fold
    primal, dual = (
        cross_decode(given, labels, folds, readout=CONVERGED) for given in (X, padded(X))
    )
    for one, other in zip(primal.probabilities, dual.probabilities, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)


@pytest.mark.parametrize("cuts", [[], [1], [7, 50, 199]])
def test_how_features_are_chunked_does_not_matter(cuts):
    X, labels, folds = draw(p=200)
    chunked = cross_decode(lambda: np.split(X, cuts, axis=1), labels, folds)
    for one, other in zip(
        chunked.probabilities, cross_decode(X, labels, folds).probabilities, strict=True
    ):
        np.testing.assert_allclose(one, other, atol=1e-10)


def test_wide_features_are_never_together(monkeypatch):
    """In passes over chunks, with inner products of few splits at a time."""
    X, labels, folds = draw(p=200)
    whole = cross_decode(X, labels, folds)
    monkeypatch.setattr(standardize, "BATCH_BYTES", 8 * N**2 * 2)
    passes = []

    def chunks():
        passes.append(0)
        for part in np.array_split(X, 20, axis=1):
            passes[-1] += part.shape[1]
            yield part

    parts = cross_decode(chunks, labels, folds)
    # The first pass ends where features outnumber training images.
    assert passes == [50, 200, 200, 200]
    for one, other in zip(parts.probabilities, whole.probabilities, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-12)


def test_splits_need_not_use_every_image():
    X, labels, _ = draw(p=200)
    rows = np.arange(N - 9)
    split = (rows[rows % 5 > 0], rows[rows % 5 == 0])
    (part,) = cross_decode(X, labels, [split]).probabilities
    (alone,) = cross_decode(X[rows], labels[rows], [split]).probabilities
    np.testing.assert_allclose(part, alone, atol=1e-6)


@pytest.mark.parametrize("p", [5, 200])
def test_several_labels_of_an_image_are_taught_as_if_of_as_many_images(p):
    X, labels, folds = draw(p=p)
    both = np.stack([labels, np.roll(labels, 5)])
    found = cross_decode(X, both, folds).probabilities
    doubled = [(np.concatenate([train, train + N]), test) for train, test in folds]
    alone = cross_decode(np.concatenate([X, X]), both.ravel(), doubled).probabilities
    for one, other in zip(found, alone, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-10)


@given(st.integers(0, 1000), st.floats(0.01, 100), st.floats(-10, 10))
def test_scale_shift_and_order_do_not_matter(seed, scale, shift):
    X, labels, folds = draw(seed)
    rng = np.random.default_rng(seed)
    scales = scale * rng.uniform(0.5, 2, X.shape[1])
    moved = (scales * X + shift)[:, rng.permutation(X.shape[1])]
    for one, other in zip(
        cross_decode(moved, labels, folds, readout=CONVERGED).probabilities,
        cross_decode(X, labels, folds, readout=CONVERGED).probabilities,
        strict=True,
    ):
        np.testing.assert_allclose(one, other, atol=1e-6)


def test_standardized_features_may_be_rotated_features_before_may_not():
    """The penalty does not change under a rotation: what reading inner products rests on."""
    X, labels, folds = draw()
    train, test = folds[0]
    scaled = StandardScaler().fit(X[train]).transform(X)
    turned = scaled @ ortho_group.rvs(X.shape[1], random_state=0)
    options = {"C": 1e-2, "tol": 1e-8, "max_iter": 1000}
    fits = [LogisticRegression(**options).fit(Z[train], labels[train]) for Z in (scaled, turned)]
    np.testing.assert_allclose(
        fits[0].predict_proba(scaled[test]), fits[1].predict_proba(turned[test]), atol=1e-6
    )


def test_held_out_images_do_not_reach_the_fit():
    """Nonsense in place of one held-out image changes what is said of that image alone."""
    for p in (10, 200):
        X, labels, folds = draw(p=p)
        before = cross_decode(X, labels, folds).probabilities[0]
        X[folds[0].test[0]] = 1e3 * np.random.default_rng(1).standard_normal(p)
        after = cross_decode(X, labels, folds).probabilities[0]
        np.testing.assert_allclose(after[1:], before[1:], atol=1e-8)
        assert np.abs(after[0] - before[0]).max() > 1e-3


def test_shuffled_labels_decode_nothing():
    rng = np.random.default_rng(0)
    X, labels, folds = draw()
    right = {}
    for name, shown in (("true", labels), ("shuffled", rng.permutation(labels))):
        found = cross_decode(X, shown, folds, readout=ReadoutOptions(C=1.0))
        right[name] = np.mean(
            [
                (np.unique(shown)[p.argmax(axis=1)] == shown[test]).mean()
                for p, (_, test) in zip(found.probabilities, folds, strict=True)
            ]
        )
    assert right["true"] > 0.8
    assert right["shuffled"] < 0.5


def test_iteration_that_is_cut_off_is_counted():
    X, labels, folds = draw()
    assert cross_decode(X, labels, folds).n_unfinished == 0
    assert cross_decode(
        X, labels, folds, readout=ReadoutOptions(C=1.0, max_iter=1)
    ).n_unfinished == len(folds)


# --- bad input ------------------------------------------------------------------------------------


def test_one_class():
    X, _, folds = draw()
    with pytest.raises(InputError, match="cat"):
        cross_decode(X, ["cat"] * N, folds)


def test_labels_of_other_images():
    X, labels, folds = draw()
    with pytest.raises(InputError, match=r"\b59\b.*\b60\b"):
        cross_decode(X[1:], labels, folds)


def test_an_image_in_both_parts():
    X, labels, _ = draw()
    with pytest.raises(InputError, match=r"\b1\b.*\b30\b"):
        cross_decode(X, labels, [(np.arange(31), np.arange(30, N))])


def test_a_class_without_training_images():
    X, labels, _ = draw()
    rows = np.flatnonzero(labels != "obj1")
    with pytest.raises(InputError, match="obj1"):
        cross_decode(X, labels, [(rows, np.flatnonzero(labels == "obj1"))])


def test_nothing_held_out():
    X, labels, _ = draw()
    with pytest.raises(InputError, match="held-out"):
        cross_decode(X, labels, [(np.arange(N), np.arange(0))])


@pytest.mark.parametrize("p", [5, 200])
def test_features_that_say_nothing(p):
    _, labels, folds = draw()
    with pytest.raises(InputError, match=r"\b60\b"):
        cross_decode(np.ones((N, p)), labels, folds)


@pytest.mark.parametrize("p", [10, 200])
def test_features_that_are_constant_over_the_training_images_give_each_class_its_share(p):
    X, labels, folds = draw(p=p)
    train, test = folds[0]
    X[train] = 1.0
    made = cross_decode(X, labels, [(train, test)])
    share = [np.mean(labels[train] == name) for name in np.unique(labels)]
    np.testing.assert_allclose(made.probabilities[0], np.tile(share, (len(test), 1)), atol=1e-4)
    assert made.n_unfinished == 0


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_features_that_are_not_numbers(bad):
    X, labels, folds = draw()
    X[4, 3] = bad
    with pytest.raises(InputError, match=rf"{bad}\b.*feature 3\b.*row 4\b"):
        cross_decode(X, labels, folds)


def test_no_splits():
    X, labels, _ = draw()
    with pytest.raises(InputError, match="no splits"):
        cross_decode(X, labels, [])
