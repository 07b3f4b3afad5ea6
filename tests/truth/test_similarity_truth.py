"""RSA and CKA on data whose truth is known."""

import numpy as np
import pytest
from scipy.stats import ortho_group

from brainbench.metrics.similarity.cka import cka
from brainbench.metrics.similarity.rdm import rdm
from brainbench.metrics.similarity.rsa import compare, noise_ceiling
from brainbench.stats.ceiling import half_means, spearman_brown


def test_cka_and_rsa_of_a_rotation_are_one():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((60, 40)) * np.geomspace(1, 0.05, 40)
    turned = 3 * X @ ortho_group.rvs(40, random_state=0)
    for unbiased in (True, False):
        assert cka(X, turned, unbiased=unbiased) == pytest.approx(1, abs=1e-12)
    for distance in ("euclidean", "cosine"):
        same = compare(rdm(X, distance=distance), rdm(turned, distance=distance))
        assert same == pytest.approx(1, abs=1e-12)


def test_unrelated_features_are_zero_for_the_unbiased_estimate_only():
    """With p features of n stimuli at random the biased estimate is about p/(p + n), not 0."""
    rng = np.random.default_rng(0)
    n, p = 40, 400
    drawn = [(rng.standard_normal((n, p)), rng.standard_normal((n, p))) for _ in range(40)]
    biased = np.mean([cka(x, y, unbiased=False) for x, y in drawn])
    assert biased == pytest.approx(p / (p + n), abs=0.02)
    signal = rng.standard_normal((n, 3))  # something to be related to, on one side each

    def with_signal(noise, part):
        return np.hstack([noise / np.sqrt(p), signal[:, part]])

    mixed = [cka(with_signal(x, [0]), with_signal(y, [1])) for x, y in drawn]
    expected = cka(signal[:, [0]], signal[:, [1]])
    assert np.mean(mixed) == pytest.approx(expected, abs=0.03)
    shuffled = [cka(x[:, :3], x[rng.permutation(n), :3]) for x, _ in drawn]
    assert abs(np.mean(shuffled)) < 0.02


def test_unbiased_cka_of_a_shared_part_is_its_share():
    """X = [S, A], Y = [S, B] with independent unit columns: CKA is the shared share of columns."""
    rng = np.random.default_rng(1)
    values = []
    for _ in range(20):
        shared, one, other = (rng.standard_normal((300, k)) for k in (10, 30, 30))
        values.append(cka(np.hstack([shared, one]), np.hstack([shared, other])))
    assert np.mean(values) == pytest.approx(10 / 40, abs=0.01)


def test_the_true_model_lies_between_the_bounds_of_the_noise_ceiling():
    rng = np.random.default_rng(2)
    truth = rdm(rng.standard_normal((40, 100)))
    subjects = truth + 0.2 * rng.standard_normal((8, len(truth)))
    bounds = noise_ceiling(subjects)
    reached = np.mean([compare(truth, one) for one in subjects])
    assert bounds.lower < reached < bounds.upper
    assert compare(truth, rng.permutation(truth)) == pytest.approx(0, abs=0.08)


def likenesses(x, y):
    return np.array([compare(rdm(x), rdm(y)), cka(x, y), cka(x, y, unbiased=False)])


@pytest.mark.parametrize(("noise", "tolerance"), [(1.0, 0.003), (2.0, 0.01), (4.0, 0.05)])
def test_a_model_without_error_reaches_the_root_of_the_ceiling(noise, tolerance):
    """Spearman-Brown holds for inner products nearly as for responses, a little less where noise rules."""
    rng = np.random.default_rng(0)
    values, ceilings = [], []
    for _ in range(10):
        latent = rng.standard_normal((100, 10))
        signal = latent @ rng.standard_normal((10, 60)) / np.sqrt(10)
        trials = signal + noise * rng.standard_normal((20, 100, 60))
        values.append(likenesses(signal, trials.mean(axis=0)))
        halves = zip(*half_means(trials, n_splits=3), strict=True)
        ceilings.append(np.mean([spearman_brown(likenesses(*half)) for half in halves], axis=0))
    value, c = np.mean(values, axis=0), np.mean(ceilings, axis=0)
    np.testing.assert_allclose(value / np.sqrt(c), 1.0, atol=tolerance)
    assert (c < 0.99).all()
