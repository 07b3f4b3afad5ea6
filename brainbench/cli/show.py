"""`brainbench show`: all that is known about one model, benchmark, data set or composite."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from brainbench.cli.list_ import KINDS


def show(
    name: Annotated[str, typer.Argument(help="A model, benchmark, data set or composite.")],
    as_json: Annotated[bool, typer.Option("--json", help="A JSON object.")] = False,
) -> None:
    """Show one model, benchmark, data set or composite."""
    facts = _facts(name)
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
    if name.partition("@")[0] in registry.entries("models") or registry.is_file(name):
        return _model(name)
    known = [n for kind in KINDS for n in registry.entries(kind)]
    raise unknown("name", name, known, todo=f"see `brainbench list {'|'.join(KINDS)}`")


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
        "protocols": "paper, brainscore",
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
    from brainbench.loading import load_model
    from brainbench.scores import are_untrained

    model = load_model(name)
    clocks = []
    for clock in model.clocks.values():
        clocks.append(f"{clock.name}: {clock.source}")
        for layer, spans in clock.steps.items():
            clocks.append(f"  {layer} " + ", ".join(f"{a:g}-{b:g} ms" for a, b in spans))
    return {
        "model": model.name,
        "weights": model.weights
        + (" (seeded random numbers, not trained)" if are_untrained(model.weights) else ""),
        "areas": [f"{region}: {', '.join(layers)}" for region, layers in model.areas.items()],
        "static": "yes, one state per image" if model.static else "no",
        "clocks": clocks,
        "presentations": ", ".join(sorted(model.presentations)),
        "digest": model.digest,
    }
