"""`brainbench fit`: networks are fitted to the recordings of a benchmark."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from brainbench.cli import options

if TYPE_CHECKING:
    from brainbench.training.fit import Fit

app = typer.Typer(no_args_is_help=True, help="Fit networks to the recordings of a benchmark.")

FITS = Path("fits")
Folder = Annotated[
    Path, typer.Option("-o", "--output", metavar="DIR", help="Folder of fitted models.")
]
Device = Annotated[
    str, typer.Option("--device", metavar="NAME", help="auto (a GPU if there is one), cpu, cuda.")
]


@app.command("run")
def run(
    fitter: Annotated[str, typer.Argument(metavar="FITTER", help="As recurrent_v1.")],
    benchmark: Annotated[
        str,
        options.text_option(
            "-b", "--benchmark", metavar="BENCHMARK", help="Benchmark of explainable variance."
        ),
    ],
    config: Annotated[
        Path | None,
        options.text_option("--config", metavar="FILE", help="Options of the fit, TOML."),
    ] = None,
    settings: Annotated[
        list[str],
        options.text_option("--set", metavar="NAME=VALUE", help="One option, as channels=16."),
    ] = options.NONE,
    output: Folder = FITS,
    device: Device = "auto",
    as_json: options.AsJson = False,
    quiet: options.Quiet = False,
) -> None:
    """Fit a network to the neurons of a benchmark, and store it with its configuration.

    64 % of the images train, 16 % decide when to stop, 20 % are held out; groups
    of images stay together. A fit that was stopped goes on where it was.
    The file is a model: brainbench score -m FILE -b BENCHMARK --metric units
    """
    from brainbench.cli import console
    from brainbench.core import progress

    console.start_logging(verbose=False)
    with console.loading(quiet=quiet):
        from brainbench.core.settings import Settings
        from brainbench.run.resolve import one_benchmark
        from brainbench.scoring.context import DataContext, Run
        from brainbench.training.fit import device_named, fit
        from brainbench.training.fitter import config_of, load_fitter
        from brainbench.training.options import read_settings, read_toml

    given: dict[str, Any] = {} if config is None else read_toml(config, option="--config")
    chosen = load_fitter(fitter)
    fit_config = config_of(chosen.config_type, given | read_settings(settings), fitter=fitter)
    with progress.use(console.reporter(quiet=quiet)):
        context = DataContext(benchmark=one_benchmark(benchmark), run=Run(Settings()))
        done = fit(chosen, context, fit_config, folder=output, device=device_named(device))
    _print(done, benchmark, as_json=as_json)


def _print(done: Fit, benchmark: str, *, as_json: bool) -> None:
    from brainbench.cli import console
    from brainbench.cli.text import fitted

    figures = done.file.figures
    row = {
        "file": str(done.path),
        "schedule": done.file.config["schedule"],
        "neurons": figures["test"]["n_neurons"],
        "validation CC_norm^2": figures["validation"]["cc_norm2"],
        "test CC_norm^2": figures["test"]["cc_norm2"],
        "steps": figures["steps"],
        "seconds": figures["seconds"],
    }
    if as_json:
        console.print_json(row)
        return
    console.print_facts({name: _shown(value) for name, value in row.items()})
    if not done.is_new:
        print(fitted("it was fitted before", sys.stderr), file=sys.stderr)
    command = f"brainbench score -m {done.path} -b {benchmark} --metric units"
    print(fitted(f"score it: {command}", sys.stderr), file=sys.stderr)


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return f"{value:.4g}" if isinstance(value, float) else str(value)


@app.command("sweep")
def sweep(
    file: Annotated[Path, typer.Argument(metavar="FILE.toml", help="Options and their values.")],
    output: Folder = FITS,
    workers: options.Workers = 1,
    scheduler: Annotated[
        str | None,
        options.text_option(
            "--scheduler", metavar="ADDRESS", help="Fit on the workers of this scheduler of dask."
        ),
    ] = None,
    device: Device = "auto",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="List the fits, and stop.")] = False,
    quiet: options.Quiet = False,
) -> None:
    """Fit all combinations of options that a file lists; each is stored at once.

    The same command, given again, goes on where it stopped; given at once
    in several places, they share the fits.
    Exit status: 0; 1 if some fits failed; 2 for wrong usage.
    """
    from brainbench.cli import console
    from brainbench.core import progress

    console.start_logging(verbose=False)
    with console.loading(quiet=quiet):
        from brainbench.training.sweep import Sweep, run_sweep

    planned = Sweep.from_file(file)
    if dry_run:
        console.print_rows(planned.configurations())
        return
    failed = False
    with progress.use(console.reporter(quiet=quiet)):
        for report in run_sweep(
            planned, folder=output, workers=workers, scheduler=scheduler, device=device
        ):
            options_of_fit = ", ".join(f"{key}={value}" for key, value in report.options.items())
            result = report.reason or f"CC_norm^2 {_shown(report.cc_norm2)}"
            print(f"{options_of_fit}: {result}", flush=True)
            failed |= bool(report.reason)
    raise typer.Exit(int(failed))


@app.command("summary")
def summary(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of fits.")] = FITS,
    csv: options.Csv = None,
    as_json: options.AsJson = False,
) -> None:
    """Show what recurrent models gain over feed-forward ones of the same size.

    The best read-out mode and number of iterations on test images, as published,
    and beside it the one that validation chooses. --csv writes all pairs.
    """
    from brainbench.cli import console
    from brainbench.training import summary as tables

    options.writable_file(csv, "--csv")
    fits = tables.fits_table(folder)
    paired = tables.pairs(fits)
    if csv is not None:
        with options.writing_csv(csv, todo="give another path"):
            paired.to_csv(csv, index=False)
    table = tables.best_variants(paired)
    rows = [dict(zip(table.columns, row, strict=True)) for row in table.itertuples(index=False)]
    schedules = sorted(set(fits["schedule"]) - {"published"})
    if as_json:
        console.print_json({"table": rows, "schedules": sorted(set(fits["schedule"]))})
        return
    console.print_rows([{key: _shown(value) for key, value in row.items()} for row in rows])
    if schedules:
        note = f"fitted with {', '.join(schedules)}, not with the published schedule"
        print(note, file=sys.stderr)
