"""Progress bars in a terminal or in the cell of a notebook, drawn by rich."""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import sys
import time
from collections.abc import Iterator

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TaskID,
    TextColumn,
)
from rich.table import Column
from rich.text import Text

from brainbench.core import progress
from brainbench.core.progress import Advance
from brainbench.core.untrusted_text import visible

_BAR_WIDTH = 10
_BESIDE_LABEL = 38
"""Columns of spinner, bar, count and time, with the spaces between them."""


class Bars:
    """A reporter whose bars and notes go to one console; without a terminal or notebook only the notes."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bars: Progress | None = None

    @contextlib.contextmanager
    def task(self, label: str, total: int | None) -> Iterator[Advance]:
        """Show a bar while the block runs, below the bars that are open already."""
        with contextlib.ExitStack() as stack:
            if self._bars is None:
                self._bars = stack.enter_context(_progress(self._console))
                stack.callback(setattr, self, "_bars", None)
            bars = self._bars
            task = bars.add_task(visible(label, keep=""), total=total)
            stack.callback(bars.remove_task, task)
            yield _Advancing(bars, task)

    def note(self, text: str) -> None:
        """Print one line."""
        is_screen = self._console.is_terminal or self._console.is_jupyter
        self._console.print(visible(text), soft_wrap=not is_screen)

    @contextlib.contextmanager
    def taken_away(self) -> Iterator[None]:
        """Take the bars away while the block prints to another stream of the same terminal."""
        if self._bars is None or self._bars.disable:
            yield
            return
        self._bars.stop()
        try:
            yield
        finally:
            self._bars.start()


class _Advancing:
    """The function that advances one bar."""

    def __init__(self, bars: Progress, task: TaskID) -> None:
        self._bars, self._task = bars, task

    def __call__(self, n: int, /, *, seconds_left: float | None = None) -> None:
        self._bars.advance(self._task, n)
        if seconds_left is not None:
            self._bars.update(self._task, ends=time.monotonic() + seconds_left, refresh=True)


class _Count(ProgressColumn):
    """How many of how many; nothing where the total is not known."""

    def render(self, task: Task) -> Text:
        """Return the count of a bar."""
        return Text("" if task.total is None else f"{task.completed:.0f}/{task.total:.0f}")


class _Time(ProgressColumn):
    """Time left as it was told, else from the rate so far; time so far where neither is known."""

    def render(self, task: Task) -> Text:
        """Return the time of a bar."""
        elapsed = task.elapsed or 0.0
        left = None
        if "ends" in task.fields:
            left = task.fields["ends"] - time.monotonic()
        elif task.total and task.completed:
            left = elapsed / task.completed * (task.total - task.completed)
        is_known = left is not None and (left > 0 or task.finished)
        return Text(f"{clock(max(left or 0.0, 0.0))} left" if is_known else clock(elapsed))


def clock(seconds: float) -> str:
    """Return minutes and seconds, with hours where there are any.

    Examples
    --------
    >>> clock(5), clock(247.6), clock(3723)
    ('0:05', '4:08', '1:02:03')
    """
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def _progress(console: Console) -> Progress:
    width = max(console.width - _BESIDE_LABEL, 10)
    label = Column(no_wrap=True, overflow="ellipsis", max_width=width)
    return Progress(
        SpinnerColumn("line", style=""),  # of ASCII
        TextColumn("{task.description}", markup=False, table_column=label),
        BarColumn(bar_width=_BAR_WIDTH),
        _Count(),
        _Time(),
        console=console,
        transient=True,
        # What a network prints appears above the bars; in a pipe it stays where it is.
        redirect_stdout=sys.stdout.isatty(),
        disable=not (console.is_terminal or _has_widgets(console)),
    )


def _has_widgets(console: Console) -> bool:
    """Return whether bars can be drawn in a notebook; rich warns at every step without ipywidgets."""
    return console.is_jupyter and importlib.util.find_spec("ipywidgets") is not None


@contextlib.contextmanager
def in_notebook() -> Iterator[None]:
    """Show bars and notes in the cell of a notebook within the block; elsewhere the library is silent."""
    console = Console(highlight=False, markup=False, emoji=False)
    if not console.is_jupyter or not isinstance(progress.current(), progress.Silent):
        yield
        return
    if not _has_widgets(console):
        _say_what_is_missing()
    with progress.use(Bars(console)):
        yield


@functools.cache  # once in a notebook
def _say_what_is_missing() -> None:
    Bars(Console()).note("progress bars need ipywidgets: pip install ipywidgets")
