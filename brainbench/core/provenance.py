"""Provenance of a score: versions, seeds, hashes, choices, cost."""

from __future__ import annotations

import contextlib
import contextvars
import datetime
import functools
import hashlib
import platform
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from brainbench import __version__

PACKAGES = ("numpy", "scipy", "scikit-learn", "xarray", "pandas", "torch")


class Record(BaseModel):
    """The provenance of one Score.

    `settings` has every field of `Settings`; `hashes` the SHA-256 of "stimuli", "data" and "model"
    (weights, code, structure, preprocessing); `clock` turned steps into ms; `choices` are further ones of
    the measure, such as the number of PCA components. `seconds` is wall time, `forward_seconds` that of
    the forward passes (0 when all came from the cache), `peak_memory_mb` the largest resident memory of
    the process so far. `failure` has the type, the message and the last lines of the traceback of what
    failed.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    created: str
    brainbench: str
    commit: str | None
    python: str
    platform: str
    packages: dict[str, str]
    seeds: dict[str, int]
    hashes: dict[str, str]
    settings: dict[str, Any] = {}
    clock: str | None = None
    presentation: str | None = None
    device: str = "cpu"
    precision: str = "float32"
    choices: dict[str, Any] = {}
    notes: list[str] = []
    failure: dict[str, str] = {}
    seconds: float = 0.0
    forward_seconds: float = 0.0
    peak_memory_mb: float = 0.0


def record(**known: Any) -> Record:
    """Return a record of this moment and machine, with the fields that the caller knows."""
    return Record(
        created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        brainbench=__version__,
        commit=commit(),
        python=platform.python_version(),
        platform=f"{platform.system()} {platform.machine()}",
        packages=dict(_versions()),
        peak_memory_mb=round(peak_memory_mb(), 1),
        **known,
    )


@functools.cache
def _versions() -> dict[str, str]:
    """Return the version of each of `PACKAGES`; each is a search through all that is installed."""
    return {name: metadata.version(name) for name in PACKAGES}


@functools.cache
def commit() -> str | None:
    """Return the commit of the source tree, with "+changes" if it is modified; None when installed."""
    root = Path(__file__).resolve().parents[2]
    if not (root / ".git").exists():
        return None
    try:
        head = _git(root, "rev-parse", "HEAD")
        return head + ("+changes" if _git(root, "status", "--porcelain") else "")
    except (OSError, subprocess.SubprocessError):
        return None


def _git(root: Path, *arguments: str) -> str:
    command = ["git", "-C", str(root), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=10)  # noqa: S603  # fixed command
    return done.stdout.strip()


def peak_memory_mb() -> float:
    """Return the largest resident memory of this process so far, in MB; 0 where it is unknown."""
    try:
        import resource
    except ImportError:  # Windows
        return 0.0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1024.0**2 if sys.platform == "darwin" else 1024.0)


def sha256(*parts: str | bytes) -> str:
    """Return the SHA-256 over parts, each with its length, so that no two lists of parts are alike."""
    hasher = hashlib.sha256()
    for part in parts:
        # A name may come from a path that is not UTF-8.
        data = part.encode("utf-8", "surrogatepass") if isinstance(part, str) else part
        hasher.update(len(data).to_bytes(8, "little"))
        hasher.update(data)
    return hasher.hexdigest()


@dataclass
class Costs:
    """Cost of the forward passes within one `counting` block."""

    forward_seconds: float = 0.0
    images: int = 0


_costs: contextvars.ContextVar[Costs | None] = contextvars.ContextVar("costs", default=None)


@contextlib.contextmanager
def counting() -> Iterator[Costs]:
    """Count forward passes within the block; an enclosing block counts them too."""
    outer, costs = _costs.get(), Costs()
    token = _costs.set(costs)
    try:
        yield costs
    finally:
        _costs.reset(token)
        if outer is not None:
            outer.forward_seconds += costs.forward_seconds
            outer.images += costs.images


@contextlib.contextmanager
def counting_time_only() -> Iterator[None]:
    """Count the time of forward passes within the block but not their images, which are counted elsewhere."""
    outer, costs = _costs.get(), Costs()
    token = _costs.set(costs)
    try:
        yield
    finally:
        _costs.reset(token)
        if outer is not None:
            outer.forward_seconds += costs.forward_seconds


def count_forward(seconds: float, images: int) -> None:
    """Count one forward pass over `images` images that took `seconds` in the network."""
    costs = _costs.get()
    if costs is not None:
        costs.forward_seconds += seconds
        costs.images += images
