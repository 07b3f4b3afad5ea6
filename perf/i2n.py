"""Speed of I2n with its ceiling, 300,000 trials, beside a plain pandas program, in one run.

    python perf/i2n.py [--threads N] [--json FILE] [--only NAME ...]

The pandas program is what a user would write: group the trials by image and distractor, unstack, and loop
over objects for false alarms and means. Both give the same figures, which is checked. Brain-Score's own code
takes about 17 s for these trials on two cores, by another measurement; it is not run here.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import scipy
from bench import Bench, Row, timed
from numpy.random import RandomState
from numpy.typing import NDArray
from scipy.stats import norm
from threadpoolctl import threadpool_limits

from brainbench.metrics.behavior.i2n import consistency, two_way
from brainbench.metrics.behavior.trials import encode, fraction_correct, halves
from brainbench.metrics.classification.logistic_regression import cross_decode
from brainbench.stats.bootstrap import image_counts
from brainbench.stats.ceiling import ceiled

N_OBJECTS, PER_OBJECT, N_TRIALS = 24, 10, 300_000

Array = NDArray[Any]


@dataclass(frozen=True, kw_only=True)
class I2nRow(Row):
    """A row that passes only within a number of seconds."""

    seconds_at_most: float
    difference_of: str

    @property
    def passed(self) -> bool:
        """Whether it is fast enough, and gives the same."""
        return super().passed and self.ours_s <= self.seconds_at_most


def inputs() -> tuple[pd.DataFrame, Array, Array]:
    """Return trials by name, probabilities of a model (rows of sorted ids), and truth."""
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
    r, c = consistency(
        two_way(p, truth),
        subject,
        pairs,
        trials.truth,
        false_alarms="brainscore",
        against_halves=True,
    )
    value = ceiled(r, c, formula="r/sqrt(c)").mean()
    return {"raw": float(r.mean()), "ceiling": float(c.mean()), "value": float(value)}


def by_pandas(table: pd.DataFrame, p: Array, truth: Array) -> dict[str, float]:
    """Compute the same with pandas, as a user would."""
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


@threadpool_limits.wrap(limits=1)  # as brainbench.scoring.behavior.readout does
def seconds_of_the_rest() -> dict[str, float]:
    """Measure the interval, and a read-out of a wide layer cross-validated in ten folds, on one thread."""
    table, p, truth = inputs()
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


def measured() -> Row:
    given = inputs()
    ours(*given)  # warm
    found, seconds = timed(lambda: ours(*given))
    theirs, reference = timed(lambda: by_pandas(*given))
    return I2nRow(
        name="i2n-300000",
        what=f"I2n with ceiling, {N_TRIALS:,} trials, 240 images, 24 objects",
        ours_s=seconds,
        reference_s=reference,
        reference="pandas",
        ratio_at_least=10.0,
        seconds_at_most=2.0,
        difference=max(abs(found[key] - theirs[key]) for key in found),
        difference_of="raw, ceiling and value",
        difference_at_most=1e-10,
    )


BENCH = Bench(
    description="I2n",
    against="pandas",
    measurements={"i2n-300000": measured},
    versions=(np, scipy, pd),
    columns={
        "seconds at most": lambda r: f"{r['seconds_at_most']:g}",
        "difference of": lambda r: r["difference_of"],
    },
    rest=seconds_of_the_rest,
)


if __name__ == "__main__":
    sys.exit(BENCH.main())
