"""Digests of networks and of code: SHA-256 over weights, structure, settings and source files.

Two networks share a digest only if they respond alike to every image. An object that cannot be
inspected is an error, never a guess: a wrong hit in the cache would give plausible wrong scores.
"""

from __future__ import annotations

import ast
import enum
import functools
import hashlib
import inspect
import logging
import sys
import threading
import types
import weakref
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from brainbench.core.errors import InputError
from brainbench.core.provenance import sha256

_PLAIN = (bool, int, float, complex, str, bytes, type(None), type(...), slice, Path, enum.Enum)
_TORCH_PLAIN = (torch.dtype, torch.device, torch.memory_format, np.dtype)
_VALUES = (tuple, frozenset, np.generic)  # the identity of these means nothing
_IDLE = (logging.Logger, weakref.ref, type(threading.Lock()), type(threading.RLock()))
_INTERNAL = frozenset(vars(nn.Module())) | {"training"}  # the mode is always eval
_TREE = ("_parameters", "_buffers", "_modules", "_forward_hooks", "_forward_pre_hooks")
_VERSIONED = sys.stdlib_module_names | {"torch", "numpy"}  # a version stands for this code


def digest_of(computes: nn.Module | Callable[..., Any], *, name: str) -> str:
    """Return the SHA-256 over everything that the responses of a network depend on.

    For a torch module: every parameter and buffer, the tree of modules with their settings and hooks, and the
    code and source file of every class that does not come with torch. For any other callable: its code and
    source file, defaults, closure, bound object, and the globals that it names. The versions of torch and
    numpy are included. InputError for an object that cannot be inspected, such as a session of another
    framework.
    """
    walk = _Walk(name, strict=not isinstance(computes, nn.Module))
    walk.feed(computes, "the network")
    return sha256("network", torch.__version__, np.__version__, walk.hasher.hexdigest())


def weights_digest(net: nn.Module) -> str:
    """Return the SHA-256 over the names and values of all parameters and buffers."""
    walk = _Walk("", strict=True)
    for name, tensor in [*net.named_parameters(), *net.named_buffers()]:
        walk.text(name)
        walk.tensor(tensor, name)
    return walk.hasher.hexdigest()


class _Walk:
    """A depth-first walk that feeds values into one hash, each object once, so that cycles end.

    A strict walk inspects every global that a function names, not only plain values and code: where the
    network is a function, a global may be the actual network.
    """

    def __init__(self, name: str, *, strict: bool) -> None:
        self.name, self.strict = name, strict
        self.hasher = hashlib.sha256()
        # Keeps each object alive, so that ids stay unique.
        self.seen: dict[int, tuple[int, Any]] = {}

    def text(self, *parts: str) -> None:
        """Feed text, each part with its length."""
        for part in parts:
            data = part.encode()
            self.hasher.update(len(data).to_bytes(8, "little") + data)

    def feed(self, value: Any, where: str) -> None:
        """Feed any value; `where` is its path in error messages."""
        if isinstance(value, _PLAIN + _TORCH_PLAIN):
            self.text(type(value).__qualname__, repr(value))
        elif id(value) in self.seen:
            self.text("again", str(self.seen[id(value)][0]))
        elif not isinstance(value, _IDLE):
            if not isinstance(value, _VALUES):
                self.seen[id(value)] = (len(self.seen), value)
            self.text(type(value).__qualname__)
            self._data(value, where)

    def _data(self, value: Any, where: str) -> None:
        if isinstance(value, Tensor):
            self.tensor(value, where)
        elif isinstance(value, np.ndarray | np.generic):
            self._array(value, where)
        elif isinstance(value, Mapping):
            self._mapping(value, where)
        elif isinstance(value, tuple | list):
            self._mapping(dict(enumerate(value)), where)
        elif isinstance(value, set | frozenset):
            self.text(*sorted(map(repr, value)))
        else:
            self._code(value, where)

    def _code(self, value: Any, where: str) -> None:
        if isinstance(value, nn.Module):
            self._module(value, where)
        elif isinstance(value, type):
            self._class(value, where)
        elif isinstance(value, types.ModuleType):
            self.text(value.__name__, str(getattr(value, "__version__", "")), source(value))
        elif isinstance(value, types.FunctionType):
            self._function(value, where)
        elif isinstance(value, types.MethodType):
            self.feed((value.__func__, value.__self__), where)
        elif isinstance(value, functools.partial):
            self.feed((value.func, value.args, value.keywords), where)
        elif isinstance(value, types.BuiltinFunctionType):
            self.text(str(value.__module__), value.__qualname__)
            self.feed(value.__self__, where)
        else:
            self._instance(value, where)

    def tensor(self, tensor: Tensor, where: str) -> None:
        """Feed type, shape and bytes of a tensor in its memory order, so that nothing is copied."""
        if is_lazy(tensor) or tensor.layout != torch.strided or tensor.is_quantized:
            raise self._opaque(tensor, where)
        strides = tensor.stride()
        order = sorted(range(tensor.ndim), key=lambda axis: -strides[axis])
        self.text(str(tensor.dtype), str(tuple(tensor.shape)), str(order))
        flat = tensor.detach().permute(order).cpu().contiguous().flatten()
        self.hasher.update(flat.view(torch.uint8).numpy().data)

    def _array(self, array: Any, where: str) -> None:
        self.text(str(array.dtype), str(array.shape))
        if array.dtype.hasobject:
            self.feed(array.tolist(), where)
        else:
            self.hasher.update(np.ascontiguousarray(array).tobytes())

    def _mapping(self, mapping: Mapping[Any, Any], where: str) -> None:
        self.text(str(len(mapping)))
        for key, item in mapping.items():
            self.feed(key, f"a key of {where}")
            self.feed(item, f"{where}[{key!r}]")

    def _module(self, module: nn.Module, where: str) -> None:
        self.feed(type(module), where)
        for key in _TREE:
            for name, part in getattr(module, key).items():
                # Hooks are numbered across the whole process: their numbers mean nothing.
                self.text(key, name if isinstance(name, str) else "")
                self.feed(part, f"{where}.{name}")
        own = {key: value for key, value in vars(module).items() if key not in _INTERNAL}
        self._mapping(dict(sorted(own.items())), where)

    def _class(self, cls: type, where: str) -> None:
        for base in cls.__mro__:
            self.text(base.__module__, base.__qualname__)
            if _versioned(base):
                continue
            self.text(source(base))
            for name, member in sorted(vars(base).items()):
                function = inspect.unwrap(
                    getattr(member, "__func__", getattr(member, "fget", member))
                )
                if isinstance(function, (types.FunctionType, *_PLAIN)):
                    self.text(name)
                    self.feed(function, f"{where}.{name}")

    def _function(self, function: types.FunctionType, where: str) -> None:
        self.text(str(function.__module__), function.__qualname__)
        if _versioned(function):
            return
        self.text(source(function))
        self._bytecode(function.__code__, where)
        self.feed((function.__defaults__, function.__kwdefaults__), f"the defaults of {where}")
        for name, cell in zip(
            function.__code__.co_freevars, function.__closure__ or (), strict=True
        ):
            if cell != types.CellType():  # an empty cell: a name that is not bound yet
                self.feed(cell.cell_contents, f"{name!r} in {where}")
        for name in sorted(set(_names(function.__code__)) & function.__globals__.keys()):
            self.text(name)
            self._global(function.__globals__[name], function, f"{name!r} in {where}")

    def _bytecode(self, code: types.CodeType, where: str) -> None:
        self.text(code.co_code.hex(), *code.co_names, *code.co_varnames)
        for constant in code.co_consts:
            if isinstance(constant, types.CodeType):
                self._bytecode(constant, where)
            else:
                self.feed(constant, f"a constant in {where}")

    def _global(self, value: Any, user: types.FunctionType, where: str) -> None:
        if isinstance(value, types.FunctionType | type) and value.__module__ != user.__module__:
            versioned = _versioned(value)
            self.text(value.__module__, value.__qualname__, "" if versioned else source(value))
        elif self.strict or isinstance(value, (*_PLAIN, *_INSPECTED)):
            self.feed(value, where)
        else:
            self.text(type(value).__module__, type(value).__qualname__)

    def _instance(self, value: Any, where: str) -> None:
        if type(value).__module__ in ("typing", "types"):
            self.text(repr(value))
            return
        wrapped = getattr(value, "__wrapped__", None)
        slots = {slot: getattr(value, slot) for slot in _slots(value)}
        if wrapped is None and not hasattr(value, "__dict__") and not slots:
            raise self._opaque(value, where)
        self.feed(type(value), where)
        own = {**getattr(value, "__dict__", {}), **slots}
        self._mapping(dict(sorted(own.items())), where)

    def _opaque(self, value: Any, where: str) -> InputError:
        kind = f"{type(value).__module__}.{type(value).__qualname__}"
        return InputError(
            f"model {self.name!r} computes with a {kind} ({where}) that cannot be inspected",
            allowed="tensors, arrays, plain values, functions, and objects made of these",
            todo="give wrap(..., fingerprint='...'), a text that you change whenever it changes",
        )


_INSPECTED = (
    Tensor, np.ndarray, Mapping, tuple, list, nn.Module, type, types.ModuleType, types.FunctionType,
)  # fmt: skip


def _names(code: types.CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _names(constant)


def _slots(value: Any) -> Iterator[str]:
    for base in type(value).__mro__:
        slots = vars(base).get("__slots__", ())
        for slot in (slots,) if isinstance(slots, str) else slots:
            if hasattr(value, slot) and slot not in ("__dict__", "__weakref__"):
                yield slot


def _versioned(definition: Any) -> bool:
    return str(definition.__module__).partition(".")[0] in _VERSIONED - {"__main__"}


def source(definition: Any) -> str:
    """Return the SHA-256 of the file of a class, function or module; "" where there is none."""
    is_module = isinstance(definition, types.ModuleType)
    name = definition.__name__ if is_module else str(definition.__module__)
    if name.partition(".")[0] in _VERSIONED - {"__main__"}:
        return ""
    try:
        path = Path(inspect.getsourcefile(definition) or "")
        return _file_digest(path, path.stat().st_mtime_ns) if path.is_file() else ""
    except (OSError, TypeError):  # defined in a console, or compiled
        return ""


def package_sources(*modules: types.ModuleType) -> dict[str, str]:
    """Return the SHA-256 of each source file of a package that some of its modules depend on, by module name.

    Import statements are followed through the package of each module, also those inside functions; those for
    type checkers only are not. The given modules are included.
    """
    digests: dict[str, str] = {}
    waiting = [module.__name__ for module in modules]
    while waiting:
        name = waiting.pop()
        path = None if name in digests else _module_file(name)
        if path is not None:
            modified = path.stat().st_mtime_ns
            digests[name] = _file_digest(path, modified)
            package = name.partition(".")[0]
            waiting += [i for i in _imports(path, modified) if i.partition(".")[0] == package]
    return dict(sorted(digests.items()))


def _module_file(name: str) -> Path | None:
    package, *parts = name.split(".")
    path = Path(inspect.getfile(sys.modules[package])).parent.joinpath(*parts)
    return next((f for f in (path / "__init__.py", path.with_suffix(".py")) if f.is_file()), None)


@functools.lru_cache(maxsize=1024)
def _file_digest(path: Path, mtime_ns: int) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@functools.lru_cache(maxsize=1024)
def _imports(path: Path, mtime_ns: int) -> tuple[str, ...]:
    """Return every name that a file imports, as absolute dotted names of modules or their members."""
    names: list[str] = []
    waiting: list[ast.AST] = [ast.parse(path.read_bytes())]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
            waiting += node.orelse
            continue
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        waiting += ast.iter_child_nodes(node)
    return tuple(names)
