"""The score of a model's answers beside those of subjects who chose among all categories."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import pytest
from known import Known
from sklearn.metrics import cohen_kappa_score

from brainbench.core import stimuli
from brainbench.core.benchmark import Benchmark
from brainbench.core.errors import InputError, NotApplicableError
from brainbench.core.model import BEHAVIOR
from brainbench.core.presentation import CONSTANT
from brainbench.core.settings import Settings
from brainbench.data.arrays import ArrayData
from brainbench.metrics.behavior.choices import image_level
from brainbench.metrics.classification.logistic_regression import ReadoutOptions
from brainbench.scoring.behavior.choices import CategoryChoices
from brainbench.scoring.pipeline import score
from brainbench.stats.bootstrap import image_counts
from brainbench.stats.ceiling import spearman_brown

CATEGORIES, EXEMPLARS, EACH, FEATURES, SUBJECTS = 4, 5, 6, 8, 8
N = CATEGORIES * EXEMPLARS * EACH

@dataclass(frozen=True, kw_only=True, eq=False)
class Answered(ArrayData):
    """Arrays with a table of answers."""

    table: pd.DataFrame

    def category_responses(self):
        return self.table


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


def table_of(world, *, n_subjects=SUBJECTS, seed=0):
    rng = np.random.default_rng(seed)
    p = world["p"]
    rows = [
        pd.DataFrame(
            {
                "stimulus_id": world["ids"],
                "truth": world["objects"],
                "choice": world["names"][(rng.random((N, 1)) > p.cumsum(axis=1)).sum(axis=1)],
                "subject": f"s{subject:02d}",
            }
        )
        for subject in range(n_subjects)
    ]
    return pd.concat(rows, ignore_index=True)


@pytest.fixture(scope="module")
def data(world):
    shown = stimuli.from_arrays(
        "known",
        np.random.default_rng(0).integers(0, 256, (N, 4, 4, 3), dtype=np.uint8),
        ids=world["ids"],
        metadata={"object_name": world["objects"], "exemplar": world["exemplar"]},
    )
    return Answered(name="Known", pictures=shown, regions={}, table=table_of(world))


def benchmark(data, **options):
    return Benchmark(
        identifier="Known.choices",
        version=1,
        data=data,
        region=BEHAVIOR,
        window=(70, 170),
        presentation=CONSTANT,
        measure=CategoryChoices(**{"readout": ReadoutOptions(C=0.1), "group": "exemplar", **options}),
        metric="r",
        ceiling="halves",
        citation="nobody",
    )


def model_of(world, X=None):
    features = world["X"] if X is None else X
    return Known(
        responses={"top": features[:, :, None]}, ids=world["ids"], areas={BEHAVIOR: ["top"]}
    )


@pytest.fixture(scope="module")
def scored(world, data):
    return score(benchmark(data), model_of(world), Settings(formula="r/sqrt(c)"))


def test_data_answers(data):
    assert isinstance(data, HasCategoryResponses)


def test_raw_figure_is_the_metric_of_the_predictions(scored):
    table = scored.predictions
    truth = np.searchsorted(table.choice.values, table.truth.values)
    assert scored.raw == pytest.approx(by_hand(table.predicted.values, table.target.values, truth))
    assert scored.value == pytest.approx(scored.raw / np.sqrt(scored.ceiling))
    assert scored.formula == "r/sqrt(c)-v1"


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


def test_ceiling_foretells_more_subjects(world, data, scored):
    many = score(benchmark(replace(data, table=table_of(world, n_subjects=80))), model_of(world))
    single = scored.ceiling / (SUBJECTS - (SUBJECTS - 1) * scored.ceiling)
    assert many.ceiling == pytest.approx(80 * single / (1 + 79 * single), abs=0.03)
    assert spearman_brown(single) < scored.ceiling < many.ceiling


def test_exemplars_are_held_out_together(scored, world):
    table = scored.predictions
    exemplar = dict(zip(world["ids"], world["exemplar"], strict=True))
    folds = {}
    for image, fold in zip(table.stimulus_id.values, table.fold.values, strict=True):
        folds.setdefault(exemplar[image], set()).add(int(fold))
    assert max(map(len, folds.values())) == 1
    assert len(np.unique(table.fold)) == EXEMPLARS
    assert scored.record.choices["held_out"].endswith("its exemplar left out too")


def test_leaving_exemplars_together_matters(world, data, scored):
    """What an exemplar shares with its variants is no knowledge of the category."""
    rng = np.random.default_rng(5)
    order = np.unique(world["exemplar"], return_inverse=True)[1]
    only = rng.standard_normal((CATEGORIES * EXEMPLARS, 40))[order]
    grouped = score(benchmark(data), model_of(world, only))
    loose = score(benchmark(data, group=None), model_of(world, only))
    assert grouped.figures["accuracy"] < 0.45
    assert loose.figures["accuracy"] > 0.9


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


@pytest.mark.parametrize("resample", ["both", "images", "units"])
def test_interval_says_what_was_drawn(world, data, resample):
    scored = score(benchmark(data), model_of(world), Settings(resample=resample))
    what = {"images": "images by exemplar", "units": "subjects"}
    what = what.get(resample, "images by exemplar and subjects")
    assert scored.ci_method.startswith(f"percentile bootstrap of {what}, read-out not refitted")
    assert scored.ci[0] < scored.value < scored.ci[1]
    assert len(scored.draws) == 1000


def test_draws_are_scores_of_the_drawn_images(world, data):
    scored = score(benchmark(data, group=None), model_of(world), Settings(resample="images", seed=3))
    assert scored.ci_method.startswith("percentile bootstrap of images, ")
    table = scored.predictions
    truth = np.searchsorted(table.choice.values, table.truth.values)
    counts = image_counts(table.stimulus_id.values.tolist(), n_draws=1000, seed=3).astype(int)
    drawn = []
    for count in counts[:5]:
        rows = np.repeat(np.arange(N), count)
        drawn.append(by_hand(table.predicted.values[rows], table.target.values[rows], truth[rows]))
    shift = scored.draws[:5] - drawn
    np.testing.assert_allclose(shift, shift[0], atol=1e-10)


def test_images_of_one_exemplar_are_drawn_together(world, data):
    """One exemplar is a photograph: its variants are no independent images."""
    scored = score(benchmark(data), model_of(world), Settings(resample="images", seed=3))
    table = scored.predictions
    truth = np.searchsorted(table.choice.values, table.truth.values)
    exemplar = dict(zip(world["ids"], world["exemplar"], strict=True))
    mine = np.array([exemplar[image] for image in table.stimulus_id.values])
    names = np.unique(mine).tolist()
    counts = image_counts(names, n_draws=1000, seed=3).astype(int)
    drawn = []
    for count in counts[:5]:
        rows = np.concatenate(
            [np.tile(np.flatnonzero(mine == name), n) for name, n in zip(names, count, strict=True)]
        )
        drawn.append(by_hand(table.predicted.values[rows], table.target.values[rows], truth[rows]))
    shift = scored.draws[:5] - drawn
    np.testing.assert_allclose(shift, shift[0], atol=1e-10)


@pytest.mark.parametrize("kind", ["images", "within-object"])
def test_null(world, data, kind):
    scored = score(benchmark(data), model_of(world), Settings(null=kind, null_draws=50))
    assert scored.null["p"] == scored.null["resolution"] == pytest.approx(1 / 51)
    assert abs(scored.null["mean"]) < 0.05
    loose = score(benchmark(data, group=None), model_of(world), Settings(null=kind, null_draws=50))
    assert loose.null["sd"] < scored.null["sd"]  # images of one exemplar are no independent images
    assert "exchanged whole" in scored.null["what"]
    assert "exchanged" not in loose.null["what"]


def test_layer_is_chosen_inside_the_training_images(world, data):
    noise = np.random.default_rng(9).standard_normal((N, FEATURES, 1))
    model = Known(
        responses={"noise": noise, "top": world["X"][:, :, None]},
        ids=world["ids"],
        areas={BEHAVIOR: ["noise", "top"]},
    )
    scored = score(benchmark(data), model)
    assert scored.selection.layer == "top"
    assert [row["chosen_in_folds"] for row in scored.selection.curve] == [0, EXEMPLARS]


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


def test_answers_of_categories_not_in_use_are_no_missing_answers(world, data):
    """Under a limit, a category may have no image: naming it is an answer all the same."""
    limited = score(benchmark(data, group=None), model_of(world), Settings(limit=40))
    silent, spoon = limited.predictions.stimulus_id.values[:2]
    table = data.table.copy()
    table.loc[table.stimulus_id == silent, "choice"] = ""
    table.loc[table.stimulus_id == spoon, "choice"] = "spoon"
    one = benchmark(replace(data, table=table), group=None)
    scored = score(one, model_of(world), Settings(limit=40))
    assert scored.figures["answers_without_choice"] == SUBJECTS
    assert scored.figures["answers_of_categories_not_in_use"] == SUBJECTS
    assert scored.figures["n_answers"] == 38 * SUBJECTS
    assert limited.figures["answers_of_categories_not_in_use"] == 0


def test_one_subject_has_a_raw_figure_and_no_ceiling(world, data):
    one = replace(data, table=table_of(world, n_subjects=1))
    raw = score(benchmark(one), model_of(world))
    assert raw.ceiling is None
    assert raw.value > 0
    ceiled = score(benchmark(one), model_of(world), Settings(formula="r/sqrt(c)"))
    assert ceiled.value is None
    assert "one subject has no other half" in ceiled.reason


def test_perfect_subjects_give_a_reason(world, data):
    table = data.table.assign(choice=data.table.truth)
    scored = score(benchmark(replace(data, table=table)), model_of(world))
    assert scored.value is None
    assert "answer every image alike" in scored.reason


def test_limit(world, data):
    scored = score(benchmark(data, group=None), model_of(world), Settings(limit=40))
    assert (scored.partial, scored.n_stimuli) == (True, 40)
    assert scored.figures["n_answers"] == 40 * SUBJECTS


def test_bad_data(world, data):
    silent = ArrayData(name="Silent", pictures=data.pictures, regions={})
    with pytest.raises(
        InputError, match=r"'Silent' for Known.choices has no category_responses\(\)"
    ):
        score(benchmark(silent), model_of(world))
    with pytest.raises(InputError, match="protocol 'brainscore'"):
        score(benchmark(data), model_of(world), Settings(protocol="brainscore"))
    for column, value, told in (
        ("stimulus_id", "im999", "the stimulus_id 'im999'"),
        ("choice", "spoon", "the choice 'spoon'"),
    ):
        table = data.table.copy()
        table.loc[0, column] = value
        with pytest.raises(InputError, match=told):
            score(benchmark(replace(data, table=table)), model_of(world))
    for column in ("subject", "truth"):
        with pytest.raises(InputError, match=f"answers without the columns {column}"):
            score(benchmark(replace(data, table=data.table.drop(columns=column))), model_of(world))
    with pytest.raises(InputError, match="0, 0, 0"):
        score(benchmark(replace(data, table=data.table.assign(choice=""))), model_of(world))
    with pytest.raises(InputError, match="a column pose"):
        score(benchmark(data, group="pose"), model_of(world))


@pytest.mark.parametrize("column", ["stimulus_id", "truth", "subject"])
@pytest.mark.parametrize("limit", [None, 40])
def test_answers_with_a_name_missing(world, data, column, limit):
    table = data.table.copy()
    table.loc[::5, column] = np.nan
    told = f"{len(table.iloc[::5])} without {column} among {len(table)} answers, first in row 0"
    one = benchmark(replace(data, table=table), group=None)
    with pytest.raises(InputError, match=told):
        score(one, model_of(world), Settings(limit=limit))


def test_answers_that_contradict_the_stimuli(world, data):
    table = data.table.assign(truth=data.table.truth.to_numpy()[::-1])
    wrong = (table.truth != data.table.truth).sum()
    with pytest.raises(InputError, match=f"^{wrong} of {len(table)} answers with another truth"):
        score(benchmark(replace(data, table=table)), model_of(world))
