"""Facts about a model for `brainbench show`: for JSON, and the same as lines to read."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from brainbench.core.model import BEHAVIOR, CompletedModel

if TYPE_CHECKING:
    from brainbench.core.model import BrainModel
    from brainbench.core.timeline import Timeline
    from brainbench.models.wrap import WrappedModel

Facts = dict[str, Any]
Spans = Sequence[Sequence[float | None]]


@runtime_checkable
class HasWrapped(Protocol):
    """A model that computes with a wrapped network, whose layers can be looked into."""

    @property
    def wrapped(self) -> WrappedModel:
        """The wrapped network."""
        ...


def facts_of(model: BrainModel, *, file: str | None = None) -> Facts:
    """Return what is known about a model, as numbers, texts, lists and dicts.

    `file` was given as its weights; it is named where the model's weights are those of a file.
    """
    from brainbench.core.score import are_untrained

    about = model.about
    source = _source(model.weights, about.source, file)
    facts = {
        "model": model.name,
        "weights": model.weights,
        "untrained": are_untrained(model.weights),
        "source": source,
        "released": None if source == about.source else about.source,
        "notes": list(model.notes),
        "parameters": about.parameters,
        "depth": about.depth,
        "areas": {region: list(layers) for region, layers in model.areas.items()},
        "layers": [_layer(model, name) for name in _named(model)],
        **_inside(model, depth=about.depth, parameters=about.parameters),
        "static": model.static,
        "clocks": [_clock(clock) for clock in model.clocks.values()],
        "presentations": sorted(model.presentations),
        "visual_degrees": model.visual_degrees,
        "license": about.license,
        "citation": about.citation,
        "digest": model.digest,
    }
    return {key: value for key, value in facts.items() if value not in (None, [])}


def _source(weights: str, declared: str | None, file: str | None) -> str | None:
    """Return where the weights of a model come from; it may declare a source of others."""
    kind, _, rest = weights.partition("-")
    if kind == "untrained":
        return f"drawn at random, seed {rest}" if rest else "drawn at random"
    return f"file {file}" if kind == "file" and file else declared


def _named(model: BrainModel) -> list[str]:
    return list(dict.fromkeys(layer for layers in model.areas.values() for layer in layers))


def _layer(
    model: BrainModel, name: str, shape: tuple[int, ...] | None = None, steps: int | None = None
) -> Facts:
    regions = [region for region, layers in model.areas.items() if name in layers]
    sized = {} if shape is None else {"shape": list(shape), "steps": steps}
    return {"name": name, **sized, "regions": regions}


def _inside(model: BrainModel, *, depth: int | None, parameters: int | None) -> Facts:
    """Return parameters, depth and shapes of named layers, where the network can be looked into."""
    from brainbench.models.structure import depth_of, parameters_of, sizes_of
    from brainbench.models.wrap import WrappedModel

    given = model.model if isinstance(model, CompletedModel) else model
    network = given.wrapped if isinstance(given, HasWrapped) else given
    if not isinstance(network, WrappedModel):
        return {}
    named = _named(model)
    clocked = [layer for clock in model.clocks.values() for layer in clock.steps]
    # A clock's name may be the beginning of a layer's, or of several: "IT" of "IT.output".
    whole = [name for name in clocked if not any(layer.startswith(f"{name}.") for layer in named)]
    sizes = sizes_of(network, [name for name in (*whole, *named) if _has(network, name)])
    return {
        "parameters": parameters_of(network) if parameters is None else parameters,
        "depth": depth_of(network) if depth is None else depth,
        "layers": [_layer(model, name, size.shape, size.steps) for name, size in sizes.items()],
    }


def _has(model: WrappedModel, layer: str) -> bool:
    """Return whether there is such a layer; a clock may name others."""
    from brainbench.core.errors import UnknownNameError

    try:
        model.network.check(layer)
    except UnknownNameError:
        return False
    return True


def _clock(clock: Timeline) -> Facts:
    """Return a clock as plain values; a step without an end ends at None."""
    steps = {
        layer: [[start, None if math.isinf(end) else end] for start, end in spans]
        for layer, spans in clock.steps.items()
    }
    named = {"name": clock.name, "source": clock.source, "steps": steps}
    further = {} if clock.further_ms is None else {"further_ms": clock.further_ms}
    outside = {} if clock.outside == "error" else {"outside": clock.outside}
    return {**named, **further, **outside}


def as_lines(facts: Mapping[str, Any]) -> dict[str, str | list[str]]:
    """Return facts of a model to be read: a label, and a text or several lines."""
    lines: dict[str, str | list[str]] = {
        "model": facts["model"],
        "weights": facts["weights"]
        + (" (seeded random numbers, not trained)" if facts["untrained"] else ""),
    }
    lines |= {key: facts[key] for key in ("source", "released", "notes") if key in facts}
    for key in ("parameters", "depth"):
        if key in facts:
            lines[key] = f"{facts[key]:,}"
    lines["layers"] = _layer_lines(facts["layers"])
    lines["clocks"] = [line for clock in facts["clocks"] for line in _clock_lines(clock)]
    lines["presentations"] = ", ".join(facts["presentations"])
    lines["field of view"] = f"{facts['visual_degrees']:g} degrees"
    lines |= {key: facts[key] for key in ("license", "citation", "digest") if key in facts}
    return lines


def _layer_lines(layers: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return a line for each layer; what they have in common is said once, above them."""
    steps = _shared([layer["steps"] for layer in layers if layer.get("steps", 1) > 1])
    regions = _shared([regions for layer in layers if (regions := _brain_regions(layer))])
    above = [f"{steps} steps each"] if steps else []
    above += [f"each for {', '.join(regions)}"] if regions else []
    rows = [
        (layer["name"], "x".join(map(str, layer.get("shape", ()))), _remark(layer, steps, regions))
        for layer in layers
    ]
    name, shape = (max((len(row[column]) for row in rows), default=0) for column in (0, 1))
    lines = [f"{row[0]:<{name}}  {row[1]:<{shape}}  {row[2]}".rstrip() for row in rows]
    return [*(["; ".join(above)] if above else []), *lines]


def _shared(values: Sequence[Any]) -> Any:
    """Return the value that several have in common, else None."""
    alike = len(values) > 1 and all(value == values[0] for value in values)
    return values[0] if alike else None


def _brain_regions(layer: Mapping[str, Any]) -> list[str]:
    return [region for region in layer["regions"] if region != BEHAVIOR]


def _remark(layer: Mapping[str, Any], steps: int | None, regions: list[str] | None) -> str:
    own_regions, n_steps = _brain_regions(layer), layer.get("steps", 1)
    parts = [", ".join(own_regions)] if own_regions and own_regions != regions else []
    parts += ["choices are read here"] if BEHAVIOR in layer["regions"] else []
    if n_steps != (steps or 1):
        parts.append(f"{n_steps} steps" if n_steps > 1 else "1 step")
    return "; ".join(parts)


def _clock_lines(clock: Mapping[str, Any]) -> Iterator[str]:
    """Yield a line for all layers with the same steps; many steps of one length are said briefly."""
    yield f"{clock['name']}: {clock['source']}"
    alike: dict[tuple[tuple[float | None, ...], ...], list[str]] = {}
    for layer, spans in clock["steps"].items():
        alike.setdefault(tuple(map(tuple, spans)), []).append(layer)
    further = clock.get("further_ms")
    more = ", the last one held" if clock.get("outside") == "hold" else ""
    more += "" if further is None else f", then {further:g} ms each where it is shown for longer"
    for spans, layers in alike.items():
        who = "every layer" if len(alike) == 1 and len(layers) > 1 else ", ".join(layers)
        yield f"  {who}: {_described(spans)}{more}"


def _described(spans: Spans) -> str:
    starts = [start for start, _ in spans if start is not None]
    ends = [end for _, end in spans if end is not None]
    lengths = {end - start for start, end in zip(starts, ends, strict=False)}
    even = len(ends) == len(spans) > 4 and len(lengths) == 1
    if even and ends[-1] - starts[0] == len(spans) * min(lengths):
        return f"{len(spans)} steps of {min(lengths):g} ms, {starts[0]:g}-{ends[-1]:g} ms"
    return ", ".join(_each(spans))


def _each(spans: Spans) -> Iterable[str]:
    for start, end in spans:
        yield f"from {start:.4g} ms" if end is None else f"{start:.4g}-{end:.4g} ms"
