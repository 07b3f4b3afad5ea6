"""Every recurrent cell against the released code: outputs and states over five steps.

data/cell_*.npz are inputs, weights, outputs and states of the authors' program. The oracle's maps are 8 x 6;
its separable kernels are 7 x 6, as large as the maps allow.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch.nn.functional import elu

from brainbench_models.convrnn.cells import CellSizes, RecurrentCell, make_cell
from brainbench_models.convrnn.graph import Cell, Graph, Layer
from brainbench_models.convrnn.tensorflow import variables

HERE = Path(__file__).parent / "data"
TOLERANCE = 1e-5

CELLS = {
    "convbasic": Cell(kind="basic"),
    "convbasic_ln": Cell(kind="basic", layer_norm=True),
    "convgru": Cell(kind="gru"),
    "convintersection": Cell(kind="intersection"),
    "convlstm": Cell(kind="lstm"),
    "convlstm_peephole": Cell(kind="lstm", peepholes=True),
    "convlstm_peephole_ln": Cell(kind="lstm", peepholes=True, layer_norm=True, forget_bias=0.978),
    "convugrnn": Cell(kind="ugrnn"),
    "rgc_median": Cell(kind="rgc_median", memory=64, kernel=(7, 6)),
    "rgc_shallow": Cell(kind="rgc", memory=4),
}


def _filled(spec: Cell, stored: dict[str, npt.NDArray[Any]]) -> RecurrentCell:
    """Build a cell with the oracle's weights, converted as released checkpoints are."""
    median = spec.kind == "rgc_median"
    cell = make_cell(spec, CellSizes(channels=6, source=5, side=8, feedback=7 if median else 0))
    first = Layer(name="conv1", channels=5)
    layer = Layer(name="conv2", channels=6, cell=spec)
    later = Layer(name="conv3", channels=7)
    feedback = (("conv3", "conv2"),) if median else ()
    table = variables(Graph(name="one", layers=(first, layer, later), feedback=feedback))
    state = {}
    for variable in table:
        if all(key.startswith("conv2.cell.") for key in variable.keys) and variable.keys:
            value = stored["w:" + variable.name.removeprefix("tnn_model/conv2/")]
            state |= {k.removeprefix("conv2.cell."): v for k, v in variable.parts(value).items()}
    own = cell.state_dict()
    assert own.keys() == state.keys()
    with torch.no_grad():
        for name, tensor in [*cell.named_parameters()]:
            tensor.data = state[name]  # peepholes are 8 x 6 here, the modules are square
    return cell


def _maps(stored: npt.NDArray[Any]) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(stored.transpose(0, 1, 4, 2, 3)))


@pytest.mark.parametrize("name", list(CELLS))
def test_outputs_and_states_of_every_step_equal_the_oracle(name: str) -> None:
    with np.load(HERE / f"cell_{name}.npz") as file:
        stored = dict(file)
    assert sum(key.startswith("w:") for key in stored) == len(
        [key for key in stored if key not in ("x", "res", "fb", "out", "state")]
    )
    cell = _filled(CELLS[name], stored)
    x, source, feedback, out, states = (
        _maps(stored[k]) for k in ("x", "res", "fb", "out", "state")
    )
    if name == "rgc_median":
        x = elu(x)  # its Elu stands inside the oracle's cell, and before ours
    with torch.no_grad():
        state = cell.zeros(x[0])
        for t in range(len(x)):
            given = (feedback[t],) if name == "rgc_median" else ()
            y, state = cell(cell.drive(x[t], source[t]), state, given)
            assert (y - out[t]).abs().max() < TOLERANCE
            assert (torch.cat(state, 1) - states[t]).abs().max() < TOLERANCE


@pytest.mark.parametrize("name", list(CELLS))
def test_a_state_shared_by_all_images_gives_what_one_for_each_gives(name: str) -> None:
    with np.load(HERE / f"cell_{name}.npz") as file:
        stored = dict(file)
    cell = _filled(CELLS[name], stored)
    x, source = _maps(stored["x"])[0], _maps(stored["res"])[0]
    with torch.no_grad():
        drive = cell.drive(x, source)
        shared, _ = cell(drive, cell.zeros(x))
        each, _ = cell(drive, tuple(s.repeat(len(x), 1, 1, 1) for s in cell.zeros(x)))
    assert torch.equal(shared.expand_as(each), each)
