"""Frames of films and V1 as published: import, known answers, curvature of the pixels, and scores."""

import numpy as np
import pytest

from brainbench import load_benchmark, load_model
from brainbench.core.settings import Settings
from brainbench.data.facts import facts_of
from brainbench.data.manifest import open_dataset
from brainbench.metrics.curvature.curvature import curvature
from brainbench.scoring.context import ModelRun, Run, RunContext
from brainbench.scoring.pipeline import score
from brainbench.stats.ceiling import split_half
from brainbench_models.pixels import pixels

DATA_SET, MATERIAL = "Henaff2021", "data/henaff2021_v1"


@pytest.fixture
def data(here):
    return open_dataset("Henaff2021")


def test_what_is_imported(data):
    shown, recorded = data.stimuli(), data.recordings("V1")
    assert len(shown) == len(set(shown.ids)) == 440
    assert shown.picture(0).shape == (512, 512, 3)
    assert shown.metadata.groupby("category").size().to_dict() == {
        "contrast": 40, "natural": 220, "synthetic": 180,
    }  # fmt: skip
    assert shown.metadata["group"].nunique() == 10
    assert dict(recorded.sizes) == {"repetition": 60, "stimulus": 440, "neuroid": 245}
    assert len(np.unique(recorded["session"])) == 6
    assert sorted(set(recorded["animal"].values.tolist())) == ["ay2", "ay3", "ay4", "ay5"]
    region = facts_of(data).regions["V1"]
    assert (region.sites, region.least_trials, region.trials) == (245, 24, 60)


def test_reliability_is_that_of_the_readme(data):
    """Spearman-Brown: median .75; 178 units above .5, 137 above .7, within what halves differ by."""
    trials = np.asarray(data.recordings("V1").values, dtype=np.float64)
    reliability = np.nanmean(split_half(trials), axis=0)
    assert np.nanmedian(reliability) == pytest.approx(0.75, abs=0.005)
    assert (reliability > 0.7).sum() == pytest.approx(137, abs=3)
    assert (reliability > 0.5).sum() == pytest.approx(178, abs=5)


def test_pixels_bend_as_the_authors_computed(data):
    """Another program's figures: mean 92.0 degrees of natural films, each as in the authors' table."""
    shown = data.stimuli()
    table = shown.metadata
    published = data.curvature_estimates().query("category == 'natural'")
    expected = published.groupby(["scale", "film"])["pixels"].first()
    assert expected.mean() == pytest.approx(92.0, abs=0.05)
    for (scale, film), degrees in expected.iloc[::4].items():
        frames = table[(table.scale == scale) & (table.film == film)]
        frames = frames[frames.category == "natural"]
        rows = frames.sort_values("frame").index
        flat = np.stack([shown.picture(row)[..., 0].ravel().astype(np.float64) for row in rows])
        assert curvature(flat) == pytest.approx(degrees, abs=1e-3)


@pytest.mark.slow
def test_films_are_held_out_as_wholes(data, cache_folder):
    benchmark = load_benchmark("Henaff2021.V1-ridge")
    context = RunContext(
        benchmark=benchmark, run=Run(Settings()), model_run=ModelRun(pixels(size=16))
    )
    measure = benchmark.measure
    target = measure.target(context)
    evaluation = measure.evaluate(context, target, measure.candidates(context, target))
    held_out = evaluation.report(evaluation.figure()).predictions
    film = dict(zip(data.stimuli().ids, data.stimuli().metadata["film"], strict=True))
    folds = {}
    for name, fold in zip(held_out.stimulus_id.values, held_out.fold.values, strict=True):
        folds.setdefault(film[name], set()).add(int(fold))
    assert len(folds) == 10
    assert max(map(len, folds.values())) == 1
    assert set.union(*folds.values()) == set(range(5))
    assert evaluation.figure().mean_raw() < 0.3  # random folds give .7: frames are near copies


def test_without_the_data_the_command_is_named(call, away, tmp_path):
    status, out, _ = call("score", "-m", "pixels", "-b", "Henaff2021*", "-o", tmp_path / "results")
    assert status == 1
    assert "brainbench data fetch Henaff2021" in out


@pytest.mark.slow
def test_curvature(data, cache_folder):
    scored = score(load_benchmark("Henaff2021.V1-curvature"), load_model("gabor"))
    figures = scored.figures
    assert (figures["films"], figures["films_compared"]) == (20, 19)
    assert figures["pixels"] == pytest.approx(91.98, abs=0.01)
    assert figures["trial_means_biased"] == pytest.approx(104.3, abs=0.1)  # the wrong sign
    assert figures["brain_change"] < -10
    assert figures["published"]["natural"]["estimates"] == 360
    assert 0.2 < scored.value < 0.95
    assert scored.ci_method.startswith("jackknife of 10 groups of images")
