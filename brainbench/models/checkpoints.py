"""Weights from files: which of those in a file, under which names, and into which network.

Training programs save several sets of weights in one file and add prefixes to their names. Which set was
taken is said, and can be chosen: FILE#KEY.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import safetensors.torch
import torch
from torch import Tensor, nn

from brainbench.core import progress
from brainbench.core.errors import InputError
from brainbench.models.checkpoint_files import State, state_dicts

SUFFIXES: Final = (".safetensors", ".pth", ".pt", ".ckpt", ".tar", ".bin")
"""Suffixes of files of weights."""

_WRAPPERS = (
    "module.",
    "_orig_mod.",
)  # DataParallel, torch.compile: never names of a network itself
_PREFIXES = (*_WRAPPERS, "model.")  # Lightning
_USUAL = (
    "state_dict", "model", "model_state_dict", "model_state", "network", "net",
    "state_dict_ema", "model_ema", "ema",
)  # fmt: skip
_KEY = "#"
# Torch before 0.4.1 did not save it, and evaluation does not use it.
_MAY_BE_ABSENT = ".num_batches_tracked"
_SHOWN = 12


def names_file(weights: str) -> bool:
    """Return whether a choice of weights is a file, "weights.pth", or a part of one, "weights.pth#ema"."""
    return split(weights)[0].endswith(SUFFIXES)


def split(weights: str) -> tuple[str, str]:
    """Return the file and the key of "FILE#KEY"; the key is "" where none is given."""
    file, mark, key = weights.rpartition(_KEY)
    is_key = bool(mark) and file.endswith(SUFFIXES) and not Path(weights).expanduser().is_file()
    return (file, key) if is_key else (weights, "")


def read(path: Path, *, name: str | None = None, key: str = "") -> State:
    """Read the weights of a checkpoint, called `name` in error messages, by name, on the CPU.

    The file is safetensors, or a torch checkpoint of any age: a state dict, or a dict with one or more, two
    levels deep. Of several, `key` chooses one by its place, as "state_dict_ema" or "model.ema"; by default it
    is the first of the usual names, and a note lists the others. A `key` that ends in a prefix of names, as
    "teacher.backbone" or "backbone", takes the weights below it. The prefixes "module." and "_orig_mod.",
    which DataParallel and torch.compile add to names, are removed.

    InputError for a file that does not exist, is damaged, would run code, declares more than it holds, or
    has no such state dict.
    """
    name = name or str(path)
    return _chosen(_read_all(path, name), key, name)[1]


def load_file(net: nn.Module, weights: str, *, model: str | None = None) -> Path:
    """Load FILE or FILE#KEY into a network, and return the path; errors as `read` and `fill`."""
    file, key = split(weights)
    path = Path(file).expanduser()
    states = _read_all(path, str(path))
    place, state = _chosen(states, key, str(path))
    others = [other for other in states if other != place]
    fill(net, state, name=f"weights {path}", model=model, others=others)
    return path


def fill(
    net: nn.Module,
    state: Mapping[str, Tensor],
    *,
    name: str,
    model: str | None = None,
    others: Sequence[str] = (),
) -> None:
    """Load weights into a network in place; all names must match but `num_batches_tracked`.

    The prefixes "module.", "_orig_mod." and "model." are removed from the names where the network's match
    without them. `name` and `model` are the names of the weights and of the network in error messages,
    `others` the keys of other weights in the file. InputError for a weight that is missing, unknown, of
    another shape, or not finite; the network is then unchanged.
    """
    own = net.state_dict()
    state = max(_without_prefixes(state), key=lambda names: len(names.keys() & own.keys()))
    missing = [key for key in own.keys() - state.keys() if not key.endswith(_MAY_BE_ABSENT)]
    reshaped = [key for key in own.keys() & state.keys() if own[key].shape != state[key].shape]
    problems: dict[str, Any] = {
        "missing": missing,
        "not of this network": state.keys() - own.keys(),
        "of another shape": reshaped,
    }
    if not any(
        problems.values()
    ):  # values are looked at only where the shapes are those of the network
        problems = {"not finite": [k for k in state if not bool(torch.isfinite(state[k]).all())]}
    lines = [f"{len(keys)} {what} ({_listed(keys)})" for what, keys in problems.items() if keys]
    if lines:
        raise InputError(
            f"{name} for {model or type(net).__name__}: {'; '.join(lines)}",
            allowed=f"the {len(own)} entries of its state dict (num_batches_tracked may be missing)",
            todo=_advice(state, own, others),
        )
    full = OrderedDict(state)
    full._metadata = own._metadata  # type: ignore[attr-defined]  # versions of modules, now checked by name
    net.load_state_dict(full, strict=False)


def write(state: Mapping[str, Tensor], path: Path, *, about: Mapping[str, str]) -> None:
    """Write weights and metadata as safetensors, replacing a file; OSError if it cannot be written."""
    # Tensors that share memory are copied. Written by Python, so that a full disk is an OSError.
    plain = {key: tensor.detach().cpu().contiguous().clone() for key, tensor in state.items()}
    path.write_bytes(safetensors.torch.save(plain, metadata=dict(about)))


def _read_all(path: Path, name: str) -> dict[str, State]:
    if not path.is_file():
        raise InputError(
            f"weights {name}: there is no such file",
            allowed="a file, " + ", ".join(SUFFIXES[:3]),
            todo="check the path",
        )
    states = state_dicts(path, name=name)
    if not states:
        raise InputError(
            f"weights {name}: no named tensors in the file",
            allowed="a state dict, or a dict with one under 'state_dict'",
            todo="save net.state_dict()",
        )
    return {place: _unwrapped(state) for place, state in states.items()}


def _unwrapped(state: State) -> State:
    *_, last = _without_prefixes(state, _WRAPPERS)
    return dict(last)


def _without_prefixes(
    state: Mapping[str, Tensor], prefixes: Sequence[str] = _PREFIXES
) -> Iterator[Mapping[str, Tensor]]:
    """Return the weights as they are, and then with one common prefix after another removed."""
    yield state
    for prefix in prefixes:
        if all(key.startswith(prefix) for key in state):
            yield from _without_prefixes(
                {key.removeprefix(prefix): tensor for key, tensor in state.items()}, prefixes
            )


def _chosen(states: Mapping[str, State], key: str, name: str) -> tuple[str, State]:
    """Return the place of the chosen weights, and these."""
    if not key:
        place = _usual(states, name)
        return place, states[place]
    if key in states:
        return key, states[key]
    for place, state in states.items():
        below = _below(state, key.removeprefix(f"{place}.")) if key.startswith(f"{place}.") else {}
        if below:
            return place, below
    place = _usual(states, name)
    below = _below(states[place], key)
    if below:
        return place, below
    raise InputError(
        f"weights {name}{_KEY}{key}: there are none of this name",
        allowed=", ".join(_offers(states)),
        todo=f"write {name}{_KEY}KEY with one of these, or a prefix of the names of its weights",
    )


def _below(state: State, prefix: str) -> State:
    """Return the weights below a prefix of their names, without it."""
    start = prefix.rstrip(".") + "."
    return {key.removeprefix(start): v for key, v in state.items() if key.startswith(start)}


def _usual(states: Mapping[str, State], name: str) -> str:
    """Return the place of the weights to take where nothing is chosen, and note that there are others."""
    ranked = [place for usual in _USUAL for place in states if place.split(".")[0] == usual]
    places = list(states) if len(states) == 1 else ranked
    if not places or len({place.split(".")[0] for place in places[:2]}) < len(places[:2]):
        raise InputError(
            f"weights {name}: several in one file",
            allowed=", ".join(_offers(states)),
            todo=f"choose one: {name}{_KEY}KEY",
        )
    others = [place for place in states if place != places[0]]
    if others:
        progress.current().note(
            f"weights {name}: takes {places[0]!r}; the file also has {', '.join(others[:_SHOWN])}: "
            f"write FILE{_KEY}{others[0]} for these"
        )
    return places[0]


def _offers(states: Mapping[str, State]) -> list[str]:
    """Return the place of each set of weights, or the first parts of its names where there is no place."""
    if list(states) == [""]:
        return sorted({key.partition(".")[0] for key in states[""]})[:_SHOWN]
    return [f"{place} ({len(state)} tensors)" for place, state in states.items()]


def _advice(state: Mapping[str, Tensor], own: Mapping[str, Tensor], others: Sequence[str]) -> str:
    inner = [
        prefix
        for prefix in sorted({key.partition(".")[0] for key in state})
        if any(f"{prefix}.{key}" in state for key in own)
    ]
    choices = [f"FILE{_KEY}{key}" for key in (*inner, *others)]
    if not choices:
        return "give the weights of this network"
    return f"give the weights of this network, or choose others of the file: {', '.join(choices[:_SHOWN])}"


def _listed(keys: Any) -> str:
    names = sorted(keys)
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
