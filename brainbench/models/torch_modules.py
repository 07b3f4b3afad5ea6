"""Which torch modules can be read layer by layer, and how they are called."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn

from brainbench.core import progress
from brainbench.core.errors import InputError, unknown
from brainbench.models.outputs import module_name

_AS_FUNCTION = (
    "wrap the network that it was made from: create that and net.load_state_dict({state}). "
    "For its output alone, wrap a function: wrap(lambda images: "
    "{called}(torch.from_numpy(images)).detach().numpy(), fingerprint='...')"
)


def readable(net: Any) -> Any:
    """Return a network whose layers can be read: of a compiled one its original.

    InputError for TorchScript, exported programs, and networks with compiled parts, whose submodules are not
    called one by one. Anything that is not a torch module is returned as it is.
    """
    if isinstance(net, torch.export.ExportedProgram) or _flat(net):
        raise InputError(
            "a program of torch.export, which has no layers that could be read",
            allowed="the torch.nn.Module that was exported",
            todo=_AS_FUNCTION.format(called="program.module()", state="program.state_dict"),
        )
    if not isinstance(net, nn.Module):
        return net
    original = getattr(net, "_orig_mod", None)
    if isinstance(original, nn.Module):
        progress.current().note(
            f"{type(original).__name__}: the network before torch.compile is read, layer by layer"
        )
        return readable(original)
    if isinstance(net, torch.jit.ScriptModule):
        raise InputError(
            f"a TorchScript network ({getattr(net, 'original_name', type(net).__name__)}), whose layers "
            "cannot be read: they run without calling Python",
            allowed="the torch.nn.Module that was scripted or traced",
            todo=_AS_FUNCTION.format(called="scripted", state="scripted.state_dict()"),
        )
    compiled = [
        name or "the network itself" for name, part in net.named_modules() if _compiled(part)
    ]
    if compiled:
        raise InputError(
            f"a network of which torch.compile compiled {', '.join(compiled[:6])}",
            allowed="a network that is not compiled",
            todo="wrap the network before you compile parts of it",
        )
    _check_values(net)
    return net


def _check_values(net: nn.Module) -> None:
    """Raise InputError for weights or buffers that have a shape and no values."""
    tensors = [*net.named_parameters(), *net.named_buffers()]
    names = [name for name, tensor in tensors if tensor.is_meta]
    if names:
        raise InputError(
            f"{type(net).__name__} with {len(names)} weights on the device 'meta', such as {names[0]}",
            allowed="a network whose weights have values",
            todo="create it outside of torch.device('meta'), or net.to_empty(device='cpu') and load weights",
        )


def _flat(net: Any) -> bool:
    """Return whether a module is a graph of operators that calls no submodules, as those of torch.export."""
    if not isinstance(net, torch.fx.GraphModule):
        return False
    called = [str(node.target) for node in net.graph.nodes if node.op == "call_module"]
    return not [name for name in called if not name.startswith("_guards")]


def _compiled(module: nn.Module) -> bool:
    in_place = getattr(module, "_compiled_call_impl", None) is not None
    return in_place or isinstance(getattr(module, "_orig_mod", None), nn.Module)


def check_scripted_parts(net: nn.Module, layers: Sequence[str]) -> None:
    """Raise InputError for a layer inside a TorchScript part of a network."""
    for layer in layers:
        parts = module_name(layer).split(".")
        for depth in range(1, len(parts)):
            outer = ".".join(parts[:depth])
            if isinstance(net.get_submodule(outer), torch.jit.ScriptModule):
                raise InputError(
                    f"layer {layer!r} inside the TorchScript module {outer!r}",
                    allowed=f"{outer!r} itself, or a layer outside of it",
                    todo="create this part of the network as a torch.nn.Module, not scripted or traced",
                )


def check_call(call: Any, net: Any, presentations: Sequence[str]) -> None:
    """Raise InputError unless `call` says how a torch module is called with images."""
    if call is None:
        return
    if not isinstance(net, nn.Module):
        raise InputError(
            f"call={call!r} for a network of type {type(net).__name__}",
            allowed="call= for a torch.nn.Module only",
            todo="let your function call the network as it needs",
        )
    if callable(call):
        return
    if not isinstance(call, str) or len(presentations) > 1:
        raise InputError(
            f"call={call!r} for the presentations {tuple(presentations)}",
            allowed="the keyword that takes the images, as 'pixel_values', where the network sees constant "
            "images, or a function of the network and its input",
            todo="write call=lambda net, images: net(pixel_values=images)",
        )
    _check_keyword(call, net.forward)


def _check_keyword(call: str, forward: Callable[..., Any]) -> None:
    parameters = inspect.signature(forward).parameters
    named = [
        name
        for name, p in parameters.items()
        if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)
    ]
    any_keyword = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    if call not in named and not any_keyword:
        todo = "give the parameter of forward() that takes the images"
        raise unknown("keyword of the network", call, named, todo=todo)
