"""Unique variance on the road from recordings and activations to a Score."""

import json
from dataclasses import replace

import numpy as np
import pytest
from known import Known, benchmark, brain, model_of
from sklearn.model_selection import StratifiedKFold

from brainbench.core.errors import InputError, NotApplicableError
from brainbench.core.model import check_model
from brainbench.core.settings import Settings
from brainbench.metrics.gram import Gram
from brainbench.metrics.linear import banded_ridge
from brainbench.scoring.context import ModelRun
from brainbench.scoring.pipeline import score as score_model
from brainbench.scoring.regression.unique_variance import UniqueVariance
from brainbench.scoring.regression.unique_variance_evaluation import PARTS

SITES = 4


def reference(data, X, name="reference", **more):
    model = model_of(data, X, name=name, digest=name, **more)
    return ModelRun(check_model(model, name=name))


def beyond(data, *references, **options):
    measure = UniqueVariance(**{"beyond": references, "n_splits": 4, **options})
    return replace(benchmark(data), measure=measure)


def world(*, of_b=1.0, n=240, p=4, noise=2.0, seed=0):
    """Sites that read two independent feature spaces, and their trials."""
    rng = np.random.default_rng(seed)
    A, B = rng.standard_normal((2, n, p))
    from_a, from_b = (X @ rng.standard_normal((p, SITES)) for X in (A, B))
    signal = from_a / from_a.std(axis=0) + of_b * from_b / from_b.std(axis=0)
    trials = signal + noise * rng.standard_normal((8, n, SITES))
    return A, B, trials, signal.var(axis=0) / (signal.var(axis=0) + noise**2 / 8)


# --- oracle -----------------------------------------------------------------------------------------


def test_equals_a_slow_program():
    A, B, trials, _ = world(n=80)
    data = brain(None, trials=trials)
    declared = beyond(data, reference(data, B))
    score = score_model(declared, model_of(data, A), Settings(resample="images"))
    order = np.argsort(data.pictures.ids)
    A, B, Y = A[order], B[order], trials.mean(axis=0)[order]
    objects = data.pictures.metadata["object_name"].to_numpy()[order]

    def explained(*spaces):
        residual = np.zeros_like(Y)
        folds = StratifiedKFold(4, shuffle=True, random_state=0).split(A, objects)
        for train, test in folds:
            (fit,) = banded_ridge.cross_fit(
                [Gram(*centered(X)) for X in spaces], Y, [(train, test)]
            )
            residual[test] = Y[test] - fit.predicted
        return 1 - np.square(residual).sum(axis=0) / np.square(Y - Y.mean(axis=0)).sum(axis=0)

    a, b, both = explained(A), explained(B), explained(A, B)
    by_part = dict(zip(PARTS, (a, b, both, both - b, both - a, a + b - both), strict=True))
    for name, expected in by_part.items():
        assert score.figures[name] == pytest.approx(expected.mean(), abs=1e-9)
        low, high = score.figures[f"{name}_ci"]
        assert low < expected.mean() < high
    np.testing.assert_allclose(score.per_unit, both - b, atol=1e-9)
    np.testing.assert_allclose(score.per_unit["R2_AB"], both, atol=1e-9)
    assert score.value == score.raw == score.figures["unique_A"]
    assert score.ci == tuple(score.figures["unique_A_ci"])


def centered(X):
    X = X - X.mean(axis=0)
    return X @ X.T, X.shape[1]


# --- properties -------------------------------------------------------------------------------------


def test_nothing_is_unique_beyond_the_model_itself():
    A, _, trials, _ = world(n=80)
    data = brain(None, trials=trials)
    score = score_model(beyond(data, reference(data, 3 * A + 1)), model_of(data, A))
    assert score.value == pytest.approx(0.0, abs=1e-6)
    assert score.figures["unique_B"] == pytest.approx(0.0, abs=1e-6)
    assert score.figures["shared"] == pytest.approx(score.figures["R2_A"], abs=1e-6)


def test_shares_add_up():
    A, B, trials, _ = world(n=80)
    data = brain(None, trials=trials)
    figures = score_model(beyond(data, reference(data, B + A)), model_of(data, A)).figures
    total = figures["unique_A"] + figures["unique_B"] + figures["shared"]
    assert total == pytest.approx(figures["R2_AB"])
    assert figures["unique_A"] + figures["shared"] == pytest.approx(figures["R2_A"])


def test_two_references_are_two_spaces():
    A, B, trials, _ = world(n=80)
    data = brain(None, trials=trials)
    one = score_model(beyond(data, reference(data, A), n_splits=2), model_of(data, B))
    declared = beyond(data, reference(data, A, "a"), reference(data, B, "b"), n_splits=2)
    both = score_model(declared, model_of(data, B))
    assert one.value > 0.2
    assert both.value == pytest.approx(0.0, abs=0.02)
    assert [row["model"] for row in both.record.choices["beyond"]] == ["a", "b"]


# --- truth ------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_half_of_the_signal_is_unique_where_sites_read_two_spaces_alike():
    A, B, trials, c = world(n=600)
    data = brain(None, trials=trials)
    declared = beyond(data, reference(data, B))
    score = score_model(declared, model_of(data, A), Settings(formula="r/c"))
    assert score.value == pytest.approx(0.5, abs=0.02)
    assert score.ceiling == pytest.approx(c.mean(), abs=0.01)
    assert score.value == pytest.approx(score.raw / score.ceiling)
    assert score.figures["unique_B_over_c"] == pytest.approx(0.5, abs=0.02)
    assert score.figures["R2_AB"] / score.ceiling == pytest.approx(1.0, abs=0.02)
    assert score.figures["shared"] == pytest.approx(0.0, abs=0.03)
    raw = score_model(declared, model_of(data, A))
    assert raw.figures["unique_A_over_c"] == pytest.approx(score.value)
    assert raw.ceiling == pytest.approx(score.ceiling)


def test_a_reference_that_explains_nothing_leaves_all_unique():
    A, B, trials, _ = world(of_b=0.0, n=160)
    data = brain(None, trials=trials)
    score = score_model(beyond(data, reference(data, B)), model_of(data, A))
    assert score.value == pytest.approx(score.figures["R2_A"], abs=0.03)
    weak = score_model(beyond(data, reference(data, A)), model_of(data, B))
    assert weak.value == pytest.approx(0.0, abs=0.02)  # may be negative, and is not clipped
    assert weak.value < 0


def test_shuffled_images_have_no_unique_variance():
    A, B, trials, _ = world(n=80)
    data = brain(None, trials=trials)
    asked = Settings(null="images", null_draws=9)
    null = score_model(beyond(data, reference(data, B)), model_of(data, A), asked).null
    assert null["mean"] == pytest.approx(0.0, abs=0.03)
    assert null["p"] == null["resolution"]


# --- selection, key, errors -------------------------------------------------------------------------


def test_layers_of_references_are_selected_inside_the_training_images():
    A, B, trials, _ = world(n=80)
    data = brain(None, trials=trials)
    noise = np.random.default_rng(9).standard_normal(B.shape)
    model = Known(
        responses={"noise": noise[:, :, None], "B": B[:, :, None]},
        ids=data.pictures.ids,
        areas={"IT": ["noise", "B"]},
        name="deep",
    )
    deep = ModelRun(check_model(model, name="deep"))
    asked = Settings(layers={"IT": "IT"})  # of the scored model alone
    score = score_model(beyond(data, deep), model_of(data, A), asked)
    (row,) = score.record.choices["beyond"]
    assert (row["layer"], score.selection.layer) == ("B", "IT")
    plain = score_model(beyond(data, reference(data, B)), model_of(data, A))
    assert score.value == pytest.approx(plain.value, abs=1e-9)


def test_the_key_follows_the_references():
    A, _, trials, _ = world(n=80)
    data = brain(None, trials=trials)
    configs = [
        UniqueVariance(beyond=(reference(data, A, name),)).config() for name in ("a", "a", "b")
    ]
    assert configs[0] == configs[1] != configs[2]
    assert json.loads(json.dumps(configs[0])) == configs[0]


@pytest.mark.parametrize("formula", ["r2/c", "r/sqrt(c)", "clip(r/c)"])
def test_a_share_of_variance_is_not_a_correlation(formula):
    A, B, trials, _ = world(n=80)
    data = brain(None, trials=trials)
    with pytest.raises(NotApplicableError) as caught:
        score_model(beyond(data, reference(data, B)), model_of(data, A), Settings(formula=formula))
    assert formula in caught.value.got


def test_references_that_cannot_be_used():
    A, B, trials, _ = world(n=80)
    data = brain(None, trials=trials)
    for given in ((), (reference(data, A), reference(data, B))):
        with pytest.raises(InputError):
            UniqueVariance(beyond=given)
    model = Known(
        responses={"IT": B[:, :, None]}, ids=data.pictures.ids, areas={"V1": ["IT"]}, name="v1"
    )
    elsewhere = ModelRun(check_model(model, name="v1"))
    with pytest.raises(NotApplicableError, match="v1"):
        score_model(beyond(data, elsewhere), model_of(data, A))
    asked = Settings(protocol="brainscore")
    with pytest.raises(NotApplicableError, match="brainscore"):
        score_model(beyond(data, reference(data, B)), model_of(data, A), asked)
    still = reference(data, np.ones_like(B))
    with pytest.raises(InputError, match="responds the same"):
        score_model(beyond(data, still), model_of(data, A))
