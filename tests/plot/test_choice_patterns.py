"""Confusions of objects, and behavior image by image."""

import drawn
import numpy as np
import pytest
import stored

from brainbench.core.errors import InputError, UnknownNameError
from brainbench.plot import choices, figure, images


def cells(axes):
    return np.asarray(np.ma.filled(axes.images[0].get_array(), np.nan))


def test_of_two_objects_how_often_the_distractor_is_chosen():
    axes = choices([drawn.behavior()])
    assert np.allclose(cells(axes), [[np.nan, 20.0], [20.0, np.nan]], equal_nan=True)
    subjects = cells(choices([drawn.behavior()], side="subjects"))
    assert np.allclose(subjects, [[np.nan, 20.0], [30.0, np.nan]], equal_nan=True)
    assert [tick.get_text() for tick in axes.get_yticklabels()] == ["cat", "dog"]


def test_of_all_objects_the_share_of_each_answer():
    score = drawn.behavior(of_two=False)
    assert np.allclose(cells(choices([score])), [[80.0, 20.0], [20.0, 80.0]])
    assert np.allclose(cells(choices([score], side="subjects")), [[80.0, 20.0], [30.0, 70.0]])


def test_all_panels_have_one_scale():
    whole = figure("choices", [drawn.behavior(), drawn.behavior("b@untrained-0")])
    panels = [axes for axes in whole.axes if axes.images]
    titles = [axes.get_title(loc="left") for axes in panels]
    assert titles == ["subjects (simulated)", "tiny", "b (untrained)"]
    assert {axes.images[0].get_clim() for axes in panels} == {(0, 50)}


def test_one_figure_of_two_models_or_another_side():
    with pytest.raises(InputError, match=r"tiny@imagenet on .*, b on"):
        choices([drawn.behavior(), drawn.behavior("b")])
    with pytest.raises(UnknownNameError, match="monkey"):
        choices([drawn.behavior()], side="monkey")
    with pytest.raises(InputError, match="'choices' of pixels"):
        choices([stored.make("pixels", "Simulated.IT-pls", 0.1)])


def test_every_image_of_model_and_subjects():
    axes = images([drawn.behavior()])
    x, y = next(line.get_xydata().T for line in axes.lines if len(line.get_xdata()) == 4)
    assert x.tolist() == [0.4, 0.3, 0.2, 0.1]
    assert y.tolist() == [0.1, 0.2, 0.3, 0.4]
    assert "score .30" in axes.get_title(loc="left")
