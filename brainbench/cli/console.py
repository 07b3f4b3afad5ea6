"""Output of the program: tables on stdout, progress bars and notes on stderr."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import gc
import json
import logging
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.cells import cell_len
from rich.console import Console
from rich.logging import RichHandler
from rich.table import Table
from rich.text import Text

from brainbench.cli import turning_line
from brainbench.cli.absent_data import absent_line
from brainbench.cli.text import fitted, wrapped
from brainbench.core import progress
from brainbench.core.bars import Bars
from brainbench.core.collection import without_collection
from brainbench.core.digits import between, decimal
from brainbench.core.marks import MARKS, marks_of
from brainbench.core.progress import Reporter, Silent
from brainbench.core.untrusted_text import visible

if TYPE_CHECKING:  # bars are shown while all of this is imported, which takes seconds
    from brainbench.cli.absent_data import Named
    from brainbench.core.score import Score, Status
    from brainbench.core.settings import Settings
    from brainbench.run.estimate import Estimate
    from brainbench.run.plan import Item, Plan, State

UNBOUNDED = 10_000
SCORE_COLUMNS = ("score", "95 % CI", "ceiling", "units")
SHORT: Mapping[Status, str] = {
    "failed": "failed",
    "not_applicable": "none",
    "data_absent": "not here",
}
"""Words of a table in place of a value."""
STATES: Mapping[State, str] = {
    "to_do": "to do",
    "stored": "stored",
    "failed": "cannot run",
    "not_applicable": "does not apply",
    "data_absent": "data not here",
}
"""Columns of the table of --dry-run."""


@functools.cache
def stderr() -> Console:
    """Return the one console for bars, notes and the log, so that none of them writes over another."""
    return Console(stderr=True, highlight=False, markup=False, emoji=False)


def reporter(*, quiet: bool) -> Reporter:
    """Return a reporter for a terminal, or a silent one."""
    return Silent() if quiet else Bars(stderr())


@contextlib.contextmanager
def loading(*, quiet: bool = False) -> Iterator[None]:
    """Import libraries within the block, with a sign of life on a terminal; nothing else may draw there.

    What is imported stays: the garbage collector neither looks through it meanwhile nor later.
    """
    with without_collection(), _turning() if not quiet else contextlib.nullcontext():
        yield
    gc.freeze()


@contextlib.contextmanager
def _turning() -> Iterator[None]:
    if not stderr().is_terminal:
        yield
        return
    command = [sys.executable, "-I", "-S", turning_line.__file__, "loading libraries"]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as drawing:  # noqa: S603  # of ours
        yield
        drawing.communicate()  # closes its input and waits until the line is gone


@contextlib.contextmanager
def working(label: str, *, quiet: bool = False) -> Iterator[None]:
    """Show bars and notes within the block, and a bar with a label."""
    with progress.use(reporter(quiet=quiet)), progress.current().task(label, None):
        yield


class VisibleFormatter(logging.Formatter):
    """Layout of log lines in which control characters are written out."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, with the traceback if there is one."""
        return visible(super().format(record))


def start_logging(*, verbose: bool) -> None:
    """Log to stderr: warnings, or with `verbose` everything of brainbench."""
    layout = "%(levelname)s %(name)s: %(message)s"
    handler: logging.Handler = logging.StreamHandler()
    if stderr().is_terminal:  # a log line must not run into a bar
        handler = RichHandler(console=stderr(), show_time=False, show_level=False, show_path=False)
    handler.setFormatter(VisibleFormatter(layout))
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.getLogger("brainbench").setLevel(logging.DEBUG if verbose else logging.WARNING)


def stdout() -> Console:
    """Return the console for results: as wide as the terminal, unbounded in a pipe."""
    width = None if sys.stdout.isatty() else UNBOUNDED
    return Console(highlight=False, markup=False, emoji=False, width=width)


def print_json(value: Any) -> None:
    """Print a value as JSON alone."""
    print(json.dumps(value, indent=1, allow_nan=False))


def print_scores(scores: Sequence[Score]) -> None:
    """Print a table of scores."""
    table = table_of("model", "benchmark", figures=SCORE_COLUMNS)
    for score in scores:
        table.add_row(name_of_model(score), name_of_benchmark(score), *figure_cells(score))
    stdout().print(table)


def print_footnotes(
    scores: Sequence[Score], settings: Settings, further: Sequence[str] = ()
) -> None:
    """Print what marks in a table mean, how scores were made, why some have no value, further lines."""
    print(fitted("\n".join([*footnotes(scores, settings), *further]), sys.stdout))


class VisibleTable(Table):
    """A table in whose cells control characters are written out."""

    def add_row(self, *cells: Any, **options: Any) -> None:
        """Add a row of texts."""
        super().add_row(*(visible(cell, keep="") for cell in cells), **options)


def table_of(*texts: str, figures: Sequence[str] = ()) -> Table:
    """Return an empty table with columns of texts, which wrap, then of figures, which do not."""
    table = VisibleTable(box=None, pad_edge=False, header_style="bold")
    for title in texts:
        table.add_column(title, overflow="fold")
    for title in figures:
        table.add_column(title, justify="right", no_wrap=True)
    return table


def print_grouped(
    title: str, groups: Sequence[tuple[str, Sequence[Sequence[str]]]], *, figures: Sequence[str]
) -> None:
    """Print rows of a text and figures, each group below a heading that spans the columns."""
    console = stdout()
    rows = [[visible(cell, keep="") for cell in row] for _, lines in groups for row in lines]
    cells = [[title, *figures], *rows]
    widths = [max(cell_len(row[k]) for row in cells if k < len(row)) for k in range(len(cells[0]))]
    widths[0] = max(min(widths[0], console.width - sum(widths[1:]) - 2 * len(figures)), len(title))
    _print_columns(console, widths, [cells[0]], style="bold")
    first = 0
    for heading, lines in groups:
        console.print(visible(heading, keep=""))
        _print_columns(console, widths, rows[first : first + len(lines)], style="")
        first += len(lines)


def _print_columns(
    console: Console, widths: Sequence[int], rows: Sequence[Sequence[str]], *, style: str
) -> None:
    """Print rows of known widths; a `Table`, which measures each cell again, is slow for hundreds."""
    lines = []
    for text, *figures in rows:
        first, *folded = _folded(console, text, widths[0])
        padded = [*figures, *[""] * (len(widths) - 1 - len(figures))]
        right = [" " * (w - cell_len(one)) + one for one, w in zip(padded, widths[1:], strict=True)]
        lines.append("  ".join([first, *right]))
        lines += [line + " " * (sum(widths[1:]) + 2 * len(right)) for line in folded]
    if lines:
        console.print("\n".join(lines), style=style, soft_wrap=True)


def _folded(console: Console, text: str, width: int) -> list[str]:
    """Return the lines of a text in a column, each as wide as it."""
    if cell_len(text) <= width:
        return [text + " " * (width - cell_len(text))]
    lines = Text(text).wrap(console, width, overflow="fold")
    return [line.plain.rstrip() + " " * (width - cell_len(line.plain.rstrip())) for line in lines]


def name_of_model(score: Score) -> str:
    """Return the name of the model with its marks."""
    marks = (("°", score.untrained), ("?", score.undescribed), ("‡", score.older_key))
    return " ".join([score.model, *(mark for mark, present in marks if present)])


def name_of_benchmark(score: Score) -> str:
    """Return the name of the benchmark with its mark."""
    return f"{score.benchmark} ~" if score.simulated else score.benchmark


def figure_cells(score: Score) -> tuple[str, ...]:
    """Return figure, interval, ceiling and units, or why there is none."""
    if score.value is None:
        return (SHORT[score.status],)
    interval = between(score.ci, approximate=score.ci_approximate)
    excluded = f" (-{score.n_excluded})" if score.n_excluded else ""
    mark = (" *" if score.partial else "") + (" !" if score.ceiling_above_0 is False else "")
    units = f"{score.n_units}{excluded}"
    return decimal(score.value) + mark, interval, decimal(score.ceiling), units


def footnotes(scores: Sequence[Score], settings: Settings) -> list[str]:
    """Return what the marks in a table mean, how scores were made, and why some have no value."""
    lines = [f"protocol {settings.variant}, seed {settings.seed}"]
    lines += _by_benchmark("score", [(s, s.formula) for s in scores if s.value is not None])
    present = {mark for score in scores for mark in marks_of(score)}
    lines += [mark for mark in MARKS if mark in present]
    lines += ["(-n) n units omitted"] if any(s.n_excluded for s in scores) else []
    lines += _by_benchmark("interval", [(s, s.ci_method) for s in scores if s.ci_method])
    lines += [
        _over_animals(score) for score in scores if score.figures.get("over_animals", {}).get("ci")
    ]
    lines += dict.fromkeys(_animals(score) for score in scores if "animals" in score.figures)
    lines += [_null(score) for score in scores if score.null]
    reasons = [(s, reason) for s in scores for reason in sorted(s.excluded)]
    lines += _by_benchmark("omitted", reasons)
    return lines + _reasons(scores)


def _over_animals(score: Score) -> str:
    """Return the mean over animals with its interval, in a sentence."""
    over = score.figures["over_animals"]
    interval = between(tuple(over["ci"]), approximate=False)
    return (
        f"over {over['n_animals']} {over.get('population', 'animals')}, {score.model} on {score.benchmark}: "
        f"mean {decimal(over['mean'])}, 95 % CI {interval}"
    )


def _animals(score: Score) -> str:
    """Return what other animals predict of the same sites, a reference, in a sentence."""
    animals, name = score.figures["animals"], name_of_benchmark(score)
    if "reason" in animals:
        return f"animals on {name}: no reference: {animals['reason']}"
    parts = []
    for formula in ("raw", "r/sqrt(c)"):
        one = animals[formula]
        interval = f" (95 % CI {between(tuple(one['ci']), approximate=True)})" if one["ci"] else ""
        parts.append(f"{formula} {decimal(one['value'])}{interval}")
    if animals["corrected"] is not None:
        parts.append(f"corrected for both animals {decimal(animals['corrected'])}")
    return (
        f"reference, {name}: sites of other animals ({', '.join(animals['animals'])}) predict these sites "
        f"with {', '.join(parts)}; no ceiling"
    )


def _null(score: Score) -> str:
    """Return what shuffled images give, in a sentence."""
    null = score.null or {}
    mean, sd = decimal(null["mean"]), decimal(null["sd"])
    chance = f"mean {mean}, SD {sd}, p = {null['p']:.2g}" if mean else "none has a score"
    kind = "over the whole set" if null["kind"] == "images" else "within objects"
    return (
        f"null, {score.model} on {score.benchmark}: images shuffled {kind} {null['n_draws']} times: "
        f"{chance}, in steps of {null['resolution']:.2g}"
    )


def _by_benchmark(title: str, remarks: Sequence[tuple[Score, str | None]]) -> list[str]:
    """Return each remark once, with the benchmarks that it is about unless it is about all."""
    groups: dict[str, list[str]] = {}
    for score, text in remarks:
        groups.setdefault(str(text), []).append(score.benchmark)
    if len(groups) == 1:
        return [f"{title}: {text}" for text in groups]
    return [
        f"{title}: {text} ({', '.join(dict.fromkeys(names))})" for text, names in groups.items()
    ]


def _reasons(scores: Sequence[Score]) -> list[str]:
    """Return why some have no value or are not stored, each reason once."""
    models: dict[tuple[str, str], list[str]] = {}
    for score in scores:
        text = _reason(score)
        if text:
            of_any = score.status == "data_absent"
            models.setdefault((text, score.benchmark), []).extend([] if of_any else [score.model])
    benchmarks: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for (text, benchmark), names in models.items():
        benchmarks.setdefault((text, tuple(dict.fromkeys(names))), []).append(benchmark)
    return [
        f"{', '.join(names)} on {', '.join(on)}: {text}" if names else f"{', '.join(on)}: {text}"
        for (text, names), on in benchmarks.items()
    ]


def _reason(score: Score) -> str:
    """Return why a score has no value or is not stored, without the name of its benchmark."""
    if score.reason:
        text = score.reason.removeprefix(f"{score.benchmark}: ")
        return f"failed: {text}" if score.failed else text
    return "computed, but not stored" if score.file is None else ""


def print_plan(plans: Sequence[tuple[Plan, Estimate]], named: Named, *, as_json: bool) -> None:
    """Print what a run would do and cost, as a table or as JSON."""
    rows = [_plan_row(planned.name, item) for planned, _ in plans for item in planned.items]
    estimates = [cost for _, cost in plans]
    if as_json:
        costs = [dataclasses.asdict(cost) for cost in estimates]
        print(json.dumps({"items": rows, "estimates": costs}, indent=1))
        return
    omitted = [row for row in rows if named.leaves_out(row["benchmark"], row["state"])]
    shown = [row for row in rows if row not in omitted]
    words = [{**row, "state": STATES[row["state"]]} for row in shown]
    print_rows([{key: row[key] for key in row if key != "reason"} for row in words])
    reasons = [
        f"{row['model']} on {row['benchmark']}: {row['reason']}" for row in shown if row["reason"]
    ]
    reasons += absent_line((row["benchmark"], row["reason"]) for row in omitted)
    lines = [*reasons, *(line for cost in estimates for line in _cost_lines(cost))]
    if lines:
        print(fitted("\n".join(lines), sys.stdout))


def _cost_lines(cost: Estimate) -> list[str]:
    """Return what a model would cost, in a sentence, and what is not known of it."""
    if not cost.memory_gb:
        return []
    parts = [
        f"about {_duration(cost.forward_seconds)} in the network over {cost.images} images"
        if cost.images
        else "no forward pass",
        f"about {cost.memory_gb:.1f} GB of memory",
        f"{cost.disk_gb:.2f} GB more in the cache",
    ]
    return [
        f"{cost.model}: " + ", ".join(parts),
        *(f"{cost.model}: not in the estimate: {reason}" for reason in cost.unknown),
    ]


def _duration(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


def _plan_row(model: str, item: Item) -> dict[str, Any]:
    task = item.task
    return {
        "model": model,
        "benchmark": item.benchmark.identifier,
        "state": item.state,
        "images": sum(stimuli.n_pictures for stimuli in task.stimulus_sets) if task else None,
        "layers": list(task.context.layers) if task else [],
        "reason": item.score.reason if item.score else None,
    }


def print_rows(rows: Sequence[dict[str, Any]]) -> None:
    """Print a table of dicts with equal keys; a column without any entry is omitted.

    Where the terminal is too narrow for the longest words of all columns, no name is broken in two: each row
    is a name with its other entries below it.
    """
    shown = [key for key in rows[0] if any(row[key] for row in rows)] if rows else []
    cells = [[_cell(row[key]) for key in shown] for row in rows]
    console = stdout()
    if _narrowest(shown, cells) <= console.width:
        table = table_of(*shown)
        for row_of_cells in cells:
            table.add_row(*row_of_cells)
        console.print(table)
        return
    for name, *others in cells:
        console.print(Text(visible(name), style="bold"), soft_wrap=True)
        entries = [
            f"{key}: {visible(cell, keep='')}"
            for key, cell in zip(shown[1:], others, strict=True)
            if cell
        ]
        for line in filled(entries, max(console.width - 2, 20)):
            console.print(Text(f"  {line}"), soft_wrap=True)


def _narrowest(titles: Sequence[str], cells: Sequence[Sequence[str]]) -> int:
    """Return the width of a table whose columns are as wide as their longest words."""
    columns = zip(titles, *cells, strict=True)
    words = [max(map(cell_len, " ".join(column).split()), default=0) for column in columns]
    return sum(words) + 2 * (len(words) - 1)


def filled(entries: Sequence[str], width: int) -> list[str]:
    """Return lines of entries, "; " between them: an entry is divided only where it is wider than a line."""
    lines: list[str] = []
    for entry in entries:
        if lines and not lines[-1].startswith(" ") and len(lines[-1]) + len(entry) + 2 <= width:
            lines[-1] += f"; {entry}"
        else:
            lines += wrapped(entry, width).splitlines()
    return lines


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def print_facts(facts: Mapping[str, Any]) -> None:
    """Print names and facts, one below the other, wrapped with hanging indents."""
    console, label = stdout(), max(map(len, facts), default=0)
    for key, value in facts.items():
        text = "\n".join(value) if isinstance(value, list) else str(value)
        lines = wrapped(visible(text), max(console.width - label - 2, 20)).splitlines() or [""]
        for title, line in zip([key, *[""] * (len(lines) - 1)], lines, strict=True):
            shown = Text.assemble((title.ljust(label), "bold"), f"  {line}")
            shown.rstrip()
            console.print(shown, soft_wrap=True)
