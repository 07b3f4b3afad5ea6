"""`brainbench show`: facts about one model, benchmark, data set or composite."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from brainbench.cli import completion, options
from brainbench.cli.list_ import KINDS

if TYPE_CHECKING:
    from brainbench.core.dataset import Dataset


def show(
    name: Annotated[
        str,
        typer.Argument(
            help="A model, benchmark, data set or composite.",
            autocompletion=completion.everything,
        ),
    ],
    weights: options.Weights = None,
    model_args: options.ModelArgs = options.NONE,
    as_json: options.AsJson = False,
    quiet: options.Quiet = False,
) -> None:
    """Show one model, benchmark, data set or composite."""
    from brainbench.cli import console

    arguments = options.model_args(model_args)
    if weights is not None:
        arguments = options.with_weights(arguments, weights)
    console.start_logging(verbose=False)
    with console.loading(quiet=quiet):
        import brainbench.run.loading  # noqa: F401
    with console.working(name, quiet=quiet):
        facts, lines = _facts(name, arguments)
    if as_json:
        print(json.dumps(facts, indent=1, default=str, allow_nan=False))
        return
    console.print_facts(lines)


def _facts(name: str, arguments: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return facts for JSON, and as lines."""
    from brainbench.core import registry
    from brainbench.core.errors import InputError

    describe = {"benchmarks": _benchmark, "data": _data, "composites": _composite}
    kind = next((kind for kind in describe if name in registry.entries(kind)), None)
    if kind is None and _is_model(name):
        return _model(name, arguments)
    if kind is None and _is_offered(name):
        kind = "benchmarks"
    if kind is None:
        raise registry.unknown_name(name, *KINDS)
    if arguments:
        raise InputError(
            f"{name} with {', '.join(arguments)}",
            allowed="options for a model",
            todo="omit --model-args and --weights",
        )
    facts = describe[kind](name)
    return facts, facts


def _is_model(name: str) -> bool:
    from brainbench.core import registry

    known = name.partition("@")[0] in registry.entries("models")
    return known or registry.is_file(name) or registry.family(name) is not None


def _is_offered(name: str) -> bool:
    from brainbench.run.offered import is_offered

    return is_offered(name)


def _benchmark(name: str) -> dict[str, Any]:
    from brainbench.data.manifest import open_dataset
    from brainbench.run.loading import load_benchmark

    benchmark = load_benchmark(name)
    data = open_dataset(benchmark.data)
    return {
        "benchmark": benchmark.identifier,
        "version": benchmark.version,
        "data": f"{data.name}, {_state(data)}",
        "region": benchmark.region,
        "window": "{:g} to {:g} ms from stimulus onset".format(*benchmark.window),
        "presentation": benchmark.presentation.describe(),
        "metric": benchmark.metric,
        "ceiling": benchmark.ceiling,
        "measure": _words(benchmark.measure.config()),
        "protocols": ", ".join(benchmark.protocols),
        "citation": benchmark.citation,
    }


def _words(config: Mapping[str, Any]) -> str:
    """Return a measure with its options: "Predictivity(formula=None, n_components=25)"."""
    options_given = ", ".join(f"{key}={value}" for key, value in config.items() if key != "measure")
    return f"{config['measure']}({options_given})"


def _state(data: Dataset, *, shown: str = "") -> str:
    """Return what is absent, with the command that gets it unless that is `shown`, the one that was given."""
    absent = data.absent()
    if absent and data.command == shown:
        return f"not here: {absent}"
    return f"not here: {absent}; get it with `{data.command}`" if absent else "here"


def _data(name: str) -> dict[str, Any]:
    from brainbench.cli.data_facts import facts_of
    from brainbench.cli.data_offers import offered_by
    from brainbench.data.manifest import manifest, open_dataset

    state = _state(open_dataset(name), shown=f"brainbench data show {name}")
    return {**facts_of(manifest(name), state=state), **offered_by(name)}


def _composite(name: str) -> dict[str, Any]:
    from brainbench.run.loading import load_composite

    composite = load_composite(name)
    return {
        "composite": composite.name,
        "meaning": composite.meaning,
        "scale": composite.scale,
        "members": [f"{member.benchmark}, as {member.formula}" for member in composite.members],
        "a member missing": "undefined; `brainbench leaderboard` says k of n",
        "citation": composite.citation,
    }


def _model(name: str, arguments: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    from brainbench.cli.model_facts import as_lines, facts_of
    from brainbench.run.loading import model_with

    model = model_with(name, arguments)
    facts = facts_of(model, file=_weights_of(name, arguments))
    return facts, dict(as_lines(facts))


def _weights_of(name: str, arguments: Mapping[str, Any]) -> str | None:
    """Return which weights were asked for, after the name or as an option."""
    from brainbench.core import registry

    is_path = registry.is_file(name) or str(registry.family(name)).startswith(".")
    named = "" if is_path else name.partition("@")[2]
    return named or arguments.get("weights")
