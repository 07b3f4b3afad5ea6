"""Reverse predictivity passes the tests that all measures share, under both protocols."""

from dataclasses import replace
from typing import ClassVar

import numpy as np
import pytest
from known import benchmark as predictivity
from linear_sites import correlation, linear_data
from measure_tester import MeasureTester

from brainbench.scoring.regression.reverse import ReversePredictivity
from brainbench.stats.ceiling import halves_by_image


@pytest.mark.slow
class TestReversePredictivity(MeasureTester):
    formulas = ("raw",)
    has_floor = has_ceiling = False

    def case(self, *, trials=True):
        data, model = linear_data(trials=trials)
        measure = ReversePredictivity(n_components=3, n_splits=4)
        return replace(predictivity(data), measure=measure), model

    def repeated(self, evaluation, counts):
        (fit,) = evaluation.fits
        ((units, _), *_) = fit.chosen
        medians = []
        for fold, predicted in zip(fit.folds, fit.predicted(fit.target.responses), strict=True):
            pair = (
                np.repeat(values, counts[fold.test], axis=0)
                for values in (predicted, units.values[fold.test])
            )
            medians.append(np.median(correlation(*pair)))
        return np.mean(medians), self.ceiling(fit, counts)

    def ceiling(self, fit, counts):
        return np.nan


@pytest.mark.slow
class TestReversePredictivityOfBrainScore(TestReversePredictivity):
    settings: ClassVar = {"protocol": "brainscore"}
    formulas = ("raw", "r2/c")
    has_ceiling = True

    def ceiling(self, fit, counts):
        consistency = []
        for halves in zip(*halves_by_image(fit.target.trials), strict=True):
            r = np.array(correlation(*(np.repeat(half, counts, axis=0) for half in halves)))
            consistency.append(np.median(2 * r / (1 + r)))
        return np.mean(consistency)
