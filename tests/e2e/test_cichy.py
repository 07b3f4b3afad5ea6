"""RDMs of 15 people as published: import, what they must show, and scores."""

import json

import numpy as np
import pytest
from scipy.io import loadmat
from scipy.spatial.distance import squareform

from brainbench import load_benchmark, load_model
from brainbench.core.model import layers_of
from brainbench.core.settings import Settings
from brainbench.data.manifest import open_dataset
from brainbench.metrics.similarity.rsa import compare, noise_ceiling
from brainbench.scoring.pipeline import score as score_model
from brainbench_models.pixels import pixels

DATA_SET, MATERIAL = "Cichy2014", "data/cichy2014_92"


@pytest.fixture
def rdms(here):
    return {
        region: open_dataset("Cichy2014").dissimilarities(region).values for region in ("EVC", "IT")
    }


def test_without_the_data_the_command_is_named(call, away, tmp_path):
    status, out, _ = call("score", "-m", "pixels", "-b", "Cichy2014*", "-o", tmp_path / "results")
    assert status == 1  # nothing has a value
    assert "brainbench data fetch Cichy2014" in out


@pytest.mark.parametrize(("region", "bounds"), [("EVC", (0.242, 0.392)), ("IT", (0.453, 0.542))])
def test_noise_ceilings_are_those_that_others_computed(rdms, region, bounds):
    found = noise_ceiling(rdms[region])
    assert (found.lower, found.upper) == pytest.approx(bounds, abs=5e-4)


def test_human_it_is_that_of_an_older_study(rdms, shared):
    """Spearman with human IT of Kriegeskorte et al. 2008: IT .557, EVC .132."""
    file = shared("data/kriegeskorte92/92_brainRDMs.mat")
    scanned = loadmat(file, squeeze_me=True, struct_as_record=False)["RDMs"].ravel()
    older = np.mean([squareform(one.RDM) for one in scanned], axis=0)
    for region, expected in (("IT", 0.557), ("EVC", 0.132)):
        assert compare(rdms[region].mean(axis=0), older) == pytest.approx(expected, abs=5e-4)


def test_score_of_a_part(call, here, tmp_path, cache_folder):
    status, out, _ = call(
        "score", "-m", "pixels", "-b", "Cichy2014.IT-rsa", "--limit", 20,
        "-o", tmp_path / "results", "--format", "json", "-q",
    )  # fmt: skip
    assert status == 0
    (score,) = json.loads(out)
    assert (score["n_stimuli"], score["n_units"], score["partial"]) == (20, 15, True)
    assert "jackknife of 15 people" in score["figures"]["over_animals"]["ci_method"]
    assert score["ci"][0] < score["value"] < score["ci"][1]


@pytest.mark.slow
def test_scores_of_pixels(here, cache_folder):
    early, late = (
        score_model(load_benchmark(f"Cichy2014.{region}-rsa"), pixels(size=32))
        for region in ("EVC", "IT")
    )
    assert early.n_units == late.n_units == 15
    assert early.ceiling == pytest.approx(0.242, abs=5e-4)
    assert late.ceiling == pytest.approx(0.453, abs=5e-4)
    assert late.figures["noise_ceiling"]["upper"] == pytest.approx(0.542, abs=5e-4)
    assert 0 < late.value < early.value < early.ceiling  # pixels are nearer to early cortex


def test_layers_of_v1_stand_for_early_visual_cortex():
    network = load_model("gabor")
    assert layers_of(network, "EVC", Settings()) == layers_of(network, "V1", Settings())
    assert layers_of(network, "EVC", Settings(layers={"EVC": "other"})) == ("other",)
