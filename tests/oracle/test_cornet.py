"""CORnet-S against the released code: names, shapes, features of every area and step, logits.

data/cornet_s.npz and .json are outputs of the authors' program for seeded weights and two seeded inputs.
"""

from __future__ import annotations

import concurrent.futures
import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from cornet_oracle import fill_with_oracle_weights, oracle_images, relative_error
from steps import steps_of

from brainbench_models.cornet_s import STEPS, CORnetS

HERE = Path(__file__).parent / "data"
INFO: dict[str, Any] = json.loads((HERE / "cornet_s.json").read_text())
LAYERS = {**{area: f"{area}.output" for area in STEPS}, "avgpool": "decoder.avgpool"}
TOLERANCE = 1e-4


@pytest.fixture(scope="module")
def net() -> CORnetS:
    net = CORnetS()
    fill_with_oracle_weights(net)
    return net


@pytest.fixture(scope="module")
def images() -> torch.Tensor:
    return oracle_images()


@pytest.fixture(scope="module")
def answers(
    net: CORnetS, images: torch.Tensor
) -> tuple[npt.NDArray[Any], dict[str, list[npt.NDArray[Any]]]]:
    logits, steps = steps_of(net, list(LAYERS.values()), images)
    return logits.numpy(), {k: [step.numpy() for step in v] for k, v in steps.items()}


@pytest.fixture(scope="module")
def oracle() -> dict[str, npt.NDArray[Any]]:
    with np.load(HERE / "cornet_s.npz") as stored:
        return dict(stored)


def test_parameters_names_and_shapes_are_those_of_the_released_weights(net: CORnetS) -> None:
    keys = [[key, list(value.shape)] for key, value in net.state_dict().items()]
    assert keys == INFO["keys"]
    assert sum(p.numel() for p in net.parameters()) == INFO["params"] == 53_416_616
    for area, count in INFO["per_area"].items():
        assert sum(p.numel() for p in net.get_submodule(area).parameters()) == count


def test_logits_equal_the_oracle(answers: Any, oracle: dict[str, npt.NDArray[Any]]) -> None:
    assert relative_error(answers[0], oracle["logits"]) < TOLERANCE


@pytest.mark.parametrize("area", list(LAYERS))
def test_features_of_every_step_equal_the_oracle(
    area: str, answers: Any, oracle: dict[str, npt.NDArray[Any]]
) -> None:
    steps = answers[1][LAYERS[area]]
    assert [list(step.shape[1:]) for step in steps] == INFO["shapes"][area]
    for t, step in enumerate(steps):
        expected = {k: oracle[f"{area}/t{t}/{k}"] for k in ("mean", "std", "sample", "flatidx")}
        flat = step.reshape(len(step), -1)
        assert relative_error(flat[:, expected["flatidx"]], expected["sample"]) < TOLERANCE
        assert relative_error(step.mean((2, 3)), expected["mean"]) < TOLERANCE
        if area != "avgpool":  # one value per channel has no spread
            assert relative_error(step.std((2, 3)), expected["std"]) < TOLERANCE


def test_logits_are_the_same_with_gradients(
    net: CORnetS, images: torch.Tensor, oracle: dict[str, npt.NDArray[Any]]
) -> None:
    # With gradients, normalization must not write over its input.
    logits = net(images[:1]).detach().numpy()
    assert relative_error(logits, oracle["logits"][:1]) < TOLERANCE


def _settings(net: CORnetS) -> list[tuple[str, dict[str, Any]]]:
    return [
        (name, {k: v for k, v in vars(module).items() if not k.startswith("_")})
        for name, module in net.named_modules()
    ]


def test_forward_changes_no_attribute_so_that_threads_may_share_the_network(
    net: CORnetS, images: torch.Tensor, oracle: dict[str, npt.NDArray[Any]]
) -> None:
    before = _settings(net)
    state = {key: value.clone() for key, value in net.state_dict().items()}

    def run(index: int) -> npt.NDArray[Any]:
        with torch.inference_mode():
            return net(images[index : index + 1]).numpy()

    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        logits = np.concatenate(list(pool.map(run, range(2))))
    assert relative_error(logits, oracle["logits"]) < TOLERANCE
    assert _settings(net) == before
    for key, value in net.state_dict().items():
        assert torch.equal(value, state[key]), key
