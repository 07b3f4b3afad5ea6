"""How fast I2n is: 300,000 trials with their ceiling, against a plain pandas program, in one run.

    python perf/i2n.py [--threads N] [--json FILE]

The pandas program is what a user would write: group the trials by image and distractor, unstack, and loop
over objects for false alarms and means. Both give the same figures, which is checked. Brain-Score's own code
takes about 17 s for these trials on two cores, by another measurement; it is not run here.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import scipy
from numpy.random import RandomState
from numpy.typing import NDArray
from rich.console import Console
from scipy.stats import norm
from threadpoolctl import threadpool_limits

from brainbench.metrics.decoder import cross_decode
from brainbench.metrics.i2n import consistency, two_way
from brainbench.metrics.trials import encode, fraction_correct, halves
from brainbench.stats.ceiling import ceiled
from brainbench.stats.resample import image_counts

N_OBJECTS, PER_OBJECT, N_TRIALS = 24, 10, 300_000
RATIO_AT_LEAST, DIFFERENCE_AT_MOST = 10.0, 1e-10
SECONDS_AT_MOST = 2.0

Array = NDArray[Any]


def timed(function: Callable[[], Any]) -> tuple[Any, float]:
    start = time.perf_counter()
    result = function()
    return result, time.perf_counter() - start


def inputs() -> tuple[pd.DataFrame, Array, Array]:
    """Trials by name, probabilities of a model (rows of sorted ids), and truth."""
    rng = np.random.default_rng(0)
    n = N_OBJECTS * PER_OBJECT
    truth = np.arange(n) // PER_OBJECT
    logits = rng.standard_normal((n, N_OBJECTS)) + 2.0 * np.eye(N_OBJECTS)[truth]
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    image = rng.integers(n, size=N_TRIALS)
    other = (truth[image] + rng.integers(1, N_OBJECTS, N_TRIALS)) % N_OBJECTS
    own = p[image, truth[image]]
    right = rng.random(N_TRIALS) < 0.05 + 0.9 * own / (own + p[image, other])
    objects = np.array([f"object{k:02d}" for k in range(N_OBJECTS)])
    ids = np.array([f"image{k:04d}" for k in range(n)])
    table = pd.DataFrame(
        {
            "stimulus_id": ids[image],
            "truth": objects[truth[image]],
            "distractor": objects[other],
            "choice": objects[np.where(right, truth[image], other)],
        }
    )
    noisy = p * np.exp(0.5 * rng.standard_normal(p.shape))
    return table, noisy / noisy.sum(axis=1, keepdims=True), truth


def ours(table: pd.DataFrame, p: Array, truth: Array) -> dict[str, float]:
    trials = encode(*(table[key] for key in ("stimulus_id", "truth", "distractor", "choice")))
    pairs = [
        (fraction_correct(trials, one), fraction_correct(trials, other))
        for one, other in halves(len(trials))
    ]
    subject = fraction_correct(trials)
    r, c = consistency(two_way(p, truth), subject, pairs, trials.truth, protocol="brainscore")
    value = ceiled(r, c, formula="r/sqrt(c)").mean()
    return {"raw": float(r.mean()), "ceiling": float(c.mean()), "value": float(value)}


def by_pandas(table: pd.DataFrame, p: Array, truth: Array) -> dict[str, float]:
    """The same, with what a user would use instead."""
    objects = sorted(table["truth"].unique())
    shown = table.groupby("stimulus_id")["truth"].first()
    ids = sorted(shown.index)
    model = pd.DataFrame(p, index=ids, columns=objects)
    own = pd.Series({image: model.loc[image, shown[image]] for image in ids})
    model = (1 / (1 + model.div(own, axis=0))).copy()
    for image in ids:
        model.loc[image, shown[image]] = np.nan

    def matrix(fraction: pd.DataFrame) -> pd.DataFrame:
        found = pd.DataFrame(index=fraction.index, columns=fraction.columns, dtype=float)
        for target in objects:
            mine = fraction.index[shown[fraction.index] == target]
            for distractor in objects:
                theirs = fraction.index[shown[fraction.index] == distractor]
                alarm = 1 - fraction.loc[theirs, target].mean()
                z = norm.ppf(fraction.loc[mine, distractor]) - norm.ppf(alarm)
                z = pd.Series(z, index=mine).clip(-5, 5)
                found.loc[mine, distractor] = z - z.mean()
        return found

    def of(rows: Array) -> pd.DataFrame:
        part = table.iloc[rows]
        right = (part["choice"] == part["truth"]).groupby([part["stimulus_id"], part["distractor"]])
        return matrix(right.mean().unstack().reindex(index=ids, columns=objects))

    mine = matrix(model)
    random = RandomState(0)
    r, c = [], []
    for _ in range(2):
        order = list(range(len(table)))
        random.shuffle(order)
        one, other = of(order[: len(order) // 2]), of(order[len(order) // 2 :])
        r.append(mine.stack().corr(one.stack()))
        c.append(one.stack().corr(other.stack()))
    return {
        "raw": float(np.mean(r)),
        "ceiling": float(np.mean(c)),
        "value": float(np.mean(np.array(r) / np.sqrt(c))),
    }


def seconds_of_the_rest(table: pd.DataFrame, p: Array, truth: Array) -> dict[str, float]:
    """The interval, and a read-out of a wide layer, cross-validated in ten folds."""
    trials = encode(*(table[key] for key in ("stimulus_id", "truth", "distractor", "choice")))
    subject, model = fraction_correct(trials), two_way(p, truth)
    counts = image_counts(trials.images, n_draws=1000)

    def interval() -> None:
        for first in range(0, 1000, 50):
            consistency(model, subject, [], truth, weights=counts[first : first + 50])

    rng = np.random.default_rng(0)
    n, p_wide = 320, 100_000
    labels = np.arange(n) % 8
    wide = rng.standard_normal((n, p_wide), dtype=np.float32)
    rows = np.arange(n)
    splits = [(rows[rows // 32 != k], rows[rows // 32 == k]) for k in range(10)]

    def chunks() -> list[Array]:
        return np.array_split(wide, 25, axis=1)

    return {
        "interval of the raw figure, 1,000 draws": timed(interval)[1],
        "read-out of 100,000 features, 320 images, 10 folds, 1 thread": timed(
            lambda: cross_decode(chunks, labels, splits)
        )[1],
    }


def main() -> int:
    parser = argparse.ArgumentParser(description="Speed of I2n.")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    options = parser.parse_args()
    console = Console() if sys.stdout.isatty() else Console(width=160)
    load = os.getloadavg()[0]
    given = inputs()
    with threadpool_limits(options.threads):
        ours(*given)
        found, seconds = timed(lambda: ours(*given))
        theirs, reference = timed(lambda: by_pandas(*given))
    with threadpool_limits(1):  # as brainbench.procedures.readout does
        rest = seconds_of_the_rest(*given)
    difference = max(abs(found[key] - theirs[key]) for key in found)
    ratio = reference / seconds
    passed = (
        ratio >= RATIO_AT_LEAST and difference <= DIFFERENCE_AT_MOST and seconds <= SECONDS_AT_MOST
    )
    report = {
        "name": "i2n-300000",
        "what": f"I2n with ceiling, {N_TRIALS:,} trials, 240 images, 24 objects",
        "ours_s": seconds,
        "reference_s": reference,
        "reference": "pandas",
        "ratio": ratio,
        "ratio_at_least": RATIO_AT_LEAST,
        "seconds_at_most": SECONDS_AT_MOST,
        "difference": difference,
        "difference_of": "raw, ceiling and value",
        "difference_at_most": DIFFERENCE_AT_MOST,
        "passed": passed,
    }
    console.print(f"{options.threads} threads for both; load at the start: {load:.2f}")
    console.print(
        f"{report['what']}: ours {seconds:.2f} s, pandas {reference:.2f} s, ratio {ratio:.0f} "
        f"(at least {RATIO_AT_LEAST:.0f}), difference {difference:.1e} of {found}: "
        + ("pass" if passed else "FAIL")
    )
    for name, took in rest.items():
        console.print(f"{name}: {took:.2f} s")
    if options.json:
        written = {
            "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            "command": "python perf/i2n.py",
            "threads": options.threads,
            "load_at_start": load,
            "machine": platform.machine(),
            "versions": {m.__name__: m.__version__ for m in (np, scipy, pd)},
            "rows": [report],
            "seconds": rest,
        }
        options.json.write_text(json.dumps(written, indent=2) + "\n")
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
