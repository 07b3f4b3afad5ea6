"""Coverage of the 95 % interval of every measure, in small simulated worlds.

    python perf/coverage.py [--only BEGINNING ...] [--replicates 400] [--truths 2000] [--json FILE]
    python perf/coverage.py --ranks    (rank intervals, and the permutation test of a pair)

The truth is the mean of the same score over fresh draws, at the same size, of what is called random:
images, units, or both; trials are always fresh. Coverage is the share of further fresh draws whose
interval holds it, with its own binomial 95 % interval. `perf/worlds` has the worlds.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
import time
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from joblib import Parallel, cpu_count, delayed
from rich.console import Console
from rich.table import Table
from scipy.stats import binomtest
from threadpoolctl import threadpool_limits
from worlds import WORLDS
from worlds.comparison import exchange_size, rank_coverage

AIM = (0.90, 0.98)
"""Beyond these an interval is improved or marked approximate."""


def measured(world: int, random: str, *, replicates: int, truths: int) -> dict[str, Any]:
    """Measure truth and coverage of one measure."""
    one = WORLDS[world]
    began = time.perf_counter()
    rng = np.random.default_rng([world, len(random)])
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("error")
        every = np.array([one.score(one.draw(rng, random)) for _ in range(truths)])
        scores = every[np.isfinite(every)]
        samples = (one.draw(rng, random) for _ in range(2 * replicates))
        if len(scores) < truths:  # a score without a value has no interval
            samples = (sample for sample in samples if np.isfinite(one.score(sample)))
        intervals = [
            one.interval(sample, random) for sample in itertools.islice(samples, replicates)
        ]
    truth = float(scores.mean())
    held = sum(each.lo < truth < each.hi for each in intervals)
    reflected = 0
    for each in intervals:
        center = np.nanmean(each.draws) if len(each.draws) else (each.lo + each.hi) / 2
        reflected += 2 * center - each.hi < truth < 2 * center - each.lo
    share = binomtest(held, len(intervals)).proportion_ci(method="wilson")
    return {
        "measure": one.name,
        "random": random,
        "truth": truth,
        "truth_se": float(scores.std() / np.sqrt(len(scores))),
        "without_value": 1 - len(scores) / truths,
        "sd": float(scores.std()),
        "sd_of_draws": float(
            np.mean([np.nanstd(each.draws) for each in intervals if len(each.draws)] or np.nan)
        ),
        "width": float(np.mean([each.hi - each.lo for each in intervals])),
        "coverage": held / len(intervals),
        "coverage_low": float(share.low),
        "coverage_high": float(share.high),
        "coverage_reflected": reflected / len(intervals),
        "within": AIM[0] <= held / len(intervals) <= AIM[1],
        "seconds": time.perf_counter() - began,
    }


def table(rows: Sequence[dict[str, Any]], options: argparse.Namespace) -> Table:
    title = f"{options.replicates} intervals each, truth from {options.truths} draws"
    shown = Table(title=title)
    for head in ("measure", "random", "truth", "width", "coverage", "binomial 95 %", ""):
        shown.add_column(head, justify="left" if head in ("measure", "random", "") else "right")
    for r in rows:
        shown.add_row(
            r["measure"],
            r["random"],
            f"{r['truth']:.3f}",
            f"{r['width']:.3f}",
            f"{100 * r['coverage']:.1f} %",
            f"{100 * r['coverage_low']:.1f}-{100 * r['coverage_high']:.1f} %",
            "" if r["within"] else "approximate",
        )
    return shown


def named(beginnings: Sequence[str]) -> list[tuple[int, str]]:
    """Return the worlds whose names have one of these beginnings, with what each treats as random.

    Raises
    ------
    SystemExit
        A beginning of no name.
    """
    for beginning in beginnings:
        if not any(world.name.startswith(beginning) for world in WORLDS):
            names = "\n  ".join(world.name for world in WORLDS)
            sys.exit(f"no world begins with {beginning!r}; there are\n  {names}")
    return [
        (k, random)
        for k, world in enumerate(WORLDS)
        if world.name.startswith(tuple(beginnings))
        for random in world.random
    ]


def main() -> int:
    """Measure the worlds that were asked for, or ranks and exchanges, and show the figures."""
    parser = argparse.ArgumentParser(description="Coverage of the intervals of every measure.")
    parser.add_argument("--only", nargs="+", default=[""], metavar="BEGINNING")
    parser.add_argument("--replicates", type=int, default=400)
    parser.add_argument("--truths", type=int, default=2000)
    parser.add_argument("--processes", type=int, default=cpu_count())
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    parser.add_argument("--ranks", action="store_true", help="rank intervals and exchanges alone")
    options = parser.parse_args()
    began = time.perf_counter()
    report: dict[str, Any] = {"replicates": options.replicates}
    if options.ranks:
        for random in ("images", "both"):
            ranks = rank_coverage(replicates=options.replicates, random=random)
            report[f"ranks of five models, {random} random"] = ranks
        report["exchanges of two models"] = exchange_size(replicates=options.replicates)
        print(json.dumps(report, indent=2))
    else:
        rows: list[dict[str, Any]] = Parallel(n_jobs=options.processes)(
            delayed(measured)(world, random, replicates=options.replicates, truths=options.truths)
            for world, random in named(options.only)
        )
        report |= {"truths": options.truths, "aim": AIM, "rows": rows}
        console = Console() if sys.stdout.isatty() else Console(width=120)
        console.print(table(rows, options))
    report["seconds"] = time.perf_counter() - began
    if options.json:
        options.json.write_text(json.dumps(report, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
