"""Code of the user in libraries: hooks on all modules, and functions in place of a library's own."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from brainbench.models.digests import digest_of
from brainbench.models.library_changes import library_changes


class Net(nn.Module):
    """A layer of torch behind a function of torch."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.linear = nn.Linear(2, 2)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.linear(x))


def twice(x: Any) -> Any:
    return 2 * x


def thrice(x: Any) -> Any:
    return 3 * x


def test_nothing_was_put_into_libraries() -> None:
    assert list(library_changes(Net())) == []


@pytest.mark.parametrize(
    ("target", "name"),
    [
        (torch, "relu"),
        (torch.nn.functional, "linear"),
        (torch.Tensor, "relu"),
        (np, "tanh"),
        (nn.Linear, "forward"),
        (nn.Module, "__call__"),
        (torch.nn.modules.linear, "init"),  # beside a class of the network
    ],
)
def test_a_function_in_place_of_a_librarys_counts_with_its_code(
    target: Any, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    net = Net()
    digests = [digest_of(net, name="net", version="1")]
    for function in (twice, thrice, partial(twice)):
        monkeypatch.setattr(target, name, function)
        digests.append(digest_of(net, name="net", version="1"))
        [(where, found)] = library_changes(net)
        assert where.endswith(f".{name}")
        assert found is function
    assert len(set(digests)) == 4
    monkeypatch.undo()
    assert digest_of(net, name="net", version="1") == digests[0]


@pytest.mark.parametrize("before", [True, False])
def test_a_hook_on_all_modules_counts_with_its_code(before: bool) -> None:
    register = (
        torch.nn.modules.module.register_module_forward_pre_hook
        if before
        else torch.nn.modules.module.register_module_forward_hook
    )
    digests = [digest_of(Net(), name="net")]
    hooks: list[Any] = [lambda module, *given: None, lambda module, *given: given[-1]]
    for hook in hooks:
        handle = register(hook)
        try:
            digests.append(digest_of(Net(), name="net"))
        finally:
            handle.remove()
    assert len(set(digests)) == 3
    assert digest_of(Net(), name="net") == digests[0]
