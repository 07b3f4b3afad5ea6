"""92 object images as published: import, what the RDMs must show, and scores."""

import json
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from brainbench import load_benchmark, load_model
from brainbench.core.settings import Settings
from brainbench.data.manifest import open_dataset
from brainbench.metrics.similarity.rsa import compare, noise_ceiling
from brainbench.scoring.pipeline import score as score_model

DATA_SET, MATERIAL = "Kriegeskorte2008", "data/kriegeskorte92"
IDENTIFIER = "Kriegeskorte2008.IT-rsa"


@pytest.fixture
def rdms(here):
    data = open_dataset("Kriegeskorte2008")
    return {
        region: data.dissimilarities(region).values for region in ("IT", "human IT", "judgements")
    }


def test_without_the_data_the_command_is_named(call, away, tmp_path):
    status, out, _ = call("score", "-m", "pixels", "-b", IDENTIFIER, "-o", tmp_path / "results")
    assert status == 1  # nothing has a value
    assert "not here" in out
    assert "brainbench data fetch Kriegeskorte2008" in out
    _, out, _ = call("show", "Kriegeskorte2008")
    assert "copyright of the images is not stated" in out


def test_command_imports(call, published, tmp_path, monkeypatch):
    monkeypatch.setenv("BRAINBENCH_DATA", str(tmp_path))
    status, out, _ = call("data", "import", "Kriegeskorte2008", "--from", published, "--quiet")
    assert status == 0
    assert out.startswith(f"Kriegeskorte2008 is here: {tmp_path}")


def test_images_and_sizes(here, rdms):
    shown = open_dataset("Kriegeskorte2008").stimuli()
    assert len(shown) == 92
    assert shown.picture(0).shape == (175, 175, 3)
    assert shown.metadata["animal"].sum() == 48  # 24 human, 24 not human
    assert {region: len(one) for region, one in rdms.items()} == {
        "IT": 1,
        "human IT": 4,
        "judgements": 16,
    }
    assert {one.shape[1] for one in rdms.values()} == {92 * 91 // 2}


def test_what_the_readme_of_the_material_says(rdms):
    """Spearman: monkey with human IT .44; between judges .34; between brains .27; judged with monkey .39."""
    (monkey,), human, judged = rdms["IT"], rdms["human IT"], rdms["judgements"]
    assert compare(monkey, human.mean(axis=0)) == pytest.approx(0.44, abs=0.005)
    assert compare(monkey, judged.mean(axis=0)) == pytest.approx(0.39, abs=0.005)
    for several, expected in ((judged, 0.34), (human, 0.27)):
        between = np.mean([compare(a, b) for a, b in combinations(several, 2)])
        assert between == pytest.approx(expected, abs=0.005)
        bounds = noise_ceiling(several)
        assert between < bounds.lower < bounds.upper


def test_animals_are_apart_from_things_in_monkey_it(rdms):
    animal = open_dataset("Kriegeskorte2008").stimuli().metadata["animal"].to_numpy()
    one, other = np.triu_indices(92, k=1)
    across = (animal[one] != animal[other]).astype(float)
    assert compare(rdms["IT"][0], across) > 0.3
    rng = np.random.default_rng(0)
    mixed = rng.permutation(animal)
    assert abs(compare(rdms["IT"][0], (mixed[one] != mixed[other]).astype(float))) < 0.1


def test_score_of_pixels(call, here, tmp_path, cache_folder):
    status, out, _ = call(
        "score", "-m", "pixels", "-b", IDENTIFIER, "-o", tmp_path / "results", "--format", "json",
        "-q",
    )  # fmt: skip
    assert status == 0
    (score,) = json.loads(out)
    assert (score["n_units"], score["n_stimuli"], score["ceiling"]) == (1, 92, None)
    assert 0 < score["ci"][0] < score["value"] < 0.2
    stored = json.loads(Path(score["file"]).read_text())
    assert stored["figures"]["human IT"]["mean_to_IT"] == pytest.approx(0.4389, abs=1e-3)
    assert stored["figures"]["judgements"]["mean_to_IT"] == pytest.approx(0.3944, abs=1e-3)
    assert score["record"]["choices"]["ceiling"].startswith("none: one RDM")


@pytest.mark.slow
def test_network_trained_on_photographs_beats_pixels(here, cache_folder):
    pytest.importorskip("efficientnet_lite_pytorch", reason="the extra zoo is not installed")
    benchmark = load_benchmark(IDENTIFIER)
    settings = Settings(layers={"IT": "_blocks.13"})
    network = score_model(benchmark, load_model("efficientnet_lite0"), settings)
    pixels = score_model(benchmark, load_model("pixels"))
    assert network.value > pixels.value + 0.2
    assert network.ci[0] > pixels.ci[1]
    for region in ("human IT", "judgements"):
        figures = network.figures[region]
        assert figures["model"] > pixels.figures[region]["model"] + 0.1
        assert figures["model"] < figures["noise_ceiling"]["upper"]
