"""Identity, clocks, weights and responses of cornet_s and pixels."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pictures import noise_pictures
from steps import same_weights
from torch import nn

from brainbench.core.errors import InputError
from brainbench.core.model import BrainModel, clock_of
from brainbench.models.wrap import WrappedModel
from brainbench.storage.cache import Cache
from brainbench_models.cornet_s import CLOCKS, STEPS, cornet_s
from brainbench_models.pixels import pixels


@pytest.fixture(scope="module")
def model() -> WrappedModel:
    return cornet_s()


def test_identity_areas_and_clocks(model: WrappedModel) -> None:
    assert isinstance(model, BrainModel)
    assert (model.name, model.weights) == ("cornet_s@untrained-0", "untrained-0")
    regions = {area: (f"{area}.output",) for area in ("V1", "V2", "V4", "IT")}
    assert model.areas == {**regions, "behavior": ("decoder.avgpool",)}
    assert not model.static
    assert list(model.clocks) == ["paper", "brainscore"]
    assert clock_of(model, "paper") is CLOCKS[0]
    assert clock_of(model, "brainscore") is CLOCKS[1]


def test_every_area_and_step_of_two_pictures(model: WrappedModel, tmp_path: Path) -> None:
    layers = [f"{area}.output" for area in STEPS] + ["decoder.avgpool", "decoder.linear"]
    shown = noise_pictures(2, 224)
    activations = replace(model, cache=Cache(tmp_path)).activations(shown, layers)
    sizes = {layer: activations[layer].shape[1:] for layer in layers}
    assert sizes == {
        "V1.output": (64 * 56 * 56, 1),
        "V2.output": (128 * 28 * 28, 2),
        "V4.output": (256 * 14 * 14, 4),
        "IT.output": (512 * 7 * 7, 2),
        "decoder.avgpool": (512, 1),
        "decoder.linear": (1000, 1),
    }
    pooled = activations["decoder.avgpool"].values[..., 0]
    last = activations["IT.output"].isel(time=-1).values.reshape(2, 512, 49).mean(-1)
    np.testing.assert_allclose(pooled, last, rtol=1e-4, atol=1e-6)
    assert activations["V4.output"].time_start.values.tolist() == [0, 140, 190, 240]
    for layer in layers:
        assert (np.ptp(activations[layer].values, axis=(0, 1)) > 0).all()


@pytest.mark.parametrize(
    ("area", "bins", "steps"),
    [
        ("IT", [(70, 170), (140, 150), (150, 160), (160, 170)], [0, 0, 0, 1]),
        ("V4", [(70, 170), (110, 120), (120, 130)], [0, 0, 1]),
        ("V2", [(70, 170), (120, 130), (130, 140)], [0, 0, 1]),
        ("V1", [(0, 10), (70, 170), (240, 250)], [0, 0, 0]),
    ],
)
def test_brainscore_clock_takes_the_nearest_start_and_the_earlier_of_two(
    area: str, bins: Any, steps: list[int]
) -> None:
    weights = CLOCKS[1].weights(f"{area}.output", bins, calls=STEPS[area])
    assert weights.argmax(1).tolist() == steps
    assert set(weights.ravel()) <= {0.0, 1.0}


def test_paper_clock_changes_in_it_at_150_ms_and_covers_all_time() -> None:
    bins = [(start, start + 10) for start in range(0, 250, 10)]
    weights = CLOCKS[0].weights("IT.output", bins, calls=2)
    assert weights.argmax(1).tolist() == [0] * 15 + [1] * 10
    for area, steps in STEPS.items():
        spans = CLOCKS[0].spans(f"{area}.output", calls=steps)
        assert spans[0][0] == 0
        assert spans[-1][1] == np.inf
        assert all(a[1] == b[0] for a, b in itertools.pairwise(spans))
    starts = {area: [start for start, _ in CLOCKS[1].steps[area]] for area in STEPS}
    for area in ("V2", "V4"):  # the other areas start as in Brain-Score
        assert [start for start, _ in CLOCKS[0].steps[area]][1:] == starts[area][1:]


@pytest.fixture(scope="module")
def other() -> WrappedModel:
    return cornet_s(weights="untrained-12")


@pytest.fixture(scope="module")
def nets(model: WrappedModel, other: WrappedModel) -> dict[str, nn.Module]:
    models = {"0": model, "0 again": cornet_s(weights="untrained-0"), "12": other}
    return {name: model.network.net for name, model in models.items()}  # type: ignore[attr-defined]


def test_untrained_weights_come_from_the_seed_alone(nets: dict[str, nn.Module]) -> None:
    assert same_weights(nets["0"], nets["0 again"])
    zero, one = nets["0"].state_dict(), nets["12"].state_dict()
    differ = [key for key in zero if not torch.equal(zero[key], one[key])]
    drawn = ("conv", ".skip.", "linear")
    assert differ == [key for key in zero if any(part in key for part in drawn)]


def test_untrained_weights_follow_the_recipe(nets: dict[str, nn.Module]) -> None:
    for key, value in nets["12"].state_dict().items():
        if value.ndim == 4:
            out, _, k, _ = value.shape
            assert float(value.std()) == pytest.approx(np.sqrt(2 / (k * k * out)), rel=0.03)
        elif "norm" in key and "num_batches" not in key:
            expected = 1.0 if key.endswith(("norm_skip.weight", "running_var", "weight")) else 0.0
            assert (value == expected).all()
    bound = 1 / np.sqrt(512)
    linear = nets["12"].get_submodule("decoder.linear")
    for tensor in (linear.weight, linear.bias):
        assert 0.9 * bound < float(tensor.detach().abs().max()) <= bound


@pytest.mark.parametrize("weights", ["untrained-x", "untrained--1", "trained", ""])
def test_other_weights_are_an_error(weights: str) -> None:
    with pytest.raises(InputError, match=f"cornet_s .*'{weights}'") as caught:
        cornet_s(weights=weights)
    assert "untrained-N" in caught.value.allowed
    assert "--weights" in caught.value.todo


def test_the_seed_is_part_of_name_and_weights(other: WrappedModel) -> None:
    assert (other.name, other.weights) == ("cornet_s@untrained-12", "untrained-12")


@pytest.mark.usefixtures("cache_folder")
def test_pixels_are_the_picture() -> None:
    model = pixels()
    assert (model.name, model.weights, model.static) == ("pixels", "none", True)
    assert model.areas == dict.fromkeys(("V1", "V2", "V4", "IT", "behavior"), ("pixels",))
    shown = noise_pictures(3)
    activations = model.activations(shown, ["pixels"])["pixels"]
    assert activations.shape == (3, 64 * 64 * 3, 1)
    for index in range(3):
        expected = shown.picture(index).transpose(2, 0, 1).ravel() / 255
        np.testing.assert_allclose(activations.values[index, :, 0], expected, atol=1e-6)


@pytest.mark.usefixtures("cache_folder")
def test_pixels_of_another_size_have_another_name() -> None:
    model = pixels(size=16)
    assert model.name == "pixels-16"
    assert model.activations(noise_pictures(1), ["pixels"])["pixels"].shape == (1, 768, 1)
    assert model.digest != pixels().digest
