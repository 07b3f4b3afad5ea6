"""Data sets of subjects who choose between two objects or among all, with the benchmarks on them."""

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
