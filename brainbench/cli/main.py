"""The program `brainbench`: its verbs, and how errors are printed."""

from __future__ import annotations

import gc
import os
import sys
from typing import Annotated

import typer

import brainbench
from brainbench.cli import (
    cache,
    cite,
    compare,
    data,
    evaluate,
    explain,
    extract,
    fit,
    leaderboard,
    list_,
    plot,
    report,
    results,
    score,
    search,
    selftest,
    show,
    train,
    transfer,
    verify,
)
from brainbench.cli.streams import standard_streams

USAGE, STOPPED = 2, 130
OFFLINE = "BRAINBENCH_OFFLINE"
INTERRUPTED = "stopped; finished scores are kept, the same command goes on from there"

app = typer.Typer(
    name="brainbench",
    help="How much is a neural network like the primate ventral visual stream?",
    epilog="First result: brainbench score --model cornet_s --benchmark all",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("score")(score.score)
app.command("leaderboard")(leaderboard.leaderboard)
app.command("report")(report.report)
app.command("compare")(compare.compare)
app.command("plot")(plot.plot)
app.command("explain")(explain.explain)
app.command("selftest")(selftest.selftest)
app.command("extract")(extract.extract)
app.command("list")(list_.list_)
app.command("show")(show.show)
app.command("cite")(cite.cite)
app.command("verify")(verify.verify)
app.command("train")(train.train)
app.command("search")(search.search)
app.command("evaluate")(evaluate.evaluate)
app.command("transfer")(transfer.transfer)
app.add_typer(fit.app, name="fit")
app.add_typer(cache.app, name="cache")
app.add_typer(results.app, name="results")
app.add_typer(data.app, name="data")


def _version(value: bool) -> None:
    if value:
        print(f"brainbench {brainbench.__version__}")
        raise typer.Exit


@app.callback()
def _main(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
    offline: Annotated[
        bool, typer.Option("--offline", help="No network, as with BRAINBENCH_OFFLINE=1.")
    ] = False,
) -> None:
    if offline:
        os.environ[OFFLINE] = "1"


def run() -> None:
    """Run the program; an error of brainbench is printed without a traceback and ends it with status 2."""
    try:
        with standard_streams():
            _run()
    finally:
        gc.freeze()  # at its end a program looks for garbage, be it among thousands of scores


def _run() -> None:
    from brainbench.cli.text import fitted
    from brainbench.core.errors import BrainbenchError

    try:
        app(prog_name="brainbench")  # also as `python -m brainbench`
    except BrainbenchError as error:
        print(fitted(f"brainbench: {error}", sys.stderr), file=sys.stderr)
        sys.exit(USAGE)
    except SystemExit as end:
        if end.code == STOPPED:  # what typer makes of Ctrl-C
            print(fitted(f"brainbench: {INTERRUPTED}", sys.stderr), file=sys.stderr)
        raise
