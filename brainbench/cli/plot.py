"""`brainbench plot`: figures of stored scores, and of the graph of a model."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from brainbench.cli import options
from brainbench.core.settings import VARIANTS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from brainbench.core.score import Score
    from brainbench.plot.model_scatter import Facts

GRAPH, SCATTER = "graph", "scatter"
ALL = ["all"]
_OWN = {
    "layer": ("layers",),
    "array": ("time",),
    "site": ("traces",),
    "image": ("traces",),
    "x": (SCATTER,),
    "y": (SCATTER,),
    "facts": (SCATTER,),
    "published": (SCATTER,),
    "name": (SCATTER,),
    "model_args": (GRAPH,),
}
"""Options that only some figures have."""
_COUNTED = ("depth", "parameters")
"""Facts that are counted in the network of a model."""
_PUBLISHED = ("top1", "depth")
"""Facts that are published of some models."""


@dataclass(frozen=True, kw_only=True)
class Choice:
    """Which stored scores a figure is made of."""

    models: Sequence[str]
    benchmarks: Sequence[str]
    protocol: str
    partial: bool
    results: Path


def plot(
    kind: Annotated[
        str,
        typer.Argument(
            metavar="FIGURE",
            help="bars, layers, units, time, traces, temporal, ost, choices, images, cues, rdm, scatter, "
            "graph.",
            show_default=False,
        ),
    ],
    output: Annotated[
        Path,
        options.text_option("-o", "--output", metavar="FILE", help="A .pdf, .svg or .png file."),
    ],
    model: Annotated[
        list[str],
        options.text_option(
            "-m", "--model", metavar="MODEL", help="Model, wildcard or comma list; by default all."
        ),
    ] = ALL,
    benchmark: Annotated[
        list[str],
        options.text_option(
            "-b", "--benchmark", metavar="BENCHMARK", help="Benchmark, wildcard or comma list."
        ),
    ] = ALL,
    protocol: options.Protocol = "paper",
    partial: Annotated[
        bool, typer.Option("--partial", help="Also scores on some of the images (--limit).")
    ] = False,
    layer: Annotated[
        list[str], options.text_option("--layer", metavar="NAMES", help="layers: only these.")
    ] = options.NONE,
    array: Annotated[
        str | None, options.text_option("--array", metavar="NAME", help="time: one array.")
    ] = None,
    site: Annotated[
        str | None, options.text_option("--site", metavar="ID", help="traces: this site.")
    ] = None,
    image: Annotated[
        str | None, options.text_option("--image", metavar="ID", help="traces: this image.")
    ] = None,
    x: Annotated[
        str | None,
        options.text_option("-x", metavar="AXIS", help="scatter: a benchmark or a fact, as depth."),
    ] = None,
    y: Annotated[
        str | None, options.text_option("-y", metavar="AXIS", help="scatter: the other axis.")
    ] = None,
    facts: Annotated[
        Path | None,
        options.text_option(
            "--facts", metavar="CSV", help="scatter: a column `model`, others are facts."
        ),
    ] = None,
    published: Annotated[
        bool,
        typer.Option(
            "--published", help="scatter: with Kubilius et al. (2019), not measured here."
        ),
    ] = False,
    name: Annotated[
        list[str],
        options.text_option("--name", metavar="MODELS", help="scatter: names that are written."),
    ] = options.NONE,
    model_args: options.ModelArgs = options.NONE,
    results: Annotated[
        Path,
        typer.Option(
            "-r", "--results", metavar="DIR", envvar="BRAINBENCH_RESULTS", help="Results folder."
        ),
    ] = options.RESULTS,
    quiet: options.Quiet = False,
) -> None:
    """Draw a figure of stored scores, or the graph of a model.

    bars: scores, intervals, ceilings. layers: score over layers and regions.
    units: sites by preferred layer. time: correlation per time bin, by array.
    traces: single images over time. temporal: their correlation over time.
    ost: solution times. choices: confusions. images: behavior, image by image.
    cues: shape bias by category. rdm: dissimilarities. scatter: models by two benchmarks, or by depth,
    parameters, top1, seconds or a column of --facts. graph: layers and feedback.

    Nothing is scored. Exit status: 0; 2 for wrong usage, or nothing to draw.
    """
    from brainbench.cli import console

    with console.loading(quiet=quiet):
        from brainbench.plot import KINDS, save
        from brainbench.plot.style import checked_path

    options.one_of(kind, [*KINDS, GRAPH], "FIGURE")
    options.one_of(protocol, VARIANTS, "--protocol")
    checked_path(output)
    options.writable_file(output, "-o")
    given = {
        "layer": [name for text in layer for name in text.split(",")],
        "array": array,
        "site": site,
        "image": image,
        "x": x,
        "y": y,
        "facts": facts,
        "published": published,
        "name": [one for text in name for one in text.split(",")],
        "model_args": model_args,
    }
    _check_options(kind, given)
    console.start_logging(verbose=False)
    with console.working("drawing", quiet=quiet):
        choice = Choice(
            models=model,
            benchmarks=benchmark,
            protocol=protocol,
            partial=partial,
            results=results,
        )
        save(_graph(model, model_args) if kind == GRAPH else _figure(kind, choice, given), output)
    print(output)


def _check_options(kind: str, given: Mapping[str, Any]) -> None:
    from brainbench.core.errors import InputError

    for name, value in given.items():
        if value and kind not in _OWN[name]:
            flag = f"-{name}" if len(name) == 1 else f"--{name.replace('_', '-')}"
            raise InputError(
                f"{flag} for a figure {kind}",
                allowed=f"{flag} with {' or '.join(_OWN[name])}",
                todo=f"omit {flag}, or draw {_OWN[name][0]}",
            )
    if kind == SCATTER and not (given["x"] and given["y"]):
        raise InputError(
            "a figure scatter without both axes",
            allowed="a benchmark, seconds, depth, parameters, or a column of --facts for each",
            todo="give -x and -y, as -x Simulated.V1-pls -y Simulated.IT-pls",
        )


def _figure(kind: str, choice: Choice, given: Mapping[str, Any]) -> Figure:
    from brainbench.plot import figure

    table, theirs = _table(given["facts"]), {}
    if kind == SCATTER:
        from brainbench.ranking.published import published_facts, published_scores

        theirs = published_facts()
    alone = (table or given["published"]) and not choice.results.is_dir()
    scores = [] if alone else _scores(choice)
    chosen = {
        "only_layers": given["layer"],
        "array": given["array"],
        "neuroid": given["site"],
        "stimulus": given["image"],
        "x": given["x"],
        "y": given["y"],
    }
    if kind == SCATTER:
        counted = [name for name in (given["x"], given["y"]) if name in _COUNTED]
        known = _with_known(table, theirs, scores)
        chosen |= {"facts": _with_counted(known, counted, scores), "named": given["name"]}
        if given["published"]:
            chosen["facts"] = {**theirs, **chosen["facts"]}
            chosen["published"] = theirs.keys()
            scores = [*scores, *published_scores()]
    return figure(kind, scores, **{name: value for name, value in chosen.items() if value})


def _scores(choice: Choice) -> list[Score]:
    """Return the stored scores that were asked for; UnknownNameError for a name without any."""
    from brainbench.core.errors import unknown
    from brainbench.plot import stored
    from brainbench.ranking.comparable import benchmark_names, entries

    under = [
        score
        for score in stored(choice.results)
        if score.protocol == choice.protocol and (choice.partial or not score.partial)
    ]
    if not under:
        raise _nothing_under(choice)
    known = list(dict.fromkeys(score.benchmark for score in under))
    models = sorted({score.model for score in under})
    what = f"among the stored scores of protocol {choice.protocol}"
    make = f"score it first: brainbench score -m MODEL -b BENCHMARK -o {choice.results}"
    names = benchmark_names(choice.benchmarks, known)
    for name in names:
        if name not in known:
            raise unknown(f"benchmark {what}", name, known, todo=make)
    chosen: list[Score] = []
    for entry in entries(_with_all_weights(choice.models, models), models):
        own = [score for name in entry.names for score in entry.scores_of(name, under)]
        if not own:
            raise unknown(f"model {what}", entry.label, models, todo=make)
        chosen += own
    ids = {id(score) for score in chosen}
    return [score for score in under if id(score) in ids and score.benchmark in names]


def _with_all_weights(asked: Sequence[str], stored: Sequence[str]) -> list[str]:
    """Return names of models, one without weights as every stored name of it: a figure shows all of them."""
    parts = [part.strip() for text in asked for part in text.split(",")]
    return [
        name
        for part in parts
        for name in [one for one in stored if one.partition("@")[0] == part] or [part]
    ]


def _nothing_under(choice: Choice) -> Exception:
    from brainbench.core.errors import InputError

    return InputError(
        f"no scores of protocol {choice.protocol} in {choice.results}"
        + ("" if choice.partial else " on all images"),
        allowed="a results folder with such scores",
        todo="give another --protocol or --results, or --partial for scores on some of the images",
    )


def _table(path: Path | None) -> dict[str, dict[str, float]]:
    """Return the numbers of a CSV by model; other entries are omitted."""
    from brainbench.core.errors import InputError

    if path is None:
        return {}
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            rows = list(csv.DictReader(stream))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(
            f"--facts {path} cannot be read ({error})",
            allowed="a CSV in UTF-8 with a column `model`",
            todo="give another file",
        ) from error
    column = next(
        (name for name in (rows[0] if rows else ()) if name and name.lower() == "model"), None
    )
    if column is None:
        raise InputError(
            f"--facts {path} with the columns {', '.join(map(str, rows[0])) if rows else 'none'}",
            allowed="a column `model`, and a column of numbers for each fact",
            todo="add the column, with names as in the table of scores",
        )
    return {
        row[column]: {
            str(name): number
            for name, text in row.items()
            if name != column and (number := _number(text)) is not None
        }
        for row in rows
    }


def _with_known(table: Facts, theirs: Facts, scores: Sequence[Score]) -> Facts:
    """Return facts with the published depth and top-1 accuracy of the models with scores."""
    from brainbench.plot import display_name

    facts = dict(table)
    for model in dict.fromkeys(score.model for score in scores):
        known = theirs.get(display_name(model), {})  # an untrained model has another name
        known = {name: known[name] for name in _PUBLISHED if name in known}
        facts[model] = {**known, **table.get(model, {})}
    return facts


def _number(text: object) -> float | None:
    try:
        number = float(str(text))
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _with_counted(table: Facts, names: Sequence[str], scores: Sequence[Score]) -> Facts:
    """Return facts with depth or parameters of each model with a score, counted in its network."""
    from brainbench.cli.model_facts import facts_of
    from brainbench.core import progress
    from brainbench.core.errors import BrainbenchError
    from brainbench.run.loading import model_with

    facts = {model: dict(entries) for model, entries in table.items()}
    for model in dict.fromkeys(score.model for score in scores):
        absent = [name for name in names if name not in facts.get(model, {})]
        if not absent:
            continue
        try:
            known = facts_of(model_with(model, {}))
        except BrainbenchError as error:
            progress.current().note(f"omitted: {model}: {error.got}")
            continue
        facts.setdefault(model, {}).update({name: known[name] for name in absent if name in known})
    return facts


def _graph(models: Sequence[str], model_args: Sequence[str]) -> Axes:
    from brainbench.core.errors import InputError
    from brainbench.plot import display_name, graph
    from brainbench.run.loading import model_with

    if len(models) != 1 or models == ALL:
        raise InputError(
            f"a graph of {', '.join(models)}",
            allowed="one model",
            todo="give -m MODEL, such as -m convrnn_rgc_intermediate",
        )
    model = model_with(models[0], options.model_args(list(model_args)))
    if model.about.graph is None:
        raise InputError(
            f"{models[0]} declares no graph to draw",
            allowed="a model with one, such as convrnn_rgc_intermediate",
            todo="choose such a model, or give yours About(graph=...)",
        )
    return graph(model.about.graph, title=display_name(model.name))
