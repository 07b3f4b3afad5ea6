"""The score of a model's answers beside those of subjects who chose among all categories."""

from dataclasses import replace

import numpy as np
import pytest
from known import Known
from sklearn.metrics import cohen_kappa_score
from subjects import (
    STRONG,
    AnswerData,
    assert_refused,
    behavior_benchmark,
    category_answers,
    pictures,
)

from brainbench.core.model import BEHAVIOR
from brainbench.core.settings import Settings
from brainbench.data.arrays import ArrayData
from brainbench.metrics.behavior.choices import image_level
from brainbench.scoring.behavior.choices import CategoryChoices
from brainbench.scoring.pipeline import score
from brainbench.stats.bootstrap import image_counts
from brainbench.stats.ceiling import spearman_brown

CATEGORIES, EXEMPLARS, EACH, FEATURES, SUBJECTS = 4, 5, 6, 8, 8
N = CATEGORIES * EXEMPLARS * EACH


@pytest.fixture(scope="module")
def world():
    """Features, ids, categories and exemplars; subjects answer by a softmax of the same features."""
    rng = np.random.default_rng(4)
    truth = np.repeat(np.arange(CATEGORIES), EXEMPLARS * EACH)
    exemplar = np.repeat(np.arange(CATEGORIES * EXEMPLARS), EACH)
    means = 1.5 * rng.standard_normal((CATEGORIES, FEATURES))
    X = means[truth] + 0.8 * rng.standard_normal((CATEGORIES * EXEMPLARS, FEATURES))[exemplar]
    X = X + rng.standard_normal((N, FEATURES))
    logits = X @ means.T
    p = np.exp(logits - logits.max(axis=1, keepdims=True))
    names = np.array(["bear", "boat", "chair", "clock"])
    ids = [f"im{(7 * k) % N:03d}" for k in range(N)]
    return {
        "X": X,
        "p": p / p.sum(axis=1, keepdims=True),
        "ids": ids,
        "objects": names[truth],
        "exemplar": [f"e{k:02d}" for k in exemplar],
        "names": names,
    }


def table_of(world, *, n_subjects=SUBJECTS):
    return category_answers(world["p"], world["ids"], world["objects"], n_subjects=n_subjects)


@pytest.fixture(scope="module")
def data(world):
    shown = pictures(world["ids"], object_name=world["objects"], exemplar=world["exemplar"])
    return AnswerData(name="Known", pictures=shown, regions={}, table=table_of(world))


def benchmark(data, **options):
    measure = CategoryChoices(**{"readout": STRONG, "group": "exemplar", **options})
    return behavior_benchmark(data, measure)


def model_of(world, X=None):
    features = world["X"] if X is None else X
    return Known(
        responses={"top": features[:, :, None]}, ids=world["ids"], areas={BEHAVIOR: ["top"]}
    )


def correlation(scored, rows=slice(None)):
    """Correlation of the stored predictions with the answers, over some rows."""
    table = scored.predictions
    truth = np.searchsorted(table.choice.values, table.truth.values)
    return image_level(table.predicted.values[rows], table.target.values[rows], truth[rows])[0]


@pytest.fixture(scope="module")
def scored(world, data):
    return score(benchmark(data), model_of(world), Settings(formula="r/sqrt(c)"))


# --- figure and ceiling ---------------------------------------------------------------------------


def test_raw_figure_is_the_metric_of_the_predictions(scored):
    assert scored.raw == pytest.approx(correlation(scored))
    assert scored.value == pytest.approx(scored.raw / np.sqrt(scored.ceiling))


def test_known_truth(world, data, scored):
    """The subjects' own rule reaches the ceiling, a read-out of their features gets far, noise nowhere."""
    truth = np.searchsorted(world["names"], world["objects"])
    order = np.argsort(world["ids"])
    rule = image_level(world["p"][order], scored.predictions.target.values, truth[order])[0]
    assert rule / np.sqrt(scored.ceiling) == pytest.approx(1.0, abs=0.05)
    assert 0.45 < scored.value < rule / np.sqrt(scored.ceiling)
    noise = np.random.default_rng(1).standard_normal(world["X"].shape)
    blind = score(benchmark(data), model_of(world, noise))
    assert abs(blind.value) < 0.15
    assert blind.ci[0] < 0 < blind.ci[1]


def test_ceiling_predicts_that_of_more_subjects(world, data, scored):
    many = score(benchmark(replace(data, table=table_of(world, n_subjects=80))), model_of(world))
    single = scored.ceiling / (SUBJECTS - (SUBJECTS - 1) * scored.ceiling)
    assert many.ceiling == pytest.approx(80 * single / (1 + 79 * single), abs=0.03)
    assert spearman_brown(single) < scored.ceiling < many.ceiling


def test_perfect_subjects_give_a_reason(world, data):
    perfect = replace(data, table=data.table.assign(choice=data.table.truth))
    scored = score(benchmark(perfect), model_of(world))
    assert (scored.value, scored.raw) == (None, None)
    assert "within each category" in scored.reason


def test_figures(scored, data):
    figures = scored.figures
    assert figures["n_answers"] == len(data.table)
    assert figures["n_subjects"] == SUBJECTS
    right = data.table.pivot(index="subject", columns="stimulus_id", values="choice")
    truth = data.table.drop_duplicates("stimulus_id").set_index("stimulus_id").truth
    right = (right == truth[right.columns]).to_numpy()
    assert figures["accuracy_of_subjects"] == pytest.approx(right.mean())
    pairs = [cohen_kappa_score(right[a], right[b]) for a in range(SUBJECTS) for b in range(a)]
    assert figures["error_consistency_among_subjects"] == pytest.approx(np.mean(pairs))
    assert figures["error_consistency"] > 0.1
    assert scored.per_unit.dims == ("stimulus",)
    assert np.corrcoef(scored.per_unit, scored.per_unit.coords["observed"])[0, 1] > 0.4


# --- groups of images, and subjects ---------------------------------------------------------------


def test_exemplars_are_held_out_together(scored, world):
    table = scored.predictions
    exemplar = dict(zip(world["ids"], world["exemplar"], strict=True))
    folds = {}
    for image, fold in zip(table.stimulus_id.values, table.fold.values, strict=True):
        folds.setdefault(exemplar[image], set()).add(int(fold))
    assert max(map(len, folds.values())) == 1
    assert len(np.unique(table.fold)) == EXEMPLARS
    assert "exemplar" in scored.record.choices["held_out"]


def test_holding_exemplars_out_together_matters(world, data):
    """What an exemplar shares with its variants is no knowledge of the category."""
    rng = np.random.default_rng(5)
    order = np.unique(world["exemplar"], return_inverse=True)[1]
    only = rng.standard_normal((CATEGORIES * EXEMPLARS, 40))[order]
    grouped = score(benchmark(data), model_of(world, only))
    single = score(benchmark(data, group=None), model_of(world, only))
    assert grouped.figures["accuracy"] < 0.45
    assert single.figures["accuracy"] > 0.9


def test_images_of_one_exemplar_are_drawn_together(world, data):
    """An exemplar is a photograph: its variants are not independent images."""
    scored = score(benchmark(data), model_of(world), Settings(resample="images", seed=3))
    exemplar = dict(zip(world["ids"], world["exemplar"], strict=True))
    of_image = np.array([exemplar[image] for image in scored.predictions.stimulus_id.values])
    names = np.unique(of_image).tolist()
    drawn = []
    for counts in image_counts(names, n_draws=1000, seed=3).astype(int)[:5]:
        rows = [
            np.tile(np.flatnonzero(of_image == name), n)
            for name, n in zip(names, counts, strict=True)
        ]
        drawn.append(correlation(scored, np.concatenate(rows)))
    shift = scored.draws[:5] - drawn
    np.testing.assert_allclose(shift, shift[0], atol=1e-10)


@pytest.mark.parametrize(
    ("resample", "what"),
    [
        ("both", "images by exemplar and subjects"),
        ("images", "images by exemplar"),
        ("units", "subjects"),
    ],
)
def test_interval_says_what_was_drawn(world, data, resample, what):
    scored = score(benchmark(data), model_of(world), Settings(resample=resample))
    assert f" of {what}, " in scored.ci_method


@pytest.mark.parametrize("kind", ["images", "within-object"])
def test_null_exchanges_exemplars_whole(world, data, kind):
    grouped, single = (
        score(benchmark(data, group=group), model_of(world), Settings(null=kind, null_draws=50))
        for group in ("exemplar", None)
    )
    assert grouped.null["p"] == grouped.null["resolution"] == pytest.approx(1 / 51)
    assert abs(grouped.null["mean"]) < 0.05
    assert single.null["sd"] < grouped.null["sd"]
    assert "groups" in grouped.null["what"]
    assert "groups" not in single.null["what"]


def two_layers(world):
    noise = np.random.default_rng(9).standard_normal((N, FEATURES, 1))
    return Known(
        responses={"noise": noise, "top": world["X"][:, :, None]},
        ids=world["ids"],
        areas={BEHAVIOR: ["noise", "top"]},
    )


def test_layer_is_selected_inside_the_training_images(world, data):
    selection = score(benchmark(data), two_layers(world)).selection
    assert selection.layer == "top"
    assert [row["chosen_in_folds"] for row in selection.curve] == [0, EXEMPLARS]


# --- answers that are missing -----------------------------------------------------------------------


def test_a_category_without_an_answer(world, data):
    """Nothing observed in it, and no warning."""
    table = data.table.copy()
    table.loc[table.truth == "boat", "choice"] = ""
    scored = score(benchmark(replace(data, table=table)), model_of(world))
    boats = scored.per_unit.coords["object_name"].values == "boat"
    assert np.isnan(scored.per_unit.coords["observed"].values[boats]).all()
    assert np.isfinite(scored.per_unit.coords["observed"].values[~boats]).all()
    assert np.isfinite(scored.per_unit.values).all()
    assert scored.n_excluded == boats.sum()


@pytest.mark.parametrize("nothing", ["", None, np.nan])
def test_answers_that_were_not_given_are_counted(world, data, nothing):
    table = data.table.copy()
    table.loc[table.stimulus_id == "im000", "choice"] = nothing
    scored = score(benchmark(replace(data, table=table)), model_of(world))
    assert scored.figures["answers_without_choice"] == SUBJECTS
    assert scored.excluded == {"no answer": 1}
    assert scored.n_units == N - 1


def test_answers_of_categories_not_in_use_are_not_missing_answers(world, data):
    """Under a limit, a category may have no image: naming it is an answer all the same."""
    limit = Settings(limit=40)
    limited = score(benchmark(data, group=None), model_of(world), limit)
    assert (limited.partial, limited.n_stimuli) == (True, 40)
    assert limited.figures["n_answers"] == 40 * SUBJECTS
    silent, spoon = limited.predictions.stimulus_id.values[:2]
    table = data.table.copy()
    table.loc[table.stimulus_id == silent, "choice"] = ""
    table.loc[table.stimulus_id == spoon, "choice"] = "spoon"
    scored = score(benchmark(replace(data, table=table), group=None), model_of(world), limit)
    assert scored.figures["answers_without_choice"] == SUBJECTS
    assert scored.figures["answers_of_categories_not_in_use"] == SUBJECTS
    assert scored.figures["n_answers"] == 38 * SUBJECTS
    assert limited.figures["answers_of_categories_not_in_use"] == 0


# --- bad input ------------------------------------------------------------------------------------


def test_bad_data(world, data):
    model, table = model_of(world), data.table
    silent = ArrayData(name="Silent", pictures=data.pictures, regions={})
    assert_refused(benchmark(silent), model, "Silent", "Known.behavior", "category_responses()")
    for column, value in (("stimulus_id", "im999"), ("choice", "spoon")):
        other = table.copy()
        other.loc[0, column] = value
        assert_refused(benchmark(replace(data, table=other)), model, column, value)
    for column in ("subject", "truth"):
        narrow = replace(data, table=table.drop(columns=column))
        assert_refused(benchmark(narrow), model, f"columns {column}")
    mute = replace(data, table=table.assign(choice=""))
    assert_refused(benchmark(mute), model, "[0, 0, 0]")
    assert_refused(benchmark(data, group="pose"), model, "pose")


@pytest.mark.parametrize("column", ["stimulus_id", "truth", "subject"])
@pytest.mark.parametrize("limit", [None, 40])
def test_answers_with_a_name_missing(world, data, column, limit):
    table = data.table.copy()
    table.loc[::5, column] = np.nan
    gaps = benchmark(replace(data, table=table), group=None)
    counts = len(table.iloc[::5]), len(table)
    settings = Settings(limit=limit)
    assert_refused(gaps, model_of(world), column, *counts, "row 0", settings=settings)


def test_answers_that_contradict_the_stimuli(world, data):
    table = data.table.assign(truth=data.table.truth.to_numpy()[::-1])
    wrong = (table.truth != data.table.truth).sum()
    contradicting = benchmark(replace(data, table=table))
    assert_refused(contradicting, model_of(world), wrong, len(table), "truth")
