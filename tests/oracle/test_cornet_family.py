"""CORnet-Z, -R and -RT against the released code: names, shapes, features of every area and step, logits.

data/cornet_family.npz and .json are outputs of the authors' program for seeded weights and two seeded inputs.
"""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cornet_oracle import fill_with_oracle_weights, oracle_images, relative_error
from steps import steps_of

from brainbench_models.cornet_r import CORnetR
from brainbench_models.cornet_z import CORnetZ

HERE = Path(__file__).parent / "data"
INFO: dict[str, Any] = json.loads((HERE / "cornet_family.json").read_text())
LAYERS = {
    **{area: f"{area}.output" for area in ("V1", "V2", "V4", "IT")},
    "avgpool": "decoder.avgpool",
}
MODELS = {"Z": CORnetZ, "R": CORnetR, "RT": partial(CORnetR, delayed=True)}
TOLERANCE = 1e-4


@pytest.fixture(scope="module", params=list(MODELS))
def name(request):
    return request.param


@pytest.fixture(scope="module")
def net(name):
    return fill_with_oracle_weights(MODELS[name]())


@pytest.fixture(scope="module")
def images():
    return oracle_images()


@pytest.fixture(scope="module")
def answers(net, images):
    logits, steps = steps_of(net, list(LAYERS.values()), images)
    return logits.numpy(), {k: [step.numpy() for step in v] for k, v in steps.items()}


@pytest.fixture(scope="module")
def oracle(name):
    with np.load(HERE / "cornet_family.npz") as stored:
        return {key.partition("/")[2]: stored[key] for key in stored if key.startswith(f"{name}/")}


def test_parameters_names_and_shapes_are_those_of_the_released_weights(name, net):
    info = INFO[name]
    assert [[key, list(value.shape)] for key, value in net.state_dict().items()] == info["keys"]
    expected = {"Z": 2_071_656, "R": 5_208_936, "RT": 5_208_936}[name]
    assert sum(p.numel() for p in net.parameters()) == info["params"] == expected
    for area, count in info["per_area"].items():
        assert sum(p.numel() for p in net.get_submodule(area).parameters()) == count


def test_logits_equal_the_oracle(answers, oracle):
    assert relative_error(answers[0], oracle["logits"]) < TOLERANCE


@pytest.mark.parametrize("area", list(LAYERS))
def test_features_of_every_step_equal_the_oracle(name, area, answers, oracle):
    steps = answers[1][LAYERS[area]]
    assert [list(step.shape[1:]) for step in steps] == INFO[name]["shapes"][area]
    for t, step in enumerate(steps):
        expected = {k: oracle[f"{area}/t{t}/{k}"] for k in ("mean", "std", "sample", "flatidx")}
        flat = step.reshape(len(step), -1)
        assert relative_error(flat[:, expected["flatidx"]], expected["sample"]) < TOLERANCE
        assert relative_error(step.mean((2, 3)), expected["mean"]) < TOLERANCE
        if area != "avgpool":  # one value per channel has no spread
            assert relative_error(step.std((2, 3)), expected["std"]) < TOLERANCE
