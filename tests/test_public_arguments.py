"""Arguments of other types than the public functions take: each is an error that names it."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import brainbench
from brainbench.core.errors import BrainbenchError, InputError
from brainbench.core.settings import Placement, Settings, options_of
from brainbench.models.wrap import wrap

STRANGE: tuple[Any, ...] = (
    5, 5.5, True, "", b"x", object(), ["x"], [5], {"x": 5}, {5: "x"}, (), np.float64(1.5), float("nan"),
    float("inf"), -1, "no\0thing",
)  # fmt: skip
ALLOWED: dict[str, tuple[type, ...]] = {
    "wrap.calls": (int,),
    "wrap.batch_axis": (int,),
    "wrap.seed": (int,),
    "wrap.batch_size": (int,),
    "wrap.visual_degrees": (int, float, np.float64),
    "Settings.seed": (int,),
    "Settings.limit": (int,),
    "Settings.null_draws": (int,),
    "Settings.groups": (str,),
    "Placement.batch_size": (int,),
    "wrap.name": (str,),
    "wrap.weights": (str,),
    "wrap.fingerprint": (str,),
    "wrap.version": (str,),
    "Placement.device": (str,),
}
"""Types of the values above that some parameters take; a bool is no int."""


class Net(nn.Module):
    """A convolution that nothing resets."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        x: torch.Tensor = self.conv(images)
        return x


def _wrapped(**options: Any) -> Any:
    return wrap(Net(), **{"layers": {"IT": "conv"}, "name": "net", "device": "cpu", **options})


def _is_refused(make: Callable[..., Any], name: str, value: Any) -> bool:
    try:
        make(**{name: value})
    except BrainbenchError:
        return True
    return False


TABLE: list[tuple[str, Callable[..., Any], list[str]]] = [
    ("wrap", _wrapped, [name for name in inspect.signature(wrap).parameters if name != "net"]),
    ("Settings", Settings, list(options_of(Settings))),
    ("Placement", Placement, list(options_of(Placement))),
]


@pytest.mark.parametrize(
    ("of", "make", "name"), [(of, make, name) for of, make, names in TABLE for name in names]
)
def test_every_strange_argument_is_refused(of: str, make: Callable[..., Any], name: str) -> None:
    allowed = ALLOWED.get(f"{of}.{name}", ())
    for value in STRANGE:
        is_odd = value in (-1, "", float("inf")) or value != value
        may = type(value) in allowed and not is_odd
        assert _is_refused(make, name, value) is not may, value


def _load_model(name: Any) -> Any:
    return brainbench.load_model(name)  # which takes it by position only


FUNCTIONS: list[tuple[Callable[..., Any], dict[str, Any], list[str]]] = [
    (brainbench.score, {"model": "none", "benchmark": "Simulated.V1-pls"},
     ["model", "benchmark", "weights", "model_args", "results", "overwrite", "errors", "seed", "layers"]),
    (brainbench.compare, {"models": ["a", "b"]},
     ["models", "benchmark", "results", "protocol", "test", "n_exchanges"]),
    (brainbench.leaderboard, {}, ["results", "composite", "protocol"]),
    (brainbench.extract_activations, {"model": "pixels"},
     ["stimuli", "layers", "output", "reducer", "weights"]),
    (_load_model, {}, ["name"]),
    (brainbench.load_benchmark, {}, ["identifier"]),
    (brainbench.list_models, {}, ["pattern"]),
    (brainbench.list_benchmarks, {}, ["pattern"]),
    (brainbench.list_data, {}, ["pattern"]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("function", "given", "name"),
    [(function, given, name) for function, given, names in FUNCTIONS for name in names],
)
def test_every_function_gives_an_error_of_the_project(
    function: Callable[..., Any], given: dict[str, Any], name: str, tmp_path: Path
) -> None:
    folder = {"stimuli": tmp_path} if function is brainbench.extract_activations else {}
    assert [
        v for v in STRANGE if not _is_refused(partial(function, **{**given, **folder}), name, v)
    ] == []


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"seed": 1.5}, "seed=1.5"),
        ({"limit": True}, "limit=True"),
        ({"batch_size": True}, "batch_size=True"),
        ({"layers": {"IT": 5}}, "layers={'IT': 5}"),
        ({"weights": ""}, "weights=''"),
        ({"weights": 5}, "weights=5"),
    ],
)
def test_score_names_the_option(options: dict[str, Any], named: str) -> None:
    with pytest.raises(InputError) as caught:
        brainbench.score("pixels", "Simulated.V1-pls", **options)
    assert named in caught.value.got


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"name": 5}, "name=5"),
        ({"layers": {"IT": 5}}, "layers={'IT': 5}"),
        ({"version": 5}, "version=5"),
        ({"version": ""}, "version=''"),
        ({"timeline": 5}, "timeline=5"),
        ({"behavior": 5}, "behavior=5"),
        ({"cache": "x"}, "cache='x'"),
        ({"reset": "conv"}, "reset='conv'"),
        ({"weights": None}, "weights=None"),
    ],
)
def test_wrap_names_the_option(options: dict[str, Any], named: str) -> None:
    with pytest.raises(InputError) as caught:
        _wrapped(**options)
    assert named in caught.value.got


def test_numbers_of_numpy_are_numbers() -> None:
    assert Settings(seed=np.int64(2), floor=np.float32(0.5)) == Settings(seed=2, floor=0.5)
    assert type(Settings(limit=np.int64(2)).limit) is int
    assert Placement(batch_size=np.int64(2)) == Placement(batch_size=2)
    assert _wrapped(batch_size=np.int64(2)).first_size == 2


def test_weights_without_values_are_refused() -> None:
    with torch.device("meta"):
        net = Net()
    with pytest.raises(InputError, match=r"2 weights.*'meta'.*conv\.weight"):
        wrap(net, layers={"IT": "conv"})
