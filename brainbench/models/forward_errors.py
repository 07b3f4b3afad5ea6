"""Errors that a network raises itself, with the place where they happened and what to do."""

from __future__ import annotations

import contextlib
import os
import traceback
from collections.abc import Iterator
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any

import torch
from torch import nn

from brainbench.core.errors import ActivationError, BrainbenchError
from brainbench.core.user_code import module_of
from brainbench.models.batching import is_out_of_memory

_OURS = f"{Path(__file__).parents[1]}{os.sep}"
_TORCH = f"{Path(torch.__file__).parent}{os.sep}"

_ADVICE: tuple[tuple[tuple[str, ...], str], ...] = (
    (
        ("missing", "required"),
        "wrap a module whose forward needs the images alone and gives the other arguments itself",
    ),
    (
        ("not implemented for",),
        "convert the network with net.float(), or choose another --device: this one does not have that "
        "operation in that precision",
    ),
    (
        ("dtype", "type (", "scalar type", "same type"),
        "use one precision in the whole network, for example net.float()",
    ),
    (
        ("same device", "on cpu", "cuda"),
        "let constants move with the network: register_buffer(name, tensor)",
    ),
    (
        ("shape", "size", "match", "expected", "dimension", "channel", "input"),
        "if the network takes images of another size, give "
        "wrap(..., preprocess=Preprocess(name='...', size=(height, width)))",
    ),
)


@contextlib.contextmanager
def explained(network: Any, images: Any) -> Iterator[None]:
    """Raise what a network raises within the block as an ActivationError, with the original as its cause.

    It names the innermost submodule of a torch module, the line of the user's code, and type and shape of
    `images`, an array or tensor. Errors of the project and those of memory pass unchanged.
    """
    try:
        yield
    except BrainbenchError:
        raise
    except (Exception, SystemExit) as error:
        if is_out_of_memory(error):
            raise
        raise forward_error(error, network, images) from error


def forward_error(error: Exception | SystemExit, network: Any, images: Any) -> ActivationError:
    """Return the ActivationError that says where in the network an error happened, and what to do."""
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    name = getattr(network, "__name__", type(network).__name__)
    text = f"{type(error).__name__}: {error}".strip().splitlines()[0]
    dtype = str(images.dtype).removeprefix("torch.")
    where = "".join((_submodule(network, frames), _line(error.__traceback__)))
    return ActivationError(
        f"{name} fails{where} for images of type {dtype} and shape {tuple(images.shape)}: {text}",
        allowed="a forward pass without errors for preprocessed images of this shape",
        todo=_advice(str(error)),
    )


def _submodule(network: Any, frames: list[FrameType]) -> str:
    if not isinstance(network, nn.Module):
        return ""
    names = {id(module): name for name, module in network.named_modules()}
    inside = [module for frame in frames if id(module := frame.f_locals.get("self")) in names]
    innermost = inside[-1] if inside else network
    name = names[id(innermost)]
    return f" in submodule {name!r} ({type(innermost).__name__})" if name else ""


def _line(trace: TracebackType | None) -> str:
    """Return the innermost line of the user's code, or of a library other than torch; "" without one."""
    places = [
        (f"{frame.f_code.co_filename}:{line}", isinstance(module_of(frame.f_globals), str))
        for frame, line in traceback.walk_tb(trace)
        if not frame.f_code.co_filename.startswith((_OURS, _TORCH, "<"))
    ]
    own = [place for place, is_library in places if not is_library]
    innermost = (own or [place for place, _ in places])[-1:]
    return f" at {innermost[0]}" if innermost else ""


def _advice(text: str) -> str:
    lowered = text.lower()
    for words, todo in _ADVICE:
        if any(word in lowered for word in words):
            return todo
    return "call the network on such a batch of zeros to see the whole traceback"
