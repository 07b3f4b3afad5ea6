"""Scores over layers, and sites by preferred layer."""

import warnings

import drawn
import numpy as np
import pytest
import stored

from brainbench.core.errors import InputError, UnknownNameError
from brainbench.core.score import Selection
from brainbench.plot import layers, style, units


def test_the_best_step_of_each_layer_mean_over_sessions():
    axes = layers([drawn.layered()])
    curve = next(line for line in axes.lines if len(line.get_xdata()) == 3)
    assert np.allclose(curve.get_ydata(), [0.1, 0.6, 0.3])
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["0", "1", "2"]
    assert "layer of b" in drawn.words(axes)
    assert "Simulated.IT-pls (simulated brain)" in drawn.words(axes)


def test_the_layer_of_most_folds_has_a_large_marker():
    axes = layers([drawn.layered()])
    (mark,) = [line for line in axes.lines if len(line.get_xdata()) == 1]
    assert (mark.get_xdata()[0], mark.get_ydata()[0]) == (1, pytest.approx(0.6))


def test_chosen_layers_in_the_order_given():
    axes = layers([drawn.layered()], only_layers=["b.2", "b.0"])
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["2", "0"]
    curve = next(line for line in axes.lines if len(line.get_xdata()) == 2)
    assert dict(zip(*curve.get_xydata().T, strict=True)) == {0.0: 0.3, 1.0: 0.1}


def test_a_layer_that_the_model_lacks():
    with pytest.raises(UnknownNameError, match=r"b\.9") as caught:
        layers([drawn.layered()], only_layers=["b.9"])
    assert "b.0" in caught.value.allowed


def test_one_layer_alone_makes_no_figure_and_others_are_named():
    with pytest.raises(InputError, match=r"'layers' of pixels on Simulated\.IT-pls") as caught:
        layers([stored.make("pixels", "Simulated.IT-pls", 0.1)])
    assert "bars" in caught.value.todo
    assert "layers" not in caught.value.todo


def test_layers_of_two_models_are_not_one_axis():
    with pytest.raises(InputError, match="a@imagenet, b@imagenet"):
        layers([drawn.layered("a@imagenet"), drawn.layered("b@imagenet")])


def test_units_by_preferred_layer_in_percent_of_each_array():
    axes = units([drawn.dynamics()])
    heights = [bar.get_height() for bar in axes.patches]
    assert heights == pytest.approx([25.0, 75.0, 40.0, 60.0])
    assert {"V4 (40 units)", "IT (50 units)", "conv1", "conv2"} <= set(drawn.words(axes))


def test_units_need_several_layers():
    one = drawn.dynamics()
    one.figures["layer_units"] = {"all": {"IT": 5.0}}
    with pytest.raises(InputError, match="'units'") as caught:
        units([one])
    assert "time" in caught.value.todo


def test_of_many_layers_some_are_named():
    rows = [{"layer": f"l{k:02d}", "inner_mean": 0.1, "inner_sd": None} for k in range(60)]
    score = stored.make("a", "Simulated.IT-pls", 0.1, selection=Selection(curve=tuple(rows)))
    assert len(layers([score]).get_xticklabels()) == 20


def test_more_benchmarks_than_colors_are_told_apart():
    scores = [drawn.layered(benchmark=f"Study{k}.IT-pls") for k in range(9)]
    axes = layers(scores)
    looks = {(h.get_color(), h.get_linestyle()) for h in axes.get_legend().get_lines()}
    assert len(looks) == 9


def test_many_benchmarks_leave_room_for_the_curves(tmp_path):
    axes = layers([drawn.layered(benchmark=f"Study{k}.IT-pls") for k in range(14)])
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # matplotlib says where there is no room
        style.save(axes, tmp_path / "layers.png")
