"""Tensors in the output of a module: tuples, mappings and data classes, nested, by path.

A layer is named "MODULE" or "MODULE#PATH": "block#0" is the first member of what the module `block` returns,
"#last_hidden_state" a member of the output of the whole network, "#" that output itself.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from brainbench.core import progress
from brainbench.core.errors import ActivationError

SEPARATOR = "#"
_DEEPEST = 6
_SHOWN = 12


def module_name(layer: str) -> str:
    """Return the dotted name of the module of a layer; "" for the whole network."""
    return layer.partition(SEPARATOR)[0]


def tensors_of(output: Any) -> dict[str, Tensor]:
    """Return every tensor in an output by its path: "" alone, or "0", "last_hidden_state", "states.3"."""
    found: dict[str, Tensor] = {}
    _collect(output, (), found)
    return found


def _collect(output: Any, path: tuple[str, ...], found: dict[str, Tensor]) -> None:
    if isinstance(output, Tensor):
        found[".".join(path)] = output
    elif len(path) < _DEEPEST:
        for key, member in _members(output).items():
            _collect(member, (*path, key), found)


def _members(output: Any) -> dict[str, Any]:
    if isinstance(output, Mapping):
        return {str(key): member for key, member in output.items()}
    if isinstance(output, tuple | list):
        names = getattr(output, "_fields", range(len(output)))
        return {str(name): member for name, member in zip(names, output, strict=True)}
    if dataclasses.is_dataclass(output) and not isinstance(output, type):
        return {f.name: getattr(output, f.name) for f in dataclasses.fields(output)}
    return {}


def tensor_of(output: Any, layer: str, *, noted: set[str]) -> Tensor:
    """Return the tensor of an output that a layer names.

    Without a path it is the only tensor. Of a tuple that starts with one it is the first: without a word of
    (output, state) with the state in a collection, as recurrent layers return; otherwise, as of (output,
    attention weights), with a note, once for each layer in `noted`. ActivationError that lists the tensors if
    there are several otherwise, none, or none at the path.
    """
    if isinstance(output, Tensor) and not layer.partition(SEPARATOR)[2]:
        return output
    name, _, path = layer.partition(SEPARATOR)
    tensors = tensors_of(output)
    chosen = _below(tensors, path)
    if len(chosen) == 1:
        return next(iter(chosen.values()))
    if chosen and not path and isinstance(output, tuple) and isinstance(output[0], Tensor):
        if len(output) > 2 or isinstance(output[1], Tensor):
            _note(layer, name, tensors, noted)
        return output[0]
    kind = type(output).__name__
    offered = _listed(name, tensors)
    if not tensors:
        raise ActivationError(
            f"layer {layer!r} returns a {kind} without a tensor",
            allowed="a tensor, or a tuple, list, mapping or data class with one",
            todo="choose a layer inside or after it",
        )
    raise ActivationError(
        f"layer {layer!r} returns a {kind} with {len(chosen)} tensors"
        + (f" at {path!r}" if path else ""),
        allowed=offered,
        todo=f"choose one by its path, for example layers={{'IT': '{name}#{next(iter(tensors))}'}}",
    )


def _below(tensors: Mapping[str, Tensor], path: str) -> dict[str, Tensor]:
    """Return the tensor at a path, or those below it."""
    if path in tensors:
        return {path: tensors[path]}
    return {
        key: tensor for key, tensor in tensors.items() if not path or key.startswith(path + ".")
    }


def _note(layer: str, name: str, tensors: Mapping[str, Tensor], noted: set[str]) -> None:
    if layer not in noted:
        noted.add(layer)
        progress.current().note(
            f"layer {layer!r} returns {len(tensors)} tensors ({_listed(name, tensors)}); "
            f"the first counts: write {name}#PATH for another"
        )


def _listed(name: str, tensors: Mapping[str, Tensor]) -> str:
    shown = [f"{name}#{path} {tuple(tensor.shape)}" for path, tensor in tensors.items()]
    more = f", ... ({len(shown)} in all)" if len(shown) > _SHOWN else ""
    return ", ".join(shown[:_SHOWN]) + more
