"""Files of weights, read without running code in them and without allocating more than they hold.

A checkpoint of torch is a pickle, and a pickle may call anything. Only tensors, containers and plain values
are accepted; the error for anything else names it. Sizes are compared with that of the file before memory is
allocated for them: a few bytes can declare a storage of terabytes, or repeat one number a billion times.
"""

from __future__ import annotations

import _codecs
import argparse
import pickle
import re
import struct
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import safetensors
import safetensors.torch
import torch
from torch import Tensor

from brainbench.core.errors import InputError

State = dict[str, Tensor]

_DEEPEST = 2  # levels of dicts around a state dict
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


def state_dicts(path: Path, *, name: str) -> dict[str, State]:
    """Return every state dict of a file by its place, "" or "state_dict" or "model.ema", on the CPU.

    The file is safetensors, or a torch checkpoint of any age; `name` is its name in error messages.
    InputError for a file that is damaged, would run code, or declares tensors that are larger than itself.
    """
    if _is_safetensors(path):
        return {"": _safetensors(path, name)}
    if zipfile.is_zipfile(path):
        _check_archive(path, name)
        _check_sizes(_found(_pickle(path, name, device="meta")), path, name)
    states = _found(_pickle(path, name, device="cpu"))
    _check_sizes(states, path, name)
    return states


def _found(loaded: Any, place: tuple[str, ...] = ()) -> dict[str, State]:
    """Return the mappings of names to tensors in what a file holds."""
    if not isinstance(loaded, Mapping) or not loaded:
        return {}
    if all(isinstance(k, str) and isinstance(v, Tensor) for k, v in loaded.items()):
        return {".".join(place): {key: tensor.detach() for key, tensor in loaded.items()}}
    if len(place) == _DEEPEST:
        return {}
    found: dict[str, State] = {}
    for key, member in loaded.items():
        if isinstance(key, str):
            found |= _found(member, (*place, key))
    return found


def _check_archive(path: Path, name: str) -> None:
    """Raise InputError unless the records of a zip file are whole, and not compressed beyond its size."""
    try:
        with zipfile.ZipFile(path) as archive:
            records = archive.infolist()
            packed = [r.filename for r in records if r.compress_type != zipfile.ZIP_STORED]
            held = sum(r.file_size for r in records)
            fits = not packed and held <= path.stat().st_size
            broken = archive.testzip() if fits else None
    except Exception as error:  # zipfile raises many types for a damaged file
        raise _damaged(name, str(error)) from error
    if not fits:
        named = f", compressed: {', '.join(packed)}" if packed else ""
        raise _damaged(name, f"records of {held:,} bytes in a smaller file{named}")
    if broken is not None:
        raise _damaged(name, f"the checksum of its record {broken} is wrong")


def _check_sizes(states: Mapping[str, State], path: Path, name: str) -> None:
    """Raise InputError for a tensor that takes more bytes than the whole file, written out or stored."""
    size = path.stat().st_size
    for state in states.values():
        for key, tensor in state.items():
            if tensor.layout != torch.strided:
                continue  # sparse: `fill` refuses it
            written = tensor.numel() * tensor.element_size()
            needed = max(written, tensor.untyped_storage().nbytes())
            if needed > size:
                raise InputError(
                    f"weights {name}: {key} of shape {tuple(tensor.shape)} takes {needed:,} bytes, the whole "
                    f"file has {size:,}",
                    allowed="tensors that are stored in full",
                    todo="do not use this file unless you made it; then save tensor.contiguous()",
                )


def _is_safetensors(path: Path) -> bool:
    with path.open("rb") as stream:
        start = stream.read(9)
    return len(start) == 9 and start[8:] == b"{" and struct.unpack("<Q", start[:8])[0] < 10**8


def _safetensors(path: Path, name: str) -> State:
    # The library compares the header with the size of the file first.
    try:
        return safetensors.torch.load_file(path)
    except safetensors.SafetensorError as error:
        raise _damaged(name, str(error)) from error


def _pickle(path: Path, name: str, *, device: str) -> Any:
    try:
        with torch.serialization.safe_globals(_ALLOWED):
            return torch.load(path, map_location=device, weights_only=True)
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
