"""The key by which a stored score is found: a hash of everything that the score depends on."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any

import numpy as np

from brainbench.core.benchmark import Benchmark
from brainbench.core.errors import InputError
from brainbench.core.model import declared_layers
from brainbench.core.provenance import sha256
from brainbench.core.settings import Settings
from brainbench.core.timeline import Timeline
from brainbench.scoring.context import RunContext
from brainbench.scoring.measure import Measure
from brainbench.storage.results import SCHEMA


def identity(context: RunContext) -> str:
    """Return the SHA-256 of everything that a score depends on.

    A measure that does not say in plain values what it computes is an InputError.
    """
    benchmark, model, settings = context.benchmark, context.model, context.settings
    region = benchmark.region
    declared = {
        "schema": SCHEMA,
        "benchmark": [benchmark.identifier, benchmark.version, region, benchmark.window],
        "measure": measure_of(benchmark).config(),
        "data": [context.data.name, context.data_version],
        "model": [model.name, context.model_run.digest, list(declared_layers(model, region))],
        "presentation": asdict(context.presentation),
        "settings": {**_asked(settings), "layers": settings.layers.get(region)},
        "clocks": [[name, _fields(clock)] for name, clock in model.clocks.items()],
        **_shown(context),
    }
    return sha256(json.dumps(declared, sort_keys=True, default=_plain_value))


def _asked(settings: Settings) -> dict[str, Any]:
    """Return the settings; groups only where the user asks for some, so that other keys stay as they were."""
    return {name: value for name, value in vars(settings).items() if name != "groups" or value}


def _shown(context: RunContext) -> dict[str, Any]:
    """Return what matters of the model's screen, so that other keys stay as they were.

    Its width where pictures of another width are placed on it, and how often it takes a frame of a movie.
    """
    is_movie = context.presentation.kind == "movie"
    frames = {"frame_ms": context.model.frame_ms} if is_movie else {}
    width = context.visual_degrees
    if width is None:
        return frames
    sets = measure_of(context.benchmark).stimulus_sets(context)
    placed = not all(shown.has_width_of(width) for shown in sets)
    return {**frames, **({"visual_degrees": width} if placed else {})}


def _fields(clock: Timeline) -> dict[str, Any]:
    return {field.name: getattr(clock, field.name) for field in fields(clock)}


def _plain_value(value: Any) -> Any:
    """Return numbers and arrays of numpy, and mappings, as JSON can write them."""
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    if isinstance(value, Mapping):
        return dict(value)
    raise InputError(
        f"a {type(value).__name__} among what a score depends on: {value!r}",
        allowed="numbers, text, None, and lists and mappings of these",
        todo="return plain values from the measure's config()",
    )


def measure_of(benchmark: Benchmark) -> Measure[Any, Any]:
    """Return the measure of a benchmark; anything else in its place is an InputError."""
    measure = benchmark.measure
    if not isinstance(measure, Measure):
        raise InputError(
            f"measure of {benchmark.identifier}: a {type(measure).__name__}",
            allowed="a brainbench.scoring.measure.Measure, whose config() says what it computes",
            todo="derive it from Measure, as a frozen dataclass of its options",
        )
    return measure
