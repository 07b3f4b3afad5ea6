"""A layer over time: its components are made once for the same training images."""

import numpy as np
import pytest

from brainbench.core import assembly
from brainbench.scoring import layer_states
from brainbench.scoring.kept import BoundedStore
from brainbench.scoring.layer_states import LayerStates

IDS = [f"image{k}" for k in range(12)]


@pytest.fixture
def layer(monkeypatch):
    monkeypatch.setattr(layer_states, "WIDE", 5)
    responses = assembly.make(
        np.random.default_rng(0).standard_normal((12, 9, 2)).astype(np.float32),
        stimulus={"stimulus_id": IDS},
        neuroid={"neuroid_id": np.arange(9)},
        time=[(0.0, 100.0), (100.0, 200.0)],
        units="a.u.",
    )
    return LayerStates(layer="IT", activations=responses, weights=np.eye(2))


def test_components_of_the_same_training_images_are_made_once(layer):
    train = np.arange(8)
    first = layer.reduced(train, n_components=3)
    assert layer.reduced(train.copy(), n_components=3) is first
    assert layer.reduced(train, n_components=2) is not first
    assert layer.reduced(np.arange(1, 9), n_components=3) is not first
    assert layer.reductions.made == 3


def test_layers_do_not_take_the_components_of_another(layer):
    store = BoundedStore[layer_states.Reduced]()
    one, other = (
        LayerStates(
            layer=name,
            activations=factor * layer.activations,
            weights=layer.weights,
            reductions=store,
        )
        for name, factor in (("V4", 1.0), ("IT", 2.0))
    )
    train = np.arange(8)
    np.testing.assert_allclose(
        2 * np.abs(one.reduced(train, n_components=3).scores),
        np.abs(other.reduced(train, n_components=3).scores),
        rtol=1e-5,
    )
    assert store.made == 2


def test_a_state_that_differs_in_one_image_alone_is_not_constant(layer):
    values = layer.activations.values
    values[:, :, 0] = 3.0
    assert layer.constant.tolist() == [True, False]
    other = values.copy()
    other[7, 6, 0] = 3.5
    changed = layer.activations.copy(data=other)
    late = LayerStates(layer="IT", activations=changed, weights=0.5 * np.eye(2))
    assert late.constant.tolist() == [False, False, True]  # the last one: time without a response
