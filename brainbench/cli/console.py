"""What the terminal shows: tables on stdout, bars and notes on stderr."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import itertools
import json
import logging
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.logging import RichHandler
from rich.measure import Measurement
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from brainbench.cli.text import fitted, wrapped
from brainbench.core.progress import Advance, Reporter, Silent
from brainbench.core.score import Score
from brainbench.core.settings import Settings
from brainbench.run.estimate import Estimate
from brainbench.run.plan import Item
from brainbench.storage.results import summary

UNBOUNDED = 10_000
APPROXIMATE = "≈ approximate: the coverage of this interval was not measured, or is not kept"


@functools.cache
def stderr() -> Console:
    """The one console for bars, notes and the log, so that none of them writes over another."""
    return Console(stderr=True, highlight=False, markup=False, emoji=False)


class Terminal:
    """Notes on stderr; bars there too, if it is a terminal."""

    def __init__(self) -> None:
        self._bars: Progress | None = None

    @contextlib.contextmanager
    def task(self, label: str, total: int) -> Iterator[Advance]:
        """Show a bar while the block runs; a bar that is opened within another stands below it."""
        with contextlib.ExitStack() as stack:
            if self._bars is None:
                self._bars = stack.enter_context(_progress())
                stack.callback(setattr, self, "_bars", None)
            bars = self._bars
            bar = bars.add_task(label, total=total)
            stack.callback(bars.remove_task, bar)
            yield lambda n: bars.advance(bar, n)

    def note(self, text: str) -> None:
        """Print one line."""
        stderr().print(text, soft_wrap=not stderr().is_terminal)


def _progress() -> Progress:
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=20),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    return Progress(*columns, console=stderr(), transient=True, disable=not stderr().is_terminal)


def reporter(*, quiet: bool) -> Reporter:
    """Reporter for a terminal, or a silent one."""
    return Silent() if quiet else Terminal()


def start_logging(*, verbose: bool) -> None:
    """Log to stderr: warnings, or everything of brainbench."""
    layout = "%(levelname)s %(name)s: %(message)s"
    handler: logging.Handler = logging.StreamHandler()
    if stderr().is_terminal:  # a log line must not run into a bar
        handler = RichHandler(console=stderr(), show_time=False, show_level=False, show_path=False)
    logging.basicConfig(level=logging.WARNING, format=layout, handlers=[handler], force=True)
    logging.getLogger("brainbench").setLevel(logging.DEBUG if verbose else logging.WARNING)


def stdout() -> Console:
    """Console for results: as wide as the terminal, and without end where there is none."""
    width = None if sys.stdout.isatty() else UNBOUNDED
    return Console(highlight=False, markup=False, emoji=False, width=width)


def print_scores(scores: Sequence[Score], settings: Settings, *, as_json: bool) -> None:
    """Table of scores, and below it what the marks mean and why some have no value; or JSON alone."""
    if as_json:
        print(json.dumps([summary(one) for one in scores], indent=1, allow_nan=False))
        return
    console = stdout()
    table = _flat(scores)
    wide = console.options.update(width=UNBOUNDED)
    if Measurement.get(console, wide, table).maximum > console.width:
        table = _grouped(scores)
    console.print(table)
    print(fitted("\n".join(footnotes(scores, settings)), sys.stdout))


def _table(*titles: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in titles:
        table.add_column(title, overflow="fold")
    for title in ("score", "95 % CI", "ceiling", "units"):
        table.add_column(title, justify="right", no_wrap=True)
    return table


def _flat(scores: Sequence[Score]) -> Table:
    table = _table("model", "benchmark")
    for one in scores:
        table.add_row(_model(one), _benchmark(one), *_figures(one))
    return table


def _grouped(scores: Sequence[Score]) -> Table:
    """Narrower: each model on a line of its own, its benchmarks below it."""
    table = _table("model, benchmark")
    for model, group in itertools.groupby(scores, key=_model):
        table.add_row(model)
        for one in group:
            table.add_row(f"  {_benchmark(one)}", *_figures(one))
    return table


def _model(one: Score) -> str:
    return f"{one.model} °" if one.untrained else one.model


def _benchmark(one: Score) -> str:
    return f"{one.benchmark} ~" if one.simulated else one.benchmark


def _figures(one: Score) -> tuple[str, ...]:
    if one.value is None:
        return ("not here" if one.absent else "none" if one.inapplicable else "failed",)
    interval = between(one.ci, approximate=one.ci_approximate)
    excluded = f" (-{one.n_excluded})" if one.n_excluded else ""
    mark = " *" if one.partial else ""
    return decimal(one.value) + mark, interval, decimal(one.ceiling), f"{one.n_units}{excluded}"


def decimal(value: float | None) -> str:
    """Three decimals, without the zero before the point: .523, -.004, 1.020; empty for None."""
    if value is None:
        return ""
    text = f"{value:.3f}"
    sign, digits = ("-", text[1:]) if text.startswith("-") else ("", text)
    if digits == "0.000":
        sign = ""
    return sign + (digits[1:] if digits.startswith("0.") else digits)


def between(ci: tuple[float, float] | None, *, approximate: bool | None) -> str:
    """An interval, marked where it is approximate; empty for None."""
    if ci is None:
        return ""
    mark = "≈ " if approximate else ""  # in front: figures stay one below the other
    return f"{mark}{decimal(ci[0])} to {decimal(ci[1])}"


def footnotes(scores: Sequence[Score], settings: Settings) -> list[str]:
    """What the marks in a table mean, how scores were made, and why some have no value."""
    lines = [f"protocol {settings.protocol}, seed {settings.seed}"]
    lines += _by_benchmark("score", [(s, s.formula) for s in scores if s.value is not None])
    marks = (
        ("° untrained: the weights are seeded random numbers", [s.untrained for s in scores]),
        ("~ simulated brain: no animal was recorded", [s.simulated for s in scores]),
        (APPROXIMATE, [s.ci_approximate for s in scores]),
        ("* partial: only some of the stimuli were used", [s.partial for s in scores]),
        ("(-n) n units left out", [s.n_excluded > 0 for s in scores]),
    )
    lines += [text for text, present in marks if any(present)]
    lines += _by_benchmark("interval", [(s, s.ci_method) for s in scores if s.ci_method])
    lines += [_null(one) for one in scores if one.null]
    reasons = [(s, reason) for s in scores for reason in sorted(s.excluded)]
    lines += _by_benchmark("left out", reasons)
    return lines + _reasons(scores)


def _null(one: Score) -> str:
    """What shuffled images give, in a sentence."""
    null = one.null or {}
    mean, sd = decimal(null["mean"]), decimal(null["sd"])
    chance = f"mean {mean}, SD {sd}, p = {null['p']:.2g}" if mean else "none has a score"
    kind = "over the whole set" if null["kind"] == "images" else "within objects"
    return (
        f"null, {one.model} on {one.benchmark}: images shuffled {kind} {null['n_draws']} times: {chance}, "
        f"in steps of {null['resolution']:.2g}"
    )


def _by_benchmark(title: str, said: Sequence[tuple[Score, str | None]]) -> list[str]:
    """What is said of benchmarks, each text once, with their names where not all share it."""
    groups: dict[str, list[str]] = {}
    for one, text in said:
        groups.setdefault(str(text), []).append(one.benchmark)
    if len(groups) == 1:
        return [f"{title}: {text}" for text in groups]
    return [
        f"{title}: {text} ({', '.join(dict.fromkeys(names))})" for text, names in groups.items()
    ]


def _reasons(scores: Sequence[Score]) -> list[str]:
    """Why some have no value, each reason once."""
    groups: dict[tuple[str, str], list[str]] = {}
    for one in scores:
        if one.reason:
            # Data is not here for any model.
            who = "" if one.absent else f"{one.model} on "
            word = "failed: " if one.failed else ""
            groups.setdefault((who, word + one.reason), []).append(one.benchmark)
    unstored = [one for one in scores if one.value is not None and one.file is None]
    for one in unstored:
        groups.setdefault((f"{one.model} on ", "computed, but not stored"), []).append(
            one.benchmark
        )
    return [
        f"{who}{', '.join(dict.fromkeys(names))}: {reason}"
        for (who, reason), names in groups.items()
    ]


def print_plan(plans: Sequence[tuple[Sequence[Item], Estimate]], *, as_json: bool) -> None:
    """What a run would do and cost, as a table or as JSON."""
    rows = [_plan_row(one.model, item) for items, one in plans for item in items]
    estimates = [one for _, one in plans]
    if as_json:
        costs = [dataclasses.asdict(one) for one in estimates]
        print(json.dumps({"items": rows, "estimates": costs}, indent=1))
        return
    print_rows([{key: row[key] for key in row if key != "reason"} for row in rows])
    reasons = [
        f"{row['model']} on {row['benchmark']}: {row['reason']}" for row in rows if row["reason"]
    ]
    lines = [*reasons, *(line for one in estimates for line in _cost_lines(one))]
    if lines:
        print(fitted("\n".join(lines), sys.stdout))


def _cost_lines(one: Estimate) -> list[str]:
    """What a model would cost, in a sentence, and what is not known of it."""
    if not (one.images or one.other_seconds or one.unknown):
        return []
    shown = f"{_duration(one.forward_seconds)} in the network over {one.images} images and "
    total = f"{shown if one.images else ''}{_duration(one.other_seconds)}"
    total += " for everything else" if one.images else ", no forward pass"
    parts = [total, f"{one.memory_gb:.1f} GB of memory", f"{one.disk_gb:.2f} GB more in the cache"]
    return [
        f"{one.model}: about " + ", ".join(parts),
        *(f"{one.model}: not in the estimate: {reason}" for reason in one.unknown),
    ]


def _duration(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


def _plan_row(name: str, item: Item) -> dict[str, Any]:
    return {
        "model": name,
        "benchmark": item.benchmark.identifier,
        "state": item.state,
        "images": len(item.needs.stimuli) if item.needs else None,
        "layers": list(item.needs.layers) if item.needs else [],
        "reason": item.reason,
    }


def print_rows(rows: Sequence[dict[str, Any]]) -> None:
    """Table of dicts with equal keys; a column without any entry is left out."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    shown = [key for key in rows[0] if any(row[key] for row in rows)] if rows else []
    for key in shown:
        table.add_column(key, overflow="fold")
    for row in rows:
        table.add_row(*(_cell(row[key]) for key in shown))
    stdout().print(table)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def print_facts(facts: Mapping[str, Any]) -> None:
    """Names and what is known about them, one below the other, wrapped with hanging indents."""
    console, label = stdout(), max(map(len, facts), default=0)
    for key, value in facts.items():
        text = "\n".join(value) if isinstance(value, list) else str(value)
        lines = wrapped(text, max(console.width - label - 2, 20)).splitlines() or [""]
        for title, line in zip([key, *[""] * (len(lines) - 1)], lines, strict=True):
            shown = Text.assemble((title.ljust(label), "bold"), f"  {line}")
            shown.rstrip()
            console.print(shown, soft_wrap=True)
