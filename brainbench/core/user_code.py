"""Code of the user: its modules, the syntax of each, what they import, and what is a library's instead.

User code is what neither the standard library nor a distribution in site-packages has; a package that is
installed in place (editable) is user code. A library counts by name and version.
"""

from __future__ import annotations

import ast
import contextlib
import functools
import hashlib
import importlib
import importlib.util
import pkgutil
import sys
import sysconfig
import types
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

OWN = ("brainbench", "brainbench_benchmarks", "brainbench_manifests", "brainbench_models")
"""Packages of this program. Importing them, as every model's file does, says nothing about a network."""

folders: set[Path] = set()
"""Folders of the files that models were loaded from: what lies beside such a file is what it imports."""

displaced: dict[Path, types.ModuleType] = {}
"""Modules that gave way to those of the same name beside the file of another model; models still use them."""

_STANDARD = tuple(Path(sysconfig.get_path(key)).resolve() for key in ("stdlib", "platstdlib"))
_INSTALLED = ("site-packages", "dist-packages")
_PROGRAMS = (Path(sysconfig.get_path("scripts")).resolve(),)


@dataclass(frozen=True)
class UserModule:
    """A module of user code, by its name and file; it may not be imported yet."""

    name: str
    path: Path

    @property
    def package(self) -> str:
        """Name that relative imports start from."""
        return self.name if self.path.name == "__init__.py" else self.name.rpartition(".")[0]

    @property
    def loaded(self) -> types.ModuleType | None:
        """The imported module, if it comes from this file."""
        module = sys.modules.get(self.name)
        file = getattr(module, "__file__", None)
        here = file is not None and Path(file).resolve() == self.path
        return module if here else displaced.get(self.path)

    def content(self) -> bytes:
        """Return the file as it is now; empty if it was removed."""
        try:
            return self.path.read_bytes()
        except OSError:
            return b""

    def syntax(self) -> str:
        """Return the SHA-256 of the abstract syntax without comments and docstrings; else of the bytes."""
        return syntax_digest(self.content(), is_python=self.path.suffix == ".py")


@dataclass(frozen=True)
class Reached:
    """What a module imports, to any depth: modules of user code, itself first, and libraries."""

    modules: tuple[UserModule, ...]
    libraries: tuple[str, ...]


def module_of(namespace: Mapping[str, Any]) -> UserModule | str | None:
    """Return the module that a namespace belongs to: of user code, a library, or None without a file."""
    name = getattr(namespace.get("__spec__"), "name", None) or str(namespace.get("__name__"))
    file = namespace.get("__file__")
    if not isinstance(file, str):
        top = name.partition(".")[0]
        return top if top in sys.stdlib_module_names - {"__main__"} else None
    path = Path(file).resolve()
    return library_of(path, name) or UserModule(name, path)


@functools.lru_cache(maxsize=4096)
def library_of(path: Path, name: str) -> str | None:
    """Return the library of a file, as "timm 1.0.20", or None for user code.

    A file in site-packages that no distribution declares is user code.
    """
    if not any(part in _INSTALLED for part in path.parts):
        standard = any(path.is_relative_to(folder) for folder in _STANDARD)
        return "the standard library" if standard else None
    return distribution(name.partition(".")[0])


@functools.cache
def distribution(top: str) -> str | None:
    """Return name and version of the distribution that installs a package; None if there is none."""
    try:
        return f"{top} {metadata.version(top)}"
    except metadata.PackageNotFoundError:
        names = sorted(set(metadata.packages_distributions().get(top, ())))
        return " ".join(f"{name} {metadata.version(name)}" for name in names) or None


def runs_code_outside(own: Collection[Path]) -> bool:
    """Return whether any module is imported that is neither below a folder of `own` nor of a library.

    A console, whose code is in no file, is such a module; one that a library makes at run time is none.
    """
    files: set[str] = set()
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if isinstance(file, str):
            files.add(file)
        elif name == "__main__":
            return True
    return any(_is_outside(file, tuple(own)) for file in files)


@functools.lru_cache(maxsize=16384)
def _is_outside(file: str, own: tuple[Path, ...]) -> bool:
    path = Path(file).absolute()
    # torch.ops and the like, which torch makes at run time, name a file that is not there.
    if any(part in _INSTALLED for part in path.parts) or not path.exists():
        return False
    # What is in the library may be a link to a file elsewhere, as sitecustomize of Debian is.
    names, known = (path, path.resolve()), (*own, *_STANDARD, *_PROGRAMS)
    return not any(name.is_relative_to(folder) for name in names for folder in known)


def reached(start: UserModule) -> Reached:
    """Return what a module imports, to any depth, also inside functions and by relative imports.

    Imports for type checkers only are not followed, nor this program's own packages.
    """
    modules: dict[Path, UserModule] = {}
    libraries: dict[str, None] = {}
    waiting = [start]
    while waiting:
        module = waiting.pop()
        if module.path in modules:
            continue
        modules[module.path] = module
        found = imported_by(module)
        waiting += reversed([one for one in found if isinstance(one, UserModule)])
        libraries |= dict.fromkeys(one for one in found if isinstance(one, str))
    return Reached(tuple(modules.values()), tuple(sorted(libraries)))


def imported_by(module: UserModule) -> list[UserModule | str]:
    """Return the modules of user code and the libraries that one module itself imports."""
    if module.path.suffix != ".py" or module.name.partition(".")[0] in OWN:
        return []
    beside = next((folder for folder in folders if module.path.is_relative_to(folder)), None)
    found: dict[UserModule | str, None] = {}
    for name in _imported_names(module.content(), module.package):
        if name.partition(".")[0] not in OWN:
            one = _found(name, beside)
            found |= {} if one is None else {one: None}
    return list(found)


def is_displaced(module: UserModule) -> bool:
    """Return whether user code in another file is imported under the name of a module."""
    file = getattr(sys.modules.get(module.name), "__file__", None)
    if not isinstance(file, str) or Path(file).resolve() == module.path:
        return False
    return library_of(Path(file).resolve(), module.name) is None


def importing(module: UserModule) -> types.ModuleType | None:
    """Return a module that a function will import, imported now so that its values are known.

    None if it does more than define names, which is not done unasked, or cannot be imported.
    """
    if module.name not in sys.modules and _only_defines(module.content()):
        with contextlib.suppress(Exception):  # it will fail again where it is needed, or never is
            importlib.import_module(module.name)
    return module.loaded


@functools.lru_cache(maxsize=1024)
def _only_defines(source: bytes) -> bool:
    try:
        statements: list[ast.AST] = list(ast.parse(source).body)
    except (SyntaxError, ValueError):
        return False
    allowed = (ast.Import, ast.ImportFrom, ast.Assign, ast.AnnAssign, ast.FunctionDef)
    return all(isinstance(s, (*allowed, ast.ClassDef)) or _is_text(s) for s in statements)


def _found(name: str, beside: Path | None) -> UserModule | str | None:
    """Return the module of a dotted name; None if there is none, or no file of it."""
    top, *parts = name.split(".")
    spec = _top_level(top, beside)
    for end in range(1, len(parts) + 1):
        if spec is None or spec.submodule_search_locations is None:
            return None
        name_so_far = ".".join([top, *parts[:end]])
        spec = _in_folders(name_so_far, list(spec.submodule_search_locations))
    if spec is None or not spec.has_location or spec.origin is None:
        return None
    path = Path(spec.origin).resolve()
    return library_of(path, name) or UserModule(name, path)


def _top_level(name: str, beside: Path | None) -> ModuleSpec | None:
    local = None if beside is None else _in_folders(name, [str(beside)])
    if local is not None and local.loader is not None:
        return local
    try:
        return importlib.util.find_spec(name) or local  # a folder without __init__.py comes last
    except (ImportError, ValueError, AttributeError):  # half imported, or without a spec
        return local


def _in_folders(name: str, paths: Sequence[str]) -> ModuleSpec | None:
    """Return the spec of a module in the first folder that has it, without importing its package."""
    portions: list[str] = []
    for path in paths:
        finder = pkgutil.get_importer(path)
        spec = None if finder is None else finder.find_spec(name, None)
        if spec is not None and spec.loader is not None:
            return spec
        portions += (spec and spec.submodule_search_locations) or []
    if not portions:
        return None
    folder_alone = ModuleSpec(name, None, is_package=True)
    folder_alone.submodule_search_locations = portions
    return folder_alone


@functools.lru_cache(maxsize=1024)
def _imported_names(source: bytes, package: str) -> tuple[str, ...]:
    """Return every dotted name that a source imports, with the packages that contain it, in order."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return ()
    names: dict[str, None] = {}
    for node in _executed(tree):
        if isinstance(node, ast.Import):
            listed = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = _base(node, package)
            listed = [base, *(f"{base}.{a.name}" for a in node.names if a.name != "*")]
        else:
            continue
        for name in filter(None, listed):
            parts = name.split(".")
            names |= dict.fromkeys(".".join(parts[:k]) for k in range(1, len(parts) + 1))
    return tuple(names)


def _base(node: ast.ImportFrom, package: str) -> str:
    """Return the absolute name that an import starts from; empty for one above the package."""
    if not node.level:
        return node.module or ""
    parts = package.split(".") if package else []
    if node.level > len(parts):
        return ""
    return ".".join(
        [*parts[: len(parts) - node.level + 1], *([node.module] if node.module else [])]
    )


def _executed(tree: ast.AST) -> Iterator[ast.AST]:
    """Yield every node but those for type checkers only, in the order of the source."""
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        yield node
        children = list(ast.iter_child_nodes(node))
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
            children = list(node.orelse)
        waiting += reversed(children)


@functools.lru_cache(maxsize=1024)
def syntax_digest(source: bytes, *, is_python: bool = True) -> str:
    """Return the SHA-256 of the abstract syntax of a source without comments and docstrings.

    What cannot be parsed counts byte by byte.
    """
    try:
        tree = ast.parse(source) if is_python else None
    except (SyntaxError, ValueError):
        tree = None
    if tree is None:
        return hashlib.sha256(source).hexdigest()
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            node.body = [one for one in body if not _is_text(one)] or [ast.Pass()]  # type: ignore[attr-defined]
    return hashlib.sha256(ast.unparse(tree).encode("utf-8", "surrogatepass")).hexdigest()


def _is_text(statement: ast.AST) -> bool:
    """Return whether a statement is only a text, as docstrings are."""
    if not isinstance(statement, ast.Expr) or not isinstance(statement.value, ast.Constant):
        return False
    return isinstance(statement.value.value, str)
