"""Recurrent V1 networks as models: by name, their pictures, their graph."""

import numpy as np
import pytest
import torch

from brainbench.core import stimuli
from brainbench.core.errors import InputError, StimulusError
from brainbench.run.loading import list_models, load_model
from brainbench_models.recurrent_v1.architecture import Architecture
from brainbench_models.recurrent_v1.models import recurrent_v1, unrolled
from brainbench_models.recurrent_v1.pictures import GrayCenter


def picture(height, width=None, seed=0):
    shape = (height, width or height, 3)
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def test_the_center_is_averaged_in_blocks():
    given = picture(400, 420)
    gray = given[100:300, 110:310] @ np.array([0.299, 0.587, 0.114]) / 255
    expected = gray.reshape(50, 4, 50, 4).mean(axis=(1, 3))

    prepared = GrayCenter(side=50, crop=200)([given])

    assert prepared.shape == (1, 3, 50, 50)
    np.testing.assert_allclose(prepared[0, 0], expected, atol=1e-5)
    np.testing.assert_array_equal(prepared[0, 0], prepared[0, 2])


def test_sides_that_are_no_multiples_keep_the_mean():
    given = picture(112)

    prepared = GrayCenter(side=50)([given])

    expected = (given @ np.array([0.299, 0.587, 0.114])).mean() / 255
    assert prepared.mean() == pytest.approx(expected, abs=2e-6)


def test_pictures_are_not_enlarged_and_are_named():
    shown = stimuli.from_arrays("two", [picture(60), picture(40)], ids=["large", "small"])

    with pytest.raises(StimulusError, match=r"'small'.*40 x 40"):
        GrayCenter(side=50).of(shown)
    with pytest.raises(InputError, match="crop of 30"):
        GrayCenter(side=50, crop=30)


def test_two_ways_to_prepare_are_one():
    shown = stimuli.from_arrays("one", [picture(60), picture(60, seed=1)], ids=["a", "b"])
    prepare = GrayCenter(side=20, crop=50)

    np.testing.assert_array_equal(
        prepare.of(shown), prepare([shown.picture(0), shown.picture(1)])[:, :1]
    )


def test_the_family_is_listed_and_has_facts():
    assert "recurrent_v1" in list_models("recurrent*")
    model = load_model("recurrent_v1")

    assert model.name == "recurrent_v1@untrained-0"
    assert model.areas["V1"] == ("net.top",)
    assert model.static
    assert "Zhang" in model.about.citation


def test_options_are_part_of_the_name():
    model = recurrent_v1(channels=8, iterations=5, mode="no-avg", weights="untrained-3")

    assert model.name == "recurrent_v1-8channels-5steps-no-avg@untrained-3"
    with pytest.raises(InputError, match="imagenet"):
        recurrent_v1(weights="imagenet")
    with pytest.raises(InputError, match="iterations=0"):
        recurrent_v1(iterations=0)


def test_its_layer_has_the_averaged_map(cache_folder):
    shown = stimuli.from_arrays("two", [picture(60), picture(60, seed=1)], ids=["a", "b"])
    model = recurrent_v1(channels=4, image_size=20, iterations=2)

    values = model.activations(shown, ["net.top"])["net.top"]

    assert values.sizes["neuroid"] == 4 * 12 * 12
    assert float(np.ptp(values.values, axis=0).max()) > 0


def test_the_graph_is_unrolled():
    graph = unrolled(Architecture(n_neurons=1, blocks=5, iterations=3, mode="late-avg"))

    assert graph.nodes[:4] == ("image", "CPB 9x9", "RCPB1 t1", "RCPB2 t1")
    assert ("RCPB1 t1", "RCPB1 t2") in graph.feedforward
    assert ("RCPB1 t3", "RCPB2 t3") in graph.feedforward
    read = [source for source, target in graph.feedforward if target == "read-out"]
    assert read == ["RCPB2 t1", "RCPB2 t2", "RCPB2 t3"]
    last = unrolled(Architecture(n_neurons=1, iterations=2, mode="no-avg")).feedforward
    assert [edge for edge in last if edge[1] == "read-out"] == [("RCPB1 t2", "read-out")]
    assert unrolled(Architecture(n_neurons=1)).nodes == (
        "image",
        "CPB 9x9",
        "CPB1",
        "CPB2",
        "read-out",
    )


def test_the_graph_is_drawn(tmp_path):
    pytest.importorskip("matplotlib")
    from brainbench import plot

    axes = plot.graph(recurrent_v1().about.graph)

    plot.save(axes, tmp_path / "graph.png")
    assert (tmp_path / "graph.png").stat().st_size > 5000


def test_channels_of_a_gray_picture_are_the_same_to_the_network():
    model = recurrent_v1(channels=4, image_size=20)
    net = model.network.net
    x = torch.rand(2, 1, 20, 20)

    torch.testing.assert_close(net(x.expand(-1, 3, -1, -1)), net(x))
