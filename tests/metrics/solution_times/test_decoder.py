"""The decoder of object solution times: its minimum, its published schedule, and bad input."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from brainbench.core.errors import InputError, UnknownNameError
from brainbench.metrics.classification.softmax import minimize
from brainbench.metrics.solution_times import decoder as ost_decoder
from brainbench.metrics.solution_times.decoder import PENALTY, Decoder, decode
from brainbench.metrics.solution_times.published_training import initial_weights
from brainbench.stats.splits import brainscore, paper

CONVERGED = Decoder(name="converged")
BOTH = pytest.mark.parametrize(
    "decoder", [CONVERGED, Decoder(epochs=1)], ids=["converged", "published"]
)
N, CLASSES = 120, 4


def images(width, *, seed=0, signal=1.0, n=N):
    """Features of some classes plus noise, of different scales and means, and the labels."""
    rng = np.random.default_rng(seed)
    labels = np.array(["bear", "car", "dog", "face"])[np.arange(n) % CLASSES]
    centers = signal * rng.standard_normal((CLASSES, width))
    X = centers[np.arange(n) % CLASSES] + rng.standard_normal((n, width))
    return X * rng.uniform(0.1, 10, width) + rng.uniform(-5, 5, width), labels


def folds(labels, **options):
    return paper([f"im{k:03d}" for k in range(len(labels))], labels, **options)


def by_sklearn(X, labels, split):
    train, test = split
    scaler = StandardScaler().fit(X[train])
    fit = LogisticRegression(C=1 / (PENALTY * len(train)), tol=1e-10, max_iter=10_000)
    fit.fit(scaler.transform(X[train]), labels[train])
    return fit.predict_proba(scaler.transform(X[test]))


def accuracy(held_out, labels, splits):
    names = np.unique(labels)
    right = [
        names[p.argmax(axis=1)] == labels[test]
        for p, (_, test) in zip(held_out, splits, strict=True)
    ]
    return np.concatenate(right).mean()


# ---- converged -------------------------------------------------------------------------------------


@pytest.mark.parametrize("width", [1, 12, 500])
def test_converged_is_scikit_learns_logistic_regression(width):
    X, labels = images(width)
    splits = folds(labels, n_splits=5)
    (held_out,) = decode([X], labels, splits, decoder=CONVERGED)
    for ours, split in zip(held_out, splits, strict=True):
        np.testing.assert_allclose(ours, by_sklearn(X, labels, split), atol=2e-6)


def test_splits_of_different_sizes():
    X, labels = images(10, n=N + 3)
    splits = [*folds(labels, n_splits=7), *folds(labels, n_splits=3)]
    assert len({len(train) for train, _ in splits}) > 1
    (held_out,) = decode([X], labels, splits, decoder=CONVERGED)
    for ours, split in zip(held_out, splits, strict=True):
        np.testing.assert_allclose(ours, by_sklearn(X, labels, split), atol=2e-6)


def test_chunks_of_a_wide_layer_are_the_layer():
    X, labels = images(300)
    splits = folds(labels, n_splits=3)
    chunked, whole = decode(
        [lambda: iter(np.array_split(X, 7, axis=1)), X], labels, splits, decoder=CONVERGED
    )
    for a, b in zip(chunked, whole, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-9)


@pytest.mark.parametrize("width", [3, 400])
def test_a_silent_bin_gives_each_class_its_share(width):
    _, labels = images(3)
    splits = folds(labels, n_splits=3)
    (held_out,) = decode([np.full((N, width), 0.1)], labels, splits, decoder=CONVERGED)
    np.testing.assert_allclose(np.concatenate(held_out), 1 / CLASSES, atol=1e-8)


def test_a_feature_that_varies_over_held_out_images_only_says_nothing():
    X, labels = images(6)
    split = folds(labels, n_splits=4)[0]
    odd = np.zeros((N, 1))
    odd[split.test] = 1e6
    (with_it,) = decode([np.hstack([X, odd])], labels, [split], decoder=CONVERGED)
    np.testing.assert_allclose(with_it[0], by_sklearn(X, labels, split), atol=2e-6)


def test_bins_are_asked_for_a_few_at_a_time():
    X, labels = images(5)
    asked = []

    def bins():
        for k in range(20):
            asked.append(k)
            yield X

    made = decode(bins(), labels, folds(labels, n_splits=2), decoder=CONVERGED)
    next(made)
    assert 1 <= len(asked) <= 4


# ---- published -------------------------------------------------------------------------------------


def by_loop(X, labels, split, decoder, *, bin_number=0, split_number=0):
    """The published training of one decoder, written plainly with torch's own layer and optimizer."""
    names, codes = np.unique(labels, return_inverse=True)
    train, test = split
    scaler = StandardScaler().fit(X[train])
    z = torch.tensor(scaler.transform(X[train]), dtype=torch.float32)
    y = torch.tensor(codes[train])
    rng = np.random.default_rng(np.random.SeedSequence([decoder.seed, bin_number, split_number]))
    layer = torch.nn.Linear(X.shape[1], len(names))
    with torch.no_grad():
        layer.weight[:] = torch.from_numpy(
            initial_weights(rng, X.shape[1], len(names), kind=decoder.initializer).T
        )
        layer.bias[:] = 1.0
    optimizer = torch.optim.Adam(layer.parameters(), lr=decoder.learning_rate)
    for _ in range(decoder.epochs):
        order, total = torch.from_numpy(rng.permutation(len(train))), 0.0
        for rows in order.split(decoder.batch):
            size = sum((part**2).sum() for part in layer.parameters())
            loss = torch.nn.functional.cross_entropy(layer(z[rows]), y[rows])
            loss = loss + 0.5 * decoder.penalty * size
            total += loss.item() * len(rows)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        if total / len(train) < decoder.tolerance:
            break
    with torch.no_grad():
        held_out = torch.tensor(scaler.transform(X[test]), dtype=torch.float32)
        return torch.softmax(layer(held_out), dim=1).numpy()


@pytest.mark.parametrize("initializer", ["glorot_uniform", "truncated_normal"])
def test_published_is_the_plain_training_of_each_bin_and_split(initializer):
    X, labels = images(20)
    splits = [*folds(labels, n_splits=3), *folds(labels, n_splits=7)]
    decoder = Decoder(initializer=initializer, learning_rate=1e-3, seed=3)
    made = list(decode([X, X[::-1]], labels, splits, decoder=decoder))
    for b, features in enumerate((X, X[::-1])):
        for k, split in enumerate(splits):
            plain = by_loop(features, labels, split, decoder, bin_number=b, split_number=k)
            np.testing.assert_allclose(made[b][k], plain, atol=2e-5)


def test_training_ends_where_the_loss_is_small_enough():
    X, labels = images(20, signal=5.0)
    splits = folds(labels, n_splits=3)
    early = Decoder(learning_rate=1e-2, penalty=1e-9, tolerance=0.5)
    for k, (split, ours) in enumerate(
        zip(splits, next(decode([X], labels, splits, decoder=early)), strict=True)
    ):
        np.testing.assert_allclose(
            ours, by_loop(X, labels, split, early, split_number=k), atol=2e-5
        )
    never = Decoder(learning_rate=1e-2, penalty=1e-9, tolerance=0.0)
    (longer,) = decode([X], labels, splits, decoder=never)
    assert np.abs(longer[0] - by_loop(X, labels, splits[0], early)).max() > 0.05


def test_how_many_bins_are_trained_together_does_not_matter(monkeypatch):
    X, labels = images(8)
    splits = folds(labels, n_splits=2)
    bins = [X, X + 1, 2 * X, X[:, ::-1]]
    decoder = Decoder(epochs=2)
    together = list(decode(bins, labels, splits, decoder=decoder))
    monkeypatch.setattr(ost_decoder, "GROUP_BYTES", 1.0)
    for a, b in zip(together, decode(bins, labels, splits, decoder=decoder), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


@BOTH
def test_bins_may_have_different_numbers_of_features(decoder):
    X, labels = images(8)
    splits = folds(labels, n_splits=2)
    mixed = list(decode([X, X[:, :3], X], labels, splits, decoder=decoder))
    for width, places in ((8, [0, 2]), (3, [1])):
        alike = list(decode([X[:, :width]] * 3, labels, splits, decoder=decoder))
        for k in places:
            np.testing.assert_allclose(mixed[k], alike[k], atol=1e-6)


def test_a_long_training_ends_at_the_minimum_of_its_loss():
    """The bias is penalized there, as a weight of a constant feature, and free in `converged`."""
    X, labels = images(10)
    train, test = split = folds(labels, n_splits=3)[0]
    slow = Decoder(epochs=1500, learning_rate=3e-3, batch=N)
    (trained,), (minimum,) = (
        list(decode([X], labels, [split], decoder=decoder)) for decoder in (slow, CONVERGED)
    )
    scaler = StandardScaler().fit(X[train])
    z, asked = (np.column_stack([scaler.transform(X[k]), np.ones(len(k))]) for k in (train, test))
    fit = LogisticRegression(C=1 / (PENALTY * len(train)), fit_intercept=False, tol=1e-10)
    np.testing.assert_allclose(
        trained[0], fit.fit(z, labels[train]).predict_proba(asked), atol=1e-4
    )
    assert 1e-3 < np.abs(trained[0] - minimum[0]).max() < 0.05


def test_320_images_are_too_few_for_the_published_schedule():
    """Eight classes that the minimum of the loss tells apart without an error."""
    rng = np.random.default_rng(0)
    labels = np.arange(320) % 8
    X = rng.standard_normal((8, 96))[labels] + 0.5 * rng.standard_normal((320, 96))
    splits = folds(labels)
    (published,), (converged,) = (
        list(decode([X], labels, splits, decoder=decoder)) for decoder in (Decoder(), CONVERGED)
    )
    assert accuracy(converged, labels, splits) == 1.0
    assert accuracy(published, labels, splits) < 0.4


def test_initial_weights():
    rng = np.random.default_rng(0)
    uniform = initial_weights(rng, 200, 10, kind="glorot_uniform")
    assert np.abs(uniform).max() <= np.sqrt(6 / 210)
    assert uniform.std() == pytest.approx(np.sqrt(2 / 210), rel=0.05)
    normal = initial_weights(rng, 200, 10, kind="truncated_normal")
    assert normal.std() == pytest.approx(np.sqrt(1 / 200), rel=0.05)
    assert np.abs(normal).max() <= 2 * np.sqrt(1 / 200) / 0.8796


# ---- bad input -------------------------------------------------------------------------------------


@BOTH
def test_one_class(decoder):
    X, _ = images(4)
    with pytest.raises(InputError, match="cat"):
        decode([X], ["cat"] * N, [(np.arange(60), np.arange(60, N))], decoder=decoder)


@BOTH
def test_no_splits(decoder):
    X, labels = images(4)
    with pytest.raises(InputError, match="no splits"):
        decode([X], labels, [], decoder=decoder)


@BOTH
def test_a_class_that_is_missing_from_a_split_is_named(decoder):
    X, labels = images(4)
    train = np.flatnonzero(labels != "dog")[:50]
    with pytest.raises(InputError, match="class dog"):
        decode([X], labels, [(train, np.flatnonzero(labels == "dog"))], decoder=decoder)


def test_random_splits_of_few_images_miss_a_class():
    X, _ = images(4, n=8)
    splits = brainscore([f"im{k}" for k in range(8)])
    labels = np.where(np.arange(8) == splits[0].test[0], "a", "b")
    with pytest.raises(InputError, match="class a"):
        decode([X], labels, splits, decoder=CONVERGED)


@BOTH
def test_an_image_in_both_parts(decoder):
    X, labels = images(4)
    with pytest.raises(InputError, match=r"\b1\b.*\b79\b"):
        decode([X], labels, [(np.arange(80), np.arange(79, N))], decoder=decoder)


@BOTH
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_features_that_are_not_finite(decoder, bad):
    X, labels = images(4)
    X[3, 2] = bad
    with pytest.raises(InputError, match=rf"{bad}\b.*feature 2\b.*row 3\b"):
        list(decode([X], labels, folds(labels), decoder=decoder))


@BOTH
def test_labels_of_other_images(decoder):
    X, labels = images(4)
    with pytest.raises(InputError, match=r"\b120\b.*\b80\b"):
        list(decode([X], labels[:80], folds(labels[:80]), decoder=decoder))


def test_options_that_do_not_exist():
    with pytest.raises(UnknownNameError, match="published"):
        Decoder(name="convergent")
    with pytest.raises(UnknownNameError, match="glorot_uniform"):
        Decoder(initializer="xavier")
    with pytest.raises(InputError, match="epochs=0"):
        Decoder(epochs=0)


def test_a_minimum_needs_a_penalty_and_finite_features():
    X = np.zeros((1, 4, 2))
    with pytest.raises(InputError, match=r"\b0\b"):
        minimize(X, np.zeros((1, 4), dtype=int), n_classes=2, penalty=0)
    X[0, 1, 1] = np.nan
    with pytest.raises(InputError, match=r"\b1\b.*\b1\b"):
        minimize(X, np.zeros((1, 4), dtype=int), n_classes=2, penalty=1)
