"""Hooks: copies, modes and removal, whatever ends the block."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from brainbench.core.errors import UnknownNameError
from brainbench.models.hooks import Calls, capturing, submodule
from brainbench.models.module_state import evaluating


class InPlace(nn.Module):
    """Overwrites what it has computed, twice: `x += skip`, then ReLU in place."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1)
        self.norm = nn.BatchNorm2d(4)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        skip = self.conv(x)
        y = self.norm(skip)
        y += skip
        return self.relu(y)


def _run(net: nn.Module, x: Tensor, layers: list[str], calls: Calls = "steps") -> Any:
    with evaluating(net), capturing(net, layers, dict.fromkeys(layers, calls)) as capture:
        net(x)
        return capture


def test_in_place_operations_downstream_do_not_touch_what_was_captured() -> None:
    torch.manual_seed(0)
    net, x = InPlace(), torch.randn(2, 3, 5, 5)
    net.eval()
    with torch.no_grad():
        conv = net.conv(x)
        norm = net.norm(conv)
        expected = {"conv": conv, "norm": norm, "relu": torch.relu(norm + conv)}
    kept = _run(net, x, list(expected)).kept
    assert (expected["norm"] < 0).any()  # else the ReLU would have nothing to overwrite
    for layer, values in expected.items():
        torch.testing.assert_close(kept[layer][0], values)


@pytest.mark.parametrize(("calls", "kept"), [("steps", [1, 2, 4]), ("last", [4]), (1, [2])])
def test_calls_choose_what_is_kept_of_a_module_that_runs_several_times(
    calls: Calls, kept: list[int]
) -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.step = nn.Identity()

        def forward(self, x: Tensor) -> Tensor:
            for factor in (1, 2, 2):
                x = self.step(x * factor)
            return x

    capture = _run(Twice(), torch.ones(1, 2), ["step"], calls)
    assert [int(step[0, 0]) for step in capture.kept["step"]] == kept
    assert capture.shapes["step"] == [(1, 2)] * 3


class Stop(BaseException):
    """Stands for Ctrl-C, SystemExit and whatever else is no Exception."""


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, Stop])
def test_modes_and_hooks_are_put_back_whatever_happens(error: type[BaseException]) -> None:
    net = nn.Sequential(nn.Linear(2, 2), nn.Dropout(), nn.BatchNorm1d(2))
    net.train()
    net[2].eval()  # frozen in part
    own = net[0].register_forward_hook(lambda *_: None)
    modes = [module.training for module in net.modules()]

    def interrupted() -> Iterator[None]:
        with evaluating(net), capturing(net, ["0", "2"], {"0": "steps", "2": "steps"}):
            assert not any(module.training for module in net.modules())
            assert not torch.is_grad_enabled()
            net(torch.zeros(3, 2))
            raise error

    with pytest.raises(error):
        interrupted()
    assert [module.training for module in net.modules()] == modes
    assert [len(module._forward_hooks) for module in net.modules()] == [0, 1, 0, 0]
    assert own.id in net[0]._forward_hooks
    assert torch.is_grad_enabled()


def test_hooks_placed_before_an_unknown_layer_are_removed() -> None:
    net = nn.Sequential(nn.Linear(2, 2))
    with (
        pytest.raises(UnknownNameError),
        capturing(net, ["0", "1"], {"0": "steps", "1": "steps"}),
    ):
        pass
    assert not net[0]._forward_hooks


def test_an_unknown_layer_names_the_closest() -> None:
    net = nn.ModuleDict({"encoder": nn.Linear(2, 2), "decoder": nn.Linear(2, 2)})
    with pytest.raises(UnknownNameError, match="'enkoder'") as caught:
        submodule(net, "enkoder")
    assert "encoder" in caught.value.allowed
    with pytest.raises(UnknownNameError, match="layer ''"):
        submodule(net, "")


def test_a_module_under_two_names_is_found_under_both() -> None:
    shared = nn.Linear(2, 2)
    net = nn.ModuleDict({"a": shared, "b": shared})
    assert submodule(net, "a") is submodule(net, "b")
