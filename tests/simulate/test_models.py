"""The truth of a simulated brain as models: contract, presentation, and agreement with the brain."""

import numpy as np
import pytest

import brainbench
from brainbench.core import stimuli
from brainbench.core.errors import InputError
from brainbench.core.model import BrainModel, clock_of
from brainbench.core.presentation import CONSTANT, Presentation
from brainbench.simulate import network
from brainbench.simulate.brain import SimulatedBrain
from brainbench.storage.cache import Cache
from brainbench_models.simulated import simulated_model, simulated_readout

PULSE = Presentation(kind="pulse", on_ms=100, total_ms=250)


@pytest.fixture(scope="module")
def brain(tmp_path_factory):
    n_sites = {"V1": 2, "V2": 2, "V4": 2, "IT": 3}
    folder = tmp_path_factory.mktemp("models")
    return SimulatedBrain(images_per_object=1, n_trials=2, n_sites=n_sites, cache=Cache(folder))


def model(brain, level):
    return simulated_model(level, brain, cache=brain.cache)


@pytest.mark.parametrize("name", ["simulated_readout", "simulated_population", "simulated_maps"])
def test_they_are_registered_models(name):
    loaded = brainbench.load_model(name)
    assert isinstance(loaded, BrainModel)
    assert loaded.name == name
    assert loaded.weights == "seed-0"
    assert not loaded.static
    assert set(loaded.areas) == {*network.REGIONS, "behavior"}
    assert loaded.areas["behavior"] == ("IT",)


def test_seed_is_part_of_the_name():
    assert brainbench.load_model("simulated_maps@seed-3").name == "simulated_maps@seed-3"


def test_other_weights_are_an_error():
    with pytest.raises(InputError, match=r"'imagenet'(.|\n)*seed-N"):
        simulated_readout(weights="imagenet")


@pytest.mark.parametrize("region", ["V1", "IT"])
def test_readout_is_the_truth_of_the_sites(brain, region):
    answer = model(brain, "readout").activations(brain.stimuli(), [region], PULSE)[region]
    assert answer.dims == ("stimulus", "neuroid", "time")
    np.testing.assert_allclose(answer.values, brain.truth(region).values, rtol=1e-6)


def test_population_and_maps_are_those_of_the_network(brain):
    shown = brain.stimuli()
    pictures = np.stack([shown.picture(index) for index in range(len(shown))])
    hidden = network.build_network(seed=0)
    maps = network.respond(hidden, pictures)["IT"]
    population = model(brain, "population").activations(shown, ["IT"], PULSE)["IT"]
    np.testing.assert_array_equal(population.values, network.pool(hidden, "IT", maps))
    full = model(brain, "maps").activations(shown, ["IT"], PULSE)["IT"]
    np.testing.assert_array_equal(full.values, maps.reshape(len(shown), -1, 25))
    places = np.indices(network.SHAPES["IT"]).reshape(3, -1)
    for key, values in zip(("channel", "y", "x"), places, strict=True):
        np.testing.assert_array_equal(full.coords[key].values, values)


def test_steps_are_bins_of_10_ms(brain):
    answer = model(brain, "population").activations(brain.stimuli(), ["V4"], PULSE)["V4"]
    assert answer.coords["time_start"].values.tolist() == [10.0 * k for k in range(25)]
    assert answer.coords["time_end"].values.tolist() == [10.0 * (k + 1) for k in range(25)]
    weights = clock_of(model(brain, "maps"), "paper").weights("V4", [(70, 170)], calls=25)
    np.testing.assert_allclose(weights[0], np.repeat([0.0, 0.1, 0.0], [7, 10, 8]))


def test_presentation_is_followed_and_kept_apart(brain):
    made = model(brain, "population")
    pulse = made.activations(brain.stimuli(), ["IT"], PULSE)["IT"].values
    constant = made.activations(brain.stimuli(), ["IT"], CONSTANT)["IT"].values
    np.testing.assert_array_equal(pulse[..., :19], constant[..., :19])
    assert constant[..., 24].sum() > pulse[..., 24].sum()


def test_levels_have_different_digests(brain):
    digests = {model(brain, level).digest for level in ("readout", "population", "maps")}
    other = SimulatedBrain(seed=1, cache=brain.cache)
    assert len(digests | {model(other, "maps").digest}) == 4


def test_pictures_of_other_sizes_are_resized(brain):
    noise = np.random.default_rng(0).integers(0, 256, (2, 60, 80, 3), dtype=np.uint8)
    shown = stimuli.from_arrays("noise", noise, ids=["a", "b"])
    answer = model(brain, "population").activations(shown, ["V1"], PULSE)["V1"]
    assert answer.shape == (2, 96, 25)
    assert answer.values.max() > 0.0
