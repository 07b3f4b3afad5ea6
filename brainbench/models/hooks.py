"""Forward hooks that capture the outputs of layers of a torch module and leave it unchanged."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal

import torch
from torch import Tensor, nn

from brainbench.core.errors import unknown
from brainbench.models.outputs import module_name, tensor_of

Calls = Literal["steps", "last"] | int
"""Which calls of a layer count: every call as a step, the last call, or the call of that number."""


def submodule(net: nn.Module, layer: str) -> nn.Module:
    """Return the module of a layer, "NAME" or "NAME#PATH" or "#PATH"; see `outputs`.

    UnknownNameError names the closest if there is none.
    """
    known: dict[str, nn.Module] = dict(net.named_modules(remove_duplicate=False))
    name = module_name(layer)
    if not layer or name not in known:
        names = [name for name in known if name]
        todo = "choose one of [name for name, _ in net.named_modules()]"
        raise unknown("layer", layer, names, todo=todo)
    return known[name]


class AllCalled(BaseException):
    """All layers that are read were called: nothing of the rest of the forward pass is needed."""


@dataclass
class Capture:
    """Outputs of layers in one forward pass, by layer.

    `counts` are the numbers of calls, `shapes` the shape of the output of every call, and `kept` copies of
    the selected outputs, in the order of the calls. `noted` are the layers of whose several outputs the first
    was taken. Once every layer of `enough` was called so often, `AllCalled` ends the pass.
    """

    enough: Mapping[str, int] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    shapes: dict[str, list[tuple[int, ...]]] = field(default_factory=dict)
    kept: dict[str, list[Tensor]] = field(default_factory=dict)
    noted: set[str] = field(default_factory=set)

    def clear(self) -> None:
        """Remove all outputs before the next forward pass."""
        self.counts, self.shapes, self.kept = {}, {}, {}

    def add(self, layer: str, output: Any, calls: Calls) -> None:
        """Add the output of one call, as a copy if `calls` selects it."""
        tensor = tensor_of(output, layer, noted=self.noted)
        index = self.counts.get(layer, 0)
        self.counts[layer] = index + 1
        self.shapes.setdefault(layer, []).append(tuple(tensor.shape))
        kept = self.kept.setdefault(layer, [])
        if calls == "last":
            kept.clear()
        if calls in ("steps", "last") or calls == index:
            # Later layers may overwrite this memory (ReLU in place, `x += skip`): never keep a view.
            kept.append(tensor.detach().clone(memory_format=torch.contiguous_format))
        if self.enough and all(self.counts.get(name, 0) >= n for name, n in self.enough.items()):
            raise AllCalled


@contextlib.contextmanager
def capturing(
    net: nn.Module,
    layers: Sequence[str],
    calls: Mapping[str, Calls],
    enough: Mapping[str, int] | None = None,
) -> Iterator[Capture]:
    """Capture the selected calls of layers within the block; UnknownNameError if a layer does not exist.

    For `enough` see `Capture`.
    """
    capture = Capture(enough=enough or {})
    with contextlib.ExitStack() as hooks:
        for layer in layers:
            module = submodule(net, layer)
            handle = module.register_forward_hook(partial(_keep, capture, layer, calls[layer]))
            hooks.callback(handle.remove)
        yield capture


def _keep(capture: Capture, layer: str, calls: Calls, _: nn.Module, __: Any, output: Any) -> None:
    capture.add(layer, output, calls)
