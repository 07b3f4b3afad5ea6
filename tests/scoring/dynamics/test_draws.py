"""Draws of images and sites, and maps to shuffled images."""

import numpy as np
import pytest
from known import brain
from over_time import BINS, SITES, TIME, N, benchmark, evaluation_of, model_of
from sklearn.model_selection import ShuffleSplit

from brainbench.core.settings import Settings
from brainbench.scoring.dynamics import evaluation as evaluation_module
from brainbench.scoring.pipeline import score


def test_draws_equal_figures_of_repeated_rows(data, model):
    """Each draw against loops over repeated rows."""
    evaluation = evaluation_of(benchmark(data, n_splits=2), model, Settings())
    counts = np.random.default_rng(2).multinomial(N, np.full(N, 1 / N), size=3).astype(float)
    drawn = evaluation.over_images(counts)
    trials = evaluation.recordings.trials
    held_out = evaluation.held_out
    parts = {"choosing": np.arange(0, 10, 3), "c": np.array([1, 2, 4, 5, 7, 8])}
    for draw, of_images in enumerate(counts.astype(int)):
        r = np.empty((2, SITES, BINS))
        for k, fit in enumerate(evaluation.fits):
            rows = np.repeat(np.arange(len(fit.fold.test)), of_images[fit.fold.test])
            x, y = fit.predicted[rows], evaluation.recordings.responses[fit.fold.test][rows]
            for site, t in np.ndindex(SITES, BINS):
                r[k, site, t] = np.corrcoef(x[:, site, t], y[:, site, t])[0, 1]
        np.testing.assert_allclose(drawn.r[draw], r.mean(axis=0), atol=1e-10)
        rows = np.repeat(np.arange(len(held_out)), of_images[held_out])
        for name, repetitions in parts.items():
            half = np.empty((10, BINS))
            splits = ShuffleSplit(10, train_size=0.5, random_state=1).split(repetitions)
            for k, pair in enumerate(splits):
                x, y = (trials[repetitions[h]][:, held_out, 0].mean(axis=0)[rows] for h in pair)
                half[k] = [np.corrcoef(x[:, t], y[:, t])[0, 1] for t in range(BINS)]
            # From halves of some trials to the mean of all.
            times, mean = 2 * 10 / len(repetitions), half.mean(axis=0)
            c = times * mean / (1 + (times - 1) * mean)
            np.testing.assert_allclose(getattr(drawn, name)[draw, 0], c, atol=1e-10)


def test_blocks_of_sites_change_no_draw(data, model, monkeypatch):
    case = benchmark(data, n_splits=2)
    at_once = evaluation_of(case, model, Settings()).figure(np.ones((7, N)))
    monkeypatch.setattr(evaluation_module, "BLOCK_BYTES", 1)
    one_by_one = evaluation_of(case, model, Settings())
    np.testing.assert_allclose(one_by_one.figure(np.ones((7, N))).raw, at_once.raw, atol=1e-12)
    np.testing.assert_allclose(at_once.raw[3], one_by_one.figure().raw[0], atol=1e-12)


def test_draws_have_the_declared_bins_alone(data, model):
    """Bins that cannot count change no draw, and are not drawn."""
    settings = Settings(formula="r/c")
    declared = evaluation_of(benchmark(data, n_splits=2, scored=(10, 40)), model, settings)
    everywhere = evaluation_of(benchmark(data, n_splits=2, scored=(0, 60)), model, settings)
    rng = np.random.default_rng(3)
    images, sites = (
        rng.multinomial(n, np.full(n, 1 / n), size=5).astype(float) for n in (N, SITES)
    )
    some, every = (one.figure(images, sites) for one in (declared, everywhere))
    assert every.weights is None
    np.testing.assert_array_equal(np.isnan(some.raw), some.weights == 0)
    for part in ("raw", "ceiling"):
        used, expected = getattr(some, part)[:, 1:4], getattr(every, part)[:, 1:4]
        np.testing.assert_allclose(used, expected, atol=1e-12)
    expected = every.raw[:, 1:4] / every.ceiling[:, 1:4]
    np.testing.assert_allclose(some.value("r/c"), expected.mean(axis=1), atol=1e-12)


@pytest.mark.parametrize(
    ("protocol", "scored", "counting"),
    [
        ("paper", None, "chosen"),
        ("paper", (10, 40), [0, 1, 1, 1, 0, 0]),
        ("brainscore", (10, 40), None),
    ],
)
def test_which_bins_count_is_decided_anew_in_each_draw(moving, protocol, scored, counting):
    """By trials that the ceiling does not use, unless they are declared or all count."""
    signal = moving[1] - moving[1].mean(axis=0)
    noise = np.random.default_rng(4).standard_normal((4, *signal.shape))
    data = brain(None, trials=signal / signal.std(axis=0) + 4.5 * noise, time=TIME)
    settings = Settings(protocol=protocol, formula="r/c")
    case = benchmark(data, n_components=3, scored=scored)
    evaluation = evaluation_of(case, model_of(data, moving[0]), settings)
    results = evaluation.over_images(np.ones((1, N)))
    counts = np.random.default_rng(0).multinomial(N, np.full(N, 1 / N), size=20).astype(float)
    figure = evaluation.figure(counts)
    if counting == "chosen":
        choosing = np.nanmedian(evaluation.over_images(counts).choosing, axis=1)
        np.testing.assert_array_equal(figure.weights, choosing >= evaluation.least_c)
        assert len(np.unique(figure.weights, axis=0)) > 1
        return
    assert results.choosing is None
    assert figure.weights is None if counting is None else (figure.weights == counting).all()


@pytest.mark.parametrize(
    ("options", "protocol"),
    [
        ({}, "paper"),
        ({"solver": "sgd", "descent": {"epochs": 1}}, "paper"),
        ({"n_components": 3}, "brainscore"),
    ],
)
def test_images_in_their_own_order_give_the_figure_itself(data, model, options, protocol):
    """Maps to shuffled images keep the penalties of the real ones, in any order of the calls."""
    settings = Settings(null="images", protocol=protocol, formula="raw")
    evaluation = evaluation_of(benchmark(data, **options), model, settings)
    own = np.arange(N)
    shuffled = evaluation.shuffled([np.stack([own, own[::-1], own])])
    figure = evaluation.figure()
    for draw in (0, 2):
        np.testing.assert_allclose(shuffled.raw[draw], figure.raw[0], atol=1e-12)
    assert (np.abs(shuffled.raw[1]) < 0.5).all()
    assert shuffled.value("raw")[0] == pytest.approx(figure.value("raw")[0], abs=1e-12)


def test_features_are_kept_for_a_null_only(data, model):
    assert not evaluation_of(benchmark(data), model, Settings()).layers
    assert len(evaluation_of(benchmark(data), model, Settings(null="images")).layers) == 4


@pytest.mark.parametrize("kind", ["images", "within-object"])
def test_null_on_request(data, model, four_quarters, kind):
    shuffled = score(benchmark(data), model, Settings(null=kind, null_draws=9))
    assert shuffled.value == four_quarters.value
    assert shuffled.null["kind"] == kind
    assert abs(shuffled.null["mean"]) < 0.2
    assert shuffled.null["p"] == shuffled.null["resolution"] == 0.1


@pytest.mark.parametrize(
    ("options", "settings"),
    [
        ({}, {"floor": 0.1}),
        ({}, {"formula": "raw"}),
        ({}, {"resample": "units"}),
        ({"n_components": 8}, {"protocol": "brainscore"}),
        ({"n_splits": 2}, {}),
        ({"solver": "sgd", "descent": {"epochs": 2}}, {}),
    ],
)
def test_an_interval_whose_coverage_was_not_measured_is_approximate(data, model, options, settings):
    assert score(benchmark(data, **options), model, Settings(**settings)).ci_approximate
