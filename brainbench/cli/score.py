"""`brainbench score`: models on benchmarks."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from brainbench.cli import options
from brainbench.cli.text import fitted
from brainbench.core.settings import Placement, Settings, Spread, Variant

if TYPE_CHECKING:
    from brainbench.core.provenance import Costs
    from brainbench.core.score import Score


Models = Annotated[
    list[str],
    options.text_option(
        "-m",
        "--model",
        metavar="MODEL",
        help="Model, wildcard, comma list, 'all', or FILE.py:make_model.",
    ),
]
Benchmarks = Annotated[
    list[str],
    options.text_option(
        "-b",
        "--benchmark",
        metavar="BENCHMARK",
        help="Benchmark, wildcard such as 'Simulated.*', comma list, or 'all'.",
    ),
]
Overwrite = Annotated[
    str,
    typer.Option(
        metavar="WHEN",
        help="Stored results: never (keep all), only-missing (redo those without a value), always.",
    ),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what would be computed, and stop.")]


# Over 60 lines, a third of which declare options.
@options.takes(Settings, Variant, Placement, Spread)
def score(
    model: Models = options.NONE,
    benchmark: Benchmarks = options.NONE,
    *,
    weights: options.Weights = None,
    model_args: options.ModelArgs = options.NONE,
    overwrite: Overwrite = "only-missing",
    output_format: options.Format = "table",
    csv: options.Csv = None,
    output: options.ResultsFolder = options.RESULTS,
    dry_run: DryRun = False,
    verbose: options.Verbose = False,
    quiet: options.Quiet = False,
    model_identifier: Annotated[
        list[str], typer.Option("--model-identifier", hidden=True)
    ] = options.NONE,
    benchmark_identifier: Annotated[
        list[str], typer.Option("--benchmark-identifier", hidden=True)
    ] = options.NONE,
    **given: Any,
) -> None:
    """Score models on benchmarks.

    Each finished score is written at once to the results folder.
    The same command, given again, goes on where it stopped.

    Exit status: 0; 1 if some scores failed or none has a value; 2 for wrong usage;
    3 if the output could not be written (141: its reader left); 130 for Ctrl-C.
    """
    began = time.perf_counter()
    models = options.needed(model + model_identifier, "--model", "brainbench list models")
    benchmarks = options.needed(
        benchmark + benchmark_identifier, "--benchmark", "brainbench list benchmarks"
    )
    options.one_of(output_format, ("table", "json"), "--format")
    options.writable_file(csv, "--csv")
    settings = options.read_options(Settings, given)
    placement = options.read_options(Placement, given)
    spread = options.read_options(Spread, given)
    arguments = options.model_args(model_args)

    from brainbench.cli import console
    from brainbench.core import progress, provenance
    from brainbench.core.score import ScoreSet
    from brainbench.run.resolve import Job
    from brainbench.run.workers import run

    console.start_logging(verbose=verbose)
    job = Job.of(
        models,
        benchmarks,
        settings,
        placement,
        variant=options.read_options(Variant, given),
        weights=weights,
        model_args=arguments,
        results=output,
        overwrite=overwrite,
    )
    with progress.use(console.reporter(quiet=quiet)):
        if dry_run:
            console.print_plan(list(job.plans()), as_json=output_format == "json")
            return
        with provenance.counting() as costs:
            scores = list(run(job, spread))
    console.print_scores(scores, settings, as_json=output_format == "json")
    if csv is not None:
        todo = "give another path; the scores are stored, so that the same command takes no time"
        with options.writing_csv(csv, todo=todo):
            ScoreSet(tuple(scores)).to_csv(csv)
    if not quiet:
        _print_cost(time.perf_counter() - began, costs)
    raise typer.Exit(_status(scores))


def _status(scores: list[Score]) -> int:
    """Return 1 if some scores failed or are not stored, or none has a value; else 0."""
    valued = [score for score in scores if score.value is not None]
    is_stored = all(score.file is not None for score in valued)
    return int(not (valued and is_stored) or any(score.failed for score in scores))


def _print_cost(seconds: float, costs: Costs) -> None:
    from brainbench.core.provenance import peak_memory_mb

    if costs.images:
        forward = f"forward passes {costs.forward_seconds:.1f} s over {costs.images} images"
    elif costs.forward_seconds:
        forward = f"forward passes {costs.forward_seconds:.1f} s to check what is cached"
    else:
        forward = "no forward pass"
    rest = seconds - costs.forward_seconds
    text = (
        f"{forward}, everything else {rest:.1f} s, total {seconds:.1f} s; "
        f"peak memory {peak_memory_mb() / 1000:.2f} GB"
    )
    print(fitted(text, sys.stderr), file=sys.stderr)
