"""Neural dynamics: bins, ceilings, single images, correlation over time."""

import dataclasses

import drawn
import numpy as np
import pytest
import stored

from brainbench.core.errors import InputError, UnknownNameError
from brainbench.plot import figure, temporal, time, traces

MIDDLE = drawn.BINS + 10


def test_the_curve_of_one_array_with_what_a_model_without_error_reaches():
    lines = drawn.lines(time([drawn.dynamics()], array="IT"))
    x, y = lines["tiny"]
    assert np.array_equal(x, MIDDLE)
    assert np.allclose(y, np.linspace(0, 0.25, 10))
    bound = lines["a model without error"][1]
    assert np.isnan(bound[:5]).all()  # not where nothing reliable was measured
    assert np.allclose(bound[5:], 0.8)
    assert lines["bins that make the score"][0][0] == drawn.BINS[5]


def test_an_older_score_of_one_array_has_the_ceiling_of_all_sites():
    score = drawn.dynamics(arrays=("all",))
    del score.figures["c_by_array"]
    assert np.allclose(drawn.lines(time([score]))["a model without error"][1][5:], 0.8)
    several = drawn.dynamics()
    del several.figures["c_by_array"]
    assert "a model without error" not in drawn.lines(time([several], array="V4"))


def test_several_arrays_are_panels_and_one_figure_needs_a_choice():
    with pytest.raises(InputError, match="V4, IT"):
        time([drawn.dynamics()])
    titles = [axes.get_title(loc="left") for axes in figure("time", [drawn.dynamics()]).axes]
    assert [title.split(", ")[-1] for title in titles] == ["V4", "IT"]
    chosen = figure("time", [drawn.dynamics()], array="IT")
    assert len(chosen.axes) == 1


def test_untrained_models_are_dashed():
    scores = [
        drawn.dynamics("a@imagenet", arrays=("all",)),
        drawn.dynamics("b@untrained-0", arrays=("all",)),
    ]
    styles = {line.get_label(): line.get_linestyle() for line in time(scores).lines}
    assert styles["a"] == "-"
    assert styles["b (untrained)"] == "--"


def test_an_array_that_does_not_exist():
    with pytest.raises(UnknownNameError, match="V5"):
        time([drawn.dynamics()], array="V5")


def test_other_scores_have_no_time_course_and_what_they_have_is_said():
    with pytest.raises(InputError, match=r"'time' of pixels on Simulated\.IT-pls") as caught:
        time([stored.make("pixels", "Simulated.IT-pls", 0.1)])
    assert "bars" in caught.value.todo


def test_the_trace_of_the_most_reliable_site_and_strongest_image():
    axes = traces([drawn.dynamics(value=0.5)])
    assert "site strong, image image4" in axes.get_title(loc="left")
    lines = drawn.lines(axes)
    assert np.allclose(lines["response"][1], 40.0)
    assert np.allclose(lines["tiny"][1], 40.5)


def test_a_chosen_site_and_image():
    lines = drawn.lines(traces([drawn.dynamics()], stimulus="image2", neuroid="weak"))
    assert np.allclose(lines["response"][1], 2.0)
    with pytest.raises(UnknownNameError, match="image9"):
        traces([drawn.dynamics()], stimulus="image9")
    with pytest.raises(UnknownNameError, match="nobody"):
        traces([drawn.dynamics()], neuroid="nobody")


def test_three_example_images_with_one_legend():
    panels = figure("traces", [drawn.dynamics()]).axes
    images = [axes.get_title(loc="left").split()[-1] for axes in panels]
    assert images == ["image4", "image2", "image0"]
    assert [axes.get_legend() is not None for axes in panels] == [False, False, True]


def test_predictions_come_from_the_results_folder(tmp_path):
    results = stored.fill(tmp_path, [drawn.dynamics()])
    (score,) = results.all()
    assert score.predictions is None
    assert np.allclose(drawn.lines(traces([score]))["tiny"][1], 40.5)
    next(tmp_path.glob("predictions/*")).unlink()
    with pytest.raises(InputError, match="predictions"):
        traces([score])


def test_traces_without_predictions():
    with pytest.raises(InputError, match="'traces'"):
        traces([dataclasses.replace(drawn.dynamics(), predictions=None)])


def test_correlation_over_time_by_array_and_model():
    scores = [drawn.dynamics("a@imagenet"), drawn.dynamics("b@untrained-0")]
    axes = temporal(scores)
    assert [bar.get_height() for bar in axes.patches] == pytest.approx([0.4, 0.5, 0.4, 0.5])
    ticks = [tick.get_text() for tick in axes.get_xticklabels()]
    assert [tick.splitlines()[0] for tick in ticks] == ["V4", "IT"]
    assert {"a", "b (untrained)"} <= set(drawn.words(axes))
