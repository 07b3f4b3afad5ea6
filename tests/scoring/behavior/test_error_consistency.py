"""The score of a model's errors beside those of subjects who chose among all categories."""

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

from brainbench.core.errors import NotApplicableError
from brainbench.core.model import BEHAVIOR
from brainbench.core.settings import Settings
from brainbench.data.arrays import ArrayData
from brainbench.scoring.behavior.error_consistency import ErrorConsistency
from brainbench.scoring.pipeline import score

CATEGORIES, EXEMPLARS, EACH, SUBJECTS = 4, 5, 6, 6
N = CATEGORIES * EXEMPLARS * EACH


@pytest.fixture(scope="module")
def world():
    """Features that subjects share, with images that are hard for all of them."""
    rng = np.random.default_rng(6)
    truth = np.repeat(np.arange(CATEGORIES), EXEMPLARS * EACH)
    means = rng.standard_normal((CATEGORIES, 8))
    X = means[truth] + 1.5 * rng.standard_normal((N, 8))
    logits = X @ means.T
    p = np.exp(logits - logits.max(axis=1, keepdims=True))
    names = np.array(["bear", "boat", "chair", "clock"])
    return {
        "X": X,
        "p": p / p.sum(axis=1, keepdims=True),
        "ids": [f"im{(7 * k) % N:03d}" for k in range(N)],
        "objects": names[truth],
        "exemplar": [f"e{k:02d}" for k in np.repeat(np.arange(CATEGORIES * EXEMPLARS), EACH)],
    }


@pytest.fixture(scope="module")
def data(world):
    shown = pictures(world["ids"], object_name=world["objects"], exemplar=world["exemplar"])
    table = category_answers(world["p"], world["ids"], world["objects"], n_subjects=SUBJECTS)
    return AnswerData(name="Known", pictures=shown, regions={}, table=table)


def benchmark(data, **options):
    measure = ErrorConsistency(**{"readout": STRONG, "group": "exemplar", **options})
    return behavior_benchmark(data, measure)


def model_of(world, X=None):
    features = world["X"] if X is None else X
    return Known(
        responses={"top": features[:, :, None]}, ids=world["ids"], areas={BEHAVIOR: ["top"]}
    )


@pytest.fixture(scope="module")
def scored(world, data):
    return score(benchmark(data), model_of(world), Settings(null="images", null_draws=50))


def right_answers(data, scored):
    """Of the model, and of each subject, in the order of the images of the score."""
    table = scored.predictions
    own = table.choice.values[table.predicted.values.argmax(axis=1)] == table.truth.values
    named = data.table.pivot(index="subject", columns="stimulus_id", values="choice")
    return own, named[table.stimulus_id.values].to_numpy() == table.truth.values


def test_paper_is_the_mean_kappa_and_divides_by_nothing(data, scored):
    own, subjects = right_answers(data, scored)
    kappas = [cohen_kappa_score(own, one) for one in subjects]
    assert scored.value == scored.raw == pytest.approx(np.mean(kappas))
    assert (scored.formula, scored.ceiling) == ("raw-v1", None)
    np.testing.assert_allclose(scored.per_unit.values, kappas)
    pairs = [cohen_kappa_score(subjects[a], subjects[b]) for a in range(SUBJECTS) for b in range(a)]
    assert scored.figures["reference"] == pytest.approx(np.mean(pairs))
    assert scored.figures["pairs_of_subjects"] == len(pairs)
    assert scored.n_units == SUBJECTS


@pytest.mark.parametrize("formula", ["r/c", "r2/c", "r/sqrt(c)", "clip(r/c)"])
def test_paper_has_no_formula_that_divides(world, data, formula):
    with pytest.raises(NotApplicableError, match="raw"):
        score(benchmark(data), model_of(world), Settings(formula=formula))


def test_brainscore_is_the_absolute_value_as_a_clipped_ratio(world, data, scored):
    divided = score(benchmark(data), model_of(world), Settings(protocol="brainscore"))
    assert divided.ceiling == pytest.approx(scored.figures["reference"])
    ratio = abs(scored.value) / divided.ceiling
    assert divided.value == pytest.approx(min(ratio, 1.0))
    assert divided.formula == "clip(r/c)-v1"
    plain = score(benchmark(data), model_of(world), Settings(protocol="brainscore", formula="r/c"))
    assert plain.value == pytest.approx(ratio)
    metadata = data.pictures.metadata.assign(film=[f"film{k % 4}" for k in range(N)])
    of_films = replace(data, pictures=replace(data.pictures, metadata=metadata))
    few = Settings(protocol="brainscore", groups="film")
    by_film = score(benchmark(of_films, group=None), model_of(world), few)
    assert "jackknife of 4 groups" in by_film.ci_method
    for low, high in (divided.ci, by_film.ci):  # no interval leaves what the value can be
        assert 0 <= low <= high <= 1


def test_known_truth(world, data, scored):
    """A model that reads what subjects read errs with them; noise does not; the interval says so."""
    assert scored.value > 0.1
    assert scored.ci[0] > 0
    assert scored.null["p"] == pytest.approx(1 / 51)
    noise = np.random.default_rng(1).standard_normal(world["X"].shape)
    blind = score(benchmark(data), model_of(world, noise))
    assert abs(blind.value) < 0.1
    assert blind.ci[0] < 0 < blind.ci[1]


def test_photographs_and_subjects_are_drawn(world, data, scored):
    assert "images by exemplar and subjects" in scored.ci_method
    table = scored.predictions
    exemplar = dict(zip(world["ids"], world["exemplar"], strict=True))
    folds = {}
    for image, fold in zip(table.stimulus_id.values, table.fold.values, strict=True):
        folds.setdefault(exemplar[image], set()).add(int(fold))
    assert max(map(len, folds.values())) == 1


def test_a_subject_without_a_kappa_is_counted(world, data, scored):
    """All answers of one subject right and those of a perfect model too: e = 1."""
    perfect = 100 * np.eye(CATEGORIES)[np.unique(world["objects"], return_inverse=True)[1]]
    table = data.table.copy()
    first = table.subject == table.subject.iloc[0]
    table.loc[first, "choice"] = table.truth[first]
    sure = score(benchmark(replace(data, table=table)), model_of(world, perfect))
    assert sure.figures["accuracy"] == 1.0
    assert (sure.n_units, sure.n_excluded) == (SUBJECTS - 1, 1)
    assert sure.value == 0.0  # with the others, an observer who never errs has no consistency
    always = replace(data, table=data.table.assign(choice=data.table.truth))
    nothing = score(benchmark(always), model_of(world, perfect))
    assert (nothing.status, nothing.value) == ("failed", None)
    assert f"{N} of {N}" in nothing.reason


def test_images_that_a_subject_was_not_shown_do_not_count(world, data):
    gone = (data.table.subject == data.table.subject.iloc[0]) & (
        data.table.stimulus_id.isin([f"im{k:03d}" for k in range(40)])
    )
    part = score(benchmark(replace(data, table=data.table[~gone])), model_of(world))
    table = part.predictions
    own = table.choice.values[table.predicted.values.argmax(axis=1)] == table.truth.values
    rows = data.table[~gone & (data.table.subject == data.table.subject.iloc[0])]
    answers = rows.set_index("stimulus_id").choice
    kept = np.isin(table.stimulus_id.values, answers.index)
    subject = answers[table.stimulus_id.values[kept]].to_numpy() == table.truth.values[kept]
    assert part.per_unit.values[0] == pytest.approx(cohen_kappa_score(own[kept], subject))
    assert part.figures["n_answers"] == SUBJECTS * N - int(gone.sum())


def test_one_subject_has_no_reference(world, data):
    one = replace(data, table=data.table[data.table.subject == data.table.subject.iloc[0]])
    scored = score(benchmark(one), model_of(world))
    assert scored.figures["reference"] is None
    assert scored.value is not None
    divided = score(benchmark(one), model_of(world), Settings(protocol="brainscore"))
    assert (divided.status, divided.value) == ("failed", None)
    assert "one subject" in divided.reason


def test_bad_data(world, data):
    silent = ArrayData(name="Silent", pictures=data.pictures, regions={})
    assert_refused(benchmark(silent), model_of(world), "Silent", "category_responses()")
    assert_refused(benchmark(data, group="photo"), model_of(world), "photo")
    strange = data.table.assign(choice=data.table.choice.replace("bear", "whale"))
    assert_refused(benchmark(replace(data, table=strange)), model_of(world), "whale")
