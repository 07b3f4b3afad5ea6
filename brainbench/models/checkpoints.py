"""Weights from files that are read without running any code in them.

A checkpoint of torch is a pickle, and a pickle may call anything. Only tensors, containers and plain values
are accepted; the error for anything else names it.
"""

from __future__ import annotations

import _codecs
import argparse
import pickle
import re
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn

from brainbench.core.errors import InputError

State = dict[str, Tensor]

SUFFIXES: Final = (".safetensors", ".pth", ".pt", ".ckpt", ".tar", ".bin")
"""Suffixes of files of weights."""

# Torch before 0.4.1 did not save it, and evaluation does not use it.
_MAY_BE_ABSENT = ".num_batches_tracked"
_SHOWN = 12
_NUMPY_TYPES = (np.float64, np.float32, np.int64, np.int32, np.bool_)
_ALLOWED: Final[list[Any]] = [
    # Settings and numpy scalars that training programs save beside the weights: they only hold values.
    # Pickles from numpy 1 use the older module name.
    argparse.Namespace,
    (np._core.multiarray.scalar, "numpy.core.multiarray.scalar"),
    (np._core.multiarray.scalar, "numpy._core.multiarray.scalar"),
    (_codecs.encode, "_codecs.encode"),
    np.dtype,
    *{type(np.dtype(kind)) for kind in _NUMPY_TYPES},
]


def read(path: Path, *, name: str | None = None) -> State:
    """Read the weights of a checkpoint, called `name` in error messages, by name, on the CPU.

    The file is safetensors, or a torch checkpoint of any age: a state dict, or a dict with one under
    "state_dict". The prefix "module.", which DataParallel adds to every name, is removed. InputError for
    a file that does not exist, is damaged, would run code, or has no state dict.
    """
    name = name or str(path)
    if not path.is_file():
        raise InputError(
            f"weights {name}: there is no such file",
            allowed="a file, " + ", ".join(SUFFIXES[:3]),
            todo="check the path",
        )
    loaded = _safetensors(path, name) if _is_safetensors(path) else _pickle(path, name)
    state = loaded.get("state_dict", loaded) if isinstance(loaded, Mapping) else None
    if not isinstance(state, Mapping) or not state or not _all_tensors(state):
        raise InputError(
            f"weights {name}: no named tensors in the file",
            allowed="a state dict, or a dict with one under 'state_dict'",
            todo="save net.state_dict()",
        )
    prefix = "module." if all(key.startswith("module.") for key in state) else ""
    return {key.removeprefix(prefix): tensor.detach() for key, tensor in state.items()}


def fill(
    net: nn.Module, state: Mapping[str, Tensor], *, name: str, model: str | None = None
) -> None:
    """Load weights into a network in place; all names must match but `num_batches_tracked`.

    `name` and `model` are the names of the weights and of the network in error messages. InputError for a
    weight that is missing, unknown, of another shape, or not finite; the network is then unchanged.
    """
    own = net.state_dict()
    missing = [key for key in own.keys() - state.keys() if not key.endswith(_MAY_BE_ABSENT)]
    reshaped = [key for key in own.keys() & state.keys() if own[key].shape != state[key].shape]
    problems = {
        "missing": missing,
        "not of this network": state.keys() - own.keys(),
        "of another shape": reshaped,
        "not finite": [key for key in state if not bool(torch.isfinite(state[key]).all())],
    }
    lines = [f"{len(keys)} {what} ({_listed(keys)})" for what, keys in problems.items() if keys]
    if lines:
        raise InputError(
            f"{name} for {model or type(net).__name__}: {'; '.join(lines)}",
            allowed=f"the {len(own)} entries of its state dict (num_batches_tracked may be missing)",
            todo="give the weights of this network",
        )
    net.load_state_dict(dict(state), strict=False)


def write(state: Mapping[str, Tensor], path: Path, *, about: Mapping[str, str]) -> None:
    """Write weights and metadata as safetensors, replacing a file; OSError if it cannot be written."""
    # Tensors that share memory are copied. Written by Python, so that a full disk is an OSError.
    plain = {key: tensor.detach().cpu().contiguous().clone() for key, tensor in state.items()}
    path.write_bytes(safetensors.torch.save(plain, metadata=dict(about)))


def _listed(keys: Any) -> str:
    names = sorted(keys)
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


def _all_tensors(state: Mapping[Any, Any]) -> bool:
    return all(isinstance(k, str) and isinstance(v, Tensor) for k, v in state.items())


def _is_safetensors(path: Path) -> bool:
    with path.open("rb") as stream:
        start = stream.read(9)
    return len(start) == 9 and start[8:] == b"{" and struct.unpack("<Q", start[:8])[0] < 10**8


def _safetensors(path: Path, name: str) -> State:
    try:
        return safetensors.torch.load_file(path)
    except safetensors.SafetensorError as error:
        raise _damaged(name, str(error)) from error


def _pickle(path: Path, name: str) -> Any:
    try:
        with torch.serialization.safe_globals(_ALLOWED):
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        called = re.search(r"GLOBAL (\S+)", str(error))
        if called is None:  # the text of torch advises to read the file without this check
            raise _damaged(name, "not a checkpoint of torch") from error
        raise InputError(
            f"weights {name} are refused: reading them would call {called[1]}",
            allowed="tensors, containers and plain values; nothing in the file was run",
            todo="do not open this file unless you trust it; if you do, save only net.state_dict(), "
            "or safetensors",
        ) from error
    except Exception as error:  # torch raises many types for a damaged file
        why = str(error).splitlines() or ["it ends too early"]
        raise _damaged(name, why[0].partition(". ")[0]) from error


def _damaged(name: str, why: str) -> InputError:
    return InputError(
        f"weights {name} cannot be read ({why})",
        allowed="a whole file of torch.save or safetensors",
        todo="copy or download the file again",
    )
