"""Data sets of subjects: choices between two objects or among all, and solution times; their benchmarks."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest

from brainbench.core import stimuli
from brainbench.core.benchmark import Benchmark
from brainbench.core.errors import InputError
from brainbench.core.model import BEHAVIOR
from brainbench.core.presentation import CONSTANT
from brainbench.data.arrays import ArrayData
from brainbench.metrics.classification.logistic_regression import ReadoutOptions
from brainbench.scoring.pipeline import score

STRONG = ReadoutOptions(C=0.1)


@dataclass(frozen=True, kw_only=True, eq=False)
class TrialData(ArrayData):
    """Pictures with a table of choices between two objects."""

    table: pd.DataFrame

    def trials(self):
        return self.table


@dataclass(frozen=True, kw_only=True, eq=False)
class AnswerData(ArrayData):
    """Pictures with a table of answers among all categories."""

    table: pd.DataFrame

    def category_responses(self):
        return self.table


@dataclass(frozen=True, kw_only=True, eq=False)
class SolvingData(ArrayData):
    """Pictures with a table of object solution times."""

    table: pd.DataFrame

    def solution_times(self):
        return self.table


def two_way_trials(fraction, ids, objects, *, n=40, seed=0):
    """Trials of a subject that is right with the probability `fraction` in each cell, image x object."""
    rng = np.random.default_rng(seed)
    names = np.unique(objects)
    image, other = (np.repeat(one, n) for one in np.nonzero(np.isfinite(fraction)))
    right = rng.random(len(image)) < fraction[image, other]
    return pd.DataFrame(
        {
            "stimulus_id": np.array(ids)[image],
            "truth": objects[image],
            "distractor": names[other],
            "choice": np.where(right, objects[image], names[other]),
            "subject": "one",
        }
    )


def category_answers(p, ids, objects, *, n_subjects, seed=0):
    """One answer of each subject to each image, by the probabilities `p`, image x sorted object."""
    rng = np.random.default_rng(seed)
    names = np.unique(objects)
    rows = [
        pd.DataFrame(
            {
                "stimulus_id": ids,
                "truth": objects,
                "choice": names[(rng.random((len(p), 1)) > p.cumsum(axis=1)).sum(axis=1)],
                "subject": f"s{subject:02d}",
            }
        )
        for subject in range(n_subjects)
    ]
    return pd.concat(rows, ignore_index=True)


def pictures(ids, **columns):
    shown = np.random.default_rng(0).integers(0, 256, (len(ids), 4, 4, 3), dtype=np.uint8)
    return stimuli.from_arrays("known", shown, ids=ids, metadata=columns)


def behavior_benchmark(data, measure):
    return Benchmark(
        identifier="Known.behavior",
        version=1,
        data=data,
        region=BEHAVIOR,
        window=(70, 170),
        presentation=CONSTANT,
        measure=measure,
        metric="r",
        ceiling="halves",
        citation="nobody",
    )


def assert_refused(benchmark, model, *names, settings=None, error=InputError):
    """Scoring raises such an error, with these names and numbers in its text."""
    with pytest.raises(error) as caught:
        score(benchmark, model, settings)
    assert [name for name in names if str(name) not in str(caught.value)] == []
