"""Functions in files of the user: executed anew, with the files beside them."""

import sys
from pathlib import Path

import pytest

from brainbench.core.errors import InputError, UnknownNameError
from brainbench.core.model_file import factory_from_file
from brainbench.core.user_code import displaced, folders


@pytest.fixture(autouse=True)
def own_modules(monkeypatch):
    """Modules, search path and folders are those of before, after each test."""
    before = dict(sys.modules)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield
    folders.clear()
    displaced.clear()
    for name in sys.modules.keys() - before.keys():
        del sys.modules[name]


FILE = """
import dataclasses

VALUE = 3

@dataclasses.dataclass
class Options:
    size: int = 3

def make_model():
    return Options()
"""


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "my_model.py"
    path.write_text(FILE)
    return path


def test_function_from_a_file(file):
    assert factory_from_file(f"{file}:make_model")().size == 3
    assert factory_from_file(f"{file}:Options")(size=4).size == 4


@pytest.mark.parametrize(
    ("suffix", "problem"),
    [
        ("", "function"),
        (":", "function"),
        (".txt:make_model", "function"),
        ("x.py:f", "no such file"),
    ],
)
def test_a_file_without_function_or_a_function_without_file(file, suffix, problem):
    with pytest.raises(InputError, match=f"'{file}{suffix}': .*{problem}") as caught:
        factory_from_file(f"{file}{suffix}")
    assert "FILE.py:function" in caught.value.allowed


@pytest.mark.parametrize("attribute", ["make_modle", "VALUE"])
def test_a_file_without_that_function(file, attribute):
    with pytest.raises(UnknownNameError, match=f"{file} '{attribute}'") as caught:
        factory_from_file(f"{file}:{attribute}")
    assert "make_model" in caught.value.allowed


def test_half_of_a_file_is_not_left_behind(file):
    file.write_text("import no_such_library_at_all")
    with pytest.raises(ModuleNotFoundError, match="no_such_library_at_all"):
        factory_from_file(f"{file}:make_model")
    files = [getattr(module, "__file__", None) for module in list(sys.modules.values())]
    assert str(file) not in files


def write(folder: Path, **files: str) -> str:
    folder.mkdir(exist_ok=True)
    for name, text in files.items():
        path = folder / f"{name.replace('__', '/')}.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    return f"{folder / 'my_model.py'}:value"


CHAIN = {
    "my_model": "from pkg.layers import block\ndef value():\n    return block()",
    "pkg__layers": "from . import ops\ndef block():\n    return ops.scaled()",
    "pkg__ops": "import pkg.config as c\ndef scaled():\n    return 2 * c.GAIN",
    "pkg__config": "GAIN = 1",
}


def test_what_lies_beside_the_file_is_imported_and_imported_again_after_an_edit(tmp_path):
    spec = write(tmp_path, **CHAIN)
    assert factory_from_file(spec)() == 2
    write(tmp_path, pkg__config="GAIN = 3")  # of the same length, within the same second
    assert factory_from_file(spec)() == 6
    write(tmp_path, pkg__ops="import pkg.config as c\ndef scaled():\n    return 5 * c.GAIN")
    assert factory_from_file(spec)() == 15
    write(tmp_path, my_model=CHAIN["my_model"].replace("block()", "-block()"))
    assert factory_from_file(spec)() == -15


def test_modules_that_did_not_change_are_kept(tmp_path):
    spec = write(tmp_path, **CHAIN)
    factory_from_file(spec)
    before = sys.modules["pkg.config"]
    write(tmp_path, my_model=CHAIN["my_model"] + "\n")
    factory_from_file(spec)
    assert sys.modules["pkg.config"] is before


def test_an_import_inside_a_function(tmp_path):
    spec = write(
        tmp_path,
        my_model="def value():\n    import aside\n    return aside.VALUE",
        aside="VALUE = 4",
    )
    assert factory_from_file(spec)() == 4
    write(tmp_path, aside="VALUE = 5")
    assert factory_from_file(spec)() == 5


def test_files_of_the_same_names_in_two_folders_do_not_meet(tmp_path):
    text = "import ops\ndef value():\n    return ops.GAIN"
    one = factory_from_file(write(tmp_path / "a", my_model=text, ops="GAIN = 1"))
    other = factory_from_file(write(tmp_path / "b", my_model=text, ops="GAIN = 2"))
    assert (one(), other()) == (1, 2)
    assert one.__module__ != other.__module__
    assert {one.__module__, other.__module__} <= sys.modules.keys()
    again = factory_from_file(f"{tmp_path / 'a' / 'my_model.py'}:value")
    assert (again(), other()) == (1, 2)
