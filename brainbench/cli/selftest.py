"""`brainbench selftest`: whether measures find what is known to be there."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from brainbench.run.selftest import Outcome


def selftest(
    benchmark: Annotated[
        str,
        typer.Option(
            "-b", "--benchmark", metavar="BENCHMARK", help="Only these; a name, wildcard or list."
        ),
    ] = "all",
    output_format: Annotated[
        str, typer.Option("--format", metavar="FORMAT", help="table or json.")
    ] = "table",
    verbose: Annotated[bool, typer.Option("-v", "--verbose", help="Log details.")] = False,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="No bars, no notes.")] = False,
) -> None:
    """Check the measures on simulated brains whose truth is known.

    A model that is known to reach the ceiling must reach it. The same model
    with shuffled images, and a weaker model, must not. Nothing is fetched.

    Exit status: 0; 1 if a check is missed; 2 for wrong usage.
    """
    from brainbench.cli import options

    options.one_of(output_format, ("table", "json"), "--format")
    began = time.perf_counter()

    from brainbench.cli import console
    from brainbench.cli.text import fitted
    from brainbench.core import progress

    console.start_logging(verbose=verbose)
    with progress.use(console.reporter(quiet=quiet)):
        outcomes = list(_outcomes(benchmark))
    if output_format == "json":
        _print_json(outcomes)
    else:
        _print_table(outcomes)
    if not quiet:
        said = f"{len(outcomes)} checks in {time.perf_counter() - began:.0f} s"
        print(fitted(said, sys.stderr), file=sys.stderr)
    if not all(one.passed for one in outcomes):
        raise typer.Exit(1)


def _outcomes(pattern: str) -> Iterator[Outcome]:
    from functools import partial

    from brainbench.core import registry
    from brainbench.core.errors import InputError
    from brainbench.run.execute import ModelSpec
    from brainbench.run.loading import load_benchmark, load_checks, load_model
    from brainbench.run.selftest import run_checks

    checks = load_checks()
    known = list(dict.fromkeys(check.benchmark for check in checks))
    chosen = set(registry.match("benchmarks", pattern))
    mine = [check for check in checks if check.benchmark in chosen]
    if not mine:
        raise InputError(
            f"nothing is known of {', '.join(sorted(chosen))}",
            allowed=", ".join(known),
            todo="give one of these with -b, or none to check all",
        )
    named = {name for check in mine for name in (check.model, *check.weaker)}
    models = {name: ModelSpec(name=name, make=partial(load_model, name)) for name in named}
    benchmarks = {check.benchmark: load_benchmark(check.benchmark) for check in mine}
    return run_checks(mine, models, benchmarks)


def _print_json(outcomes: Sequence[Outcome]) -> None:
    import json

    print(json.dumps([_object(one) for one in outcomes], indent=1, allow_nan=False))


def _object(one: Outcome) -> dict[str, Any]:
    check = one.check
    return {
        "benchmark": check.benchmark,
        "protocol": check.protocol,
        "through": dict(check.through),
        "model": one.score.model,
        "why": check.why,
        "expected": check.expected,
        "measured": one.score.value,
        "ci": one.score.ci,
        "formula": one.score.formula,
        "shuffled": one.shuffled.value,
        "weaker": {score.model: score.value for score in one.weaker},
        "seconds": round(one.seconds, 1),
        "passed": one.passed,
        "wrong": one.wrong,
    }


def _print_table(outcomes: Sequence[Outcome]) -> None:
    from rich.table import Table

    from brainbench.cli import console
    from brainbench.cli.text import fitted

    names = list(dict.fromkeys(score.model for one in outcomes for score in one.weaker))
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("check", overflow="fold")
    for title in ("expected", "found", "95 % CI", "shuffled", *names, ""):
        table.add_column(title, justify="right", no_wrap=True)
    for one in outcomes:
        table.add_row(*_row(one, names))
    console.stdout().print(table)
    print(fitted("\n".join(_notes(outcomes)), sys.stdout))


def _range(one: Outcome) -> str:
    low, high = (f"{end:g}".removeprefix("0") or "0" for end in one.check.expected)
    return low if low == high else f"{low} to {high}"


def _row(one: Outcome, names: Sequence[str]) -> tuple[str, ...]:
    from brainbench.cli.console import decimal

    weaker = {score.model: score for score in one.weaker}
    controls = [one.shuffled, *(weaker.get(name) for name in names)]
    return (
        one.check.name,
        _range(one),
        decimal(one.score.value),
        "{} to {}".format(*map(decimal, one.score.ci)) if one.score.ci else "",
        *("" if one is None else decimal(one.value) or "none" for one in controls),
        "pass" if one.passed else "MISS",
    )


def _notes(outcomes: Sequence[Outcome]) -> list[str]:
    """Why each figure is known, and what is wrong."""
    known: dict[str, list[str]] = {}
    for one in outcomes:
        expected = known.setdefault(f"{_range(one)} for {one.check.model}, {one.check.why}", [])
        expected.append(one.score.formula)
    lines = [f"{how} ({', '.join(dict.fromkeys(formulas))})" for how, formulas in known.items()]
    lines += ["pass: the interval meets what is expected; shuffled images and others do not"]
    return lines + [f"MISS {one.check.name}: {wrong}" for one in outcomes for wrong in one.wrong]
