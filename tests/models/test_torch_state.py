"""Extraction in a state of its own: whatever the caller set, the bytes are the same, and it is set again."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pictures import noise_pictures
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode

from brainbench.models.preprocessing import Preprocess
from brainbench.models.structure import depth_of, sizes_of
from brainbench.models.torch_state import own_state, set_seeds
from brainbench.models.wrap import WrappedModel, wrap
from brainbench.storage.cache import Cache

SMALL = Preprocess(name="small", size=(8, 8))


class MakesTensors(nn.Module):
    """Makes a buffer and a constant in forward, as many networks do."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.head = nn.Linear(4, 5)
        self.offset: Tensor | None = None

    def forward(self, images: Tensor) -> Tensor:
        if self.offset is None:
            self.offset = torch.linspace(0, 1, 4)
        x: Tensor = self.conv(images).mean((2, 3)) / torch.tensor(3.0) + self.offset
        return self.head(x * torch.ones(4))


def made(folder: Path) -> WrappedModel:
    torch.manual_seed(0)
    layers = {"IT": "head"}
    return wrap(MakesTensors(), layers=layers, preprocess=SMALL, cache=Cache(folder), device="cpu")


def results(model: WrappedModel) -> tuple[Any, ...]:
    """Everything that runs the network."""
    shown = noise_pictures(5)
    return (
        model.digest,
        model.activations(shown, ["head"])["head"].values.tobytes(),
        model.on(precision="bf16").activations(shown, ["head"])["head"].values.tobytes(),
        model.probe(noise_pictures(6), ["head"]).features,
        sizes_of(model, ["head"]),
        depth_of(model),
    )


@contextlib.contextmanager
def default_dtype() -> Iterator[None]:
    torch.set_default_dtype(torch.float64)
    try:
        yield
        assert torch.get_default_dtype() == torch.float64
    finally:
        torch.set_default_dtype(torch.float32)


@contextlib.contextmanager
def default_device() -> Iterator[None]:
    torch.set_default_device("meta")
    try:
        yield
        assert torch.empty(1).device.type == "meta"
    finally:
        torch.set_default_device(None)


@contextlib.contextmanager
def deterministic() -> Iterator[None]:
    torch.use_deterministic_algorithms(True, warn_only=True)
    try:
        yield
        assert torch.are_deterministic_algorithms_enabled()
        assert torch.is_deterministic_algorithms_warn_only_enabled()
    finally:
        torch.use_deterministic_algorithms(False)


STATES: dict[str, Callable[[], Any]] = {
    "autocast": lambda: torch.autocast("cpu", dtype=torch.bfloat16),
    "default dtype": default_dtype,
    "default device": default_device,
    "device block": lambda: torch.device("meta"),
    "gradients": torch.enable_grad,
    "inference mode": torch.inference_mode,
    "deterministic": deterministic,
    "numpy errors": lambda: np.errstate(all="raise"),
    "fake tensors": FakeTensorMode,
}


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, ...]:
    return results(made(tmp_path_factory.mktemp("plain")))


SLOW = {"deterministic"}  # imports torch's compiler


@pytest.mark.parametrize(
    "state", [pytest.param(s, marks=[pytest.mark.slow] if s in SLOW else []) for s in STATES]
)
def test_the_state_of_the_caller_changes_no_byte(
    state: str, tmp_path: Path, plain: tuple[Any, ...]
) -> None:
    model = made(tmp_path)
    with STATES[state]():
        assert results(model) == plain


def test_everything_is_set_again_also_after_an_error() -> None:
    with (
        torch.autocast("cpu", dtype=torch.bfloat16),
        default_dtype(),
        default_device(),
        torch.enable_grad(),
        np.errstate(all="raise"),
        contextlib.suppress(KeyError),
        own_state(),
    ):
        assert not torch.is_autocast_enabled("cpu")
        assert not torch.is_grad_enabled()
        assert torch.empty(1).device.type == "cpu"
        assert torch.get_default_dtype() == torch.float32
        raise KeyError
    with torch.inference_mode():
        with own_state():
            assert not torch.is_inference_mode_enabled()
        assert torch.is_inference_mode_enabled()
    assert not torch.is_autocast_enabled("cpu")
    assert torch.is_grad_enabled()


def test_random_states_are_those_of_before() -> None:
    set_seeds(3)
    expected = [torch.rand(2).tolist(), np.random.rand(2).tolist(), random.random()]  # noqa: S311
    set_seeds(3)
    with own_state():
        set_seeds(7)
    assert [torch.rand(2).tolist(), np.random.rand(2).tolist(), random.random()] == expected  # noqa: S311


def test_casts_of_weights_are_not_kept_beyond_a_change_of_the_weights(tmp_path: Path) -> None:
    """Under autocast torch keeps the bfloat16 copies of weights; changed weights would be ignored."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 4, 3))
    model = wrap(net, layers={"IT": "0"}, preprocess=SMALL, cache=Cache(tmp_path)).on(
        precision="bf16"
    )
    with torch.autocast("cpu", dtype=torch.bfloat16):
        net(torch.zeros(1, 3, 8, 8))
        first = model.activations(noise_pictures(2), ["0"])["0"].values
        with torch.no_grad():
            for parameter in net.parameters():
                parameter.mul_(2)
        np.testing.assert_array_equal(
            model.activations(noise_pictures(2), ["0"])["0"].values, 2 * first
        )
