"""Conversion of the released TensorFlow variables: a table of names, and the order of axes.

TensorFlow keeps a kernel as (height, width, in, out), torch as (out, in, height, width). A kernel over input
and state together becomes two. docs/models.md says how to read a checkpoint and convert it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from brainbench.core.errors import InputError
from brainbench_models.convrnn.graph import Cell, Graph, Layer

Layout = Literal["vector", "kernel", "depthwise", "matrix", "map"]

_AXES: Final[Mapping[Layout, tuple[int, ...]]] = {
    "vector": (0,),
    "kernel": (3, 2, 0, 1),  # HWIO -> OIHW
    "depthwise": (2, 3, 0, 1),  # HWC1 -> C1HW
    "matrix": (1, 0),
    "map": (2, 0, 1),  # HWC -> CHW
}
_SCOPE: Final = "tnn_model"
_NOT_WEIGHTS: Final = re.compile(
    r"(^|/)(global_step|beta[12]_power|.*Momentum.*|.*softmax_beta|decoder_.*)$"
)
"""Variables of optimizers and decoders."""
_BETA: Final = re.compile(r"(^|/)softmax_beta$")


@dataclass(frozen=True)
class Variable:
    """One variable of a released checkpoint; two weights if it is a kernel over input and state.

    If it has no weights, the network has none of that name and the value must be 0.
    """

    name: str  # in TensorFlow
    keys: tuple[str, ...]  # names of the weights here
    layout: Layout = "kernel"
    split: int | None = None  # channels of the input in a kernel that is split

    def parts(self, value: npt.NDArray[Any]) -> dict[str, Tensor]:
        """Convert its value to weights here."""
        if not self.keys:
            return {}
        moved = np.ascontiguousarray(value.transpose(_AXES[self.layout]), dtype=np.float32)
        pieces = [moved] if self.split is None else np.split(moved, [self.split], axis=1)
        return {
            key: torch.from_numpy(np.ascontiguousarray(piece))
            for key, piece in zip(self.keys, pieces, strict=True)
        }


def variables(graph: Graph) -> tuple[Variable, ...]:
    """Return all variables of a network, in the order of its layers."""
    listed: list[Variable] = []
    for layer in graph.layers:
        source = graph.shapes[graph.sources[layer.name]][0]
        feedback = bool(graph.feedback_of(layer.name))
        listed += (_in_layer(v, layer.name) for v in _of_layer(layer, source, feedback))
    fc = graph.readout.kind == "fc"
    scope = "pre_3" if fc else "pre_1"
    of_readout = (
        Variable(f"{scope}/weights", ("weight",), "matrix" if fc else "kernel"),
        Variable(f"{scope}/bias", ("bias",), "vector"),
        Variable("memory_decay", (), "vector"),
    )
    return (*listed, *(_in_layer(variable, graph.readout.name) for variable in of_readout))


def convert(arrays: Mapping[str, npt.NDArray[Any]], graph: Graph) -> dict[str, Tensor]:
    """Convert the variables of a checkpoint, by TensorFlow's names, to the state of a `ConvRNN`.

    Variables of optimizers and decoders are ignored (see `softmax_beta`). InputError if variables are
    missing, not of this network or have another number of axes, or a decay that is not trained is not 0;
    other shapes are refused when the network is filled.
    """
    table = {variable.name: variable for variable in variables(graph)}
    names = {name for name in arrays if not _NOT_WEIGHTS.search(name)}
    problems = {"missing": table.keys() - names, "not of this network": names - table.keys()}
    listed = [
        f"{len(wrong)} {problem} ({', '.join(sorted(wrong))})"
        for problem, wrong in problems.items()
        if wrong
    ]
    if listed:
        raise _wrong_checkpoint("; ".join(listed), graph, allowed=f"its {len(table)} variables")
    state: dict[str, Tensor] = {}
    for variable in table.values():
        value = np.asarray(arrays[variable.name])
        if not variable.keys and value.any():
            raise _wrong_checkpoint(
                f"{variable.name} is {value.ravel()[0]:g}",
                graph,
                allowed="0: a layer without a cell has no memory",
            )
        axes = len(_AXES[variable.layout])
        if value.ndim != axes:
            problem = f"{variable.name} of shape {value.shape}"
            raise _wrong_checkpoint(problem, graph, allowed=f"{axes} axes")
        state |= variable.parts(value)
    return state


def _wrong_checkpoint(problem: str, graph: Graph, *, allowed: str) -> InputError:
    todo = "give the checkpoint of this very network"
    return InputError(f"a checkpoint for {graph.name}: {problem}", allowed=allowed, todo=todo)


def softmax_beta(arrays: Mapping[str, npt.NDArray[Any]]) -> float | None:
    """Return the trained beta of "max_conf" in a checkpoint, if any; InputError for several values."""
    found = {name: np.asarray(value) for name, value in arrays.items() if _BETA.search(name)}
    if not found:
        return None
    values = [value for array in found.values() for value in array.ravel().tolist()]
    if len(values) != 1:
        raise InputError(
            f"{len(values)} values of softmax_beta in a checkpoint ({', '.join(sorted(found))})",
            allowed="one number",
            todo="choose one and give it as beta=",
        )
    return float(values[0])


def _in_layer(variable: Variable, layer: str) -> Variable:
    keys = tuple(f"{layer}.{key}" for key in variable.keys)
    return replace(variable, name=f"{_SCOPE}/{layer}/{variable.name}", keys=keys)


def _of_layer(layer: Layer, source: int, feedback: bool) -> Iterator[Variable]:
    yield Variable("pre_0/weights_basenet", ("conv.weight",))
    yield Variable("pre_0/bias", ("conv.bias",), "vector")
    if layer.cell is None:
        yield Variable("memory_decay", (), "vector")
    else:
        for variable in _of_cell(layer.cell, layer, source, feedback):
            yield replace(variable, keys=tuple(f"cell.{key}" for key in variable.keys))
    if layer.block:
        yield Variable("post_0/weights", ("second.weight",))
        yield Variable("post_0/bias", ("second.bias",), "vector")
        if source != layer.width:
            yield Variable("post_1/residual_add_weights", ("skip.weight",))


def _of_cell(cell: Cell, layer: Layer, source: int, feedback: bool) -> Iterator[Variable]:
    channels = layer.channels
    if cell.kind == "timedecay":
        yield Variable("memory_decay", ("decay",), "vector")
    elif cell.kind == "basic":
        yield from _basic(cell)
    elif cell.kind == "gru":
        yield from _input_and_state("ConvGRUCell/gates", "gates", channels)
        yield from _input_and_state("ConvGRUCell/candidates", "candidates", channels)
    elif cell.kind == "rgc":
        yield from _reciprocal()
    elif cell.kind == "rgc_median":
        yield from _median(source != layer.width, feedback)
    else:
        scope = {"lstm": "LSTM", "ugrnn": "UGRNN", "intersection": "IntersectionRNN"}[cell.kind]
        yield from _input_and_state(f"Conv{scope}Cell", "gates", channels)
        if cell.kind == "lstm":
            yield from _lstm(cell)


def _input_and_state(scope: str, key: str, channels: int) -> Iterator[Variable]:
    keys = (f"{key}.input.weight", f"{key}.state.weight")
    yield Variable(f"{scope}/weights", keys, "kernel", channels)
    yield Variable(f"{scope}/bias", (f"{key}.input.bias",), "vector")


def _norm(scope: str, key: str) -> Iterator[Variable]:
    yield Variable(f"{scope}/gamma", (f"{key}.weight",), "vector")
    yield Variable(f"{scope}/beta", (f"{key}.bias",), "vector")


def _basic(cell: Cell) -> Iterator[Variable]:
    for short, key in (("s", "state_conv"), ("i", "input_conv")):
        yield Variable(f"ConvNormBasicCell/{short}/weights", (f"{key}.weight",))
        yield Variable(f"ConvNormBasicCell/{short}/bias", (f"{key}.bias",), "vector")
    if cell.layer_norm:
        yield from _norm("ConvNormBasicCell/layer_norm", "norm")


def _lstm(cell: Cell) -> Iterator[Variable]:
    if cell.layer_norm:
        for name in ("input", "transform", "forget", "output", "state"):
            yield from _norm(f"ConvLSTMCell/{name}", f"norms.{name}")
    if cell.peepholes:
        for gate in "fio":
            yield Variable(f"ConvLSTMCell/peepholes/w_{gate}_diag", (f"peepholes.{gate}",), "map")


_GATES: Final = {"cell/tau": "cell_tau", "out/tau": "out_tau", "out/gate": "out_gate"}


def _reciprocal() -> Iterator[Variable]:
    keys = {
        **_GATES,
        "cell/gate": "cell_gate",
        "cell/input_to_cell": "input_to_cell",
        "out/residual_to_out_gate": "source_gate",
    }
    for name, key in keys.items():
        yield Variable(f"ReciprocalGateCell/{name}/weights", (f"{key}.weight",))


def _median(widens: bool, feedback: bool) -> Iterator[Variable]:
    scope = "ReciprocalGateCell"
    for name, key in {**_GATES, "cell/out_to_cell": "cell_gate"}.items():
        yield Variable(
            f"{scope}/{name}/depthwise_weights", (f"{key}.depthwise.weight",), "depthwise"
        )
        yield Variable(f"{scope}/{name}/pointwise_weights", (f"{key}.pointwise.weight",))
        yield Variable(f"{scope}/{name}/bias", (f"{key}.pointwise.bias",), "vector")
    convolutions = {"cell/input_to_cell": "input_to_cell", "out/input_to_out": "input_to_out"}
    if feedback:
        convolutions["out/feedback_to_out"] = "feedback_to_out"
    for name, key in convolutions.items():
        yield Variable(f"{scope}/{name}_weights", (f"{key}.weight",))
        yield Variable(f"{scope}/{name}_bias", (f"{key}.bias",), "vector")
    if widens:
        yield Variable(f"{scope}/out/residual_add_weights", ("source_to_out.weight",))
