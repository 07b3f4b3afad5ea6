"""One-to-one and soft matching on the road from recordings and activations to a Score."""

from dataclasses import replace

import numpy as np
import pytest
from known import Known, benchmark, brain, context_of, model_of
from scipy.optimize import linear_sum_assignment
from sklearn.model_selection import StratifiedKFold

from brainbench.core.errors import InputError
from brainbench.core.settings import Settings
from brainbench.metrics.linear import matching
from brainbench.scoring.pipeline import score as score_model
from brainbench.scoring.regression.explained_variance import ExplainableVariance
from brainbench.scoring.regression.soft_matching import SoftMatchingMap

N, SITES = 80, 6


@pytest.fixture
def copies():
    """Units, of which the first six are what the sites respond to, and trials."""
    rng = np.random.default_rng(3)
    X = rng.standard_normal((N, 9)) + rng.standard_normal((N, 1))
    return X, X[:, :SITES] + rng.standard_normal((4, N, SITES))


def slowly(X, Y, objects, *, soft):
    """Return r of each site, mean over folds, with whole matrices of correlations."""
    r = []
    for train, test in StratifiedKFold(10, shuffle=True, random_state=0).split(X, objects):
        of_training, held_out = (
            np.corrcoef(X[rows].T, Y[rows].T)[: X.shape[1], X.shape[1] :] for rows in (train, test)
        )
        if soft:
            r.append(SITES * (matching.transport(of_training) * held_out).sum(axis=0))
        else:
            units, sites = linear_sum_assignment(-of_training)
            r.append(held_out[units[np.argsort(sites)], np.arange(SITES)])
    return np.mean(r, axis=0)


@pytest.mark.parametrize("metric", ["one-to-one", "soft-matching"])
def test_equals_a_slow_program(copies, metric):
    X, trials = copies
    data = brain(None, trials=trials)
    score = score_model(benchmark(data, metric=metric), model_of(data, X))
    order = np.argsort(data.pictures.ids)
    objects = data.pictures.metadata["object_name"].to_numpy()[order]
    soft = metric == "soft-matching"
    per_site = slowly(X[order], trials.mean(axis=0)[order], objects, soft=soft)
    np.testing.assert_allclose(score.per_unit, per_site, atol=1e-9)
    assert score.value == pytest.approx(np.median(per_site))
    assert score.ci[0] < score.value < score.ci[1]
    assert score.record.choices["most_units"] == 2000
    assert score.record.choices["pca"] == "none"
    if soft:
        assert score.figures["soft_matching"] == pytest.approx(per_site.mean())


def test_a_figure_of_counts_is_that_of_repeated_images(copies):
    X, trials = copies
    data = brain(None, trials=trials)
    context = context_of(benchmark(data, metric="soft-matching"), model_of(data, X))
    measure = context.benchmark.measure
    target = measure.target(context)
    evaluation = measure.evaluate(context, target, measure.candidates(context, target))
    counts = np.random.default_rng(0).integers(0, 3, N)
    (fit,), (matches,) = evaluation.fits, evaluation.matches
    slow = []
    for match, fold, observed in zip(matches, fit.folds, fit.observed, strict=True):
        rows = np.repeat(np.arange(len(fold.test)), counts[fold.test])
        r = [
            np.corrcoef(match.units[rows, k], observed[rows, site])[0, 1]
            for k, site in enumerate(match.neuroids)
        ]
        slow.append(match.pool(np.array(r)))
    drawn = evaluation.over_images(counts[None].astype(float)).r[0]
    np.testing.assert_allclose(drawn, slow, atol=1e-9)
    (whole,) = evaluation.over_images(np.ones((1, N))).r
    np.testing.assert_allclose(whole, evaluation.r, atol=1e-9)
    own = [np.arange(N)[None]]
    np.testing.assert_allclose(evaluation.shuffled(own).raw, evaluation.figure().raw, atol=1e-9)


@pytest.mark.parametrize("metric", ["one-to-one", "soft-matching"])
def test_formula_null_protocol_and_selection(copies, metric):
    X, trials = copies
    data = brain(None, trials=trials)
    noise = np.random.default_rng(1).standard_normal(X.shape)
    model = Known(
        responses={"noise": noise[:, :, None], "units": X[:, :, None]},
        ids=data.pictures.ids,
        areas={"IT": ["noise", "units"]},
    )
    asked = Settings(formula="r/sqrt(c)", null="images", null_draws=9)
    declared = benchmark(data, metric=metric, n_splits=3, n_inner=2)
    score = score_model(declared, model, asked)
    assert score.selection.layer == "units"
    assert score.value == pytest.approx(score.raw / np.sqrt(score.ceiling))
    assert abs(score.null["mean"]) < 0.2
    assert score.null["p"] == score.null["resolution"]
    theirs = score_model(declared, model_of(data, X), Settings(protocol="brainscore"))
    assert theirs.formula == "r2/c-v1"
    assert theirs.error is not None


@pytest.mark.parametrize("metric", ["one-to-one", "soft-matching"])
def test_a_matched_unit_that_is_silent_over_held_out_images_counts_as_nothing(metric):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((N, 3))
    data = brain(X + 0.01 * rng.standard_normal((N, 3)))
    silent = X.copy()
    silent[:, 0] = np.where(X[:, 0] > np.sort(X[:, 0])[-4], X[:, 0], 0.0)  # in most folds
    score = score_model(benchmark(data, metric=metric), model_of(data, silent))
    assert score.n_units == 3
    assert score.per_unit.values[0] < 0.5
    assert score.per_unit.values[1:].min() > 0.9
    assert score.ci is not None


def test_fewer_units_than_sites(copies):
    X, trials = copies
    data = brain(None, trials=trials)
    with pytest.raises(InputError, match=r"4 units .* 6"):
        score_model(benchmark(data, metric="one-to-one"), model_of(data, X[:, :4]))
    assert score_model(benchmark(data, metric="soft-matching"), model_of(data, X[:, :4])).value > 0


def test_units_of_the_wrong_kind(copies):
    X, trials = copies
    context = context_of(benchmark(brain(None, trials=trials)), model_of(brain(X), X))
    products = context.benchmark.measure.candidates(
        context, context.benchmark.measure.target(context)
    )[0][0].gram()
    with pytest.raises(InputError, match="Gram"):
        SoftMatchingMap().predict(products, trials[0], [])


def test_explainable_variance_has_no_soft_matching(copies):
    with pytest.raises(LookupError, match="soft-matching"):
        ExplainableVariance(metric="soft-matching")
    X, trials = copies
    data = brain(None, trials=trials)
    declared = replace(benchmark(data), measure=ExplainableVariance(metric="one-to-one"))
    assert score_model(declared, model_of(data, X)).value > 0.5
