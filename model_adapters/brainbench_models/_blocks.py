"""Blocks of a network that names none: the modules of its trunk, and the layer that its classifier reads.

Found in the tree of modules and in one forward pass, since libraries build, pool and flatten in many ways.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from brainbench.models.outputs import tensors_of

CLASSIFIERS = ("classifier", "fc", "head", "heads")
"""Usual names of what comes after the trunk."""
_ACTIVATIONS = "torch.nn.modules.activation"


def blocks_of(net: nn.Module, run: Callable[[], object]) -> list[str]:
    """Return the names of the blocks of the trunk that `run`, a forward pass, calls exactly once, in order.

    The trunk is the largest module that contains several modules of a kind, or a list of modules; its blocks
    are its members with parts of their own, or its nonlinearities where no member has any (VGG, AlexNet).
    """
    trunk, prefix = _trunk(net)
    members = {f"{prefix}{name}": child for name, child in _children(trunk)}
    blocks = [name for name, child in members.items() if any(True for _ in child.children())]
    if not blocks:
        blocks = [n for n, child in members.items() if type(child).__module__ == _ACTIVATIONS]
    modules = dict(net.named_modules())
    calls: Counter[str] = Counter()
    with contextlib.ExitStack() as hooks:
        for name in blocks:
            hook = modules[name].register_forward_hook(partial(_count, calls, name))
            hooks.callback(hook.remove)
        run()
    return [name for name in blocks if calls[name] == 1]


def _count(calls: Counter[str], name: str, _: nn.Module, __: Any, output: Any) -> None:
    calls[name] += 1 if tensors_of(output) else 2


def _trunk(net: nn.Module) -> tuple[nn.Module, str]:
    prefix = ""
    while True:
        parts = [(name, c) for name, c in _children(net) if any(True for _ in c.children())]
        kinds = Counter(type(child) for _, child in parts)
        several = any(count > 1 for count in kinds.values())
        if not parts or several or isinstance(net, nn.ModuleList):
            return net, prefix
        name, net = max(parts, key=lambda part: sum(1 for _ in part[1].modules()))
        prefix += f"{name}."


def _children(net: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    return ((name, child) for name, child in net.named_children() if name not in CLASSIFIERS)


def layer_before(net: nn.Module, classifier: str | None, run: Callable[[], object]) -> str | None:
    """Return the last module whose output the classifier reads unchanged; None if there is none.

    `classifier` is the name of its module, or None; `run` is a forward pass.
    """
    modules = dict(net.named_modules())
    if classifier is None or classifier not in modules:
        return None
    outputs: list[tuple[str, Tensor]] = []  # kept alive, so that no memory is used twice
    inputs: list[Tensor] = []
    with contextlib.ExitStack() as hooks:
        for name, module in modules.items():
            hook = module.register_forward_hook(partial(_keep, outputs, inputs, name))
            hooks.callback(hook.remove)
        read = modules[classifier].register_forward_pre_hook(lambda _, args: inputs.append(args[0]))
        hooks.callback(read.remove)
        run()
    for name, output in reversed(outputs):
        if (
            inputs
            and output.numel() == inputs[-1].numel()
            and output.data_ptr() == inputs[-1].data_ptr()
        ):
            return name
    return None


def _keep(
    outputs: list[tuple[str, Tensor]],
    inputs: list[Tensor],
    name: str,
    _: nn.Module,
    __: Any,
    output: Any,
) -> None:
    if isinstance(output, Tensor) and not inputs:
        outputs.append((name, output))


def last_linear(net: nn.Module) -> str | None:
    """Return the name of the last linear layer, which is the classifier where there is one."""
    named = [name for name, module in net.named_modules() if type(module) is nn.Linear]
    return named[-1] if named else None


def on_black(net: nn.Module, size: tuple[int, int] | None, **options: Any) -> Callable[[], object]:
    """Return a forward pass of a network over one black image, without gradients."""
    height, width = size or (224, 224)

    def run() -> None:
        with torch.inference_mode():
            images = torch.zeros(1, 3, height, width)
            _ = net(**{options["call"]: images}) if "call" in options else net(images)

    return run
