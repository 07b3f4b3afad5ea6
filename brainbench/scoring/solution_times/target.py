"""The brain's side of object solution times: when it has solved each image, and how reliably."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pandas as pd

from brainbench.core.assembly import check_unique
from brainbench.core.benchmark import Benchmark
from brainbench.core.dataset import HasSolutionTimes
from brainbench.core.errors import InputError
from brainbench.core.stimuli import StimulusSet
from brainbench.metrics.array_types import AnyArray, FloatArray
from brainbench.metrics.correlation import rank_correlation
from brainbench.metrics.reductions import nan_mean
from brainbench.scoring.context import RunContext
from brainbench.scoring.kept import BrainFigures
from brainbench.scoring.measure import ImageSet, Material
from brainbench.scoring.recordings import check_columns, objects_of, strata_of, without_table
from brainbench.stats.ceiling import spearman_brown

COLUMNS = ("stimulus_id", "i1", "ost")


@dataclass(frozen=True, kw_only=True, eq=False)
class BrainTimes:
    """When a brain has solved each image, rows sorted by stimulus_id."""

    stimuli: StimulusSet
    objects: npt.NDArray[np.str_]  # what each image shows
    # By which folds are stratified; None where a limit left too few images of an object.
    strata: AnyArray | None
    bins: FloatArray  # bin x 2, in ms
    thresholds: FloatArray  # I1 of the behaving subject to each image
    times: FloatArray  # in ms; NaN where the brain never solves the image
    partial: bool  # a limit left some images out
    solved: AnyArray  # ids of all images of the data with a time and a threshold
    groups: AnyArray | None = None  # of each image, which draws and nulls take whole
    split_groups: AnyArray | None = None  # which splits keep on one side
    # 2 x halving x image: solution times from one half of the trials and from the other, of the
    # halvings in which each half has every image; None without repeated trials over time.
    halves: FloatArray | None = None
    gaps: str = ""  # why halvings were omitted; empty where none was
    kept: BrainFigures = field(default_factory=BrainFigures, repr=False)

    @property
    def material(self) -> Material:
        """Images, and the brain's thresholds and times."""
        stimuli = self.stimuli
        return Material(
            stimulus_sets=[stimuli],
            image_sets=[
                ImageSet(
                    ids=stimuli.ids,
                    objects=self.objects,
                    groups=self.groups,
                    name=stimuli.identifier,
                )
            ],
            partial=self.partial,
            targets=[self.thresholds, self.times],
        )

    def reliability(self, counts: FloatArray | None = None) -> FloatArray:
        """Return the mean corrected r of halves, once or for each row of `counts`; NaN without halves."""
        if self.halves is None or not self.halves.shape[1]:
            return np.full(() if counts is None else len(counts), np.nan)
        return self.kept.of(_reliability_of_halves, self.halves, counts)


def _reliability_of_halves(halves: FloatArray, counts: FloatArray | None) -> FloatArray:
    r = [rank_correlation(*pair, counts=counts) for pair in zip(*halves, strict=True)]
    return np.asarray(nan_mean(spearman_brown(np.stack(r, axis=-1)), axis=-1))


def brain_times(context: RunContext, *, bin_ms: float) -> BrainTimes:
    """Return the solution times of the data in bins of `bin_ms`, without those of halves of the trials.

    InputError for data without solution times, or with those of other images; for no image with a time, or
    with a threshold; for stimuli without `object_name`; for a window that is not a whole number of bins.
    """
    data, stimuli = context.data, context.stimuli()
    if not isinstance(data, HasSolutionTimes):
        raise without_table(context, "solution_times", COLUMNS)
    objects = objects_of(stimuli)
    if objects is None:
        raise InputError(
            f"stimuli of {data.name!r} without object_name",
            allowed="the object that each image shows, which the decoder learns",
            todo="add the column object_name to the stimuli",
        )
    table = _table(data)
    thresholds, times = _of_stimuli(table, stimuli)
    _check_some(table["ost"], "solution time", context.benchmark.identifier)
    _check_some(table["i1"], "threshold", context.benchmark.identifier)
    return BrainTimes(
        stimuli=stimuli,
        objects=objects,
        strata=strata_of(stimuli, partial=context.is_partial()),
        bins=_bins(context.benchmark, bin_ms),
        thresholds=thresholds,
        times=times,
        partial=context.is_partial(),
        solved=table.index[table.notna().all(axis=1)].to_numpy(str),
        groups=context.groups(),
        split_groups=context.split_groups(),
        kept=context.run.brain,
    )


def _bins(benchmark: Benchmark, bin_ms: float) -> FloatArray:
    first, last = benchmark.window
    n = round((last - first) / bin_ms) if bin_ms > 0 else 0
    if n < 1 or abs(first + n * bin_ms - last) > 1e-9:
        raise InputError(
            f"window {first:g}-{last:g} ms of {benchmark.identifier} in bins of {bin_ms:g} ms",
            allowed="a whole number of bins",
            todo="choose another window or bin_ms",
        )
    starts = first + bin_ms * np.arange(n)
    return np.stack([starts, starts + bin_ms], axis=1)


def _table(data: HasSolutionTimes) -> pd.DataFrame:
    """Return the I1 and the solution time of each image of the data, by its id."""
    table = data.solution_times()
    check_columns(table, COLUMNS, "solution times")
    ids = table["stimulus_id"].astype(str)
    check_unique(ids.to_numpy(), key="stimulus_id", name="solution times")
    by_id = table.set_axis(ids, axis=0)
    return pd.DataFrame({column: _numbers(by_id, column) for column in ("i1", "ost")}, index=ids)


def _of_stimuli(table: pd.DataFrame, stimuli: StimulusSet) -> tuple[FloatArray, FloatArray]:
    absent = [stimulus for stimulus in stimuli.ids if stimulus not in table.index]
    if absent:
        raise InputError(
            f"no solution time for {len(absent)} of {len(stimuli)} images, for example {absent[0]!r}",
            allowed="one row per image; ost is NaN where it is never solved",
            todo="check that both are about the same stimuli",
        )
    rows = table.loc[list(stimuli.ids)]
    return rows["i1"].to_numpy(np.float64), rows["ost"].to_numpy(np.float64)


def _numbers(rows: pd.DataFrame, column: str) -> FloatArray:
    numbers = pd.to_numeric(rows[column], errors="coerce")
    text = rows[rows[column].notna() & numbers.isna()]
    if len(text):
        raise InputError(
            f"{len(text)} of {len(rows)} values of {column} are not numbers, first "
            f"{text[column].iloc[0]!r} of {text.index.tolist()[0]!r}",
            allowed="a number for each image, or NaN",
            todo=f"write NaN where there is no {column}",
        )
    return numbers.to_numpy(np.float64)


def _check_some(values: pd.Series[float], what: str, identifier: str) -> None:
    if values.isna().all():
        raise InputError(
            f"{identifier}: no {what} for any of {len(values)} images",
            allowed="at least two images that the brain solves, with the I1 of its behavior",
            todo="check the columns i1 and ost of the data",
        )
