"""Checkpoints of a fit: one safetensors file, whose header holds the rest as JSON. Nothing is pickled.

The file is replaced as a whole, so that a process that is killed leaves the former one.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from brainbench.core.errors import DamagedFileError, InputError
from brainbench.storage.files import new_file

FORMAT: Final = "brainbench-fit-1"
_CHOOSE: Final = "give -o"


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """The state from which a fit continues.

    Parameters
    ----------
    identity : mapping
        Plain values that say what is fitted: a checkpoint of another identity is refused.
    progress : mapping
        Plain values: how far the fit is.
    tensors : mapping of str to Tensor
        Weights, states of optimizers and random numbers.
    """

    identity: Mapping[str, Any]
    progress: Mapping[str, Any]
    tensors: Mapping[str, Tensor]


def write(path: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint in place of the former one; CacheError if it cannot be written."""
    header = {
        "format": FORMAT,
        "torch": torch.__version__,
        "identity": json.dumps(dict(checkpoint.identity), sort_keys=True),
        "progress": json.dumps(dict(checkpoint.progress), sort_keys=True),
    }
    plain = {
        key: value.detach().cpu().contiguous().clone() for key, value in checkpoint.tensors.items()
    }
    with new_file(path, choose=_CHOOSE) as temporary:
        temporary.write_bytes(safetensors.torch.save(plain, metadata=header))


def read(path: Path, identity: Mapping[str, Any]) -> Checkpoint:
    """Read a checkpoint of the same identity.

    Raises
    ------
    DamagedFileError
        The file is no whole checkpoint.
    InputError
        It is that of another configuration; the error names what differs.
    """
    try:
        with safetensors.safe_open(path, framework="pt") as stream:
            header = stream.metadata() or {}
            tensors = {key: stream.get_tensor(key) for key in stream.keys()}  # noqa: SIM118
        if header.get("format") != FORMAT:
            raise ValueError(f"format {header.get('format')!r}")
        own = json.loads(header["identity"])
        progress = json.loads(header["progress"])
    except (OSError, ValueError, KeyError, safetensors.SafetensorError) as error:
        raise DamagedFileError(
            f"checkpoint {path} cannot be read ({error})",
            allowed="a whole checkpoint of a fit",
            todo="remove it; the fit then begins anew",
        ) from error
    _check_same(path, own, json.loads(json.dumps(dict(identity))))
    return Checkpoint(identity=own, progress=progress, tensors=tensors)


def _check_same(path: Path, own: Mapping[str, Any], asked: Mapping[str, Any]) -> None:
    differing = [
        f"{key} {own.get(key)!r}, now {asked.get(key)!r}"
        for key in sorted({*own, *asked})
        if own.get(key) != asked.get(key)
    ]
    if differing:
        raise InputError(
            f"checkpoint {path} of another configuration: {_cut('; '.join(differing))}",
            allowed="the configuration that the fit was begun with",
            todo="give the same configuration, another -o DIR, or remove the checkpoint",
        )


def _cut(text: str, most: int = 400) -> str:
    return text if len(text) <= most else text[:most] + " ..."


def prefixed(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return tensors under a common beginning of their names."""
    return {f"{prefix}/{key}": value for key, value in tensors.items()}


def under(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors whose names have a common beginning, without it."""
    start = f"{prefix}/"
    return {
        key.removeprefix(start): value for key, value in tensors.items() if key.startswith(start)
    }


def split_optimizer(state: Mapping[str, Any]) -> tuple[dict[str, Tensor], list[dict[str, Any]]]:
    """Return the tensors of an optimizer's state by "parameter.entry", and its groups as plain values."""
    tensors = {
        f"{number}.{entry}": torch.as_tensor(value)
        for number, entries in state["state"].items()
        for entry, value in entries.items()
        if value is not None  # the momentum of descent without momentum
    }
    return tensors, [dict(group) for group in state["param_groups"]]


def joined_optimizer(tensors: Mapping[str, Tensor], groups: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the state of an optimizer of what `split_optimizer` gave."""
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        number, _, entry = key.partition(".")
        state.setdefault(int(number), {})[entry] = value
    plain = [
        {key: tuple(value) if key == "betas" else value for key, value in group.items()}
        for group in groups
    ]
    return {"state": state, "param_groups": plain}
