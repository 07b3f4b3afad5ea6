"""Weights from files, without running what a file says.

A checkpoint of torch is a pickle, and a pickle may call anything. Only tensors, containers and plain
values are accepted here; whatever else a file names is refused, and the name is told.
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
"""How files of weights end."""

# Torch before 0.4.1 did not have it, and evaluation does not use it.
_MAY_BE_ABSENT = ".num_batches_tracked"
_SHOWN = 12
_NUMPY_TYPES = (np.float64, np.float32, np.int64, np.int32, np.bool_)
_ALLOWED: Final[list[Any]] = [
    # What training programs write beside the weights: settings, and figures as numpy scalars. Each only
    # holds values. Pickles from numpy 1 use the older module name.
    argparse.Namespace,
    (np._core.multiarray.scalar, "numpy.core.multiarray.scalar"),
    (np._core.multiarray.scalar, "numpy._core.multiarray.scalar"),
    (_codecs.encode, "_codecs.encode"),
    np.dtype,
    *{type(np.dtype(kind)) for kind in _NUMPY_TYPES},
]


def read(path: Path, *, name: str | None = None) -> State:
    """Weights of a checkpoint, by name.

    Parameters
    ----------
    path : Path
        A safetensors file, or a torch checkpoint of any age: the state dict itself, or a dict that holds
        it under "state_dict". A "module." before every name, as DataParallel leaves it, is taken off.
    name : str, optional
        How errors call the file; its path where not given.

    Returns
    -------
    dict of str to Tensor
        On the CPU.

    Raises
    ------
    InputError
        No file, a damaged one, one that would run code, or one without a state dict.
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
            f"weights {name}: no tensors by name in it",
            allowed="a state dict, or a dict with one under 'state_dict'",
            todo="save net.state_dict()",
        )
    prefix = "module." if all(key.startswith("module.") for key in state) else ""
    return {key.removeprefix(prefix): tensor.detach() for key, tensor in state.items()}


def fill(
    net: nn.Module, state: Mapping[str, Tensor], *, name: str, model: str | None = None
) -> None:
    """Put weights into a network: every one of them, and none that it does not have.

    Only `num_batches_tracked` may be missing: it counts training steps.

    Parameters
    ----------
    net : Module
        Changed in place.
    state : mapping of str to Tensor
        As `read` gives it.
    name : str
        How the error calls the weights.
    model : str, optional
        How it calls the network; its class where not given.

    Raises
    ------
    InputError
        A weight that is missing, not known, of another shape, or not finite; the net is as it was.
    """
    own = net.state_dict()
    missing = [key for key in own.keys() - state.keys() if not key.endswith(_MAY_BE_ABSENT)]
    shaped = [key for key in own.keys() & state.keys() if own[key].shape != state[key].shape]
    problems = {
        "missing": missing,
        "not of this network": state.keys() - own.keys(),
        "of another shape": shaped,
        "not finite": [key for key in state if not bool(torch.isfinite(state[key]).all())],
    }
    found = [f"{len(keys)} {what} ({_some(keys)})" for what, keys in problems.items() if keys]
    if found:
        raise InputError(
            f"{name} for {model or type(net).__name__}: {'; '.join(found)}",
            allowed=f"the {len(own)} entries of its state dict (num_batches_tracked may be missing)",
            todo="give the weights of this very network",
        )
    net.load_state_dict(dict(state), strict=False)


def write(state: Mapping[str, Tensor], path: Path, *, about: Mapping[str, str]) -> None:
    """Write weights as safetensors, with a few words about them.

    Parameters
    ----------
    state : mapping of str to Tensor
        By name.
    path : Path
        Whatever is there is overwritten.
    about : mapping of str to str
        Where they come from.

    Raises
    ------
    OSError
        The file cannot be written, or the disk is full.
    """
    # Two names for one memory become two tensors. Written here: a full disk is then an OSError.
    plain = {key: tensor.detach().cpu().contiguous().clone() for key, tensor in state.items()}
    path.write_bytes(safetensors.torch.save(plain, metadata=dict(about)))


def _some(keys: Any) -> str:
    listed = sorted(keys)
    more = f" and {len(listed) - _SHOWN} more" if len(listed) > _SHOWN else ""
    return ", ".join(listed[:_SHOWN]) + more


def _all_tensors(state: Mapping[Any, Any]) -> bool:
    return all(isinstance(k, str) and isinstance(v, Tensor) for k, v in state.items())


def _is_safetensors(path: Path) -> bool:
    """Tell by the content: the length of a JSON header, then the header."""
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
        named = re.search(r"GLOBAL (\S+)", str(error))
        if named is None:  # torch's own text goes on to advise reading it without care
            raise _damaged(name, "no checkpoint of torch") from error
        raise InputError(
            f"weights {name} are refused: reading them would call {named[1]}",
            allowed="tensors, containers and plain values; nothing in the file was run",
            todo="do not open this file if you do not trust it; if you do, save net.state_dict() alone, "
            "or as safetensors",
        ) from error
    except Exception as error:  # a file from anywhere: torch has no one error for a damaged one
        why = str(error).splitlines() or ["it ends too early"]
        raise _damaged(name, why[0].partition(". ")[0]) from error


def _damaged(name: str, why: str) -> InputError:
    return InputError(
        f"weights {name} cannot be read ({why})",
        allowed="a whole file, as torch.save or safetensors wrote it",
        todo="copy or download the file again",
    )
