"""`brainbench score`: models on benchmarks."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from brainbench.api import Job
    from brainbench.scores import Score

PROGRAM = "score"


def score(
    model: Annotated[
        list[str],
        typer.Option(
            "-m",
            "--model",
            help="Model, wildcard, comma list, 'all', or FILE.py:make_model.",
            show_default=False,
        ),
    ] = [],  # noqa: B006  # typer reads the default and makes its own list
    benchmark: Annotated[
        list[str],
        typer.Option(
            "-b",
            "--benchmark",
            help="Benchmark, wildcard such as 'Simulated.*', comma list, or 'all'.",
            show_default=False,
        ),
    ] = [],  # noqa: B006
    layers: Annotated[
        list[str],
        typer.Option("--layers", help="Layer for a region, as IT=IT.output.", show_default=False),
    ] = [],  # noqa: B006
    protocol: Annotated[
        str, typer.Option(help="paper (as published) or brainscore (as Brain-Score 2 computes).")
    ] = "paper",
    seed: Annotated[int, typer.Option(help="Seed of splits and resampling.")] = 0,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps.")] = "auto",
    batch_size: Annotated[str, typer.Option(help="Images per forward pass, or auto.")] = "auto",
    model_args: Annotated[
        list[str],
        typer.Option("--model-args", help="Option for the model, as k=v.", show_default=False),
    ] = [],  # noqa: B006
    overwrite: Annotated[
        str,
        typer.Option(
            help="Stored results: never (keep all), only-missing (redo those without a value), always."
        ),
    ] = "only-missing",
    limit: Annotated[
        int | None,
        typer.Option(help="Use at most N stimuli; scores are marked partial.", show_default=False),
    ] = None,
    output_format: Annotated[str, typer.Option("--format", help="table or json.")] = "table",
    csv: Annotated[
        Path | None, typer.Option("--csv", help="Write a CSV too.", show_default=False)
    ] = None,
    output: Annotated[
        Path,
        typer.Option("-o", "--output", envvar="BRAINBENCH_RESULTS", help="Results folder."),
    ] = Path("results"),
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be computed, and stop.")
    ] = False,
    verbose: Annotated[bool, typer.Option("-v", "--verbose", help="Log details.")] = False,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="No bars, no notes.")] = False,
    model_identifier: Annotated[list[str], typer.Option("--model-identifier", hidden=True)] = [],  # noqa: B006
    benchmark_identifier: Annotated[
        list[str], typer.Option("--benchmark-identifier", hidden=True)
    ] = [],  # noqa: B006
) -> None:
    """Score models on benchmarks.

    Each finished score is written at once to the results folder; the same command, given again,
    goes on where it stopped. Exit status: 0, 1 if some scores failed, 2 for wrong usage.
    """
    began = time.perf_counter()
    models = _needed(model + model_identifier, "--model", "brainbench list models")
    benchmarks = _needed(
        benchmark + benchmark_identifier, "--benchmark", "brainbench list benchmarks"
    )
    _choice(output_format, ("table", "json"), "--format")
    options = {"layers": pairs(layers, "--layers"), "limit": limit}
    arguments = {key: _number(v) for key, v in pairs(model_args, "--model-args").items()}

    from brainbench import progress, provenance
    from brainbench.api import Job
    from brainbench.cli.console import reporter, start_logging
    from brainbench.interfaces import Settings

    start_logging(verbose=verbose)
    job = Job.of(
        models,
        benchmarks,
        Settings(protocol=protocol, seed=seed, **options),  # type: ignore[arg-type]  # checked by Settings
        device=device,
        batch_size=batch_size_of(batch_size),
        model_args=arguments,
        results=output,
        overwrite=overwrite,
    )
    with progress.use(reporter(quiet=quiet)):
        if dry_run:
            _show_plan(job)
            return
        with provenance.counting() as costs:
            scores = list(job.run())
    _show(scores, job, output_format=output_format, csv=csv)
    if not quiet:
        _say_cost(time.perf_counter() - began, costs)
    if any(one.failed for one in scores):
        raise typer.Exit(1)


def pairs(given: Sequence[str], option: str) -> dict[str, str]:
    """`["IT=a,V4=b", "V2=c"]` as a dict.

    Raises
    ------
    InputError
        An entry without "=".
    """
    from brainbench.errors import InputError

    found: dict[str, str] = {}
    for entry in (part for text in given for part in text.split(",")):
        key, equals, value = entry.partition("=")
        if not (key.strip() and equals and value.strip()):
            raise InputError(
                f"{option} {entry!r}", allowed="name=value", todo=f"write {option} name=value"
            )
        found[key.strip()] = value.strip()
    return found


def batch_size_of(text: str) -> int | str:
    """Batch size as a positive number, or "auto"."""
    from brainbench.errors import InputError

    if text == "auto":
        return text
    if not text.isdecimal() or int(text) < 1:
        raise InputError(
            f"--batch-size {text!r}",
            allowed="'auto', or a whole number of images from 1",
            todo="write for example --batch-size 16",
        )
    return int(text)


def _number(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _needed(given: list[str], option: str, listing: str) -> list[str]:
    from brainbench.errors import InputError

    if not given:
        raise InputError(
            f"no {option}",
            allowed="a name, a wildcard, a comma list, or 'all'",
            todo=f"give {option} NAME; `{listing}` lists the names",
        )
    return given


def _choice(given: str, allowed: Sequence[str], option: str) -> None:
    from brainbench.errors import unknown

    if given not in allowed:
        raise unknown(f"choice for {option}", given, allowed, todo=f"give {option} {allowed[0]}")


def _show_plan(job: Job) -> None:
    from brainbench.cli.console import print_plan

    print_plan([(model.name, items) for model, items in job.plans()])


def _show(scores: list[Score], job: Job, *, output_format: str, csv: Path | None) -> None:
    from brainbench.cli.console import print_scores
    from brainbench.scores import ScoreSet
    from brainbench.store.results import summary

    if csv is not None:
        ScoreSet(tuple(scores)).to_csv(csv)
    if output_format == "json":
        json.dump([summary(one) for one in scores], sys.stdout, indent=1)
        print()
    else:
        print_scores(scores, job.settings)


def _say_cost(seconds: float, costs: Any) -> None:
    from brainbench.provenance import peak_memory_mb

    forward = (
        f"forward passes {costs.forward_seconds:.1f} s over {costs.images} images"
        if costs.images
        else "no forward pass"
    )
    rest = seconds - costs.forward_seconds
    print(
        f"{forward}, everything else {rest:.1f} s, total {seconds:.1f} s; "
        f"peak memory {peak_memory_mb() / 1000:.2f} GB",
        file=sys.stderr,
    )
