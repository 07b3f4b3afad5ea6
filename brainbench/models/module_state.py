"""What a torch module holds, so that a forward pass leaves it as it was."""

from __future__ import annotations

import contextlib
from collections import OrderedDict, defaultdict, deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from brainbench.core.errors import ActivationError, InputError

_DICTS = (dict, OrderedDict, defaultdict)


@contextlib.contextmanager
def evaluating(net: nn.Module) -> Iterator[None]:
    """Put a module in evaluation mode without gradients, and leave it as it was.

    Modes, buffers, attributes and hooks are restored, see `ModuleState`. ActivationError if weights changed,
    InputError for weights without a shape yet, which a first forward pass would make.
    """
    _check_initialized(net)
    state, weights = ModuleState(net), _Weights.of(net)
    try:
        net.eval()
        with torch.inference_mode(False), torch.no_grad():
            yield
    finally:
        state.restore()
        weights.restore()
    weights.check()


def _check_initialized(net: nn.Module) -> None:
    lazy = [name for name, tensor in net.named_parameters() if is_lazy(tensor)]
    lazy += [name for name, tensor in net.named_buffers() if is_lazy(tensor)]
    if lazy:
        raise InputError(
            f"{type(net).__name__} with {len(lazy)} weights that are not initialized, such as {lazy[0]}",
            allowed="a network whose weights have their shapes and values",
            todo="call the network once with images of the right size before it is wrapped",
        )


class ModuleState:
    """The attributes and buffers of every submodule at one moment.

    Tensors other than parameters, arrays, and the lists, dicts, sets and deques that hold them are copied;
    objects of other types keep what a forward pass changed in them. Parameters are not copied.
    """

    def __init__(self, net: nn.Module) -> None:
        self._saved: dict[int, tuple[Any, Any]] = {}
        for module in net.modules():
            self._save(vars(module))

    def _save(self, value: Any) -> None:
        if id(value) in self._saved:
            return
        held: list[Any] = []
        if isinstance(value, Tensor):
            if not isinstance(value, nn.Parameter):
                self._saved[id(value)] = value, value.detach().clone()
        elif isinstance(value, np.ndarray):
            self._saved[id(value)] = value, value.copy()
        elif type(value) in _DICTS:
            self._saved[id(value)] = value, dict(value)
            held = list(value.values())
        elif type(value) in (list, deque, set):
            held = list(value)
            self._saved[id(value)] = value, held
        elif type(value) is tuple:
            held = list(value)
        for item in held:
            self._save(item)

    def restore(self) -> None:
        """Restore everything that differs."""
        for value, saved in self._saved.values():
            if isinstance(value, Tensor):
                _restore_tensor(value, saved)
            elif isinstance(value, np.ndarray):
                if value.shape != saved.shape:  # resized in place
                    value.resize(saved.shape, refcheck=False)
                value[...] = saved
            elif isinstance(value, dict):
                if [*map(id, value.values())] != [*map(id, saved.values())] or [*value] != [*saved]:
                    value.clear()
                    value.update(saved)
            elif [*map(id, value)] != [*map(id, saved)]:
                value.clear()
                (value.update if isinstance(value, set) else value.extend)(saved)


def _restore_tensor(tensor: Tensor, saved: Tensor) -> None:
    if tensor.is_inference() or tensor.is_meta or tensor.layout != torch.strided:
        return  # cannot have been changed, or has no values that could be compared
    if tensor.shape != saved.shape or tensor.dtype != saved.dtype:
        tensor.data = saved
    elif not bool(((tensor == saved) | ((tensor != tensor) & (saved != saved))).all()):
        with torch.no_grad():
            tensor.copy_(saved)


@dataclass(frozen=True)
class _Weight:
    """A parameter at one moment, and what shows a change of it without a copy."""

    parameter: nn.Parameter
    needs_grad: bool
    grad: Tensor | None
    marks: tuple[object, ...]


@dataclass(frozen=True)
class _Weights:
    """The parameters of a module by name."""

    net: nn.Module
    by_name: dict[str, _Weight]

    @classmethod
    def of(cls, net: nn.Module) -> _Weights:
        """Return the parameters as they are now."""
        return cls(
            net,
            {
                name: _Weight(p, p.requires_grad, p.grad, (_marks(p), _marks(p.grad)))
                for name, p in net.named_parameters()
            },
        )

    def restore(self) -> None:
        """Remove gradients that were not there, and restore which parameters need them."""
        for weight in self.by_name.values():
            weight.parameter.requires_grad_(weight.needs_grad)
            if weight.parameter.grad is not weight.grad:
                weight.parameter.grad = weight.grad

    def check(self) -> None:
        """Raise ActivationError if a parameter or its gradient has other values than before."""
        changed = [
            name
            for name, w in self.by_name.items()
            if w.marks != (_marks(w.parameter), _marks(w.grad))
        ]
        if changed:
            more = f" and {len(changed) - 3} more" if len(changed) > 3 else ""
            raise ActivationError(
                f"the forward pass of {type(self.net).__name__} changes its own weights or gradients: "
                f"{', '.join(changed[:3])}{more}; they have not been restored",
                allowed="a forward pass that changes no parameters (buffers and attributes are restored)",
                todo="load the weights again, and let the network compute with a copy of them",
            )


def _marks(tensor: Tensor | None) -> tuple[object, ...]:
    """Return what differs after a change: the version counter, and the sum for changes that it misses."""
    if tensor is None or tensor.is_inference() or tensor.is_meta or tensor.layout != torch.strided:
        return ()
    values = tensor.detach()
    is_short = values.is_floating_point() and values.itemsize < 4  # whose sum would be too coarse
    total = values.float().sum() if is_short else values.sum()
    return tensor._version, repr(total.item())
