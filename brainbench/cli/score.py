"""`brainbench score`: models on benchmarks."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from brainbench.cli.text import fitted

if TYPE_CHECKING:
    from brainbench.core.provenance import Costs
    from brainbench.core.score import Score


NONE: list[str] = []


def _text(*names: str, metavar: str, help: str) -> Any:
    return typer.Option(*names, metavar=metavar, help=help, show_default=False)


def score(
    model: Annotated[
        list[str],
        _text(
            "-m",
            "--model",
            metavar="MODEL",
            help="Model, wildcard, comma list, 'all', or FILE.py:make_model.",
        ),
    ] = NONE,
    benchmark: Annotated[
        list[str],
        _text(
            "-b",
            "--benchmark",
            metavar="BENCHMARK",
            help="Benchmark, wildcard such as 'Simulated.*', comma list, or 'all'.",
        ),
    ] = NONE,
    layers: Annotated[
        list[str],
        _text("--layers", metavar="REGION=LAYER", help="Layer for a region, as IT=IT.output."),
    ] = NONE,
    protocol: Annotated[
        str,
        typer.Option(
            metavar="NAME", help="paper (as published) or brainscore (as Brain-Score 2 computes)."
        ),
    ] = "paper",
    seed: Annotated[int, typer.Option(metavar="N", help="Seed of splits and resampling.")] = 0,
    device: Annotated[
        str, typer.Option(metavar="DEVICE", help="auto, cpu, cuda, cuda:1, mps.")
    ] = "auto",
    batch_size: Annotated[
        str, typer.Option(metavar="N", help="Images per forward pass, or auto.")
    ] = "auto",
    precision: Annotated[
        str, typer.Option(metavar="NAME", help="float32, or bf16 (marked in the model's name).")
    ] = "float32",
    weights: Annotated[
        str | None,
        _text(
            "--weights",
            metavar="WHICH",
            help="auto (imagenet if it can be had), imagenet, untrained, or a file.",
        ),
    ] = None,
    model_args: Annotated[
        list[str],
        _text("--model-args", metavar="NAME=VALUE", help="Option for the model, as size=64."),
    ] = NONE,
    overwrite: Annotated[
        str,
        typer.Option(
            metavar="WHEN",
            help="Stored results: never (keep all), only-missing (redo those without a value), always.",
        ),
    ] = "only-missing",
    limit: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="Use at most N stimuli; scores are marked partial.",
            show_default=False,
        ),
    ] = None,
    formula: Annotated[
        str | None,
        _text(
            "--formula",
            metavar="NAME",
            help="Value from raw and ceiling: raw, r/c, r2/c or 'r/sqrt(c)'; else the measure's own.",
        ),
    ] = None,
    floor: Annotated[
        float | None,
        _text("--floor", metavar="C", help="Leave out units less reliable than this."),
    ] = None,
    resample: Annotated[
        str,
        typer.Option(metavar="WHAT", help="What intervals treat as random: both, images, units."),
    ] = "both",
    null: Annotated[
        str | None,
        _text("--null", metavar="WHAT", help="Score shuffles too: images or within-object."),
    ] = None,
    null_draws: Annotated[int, typer.Option(metavar="N", help="How many shuffles.")] = 100,
    output_format: Annotated[
        str, typer.Option("--format", metavar="FORMAT", help="table or json.")
    ] = "table",
    csv: Annotated[Path | None, _text("--csv", metavar="FILE", help="Write a CSV too.")] = None,
    output: Annotated[
        Path,
        typer.Option(
            "-o", "--output", metavar="DIR", envvar="BRAINBENCH_RESULTS", help="Results folder."
        ),
    ] = Path("results"),
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be computed, and stop.")
    ] = False,
    verbose: Annotated[bool, typer.Option("-v", "--verbose", help="Log details.")] = False,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="No bars, no notes.")] = False,
    model_identifier: Annotated[list[str], typer.Option("--model-identifier", hidden=True)] = NONE,
    benchmark_identifier: Annotated[
        list[str], typer.Option("--benchmark-identifier", hidden=True)
    ] = NONE,
) -> None:
    """Score models on benchmarks.

    Each finished score is written at once to the results folder.
    The same command, given again, goes on where it stopped.

    Exit status: 0; 1 if some scores failed or none has a value; 2 for wrong usage; 130 for Ctrl-C.
    """
    began = time.perf_counter()
    from brainbench.cli import options

    names = options.needed(model + model_identifier, "--model", "brainbench list models")
    on = options.needed(
        benchmark + benchmark_identifier, "--benchmark", "brainbench list benchmarks"
    )
    options.one_of(output_format, ("table", "json"), "--format")
    options.writable_file(csv, "--csv")
    chosen: dict[str, Any] = {
        "protocol": protocol,
        "seed": seed,
        "layers": options.pairs(layers, "--layers"),
        "limit": limit,
        "formula": formula,
        "floor": floor,
        "resample": resample,
        "null": null,
        "null_draws": null_draws,
    }
    arguments = options.model_args(model_args)

    from brainbench.cli import console
    from brainbench.core import progress, provenance
    from brainbench.core.settings import Settings
    from brainbench.run.resolve import Job

    console.start_logging(verbose=verbose)
    job = Job.of(
        names,
        on,
        Settings(**chosen),
        device=device,
        batch_size=options.batch_size_of(batch_size),
        precision=precision,
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
            scores = list(job.run())
    console.print_scores(scores, job.settings, as_json=output_format == "json")
    if csv is not None:
        _write_csv(scores, csv)
    if not quiet:
        _say_cost(time.perf_counter() - began, costs)
    unstored = any(one.value is not None and one.file is None for one in scores)
    valueless = all(one.value is None for one in scores)
    if unstored or valueless or any(one.failed for one in scores):
        raise typer.Exit(1)


def _write_csv(scores: list[Score], path: Path) -> None:
    from brainbench.core.errors import InputError
    from brainbench.core.score import ScoreSet

    try:
        ScoreSet(tuple(scores)).to_csv(path)
    except OSError as error:
        raise InputError(
            f"--csv {path} cannot be written ({error})",
            allowed="a file that you may write",
            todo="give another path; the scores are kept, the same command writes them at once",
        ) from error


def _say_cost(seconds: float, costs: Costs) -> None:
    from brainbench.core.provenance import peak_memory_mb

    forward = (
        f"forward passes {costs.forward_seconds:.1f} s over {costs.images} images"
        if costs.images
        else "no forward pass"
    )
    rest = seconds - costs.forward_seconds
    text = (
        f"{forward}, everything else {rest:.1f} s, total {seconds:.1f} s; "
        f"peak memory {peak_memory_mb() / 1000:.2f} GB"
    )
    print(fitted(text, sys.stderr), file=sys.stderr)
