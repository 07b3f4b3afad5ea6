"""The choice of a layer and step inside the training images."""

import contextlib
from dataclasses import dataclass

import numpy as np
import pytest
from known import Known, benchmark, brain
from sklearn.cross_decomposition import PLSRegression
from sklearn.decomposition import PCA
from sklearn.model_selection import KFold

from brainbench.core import progress
from brainbench.core.errors import InputError
from brainbench.core.settings import Settings
from brainbench.metrics.gram import gram
from brainbench.scoring.pipeline import score as score_model
from brainbench.scoring.regression.linear_maps import LinearMap
from brainbench.scoring.regression.nested_selection import select
from brainbench.stats.splits import Split, paper

N, P, SITES = 80, 8, 5
IDS = [f"image{k:03d}" for k in range(N)]
PLS = LinearMap(n_components=3)


@dataclass(frozen=True)
class Named:
    """A candidate that has nothing but a name."""

    layer: str
    step: None = None

    @property
    def label(self):
        return {"layer": self.layer}


def choose(features, Y, splits, linear_map=PLS):
    candidates = [Named(f"layer{k}") for k in range(len(features))]
    return select(
        candidates, features, Y, splits, linear_map, ids=IDS, strata=None, n_folds=5, seed=0
    )


@pytest.fixture
def material():
    """Features of three layers, of which the second drives the responses, and splits."""
    rng = np.random.default_rng(7)
    layers = list(rng.standard_normal((3, N, P)))
    Y = layers[1] @ rng.standard_normal((P, SITES)) + 2.0 * rng.standard_normal((N, SITES))
    return layers, Y, paper(IDS, n_splits=5)


def test_the_layer_that_drives_the_responses_is_chosen_in_every_split(material):
    layers, Y, splits = material
    choice = choose([gram(X) for X in layers], Y, splits)
    assert choice.best.tolist() == [1] * 5
    assert (choice.scores[:, 1] > choice.scores[:, [0, 2]].max(axis=1) + 0.3).all()


def test_scores_are_those_of_a_slow_program_of_scikit_learn(material):
    layers, Y, splits = material
    choice = choose([gram(X) for X in layers], Y, splits)
    for k, split in enumerate(splits):
        for j, X in enumerate(layers):
            r = []
            folds = KFold(5, shuffle=True, random_state=0).split(split.train)
            for fit_on, held_out in folds:
                fit, test = split.train[fit_on], split.train[held_out]
                for site in range(SITES):
                    pls = PLSRegression(3, scale=False).fit(X[fit], Y[fit, site])
                    r.append(np.corrcoef(pls.predict(X[test]).ravel(), Y[test, site])[0, 1])
            slow = np.median(np.reshape(r, (5, SITES)).mean(axis=0))
            assert choice.scores[k, j] == pytest.approx(slow, abs=1e-9)


def test_no_held_out_image_takes_part_neither_its_features_nor_its_responses(material):
    layers, Y, splits = material
    kept = choose([gram(X) for X in layers], Y, splits)
    rng = np.random.default_rng(1)
    for k, split in enumerate(splits):
        others = [X.copy() for X in layers]
        for X in others:
            X[split.test] = 50.0 * rng.standard_normal((len(split.test), P))
        changed = Y.copy()
        changed[split.test] = others[0][split.test, :SITES]
        again = choose([gram(X) for X in others], changed, [split])
        np.testing.assert_allclose(again.scores[0], kept.scores[k], atol=1e-9)
        # The same change of training images does change the scores: the test could fail.
        swapped = Split(np.setdiff1d(np.arange(N), splits[k - 1].test), splits[k - 1].test)
        seen = choose([gram(X) for X in others], changed, [swapped])
        assert np.abs(seen.scores[0] - kept.scores[k - 1]).max() > 0.01


def test_components_are_those_of_the_training_images_of_each_inner_fold(material):
    layers, Y, splits = material
    few = LinearMap(n_components=3, n_pca=4)
    choice = choose([gram(X) for X in layers], Y, splits[:1], few)
    (train, _), X = splits[0], layers[1]
    r = []
    for fit_on, held_out in KFold(5, shuffle=True, random_state=0).split(train):
        fit, test = train[fit_on], train[held_out]
        components = PCA(4, svd_solver="full").fit(X[fit])
        Z, shown = components.transform(X[fit]), components.transform(X[test])
        for y in Y.T:
            pls = PLSRegression(3, scale=False).fit(Z, y[fit])
            r.append(np.corrcoef(pls.predict(shown).ravel(), y[test])[0, 1])
    slow = np.median(np.reshape(r, (5, SITES)).mean(axis=0))
    assert choice.scores[0, 1] == pytest.approx(slow, abs=1e-9)


def test_held_out_responses_are_never_read(material):
    layers, Y, splits = material
    unread = Y.copy()
    unread[splits[0].test] = np.nan
    features = [gram(X) for X in layers]
    kept = choose(features, Y, splits[:1])
    again = choose(features, unread, splits[:1])
    np.testing.assert_array_equal(again.scores, kept.scores)


def test_features_and_their_gram_matrix_give_the_same_scores(material):
    layers, Y, splits = material
    dual = choose([gram(X) for X in layers], Y, splits)
    primal = choose(layers, Y, splits)
    np.testing.assert_allclose(primal.scores, dual.scores, atol=1e-9)


def test_more_sites_than_are_fitted_at_once_and_the_other_solver_give_the_same(material):
    layers, Y, splits = material
    rng = np.random.default_rng(5)
    many = np.hstack([Y, rng.standard_normal((N, 50))])
    exact = choose(layers, many, splits[:1])
    nipals = choose(layers, many, splits[:1], LinearMap(n_components=3, solver="nipals"))
    np.testing.assert_allclose(nipals.scores, exact.scores, atol=1e-6)


def test_one_candidate_is_taken_without_a_score(material):
    layers, Y, splits = material
    choice = choose(layers[:1], Y, splits)
    assert choice.best.tolist() == [0] * 5
    assert np.isnan(choice.scores).all()


def test_a_candidate_without_any_prediction_is_never_taken(material):
    layers, Y, splits = material
    still = np.zeros((N, P))
    choice = choose([still, layers[0]], Y, splits)
    assert np.isnan(choice.scores[:, 0]).all()
    assert choice.best.tolist() == [1] * 5


def test_too_few_training_images_for_the_inner_folds_name_both(material):
    layers, Y, _ = material
    few = [Split(np.arange(4), np.arange(4, N))]
    with pytest.raises(InputError, match="too few stimuli for 5 folds"):
        choose(layers, Y, few)


def test_progress_counts_every_candidate_of_every_split(material):
    layers, Y, splits = material
    seen = []

    class Told(progress.Silent):
        @contextlib.contextmanager
        def task(self, label, total):
            seen.append((label, total))
            yield seen.append

    with progress.use(Told()):
        choose(layers, Y, splits)
    assert seen == [("choosing among 3 layers and steps", 15), *[1] * 15]


@pytest.fixture
def offering(material):
    """Data, and a model that offers three layers to every region."""
    layers, Y, _ = material
    data = brain(Y)
    order = [data.pictures.ids.index(i) for i in data.pictures.ids]
    model = Known(
        responses={f"layer{k}": X[order][:, :, None] for k, X in enumerate(layers)},
        ids=data.pictures.ids,
        areas={"IT": ["layer0", "layer1", "layer2"]},
    )
    return data, model


def test_a_score_keeps_the_whole_curve_and_the_layer_taken(offering):
    data, model = offering
    score = score_model(benchmark(data), model)
    curve = score.selection.curve
    assert [one["layer"] for one in curve] == ["layer0", "layer1", "layer2"]
    assert [one["chosen_in_folds"] for one in curve] == [0, 10, 0]
    assert all(np.isfinite([one["inner_mean"], one["inner_sd"]]).all() for one in curve)
    assert all(one["inner_sd"] > 0 for one in curve)
    assert score.selection.layer == "layer1"
    alone = score_model(benchmark(data), model, Settings(layers={"IT": "layer1"}))
    assert score.value == pytest.approx(alone.value, abs=1e-12)
    assert alone.selection.curve[0]["inner_mean"] is None


def test_choosing_among_layers_of_noise_does_not_raise_the_score():
    """A choice by the held-out images would take the luckiest of 12 layers in each fold."""
    rng = np.random.default_rng(11)
    data = brain(rng.standard_normal((N, 20)))
    names = [f"noise{k}" for k in range(12)]
    model = Known(
        responses={name: rng.standard_normal((N, P, 1)) for name in names},
        ids=data.pictures.ids,
        areas={"IT": names},
    )
    assert abs(score_model(benchmark(data), model).value) < 0.08


def test_a_committed_area_is_used_as_it_is(offering):
    data, model = offering
    committed = Known(**{**vars(model), "areas": {"IT": ["layer0"]}})
    score = score_model(benchmark(data), committed)
    assert (score.selection.layer, len(score.selection.curve)) == ("layer0", 1)
