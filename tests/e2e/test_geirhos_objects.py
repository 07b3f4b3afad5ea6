"""Edges and silhouettes as published: import, what people answered, and scores."""

import json

import pytest

from brainbench import load_benchmark
from brainbench.core.model import check_model
from brainbench.core.settings import Settings
from brainbench.data.manifest import open_dataset
from brainbench.metrics.behavior.error_consistency import mean_consistency
from brainbench.scoring.context import ModelRun, Run, RunContext
from brainbench_models.pixels import pixels

MATERIAL = "data/geirhos2019_edges_silhouettes"
KINDS = ("edges", "silhouettes")


@pytest.fixture(scope="module")
def imported(published, tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BRAINBENCH_DATA", str(folder))
        for kind in KINDS:
            open_dataset(f"Geirhos2019{kind}").import_from(published)
    return folder


@pytest.mark.parametrize(("kind", "expected"), [("edges", 0.31844), ("silhouettes", 0.47571)])
def test_people_agree_as_brain_score_says(here, kind, expected):
    """Brain-Score's figures for pairs of subjects on Geirhos2021edge and Geirhos2021silhouette."""
    benchmark = load_benchmark(f"Geirhos2019{kind}.behavior-consistency")
    context = RunContext(
        benchmark=benchmark,
        run=Run(Settings()),
        model_run=ModelRun(check_model(pixels(), name="pixels")),
    )
    target = benchmark.measure.target(context)
    reference = mean_consistency(target.pair_consistency(), rows=target.pairs)
    assert float(reference[0]) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_sizes(here, kind):
    data = open_dataset(f"Geirhos2019{kind}")
    shown, answers = data.stimuli(), data.category_responses()
    assert (len(shown), len(answers)) == (160, 1600)
    assert shown.picture(0).shape == (224, 224, 3)
    assert shown.metadata["object_name"].value_counts().tolist() == [10] * 16


def test_without_the_data_the_command_is_named(call, away, tmp_path):
    status, out, _ = call(
        "score", "-m", "pixels", "-b", "Geirhos2019edges*", "-o", tmp_path / "results"
    )
    assert status == 1
    assert "brainbench data fetch Geirhos2019edges" in out


@pytest.mark.slow
def test_scores_of_pixels(call, here, tmp_path, cache_folder):
    status, out, _ = call(
        "score", "-m", "pixels", "-b", "Geirhos2019edges*,Geirhos2019silhouettes*",
        "-o", tmp_path / "results", "--format", "json", "-q",
    )  # fmt: skip
    assert status == 0
    scores = {score["benchmark"]: score for score in json.loads(out)}
    assert len(scores) == 4
    for kind, ceiling in (("edges", 0.657), ("silhouettes", 0.705)):
        choices = scores[f"Geirhos2019{kind}.behavior-choices"]
        assert choices["ceiling"] == pytest.approx(ceiling, abs=2e-3)
        assert -0.05 < choices["value"] < 0.2
        assert -0.05 < scores[f"Geirhos2019{kind}.behavior-consistency"]["value"] < 0.25
