"""What subjects were asked about: whether some of the images leave enough of it for a figure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from brainbench.core.stimuli import StimulusSet
from brainbench.metrics.array_types import AnyArray, IntArray
from brainbench.metrics.behavior.i2n import FalseAlarms


@dataclass(frozen=True, kw_only=True, eq=False)
class Asked:
    """Cells of images that subjects were asked about, and how many must be left.

    Parameters
    ----------
    image : array of str, cell
        Image of each cell.
    within : array of int, cell
        Cells that are compared with each other, less their mean: k images leave k - 1 comparisons.
    least : int
        Comparisons that a figure needs.
    words : str
        The same, for the message.
    needs, gives : array of int, cell, optional
        A cell counts where another one in use gives what it needs, such as false alarms.
    """

    image: AnyArray
    within: IntArray
    least: int
    words: str
    needs: IntArray | None = None
    gives: IntArray | None = None

    def enough(self, stimuli: StimulusSet) -> bool:
        """Return whether enough comparisons are left among some of the images."""
        used = np.isin(self.image, np.asarray(stimuli.ids))
        if self.needs is not None and self.gives is not None:
            used &= np.isin(self.needs, self.gives[used])
        cells = pd.DataFrame({"within": self.within, "image": self.image})[used].drop_duplicates()
        return int((cells["within"].value_counts() - 1).sum()) >= self.least

    def n_images(self, stimuli: StimulusSet) -> int:
        """Return how many of some images anything was asked about."""
        return int(np.isin(np.asarray(stimuli.ids), self.image).sum())


def asked_in_trials(table: pd.DataFrame, *, false_alarms: FalseAlarms, pooled: bool) -> Asked:
    """Return the cells (image, distractor) of trials; d' is pooled, or less the mean of a pair of objects."""
    cells = table[["stimulus_id", "truth", "distractor"]].astype(str).drop_duplicates()
    names = np.unique(cells[["truth", "distractor"]].to_numpy(str))
    truth, other = (
        np.searchsorted(names, cells[column].to_numpy(str)) for column in ("truth", "distractor")
    )
    pair, reverse = truth * len(names) + other, other * len(names) + truth
    of_all = false_alarms == "paper"
    return Asked(
        image=cells["stimulus_id"].to_numpy(str),
        within=np.zeros(len(cells), dtype=np.intp) if pooled else pair,
        least=2,
        words="trials on three images"
        if pooled
        else "trials with one distractor on three images of an object, or with two on two images",
        needs=truth if of_all else pair,
        gives=other if of_all else reverse,
    )


def asked_for_answers(table: pd.DataFrame, *, by_category: bool) -> Asked:
    """Return the images with an answer; shares of answers less the mean of a category, or right and wrong."""
    given = table[table["choice"].notna() & (table["choice"] != "")]
    cells = given[["stimulus_id", "truth"]].astype(str).drop_duplicates()
    codes = pd.factorize(cells["truth"])[0] if by_category else np.zeros(len(cells), dtype=np.intp)
    return Asked(
        image=cells["stimulus_id"].to_numpy(str),
        within=np.asarray(codes, dtype=np.intp),
        least=2 if by_category else 1,
        words="answers to three images of a category, or to two of each of two"
        if by_category
        else "answers to two images",
    )
