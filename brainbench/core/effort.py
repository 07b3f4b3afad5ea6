"""What a run will cost: what has to be known of model and data for it, and how work becomes seconds."""

from __future__ import annotations

import functools
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np


@dataclass(frozen=True, kw_only=True)
class Probe:
    """What a model shows of itself in one batch.

    Parameters
    ----------
    features : mapping of str to int
        Neuroids of each layer.
    steps : mapping of str to int
        Model steps of each layer.
    absent : tuple of str
        Layers that are not in the cache, so have to be computed.
    seconds_per_image : float
        Time in the network, with preprocessing and checks; 0 where nothing has to be computed.
    """

    features: Mapping[str, int]
    steps: Mapping[str, int]
    absent: tuple[str, ...]
    seconds_per_image: float

    def bytes_per_image(self) -> int:
        """Size on disk of what has to be computed, float32."""
        return sum(4 * self.features[one] * self.steps[one] for one in self.absent)


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """How large a comparison is, in one recording session.

    Parameters
    ----------
    stimuli, units, repetitions, bins : int
        Of the recording.
    features : tuple of int
        Neuroids of each layer.
    steps : tuple of int
        Model steps of each layer.
    nominal : bool
        Each step is a candidate of its own.
    """

    stimuli: int
    units: int
    repetitions: int
    bins: int
    features: tuple[int, ...]
    steps: tuple[int, ...]
    nominal: bool

    @property
    def candidates(self) -> tuple[int, ...]:
        """Neuroids of each candidate: layer and step, or layer averaged over steps."""
        if not self.nominal:
            return self.features
        return tuple(p for p, k in zip(self.features, self.steps, strict=True) for _ in range(k))

    @property
    def activation_bytes(self) -> float:
        """Size of the activations, float32."""
        return (
            4.0 * self.stimuli * sum(p * k for p, k in zip(self.features, self.steps, strict=True))
        )


@dataclass(frozen=True, kw_only=True)
class Work:
    """What a comparison takes.

    Parameters
    ----------
    flops : float
        Floating-point operations in matrix products of the size that fits them well.
    read_bytes : float
        Bytes of activations to be read.
    memory_bytes : float
        Largest memory beside what the process holds anyway.
    seconds : float
        What does not depend on the machine's rate of matrix products.
    """

    flops: float = 0.0
    read_bytes: float = 0.0
    memory_bytes: float = 0.0
    seconds: float = 0.0

    def time(self) -> float:
        """Seconds on this machine."""
        return self.flops / flops_per_second() + self.read_bytes / _READ + self.seconds


@runtime_checkable
class Foreseeing(Protocol):
    """A procedure that says what it will take."""

    def work(self, sizes: Sizes, settings: Any) -> Work:
        """Work of one session."""
        ...


_READ = 0.4e9
"""Bytes of activations that are read, checked and made float64 in a second."""


@functools.cache
def flops_per_second() -> float:
    """Rate of double-precision matrix products here, from one of 1,000 x 1,000 (measured once)."""
    a = np.random.default_rng(0).standard_normal((1000, 1000))
    a @ a
    began = time.perf_counter()
    for _ in range(3):
        a @ a
    return 3 * 2e9 / (time.perf_counter() - began)
