"""`brainbench score`: models on benchmarks."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from brainbench.cli import completion, options
from brainbench.cli.text import fitted
from brainbench.core.settings import Beside, Placement, Settings, Spread, Variant

if TYPE_CHECKING:
    from brainbench.cli.absent_data import Named
    from brainbench.core.provenance import Costs
    from brainbench.core.score import Score
    from brainbench.run.resolve import Job


Models = Annotated[
    list[str],
    options.text_option(
        "-m",
        "--model",
        metavar="MODEL",
        help="Model, wildcard, comma list, 'all', or FILE.py:make_model.",
        complete=completion.models,
    ),
]
Benchmarks = Annotated[
    list[str],
    options.text_option(
        "-b",
        "--benchmark",
        metavar="BENCHMARK",
        help="Benchmark, wildcard such as 'Simulated.*', composite, comma list, or 'all'.",
        complete=completion.benchmarks_and_composites,
    ),
]
Overwrite = Annotated[
    str,
    typer.Option(
        metavar="WHEN",
        help="Stored results: never (keep all), only-missing (redo those without a value), always.",
    ),
]
FORMATS = ("table", "json", "csv")
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what would be computed, and stop.")]


# Over 60 lines, a third of which declare options.
@options.takes(Settings, Variant, Beside, Placement, Spread)
def score(
    model: Models = options.NONE,
    benchmark: Benchmarks = options.NONE,
    *,
    weights: options.Weights = None,
    model_args: options.ModelArgs = options.NONE,
    overwrite: Overwrite = "only-missing",
    output_format: Annotated[
        str, typer.Option("--format", metavar="FORMAT", help="table, json or csv.")
    ] = "table",
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
    options.one_of(output_format, ("table", "json") if dry_run else FORMATS, "--format")
    options.writable_file(csv, "--csv")
    settings = options.read_options(Settings, given)
    placement = options.read_options(Placement, given)
    spread = options.read_options(Spread, given)
    beside = options.read_options(Beside, given)
    arguments = options.model_args(model_args)

    from brainbench.cli import console
    from brainbench.cli.absent_data import Named
    from brainbench.core import progress

    console.start_logging(verbose=verbose)
    is_live = output_format == "table" and sys.stdout.isatty()
    with console.loading(quiet=quiet):
        from brainbench.core import provenance
        from brainbench.run.references import References
        from brainbench.run.resolve import Job
        from brainbench.run.workers import run

    with progress.use(console.reporter(quiet=quiet)):
        with progress.current().task("models and benchmarks", None):
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
        named = Named.of(benchmarks, job, verbose=verbose)
        if dry_run:
            console.print_plan(list(job.plans()), named, as_json=output_format == "json")
            return
        with provenance.counting() as costs:
            references = References(benchmarks=job.benchmarks, settings=settings, beside=beside)
            scores = _scored(references.added_to(run(job, spread)), job, named, is_live=is_live)
    _print(scores, job, named, output_format, is_live=is_live)
    if csv is not None:
        todo = "give another path; the scores are stored, so that the same command takes no time"
        from brainbench.core.score import ScoreSet

        with options.writing_csv(csv, todo=todo):
            ScoreSet(tuple(scores)).to_csv(csv)
    if not quiet:
        _print_cost(time.perf_counter() - began, costs)
    raise typer.Exit(_status(scores))


def _scored(computed: Iterable[Score], job: Job, named: Named, *, is_live: bool) -> list[Score]:
    """Return the scores of a job once they are computed; a terminal shows each when it is finished."""
    from brainbench.cli.live_table import LiveScores

    if not is_live:
        return list(computed)
    table = LiveScores([benchmark.identifier for benchmark in job.benchmarks])
    scores: list[Score] = []
    for score in computed:
        if not named.leaves_out(score.benchmark, score.status):
            table.add(score)
        scores.append(score)
    return scores


def _print(
    scores: list[Score], job: Job, named: Named, output_format: str, *, is_live: bool
) -> None:
    """Print scores that are not printed yet, what their marks mean, and the composites that were named."""
    from brainbench.cli import composite_rows, console
    from brainbench.cli.absent_data import absent_line
    from brainbench.core.score import ScoreSet
    from brainbench.ranking.composites_of_run import composites_of_run
    from brainbench.storage.results import summary

    composites = composites_of_run(scores, job.composites)
    if output_format == "json":
        objects = composite_rows.composite_objects(composites)
        beside = [{key: s.figures[key] for key in ("animals",) if key in s.figures} for s in scores]
        pairs = zip(scores, beside, strict=True)
        console.print_json([*(summary(score) | shown for score, shown in pairs), *objects])
        return
    if output_format == "csv":  # a row is a score; a composite is none
        ScoreSet(tuple(scores)).to_csv(sys.stdout)
        for line in composite_rows.composite_lines(composites):
            print(fitted(line, sys.stderr), file=sys.stderr)
        return
    omitted = [score for score in scores if named.leaves_out(score.benchmark, score.status)]
    shown = [score for score in scores if score not in omitted]
    if shown and not is_live:
        console.print_scores(shown)
    absent = absent_line((score.benchmark, score.reason) for score in omitted)
    console.print_footnotes(shown, job.settings, absent)
    if composites:
        composite_rows.print_composites(composites)


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
