"""Models that a trained network has to beat: pixels, an energy model of V1, untrained BaseNets."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch
from pictures import noise_pictures

from brainbench import load_model
from brainbench.core.errors import InputError, UnknownNameError
from brainbench_models.basenets import basenet
from brainbench_models.gabor import WAVELENGTHS, GaborEnergy, gabor, gabor_filters


def grating(angle: float, wavelength: float, phase: float = 0.0) -> torch.Tensor:
    """A picture (1, 3, 224, 224) of a grating that varies along `angle`, contrast 80 %."""
    y, x = np.mgrid[:224, :224]
    wave = np.cos(2 * np.pi * (x * np.cos(angle) + y * np.sin(angle)) / wavelength + phase)
    picture = torch.from_numpy((0.5 + 0.4 * wave).astype(np.float32))
    return picture.expand(1, 3, 224, 224)


@pytest.fixture(scope="module")
def energy():
    net = GaborEnergy(8).eval()
    with torch.inference_mode():
        yield lambda picture: net(picture).reshape(4, 8, 28, 28)[:, :, 14, 14].numpy()


@pytest.mark.parametrize("scale", range(len(WAVELENGTHS)))
@pytest.mark.parametrize("orientation", [0, 3, 6])
def test_a_unit_prefers_its_own_grating(energy, scale, orientation):
    responses = energy(grating(np.pi * orientation / 8, WAVELENGTHS[scale]))
    assert np.unravel_index(responses.argmax(), responses.shape) == (scale, orientation)


def test_complex_cells_hardly_see_the_phase(energy):
    phases = np.arange(0, 6, 0.5)
    responses = np.array([energy(grating(0.0, 8.0, phase))[1, 0] for phase in phases])
    assert np.ptp(responses) < 0.05 * responses.mean()


def test_gray_of_any_luminance_gives_no_response(energy):
    for level in (0.0, 0.3, 1.0):
        assert np.abs(energy(torch.full((1, 3, 224, 224), level))).max() < 1e-3


def test_normalization_makes_the_response_grow_less_than_the_contrast(energy):
    picture = grating(0.0, 8.0)
    weak = 0.5 + 0.5 * (picture - 0.5)
    assert 0.7 < energy(weak)[1, 0] / energy(picture)[1, 0] < 1.0


def test_filters_have_unit_norm_and_no_mean():
    filters = gabor_filters(8.0, 4).double()
    assert filters.shape[:2] == (8, 1)
    assert torch.allclose(filters.flatten(1).norm(dim=1), torch.ones(8).double(), atol=1e-6)
    assert filters.sum(dim=(1, 2, 3)).abs().max() < 1e-5


def test_gabor_is_a_static_model_without_weights():
    model = gabor()
    assert (model.name, model.weights, model.static) == ("gabor", "none", True)
    assert gabor(orientations=4).name == "gabor-4"
    activations = model.activations(noise_pictures(2, 32), ["output"])["output"]
    assert activations.shape == (2, 4 * 8 * 28 * 28, 1)
    with pytest.raises(InputError, match="orientations=1"):
        gabor(orientations=1)


def test_basenet_has_six_convolutions_and_one_linear_layer():
    net = basenet().network.net
    kinds = [type(module).__name__ for module in net.modules()]
    assert kinds.count("Conv2d") == 6
    assert kinds.count("Linear") == 1
    with torch.inference_mode():
        assert net(torch.zeros(1, 3, 96, 96)).shape == (1, 1000)


def test_every_layer_of_basenet_is_offered_to_every_region():
    areas = dict(basenet().areas)
    assert areas.pop("behavior") == ("avgpool",)
    assert set(areas.values()) == {tuple(f"conv{k}" for k in range(1, 7))}


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({}, "basenet@untrained-0"),
        ({"kernels": 5}, "basenet-k5@untrained-0"),
        ({"kernels": [7, 5, 3, 3, 3, 3]}, "basenet-k7.5.3.3.3.3@untrained-0"),
        ({"nonlinearity": "tanh", "weights": "untrained-2"}, "basenet-tanh@untrained-2"),
    ],
)
def test_options_are_in_the_name_and_the_digest(options, name):
    model = load_model("basenet", **options)
    assert model.name == name
    assert (model.digest == basenet().digest) == (options == {})


def test_wrong_options():
    kernels = (4, [3, 3], 3.0, "abcdef", True, [3, 3, 3, 3, 3, 5.0], None)
    for wrong in (*({"kernels": k} for k in kernels), {"weights": "imagenet"}):
        ((option, value),) = wrong.items()
        with pytest.raises(InputError, match=re.escape(f"{option}={value!r}")):
            basenet(**wrong)
    for name in ("gelu", ["relu"]):
        with pytest.raises(UnknownNameError, match="nonlinearity") as caught:
            basenet(nonlinearity=name)
        assert "relu" in caught.value.allowed
    for size in ("x", 0, 2.5, True):
        with pytest.raises(InputError, match=f"size=.*{size}"):
            load_model("pixels", size=size)
