"""Known truth of the default simulated brain: who reaches the ceiling, who stays below, who is at zero."""

import numpy as np
import pytest
from closed_form import reliability_of

from brainbench.core.assembly import average, time_average
from brainbench.metrics.correlation import pearson
from brainbench.metrics.gram import pca
from brainbench.metrics.linear.pls import cross_predict
from brainbench.simulate import network, sites
from brainbench.simulate.brain import SimulatedBrain
from brainbench.stats.ceiling import split_half
from brainbench.stats.permutation import shuffles
from brainbench.stats.splits import paper

pytestmark = pytest.mark.slow

WINDOW = (70.0, 170.0)
BINS = slice(7, 17)
BATCH = 16


@pytest.fixture(scope="module")
def brain(session_cache):
    return SimulatedBrain()


@pytest.fixture(scope="module")
def features(brain):
    """70-170 ms means of pixels, and of population and maps of V4 and IT."""
    shown = brain.stimuli()
    hidden = network.build_network(seed=0)
    found = {}
    for first in range(0, len(shown), BATCH):
        rows = range(first, min(first + BATCH, len(shown)))
        pictures = np.stack([shown.picture(index) for index in rows])
        blocks = pictures.reshape(len(pictures), 56, 4, 56, 4, 3).mean(axis=(2, 4))
        found.setdefault("pixels", []).append(blocks.reshape(len(pictures), -1))
        maps = network.respond(hidden, pictures)
        for region in ("V4", "IT"):
            pooled = network.pool(hidden, region, maps[region])
            for level, values in (("population", pooled), ("maps", maps[region])):
                mean = values[..., BINS].mean(axis=-1).reshape(len(pictures), -1)
                found.setdefault(f"{region} {level}", []).append(mean)
    return {name: np.concatenate(parts) for name, parts in found.items()}


def measured(brain, region):
    return average(time_average(brain.recordings(region), WINDOW)).values


def held_out(X, Y, brain):
    """Mean over folds of the held-out r of each site, protocol paper."""
    stimuli = brain.stimuli()
    folds = paper(stimuli.ids, stimuli.metadata["object_name"].to_numpy())
    predicted = cross_predict(pca(X, 1000), Y, folds, n_components=25)
    return np.mean(
        [pearson(p, Y[fold.test]) for p, fold in zip(predicted, folds, strict=True)], axis=0
    )


@pytest.mark.parametrize("region", network.REGIONS)
def test_known_ceiling_is_exact_for_the_stored_truth(brain, region):
    recorded = brain.recordings(region)
    closed_form = np.sqrt(reliability_of(brain.truth(region).values))
    np.testing.assert_allclose(closed_form, recorded.coords["known_ceiling"].values, rtol=1e-12)


@pytest.mark.parametrize("region", network.REGIONS)
def test_true_readout_reaches_the_ceiling_of_every_site(brain, region):
    """Within 2 % at every site, as a mean over 300 fresh sets of trials.

    One set alone scatters by more at some sites: the standard deviation of r over sets is up to
    about 2 % with 320 images. The counts of 20 trials and 10 bins add up to one Poisson count.
    """
    truth = brain.truth(region)
    spikes = truth.values[..., BINS].sum(axis=2) * sites.TRIALS
    rng = np.random.default_rng(1)
    r = np.array([pearson(rng.poisson(spikes), spikes) for _ in range(300)])
    ceiling = truth.coords["known_ceiling"].values
    np.testing.assert_allclose(r.mean(axis=0), ceiling, rtol=0.02)
    # The trials that are stored are one such set.
    stored = pearson(measured(brain, region), spikes)
    assert abs(np.median(stored / ceiling) - 1.0) < 0.02
    assert (np.abs(stored - r.mean(axis=0)) < 4.5 * r.std(axis=0)).all()


@pytest.mark.parametrize("region", network.REGIONS)
def test_split_half_ceiling_finds_the_reliability(brain, region):
    trials = time_average(brain.recordings(region), WINDOW)
    found = split_half(trials.values).mean(axis=0)
    truth = trials.coords["reliability"].values
    assert abs(np.median(found - truth)) < 0.02


@pytest.mark.parametrize("region", ["V4", "IT"])
def test_population_reaches_nine_tenths_and_the_rest_stays_below(brain, features, region):
    Y, ceiling = measured(brain, region), brain.truth(region).coords["known_ceiling"].values
    share = {
        name: float(np.median(held_out(X, Y, brain) / ceiling))
        for name, X in features.items()
        if name == "pixels" or name.startswith(region)
    }
    assert 0.9 <= share[f"{region} population"] <= 1.0
    assert share[f"{region} maps"] < share[f"{region} population"] - 0.03
    assert share["pixels"] < share[f"{region} maps"] - 0.3


def test_shuffled_images_score_zero_within_their_spread(brain, features):
    X, Y = features["IT population"], measured(brain, "IT")
    real = np.median(held_out(X, Y, brain))
    orders = shuffles(len(Y), n_draws=12)
    null = np.array([np.median(held_out(X, Y[order], brain)) for order in orders])
    assert abs(null.mean()) < 3.0 * null.std(ddof=1)
    assert real > null.mean() + 20.0 * null.std(ddof=1)


@pytest.mark.parametrize("region", network.REGIONS)
def test_rates_are_those_of_multi_unit_sites(brain, region):
    rates = 100.0 * brain.truth(region).values[..., BINS].mean(axis=(0, 2))
    assert rates.min() > 0.3
    assert rates.max() < 400.0
    assert 10.0 < np.median(rates) < 100.0
