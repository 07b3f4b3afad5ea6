"""Fits to recordings: from a benchmark to a file, and from the file to a score on held-out images."""

import json
from dataclasses import replace

import fitted
import numpy as np
import pytest
import safetensors
import torch

from brainbench.core.errors import InputError, NotApplicableError, UnknownNameError
from brainbench.run.variants import named_variant, with_metric
from brainbench.scoring.fitted_models import held_out_folds, units_of
from brainbench.scoring.pipeline import score
from brainbench.scoring.regression.predictivity import Predictivity
from brainbench.storage.claims import Claims
from brainbench.training import fit as fits
from brainbench.training.fitted_files import fitted_in, read_fitted
from brainbench.training.population import population_of
from brainbench_models.recurrent_v1.fitter import FITTER, RecurrentV1Task
from brainbench_models.recurrent_v1.models import FittedRates, fitted_model

FILMS = np.repeat([f"film{k}" for k in range(10)], 12)


def run(given, folder, **options):
    return fits.fit(FITTER, fitted.context(given), fitted.config(**options), folder=folder)


def test_the_score_of_the_file_is_the_figure_of_the_fit(one_fit, cache_folder):
    given, done = one_fit

    result = score(fitted.units(given), fitted_model(done.path))

    assert result.value == pytest.approx(done.file.figures["test"]["cc_norm2"], rel=1e-5)
    assert result.value > 0.3
    assert any("quick" in note for note in result.record.notes)


def test_only_held_out_images_are_scored(one_fit, cache_folder):
    given, done = one_fit
    held_out = set(done.file.fitted_to.folds[0])

    result = score(fitted.units(given), fitted_model(done.path))

    assert len(held_out) == 24
    assert set(result.predictions.stimulus_id.values) == held_out
    assert result.figures["test_images"] == [24]


def test_predictions_of_training_images_do_not_count(one_fit, cache_folder):
    """Responses to images of the training set may be anything."""
    given, done = one_fit
    model = fitted_model(done.path)
    held_out = set(done.file.fitted_to.folds[0])

    class Wrong(FittedRates):
        def activations(self, stimuli, layers, presentation):
            (layer,) = layers
            values = model.activations(stimuli, layers, presentation)[layer].load()
            is_training = [name not in held_out for name in stimuli.ids]
            values[is_training] = np.random.default_rng(0).random(values[is_training].shape)
            return {layer: values}

    wrong = Wrong(fits=model.fits, fitted_to=model.fitted_to)

    assert score(fitted.units(given), wrong).value == pytest.approx(
        score(fitted.units(given), model).value, rel=1e-9
    )


def test_other_measures_and_other_data_are_refused_by_name(one_fit, cache_folder):
    given, done = one_fit
    model = fitted_model(done.path)
    pls = replace(
        fitted.benchmark(given), identifier="Tiny.V1-pls", measure=Predictivity(n_components=2)
    )
    changed = fitted.data(seed=9)

    for declared in (fitted.benchmark(given), pls):
        with pytest.raises(NotApplicableError, match=r"fitted to 4 neurons of Tiny"):
            score(declared, model)
    with pytest.raises(NotApplicableError, match="version"):
        score(fitted.units(changed), model)
    with pytest.raises(NotApplicableError, match="Other V1"):
        score(fitted.units(fitted.data(name="Other")), model)
    few = np.array(done.file.fitted_to.folds[0][:2])
    with pytest.raises(InputError, match="2 of the 24 images held out of fit 0"):
        held_out_folds(done.file.fitted_to, few, label="Tiny")
    with pytest.raises(InputError, match="x7"):
        units_of(done.file.fitted_to, np.array(["n0", "x7"]), label="Tiny")


@pytest.mark.slow
def test_films_rotate_and_each_is_predicted_by_the_fit_it_was_held_out_of(
    tmp_path, cache_folder, short
):
    given = fitted.data(films=FILMS)

    done = run(given, tmp_path)
    result = score(fitted.units(given), fitted_model(done.path))

    folds = done.file.fitted_to.folds
    assert [len(fold) for fold in folds] == [24] * 5
    assert len(done.file.weights) == 5
    film_of = dict(zip(given.pictures.ids, FILMS, strict=True))
    assert [len({film_of[name] for name in fold}) for fold in folds] == [2] * 5
    assert set().union(*folds) == set(given.pictures.ids)
    assert result.value == pytest.approx(done.file.figures["test"]["cc_norm2"], rel=1e-5)
    assert len(result.figures["by_group"]) == 10  # the interval is over films
    assert result.ci is not None


def test_populations_with_the_same_pictures_share_a_model(tmp_path, cache_folder, short):
    shown = fitted.pictures()
    rates = fitted.rates_of(shown, 6)
    given = fitted.Sessions(
        one=fitted.recorded(rates[:, :4], shown, prefix="a"),
        two=fitted.recorded(rates[:, 4:], shown, prefix="b", n_trials=5),
    )

    done = run(given, tmp_path)
    result = score(fitted.units(given), fitted_model(done.path))

    assert done.file.fitted_to.neuroid_ids == ("a0", "a1", "a2", "a3", "b0", "b1")
    assert result.value == pytest.approx(done.file.figures["test"]["cc_norm2"], rel=1e-5)
    assert result.n_units + result.n_excluded == 6


def test_sessions_with_other_pictures_are_refused_or_chosen(tmp_path, short):
    given = fitted.Sessions(
        one=fitted.data(prefix="a"),
        two=fitted.recorded(
            fitted.rates_of(fitted.pictures(seed=5)), fitted.pictures(seed=5), prefix="b"
        ),
    )

    with pytest.raises(InputError, match=r"one, two .* pictures differ"):
        run(given, tmp_path)
    with pytest.raises(UnknownNameError, match="three"):
        run(given, tmp_path, sessions="three")
    assert run(given, tmp_path, sessions="two").file.fitted_to.neuroid_ids[0] == "b0"


def test_the_same_call_finds_its_file_and_another_seed_makes_another(tmp_path, short):
    given = fitted.data()
    first = run(given, tmp_path)

    again, other = run(given, tmp_path), run(given, tmp_path, seed=1)

    assert first.is_new
    assert not again.is_new
    assert again.path == first.path
    assert other.path != first.path
    assert [path for path, _ in fitted_in(tmp_path)] == sorted([first.path, other.path])
    assert not list(tmp_path.glob("*.checkpoint"))
    assert not list((tmp_path / "claims").iterdir())
    first.path.unlink()
    with Claims(tmp_path / "claims", choose="").claim(first.path.stem):  # another process is at it
        context, config = fitted.context(given), fitted.config()
        assert fits.fit_unless_claimed(FITTER, context, config, folder=tmp_path) is None


@pytest.mark.slow
def test_the_same_seed_gives_the_same_file(tmp_path, short):
    given = fitted.data()
    files = [run(given, tmp_path / name).file for name in ("a", "b")]

    for key, weights in files[0].weights[0].items():
        assert weights.equal(files[1].weights[0][key])


def test_a_fit_that_is_stopped_is_resumed_to_the_same_weights(tmp_path, short, monkeypatch):
    given, whole_loss = fitted.data(), RecurrentV1Task.loss
    whole = run(given, tmp_path / "whole").file.weights[0]
    calls = iter(range(1000))

    def stopping(task, rows):
        if next(calls) == 13:
            raise KeyboardInterrupt
        return whole_loss(task, rows)

    monkeypatch.setattr(RecurrentV1Task, "loss", stopping)
    with pytest.raises(KeyboardInterrupt):
        run(given, tmp_path / "stopped")
    assert len(list((tmp_path / "stopped").glob("*.checkpoint"))) == 1
    resumed = run(given, tmp_path / "stopped").file.weights[0]

    assert next(calls) == 24  # the first check is at 10, so that steps 11 to 20 are taken again
    assert whole.keys() == resumed.keys()
    assert all(whole[key].equal(resumed[key]) for key in whole)


def test_a_file_is_safetensors_with_its_configuration(one_fit):
    _, done = one_fit

    with safetensors.safe_open(done.path, framework="pt") as stream:
        header = json.loads(stream.metadata()["fit"])

    assert header["config"]["channels"] == 8
    assert header["config"]["schedule"] == "quick"
    assert header["figures"]["parameters"] == FITTER_PARAMETERS
    assert header["figures"]["images"] == [{"train": 76, "validate": 20, "test": 24}]


FITTER_PARAMETERS = 1850 + 2 * 8 * 0 + 4 * (16 + 8 + 1)
"""Of 8 channels, one recurrent block, T = 2 (as many normalizations as two blocks), 4 x 4 places."""


@pytest.mark.parametrize(("given", "scaled"), [(0.5, True), (2.0, True), (None, False)])
def test_responses_are_divided_by_the_mean_of_each_neuron(given, scaled):
    population = population_of(fitted.context(fitted.data(n=40)))
    config = fitted.config(mean_response=given)

    responses = FITTER.prepare(config, population, torch.device("cpu")).responses.numpy()

    expected = population.responses
    if scaled:
        expected = given * expected / expected.mean(axis=0)
    np.testing.assert_allclose(responses, expected, rtol=1e-6)


@pytest.mark.slow
def test_a_fraction_of_the_training_images_leaves_the_others_alone(tmp_path, short):
    given = fitted.data()

    quarter, whole = run(given, tmp_path, fraction=0.25), run(given, tmp_path)

    assert quarter.file.figures["images"][0] == {"train": 19, "validate": 20, "test": 24}
    assert quarter.file.fitted_to == whole.file.fitted_to


def test_neurons_that_cannot_be_fitted_are_named_and_can_be_left_out(tmp_path, cache_folder, short):
    shown = fitted.pictures()
    rates = fitted.rates_of(shown)
    trials = np.random.default_rng(2).poisson(rates, (4, *rates.shape)).astype(float)
    trials[:, :, 1] = 3.0
    given = fitted.recorded(rates, shown)
    silent = given.regions["V1"].copy(data=trials)
    given = replace(given, regions={"V1": silent})

    with pytest.raises(InputError, match=r"1 of 4 neurons .* same response .* n1"):
        run(given, tmp_path)
    done = run(given, tmp_path, leave_out="n1")
    result = score(fitted.units(given), fitted_model(done.path))

    assert done.file.fitted == (0, 2, 3)
    assert len(done.file.fitted_to.neuroid_ids) == 4
    assert result.n_units == 3
    with pytest.raises(UnknownNameError, match="n9"):
        run(given, tmp_path, leave_out=["n9"])


def test_a_neuron_with_a_mean_of_zero_is_named(tmp_path, short):
    given = fitted.data()
    values = given.regions["V1"].values.copy()
    values[:, :, 2] -= values[:, :, 2].mean()
    given = replace(given, regions={"V1": given.regions["V1"].copy(data=values)})

    with pytest.raises(InputError, match=r"mean response that is not above 0: n2"):
        run(given, tmp_path)


@pytest.mark.parametrize(
    ("given", "options", "error", "named"),
    [
        ({"n": 24}, {}, InputError, "24 images"),
        ({}, {"side": 8}, InputError, "9 x 9"),
        ({}, {"side": 40}, InputError, "20 x 20 pixels"),
        ({}, {"crop": 10}, InputError, "crop of 10"),
        ({}, {"iterations": 0}, InputError, "iterations=0"),
        ({}, {"mode": "mid-avg"}, InputError, "mid-avg"),
        ({}, {"schedule": "slow"}, UnknownNameError, "slow"),
        ({}, {"depth": 3}, InputError, "depth"),
        ({}, {"channels": "many"}, InputError, "many"),
        ({}, {"removed": "1"}, InputError, "multipath"),
        ({}, {"fraction": 2.0}, InputError, "fraction of 2.0"),
    ],
)
def test_bad_input_is_named(tmp_path, given, options, error, named):
    with pytest.raises(error, match=named):
        run(fitted.data(**given), tmp_path, **options)


def test_a_benchmark_without_explainable_variance_is_refused(tmp_path):
    given = fitted.data()
    context = fitted.context(given)
    pls = replace(context.benchmark, measure=Predictivity())

    with pytest.raises(InputError, match="Predictivity"):
        fits.fit(FITTER, replace(context, benchmark=pls), fitted.config(), folder=tmp_path)


def test_other_files_are_no_fitted_models(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        read_fitted(tmp_path / "absent.safetensors")
    path = tmp_path / "weights.safetensors"
    from safetensors.torch import save_file

    save_file({"a": torch.ones(2)}, path)
    with pytest.raises(InputError, match="has not written"):
        fitted_model(path)


def test_a_multipath_model_is_fitted_like_the_recurrent_one(tmp_path, cache_folder, short):
    given = fitted.data()

    done = run(given, tmp_path, multipath=True, removed="1")
    result = score(fitted.units(given), fitted_model(done.path))

    assert done.file.config["removed"] == [1]
    assert result.value == pytest.approx(done.file.figures["test"]["cc_norm2"], rel=1e-5)


def test_units_are_a_variant_of_benchmarks_of_explainable_variance():
    (declared,) = named_variant("Simulated.V1-ccnorm2+units")

    assert declared.identifier == "Simulated.V1-ccnorm2+units"
    assert declared.measure.metric == "units"
    with pytest.raises(InputError, match="units"):
        with_metric([replace(declared, measure=Predictivity())], "units")
