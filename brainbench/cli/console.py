"""What the terminal shows: tables on stdout, bars and notes on stderr."""

from __future__ import annotations

import contextlib
import logging
import sys
from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.logging import RichHandler
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from brainbench.interfaces import Settings
from brainbench.progress import Advance, Reporter, Silent
from brainbench.run.plan import Item
from brainbench.scores import Score


class Terminal:
    """Notes on stderr; bars there too, if it is a terminal."""

    def __init__(self) -> None:
        self.console = Console(stderr=True, highlight=False)

    @contextlib.contextmanager
    def task(self, label: str, total: int) -> Iterator[Advance]:
        """Show a bar while the block runs."""
        columns = (
            TextColumn("{task.description}"),
            BarColumn(bar_width=20),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
        )
        off = not self.console.is_terminal
        with Progress(*columns, console=self.console, transient=True, disable=off) as bars:
            bar = bars.add_task(label, total=total)
            yield lambda n: bars.advance(bar, n)

    def note(self, text: str) -> None:
        """Print one line."""
        self.console.print(text, markup=False)


def reporter(*, quiet: bool) -> Reporter:
    """Reporter for a terminal, or a silent one."""
    return Silent() if quiet else Terminal()


def start_logging(*, verbose: bool) -> None:
    """Log to stderr: warnings, or everything of brainbench."""
    handler = RichHandler(console=Console(stderr=True), show_path=False, rich_tracebacks=False)
    logging.basicConfig(level=logging.WARNING, format="%(message)s", handlers=[handler], force=True)
    logging.getLogger("brainbench").setLevel(logging.DEBUG if verbose else logging.WARNING)


def stdout() -> Console:
    """Console for results: as wide as the terminal; wide enough for any table where there is none."""
    return Console(highlight=False) if sys.stdout.isatty() else Console(highlight=False, width=110)


def print_scores(scores: Sequence[Score], settings: Settings) -> None:
    """Table of scores, and below it what the marks mean and why some have no value."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("model", overflow="fold")
    table.add_column("benchmark", overflow="fold")
    for title in ("score", "95 % interval", "ceiling", "sites"):
        table.add_column(title, justify="right", no_wrap=True)
    for one in scores:
        table.add_row(*_cells(one))
    console = stdout()
    console.print(table)
    for line in footnotes(scores, settings):
        console.print(line, markup=False)


def _cells(one: Score) -> tuple[str, ...]:
    name = f"{one.model} °" if one.untrained else one.model
    benchmark = f"{one.benchmark} ~" if one.simulated else one.benchmark
    if one.value is None:
        return name, benchmark, "not here" if one.absent else "failed", "", "", ""
    interval = "" if one.ci is None else f"{decimal(one.ci[0])} to {decimal(one.ci[1])}"
    excluded = f" (-{one.n_excluded})" if one.n_excluded else ""
    mark = " *" if one.partial else ""
    figures = (
        decimal(one.value) + mark,
        interval,
        decimal(one.ceiling),
        f"{one.n_units}{excluded}",
    )
    return name, benchmark, *figures


def decimal(value: float | None) -> str:
    """Three decimals, without the zero before the point: .523, -.004, 1.020; empty for None."""
    if value is None:
        return ""
    text = f"{value:.3f}"
    return text.replace("0.", ".", 1) if abs(value) < 1 and not text.startswith("1") else text


def footnotes(scores: Sequence[Score], settings: Settings) -> list[str]:
    """What the marks in a table mean, how scores were made, and why some have no value."""
    formulas = sorted({one.formula for one in scores if one.value is not None})
    lines = [f"protocol {settings.protocol}, seed {settings.seed}, score = " + ", ".join(formulas)]
    if not formulas:
        lines = [f"protocol {settings.protocol}, seed {settings.seed}"]
    marks = (
        ("° untrained: the weights are seeded random numbers", [s.untrained for s in scores]),
        ("~ simulated brain: no animal was recorded", [s.simulated for s in scores]),
        ("* partial: only some of the stimuli were used", [s.partial for s in scores]),
        ("(-n) n sites left out", [s.n_excluded > 0 for s in scores]),
    )
    lines += [text for text, present in marks if any(present)]
    methods = sorted({one.ci_method for one in scores if one.ci_method})
    lines += [f"interval: {method}" for method in methods]
    excluded = {reason for one in scores for reason in one.excluded}
    lines += [f"left out: {reason}" for reason in sorted(excluded)]
    for one in scores:
        if one.reason:
            word = "" if one.absent else "failed: "
            lines.append(f"{one.model} on {one.benchmark}: {word}{one.reason}")
    return lines


def print_plan(plans: Sequence[tuple[str, Sequence[Item]]]) -> None:
    """What a run would do."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("model", "benchmark", "state", "images", "layers"):
        table.add_column(title, overflow="fold")
    for name, items in plans:
        for item in items:
            images = str(len(item.needs.stimuli)) if item.needs else ""
            layers = ", ".join(item.needs.layers) if item.needs else ""
            table.add_row(name, item.benchmark.identifier, item.state, images, layers)
    console = stdout()
    console.print(table)
    for name, items in plans:
        for item in items:
            if item.reason:
                console.print(f"{name} on {item.benchmark.identifier}: {item.reason}", markup=False)
