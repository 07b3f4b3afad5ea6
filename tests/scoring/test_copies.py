"""Equal pictures under two ids: what a score of them is, and what its record says."""

from dataclasses import replace

import numpy as np
import pytest
from known import benchmark, brain, model_of

from brainbench.core import stimuli
from brainbench.core.settings import Settings
from brainbench.metrics.linear import ridge
from brainbench.scoring.pipeline import score as score_model
from brainbench.scoring.regression.explained_variance import ExplainableVariance
from brainbench.scoring.regression.predictivity import Predictivity
from brainbench.scoring.similarity.measure import Similarity

PICTURES = 30


def shown_twice(seed, n=PICTURES):
    """Random responses to n pictures, each under two ids with its own noise, and random features."""
    rng = np.random.default_rng(seed)
    signal = np.tile(rng.standard_normal((n, 8)), (2, 1))
    data = brain(None, trials=signal + 0.2 * rng.standard_normal((4, 2 * n, 8)), objects=False)
    half = rng.integers(0, 256, (n, 4, 4, 3), dtype=np.uint8)
    ids = data.pictures.ids
    pictures = stimuli.from_arrays("twice", np.concatenate([half, half]), ids=ids)
    return replace(data, pictures=pictures), np.tile(rng.standard_normal((n, 40)), (2, 1))


def value_of(measure, *, seed=0, **options):
    data, X = shown_twice(seed)
    declared = replace(benchmark(data), measure=measure)
    return score_model(declared, model_of(data, X), Settings(**options))


def test_a_random_brain_is_not_predicted_from_copies():
    measure = Predictivity(metric="ridge", n_pca=None, n_splits=10)
    values = [value_of(measure, seed=seed).value for seed in range(4)]
    assert abs(np.mean(values)) < 0.2
    assert value_of(measure, protocol="brainscore", formula="raw").value > 0.8


def test_signed_explained_variance_is_not_raised_by_copies():
    measure = ExplainableVariance(metric="ridge-cv", n_splits=5)
    assert value_of(measure).value < 0.3


def test_a_penalty_is_chosen_by_leaving_out_both_copies():
    data, X = shown_twice(0)
    declared = replace(benchmark(data), measure=Predictivity(metric="ridge-cv"))
    held_out = score_model(declared, model_of(data, X)).predictions
    ids = list(data.pictures.ids)
    rows = np.array([ids.index(name) for name in held_out.stimulus_id.values])
    pictures, Y = np.tile(np.arange(PICTURES), 2), data.regions["IT"].values.mean(axis=0)
    options = {"penalties": ridge.RELATIVE, "relative": True, "per_neuroid": True}
    for fold in np.unique(held_out.fold):
        inside = held_out.fold.values == fold
        split = [(np.setdiff1d(np.arange(2 * PICTURES), rows[inside]), rows[inside])]
        together, alone = (
            ridge.cross_fit(X, Y, split, groups=groups, **options)[0] for groups in (pictures, None)
        )
        np.testing.assert_allclose(
            held_out.predicted.values[inside], together.predicted, rtol=1e-3, atol=1e-3
        )
        assert np.median(together.penalties / alone.penalties) > 100


def test_the_record_counts_copies():
    for protocol in ("paper", "brainscore"):
        score = value_of(Predictivity(n_components=3, n_pca=None), protocol=protocol)
        assert score.record.choices["copies"] == {
            "twice": {"images": 2 * PICTURES, "pictures": PICTURES}
        }
        assert any("60 images" in note and " 30 " in note for note in score.record.notes)


def test_dissimilarities_of_equal_pictures_are_left_out():
    data, X = shown_twice(0)
    copies = data.pictures.take(range(2 * PICTURES)).copies
    once = [k for k, name in enumerate(data.pictures.ids) if name in set(copies)]
    alone = replace(
        data,
        pictures=data.pictures.take(once),
        regions={"IT": data.regions["IT"].isel(stimulus=once)},
    )
    values = [
        score_model(replace(benchmark(d), measure=Similarity(metric="rsa")), model_of(d, features))
        for d, features in ((data, X), (alone, X[once]))
    ]
    assert values[0].raw == pytest.approx(values[1].raw, abs=1e-12)
