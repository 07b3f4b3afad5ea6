import numpy as np
import pytest

from brainbench.errors import InputError
from brainbench.metrics.correlation import pearson
from brainbench.metrics.gram import gram
from brainbench.metrics.pls import cross_predict
from brainbench.stats.aggregate import aggregate
from brainbench.stats.permutation import p_value, shuffle_images
from brainbench.stats.splits import paper


def test_shuffled_images_score_zero_and_real_ones_do_not():
    rng = np.random.default_rng(0)
    latent = rng.standard_normal((120, 8))
    X = latent @ rng.standard_normal((8, 200)) + rng.standard_normal((120, 200))
    Y = latent @ rng.standard_normal((8, 12)) + rng.standard_normal((120, 12))
    folds = paper([f"image{i:03d}" for i in range(120)])
    K = gram(X)

    def score(responses):
        held_out = cross_predict(K, responses, folds, n_components=5)
        r = [pearson(p, responses[f.test]) for p, f in zip(held_out, folds, strict=True)]
        return aggregate(np.stack(r)).value

    draws = shuffle_images(Y, score, n_draws=60)
    observed = score(Y)
    assert abs(draws.mean()) < 4 * draws.std() / np.sqrt(60)
    assert observed > 10 * draws.std()
    assert p_value(observed, draws) == pytest.approx(1 / 61)


def test_all_neuroids_are_shuffled_alike_and_from_the_seed():
    Y = np.stack([np.arange(20), np.arange(20) * 2], axis=1)
    seen = []

    def score(responses):
        np.testing.assert_array_equal(responses[:, 1], 2 * responses[:, 0])
        assert sorted(responses[:, 0]) == list(range(20))
        seen.append(responses[:, 0].tolist())
        return 0.0

    for seed in (0, 0, 1):
        assert shuffle_images(Y, score, n_draws=2, seed=seed).tolist() == [0.0, 0.0]
    assert seen[:2] == seen[2:4]
    assert seen[0] != seen[1]
    assert seen[:2] != seen[4:]


def test_p_value_counts_the_observed_score():
    assert p_value(0.5, np.array([0.1, 0.5, 0.9])) == 0.75


def test_no_draws():
    with pytest.raises(InputError, match="n_draws = 0\n  allowed: 1 or more\n  next: ask for 100"):
        shuffle_images(np.zeros((3, 1)), lambda _: 0.0, n_draws=0)
