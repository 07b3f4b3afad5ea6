"""The released TensorFlow variables and ours: a table of names, and the change of order.

TensorFlow keeps a kernel as (height, width, in, out), torch as (out, in, height, width). A kernel over
input and state side by side becomes two. `convert` takes arrays by TensorFlow's names; reading a checkpoint
needs TensorFlow:

    reader = tf.train.load_checkpoint("model.ckpt")
    arrays = {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map()}
    safetensors.torch.save_file(convert(arrays, graph("convrnn_rgc_intermediate")), "rgc.safetensors")
    beta = softmax_beta(arrays)  # of a network trained for its largest confidence, else None
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from brainbench.core.errors import InputError
from brainbench_models.convrnn.graph import Cell, Graph, Layer

Layout = Literal["vector", "kernel", "depthwise", "matrix", "map"]
Shape = tuple[int, ...]

_ORDER: Final[Mapping[Layout, tuple[int, ...]]] = {
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
"""What training leaves beside the weights, and what decoders add."""
_BETA: Final = re.compile(r"(^|/)softmax_beta$")


@dataclass(frozen=True)
class Variable:
    """One variable of a released checkpoint.

    Attributes
    ----------
    name : str
        TensorFlow's.
    keys : tuple of str
        Ours; two where the kernel is split into that of the input and that of the state; none where the
        network has no such weight, and the value must be 0.
    layout : str
        How its axes are ordered.
    split : int or None
        Channels of the input in a kernel that is split.
    """

    name: str
    keys: tuple[str, ...]
    layout: Layout = "kernel"
    split: int | None = None

    def parts(self, value: npt.NDArray[Any]) -> dict[str, Tensor]:
        """Our weights from its value."""
        if not self.keys:
            return {}
        moved = np.ascontiguousarray(value.transpose(_ORDER[self.layout]), dtype=np.float32)
        pieces = [moved] if self.split is None else np.split(moved, [self.split], axis=1)
        return {
            key: torch.from_numpy(np.ascontiguousarray(piece))
            for key, piece in zip(self.keys, pieces, strict=True)
        }


def variables(graph: Graph) -> tuple[Variable, ...]:
    """Table of all variables of a network, in the order of its layers."""
    listed: list[Variable] = []
    for layer in graph.layers:
        source = graph.shapes[graph.sources[layer.name]][0]
        feedback = bool(graph.feedback_of(layer.name))
        for variable in _of_layer(layer, source, feedback):
            listed.append(_within(variable, layer.name))
    fc = graph.readout.kind == "fc"
    place = "pre_3" if fc else "pre_1"
    of_readout = (
        Variable(f"{place}/weights", ("weight",), "matrix" if fc else "kernel"),
        Variable(f"{place}/bias", ("bias",), "vector"),
        Variable("memory_decay", (), "vector"),
    )
    return (*listed, *(_within(variable, graph.readout.name) for variable in of_readout))


def convert(arrays: Mapping[str, npt.NDArray[Any]], graph: Graph) -> dict[str, Tensor]:
    """State of a `ConvRNN` from the variables of a checkpoint.

    Parameters
    ----------
    arrays : mapping of str to ndarray
        By TensorFlow's names. What optimizers and decoders keep is passed over: the beta that was trained
        for "max_conf" is no weight but an option, see `softmax_beta`.
    graph : Graph
        The network.

    Raises
    ------
    InputError
        Variables that are missing or not of this network, all listed; one of another shape is refused when
        the network is filled; a decay that is not trained and is not 0.
    """
    table = {variable.name: variable for variable in variables(graph)}
    given = {name for name in arrays if not _NOT_WEIGHTS.search(name)}
    problems = {"missing": table.keys() - given, "not of this network": given - table.keys()}
    found = [
        f"{len(names)} {what} ({', '.join(sorted(names))})"
        for what, names in problems.items()
        if names
    ]
    if found:
        raise InputError(
            f"a checkpoint for {graph.name}: {'; '.join(found)}",
            allowed=f"its {len(table)} variables",
            todo="give the checkpoint of this very network",
        )
    state: dict[str, Tensor] = {}
    for variable in table.values():
        value = np.asarray(arrays[variable.name])
        if not variable.keys and value.any():
            raise InputError(
                f"{variable.name} is {value.ravel()[0]:g} in a checkpoint for {graph.name}",
                allowed="0: a layer without a cell has no memory",
                todo="give the checkpoint of this very network",
            )
        if value.ndim != len(_ORDER[variable.layout]):
            raise InputError(
                f"{variable.name} of shape {value.shape} in a checkpoint for {graph.name}",
                allowed=f"{len(_ORDER[variable.layout])} axes",
                todo="give the checkpoint of this very network",
            )
        state |= variable.parts(value)
    return state


def softmax_beta(arrays: Mapping[str, npt.NDArray[Any]]) -> float | None:
    """Beta that a checkpoint was trained with: give it as `convrnn(..., decoder="max_conf", beta=...)`.

    None for a network that was not trained for its largest confidence.

    Raises
    ------
    InputError
        Several, or one that is not a single number.
    """
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


def _within(variable: Variable, layer: str) -> Variable:
    keys = tuple(f"{layer}.{key}" for key in variable.keys)
    return Variable(f"{_SCOPE}/{layer}/{variable.name}", keys, variable.layout, variable.split)


def _of_layer(layer: Layer, source: int, feedback: bool) -> Iterator[Variable]:
    yield Variable("pre_0/weights_basenet", ("conv.weight",))
    yield Variable("pre_0/bias", ("conv.bias",), "vector")
    if layer.cell is None:
        yield Variable("memory_decay", (), "vector")
    else:
        for variable in _of_cell(layer.cell, layer, source, feedback):
            keys = tuple(f"cell.{key}" for key in variable.keys)
            yield Variable(variable.name, keys, variable.layout, variable.split)
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
        yield from _split("ConvGRUCell/gates", "gates", channels)
        yield from _split("ConvGRUCell/candidates", "candidates", channels)
    elif cell.kind == "rgc":
        yield from _reciprocal()
    elif cell.kind == "rgc_median":
        yield from _median(source != layer.width, feedback)
    else:
        scope = {"lstm": "LSTM", "ugrnn": "UGRNN", "intersection": "IntersectionRNN"}[cell.kind]
        yield from _split(f"Conv{scope}Cell", "gates", channels)
        if cell.kind == "lstm":
            yield from _lstm(cell)


def _split(scope: str, key: str, channels: int) -> Iterator[Variable]:
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


_GATES: Final = {
    "cell/tau": "cell_tau",
    "out/tau": "out_tau",
    "out/gate": "out_gate",
}


def _reciprocal() -> Iterator[Variable]:
    names = {
        **_GATES,
        "cell/gate": "cell_gate",
        "cell/input_to_cell": "input_to_cell",
        "out/residual_to_out_gate": "source_gate",
    }
    for name, key in names.items():
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
