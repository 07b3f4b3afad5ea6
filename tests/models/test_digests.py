"""Digests of networks: what changes them, what does not, what cannot be looked into."""

from __future__ import annotations

import copy
import functools
import importlib
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from brainbench.core.errors import InputError
from brainbench.core.registry import factory_from_file
from brainbench.models.digests import digest_of, package_sources
from brainbench.models.hooks import capturing
from brainbench.models.network import FunctionNetwork, TorchNetwork

SCALE = 2.0


class Scaled(nn.Module):
    """A network with a setting that its repr does not show, and a list of plain values."""

    def __init__(self, scale: float = 1.0, hidden: float = 0.5) -> None:
        super().__init__()
        self.linear = nn.Linear(3, 3)
        self.scale = scale
        self.settings = {"hidden": [hidden], "names": ("a", "b")}
        self.register_buffer("constant", torch.ones(2), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.linear(x) * self.scale
        return out


def _net(**options: float) -> Scaled:
    torch.manual_seed(0)
    return Scaled(**options)


def _digest(net: Any) -> str:
    return digest_of(net, name="net")


def test_the_same_network_made_again_has_the_same_digest() -> None:
    assert _digest(_net()) == _digest(_net())
    assert _digest(copy.deepcopy(_net())) == _digest(_net())


def _weight(net: Scaled) -> None:
    with torch.no_grad():
        net.linear.weight[1, 2] += 1e-6


def _data(net: Scaled) -> None:
    net.linear.weight.data[0, 0] *= -1  # autograd's version counter does not see this


def _buffer(net: Scaled) -> None:
    net.constant[0] = 3.0


def _setting(net: Scaled) -> None:
    net.scale = 1.5


def _nested(net: Scaled) -> None:
    net.settings["hidden"].append(1.0)


def _structure(net: Scaled) -> None:
    net.extra = nn.Identity()


def _replaced(net: Scaled) -> None:
    net.linear = nn.Linear(3, 3, dtype=torch.float64)


def _eps(net: Scaled) -> None:
    net.linear.eps = 1e-3


def _hook(net: Scaled) -> None:
    net.linear.register_forward_hook(lambda module, inputs, output: output + 1)


def _method(net: Scaled) -> None:
    net.forward = functools.partial(torch.mul, torch.ones(1))


@pytest.mark.parametrize(
    "change",
    [_weight, _data, _buffer, _setting, _nested, _structure, _replaced, _eps, _hook, _method],
)
def test_any_change_changes_the_digest(change: Any) -> None:
    net = _net()
    before = _digest(net)
    change(net)
    assert _digest(net) != before


def test_modes_and_gradients_do_not_change_the_digest() -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
    before = _digest(net)
    net.eval()
    net.requires_grad_(False)
    assert _digest(net) == before


def test_tensors_with_the_same_bytes_in_memory_are_told_apart() -> None:
    square = torch.arange(4.0).reshape(2, 2)
    others = [square, square.T, square.reshape(4), square.reshape(1, 4), square.view(torch.int32)]
    assert len({_digest(functools.partial(len, other)) for other in others}) == len(others)
    assert _digest(functools.partial(len, square[:, ::2])) != _digest(
        functools.partial(len, square[:, 1:])
    )


SOURCE = """
import torch
from torch import nn

FACTOR = {factor}


def act(x):
    return x * {slope}


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.linear = nn.Linear(2, 2)

    def forward(self, x):
        return act(self.linear(x)) * FACTOR
"""


def _from_file(path: Path, **values: Any) -> str:
    path.write_text(SOURCE.format(**{"factor": 1, "slope": 2, **values}))
    return _digest(factory_from_file(f"{path}:Net")())


def test_code_around_the_network_is_part_of_the_digest(tmp_path: Path) -> None:
    base = _from_file(tmp_path / "a.py")
    assert _from_file(tmp_path / "a.py") == base
    assert _from_file(tmp_path / "a.py", slope=3) != base
    assert _from_file(tmp_path / "a.py", factor=3) != base


def _in_console(**values: Any) -> str:
    space: dict[str, Any] = {"__name__": "console"}
    exec(SOURCE.format(**{"factor": 1, "slope": 2, **values}), space)  # noqa: S102  # as a console does
    return _digest(space["Net"]())


def test_code_without_a_file_is_part_of_the_digest() -> None:
    base = _in_console()
    assert _in_console() == base
    assert _in_console(slope=3) != base
    assert _in_console(factor=3) != base


def _function(weight: Any, bias: float = 0.0) -> Any:
    def answer(images: Any) -> Any:
        return images @ weight * SCALE + bias

    return answer


def test_functions_are_told_apart_by_what_they_compute_with(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    base = _digest(_function(np.eye(3)))
    assert _digest(_function(np.eye(3))) == base
    others = [
        _function(2 * np.eye(3)),
        _function(np.eye(3, dtype=np.float32)),
        _function(np.eye(3), bias=1.0),
        functools.partial(_function(np.eye(3)), images=1),
        Callable3(np.eye(3)).answer,
        Callable3(np.ones(3)).answer,
        Callable3(np.eye(3)),
        np.sin,
        np.cos,
        len,
    ]
    digests = [_digest(other) for other in others]
    monkeypatch.setattr(f"{__name__}.SCALE", 3.0)
    digests.append(_digest(_function(np.eye(3))))
    assert len({base, *digests}) == len(others) + 2


class Callable3:
    """A callable object with a method of its own."""

    __slots__ = ("weight",)

    def __init__(self, weight: Any) -> None:
        self.weight = weight

    def __call__(self, images: Any) -> Any:
        return images @ self.weight

    def answer(self, images: Any) -> Any:
        return images * self.weight


def test_cycles_end() -> None:
    net = _net()
    net.settings["self"] = [net]
    assert _digest(net) == _digest(net)


@pytest.mark.slow
def test_the_digest_is_the_same_in_another_process(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(
        SOURCE.format(factor=1, slope=2)
        + "from brainbench.models.digests import digest_of\n"
        + "import numpy as np\n"
        + "print(digest_of(Net(), name='n'), digest_of(lambda x: x in {'a', 'b', 'c'}, name='f'))\n"
    )
    command = [sys.executable, str(program)]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    first, second = (process.communicate()[0] for process in processes)
    assert len(first.split()) == 2
    assert first == second


@pytest.mark.parametrize(
    ("make", "kind", "where"),
    [
        (lambda: _function(torch.Generator()), "torch._C.Generator", "'weight' in the network"),
        (lambda: Callable3(iter([1])), "builtins.list_iterator", r"the network\['weight'\]"),
        (lambda: nn.LazyLinear(2), "UninitializedParameter", "the network.weight"),
    ],
    ids=["closure", "attribute", "lazy"],
)
def test_what_cannot_be_looked_into_is_an_error(make: Any, kind: str, where: str) -> None:
    with pytest.raises(InputError, match=f"'net' .*{kind} .{where}") as caught:
        _digest(make())
    assert "fingerprint=" in caught.value.todo


def test_a_declared_fingerprint_stands_for_the_code_but_not_for_the_weights() -> None:
    function = FunctionNetwork(_function(torch.Generator()), ("output",))
    assert function.digest("f", "1") == function.digest("f", "1") != function.digest("f", "2")
    net = TorchNetwork(_net())
    before = net.digest("n", "1")
    assert before != net.digest("n", "2")
    _weight(net.net)
    assert net.digest("n", "1") != before


def test_float32_is_float32_while_a_network_runs_whatever_the_user_chose() -> None:
    torch.set_float32_matmul_precision("medium")
    cudnn = torch.backends.cudnn.allow_tf32
    try:
        with TorchNetwork(_net()).running(["linear"], {"linear": "steps"}, "cpu"):
            assert torch.get_float32_matmul_precision() == "highest"
            assert not torch.backends.cudnn.allow_tf32
        assert torch.get_float32_matmul_precision() == "medium"
        assert torch.backends.cudnn.allow_tf32 == cudnn
    finally:
        torch.set_float32_matmul_precision("highest")


def test_a_digest_waits_for_an_extraction_of_the_same_network() -> None:
    network = TorchNetwork(_net())
    before = network.digest("n", None)
    found: list[str] = []
    with network.running(["linear"], {"linear": "steps"}, "cpu"):
        assert network.net.linear._forward_hooks
        thread = threading.Thread(target=lambda: found.append(network.digest("n", None)))
        thread.start()
        thread.join(0.2)
        assert not found
    thread.join()
    assert found == [before]
    with capturing(network.net, ["linear"], {"linear": "steps"}):
        pass
    assert network.digest("n", None) == before


PACKAGE = {
    "__init__": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from pack import unused",
    "start": "import json\nfrom pack import direct\nfrom pack.deep.inner import VALUE",
    "direct": "def late():\n    import pack.indirect",
    "indirect": "VALUE = 1",
    "unused": "",
    "deep/__init__": "",
    "deep/inner": "from pack.direct import late\nVALUE = 2",
}


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    (tmp_path / "pack" / "deep").mkdir(parents=True)
    for name, text in PACKAGE.items():
        (tmp_path / "pack" / f"{name}.py").write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path / "pack"
    for name in [name for name in sys.modules if name.partition(".")[0] == "pack"]:
        del sys.modules[name]


def test_sources_of_a_package_are_followed_through_its_imports(package: Path) -> None:
    start = importlib.import_module("pack.start")
    before = package_sources(start)
    assert list(before) == [
        "pack", "pack.deep.inner", "pack.direct", "pack.indirect", "pack.start"
    ]  # fmt: skip
    (package / "indirect.py").write_text("VALUE = 22")
    after = package_sources(start)
    assert [name for name in before if after[name] != before[name]] == ["pack.indirect"]
    assert set(package_sources(importlib.import_module("pack.indirect"))) == {"pack.indirect"}


def test_sources_of_the_simulated_brain_hold_what_it_reaches_indirectly() -> None:
    direct = {"brainbench.simulate.subject", "brainbench.simulate.sites"}
    indirect = {"brainbench.metrics.classification.softmax", "brainbench.stats.splits"}
    sources = package_sources(importlib.import_module("brainbench.simulate.brain"))
    assert direct | indirect <= sources.keys()
    assert "brainbench.cli.main" not in sources
