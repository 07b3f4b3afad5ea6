"""Answers among many categories: the metric, and the road to a Score."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from known import Known
from sklearn.metrics import cohen_kappa_score

from brainbench.core import stimuli
from brainbench.core.benchmark import Benchmark
from brainbench.core.dataset import HasCategoryResponses
from brainbench.core.errors import InputError
from brainbench.core.model import BEHAVIOR
from brainbench.core.presentation import CONSTANT
from brainbench.core.settings import Settings
from brainbench.data.arrays import ArrayData
from brainbench.metrics.behavior.choices import error_consistency, image_level, shares, tally
from brainbench.metrics.classification.logistic_regression import Readout
from brainbench.scoring.behavior.choices import Choices
from brainbench.stats.bootstrap import image_counts
from brainbench.stats.ceiling import spearman_brown

SEED = st.integers(0, 2**32 - 1)
CATEGORIES, EXEMPLARS, EACH, FEATURES, SUBJECTS = 4, 5, 6, 8, 8
N = CATEGORIES * EXEMPLARS * EACH


# --- the metric -----------------------------------------------------------------------------------


def draw(seed, n=30, k=4):
    rng = np.random.default_rng(seed)
    truth = np.arange(n) % k
    return rng.dirichlet(np.ones(k), n), rng.dirichlet(np.ones(k), n), truth, rng


def by_hand(x, y, truth):
    x, y = (
        np.concatenate(
            [(side[truth == t] - side[truth == t].mean(axis=0)).ravel() for t in np.unique(truth)]
        )
        for side in (x, y)
    )
    return np.corrcoef(x, y)[0, 1]


@given(SEED)
def test_image_level_is_that_of_a_loop(seed):
    x, y, truth, _ = draw(seed)
    (r,) = image_level(x, y, truth)
    assert r == pytest.approx(by_hand(x, y, truth), abs=1e-12)
    assert image_level(y, x, truth)[0] == pytest.approx(r, abs=1e-12)


@given(SEED, st.floats(0.01, 100))
def test_image_level_ignores_order_scale_and_what_is_common_to_a_category(seed, scale):
    x, y, truth, rng = draw(seed)
    (r,) = image_level(x, y, truth)
    rows, columns = rng.permutation(len(x)), rng.permutation(x.shape[1])
    (moved,) = image_level(x[rows][:, columns], y[rows][:, columns], truth[rows])
    assert moved == pytest.approx(r, abs=1e-10)
    (shifted,) = image_level(scale * x + rng.standard_normal((4, 4))[truth], y, truth)
    assert shifted == pytest.approx(r, abs=1e-8)


@given(SEED)
def test_weights_are_copies_of_images(seed):
    x, y, truth, rng = draw(seed)
    counts = rng.integers(0, 3, (3, len(truth)))
    found = image_level(x, y, truth, weights=counts)
    for count, r in zip(counts, found, strict=True):
        rows = np.repeat(np.arange(len(truth)), count)
        assert r == pytest.approx(by_hand(x[rows], y[rows], truth[rows]), abs=1e-10)


@given(SEED)
def test_subjects_that_count_twice(seed):
    rng = np.random.default_rng(seed)
    counts = rng.integers(0, 2, (3, 10, 4)).astype(float)
    weights = rng.integers(0, 3, (2, 3))
    found = shares(counts, weights)
    for row, each in zip(weights, found, strict=True):
        np.testing.assert_allclose(each, shares(np.repeat(counts, row, axis=0)), atol=1e-12)


@given(SEED)
def test_error_consistency_is_scikit_learns_kappa(seed):
    rng = np.random.default_rng(seed)
    one, other = rng.random((2, 40)) < 0.6
    assert error_consistency(one, other) == pytest.approx(cohen_kappa_score(one, other), abs=1e-12)
    both = error_consistency(one, np.stack([other, one]))
    assert both == pytest.approx([float(error_consistency(one, other)), 1.0])


def test_independent_errors_have_no_consistency():
    rng = np.random.default_rng(0)
    one, other = rng.random((2, 100_000)) < np.array([[0.8], [0.6]])
    assert abs(error_consistency(one, other)) < 0.015


def test_figures_that_do_not_exist():
    x, y, truth, _ = draw(0)
    assert np.isnan(image_level(np.eye(4)[truth], y, truth)[0])  # within a category all alike
    assert np.isnan(image_level(np.full_like(x, np.nan), y, truth)[0])
    assert np.isnan(image_level(x[:4], y[:4], truth[:4])[0])  # one image of each category
    assert np.isnan(error_consistency([True, True], [True, True]))
    assert np.isnan(shares(np.zeros((2, 1, 3)))).all()


def test_image_without_answers_is_left_out():
    x, y, truth, _ = draw(1)
    gone = y.copy()
    gone[3] = np.nan
    kept = np.arange(len(x)) != 3
    expected = by_hand(x[kept], y[kept], truth[kept])
    assert image_level(x, gone, truth)[0] == pytest.approx(expected)


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda x, y, t: image_level(x, y[1:], t), r"shape \(30, 4\) and \(29, 4\)"),
        (lambda x, y, t: image_level(x, y, t[1:]), r"\(29,\) truths"),
        (lambda x, y, t: error_consistency(t > 0, t[1:] > 0), r"shape \(30,\) and \(29,\)"),
        (lambda x, y, t: error_consistency([], []), r"shape \(0,\)"),
        (lambda x, y, t: tally(t, t, t[1:], shape=(30, 30, 30)), r"\[30, 30, 29\] subjects"),
        (lambda x, y, t: tally(t, t, t, shape=(4, 4, 3)), r"for \(4, 4, 3\)"),
        (lambda x, y, t: tally(t[:0], t[:0], t[:0], shape=(4, 4, 4)), r"\[0, 0, 0\] subjects"),
    ],
)
def test_bad_arrays(call, told):
    x, y, truth, _ = draw(0)
    with pytest.raises(InputError, match=told):
        call(x, y, truth)


# --- the procedure --------------------------------------------------------------------------------


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
        measure=Choices(**{"readout": Readout(C=0.1), "group": "exemplar", **options}),
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
def score(world, data):
    return benchmark(data).score(model_of(world), Settings(formula="r/sqrt(c)"))


def test_data_answers(data):
    assert isinstance(data, HasCategoryResponses)


def test_raw_figure_is_the_metric_of_the_predictions(score):
    table = score.predictions
    truth = np.searchsorted(table.choice.values, table.truth.values)
    assert score.raw == pytest.approx(by_hand(table.predicted.values, table.target.values, truth))
    assert score.value == pytest.approx(score.raw / np.sqrt(score.ceiling))
    assert score.formula == "r/sqrt(c)-v1"


def test_known_truth(world, data, score):
    """The subjects' own rule reaches the ceiling, a read-out of their features gets far, noise nowhere."""
    truth = np.searchsorted(world["names"], world["objects"])
    order = np.argsort(world["ids"])
    rule = image_level(world["p"][order], score.predictions.target.values, truth[order])[0]
    assert rule / np.sqrt(score.ceiling) == pytest.approx(1.0, abs=0.05)
    assert 0.45 < score.value < rule / np.sqrt(score.ceiling)
    noise = np.random.default_rng(1).standard_normal(world["X"].shape)
    blind = benchmark(data).score(model_of(world, noise))
    assert abs(blind.value) < 0.15
    assert blind.ci[0] < 0 < blind.ci[1]


def test_ceiling_foretells_more_subjects(world, data, score):
    many = benchmark(replace(data, table=table_of(world, n_subjects=80))).score(model_of(world))
    single = score.ceiling / (SUBJECTS - (SUBJECTS - 1) * score.ceiling)
    assert many.ceiling == pytest.approx(80 * single / (1 + 79 * single), abs=0.03)
    assert spearman_brown(single) < score.ceiling < many.ceiling


def test_exemplars_are_held_out_together(score, world):
    table = score.predictions
    exemplar = dict(zip(world["ids"], world["exemplar"], strict=True))
    folds = {}
    for image, fold in zip(table.stimulus_id.values, table.fold.values, strict=True):
        folds.setdefault(exemplar[image], set()).add(int(fold))
    assert max(map(len, folds.values())) == 1
    assert len(np.unique(table.fold)) == EXEMPLARS
    assert score.record.choices["held_out"].endswith("its exemplar left out too")


def test_leaving_exemplars_together_matters(world, data, score):
    """What an exemplar shares with its variants is no knowledge of the category."""
    rng = np.random.default_rng(5)
    order = np.unique(world["exemplar"], return_inverse=True)[1]
    only = rng.standard_normal((CATEGORIES * EXEMPLARS, 40))[order]
    grouped = benchmark(data).score(model_of(world, only))
    loose = benchmark(data, group=None).score(model_of(world, only))
    assert grouped.figures["accuracy"] < 0.45
    assert loose.figures["accuracy"] > 0.9


def test_figures(score, data):
    figures = score.figures
    assert figures["n_answers"] == len(data.table)
    assert figures["n_subjects"] == SUBJECTS
    right = data.table.pivot(index="subject", columns="stimulus_id", values="choice")
    truth = data.table.drop_duplicates("stimulus_id").set_index("stimulus_id").truth
    right = (right == truth[right.columns]).to_numpy()
    assert figures["accuracy_of_subjects"] == pytest.approx(right.mean())
    pairs = [cohen_kappa_score(right[a], right[b]) for a in range(SUBJECTS) for b in range(a)]
    assert figures["error_consistency_among_subjects"] == pytest.approx(np.mean(pairs))
    assert figures["error_consistency"] > 0.1
    assert score.per_unit.dims == ("stimulus",)
    assert np.corrcoef(score.per_unit, score.per_unit.coords["observed"])[0, 1] > 0.4


@pytest.mark.parametrize("resample", ["both", "images", "units"])
def test_interval_says_what_was_drawn(world, data, resample):
    score = benchmark(data).score(model_of(world), Settings(resample=resample))
    what = {"images": "images by exemplar", "units": "subjects"}
    what = what.get(resample, "images by exemplar and subjects")
    assert score.ci_method.startswith(f"percentile bootstrap of {what}, read-out not refitted")
    assert score.ci[0] < score.value < score.ci[1]
    assert len(score.draws) == 1000


def test_draws_are_scores_of_the_drawn_images(world, data):
    score = benchmark(data, group=None).score(model_of(world), Settings(resample="images", seed=3))
    assert score.ci_method.startswith("percentile bootstrap of images, ")
    table = score.predictions
    truth = np.searchsorted(table.choice.values, table.truth.values)
    counts = image_counts(table.stimulus_id.values.tolist(), n_draws=1000, seed=3).astype(int)
    drawn = []
    for count in counts[:5]:
        rows = np.repeat(np.arange(N), count)
        drawn.append(by_hand(table.predicted.values[rows], table.target.values[rows], truth[rows]))
    shift = score.draws[:5] - drawn
    np.testing.assert_allclose(shift, shift[0], atol=1e-10)


def test_images_of_one_exemplar_are_drawn_together(world, data):
    """One exemplar is a photograph: its variants are no independent images."""
    score = benchmark(data).score(model_of(world), Settings(resample="images", seed=3))
    table = score.predictions
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
    shift = score.draws[:5] - drawn
    np.testing.assert_allclose(shift, shift[0], atol=1e-10)


@pytest.mark.parametrize("kind", ["images", "within-object"])
def test_null(world, data, kind):
    score = benchmark(data).score(model_of(world), Settings(null=kind, null_draws=50))
    assert score.null["p"] == score.null["resolution"] == pytest.approx(1 / 51)
    assert abs(score.null["mean"]) < 0.05
    loose = benchmark(data, group=None).score(model_of(world), Settings(null=kind, null_draws=50))
    assert loose.null["sd"] < score.null["sd"]  # images of one exemplar are no independent images
    assert "exchanged whole" in score.null["what"]
    assert "exchanged" not in loose.null["what"]


def test_layer_is_chosen_inside_the_training_images(world, data):
    noise = np.random.default_rng(9).standard_normal((N, FEATURES, 1))
    model = Known(
        responses={"noise": noise, "top": world["X"][:, :, None]},
        ids=world["ids"],
        areas={BEHAVIOR: ["noise", "top"]},
    )
    score = benchmark(data).score(model)
    assert score.record.layer == "top"
    assert [row["chosen_in_folds"] for row in score.record.curve] == [0, EXEMPLARS]


def test_a_category_without_an_answer(world, data):
    """Nothing observed in it, and no warning."""
    table = data.table.copy()
    table.loc[table.truth == "boat", "choice"] = ""
    score = benchmark(replace(data, table=table)).score(model_of(world))
    boats = score.per_unit.coords["object_name"].values == "boat"
    assert np.isnan(score.per_unit.coords["observed"].values[boats]).all()
    assert np.isfinite(score.per_unit.coords["observed"].values[~boats]).all()
    assert np.isfinite(score.per_unit.values).all()
    assert score.n_excluded == boats.sum()


@pytest.mark.parametrize("nothing", ["", None, np.nan])
def test_answers_that_were_not_given_are_counted(world, data, nothing):
    table = data.table.copy()
    table.loc[table.stimulus_id == "im000", "choice"] = nothing
    score = benchmark(replace(data, table=table)).score(model_of(world))
    assert score.figures["answers_without_choice"] == SUBJECTS
    assert score.excluded == {"no answer": 1}
    assert score.n_units == N - 1


def test_answers_of_categories_not_in_use_are_no_missing_answers(world, data):
    """Under a limit, a category may have no image: naming it is an answer all the same."""
    limited = benchmark(data, group=None).score(model_of(world), Settings(limit=40))
    silent, spoon = limited.predictions.stimulus_id.values[:2]
    table = data.table.copy()
    table.loc[table.stimulus_id == silent, "choice"] = ""
    table.loc[table.stimulus_id == spoon, "choice"] = "spoon"
    one = benchmark(replace(data, table=table), group=None)
    score = one.score(model_of(world), Settings(limit=40))
    assert score.figures["answers_without_choice"] == SUBJECTS
    assert score.figures["answers_of_categories_not_in_use"] == SUBJECTS
    assert score.figures["n_answers"] == 38 * SUBJECTS
    assert limited.figures["answers_of_categories_not_in_use"] == 0


def test_one_subject_has_a_raw_figure_and_no_ceiling(world, data):
    one = replace(data, table=table_of(world, n_subjects=1))
    raw = benchmark(one).score(model_of(world))
    assert raw.ceiling is None
    assert raw.value > 0
    ceiled = benchmark(one).score(model_of(world), Settings(formula="r/sqrt(c)"))
    assert ceiled.value is None
    assert "one subject has no other half" in ceiled.reason


def test_perfect_subjects_give_a_reason(world, data):
    table = data.table.assign(choice=data.table.truth)
    score = benchmark(replace(data, table=table)).score(model_of(world))
    assert score.value is None
    assert "answer every image alike" in score.reason


def test_limit(world, data):
    score = benchmark(data, group=None).score(model_of(world), Settings(limit=40))
    assert (score.partial, score.n_stimuli) == (True, 40)
    assert score.figures["n_answers"] == 40 * SUBJECTS


def test_bad_data(world, data):
    silent = ArrayData(name="Silent", pictures=data.pictures, regions={})
    with pytest.raises(
        InputError, match=r"'Silent' for Known.choices has no category_responses\(\)"
    ):
        benchmark(silent).score(model_of(world))
    with pytest.raises(InputError, match="protocol 'brainscore'"):
        benchmark(data).score(model_of(world), Settings(protocol="brainscore"))
    for column, value, told in (
        ("stimulus_id", "im999", "the stimulus_id 'im999'"),
        ("choice", "spoon", "the choice 'spoon'"),
    ):
        table = data.table.copy()
        table.loc[0, column] = value
        with pytest.raises(InputError, match=told):
            benchmark(replace(data, table=table)).score(model_of(world))
    for column in ("subject", "truth"):
        with pytest.raises(InputError, match=f"answers without the columns {column}"):
            benchmark(replace(data, table=data.table.drop(columns=column))).score(model_of(world))
    with pytest.raises(InputError, match="0, 0, 0"):
        benchmark(replace(data, table=data.table.assign(choice=""))).score(model_of(world))
    with pytest.raises(InputError, match="a column pose"):
        benchmark(data, group="pose").score(model_of(world))


@pytest.mark.parametrize("column", ["stimulus_id", "truth", "subject"])
@pytest.mark.parametrize("limit", [None, 40])
def test_answers_with_a_name_missing(world, data, column, limit):
    table = data.table.copy()
    table.loc[::5, column] = np.nan
    told = f"{len(table.iloc[::5])} without {column} among {len(table)} answers, first in row 0"
    one = benchmark(replace(data, table=table), group=None)
    with pytest.raises(InputError, match=told):
        one.score(model_of(world), Settings(limit=limit))


def test_answers_that_contradict_the_stimuli(world, data):
    table = data.table.assign(truth=data.table.truth.to_numpy()[::-1])
    wrong = (table.truth != data.table.truth).sum()
    with pytest.raises(InputError, match=f"^{wrong} of {len(table)} answers with another truth"):
        benchmark(replace(data, table=table)).score(model_of(world))
