"""Digests of networks and of code: SHA-256 over weights, structure, settings and syntax.

Two networks share a digest only if they respond alike to every image. An object that cannot be
inspected is an error, never a guess: a wrong hit in the cache would give plausible wrong scores.

Code of the user counts as the syntax of its modules and of all that these import, together with the values at
run time of what the network's functions name; a library counts by its version.
"""

from __future__ import annotations

import argparse
import enum
import functools
import hashlib
import inspect
import logging
import re
import sys
import threading
import types
import weakref
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from brainbench.core import progress
from brainbench.core.errors import InputError
from brainbench.core.provenance import sha256
from brainbench.core.user_code import (
    UserModule,
    imported_by,
    importing,
    is_displaced,
    module_of,
    reached,
)
from brainbench.models.library_changes import library_changes
from brainbench.models.running_code import (
    definitions_of,
    instructions_digest,
    names_in,
    note_unfollowed,
)

_PLAIN = (bool, int, float, complex, str, bytes, type(None), type(...), slice, Path, enum.Enum)
_PRINTED = (torch.dtype, torch.device, torch.memory_format, np.dtype, range, re.Pattern)
_VALUES = (tuple, frozenset, np.generic)  # the identity of these means nothing
_BUILT_IN = frozenset((bool, int, float, complex, str, bytes, type(None), dict, list, tuple, set))
_IDLE = (logging.Logger, type(threading.Lock()), type(threading.RLock()))
_INTERNAL = frozenset(vars(nn.Module())) | {"training"}  # the mode is always eval
_TREE = ("_parameters", "_buffers", "_modules", "_forward_hooks", "_forward_pre_hooks")
_COMMENTS = frozenset(
    ("__doc__", "__module__", "__qualname__", "__name__", "__annotations__", "__annotate__",
     "__dict__", "__weakref__", "__firstlineno__", "__static_attributes__", "__orig_bases__",
     "__parameters__", "__type_params__", "__abstractmethods__", "_abc_impl", "__slots__",
     "__classcell__", "__match_args__", "__dataclass_fields__", "__dataclass_params__", "__file__",
     "__annotations_cache__", "__annotate_func__"),
)  # fmt: skip
"""Attributes of classes and functions that say nothing about what they compute."""
_RECORDS = (types.SimpleNamespace, argparse.Namespace)  # objects that only hold values

_told: set[str] = set()  # notes on code, each said once in a process


def digest_of(
    computes: nn.Module | Callable[..., Any], *, name: str, version: str | None = None
) -> str:
    """Return the SHA-256 over everything that the responses of a network depend on.

    For a torch module: every parameter and buffer, the tree of modules with their settings and hooks, and
    the code of every class. For any other callable: its code, defaults, closure, bound object, and the
    globals that it names. Code of the user counts as the syntax, without comments and docstrings, of its
    module and of all user modules which that imports, to any depth, with the values of the globals and
    attributes of modules that its functions name; libraries count by version, and what was put into them at
    run time by itself. With `version`, that text stands for all code of the network.

    Code that was edited in its file but not imported again counts as it runs, with a note; another note names
    functions that read what is not followed. InputError for an object that cannot be inspected, such as a
    session of another framework.
    """
    walk = _Walk(name, strict=not isinstance(computes, nn.Module), version=version)
    walk.feed(computes, "the network")
    walk.finish()
    digests = [walk.hasher.hexdigest()]
    for where, change in library_changes(computes):
        beside = _Walk(name, strict=False)
        beside.text(where)
        beside.feed(change, where)
        beside.finish()
        digests.append(beside.hasher.hexdigest())
    return sha256("network", torch.__version__, np.__version__, *digests)


def weights_digest(net: nn.Module) -> str:
    """Return the SHA-256 over the names and values of all parameters and buffers."""
    walk = _Walk("", strict=True)
    for name, tensor in [*net.named_parameters(), *net.named_buffers()]:
        walk.text(name)
        walk.tensor(tensor, name)
    return walk.hasher.hexdigest()


class _Walk:
    """A depth-first walk that feeds values into one hash, each object once, so that cycles end.

    A strict walk inspects every global that a function names: where the network is a function, a global may
    be the actual network. Otherwise a global that cannot be inspected counts as its type.
    """

    def __init__(self, name: str, *, strict: bool, version: str | None = None) -> None:
        self.name, self.strict, self.version = name, strict, version
        self.hasher = hashlib.sha256()
        # Keeps each object alive, so that ids stay unique.
        self.seen: dict[int, tuple[int, Any]] = {}
        self.files: dict[Path, bytes] = {}  # user code that has been fed, with its content
        self.imports: dict[Path, list[UserModule]] = {}  # by each module itself, once looked up
        self.waiting: list[tuple[Any, str]] = []  # functions and classes that are named
        self.lenient = False
        self.text(*(() if version is None else ("version", version)))

    def text(self, *parts: str) -> None:
        """Feed text, each part with its length."""
        for part in parts:
            data = part.encode("utf-8", "surrogatepass")
            self.hasher.update(len(data).to_bytes(8, "little") + data)

    def finish(self) -> None:
        """Feed all that was only named so far; one after the other, since chains of calls are long."""
        while self.waiting:
            value, where = self.waiting.pop(0)
            self._leniently(value, where, unless=self.strict)

    def feed(self, value: Any, where: str) -> None:
        """Feed any value; `where` is its path in error messages."""
        if isinstance(value, _PLAIN + _PRINTED):
            self.text(type(value).__qualname__, repr(value))
            if type(value) in _BUILT_IN or not _is_of_user(type(value)):
                return
        if id(value) in self.seen:
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
        elif not isinstance(value, _PLAIN):
            self._code(value, where)
            return
        self._beside(value, where)

    def _beside(self, value: Any, where: str) -> None:
        """Feed what a value has beside its data: attributes, and a class of the user."""
        own = {
            **getattr(value, "__dict__", {}),
            **{slot: getattr(value, slot) for slot in _slots(value)},
        }
        if isinstance(value, defaultdict):
            own["default_factory"] = value.default_factory
        if own:
            self._leniently({key: own[key] for key in sorted(own)}, where)
        if type(value) not in _BUILT_IN and _is_of_user(type(value)):
            self._leniently(type(value), where)

    def _code(self, value: Any, where: str) -> None:
        if isinstance(value, nn.Module):
            self._module(value, where)
        elif isinstance(value, type):
            self._class(value, where)
        elif isinstance(value, types.ModuleType):
            self._is_user_code(vars(value))
        elif isinstance(value, types.FunctionType):
            self._function(value, where)
        elif isinstance(value, types.MethodType):
            self.feed((value.__func__, value.__self__), where)
        elif isinstance(value, weakref.ref):
            # Weights have their place in the tree, and references to those of a copied network die.
            self._leniently(None if isinstance(value(), Tensor) else value(), where)
        elif isinstance(value, functools.partial):
            self.feed((value.func, value.args, value.keywords), where)
        elif isinstance(value, staticmethod | classmethod | property):
            self.feed(getattr(value, "__func__", getattr(value, "fget", None)), where)
        elif isinstance(value, types.BuiltinFunctionType):
            self.text(str(value.__module__), value.__qualname__)
            self.feed(value.__self__, where)
        else:
            self._instance(value, where)

    def tensor(self, tensor: Tensor, where: str) -> None:
        """Feed type, shape and bytes of a tensor in its memory order, so that nothing is copied."""
        if is_lazy(tensor) or tensor.layout != torch.strided or tensor.is_quantized:
            self._refuse(tensor, where)
            return
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
            self.text(base.__qualname__)
            if not self._is_user_code(_namespace_of(base)) or self.version is not None:
                continue
            for name, member in sorted(vars(base).items()):
                if name not in _COMMENTS:
                    self.text(name)
                    self._leniently(member, f"{where}.{name}")
        if type(cls) is not type and self.version is None and _is_of_user(type(cls)):
            self._leniently(type(cls), f"the metaclass of {where}")

    def _function(self, function: types.FunctionType, where: str) -> None:
        self.text(function.__qualname__)
        user_code = self._is_user_code(function.__globals__)
        if user_code and self.version is None:
            self._as_it_runs(function)
        self.feed((function.__defaults__, function.__kwdefaults__), f"the defaults of {where}")
        free = function.__code__.co_freevars
        for name, cell in zip(free, function.__closure__ or (), strict=True):
            if cell != types.CellType():  # an empty cell: a name that is not bound yet
                self.feed(cell.cell_contents, f"{name!r} in {where}")
        own = {key: value for key, value in vars(function).items() if key != "__wrapped__"}
        if own:
            self._leniently(dict(sorted(own.items())), f"the attributes of {where}")
        if user_code and self.version is None:
            self._named(function, where)
            note_unfollowed(function, name=self.name)

    def _is_user_code(self, namespace: Mapping[str, Any]) -> bool:
        """Feed the module of a namespace, and say whether it is code of the user."""
        module = module_of(namespace)
        if isinstance(module, str):
            self.text(module, str(namespace.get("__name__")))
            return False
        if module is not None and self.version is None:
            self._follow(module)
        return True

    def _follow(self, start: UserModule) -> None:
        """Feed the syntax of a module of user code and of all that it imports."""
        if start.path in self.files:
            return
        found = reached(start)
        for module in found.modules:
            if module.path not in self.files:
                self.files[module.path] = module.content()
                self.text("module", module.syntax())
        self.text(*found.libraries)

    def _as_it_runs(self, function: types.FunctionType) -> None:
        """Feed the instructions of a function that its file does not have: of a console, or edited since."""
        code = function.__code__
        module = module_of(function.__globals__)
        path = module.path if isinstance(module, UserModule) else None
        of_file = path is not None and Path(code.co_filename).resolve() == path
        running = instructions_digest(code)
        in_file = frozenset[str]()
        if path is not None and of_file:
            in_file = definitions_of(code, self.files[path])
        self.text(code.co_qualname)
        if in_file == frozenset({running}):
            return
        self.text("as it runs", running)
        text = f"{code.co_qualname} in {path}"
        if of_file and running not in in_file and text not in _told:
            _told.add(text)
            progress.current().note(
                f"{self.name}: {text} is not what runs: the file was edited after the import. "
                "Import it again to score it as it is now"
            )

    def _named(self, function: types.FunctionType, where: str) -> None:
        """Feed the globals that a function names, and what it names in modules of the user."""
        names = names_in(function.__code__)
        space = function.__globals__
        modules: dict[int, types.ModuleType] = {}
        for name in sorted(names & space.keys() - _COMMENTS):
            if isinstance(space[name], types.ModuleType):
                modules[id(space[name])] = space[name]
            self.text(name)
            self._global(space[name], f"{name!r} in {where}")
        modules |= {id(one): one for one in self._imported(space, names)}
        self._attributes(list(modules.values()), names)

    def _imported(self, space: Mapping[str, Any], names: set[str]) -> Iterator[types.ModuleType]:
        """Yield the modules of user code that the module of a namespace imports, anywhere in it."""
        importer = module_of(space)
        if not isinstance(importer, UserModule):
            return
        if importer.path not in self.imports:
            found = imported_by(importer)
            self.imports[importer.path] = [one for one in found if isinstance(one, UserModule)]
        for imported in self.imports[importer.path]:
            last = imported.name.rpartition(".")[2]
            if is_displaced(imported) and last in names - space.keys():
                raise InputError(
                    f"model {self.name!r} imports {imported.path} inside a function, while another "
                    f"{imported.name} is imported",
                    allowed="modules of different names, or imports outside of functions",
                    todo="score the two models with two commands, or rename one of the modules",
                )
            module = importing(imported) if last in names else imported.loaded
            if module is not None:
                yield module

    def _attributes(self, modules: list[types.ModuleType], names: set[str]) -> None:
        """Feed what code names in modules of the user, and in modules in these."""
        done: set[int] = set()
        while modules:
            module = modules.pop(0)
            if id(module) in done or isinstance(module_of(vars(module)), str):
                continue
            done.add(id(module))
            for name in sorted(names & vars(module).keys() - _COMMENTS):
                value = vars(module)[name]
                if isinstance(value, types.ModuleType):
                    modules.append(value)
                self.text(name)
                self._global(value, f"{module.__name__}.{name}")

    def _global(self, value: Any, where: str) -> None:
        if isinstance(value, types.FunctionType | types.MethodType | type):
            self.text(value.__qualname__)
            self.waiting.append((value, where))
        elif self.strict or isinstance(value, (*_PLAIN, *_PRINTED, *_INSPECTED, *_RECORDS)):
            self._leniently(value, where, unless=self.strict)
        elif callable(value) or _is_of_user(type(value)):  # a cached function, a transform
            self._leniently(value, where)
        else:
            self.text(type(value).__module__, type(value).__qualname__)

    def _leniently(self, value: Any, where: str, *, unless: bool = False) -> None:
        """Feed a value; what cannot be inspected in it counts as its type."""
        before, self.lenient = self.lenient, self.lenient or not unless
        self.feed(value, where)
        self.lenient = before

    def _instance(self, value: Any, where: str) -> None:
        if type(value).__module__ in ("typing", "types") and not isinstance(value, _RECORDS):
            return  # annotations, slots and the like
        wrapped = getattr(value, "__wrapped__", None)
        slots = {slot: getattr(value, slot) for slot in _slots(value)}
        if wrapped is None and not hasattr(value, "__dict__") and not slots:
            self._refuse(value, where)
            return
        self.text(str(getattr(value, "__qualname__", getattr(value, "__name__", ""))))
        self.feed(type(value), where)
        own = {**getattr(value, "__dict__", {}), **slots}
        self._mapping({key: own[key] for key in sorted(own) if key not in _COMMENTS}, where)

    def _refuse(self, value: Any, where: str) -> None:
        """Feed the type of a value that cannot be inspected; InputError unless the walk is lenient."""
        kind = f"{type(value).__module__}.{type(value).__qualname__}"
        if self.lenient:
            self.text(kind)
            return
        raise InputError(
            f"model {self.name!r} computes with a {kind} ({where}) that cannot be inspected",
            allowed="tensors, arrays, plain values, functions, and objects made of these",
            todo="give wrap(..., fingerprint='...'), a text that you change whenever it changes",
        )


_INSPECTED = (
    Tensor, np.ndarray, np.generic, Mapping, tuple, list, set, frozenset, nn.Module, functools.partial,
    types.ModuleType,
)  # fmt: skip


def _slots(value: Any) -> Iterator[str]:
    for base in type(value).__mro__:
        slots = vars(base).get("__slots__", ())
        for slot in (slots,) if isinstance(slots, str) else slots:
            if hasattr(value, slot) and slot not in ("__dict__", "__weakref__"):
                yield slot


def _namespace_of(cls: type) -> Mapping[str, Any]:
    """Return the globals of the module of a class: of its own functions, as modules may be replaced."""
    for member in vars(cls).values():
        function = inspect.unwrap(getattr(member, "__func__", getattr(member, "fget", member)))
        space: dict[str, Any] = getattr(function, "__globals__", {})
        if space.get("__name__") == cls.__module__:
            return space
    return vars(sys.modules.get(cls.__module__, types.ModuleType(cls.__module__)))


def _is_of_user(cls: type) -> bool:
    return not isinstance(module_of(_namespace_of(cls)), str)
