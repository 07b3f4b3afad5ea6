"""Code of the user that was put into libraries at run time: global hooks, functions in place of theirs."""

from __future__ import annotations

import functools
import sys
import types
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.modules import module as torch_module

from brainbench.core.user_code import module_of

_COMMON: tuple[Any, ...] = (torch, torch.nn.functional, torch.Tensor, nn.Module, np)
"""What most networks compute with."""


def library_changes(computes: Any) -> Iterator[tuple[str, Any]]:
    """Yield the name and value of each hook on all modules, and of each function of the user in a library.

    Looked through are torch's and numpy's own functions, and the library classes of a torch module with the
    modules that define them. What another library put there is not found.
    """
    for hooks in (torch_module._global_forward_pre_hooks, torch_module._global_forward_hooks):
        for hook in hooks.values():
            yield "a hook on all modules", hook
    spaces = {id(one): one for one in (*_COMMON, *_library_classes(computes))}
    for space in spaces.values():
        for name, member in sorted(vars(space).items()):
            if _is_of_user(member):
                yield f"{space.__name__}.{name}", member


def _library_classes(computes: Any) -> Iterator[Any]:
    """Yield the library classes of all parts of a torch module, and the modules that define them."""
    parts = computes.modules() if isinstance(computes, nn.Module) else ()
    kinds = {base for part in parts for base in type(part).__mro__} - {object}
    for kind in sorted(kinds, key=lambda kind: (kind.__module__, kind.__qualname__)):
        module = sys.modules.get(kind.__module__)
        if module is not None and isinstance(module_of(vars(module)), str):
            yield kind
            yield module


def _is_of_user(member: Any) -> bool:
    function = getattr(member, "__func__", member)
    function = function.func if isinstance(function, functools.partial) else function
    if not isinstance(function, types.FunctionType):
        return False
    space: Mapping[str, Any] = function.__globals__
    top = str(space.get("__name__")).partition(".")[0]
    if top in ("torch", "numpy") or top in sys.stdlib_module_names - {"__main__"}:
        return False
    return not isinstance(module_of(space), str)
