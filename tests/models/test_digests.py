"""Digests of networks: what changes them, what does not, what cannot be looked into."""

from __future__ import annotations

import copy
import enum
import functools
import importlib
import shutil
import subprocess
import sys
import threading
import weakref
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from recorded_notes import RecordedNotes
from torch import Tensor, nn

from brainbench.core import progress
from brainbench.core.errors import InputError
from brainbench.core.model_file import factory_from_file
from brainbench.core.user_code import displaced, distribution, folders, library_of
from brainbench.models.digests import digest_of
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


FILES = {
    "my_model.py": """
import sys
import torch
from pkg.layers import Block

def make_model():
    torch.manual_seed(0)
    return Block()
""",
    "pkg/__init__.py": "",
    "pkg/layers.py": """
from torch import nn
from . import ops

class Block(nn.Module):
    '''A layer.'''

    def __init__(self, slope=2.0):
        super().__init__()
        self.linear = nn.Linear(2, 2)
        self.slope = slope

    def forward(self, x):
        return ops.act(self.linear(x))
""",
    "pkg/ops.py": """
import pkg.config as c
from pkg.deep import helpers

@helpers.scaled(1.0)
def act(x, floor=0.0):
    from pkg.late import shifted
    # a comment
    return shifted(helpers.helper(x)) * c.GAIN + floor
""",
    "pkg/config.py": "import os\nGAIN = float(os.environ.get('GAIN', '1'))\nUNUSED = 3",
    "pkg/late.py": """
try:
    import no_fast_ops as ops
except ImportError:
    from .deep.slow import ops

def shifted(x):
    return x + ops
""",
    "pkg/deep/helpers.py": """
import functools

def helper(x):
    return x - 1

def scaled(by):
    def decorator(function):
        @functools.wraps(function)
        def scaled_function(*arguments):
            return by * function(*arguments)
        return scaled_function
    return decorator
""",
    "pkg/deep/slow.py": "ops = 0.5",
    "pkg/other.py": "VALUE = 1",
}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A model's file beside a package of four modules and a folder without __init__.py."""
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True, parents=True)
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield tmp_path
    _forget_project()


def _forget_project() -> None:
    folders.clear()
    displaced.clear()
    for name in [n for n in sys.modules if n.partition(".")[0] in ("pkg", "no_fast_ops")]:
        del sys.modules[name]


def _made(project: Path) -> str:
    """The digest as in a new process."""
    _forget_project()
    return _digest(factory_from_file(f"{project}/my_model.py:make_model")())


def _edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("pkg/config.py", "'1'", "'2'"),
        ("pkg/layers.py", "slope=2.0", "slope=3.0"),
        ("pkg/ops.py", "floor=0.0", "floor=0.1"),
        ("pkg/ops.py", "scaled(1.0)", "scaled(2.0)"),
        ("pkg/deep/helpers.py", "x - 1", "x - 2"),
        ("pkg/deep/slow.py", "0.5", "0.6"),  # a folder without __init__.py, imported in a function
        ("pkg/late.py", "no_fast_ops", "math"),
        ("pkg/__init__.py", "", "import pkg.other"),
        ("my_model.py", "Block()", "Block(slope=4.0)"),
    ],
)
def test_an_edit_of_code_at_any_depth_changes_the_digest(
    project: Path, file: str, old: str, new: str
) -> None:
    before = _made(project)
    assert _made(project) == before
    _edit(project / file, old, new)
    assert _made(project) != before


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("pkg/ops.py", "# a comment", "# another one\n\n"),
        ("pkg/layers.py", "A layer.", "Another text."),
        ("pkg/layers.py", "    '''A layer.'''\n", ""),
        ("pkg/deep/helpers.py", "def helper(x):", "def helper(x):\n    '''Add to it.'''"),
        ("pkg/config.py", "import os", "'''Settings.'''\nimport   os"),
        ("my_model.py", "import sys\nimport torch", "import sys;import torch\n\n\n"),
        ("pkg/ops.py", "floor=0.0):", "floor = 0.0,\n):"),
        ("pkg/other.py", "1", "2"),  # nothing imports it
    ],
)
def test_comments_docstrings_and_layout_change_nothing(
    project: Path, file: str, old: str, new: str
) -> None:
    before = _made(project)
    _edit(project / file, old, new)
    assert _made(project) == before


def test_a_module_that_appears_for_a_conditional_import_changes_the_digest(project: Path) -> None:
    before = _made(project)
    (project / "no_fast_ops.py").write_text("VALUE = 1")
    assert _made(project) != before


def test_the_value_of_a_constant_counts_however_it_was_set(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = _made(project)
    monkeypatch.setenv("GAIN", "2")
    by_environment = _made(project)
    config = importlib.import_module("pkg.config")
    config.UNUSED = 4  # type: ignore[attr-defined]
    net = importlib.import_module("pkg.layers").Block
    torch.manual_seed(0)
    assert _digest(net()) != before  # made here, without the model's file
    config.GAIN = 1.0  # type: ignore[attr-defined]
    torch.manual_seed(0)
    assert _digest(net()) == before  # what counts is the value
    config.GAIN = np.ones(2)  # type: ignore[attr-defined]
    torch.manual_seed(0)
    assert len({before, by_environment, _digest(net())}) == 3


def test_the_folder_of_a_model_and_its_use_by_another_file_mean_nothing(
    project: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    other = tmp_path_factory.mktemp("elsewhere")
    shutil.copytree(project, other, dirs_exist_ok=True)
    assert _made(project) == _made(other)


def test_two_models_with_files_of_the_same_names_keep_their_code(
    project: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    other = tmp_path_factory.mktemp("elsewhere")
    _edit(project / "pkg" / "ops.py", "    from pkg.late import shifted\n", "")
    _edit(project / "pkg" / "ops.py", "import pkg", "from pkg.late import shifted\nimport pkg")
    shutil.copytree(project, other, dirs_exist_ok=True)
    _edit(other / "pkg" / "config.py", "'1'", "'2'")
    _forget_project()
    net = factory_from_file(f"{project}/my_model.py:make_model")()
    before = _digest(net)
    assert _digest(factory_from_file(f"{other}/my_model.py:make_model")()) != before
    assert _digest(net) == before


def test_an_import_that_would_take_the_file_of_another_model_is_refused(
    project: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    other = tmp_path_factory.mktemp("elsewhere")
    shutil.copytree(project, other, dirs_exist_ok=True)
    net = factory_from_file(f"{project}/my_model.py:make_model")()
    _digest(net)
    _digest(factory_from_file(f"{other}/my_model.py:make_model")())
    with pytest.raises(InputError, match=r"another pkg") as caught:
        _digest(net)
    assert str(project / "pkg") in caught.value.got


def test_an_edit_that_is_not_imported_yet_is_said_and_what_runs_counts(project: Path) -> None:
    recorded = RecordedNotes()
    _forget_project()
    net = factory_from_file(f"{project}/my_model.py:make_model")()
    before = _digest(net)
    _edit(project / "pkg" / "deep" / "helpers.py", "x - 1", "x - 2")
    with progress.use(recorded):
        stale = _digest(net)
        assert _digest(net) == stale
    [note] = recorded.notes
    assert "helper in " in note
    assert "helpers.py" in note
    assert len({before, stale, _made(project)}) == 3


def test_a_library_counts_by_its_version(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installed = project / "site-packages"
    (installed / "libop-1.0.dist-info").mkdir(parents=True)
    metadata = installed / "libop-1.0.dist-info" / "METADATA"
    metadata.write_text("Metadata-Version: 2.1\nName: libop\nVersion: 1.0\n")
    (installed / "libop.py").write_text("VALUE = 1")
    monkeypatch.syspath_prepend(str(installed))
    _edit(project / "pkg" / "ops.py", "import pkg.config as c", "import pkg.config as c, libop")
    before = _made(project)
    (installed / "libop.py").write_text("VALUE = 22")
    assert _made(project) == before
    metadata.write_text("Metadata-Version: 2.1\nName: libop\nVersion: 1.1\n")
    distribution.cache_clear()
    library_of.cache_clear()
    after = _made(project)
    assert after != before
    metadata.unlink()  # a file that no distribution declares
    metadata.parent.rmdir()
    distribution.cache_clear()
    library_of.cache_clear()
    undeclared = _made(project)
    (installed / "libop.py").write_text("VALUE = 333")
    assert len({before, after, undeclared, _made(project)}) == 4


def test_functions_of_one_name_in_one_file_are_told_apart(project: Path) -> None:
    _forget_project()
    text = """
lambdas = [lambda x: 2 * x, lambda x: 3 * x]

def of(n):
    if n == 1:
        def f(x):
            return x
    else:
        def f(x):
            return -x
    return f
"""
    (project / "my_model.py").write_text(text + "functions = lambda: [*lambdas, of(1), of(2)]")
    made = factory_from_file(f"{project}/my_model.py:functions")()
    assert len({_digest(function) for function in made}) == 4
    again = factory_from_file(f"{project}/my_model.py:functions")()
    assert [_digest(function) for function in again] == [_digest(function) for function in made]


class Settings:
    """An object that a network reads a value from."""

    gain = 1.0


settings = Settings()
table = {"gain": 1.0}


@functools.lru_cache
def cached(x: Any) -> Any:
    return x * settings.gain


class Reader(nn.Module):
    """A network whose values are in globals, behind a cache, a property and a decorator."""

    factors = np.ones(2)

    @property
    def gain(self) -> float:
        return table["gain"]

    @torch.no_grad()
    def forward(self, x: Tensor) -> Any:
        return cached(x) * self.gain * self.factors[0]


@pytest.mark.parametrize(
    "change",
    [
        lambda patch: patch.setattr(settings, "gain", 2.0),
        lambda patch: patch.setitem(table, "gain", 2.0),
        lambda patch: patch.setattr(Reader, "factors", np.zeros(2)),
        lambda patch: patch.setattr(Reader, "forward", Reader.__init__),
    ],
    ids=["object behind a cached function", "table behind a property", "attribute", "method"],
)
def test_values_in_globals_and_classes_count(change: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    before = _digest(Reader())
    assert _digest(Reader()) == before
    change(monkeypatch)
    assert _digest(Reader()) != before


def test_long_chains_of_functions_are_followed() -> None:
    lines = [f"def f{k}(x):\n    return f{k + 1}(x)" for k in range(600)]
    space: dict[str, Any] = {"__name__": "console"}
    exec("\n".join([*lines, "def f600(x):\n    return x"]), space)  # noqa: S102
    assert _digest(space["f0"]) == _digest(space["f0"])


def test_a_version_stands_for_code_but_not_for_weights_and_settings() -> None:
    def of(net: Scaled, version: str) -> str:
        return digest_of(net, name="n", version=version)

    base = of(_net(), "1")
    assert of(_net(), "1") == base
    edited = type("Scaled", (Scaled,), {"__qualname__": "Scaled", "forward": lambda self, x: x})
    torch.manual_seed(0)
    assert of(edited(), "1") != _digest(edited())
    others = [of(_net(), "2"), of(_net(scale=2.0), "1"), of(_net(hidden=0.1), "1")]
    net = _net()
    _weight(net)
    assert len({base, *others, of(net, "1")}) == 5


def test_a_value_of_a_module_that_is_imported_in_a_function_counts_before_it_is_imported(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "import os\nSHIFT = float(os.environ.get('SHIFT', '1'))\ndef shifted(x):\n    return x + SHIFT"
    (project / "pkg" / "late.py").write_text(text)
    before = _made(project)
    monkeypatch.setenv("SHIFT", "2")
    assert _made(project) != before


def test_a_module_that_does_more_than_define_names_is_not_imported_unasked(project: Path) -> None:
    (project / "pkg" / "late.py").write_text("raise SystemExit('started a training')")
    assert _made(project) == _made(project)
    assert "pkg.late" not in sys.modules


# What is beside the data of values


class Gain(float):
    """A number with a unit."""

    unit = 1.0


class Kind(enum.Enum):
    """Members with an attribute of their own, each of which knows the other."""

    SMALL = 1
    LARGE = 2

    def __init__(self, number: int) -> None:
        self.factor = float(number)
        self.me = self


class Config(dict[str, float]):
    """A mapping with attributes, which are no items."""

    def __init__(self, gain: float) -> None:
        super().__init__(a=1.0)
        self.gain = gain


class Levels(list[float]):
    """A list whose class has a constant."""

    scale = 1.0


class Registry(type):
    """A metaclass with a constant."""

    gain = 1.0


class Registered(metaclass=Registry):
    """A class that reads from its metaclass."""

    def __call__(self, x: Any) -> Any:
        return x * type(self).gain


def scaled(x: Any) -> Any:
    """Return x by the factor that is an attribute of the function."""
    return x * scaled.factor  # type: ignore[attr-defined]


scaled.factor = 1.0  # type: ignore[attr-defined]


class Holding(nn.Module):
    """A network that is given values of classes that its code does not name, and computes with a function."""

    def __init__(self, *, gain: float, levels: list[float], target: Any) -> None:
        super().__init__()
        self.linear = nn.Linear(2, 2)
        torch.nn.init.ones_(self.linear.weight)
        torch.nn.init.ones_(self.linear.bias)
        self.gain = gain
        self.kind = Kind.LARGE
        self.config = Config(1.0)
        self.levels = levels
        self.registered = Registered()
        self.referred = weakref.ref(target)
        self.table: defaultdict[str, float] = defaultdict(lambda: 1.0)

    def forward(self, x: Tensor) -> Any:
        return scaled(self.registered(torch.relu(self.linear(x))))


def _tensor_attribute(net: Holding, patch: pytest.MonkeyPatch) -> None:
    net.linear.weight.gain = 2.0  # type: ignore[attr-defined]


def _default_of_a_mapping(net: Holding, patch: pytest.MonkeyPatch) -> None:
    net.table = defaultdict(lambda: 2.0)


def _attribute_of_a_mapping(net: Holding, patch: pytest.MonkeyPatch) -> None:
    net.config = Config(2.0)


@pytest.mark.parametrize(
    "change",
    [
        _tensor_attribute,
        _default_of_a_mapping,
        _attribute_of_a_mapping,
        lambda net, patch: patch.setattr(Gain, "unit", 2.0),
        lambda net, patch: patch.setattr(Kind.LARGE, "factor", 3.0),
        lambda net, patch: patch.setattr(Levels, "scale", 2.0),
        lambda net, patch: patch.setattr(Registry, "gain", 2.0),
        lambda net, patch: patch.setattr(scaled, "factor", 2.0),
        lambda net, patch: patch.setattr(net.referred(), "gain", 2.0),
    ],
)
def test_what_is_beside_values_counts(change: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    target = Settings()

    def make() -> Holding:
        return Holding(gain=Gain(1), levels=Levels([1.0]), target=target)

    before = _digest(make())
    assert _digest(make()) == before
    net = make()
    change(net, monkeypatch)
    assert _digest(net) != before


def test_a_copied_recurrent_network_does_not_depend_on_the_life_of_its_original() -> None:
    torch.manual_seed(0)
    original = nn.LSTM(2, 2)
    copied = copy.deepcopy(original)
    before = _digest(copied)
    assert before == _digest(original)
    del original
    assert _digest(copied) == before
