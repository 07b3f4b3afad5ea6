"""Errors of a network itself: where they happened, with which images, and what to do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pictures import noise_pictures
from torch import Tensor, nn

from brainbench.core.errors import ActivationError, InputError, StimulusError
from brainbench.models.forward_errors import explained
from brainbench.models.preprocessing import Preprocess
from brainbench.models.structure import depth_of, sizes_of
from brainbench.models.wrap import wrap
from brainbench.storage.cache import Cache

SMALL = Preprocess(name="small", size=(9, 8))


class Block(nn.Module):
    """Ends in a fully connected layer for 8 x 8 pixels."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(3)
        self.fc = nn.Linear(3 * 8 * 8, 5)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.fc(self.norm(x).flatten(1))  # the line that fails
        return out


def activations(net: Any, folder: Path, layer: str, n: int = 4) -> Any:
    model = wrap(net, layers={"IT": layer}, preprocess=SMALL, cache=Cache(folder), device="cpu")
    return model.activations(noise_pictures(n), [layer])


def line_of(text: str) -> int:
    lines = Path(__file__).read_text().splitlines()
    return next(number for number, line in enumerate(lines, 1) if line.endswith(text))


def test_it_names_submodule_line_type_and_shape(tmp_path: Path) -> None:
    net = nn.Sequential(nn.ReLU(), nn.Sequential(Block()))
    with pytest.raises(ActivationError) as caught:
        activations(net, tmp_path, "1")
    for part in (
        "'1.0.fc' (Linear)",
        f"{__file__}:{line_of('# the line that fails')}",
        "float32",
        "(4, 3, 9, 8)",
        "RuntimeError: mat1 and mat2 shapes",
    ):
        assert part in caught.value.got
    assert "size=(height, width)" in caught.value.todo
    cause = caught.value.__cause__
    assert isinstance(cause, RuntimeError)
    assert cause.__traceback__ is not None
    assert list(tmp_path.glob("activations/*")) == []


def test_also_for_shapes_depth_and_the_forecast(tmp_path: Path) -> None:
    layers = {"IT": "0"}
    model = wrap(nn.Sequential(Block()), layers=layers, preprocess=SMALL, cache=Cache(tmp_path))
    with pytest.raises(ActivationError, match=r"'0\.fc'"):
        sizes_of(model, ["0"])
    with pytest.raises(ActivationError, match=r"'0\.fc'"):
        depth_of(model)
    with pytest.raises(ActivationError, match=r"'0\.fc'"):
        model.probe(noise_pictures(2), ["0"])


@pytest.mark.parametrize(
    ("error", "advice"),
    [
        (TypeError("forward() missing 1 required positional argument: 'mask'"), "arguments"),
        (RuntimeError("\"conv2d\" not implemented for 'Half'"), "net.float()"),
        (RuntimeError("expected scalar type Float but found Half"), "net.float()"),
        (RuntimeError("Expected all tensors to be on the same device"), "register_buffer"),
        (AssertionError("Input height (9) doesn't match model (8)."), "Preprocess("),
        (ZeroDivisionError("division by zero"), "zeros"),
        (KeyError(), "zeros"),
    ],
)
def test_what_to_do_depends_on_the_error(error: Exception, advice: str) -> None:
    with (
        pytest.raises(ActivationError, match=type(error).__name__) as caught,
        explained(nn.ReLU(), torch.zeros(2, 3)),
    ):
        raise error
    assert advice in caught.value.todo
    assert caught.value.__cause__ is error


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory"),
        MemoryError(),
        KeyboardInterrupt(),
        StimulusError("an image", allowed="another", todo="choose"),
    ],
)
def test_memory_interrupts_and_our_own_errors_pass(error: BaseException) -> None:
    with pytest.raises(type(error)) as caught, explained(nn.ReLU(), torch.zeros(2, 3)):
        raise error
    assert caught.value is error


def test_an_error_of_a_function_names_its_line(tmp_path: Path) -> None:
    def respond(images: Any) -> Any:
        return np.linalg.inv(images.mean((1, 2)))  # the line of the function

    with pytest.raises(ActivationError, match=r"respond fails .*LinAlgError") as caught:
        activations(respond, tmp_path, "output")
    assert f"{__file__}:{line_of('# the line of the function')}" in caught.value.got


def test_a_network_that_ends_the_program_is_an_error_of_the_network(tmp_path: Path) -> None:
    def leave(images: Any) -> Any:
        raise SystemExit(3)

    model = wrap(leave, name="leaver", cache=Cache(tmp_path), fingerprint="1", device="cpu")
    with pytest.raises(ActivationError, match="SystemExit: 3"):
        model.activations(noise_pictures(2, 8), ["output"])


def test_a_reset_that_fails_is_an_error_of_the_network(tmp_path: Path) -> None:
    def reset(net: Any) -> None:
        raise KeyError("no state")

    model = wrap(Block(), layers={"IT": "fc"}, cache=Cache(tmp_path), reset=reset, name="b")
    with pytest.raises(ActivationError, match="KeyError"):
        model.activations(noise_pictures(2, 8), ["fc"])


def test_a_preprocessing_that_ends_the_program_is_an_error(tmp_path: Path) -> None:
    def leave(image: Any) -> Any:
        raise SystemExit(3)

    with pytest.raises(InputError, match="SystemExit: 3"):
        wrap(Block(), layers={"IT": "fc"}, preprocess=leave)
