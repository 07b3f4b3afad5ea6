"""Sites: sparse positive read-outs, exact reliabilities, and bad requests."""

import numpy as np
import pytest
from closed_form import reliability_of

from brainbench.core.errors import InputError, UnknownNameError
from brainbench.simulate import sites


@pytest.fixture(scope="module")
def population():
    return np.random.default_rng(0).gamma(2.0, 0.3, size=(50, 96, 25))


@pytest.mark.parametrize(("region", "n"), [("V1", 40), ("V2", 40), ("V4", 64), ("IT", 96)])
def test_default_sites_are_sparse_and_positive(region, n):
    drawn = sites.draw_sites(region)
    assert drawn.weights.shape == (n, 96)
    assert (drawn.weights >= 0.0).all()
    used = (drawn.weights > 0.0).sum(axis=1)
    assert used.min() >= 2
    assert used.max() <= 5
    assert ((drawn.reliability >= 0.65) & (drawn.reliability <= 0.94)).all()
    np.testing.assert_allclose(drawn.known_ceiling**2, drawn.reliability)


def test_reliability_is_the_chosen_one(population):
    drawn = sites.draw_sites("V4", seed=2)
    expected = sites.expected_counts(sites.calibrate(drawn, population), population)
    np.testing.assert_allclose(reliability_of(expected), drawn.reliability, rtol=1e-12)
    window = expected[:, :, 7:17].mean(axis=2)
    # The variance over n stimuli with ddof 0 holds (1 - 1/n) of the noise: with that, the general
    # formula agrees to the last digits.
    noise = window / (10 * sites.TRIALS) * (1.0 - 1.0 / len(window))
    ceiling = np.sqrt(window.var(axis=0) / (window.var(axis=0) + noise.mean(axis=0)))
    np.testing.assert_allclose(ceiling, drawn.known_ceiling, rtol=1e-12)


def test_expected_counts_are_positive_and_linear_in_the_population(population):
    readout = sites.calibrate(sites.draw_sites("IT", n_sites=5), population)
    expected = sites.expected_counts(readout, population)
    assert (expected > 0.0).all()
    doubled = sites.expected_counts(readout, 2.0 * population)
    rest = readout.gain * readout.spontaneous
    np.testing.assert_allclose(doubled - rest[:, None], 2.0 * (expected - rest[:, None]), rtol=1e-9)


def test_counts_are_poisson(population):
    readout = sites.calibrate(sites.draw_sites("IT", n_sites=4), population[:10])
    expected = sites.expected_counts(readout, population[:10])
    counts = sites.draw_trials(expected, region="IT", n_trials=4000).astype(float)
    error = np.sqrt(expected / 4000)
    assert np.abs((counts.mean(axis=0) - expected) / error).max() < 5.0
    fano = counts.var(axis=0) / expected
    assert abs(fano.mean() - 1.0) < 0.01


def test_more_trials_leave_the_first_ones(population):
    expected = np.full((3, 2, 25), 0.5)
    few = sites.draw_trials(expected, region="V1", n_trials=2)
    many = sites.draw_trials(expected, region="V1", n_trials=5, workers=1)
    np.testing.assert_array_equal(few, many[:2])
    other = sites.draw_trials(expected, region="V2", n_trials=2)
    assert not np.array_equal(few, other)


def test_counts_take_one_byte_where_that_is_enough():
    low, high = np.full((2, 2, 25), 1.0), np.full((2, 2, 25), 400.0)
    assert sites.draw_trials(low, region="V1", n_trials=1).dtype == np.uint8
    assert sites.draw_trials(high, region="V1", n_trials=1).dtype == np.uint16


def test_unknown_region_is_named():
    with pytest.raises(UnknownNameError, match=r"'V5'(.|\n)*V4"):
        sites.draw_sites("V5")


def test_no_site_is_an_error():
    with pytest.raises(InputError, match="0 sites"):
        sites.draw_sites("V1", n_sites=0)


@pytest.mark.parametrize("range_", [(0.0, 0.5), (0.5, 1.0), (0.8, 0.6)])
def test_impossible_reliability_is_an_error(range_):
    with pytest.raises(InputError, match=f"{range_[0]} to {range_[1]}"):
        sites.draw_sites("V1", reliability=range_)


@pytest.mark.parametrize("n", [1, 6])
def test_sites_that_do_not_vary_are_an_error(population, n):
    same = np.repeat(population[:1], n, axis=0)
    with pytest.raises(InputError, match=f"40 of 40 sites of V1 .* {n} "):
        sites.calibrate(sites.draw_sites("V1"), same)


def test_no_trials_is_an_error(population):
    drawn = sites.draw_sites("V1")
    expected = sites.expected_counts(sites.calibrate(drawn, population), population)
    for call in (
        lambda: sites.calibrate(drawn, population, n_trials=0),
        lambda: sites.draw_trials(expected, region="V1", n_trials=0),
    ):
        with pytest.raises(InputError, match="0 trials"):
            call()
