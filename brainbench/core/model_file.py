"""Models and estimators in a user's file, executed each time, with what lies beside it."""

from __future__ import annotations

import hashlib
import importlib.util
import inspect
import sys
from collections.abc import Callable
from contextlib import suppress
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

from brainbench.core.errors import InputError, unknown
from brainbench.core.registry import check_file
from brainbench.core.user_code import UserModule, displaced, folders, is_displaced, reached

_contents: dict[Path, str] = {}
"""SHA-256 of each file of user code when a model's file that imports it was last executed."""


class _Loader(SourceFileLoader):
    """A loader that compiles the file as it is: stored bytecode may be as old as its second."""

    def get_code(self, fullname: str) -> CodeType:
        """Return the code of the file."""
        path = self.get_filename(fullname)
        code: CodeType = self.source_to_code(self.get_data(path), path)
        return code


def factory_from_file(spec: str) -> Callable[..., Any]:
    """Execute the file of "FILE.py:function" and return its function.

    The file imports what lies beside it, as a script does. Modules of user code that it imports, to any
    depth, are imported again if a file of theirs has changed since. InputError as for `check_file`;
    UnknownNameError if the file has no such function.
    """
    given, attribute = check_file(spec)
    module = module_from_file(given)
    if not callable(getattr(module, attribute, None)):
        functions = [name for name, v in vars(module).items() if inspect.isfunction(v)]
        raise unknown(f"function in {given}", attribute, functions, todo=f"define it in {given}")
    return getattr(module, attribute)  # type: ignore[no-any-return]  # checked callable above


def module_from_file(given: Path) -> ModuleType:
    """Execute a file of the user and return its module; see `factory_from_file`."""
    path = given.resolve()
    digits = hashlib.sha256(str(path).encode("utf-8", "surrogateescape")).hexdigest()[:8]
    name = f"brainbench_user_{path.stem}_{digits}"  # two files of one name are two modules
    module_spec = importlib.util.spec_from_file_location(
        name, path, loader=_Loader(name, str(path))
    )
    if module_spec is None or module_spec.loader is None:
        raise InputError(
            f"file {given} cannot be imported", allowed="a Python file", todo="check it"
        )
    folders.add(path.parent)
    importlib.invalidate_caches()
    _forget_former(UserModule(name, path))
    module = importlib.util.module_from_spec(module_spec)
    sys.modules[name] = module  # dataclasses and inspect look the module up there
    sys.path.insert(0, str(path.parent))
    try:
        module_spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]  # the next import must not find half of a module
        raise
    finally:
        with suppress(ValueError):
            sys.path.remove(str(path.parent))
        if str(path.parent) not in sys.path:  # for imports inside functions; libraries come first
            sys.path.append(str(path.parent))
    return module


def _forget_former(start: UserModule) -> None:
    """Remove imported modules that a file would import otherwise now: edited ones, and those of others.

    Where one was edited, all go, since those that are left would keep its former functions.
    """
    imports = [module for module in reached(start).modules if module != start]
    contents = {m.path: hashlib.sha256(m.content()).hexdigest() for m in imports}
    edited = [p for p, digest in contents.items() if _contents.get(p, digest) != digest]
    _contents.update(contents)
    for path in edited:
        with suppress(OSError, NotImplementedError):  # bytecode of the same second
            Path(importlib.util.cache_from_source(str(path))).unlink()
    if edited:
        for module in imports:
            displaced.pop(module.path, None)
            _forget(module.name)
    for module in imports:
        if is_displaced(module):
            _displace(module.name.partition(".")[0])


def _displace(package: str) -> None:
    """Set aside the modules of a package, so that another of its name is imported."""
    for name in [n for n in sys.modules if n == package or n.startswith(f"{package}.")]:
        file = getattr(sys.modules[name], "__file__", None)
        if isinstance(file, str):
            displaced[Path(file).resolve()] = sys.modules[name]
        _forget(name)


def _forget(name: str) -> None:
    module, (package, _, last) = sys.modules.pop(name, None), name.rpartition(".")
    if package in sys.modules and getattr(sys.modules[package], last, None) is module:
        vars(sys.modules[package]).pop(last, None)  # `from package import last` looks here first
