"""ConvRNNs against the released code: names, shapes, features of every layer and step, logits.

data/tf_*.npz and convrnn_vars.json are outputs of the authors' program for weights drawn from each variable's
name and two seeded images, presented as in training (12 steps, then blank). The weights are converted as
released checkpoints are.
"""

from __future__ import annotations

import json
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from steps import steps_of

from brainbench_models.convrnn.networks import graph
from brainbench_models.convrnn.schedule import Schedule
from brainbench_models.convrnn.tensorflow import convert, variables
from brainbench_models.convrnn.unroll import ConvRNN

HERE = Path(__file__).parent / "data"
RELEASED: dict[str, Any] = json.loads((HERE / "convrnn_vars.json").read_text())
RUN = sorted(path.stem.removeprefix("tf_") for path in HERE.glob("tf_*.npz"))
GATED = ("gru_shallow", "intersectionrnn_shallow", "lstm_shallow", "ugrnn_shallow")
"""Slow networks, whose cells are compared one by one in test_convrnn_cells_oracle."""
TOLERANCE = 1e-4
"""Required: 1e-3; measured: at most 4e-6."""


def _ours(name: str) -> str:
    return "convrnn_" + name.replace("intersectionrnn", "intersection").removesuffix("_t30")


def _value(name: str, shape: list[int], gain: float, decays: bool) -> npt.NDArray[np.float32]:
    rng = np.random.Generator(np.random.PCG64(zlib.crc32(name.encode())))
    if name.endswith("memory_decay"):
        value = np.full(shape, 0.3 if decays else 0.0)
    elif name.endswith("gamma"):
        value = rng.uniform(0.5, 1.5, shape)
    elif len(shape) == 1:
        value = 0.1 * rng.standard_normal(shape)
    else:
        fan = np.prod(shape[:2]) if "depthwise" in name else np.prod(shape[:-1])
        value = gain * rng.standard_normal(shape) / np.sqrt(fan)
    return value.astype(np.float32)


def _network(name: str) -> ConvRNN:
    declared = graph(_ours(name))
    cells = {layer.name for layer in declared.layers if layer.cell}
    gain = 0.5 if name == "rgc_intermediate" else 1.0
    arrays = {
        key: _value(key, shape, gain, key.split("/")[1] in cells)
        for key, shape in RELEASED[name]["vars"].items()
    }
    net = ConvRNN(declared)
    net.load_state_dict(convert(arrays, declared))
    return net


def _images() -> torch.Tensor:
    rng = np.random.Generator(np.random.PCG64(7))
    images = rng.standard_normal((2, 224, 224, 3)).astype(np.float32)
    return torch.from_numpy(images.transpose(0, 3, 1, 2))


def _error(
    got: npt.NDArray[Any], expected: npt.NDArray[Any], size: npt.NDArray[Any] | None = None
) -> float:
    """Return the largest difference, relative to the largest value of `size`."""
    return float(np.abs(got - expected).max() / np.abs(expected if size is None else size).max())


@pytest.mark.parametrize("name", list(RELEASED))
def test_variables_parameters_and_steps_are_those_of_the_release(name: str) -> None:
    released, declared = RELEASED[name], graph(_ours(name))
    net = ConvRNN(declared)
    own = {key: list(value.shape) for key, value in net.state_dict().items()}
    table = variables(declared)
    assert {variable.name for variable in table} == set(released["vars"])
    assert {key for variable in table for key in variable.keys} == set(own)
    for variable in table:
        zeros = np.zeros(released["vars"][variable.name], np.float32)
        for key, part in variable.parts(zeros).items():
            assert list(part.shape) == own[key], variable
    assert sum(p.numel() for p in net.parameters()) == released["trainable"]
    if not name.endswith("_t30"):  # trained for 30 steps, else the same network
        assert declared.steps == released["times"]


def test_the_median_network_has_the_parameters_of_the_paper() -> None:
    net = ConvRNN(graph("convrnn_rgc_intermediate"))
    assert sum(p.numel() for p in net.parameters()) == 15_445_800  # "15.5 M"


def test_there_are_oracles() -> None:
    assert len(RUN) == 8


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow) if name in GATED else name for name in RUN]
)
def test_features_of_every_layer_and_step_and_logits_equal_the_oracle(name: str) -> None:
    net = _network(name)
    declared = net.graph
    layers = [*(layer.name for layer in declared.layers), declared.readout.name]
    shown = Schedule.trained(declared)
    logits, steps = steps_of(net, layers, _images(), shown)
    with np.load(HERE / f"tf_{name}.npz") as stored:
        assert _error(logits.numpy(), stored["logits"]) < TOLERANCE
        for layer in layers:
            assert len(steps[layer]) == declared.steps
            for t, tensor in enumerate(steps[layer]):
                step = tensor.numpy()
                if step.ndim == 4:
                    mean, spread = (stored[f"{layer}/t{t}/{k}"] for k in ("chmean", "chstd"))
                    assert _error(step.mean((2, 3)), mean) < TOLERANCE
                    # Before the image comes maps are flat, and their spread is rounding: relative to
                    # the features themselves.
                    assert _error(step.std((2, 3)), spread, step) < TOLERANCE
                    step = step.transpose(0, 2, 3, 1)
                flat = step.reshape(len(step), -1)
                chosen = np.random.Generator(np.random.PCG64(99)).integers(0, flat.shape[1], 128)
                assert _error(flat[:, chosen], stored[f"{layer}/t{t}/sample"]) < TOLERANCE
