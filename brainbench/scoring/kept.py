"""What is computed once and kept, within a bound: matrices of layers, and figures of brains.

A figure that depends on the brain alone is kept by the content of the arrays that it follows from, so that
the second model of a run finds it, and nothing that differs is ever taken for it.
"""

from __future__ import annotations

import dataclasses
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, Generic, TypeVar, cast

import numpy as np
import xxhash

from brainbench.metrics.array_types import AnyArray

GRAM_BYTES = 2e9
"""Gram matrices that a model's run keeps; those used longest ago go first."""
BRAIN_BYTES = 0.5e9
"""Figures of brains that a run keeps."""

Kept = TypeVar("Kept")


class BoundedStore(Generic[Kept]):
    """Values by key, bounded in size; each is made once, also by several threads.

    Parameters
    ----------
    max_bytes : float
        Above this size the values used longest ago are dropped, never the one just made.
    """

    def __init__(self, max_bytes: float = GRAM_BYTES) -> None:
        self.max_bytes = max_bytes
        self.made = 0
        self._values: OrderedDict[Hashable, Kept] = OrderedDict()
        self._sizes: dict[Hashable, int] = {}
        self._lock = threading.RLock()

    def get(self, key: Hashable, make: Callable[[], Kept]) -> Kept:
        """Return the value of a key, made at the first call."""
        with self._lock:
            if key not in self._values:
                value = make()
                self._values[key], self._sizes[key] = value, nbytes_of(value)
                self.made += 1
                self._drop_oldest(key)
            self._values.move_to_end(key)
            return self._values[key]

    def size(self) -> int:
        """Return the bytes that are held."""
        return sum(self._sizes.values())

    def _drop_oldest(self, newest: Hashable) -> None:
        """Drop the values used longest ago until all others fit; never the newest."""
        size = self.size()
        while size > self.max_bytes and len(self._values) > 1:
            oldest = next(key for key in self._values if key != newest)
            del self._values[oldest]
            size -= self._sizes.pop(oldest)


class BrainFigures:
    """Figures that depend on a brain alone, kept in a run for all models.

    Functions are pure: they return the same for the same arguments, and what they return is not changed.
    """

    def __init__(self, max_bytes: float = BRAIN_BYTES) -> None:
        self.store = BoundedStore[Any](max_bytes)

    def of(self, function: Callable[..., Kept], *arguments: Any, **options: Any) -> Kept:
        """Return `function(*arguments, **options)`, computed once for arguments of the same content."""
        given = (*arguments, *(part for name in sorted(options) for part in (name, options[name])))
        key = (function.__module__, function.__qualname__, *map(content_of, given))
        return cast(Kept, self.store.get(key, _Call(function, arguments, options)))


@dataclasses.dataclass(frozen=True)
class _Call(Generic[Kept]):
    function: Callable[..., Kept]
    arguments: tuple[Any, ...]
    options: dict[str, Any]

    def __call__(self) -> Kept:
        made = self.function(*self.arguments, **self.options)
        if isinstance(made, np.ndarray):
            made.flags.writeable = False  # all models share it
        return made


def content_of(value: Any) -> Hashable:
    """Return what tells the content of a value: that of arrays is hashed, also in dataclasses."""
    if isinstance(value, np.ndarray):
        return _digest(value)
    if isinstance(value, tuple | list):
        return (type(value).__name__, *map(content_of, value))
    if dataclasses.is_dataclass(value):
        fields = (getattr(value, one.name) for one in dataclasses.fields(value))
        return (type(value).__qualname__, *map(content_of, fields))
    return cast(Hashable, (type(value).__name__, value))


def _digest(array: AnyArray) -> Hashable:
    # Memory order changes rounding, so that only the same one counts as the same.
    order = np.argsort(array.strides, kind="stable")[::-1]
    data = np.ascontiguousarray(array.transpose(order))
    digest = xxhash.xxh3_128_digest(data.view(np.uint8).data if data.size else b"")
    return ("array", array.dtype.str, array.shape, tuple(order.tolist()), digest)


def nbytes_of(value: Any) -> int:
    """Return the bytes of the arrays in a value: an array, a sequence, or a dataclass."""
    if isinstance(value, np.ndarray):
        return int(value.nbytes)
    if isinstance(value, tuple | list):
        return sum(map(nbytes_of, value))
    if dataclasses.is_dataclass(value):
        return sum(nbytes_of(getattr(value, one.name)) for one in dataclasses.fields(value))
    return 0
