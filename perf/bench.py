"""Shared code of the speed scripts: rows of figures, equal threads, the table and the JSON file.

Run a script on an idle machine; the load at the start is printed. It ends with 1 where a row does not pass.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

from rich.console import Console
from rich.table import Table
from threadpoolctl import threadpool_info, threadpool_limits

T = TypeVar("T")

Report = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Row:
    """Seconds of brainbench and of a reference, and the difference of their results."""

    name: str
    what: str
    ours_s: float
    reference_s: float
    reference: str
    difference: float
    ratio_at_least: float
    difference_at_most: float

    @property
    def ratio(self) -> float:
        """Return how many times faster than the reference brainbench is."""
        return self.reference_s / self.ours_s

    @property
    def passed(self) -> bool:
        """Return whether it is fast enough and the results agree."""
        return self.ratio >= self.ratio_at_least and self.difference <= self.difference_at_most

    def report(self) -> Report:
        """Return all figures, including derived ones."""
        return asdict(self) | {"ratio": self.ratio, "passed": self.passed}


@dataclass(frozen=True, kw_only=True)
class Bench:
    """A script that measures speed.

    Attributes
    ----------
    description : str
        What is measured.
    against : str
        What a user would use instead: head of its column.
    measurements : dict of str to function
        Rows by name, as `--only` takes them.
    versions : sequence of module
        Whose versions are kept with the figures.
    columns : dict of str to function
        Further columns of the table, from a report.
    warm_up, rest : function, optional
        What runs once before; further seconds by name.
    set_threads : function, optional
        What a library needs to be told beside the limits of its pools.
    """

    description: str
    against: str
    measurements: Mapping[str, Callable[[], Row]]
    versions: Sequence[ModuleType]
    columns: Mapping[str, Callable[[Report], str]] = field(default_factory=dict)
    warm_up: Callable[[], object] | None = None
    rest: Callable[[], dict[str, float]] | None = None
    set_threads: Callable[[int], None] | None = None

    def main(self) -> int:
        """Measure what the command line asks for, print and write it; return 0 if all passed."""
        options = self._options()
        console = Console() if sys.stdout.isatty() else Console(width=160)
        load = os.getloadavg()[0]
        if self.set_threads:
            self.set_threads(options.threads)
        with threadpool_limits(options.threads):
            pools = [f"{pool['internal_api']} {pool['num_threads']}" for pool in threadpool_info()]
            console.print(f"threads: {', '.join(pools)}; load at the start: {load:.2f}")
            if self.warm_up:
                self.warm_up()
            rest = self.rest() if self.rest else {}
            reports = [self.measurements[name]().report() for name in options.only]
        console.print(self._table(reports, options.threads))
        for name, seconds in rest.items():
            console.print(f"{name}: {seconds:.2f} s")
        if options.json:
            written = {
                "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
                "command": f"python perf/{Path(sys.argv[0]).name}",
                "threads": options.threads,
                "load_at_start": load,
                "machine": platform.machine(),
                "versions": {module.__name__: module.__version__ for module in self.versions},
                "rows": reports,
            }
            written |= {"seconds": rest} if self.rest else {}
            options.json.write_text(json.dumps(written, indent=2) + "\n")
        return 0 if all(report["passed"] for report in reports) else 1

    def _options(self) -> argparse.Namespace:
        names = list(self.measurements)
        parser = argparse.ArgumentParser(description=f"Speed of {self.description}.")
        parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
        parser.add_argument("--json", type=Path, help="write the figures to this file")
        parser.add_argument("--only", nargs="+", choices=names, default=names)
        return parser.parse_args()

    def _table(self, reports: Sequence[Report], threads: int) -> Table:
        shown = Table(title=f"{self.description}, {threads} threads for both")
        heads = ("", "ours", self.against, "ratio", *self.columns, "difference", "")
        for head in heads:
            shown.add_column(head, justify="left" if head in ("", self.against) else "right")
        for r in reports:
            shown.add_row(
                r["what"],
                f"{r['ours_s']:.2f} s",
                f"{r['reference_s']:.1f} s\n{r['reference']}",
                f"{r['ratio']:.1f}\n(at least {r['ratio_at_least']:g})",
                *(column(r) for column in self.columns.values()),
                f"{r['difference']:.1e}\n(at most {r['difference_at_most']:.0e})",
                "pass" if r["passed"] else "FAIL",
            )
        return shown


def timed(function: Callable[[], T]) -> tuple[T, float]:
    """Call a function, and return its result and the seconds it took."""
    start = time.perf_counter()
    result = function()
    return result, time.perf_counter() - start
