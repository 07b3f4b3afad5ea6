"""`brainbench show`: all that is known about one model, benchmark, data set or composite."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from brainbench.cli.list_ import KINDS

if TYPE_CHECKING:
    from brainbench.interfaces import BrainModel
    from brainbench.timeline import Span, Timeline


def show(
    name: Annotated[str, typer.Argument(help="A model, benchmark, data set or composite.")],
    as_json: Annotated[bool, typer.Option("--json", help="A JSON object.")] = False,
    figure: Annotated[
        Path | None,
        typer.Option(help="Draw a model's graph, feed-forward and feedback: .png, .pdf or .svg."),
    ] = None,
) -> None:
    """Show one model, benchmark, data set or composite."""
    facts = _facts(name)
    if figure is not None:
        facts["figure"] = _draw(name, figure)
    if as_json:
        print(json.dumps(facts, indent=1, default=str))
        return
    from brainbench.cli.console import print_facts

    print_facts(facts)


def _facts(name: str) -> dict[str, Any]:
    from brainbench import registry
    from brainbench.errors import unknown

    if name in registry.entries("benchmarks"):
        return _benchmark(name)
    if name in registry.entries("data"):
        return _data(name)
    if name in registry.entries("composites"):
        return _composite(name)
    if _is_model(name):
        return _model(name)
    known = [n for kind in KINDS for n in registry.entries(kind)]
    raise unknown("name", name, known, todo=f"see `brainbench list {'|'.join(KINDS)}`")


def _is_model(name: str) -> bool:
    from brainbench import registry

    known = name.partition("@")[0] in registry.entries("models")
    return known or registry.is_file(name) or registry.family(name) is not None


def _benchmark(name: str) -> dict[str, Any]:
    from brainbench.data.manifest import source
    from brainbench.loading import load_benchmark

    benchmark = load_benchmark(name)
    data = source(benchmark.data)
    absent = data.absent()
    state = f"not here: {absent}; get it with `{data.command}`" if absent else "here"
    return {
        "benchmark": benchmark.identifier,
        "version": benchmark.version,
        "data": f"{data.name}, {state}",
        "region": benchmark.region,
        "window": "{:g} to {:g} ms from stimulus onset".format(*benchmark.window),
        "presentation": benchmark.presentation.describe(),
        "metric": benchmark.metric,
        "ceiling": benchmark.ceiling,
        "procedure": repr(benchmark.procedure),
        "protocols": ", ".join(benchmark.protocols),
        "citation": benchmark.citation,
    }


def _data(name: str) -> dict[str, Any]:
    from brainbench.data.manifest import manifest, source

    declared, found = manifest(name), source(name)
    absent = found.absent()
    return {
        "data": declared.name,
        "title": declared.title,
        "state": f"not here: {absent}; get it with `{found.command}`" if absent else "here",
        "simulated": "yes" if declared.simulated else "no",
        "licence": declared.licence,
        "citation": declared.citation,
        **{key: str(value) for key, value in declared.parameters.items()},
    }


def _composite(name: str) -> dict[str, Any]:
    from brainbench.loading import load_composite

    composite = load_composite(name)
    return {
        "composite": composite.name,
        "meaning": composite.meaning,
        "members": [f"{member.benchmark}, as {member.formula}" for member in composite.members],
        "a member missing": "undefined; `brainbench leaderboard` says k of n",
        "citation": composite.citation,
    }


def _model(name: str) -> dict[str, Any]:
    from brainbench.about import NOTHING
    from brainbench.loading import load_model
    from brainbench.scores import are_untrained

    model = load_model(name)
    about = getattr(model, "about", NOTHING)
    untrained = " (seeded random numbers, not trained)" if are_untrained(model.weights) else ""
    facts = {
        "model": model.name,
        "weights": model.weights + untrained,
        "source": about.source,
        "parameters": None,
        "depth": about.depth,
        "areas": _areas(model),
        "layers": [],
        **_inside(model, about.depth),
        "static": "yes, one state per image" if model.static else "no",
        "clocks": [line for clock in model.clocks.values() for line in _clock(clock)],
        "presentations": ", ".join(sorted(model.presentations)),
        "licence": about.licence,
        "citation": about.citation,
        "digest": model.digest,
    }
    return {key: value for key, value in facts.items() if value not in (None, [])}


def _areas(model: BrainModel) -> list[str]:
    """One line for all regions with the same layers."""
    alike: dict[tuple[str, ...], list[str]] = {}
    for region, layers in model.areas.items():
        alike.setdefault(tuple(layers), []).append(region)
    return [f"{', '.join(regions)}: {', '.join(layers)}" for layers, regions in alike.items()]


def _inside(model: BrainModel, depth: int | None) -> dict[str, Any]:
    """Parameters, depth, the shapes of all layers that it names, where the model can be looked into."""
    from brainbench.extract.describe import depth_of, parameters_of, sizes_of
    from brainbench.extract.wrap import WrappedModel

    model = getattr(model, "wrapped", model)
    if not isinstance(model, WrappedModel):
        return {}
    named = [layer for layers in model.areas.values() for layer in layers]
    clocked = [layer for clock in model.clocks.values() for layer in clock.steps]
    # A clock's name may be the beginning of a layer's, or of several: "IT" of "IT.output".
    whole = [name for name in clocked if not any(layer.startswith(f"{name}.") for layer in named)]
    sizes = sizes_of(model, [name for name in (*whole, *named) if _has(model, name)])
    parameters = parameters_of(model)
    return {
        "parameters": None if parameters is None else f"{parameters:,}",
        "depth": depth_of(model) if depth is None else depth,
        "layers": [
            f"{layer}: {'x'.join(map(str, size.shape))}"
            + (f", {size.steps} steps" if size.steps > 1 else "")
            for layer, size in sizes.items()
        ],
    }


def _has(model: Any, layer: str) -> bool:
    """Whether there is such a layer; a clock may name others."""
    from brainbench.errors import UnknownNameError

    try:
        model.network.check(layer)
    except UnknownNameError:
        return False
    return True


def _clock(clock: Timeline) -> Iterator[str]:
    """One line for all layers with the same steps, and few words for many steps of one length."""
    yield f"{clock.name}: {clock.source}"
    alike: dict[tuple[Span, ...], list[str]] = {}
    for layer, spans in clock.steps.items():
        alike.setdefault(tuple(spans), []).append(layer)
    for spans, layers in alike.items():
        further = clock.further_ms
        more = "" if further is None else f", then {further:g} ms each where it is shown for longer"
        yield f"  {', '.join(layers)} {_spans(spans)}{more}"


def _spans(spans: tuple[Span, ...]) -> str:
    first, last = spans[0], spans[-1]
    lengths = {end - start for start, end in spans}
    if len(spans) > 4 and len(lengths) == 1 and last[1] - first[0] == len(spans) * min(lengths):
        return f"{len(spans)} steps of {min(lengths):g} ms, {first[0]:g}-{last[1]:g} ms"
    return ", ".join(_span(span) for span in spans)


def _span(span: Span) -> str:
    start, end = span
    return f"from {start:.4g} ms" if math.isinf(end) else f"{start:.4g}-{end:.4g} ms"


def _draw(name: str, path: Path) -> str:
    from brainbench.about import NOTHING
    from brainbench.errors import InputError
    from brainbench.loading import load_model
    from brainbench.plot import draw_graph

    model = load_model(name) if _is_model(name) else None
    graph = getattr(model, "about", NOTHING).graph
    if model is None or graph is None:
        raise InputError(
            f"{name} declares no graph to draw",
            allowed="a model with one, such as convrnn_rgc_intermediate",
            todo="leave --figure away",
        )
    return str(draw_graph(graph, path, title=model.name))
