"""What is remembered of bundled models, so that stored scores are found without making a network.

A digest is the SHA-256 over all weights of a network: for it torch is imported and the network is made, which
takes longer than all else of a stored run. It is kept in the cache under a key of everything that it follows
from: every byte of this program's code, the installed packages with their versions, the machine, the files of
weights, name and options. It is neither kept nor used in a process in which other code runs, which may have
changed a network or a library.
"""

from __future__ import annotations

import functools
import json
import os
import platform
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property
from importlib import util
from pathlib import Path
from typing import Any

from brainbench.core import registry
from brainbench.core.errors import BrainbenchError
from brainbench.core.model import BrainModel, Probe
from brainbench.core.model_info import About
from brainbench.core.presentation import CONSTANT, Kind, Presentation
from brainbench.core.provenance import sha256
from brainbench.core.score import are_untrained
from brainbench.core.stimuli import StimulusSet
from brainbench.core.timeline import Timeline
from brainbench.core.user_code import OWN, runs_code_outside
from brainbench.storage import cache as caches

KIND = "identities"
_SUFFIX = ".json"
_FORMAT = "identity-1"
_WEIGHTS = "weights"  # kind of the files of weights in the cache
_SETTINGS = ("TORCH", "ATEN", "MKL", "OMP", "OPENBLAS", "CUDA", "NVIDIA", "BRAINBENCH_WEIGHTS")
_PLAIN_TEXT = re.compile(
    r"[A-Za-z0-9_-]*"
)  # of an option; no path of a file, whose content may change
_TOLD = ("name", "weights", "areas", "static", "presentations", "digest", "notes", "device", "precision",
         "visual_degrees", "frame_ms")  # fmt: skip
"""Members that are kept as they are, beside the clocks."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Asked:
    """A model of the registry as it is asked for."""

    name: str
    options: Mapping[str, Any]

    @property
    def weights(self) -> str | None:
        """Weights that the options or the name ask for; None for those that the model has by default."""
        named = self.name.partition("@")[2] or self.options.get("weights")
        return None if named is None else str(named)


@dataclass(frozen=True, kw_only=True, eq=False)
class KnownModel:
    """A model that is made when its responses are asked for; all that scores are found by is known before."""

    make: Callable[[], BrainModel] = field(repr=False)
    name: str
    weights: str
    areas: Mapping[str, Sequence[str]]
    clocks: Mapping[str, Timeline]
    static: bool
    presentations: Sequence[Kind]
    digest: str
    notes: Sequence[str]
    device: str
    precision: str
    visual_degrees: float
    frame_ms: float | None

    @cached_property
    def made(self) -> BrainModel:
        """The model itself."""
        return self.make()

    @property
    def about(self) -> About:
        """Citation and license."""
        return self.made.about

    def activations(
        self, stimuli: StimulusSet, layers: Sequence[str], presentation: Presentation = CONSTANT
    ) -> Any:
        """Return the responses of each layer, see `BrainModel.activations`."""
        return self.made.activations(stimuli, layers, presentation)

    def on(self, *, device: str, batch_size: int | str, precision: str) -> BrainModel:
        """Return the model itself on a device."""
        return self.made.on(device=device, batch_size=batch_size, precision=precision)

    def probe(
        self, stimuli: StimulusSet, layers: Sequence[str], presentation: Presentation = CONSTANT
    ) -> Probe | None:
        """Return sizes and speed of the model."""
        return self.made.probe(stimuli, layers, presentation)

    def pinned(self) -> KnownModel:
        """Return the model: it is known by one digest."""
        return self


def recall(asked: Asked | None, make: Callable[[], BrainModel]) -> KnownModel | None:
    """Return what is remembered of a model; None where nothing is, or where it may be another one here."""
    key = None if asked is None else _key(asked)
    if key is None:
        return None
    try:
        path = caches.default().find(KIND, key, _SUFFIX)
        if path is None:
            return None
        told = json.loads(path.read_bytes())
        clocks = {name: Timeline(**clock) for name, clock in told.pop("clocks").items()}
        return KnownModel(make=make, clocks=clocks, **told)
    except (OSError, ValueError, TypeError, LookupError, AttributeError, BrainbenchError):
        return None


def remember(asked: Asked | None, model: BrainModel) -> None:
    """Keep what scores of a model are found by; nothing where it may change without its key.

    Untrained weights that nobody asked for are such: they stand in for others that could not be had now.
    """
    key = None if asked is None else _key(asked)
    if asked is None or key is None:
        return
    if are_untrained(model.weights) and asked.weights in (None, "auto") and model.notes:
        return
    told: dict[str, Any] = {name: _plain(getattr(model, name)) for name in _TOLD}
    told["clocks"] = {name: _fields(clock) for name, clock in model.clocks.items()}
    try:
        text = json.dumps(told)
        known = caches.default().find(KIND, key, _SUFFIX)
        if known is not None and known.read_text() == text:
            return
        with caches.default().writing(KIND, key, _SUFFIX) as path:
            path.write_text(text)
    except (OSError, TypeError, BrainbenchError):  # a cache that is full: next time takes longer
        return


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: list(item) for name, item in value.items()}
    return value if isinstance(value, str | bool | int | float | None) else list(value)


def _fields(clock: Timeline) -> dict[str, Any]:
    declared = {one.name: getattr(clock, one.name) for one in fields(clock)}
    return {**declared, "steps": {name: list(spans) for name, spans in clock.steps.items()}}


def _key(asked: Asked) -> str | None:
    """Return the key of a bundled model; None for others, and where code runs that no key follows."""
    base = asked.name if asked.name in registry.entries("models") else asked.name.partition("@")[0]
    target = registry.entries("models").get(base, "")
    if not target.startswith("brainbench_models.") or not _are_plain(asked.options):
        return None
    own = _own_folders()
    if runs_code_outside(own):
        return None
    options = json.dumps(asked.options, sort_keys=True)
    return sha256(_FORMAT, asked.name, target, options, _surroundings(own), _weights_here())


def _are_plain(options: Mapping[str, Any]) -> bool:
    """Return whether options say all in themselves: numbers, words, and mappings of these."""
    for value in options.values():
        if isinstance(value, Mapping):
            if not _are_plain(value):
                return False
        elif isinstance(value, str):
            if not _PLAIN_TEXT.fullmatch(value):
                return False
        elif not isinstance(value, int | float | None):
            return False
    return True


@functools.cache
def _own_folders() -> tuple[Path, ...]:
    """Return the folders of this program's packages, found without importing them."""
    specs = (util.find_spec(name) for name in OWN)
    found = (spec.submodule_search_locations or () for spec in specs if spec is not None)
    return tuple(Path(folder).resolve() for folders in found for folder in folders)


@functools.cache
def _surroundings(own: tuple[Path, ...]) -> str:
    """Return the SHA-256 over the program's code, what is installed, and the machine."""
    parts: list[str | bytes] = [sys.version, sys.prefix, repr(os.cpu_count()), _processor()]
    parts += [
        f"{name}={os.environ[name]}" for name in sorted(os.environ) if name.startswith(_SETTINGS)
    ]
    for name in (
        "sitecustomize",
        "usercustomize",
    ):  # which run before anything else, and may be edited
        file = getattr(sys.modules.get(name), "__file__", None)
        parts += [] if file is None else [name, Path(file).read_bytes()]
    for folder in own:
        for path in sorted(folder.rglob("*")):
            if path.suffix in (".py", ".toml"):
                parts += [str(path), path.read_bytes()]
    return sha256(*parts, *_installed())


def _processor() -> str:
    """Return what is known of the processor, which may decide how an untrained network is drawn."""
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return repr(platform.uname())
    lines = {
        line for line in text.splitlines() if line.startswith(("model name", "flags", "Features"))
    }
    devices = "nvidia" if Path("/proc/driver/nvidia/version").exists() else ""
    return "\n".join([platform.machine(), devices, *sorted(lines)])


def _installed() -> Iterator[str]:
    """Yield every distribution on the path with its version, and when it was installed."""
    for folder in sys.path:
        try:
            with os.scandir(folder or ".") as listed:
                names = {
                    one.name: one.stat().st_mtime_ns for one in listed if one.name.endswith("-info")
                }
        except OSError:
            continue
        yield from (f"{folder}/{name} {names[name]}" for name in sorted(names))


def _weights_here() -> str:
    """Return the name, size and times of each file of weights in the cache."""
    try:
        with os.scandir(caches.default().folder / _WEIGHTS) as listed:
            stats = {one.name: one.stat() for one in listed}
    except OSError:
        return ""
    return repr([(name, s.st_size, s.st_mtime_ns, s.st_ino) for name, s in sorted(stats.items())])
