"""Cue-conflict images and answers as published: import, scores, and what they must show."""

import json
from pathlib import Path

import numpy as np
import pytest

from brainbench import load_benchmark, load_model
from brainbench.core.dataset import HasCategoryResponses
from brainbench.core.model import check_model
from brainbench.core.settings import Settings
from brainbench.data.manifest import open_dataset
from brainbench.metrics.behavior.error_consistency import mean_consistency
from brainbench.metrics.behavior.shape_bias import cue_answers, shape_bias, summed_cues
from brainbench.scoring.context import ModelRun, Run, RunContext
from brainbench.scoring.pipeline import score
from brainbench_models.pixels import pixels

DATA_SET, MATERIAL = "Geirhos2019", "data/cue_conflict_behaviour"
BENCHMARK = "Geirhos2019.cueconflict-choices"


def test_without_the_data_the_command_is_named(call, away, tmp_path):
    status, out, _ = call("score", "-m", "pixels", "-b", BENCHMARK, "-o", tmp_path / "results")
    assert status == 1  # nothing has a value
    assert "not here" in out
    assert "brainbench data fetch Geirhos2019" in out
    _, out, _ = call("show", "Geirhos2019")
    assert "CC-BY-4.0" in out
    assert "ccd0c01d42c0a8a834e90ec141e7f24fa915dc23" in out


def test_command_imports(call, published, tmp_path, monkeypatch):
    monkeypatch.setenv("BRAINBENCH_DATA", str(tmp_path))
    status, out, _ = call("data", "import", "Geirhos2019", "--from", published, "--quiet")
    assert status == 0
    assert out.startswith(f"Geirhos2019 is here: {tmp_path}")


def test_what_is_imported_is_what_was_published(here):
    """Ten answers to each of 1,280 images; 77.0 % of those to conflicts name the shape, 3.3 % the texture."""
    data = open_dataset("Geirhos2019")
    assert isinstance(data, HasCategoryResponses)
    shown, answers = data.stimuli(), data.category_responses()
    assert (len(shown), len(answers)) == (1280, 12800)
    assert shown.picture(0).shape == (224, 224, 3)
    columns = shown.metadata
    assert columns.groupby("object_name").exemplar.nunique().tolist() == [10] * 16
    told = answers.merge(columns, on="stimulus_id")
    assert (told.truth == told.object_name).all()
    conflict = told[told.object_name != told.texture]
    assert len(conflict) == 12000
    assert (conflict.choice == conflict.object_name).mean() == pytest.approx(0.770, abs=5e-4)
    assert (conflict.choice == conflict.texture).mean() == pytest.approx(0.033, abs=5e-4)
    assert (answers.choice == "").sum() == 131


def test_people_go_by_shape_as_published(here):
    """.96 in Geirhos et al. 2019: 9,244 answers by shape, 396 by texture."""
    data = open_dataset("Geirhos2019")
    shown = data.stimuli().metadata
    assert shown.groupby("texture").texture_exemplar.nunique().tolist() == [3] * 16
    benchmark = load_benchmark("Geirhos2019.cueconflict-shapebias")
    network = check_model(pixels(), name="pixels")
    context = RunContext(benchmark=benchmark, run=Run(Settings()), model_run=ModelRun(network))
    conflicts = benchmark.measure.target(context)
    assert len(conflicts.rows) == 1200
    cues = cue_answers(
        conflicts.answers.counts[:, conflicts.rows], conflicts.shape, conflicts.texture
    )
    people = shape_bias(summed_cues(cues))
    assert people[0] == pytest.approx(0.959, abs=5e-4)
    for train, test in conflicts.folds():
        assert len(train) >= 560
        for column in ("exemplar", "texture_exemplar"):
            assert not set(shown[column].iloc[train]) & set(shown[column].iloc[test])


def test_score_of_pixels_on_a_part(call, here, tmp_path, cache_folder):
    status, out, _ = call(
        "score", "-m", "pixels", "-b", BENCHMARK, "--limit", 320,
        "-o", tmp_path / "results", "--format", "json", "-q",
    )  # fmt: skip
    assert status == 0
    (scored,) = json.loads(out)
    assert (scored["n_stimuli"], scored["partial"]) == (320, True)
    assert abs(scored["value"]) < 0.12
    assert scored["ci"][0] < scored["value"] < scored["ci"][1]
    assert scored["ceiling"] == pytest.approx(0.64, abs=0.06)
    figures = json.loads(Path(scored["file"]).read_text())["figures"]
    lost = figures["answers_without_choice"] + figures["answers_of_categories_not_in_use"]
    assert figures["n_answers"] + lost == 3200
    assert figures["error_consistency_among_subjects"] == pytest.approx(0.33, abs=0.03)
    assert abs(figures["error_consistency"]) < 0.15
    assert scored["record"]["choices"]["held_out"].endswith("its exemplar left out too")


def test_no_photograph_lends_its_shape_to_both_sides(here, cache_folder):
    shown = open_dataset("Geirhos2019").stimuli()
    scored = score(load_benchmark(BENCHMARK), load_model("pixels"), Settings(limit=320))
    table = scored.predictions
    exemplar = dict(zip(shown.ids, shown.metadata["exemplar"], strict=True))
    folds = {}
    for image, fold in zip(table.stimulus_id.values, table.fold.values, strict=True):
        folds.setdefault(exemplar[image], set()).add(int(fold))
    assert max(map(len, folds.values())) == 1
    assert len(set.union(*folds.values())) >= 2


def test_i2n_has_no_figure_here(here):
    """Why the measure is another one: of the rates of single pairs, nine in ten are 0 or 1."""
    answers = open_dataset("Geirhos2019").category_responses()
    share = (
        answers[answers.choice != ""]
        .groupby(["stimulus_id", "choice"])
        .size()
        .unstack(fill_value=0)
    )
    truth = answers.groupby("stimulus_id").truth.first().reindex(share.index)
    own = np.array([share.loc[image, name] for image, name in truth.items()])[:, None]
    with np.errstate(invalid="ignore"):
        rate = own / (own + share.to_numpy(float))
    other = share.columns.to_numpy()[None] != truth.to_numpy()[:, None]
    assert np.isin(rate[other], [0.0, 1.0]).mean() > 0.85


def test_people_agree_as_brain_score_says(here):
    """.33105 is Brain-Score's figure for pairs of subjects on Geirhos2021cueconflict."""
    benchmark = load_benchmark("Geirhos2019.cueconflict-consistency")
    run = Run(Settings())
    context = RunContext(
        benchmark=benchmark, run=run, model_run=ModelRun(check_model(pixels(), name="pixels"))
    )
    target = benchmark.measure.target(context)
    reference = mean_consistency(target.pair_consistency(), rows=target.pairs)
    assert float(reference[0]) == pytest.approx(0.33105, abs=1e-5)


@pytest.mark.slow
def test_error_consistency_of_pixels(here, cache_folder):
    benchmark = load_benchmark("Geirhos2019.cueconflict-consistency")
    own, divided = (
        score(benchmark, pixels(size=32), Settings(protocol=protocol, limit=320))
        for protocol in ("paper", "brainscore")
    )
    assert own.ceiling is None
    assert own.figures["reference"] == divided.ceiling == pytest.approx(0.33, abs=0.03)
    assert own.ci[0] < own.value < own.ci[1] < own.figures["reference"]
    assert divided.value == pytest.approx(abs(own.value) / divided.ceiling)
    assert "images by exemplar and subjects" in own.ci_method


@pytest.mark.slow
def test_network_trained_on_photographs_beats_pixels(here, cache_folder):
    pytest.importorskip("efficientnet_lite_pytorch", reason="the extra zoo is not installed")
    benchmark, part = load_benchmark(BENCHMARK), Settings(limit=640, null="images")
    network = score(benchmark, load_model("efficientnet_lite0"), part)
    blind = score(benchmark, pixels(size=32), part)
    assert network.value > blind.value + 0.03
    assert network.ci[0] > 0
    assert network.value > network.null["mean"] + 4 * network.null["sd"]
