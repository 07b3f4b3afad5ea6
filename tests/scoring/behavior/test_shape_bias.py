"""The shape bias of a model beside that of people: known truths, what is held out, and what is refused."""

from dataclasses import replace

import numpy as np
import pytest
from known import Known, context_of
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
from brainbench.scoring.behavior.shape_bias import ShapeBias
from brainbench.scoring.pipeline import score

NAMES = np.array(["bear", "boat", "chair", "clock"])
PHOTOGRAPHS, PICTURES = 5, 3
SHAPE, TEXTURE, PHOTOGRAPH = (
    axis.ravel() for axis in np.meshgrid(range(4), range(4), range(PHOTOGRAPHS), indexing="ij")
)
PICTURE = (SHAPE + PHOTOGRAPH) % PICTURES
CONFLICT = SHAPE != TEXTURE
IDS = [f"im{(7 * k) % len(SHAPE):02d}" for k in range(len(SHAPE))]


def columns(shape, texture, photograph, picture):
    return {
        "object_name": NAMES[shape],
        "texture": NAMES[texture],
        "exemplar": [f"{NAMES[one]}{k}" for one, k in zip(shape, photograph, strict=True)],
        "texture_exemplar": [f"{NAMES[one]}{k}" for one, k in zip(texture, picture, strict=True)],
    }


def data_of(by_shape=0.8, by_texture=0.1, **changed):
    """Subjects who answer by shape and by texture so often, and else at random."""
    rest = (1 - by_shape - by_texture) / 4
    p = np.full((len(SHAPE), 4), rest)
    rows = np.arange(len(SHAPE))
    p[rows, SHAPE] += by_shape
    p[rows, TEXTURE] += by_texture
    shown = columns(SHAPE, TEXTURE, PHOTOGRAPH, PICTURE) | changed
    table = category_answers(p, IDS, NAMES[SHAPE], n_subjects=6)
    return AnswerData(name="Known", pictures=pictures(IDS, **shown), regions={}, table=table)


def model_of(shape=1.0, texture=1.0, *, noise=0.02, layers=("top",)):
    """A layer that tells shape and texture so loudly."""
    features = np.concatenate([shape * np.eye(4)[SHAPE], texture * np.eye(4)[TEXTURE]], axis=1)
    features = features + noise * np.random.default_rng(0).standard_normal(features.shape)
    responses = dict.fromkeys(layers, features[:, :, None])
    return Known(responses=responses, ids=IDS, areas={BEHAVIOR: list(layers)})


def benchmark(data, **options):
    return behavior_benchmark(data, ShapeBias(readout=STRONG, **options))


@pytest.mark.parametrize(("loud", "expected"), [((1, 0), 1.0), ((0, 1), 0.0)])
def test_a_layer_of_shape_alone_has_1_and_one_of_texture_alone_0(loud, expected):
    found = score(benchmark(data_of()), model_of(*loud, noise=0), Settings(resample="images"))
    assert found.value == expected
    assert found.ci == (expected, expected)
    assert found.n_units == CONFLICT.sum()
    assert found.figures["other_answers"] == 0


def test_a_louder_cue_is_followed_more_often():
    values = [
        score(benchmark(data_of()), model_of(shape, 1, noise=0.5)).value for shape in (0.5, 1, 2)
    ]
    assert values[0] < values[1] < values[2]


@pytest.fixture(scope="module")
def scored():
    settings = Settings(null="images", null_draws=50)
    return score(benchmark(data_of()), model_of(noise=0.4), settings)


def test_people_stand_beside_it_with_an_interval(scored):
    """Answers at random are by shape or texture as often: .8 + .025 over .9 + .05."""
    figures, intervals = scored.figures, scored.figures["intervals"]
    people = figures["shape_bias_of_subjects"]
    assert people == pytest.approx(0.825 / 0.95, abs=0.05)
    lo, hi = intervals["shape_bias_of_subjects"]
    assert lo < people < hi
    assert len(figures["shape_bias_of_each_subject"]) == 6
    assert figures["model_less_subjects"] == pytest.approx(scored.value - people)
    lo, hi = intervals["model_less_subjects"]
    assert lo < scored.value - people < hi
    assert scored.ceiling is None
    by_shape = figures["by_shape"]
    assert list(by_shape) == NAMES.tolist()
    assert 0 < by_shape["bear"]["subjects"] <= 1


def test_its_counts_and_tables_agree(scored):
    figures, table = scored.figures, scored.predictions
    own = table.choice.values[table.predicted.values.argmax(axis=1)]
    texture = dict(zip(IDS, NAMES[TEXTURE], strict=True))
    textures = np.array([texture[one] for one in table.stimulus_id.values])
    counts = (own == table.truth.values).sum(), (own == textures).sum()
    assert (figures["shape_answers"], figures["texture_answers"]) == counts
    assert scored.value == pytest.approx(counts[0] / sum(counts))
    assert scored.n_units == sum(counts)
    assert scored.n_excluded == figures["other_answers"] == CONFLICT.sum() - sum(counts)
    assert np.nanmean(scored.per_unit.values) == pytest.approx(scored.value)


def test_answers_of_other_images_go_by_neither(scored):
    assert scored.null["mean"] == pytest.approx(0.5, abs=0.1)


def test_no_training_image_has_photograph_picture_or_group_of_a_held_out_one():
    declared = benchmark(data_of())
    context = context_of(declared, model_of())
    conflicts = declared.measure.target(context)
    shown = conflicts.answers.images.stimuli.metadata
    asked = []
    for train, test in conflicts.folds():
        for column in ("exemplar", "texture_exemplar"):
            assert not set(shown[column].iloc[train]) & set(shown[column].iloc[test])
        assert (shown.object_name.iloc[train] != shown.texture.iloc[train]).all()
        asked += test.tolist()
    assert sorted(asked) == list(range(len(SHAPE)))


def test_what_is_refused():
    data = data_of()
    shown = data.pictures.metadata.drop(columns=["texture", "texture_exemplar"])
    lacking = replace(data, pictures=replace(data.pictures, metadata=shown))
    assert_refused(benchmark(lacking), model_of(), "texture, texture_exemplar")
    agreeing = data_of(texture=NAMES[SHAPE])
    assert_refused(benchmark(agreeing), model_of(), len(SHAPE), "conflict")
    assert_refused(benchmark(data), model_of(layers=("a", "b")), "a, b")
    for settings, error in (
        (Settings(formula="r/c"), NotApplicableError),
        (Settings(protocol="brainscore"), NotApplicableError),
    ):
        assert_refused(benchmark(data), model_of(), settings=settings, error=error)


def test_answers_that_name_neither_give_no_value():
    declared = benchmark(data_of())
    context = context_of(declared, model_of())
    target = declared.measure.target(context)
    candidate = declared.measure.candidates(context, target)
    made = declared.measure.evaluate(context, target, candidate)
    neither = np.zeros_like(made.readout.probabilities)
    for row, (one, other) in enumerate(
        zip(target.answers.images.truth, target.textures, strict=True)
    ):
        rest = [k for k in range(4) if k != one and NAMES[k] != other]
        neither[row, rest[0]] = 1
    silent = replace(made, readout=replace(made.readout, probabilities=neither))
    reason = silent.missing_value(silent.figure())
    assert f"{CONFLICT.sum()} images" in reason
