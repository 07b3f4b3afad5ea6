"""`brainbench selftest`: whether measures find what is known of simulated brains."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from brainbench.cli import completion, options

if TYPE_CHECKING:
    from brainbench.run.selftest import Check, Outcome


def selftest(
    benchmark: Annotated[
        str,
        typer.Option(
            "-b",
            "--benchmark",
            metavar="BENCHMARK",
            help="Only these; a name, wildcard or list.",
            autocompletion=completion.benchmarks,
        ),
    ] = "all",
    output_format: options.Format = "table",
    verbose: options.Verbose = False,
    quiet: options.Quiet = False,
) -> None:
    """Check the measures on simulated brains whose truth is known.

    A model that is known to reach the ceiling must reach it. The same model
    with shuffled images, and a weaker model, must not. Nothing is fetched.

    Exit status: 0; 1 if a check is missed; 2 for wrong usage.
    """
    options.one_of(output_format, ("table", "json"), "--format")
    began = time.perf_counter()

    from brainbench.cli import console
    from brainbench.cli.text import fitted
    from brainbench.core import progress

    console.start_logging(verbose=verbose)
    is_live = output_format == "table" and sys.stdout.isatty()
    with console.loading(quiet=quiet):
        import brainbench.run.selftest  # noqa: F401
    with progress.use(console.reporter(quiet=quiet)):
        with progress.current().task("checks", None):
            checks = _chosen(benchmark)
        outcomes = list(_shown(_outcomes(checks), checks) if is_live else _outcomes(checks))
    if output_format == "json":
        console.print_json([_object(outcome) for outcome in outcomes])
    else:
        if not is_live:
            _print_table(outcomes)
        print(fitted("\n".join(_notes(outcomes)), sys.stdout))
    if not quiet:
        summary = f"{len(outcomes)} checks in {time.perf_counter() - began:.0f} s"
        print(fitted(summary, sys.stderr), file=sys.stderr)
    if not all(outcome.passed for outcome in outcomes):
        raise typer.Exit(1)


def _chosen(pattern: str) -> list[Check]:
    """Return the checks of the benchmarks that match a pattern."""
    from brainbench.core.errors import InputError
    from brainbench.run.loading import list_benchmarks, load_checks

    checks = load_checks()
    chosen = set(list_benchmarks(pattern))
    chosen_checks = [check for check in checks if check.benchmark in chosen]
    if not chosen_checks:
        raise InputError(
            f"no check of {', '.join(sorted(chosen))}",
            allowed=", ".join(dict.fromkeys(check.benchmark for check in checks)),
            todo="give one of these with -b, or none to make all checks",
        )
    return chosen_checks


def _outcomes(checks: Sequence[Check]) -> Iterator[Outcome]:
    from functools import partial

    from brainbench.run.loading import load_benchmark, load_model
    from brainbench.run.plan import ModelSpec
    from brainbench.run.selftest import run_checks

    names = {name for check in checks for name in (check.model, *check.weaker)}
    models = {name: ModelSpec(name=name, make=partial(load_model, name)) for name in names}
    benchmarks = {check.benchmark: load_benchmark(check.benchmark) for check in checks}
    return run_checks(checks, models, benchmarks)


def _shown(outcomes: Iterator[Outcome], checks: Sequence[Check]) -> Iterator[Outcome]:
    """Print each outcome on the terminal when it is there, and yield it."""
    from brainbench.cli.live_table import LiveTable

    names = _weaker_models(checks)
    expected = max([8, *(len(_range(check)) for check in checks)])
    widths = (expected, 5, 14, 8, *(max(len(name), 5) for name in names), 4)
    figures = dict(zip(_titles(names), widths, strict=True))
    table = LiveTable("check", max(len(check.name) for check in checks), figures)
    for outcome in outcomes:
        table.row(*_row(outcome, names))
        yield outcome


def _object(outcome: Outcome) -> dict[str, Any]:
    check, score = outcome.check, outcome.score
    return {
        "benchmark": check.benchmark,
        "protocol": check.protocol,
        "through": dict(check.through),
        "model": score.model,
        "why": check.why,
        "expected": check.expected,
        "measured": score.value,
        "ci": score.ci,
        "formula": score.formula,
        "shuffled": outcome.shuffled.value,
        "weaker": {weaker.model: weaker.value for weaker in outcome.weaker},
        "seconds": round(outcome.seconds, 1),
        "passed": outcome.passed,
        "wrong": outcome.wrong,
    }


def _print_table(outcomes: Sequence[Outcome]) -> None:
    from brainbench.cli import console

    names = _weaker_models([outcome.check for outcome in outcomes])
    table = console.table_of("check", figures=_titles(names))
    for outcome in outcomes:
        table.add_row(*_row(outcome, names))
    console.stdout().print(table)


def _weaker_models(checks: Sequence[Check]) -> list[str]:
    return list(dict.fromkeys(name for check in checks for name in check.weaker))


def _titles(names: Sequence[str]) -> tuple[str, ...]:
    return ("expected", "found", "95 % CI", "shuffled", *names, "")


def _range(check: Check) -> str:
    low, high = (f"{end:g}".removeprefix("0") or "0" for end in check.expected)
    return low if low == high else f"{low} to {high}"


def _row(outcome: Outcome, names: Sequence[str]) -> tuple[str, ...]:
    from brainbench.core.digits import between, decimal

    weaker = {score.model: score for score in outcome.weaker}
    controls = [outcome.shuffled, *(weaker.get(name) for name in names)]
    return (
        outcome.check.name,
        _range(outcome.check),
        decimal(outcome.score.value),
        between(outcome.score.ci, approximate=False),
        *("" if control is None else decimal(control.value) or "none" for control in controls),
        "pass" if outcome.passed else "MISS",
    )


def _notes(outcomes: Sequence[Outcome]) -> list[str]:
    """Return why each figure is known, and what is wrong."""
    formulas_of: dict[str, list[str]] = {}
    for outcome in outcomes:
        why = f"{_range(outcome.check)} for {outcome.check.model}, {outcome.check.why}"
        formulas_of.setdefault(why, []).append(outcome.score.formula)
    lines = [
        f"{why} ({', '.join(dict.fromkeys(formulas))})" for why, formulas in formulas_of.items()
    ]
    lines += ["pass: the interval meets the expected figure; shuffled and weaker models stay below"]
    return lines + [
        f"MISS {outcome.check.name}: {wrong}" for outcome in outcomes for wrong in outcome.wrong
    ]
