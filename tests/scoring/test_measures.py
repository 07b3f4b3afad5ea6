"""Every measure passes the tests that all measures share."""

import importlib
import inspect
import pkgutil
import runpy
from dataclasses import replace
from functools import cache
from itertools import combinations, product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from known import Known, brain, context_of, model_of
from known import benchmark as predictivity
from linear_sites import N, corrected, correlation, halved, linear_data, repeated_rows
from measure_tester import MeasureTester
from scipy.spatial.distance import squareform
from scipy.special import softmax
from scipy.stats import norm, spearmanr
from sklearn.metrics import cohen_kappa_score
from subjects import (
    STRONG,
    AnswerData,
    SolvingData,
    TrialData,
    behavior_benchmark,
    category_answers,
    pictures,
    two_way_trials,
)

from brainbench import scoring
from brainbench.core import assembly
from brainbench.core.model import BEHAVIOR, check_model
from brainbench.core.timeline import Timeline
from brainbench.metrics.explained_variance.ccnorm import explained
from brainbench.metrics.explained_variance.signal_power import signal_power
from brainbench.scoring.behavior.choices import CategoryChoices
from brainbench.scoring.behavior.error_consistency import ErrorConsistency
from brainbench.scoring.behavior.i2n import I2n
from brainbench.scoring.behavior.shape_bias import ShapeBias
from brainbench.scoring.context import ModelRun
from brainbench.scoring.dynamics.measure import Dynamics
from brainbench.scoring.interval_and_null import drawn_images
from brainbench.scoring.measure import Measure
from brainbench.scoring.pipeline import score_context
from brainbench.scoring.regression.explained_variance import ExplainableVariance
from brainbench.scoring.regression.unique_variance import UniqueVariance
from brainbench.scoring.similarity.measure import Similarity
from brainbench.scoring.solution_times.evaluation import CONVENTION
from brainbench.scoring.solution_times.measure import SolutionTimes
from brainbench.stats.permutation import shuffles

HERE = Path(__file__).parent
ELSEWHERE = ("test_measures_of_films", "test_reverse_measure")
"""Files beside this one with testers of further measures."""


def test_every_measure_has_a_tester():
    for module in pkgutil.walk_packages(scoring.__path__, "brainbench.scoring."):
        importlib.import_module(module.name)
    measures = [one for one in concrete(Measure) if one.__module__.startswith("brainbench.")]
    modules = [globals(), *(runpy.run_path(str(HERE / f"{name}.py")) for name in ELSEWHERE)]
    testers = [one() for names in modules for name, one in names.items() if name.startswith("Test")]
    assert {type(tester.case()[0].measure) for tester in testers} == set(measures)


def concrete(cls):
    """Subclasses that can be made, of any depth."""
    below = [one for child in cls.__subclasses__() for one in concrete(child)]
    return below if inspect.isabstract(cls) else [cls, *below]


# --- linear maps -----------------------------------------------------------------------------------


class TestPredictivity(MeasureTester):
    def case(self, *, trials=True):
        data, model = linear_data(trials=trials)
        return predictivity(data), model

    def repeated(self, evaluation, counts):
        (fit,) = evaluation.fits
        r = np.array([correlation(x, y) for x, y in repeated_rows(fit, counts)])
        c = [
            corrected(correlation(*(np.repeat(half, counts, axis=0) for half in halves)))
            for halves in halved(fit.target.trials)
        ]
        return np.median(np.nanmean(r, axis=0)), np.median(c, axis=1).mean()


class TestExplainableVariance(MeasureTester):
    needs_trials = True

    def case(self, *, trials=True):
        data, model = linear_data(trials=trials)
        return replace(predictivity(data), measure=ExplainableVariance()), model

    def repeated(self, evaluation, counts):
        (fit,) = evaluation.fits
        power = signal_power(np.repeat(fit.target.trials, counts, axis=1))
        parts = [explained(x, y, power) for x, y in repeated_rows(fit, counts)]
        r = np.nanmean([part.cc_abs for part in parts], axis=0)
        return np.mean(r), np.mean(parts[0].cc_max ** 2)


@pytest.mark.slow
class TestUniqueVariance(MeasureTester):
    coverage_is_measured = False

    def case(self, *, trials=True):
        data, model = linear_data(trials=trials)
        other = np.random.default_rng(8).standard_normal((N, 3))
        reference = ModelRun(check_model(model_of(data, other, name="other"), name="other"))
        measure = UniqueVariance(beyond=(reference,), n_splits=3)
        return replace(predictivity(data), measure=measure), model

    def repeated(self, evaluation, counts):
        (partition,) = evaluation.partitions
        observed = np.repeat(partition.target.responses, counts, axis=0)
        sst = np.square(observed - observed.mean(axis=0)).sum(axis=0)
        of_b, of_both = (
            1 - np.square(np.repeat(residual, counts, axis=0)).sum(axis=0) / sst
            for residual in partition.residuals[1:]
        )
        c = [
            corrected(correlation(*(np.repeat(half, counts, axis=0) for half in halves)))
            for halves in halved(partition.target.trials)
        ]
        return np.mean(of_both - of_b), np.mean(c)

    @pytest.mark.parametrize("formula", ["raw", "r/c"])
    def test_the_formula_is_used_and_named(self, formula):
        super().test_the_formula_is_used_and_named(formula)


# --- similarity ------------------------------------------------------------------------------------


class SimilarityTester(MeasureTester):
    n_images = 60
    limit = 48
    has_units = False

    measure: Similarity

    def case(self, *, trials=True):
        data, model = linear_data(trials=trials, n_images=60, n_features=15, n_sites=20)
        return replace(predictivity(data), measure=self.measure), model

    def similarity(self, a, b, rows):
        raise NotImplementedError

    def repeated(self, evaluation, counts):
        rows, brain = np.repeat(np.arange(len(counts)), counts), evaluation.brain
        raw = self.similarity(evaluation.models[0], brain.subjects[0], rows)
        halves = [self.similarity(*pair, rows) for pair in brain.ceiling_pairs]
        return raw, corrected(halves).mean()


class TestRSA(SimilarityTester):
    measure = Similarity(metric="rsa")

    def similarity(self, a, b, rows):
        first, second = (rows[side] for side in np.triu_indices(len(rows), 1))
        pairs = first[first != second], second[first != second]
        return spearmanr(*(squareform(rdm)[pairs] for rdm in (a, b))).statistic


class TestCKA(SimilarityTester):
    measure = Similarity(metric="cka")
    n_repeated = 24

    def similarity(self, a, b, rows):
        K, L = (gram.K[np.ix_(rows, rows)] for gram in (a, b))
        across, of_k, of_l = (hsic(A, B, rows) for A, B in ((K, L), (K, K), (L, L)))
        return across / np.sqrt(of_k * of_l)


def hsic(K, L, images):
    """Mean of K_ij L_ij + K_ij L_qr - 2 K_ij L_iq over rows i, j, q, r of four different images."""
    total = n = 0
    for i, j in zip(*np.nonzero(images[:, None] != images), strict=True):
        free = (images != images[i]) & (images != images[j])
        others = L[np.ix_(free, free)]
        apart = images[free][:, None] != images[free]
        n_pairs = apart.sum()
        shared = (L[i, free] * apart.sum(axis=1)).sum()
        total += K[i, j] * (L[i, j] * n_pairs + others[apart].sum() - 2 * shared)
        n += n_pairs
    return total / n


# --- responses over time ---------------------------------------------------------------------------

BINS = [(10.0 * k, 10.0 * (k + 1)) for k in range(6)]
CLOCK = Timeline(name="steps", source="test", steps={"IT": BINS})


def over_time(data, X):
    return Known(
        responses={"IT": X},
        ids=data.pictures.ids,
        areas={"IT": ["IT"]},
        clocks={"steps": CLOCK},
        static=False,
    )


class TestDynamics(MeasureTester):
    coverage_is_measured = False  # half of the images held out

    @staticmethod
    @cache
    def moving(trials):
        """Features that move, and sites linear in them by one map for all bins."""
        rng = np.random.default_rng(5)
        X = rng.standard_normal((N, 5, len(BINS))).cumsum(axis=2)
        X[:, :, 0] *= 0.01  # a bin without reliability
        signal = np.einsum("ipt,pq->iqt", X, rng.standard_normal((5, 6)))
        noisy = signal + 4.0 * rng.standard_normal((6, *signal.shape))
        mean = None if trials else noisy.mean(axis=0)
        data = brain(mean, trials=noisy if trials else None, time=BINS)
        return data, over_time(data, X)

    def case(self, *, trials=True):
        data, model = self.moving(trials)
        measure = Dynamics(n_splits=2, n_components=5)
        return replace(predictivity(data), measure=measure, window=(0, 60)), model

    def repeated(self, evaluation, counts):
        """Medians over sites, mean over the bins that every third trial chooses; c of the others."""
        by_fold = []
        for fit, observed in zip(evaluation.fits, evaluation.observed, strict=True):
            times = counts[fit.fold.test]
            pair = (np.repeat(values, times, axis=0) for values in (fit.predicted, observed))
            by_fold.append(by_site_and_bin(*pair))
        r = np.median(np.mean(by_fold, axis=0), axis=0)
        trials = evaluation.recordings.trials[:, evaluation.held_out]
        times, every_third = counts[evaluation.held_out], np.arange(len(trials)) % 3 == 0
        medians = []
        for part in (trials[every_third], trials[~every_third]):
            by_split = [
                by_site_and_bin(*(np.repeat(half, times, axis=0) for half in halves))
                for halves in halved(part)
            ]
            half, k = np.mean(by_split, axis=0), 2 * len(trials) / len(part)
            medians.append(np.median(k * half / (1 + (k - 1) * half), axis=0))
        used, c = medians[0] >= evaluation.least_c, medians[1]
        assert not used.all()
        return r[used].mean(), c[used].mean()


def by_site_and_bin(x, y):
    r = np.empty(x.shape[1:])
    for site, k in np.ndindex(r.shape):
        r[site, k] = np.corrcoef(x[:, site, k], y[:, site, k])[0, 1]
    return r


class TestSolutionTimes(MeasureTester):
    says_least_images = False
    has_units = has_floor = False
    ceiling_without_trials = CONVENTION

    @staticmethod
    @cache
    def appearing(trials):
        """Features in which each image's object appears at a time of its own, which are also recorded."""
        rng = np.random.default_rng(0)
        onset = rng.uniform(10, 40, N)
        visible = 1 / (1 + np.exp(-(np.arange(0, 60, 10) - onset[:, None]) / 6))
        centers = 1.5 * rng.standard_normal((4, 12))[np.arange(N) % 4]
        X = centers[:, :, None] * visible[:, None] + 0.3 * rng.standard_normal((N, 12, 1))
        ids = [f"im{(7 * k) % N:03d}" for k in range(N)]
        shown = pictures(ids, object_name=[f"obj{k % 4}" for k in range(N)])
        recorded = assembly.make(
            X + 0.5 * rng.standard_normal((6, *X.shape)),
            stimulus={"stimulus_id": ids},
            neuroid={"neuroid_id": [f"site{k}" for k in range(12)]},
            repetitions=True,
            time=BINS,
            units="spikes",
        )
        table = pd.DataFrame({"stimulus_id": ids, "i1": 1.0, "ost": onset + 10})
        regions = {"IT": recorded} if trials else {}
        data = SolvingData(name="Known", pictures=shown, regions=regions, table=table)
        return data, over_time(data, X)

    def case(self, *, trials=True):
        data, model = self.appearing(trials)
        measure = SolutionTimes(decoder="converged", n_splits=5, n_halves=2)
        return replace(predictivity(data), measure=measure, window=(0, 60)), model

    def repeated(self, evaluation, counts):
        ((images, times),) = evaluation.parts
        np.testing.assert_array_equal(images, np.arange(len(counts)))
        halves = [
            rank_correlation(*pair, counts) for pair in zip(*evaluation.brain.halves, strict=True)
        ]
        return rank_correlation(times, evaluation.brain.times, counts), corrected(halves).mean()


def rank_correlation(x, y, counts):
    """Spearman correlation of repeated images that both sides solve."""
    rows = np.repeat(np.arange(len(x)), counts)
    rows = rows[np.isfinite(x[rows]) & np.isfinite(y[rows])]
    return spearmanr(x[rows], y[rows]).statistic


# --- behavior --------------------------------------------------------------------------------------


@cache
def choosing(n_images, n_objects=4):
    """Features, ids, objects, and the probabilities by which subjects choose each object."""
    rng = np.random.default_rng(4)
    truth = np.arange(n_images) % n_objects
    means = rng.standard_normal((n_objects, 8))
    X = means[truth] + rng.standard_normal((n_images, 8))
    ids = [f"im{(7 * k) % n_images:03d}" for k in range(n_images)]
    objects = np.array(["cat", "cow", "dog", "hen"])[truth]
    return X, ids, objects, softmax(X @ means.T, axis=1)


def decoding(ids, X):
    return Known(responses={"top": X[:, :, None]}, ids=ids, areas={BEHAVIOR: ["top"]})


class TestI2n(MeasureTester):
    says_least_images = False
    n_images = 48
    limit = 32
    has_units = has_floor = False

    def case(self, *, trials=True):
        X, ids, objects, p = choosing(self.n_images)
        truth = np.unique(objects, return_inverse=True)[1]
        own = p[np.arange(len(p)), truth][:, None]
        fraction = np.where(np.arange(4) == truth[:, None], np.nan, own / (own + p))
        table = two_way_trials(fraction, ids, objects, n=40 if trials else 1)
        shown = pictures(ids, object_name=objects)
        data = TrialData(name="Known", pictures=shown, regions={}, table=table)
        measure = I2n(readout=STRONG, n_splits=4, n_simulated=20)
        return behavior_benchmark(data, measure), decoding(ids, X)

    def repeated(self, evaluation, counts):
        truth, target = np.repeat(evaluation.target.truth, counts), evaluation.target

        def of(*sides):
            matrices = [specific(np.repeat(side, counts, axis=0), truth) for side in sides]
            defined = np.isfinite(matrices).all(axis=0)
            return np.corrcoef(*(matrix[defined] for matrix in matrices))[0, 1]

        # Draws take the first simulated subjects, in proportion to all.
        first = evaluation.first_simulated
        c = np.mean([of(*pair) for pair in first]) * evaluation.reached.mean()
        c = (c / evaluation.reached[: len(first)].mean()) ** 2
        return of(evaluation.fraction, target.fraction), c


def specific(fraction, truth):
    """d' by false alarms of the images of all other objects, less the mean of each pair of objects."""
    d = np.full(fraction.shape, np.nan)
    for shown in np.unique(truth):
        rows = truth == shown
        alarms = norm.ppf(np.mean(1 - fraction[~rows, shown]))
        for other in np.setdiff1d(truth, shown):
            of_pair = np.clip(norm.ppf(fraction[rows, other]) - alarms, -5, 5)
            d[rows, other] = of_pair - of_pair.mean()
    return d


class TestCategoryChoices(MeasureTester):
    says_least_images = False
    has_floor = False
    coverage_is_measured = False

    def case(self, *, trials=True):
        X, ids, objects, p = choosing(self.n_images)
        table = category_answers(p, ids, objects, n_subjects=8 if trials else 1)
        shown = pictures(ids, object_name=objects)
        data = AnswerData(name="Known", pictures=shown, regions={}, table=table)
        measure = CategoryChoices(readout=STRONG, n_splits=4)
        return behavior_benchmark(data, measure), decoding(ids, X)

    def repeated(self, evaluation, counts):
        truth, target = np.repeat(evaluation.truth, counts), evaluation.target

        def of(*sides):
            repeated = [np.repeat(side, counts, axis=0) for side in sides]
            for side, category in product(repeated, np.unique(truth)):
                side[truth == category] -= side[truth == category].mean(axis=0)
            return np.corrcoef(*(side.ravel() for side in repeated))[0, 1]

        halves = [[answers(target.counts[half]) for half in pair] for pair in target.halves]
        c = corrected([of(*pair) for pair in halves])
        return of(evaluation.readout.probabilities, target.share), c.mean()


class TestErrorConsistency(MeasureTester):
    says_least_images = False
    """Under `brainscore`, which divides; `paper` has no ceiling, see tests/scoring/behavior."""

    has_floor = False
    coverage_is_measured = False

    def case(self, *, trials=True):
        X, ids, objects, p = choosing(self.n_images)
        table = category_answers(p, ids, objects, n_subjects=8 if trials else 1)
        shown = pictures(ids, object_name=objects)
        data = AnswerData(name="Known", pictures=shown, regions={}, table=table)
        measure = ErrorConsistency(readout=STRONG, n_splits=4)
        return behavior_benchmark(data, measure), decoding(ids, X)

    def score(self, **chosen):
        return super().score(**{"protocol": "brainscore", **chosen})

    def evaluation(self, **chosen):
        return super().evaluation(**{"protocol": "brainscore", **chosen})

    def test_the_formula_of_the_run_goes_before_that_of_the_benchmark(self):
        benchmark, model = self.case()
        declared = replace(benchmark, measure=replace(benchmark.measure, formula="r/c"))
        own = score_context(context_of(declared, model, protocol="brainscore"))
        asked = self.score(formula="r/c")
        assert (own.formula, own.value, own.ci) == ("r/c-v1", asked.value, asked.ci)

    def repeated(self, evaluation, counts):
        right = np.repeat(evaluation.target.correct, counts, axis=1)
        own = np.repeat(evaluation.correct, counts)
        pairs = [cohen_kappa_score(*pair) for pair in combinations(right, 2)]
        return abs(np.mean([cohen_kappa_score(own, one) for one in right])), abs(np.mean(pairs))


class TestShapeBias(MeasureTester):
    says_least_images = False
    has_ceiling = has_floor = False
    formulas = ("raw",)
    coverage_is_measured = False

    def case(self, *, trials=True):
        X, ids, objects, p = choosing(self.n_images)
        table = category_answers(p, ids, objects, n_subjects=8 if trials else 1)
        number = np.arange(self.n_images) // 4
        texture = np.roll(np.unique(objects), 1)[(np.arange(self.n_images) + number % 3) % 4]
        shown = pictures(
            ids,
            object_name=objects,
            texture=texture,
            exemplar=[f"{name}{k}" for name, k in zip(objects, number, strict=True)],
            texture_exemplar=[f"{name}{k % 5}" for name, k in zip(texture, number, strict=True)],
        )
        data = AnswerData(name="Known", pictures=shown, regions={}, table=table)
        return behavior_benchmark(data, ShapeBias(readout=STRONG)), decoding(ids, X)

    def repeated(self, evaluation, counts):
        rows = np.repeat(np.arange(self.n_images), counts)
        rows = rows[np.isin(rows, evaluation.conflicts.rows)]
        own = evaluation.readout.probabilities[rows].argmax(axis=1)
        names = evaluation.target.images.classes[own]
        by_shape = (names == evaluation.target.images.labels[rows]).sum()
        by_texture = (names == evaluation.conflicts.textures[rows]).sum()
        return by_shape / (by_shape + by_texture), np.nan

    def test_draws_are_figures_of_the_images_that_all_measures_draw(self):
        """Photographs are drawn, as by every measure that holds them out together."""
        score, evaluation = self.score(resample="images", seed=4), self.evaluation(seed=4)
        counts = drawn_images(evaluation, n_draws=1000, seed=4)[:5]
        moved = score.draws[:5] - evaluation.figure(counts).value("raw")
        np.testing.assert_allclose(moved, moved[0], atol=1e-9)

    def test_groups_are_held_out_drawn_and_exchanged_whole(self):
        """Images of a group may be asked by different read-outs: none was fitted to an image of the group."""
        films = np.arange(self.n_images) // 8
        evaluation = self.evaluation(films=films, groups="film", null="images")
        shown = evaluation.target.images.stimuli
        of_image = shown.metadata.film.to_numpy()
        for train, test in evaluation.conflicts.folds():
            assert not set(of_image[train]) & set(of_image[test])
        counts = drawn_images(evaluation, n_draws=5, seed=0)
        for film in set(films):
            drawn = counts[:, of_image == film]
            np.testing.assert_array_equal(drawn, np.repeat(drawn[:, :1], 8, axis=1))
        orders = shuffles(len(shown), groups=evaluation.material.image_sets[0].groups, n_draws=3)
        assert np.isfinite(evaluation.shuffled([orders]).value("raw")).all()


def answers(counts):
    """Share of each answer among those of some subjects, image x category."""
    return counts.sum(axis=0) / counts.sum(axis=(0, 2))[:, None]
