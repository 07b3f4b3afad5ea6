"""Shape bias: shape answers over shape and texture answers, weighted, and what is refused."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from brainbench.core.errors import InputError
from brainbench.metrics.behavior.shape_bias import cue_answers, shape_bias, summed_cues

SEED = st.integers(0, 2**32 - 1)
SUBJECTS, IMAGES, CATEGORIES = 3, 20, 4


def answered(seed):
    rng = np.random.default_rng(seed)
    answers = rng.integers(0, 3, (SUBJECTS, IMAGES, CATEGORIES))
    shape = rng.integers(0, CATEGORIES, IMAGES)
    texture = (shape + rng.integers(1, CATEGORIES, IMAGES)) % CATEGORIES
    return answers, shape, texture, rng


@given(SEED)
def test_it_is_what_a_count_of_single_answers_gives(seed):
    answers, shape, texture, rng = answered(seed)
    images, subjects = rng.integers(0, 3, (5, IMAGES)), rng.integers(0, 3, (5, SUBJECTS))
    sums = summed_cues(cue_answers(answers, shape, texture), images)
    found = shape_bias(sums, subjects)
    for draw in range(5):
        by_shape = by_texture = 0
        for image in range(IMAGES):
            for subject in range(SUBJECTS):
                times = images[draw, image] * subjects[draw, subject]
                by_shape += times * answers[subject, image, shape[image]]
                by_texture += times * answers[subject, image, texture[image]]
        total = by_shape + by_texture
        assert found[draw] == pytest.approx(by_shape / total if total else np.nan, nan_ok=True)


@given(SEED)
def test_shape_and_texture_exchanged_give_the_rest_and_other_answers_do_not_count(seed):
    answers, shape, texture, _ = answered(seed)
    one = shape_bias(summed_cues(cue_answers(answers, shape, texture)))
    other = shape_bias(summed_cues(cue_answers(answers, texture, shape)))
    assert one + other == pytest.approx(1.0)
    more = np.concatenate([answers, np.full((SUBJECTS, IMAGES, 1), 7)], axis=2)
    assert shape_bias(summed_cues(cue_answers(more, shape, texture))) == pytest.approx(one)


@pytest.mark.parametrize(
    ("shape", "texture", "named"),
    [
        ([0, 1], [1, 0, 2], "2 images"),
        ([0, 1, 2], [1, 2, 4], "3 images"),
        ([0, 1, -1], [1, 2, 0], "3 images"),
        ([], [], "0 images"),
        ([0, 1, 2], [1, 1, 2], "2 of 3 images"),
    ],
)
def test_what_is_refused(shape, texture, named):
    n = len(shape)
    if len(shape) != len(texture):
        shape, texture = shape[:2], texture[:2]
        n = 3
    with pytest.raises(InputError, match=named):
        cue_answers(np.ones((1, n, 4)), np.array(shape), np.array(texture))
