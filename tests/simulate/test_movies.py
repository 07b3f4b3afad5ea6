"""The simulated brain that sees movies: its truth, models that see the same, and who is left out."""

import numpy as np
import pytest
from convrnns import SIDE, small_net

import brainbench
from brainbench.core.benchmark import Benchmark
from brainbench.core.errors import InputError
from brainbench.core.model import check_model
from brainbench.core.presentation import CONSTANT, Presentation
from brainbench.core.settings import Settings
from brainbench.models.preprocessing import Preprocess
from brainbench.models.wrap import wrap
from brainbench.run.estimate import estimate
from brainbench.run.plan import ModelSpec, plan
from brainbench.scoring.context import Run
from brainbench.scoring.regression.predictivity import Predictivity
from brainbench.simulate import network
from brainbench.simulate.movies import N_FRAMES, SimulatedMovieBrain, passing_by, shown_in_bins
from brainbench.storage.cache import Cache
from brainbench_models.convrnn.models import clock
from brainbench_models.simulated import simulated_model

MOVIE = Presentation(kind="movie", total_ms=250)


@pytest.fixture(scope="module")
def brain(tmp_path_factory):
    folder = tmp_path_factory.mktemp("movies")
    return SimulatedMovieBrain(
        images_per_object=4,
        n_trials=4,
        n_sites={"V1": 1, "V2": 1, "V4": 1, "IT": 8},
        cache=Cache(folder),
    )


def declared(brain, **options):
    return Benchmark(
        **{
            "identifier": "Movies.IT-ridge",
            "version": 1,
            "data": brain,
            "region": "IT",
            "window": (150, 250),
            "presentation": MOVIE,
            "measure": Predictivity(metric="ridge-cv", n_pca=None, n_splits=4, n_inner=2),
            "metric": "r",
            "ceiling": "split-half",
            "citation": "nobody",
            **options,
        }
    )


def test_a_movie_of_one_picture_is_a_pulse(brain):
    hidden = network.build_network(seed=0)
    pictures = np.stack([brain.stimuli().frames(k)[0] for k in range(1)])
    pulse = network.respond(hidden, pictures, on_ms=100)
    movie = network.respond_to_movies(hidden, np.stack([pictures] * 3, axis=1), [0, 2] * 5)
    for region, maps in pulse.items():
        np.testing.assert_array_equal(maps, movie[region])
    with pytest.raises(InputError, match="frames \\[0, 3\\]"):
        network.respond_to_movies(hidden, np.stack([pictures] * 3, axis=1), [0, 3])


def test_scenes_pass_by():
    picture = np.random.default_rng(0).integers(0, 256, (40, 40, 3), np.uint8)
    right = passing_by(picture, 0.0)
    assert right.shape == (N_FRAMES, 40, 40, 3)
    np.testing.assert_array_equal(right[1, :, :30], right[0, :, 6:36])
    np.testing.assert_array_equal(right[::-1], passing_by(picture, np.pi))
    assert sorted(set(shown_in_bins())) == list(range(N_FRAMES))


def test_the_sites_as_a_model_respond_to_movies_as_the_truth_says(brain):
    model = simulated_model("readout", brain, cache=brain.cache)
    stimuli = brain.stimuli().take([0, 5])
    assert model.frame_ms == 10.0
    seen = model.activations(stimuli, ["IT"], MOVIE)["IT"]
    truth = brain.truth("IT").isel(stimulus=[0, 5])
    assert truth.stimulus_id.values.tolist() == list(stimuli.ids)
    np.testing.assert_allclose(seen.values, truth.values, rtol=1e-5, atol=1e-6)
    still = model.activations(stimuli, ["IT"], MOVIE)["IT"].values
    assert not np.allclose(still[0], still[1])


def convrnn():
    net = small_net("gru", steps=26)
    return wrap(
        net,
        layers={"IT": "conv4"},
        preprocess=Preprocess(name="small", size=(SIDE, SIDE)),
        timeline=clock(net.graph, steps=26),
        presentations=("constant", "pulse", "movie"),
        frame_ms=10.0,
        name="small",
        weights="untrained-0",
    )


@pytest.mark.usefixtures("cache_folder")
def test_a_convrnn_is_scored_and_a_static_model_has_none(brain):
    score = brainbench.score(convrnn(), declared(brain))
    assert score.status == "scored"
    assert -1 < score.value < 1
    assert score.record.presentation == "movie to 250 ms"
    choices = score.record.choices
    assert choices["frames"] == 8 * len(brain.stimuli())
    assert (choices["movie_ms"], choices["frame_ms"]) == (200.0, 10.0)
    static = brainbench.score("pixels", declared(brain), errors="ignore")
    assert (static.status, static.value) == ("not_applicable", None)
    assert "takes no movies, but constant" in static.reason
    assert not static.failed


@pytest.mark.usefixtures("cache_folder")
def test_a_plan_counts_frames(brain):
    made = check_model(convrnn(), name="small")
    spec = ModelSpec(name="small", make=lambda: made)
    planned = plan(spec, [declared(brain)], Run(Settings()))
    [task] = planned.tasks
    assert task.stimulus_sets[0].n_pictures == 8 * len(brain.stimuli())
    assert estimate(planned).images == 20 * len(brain.stimuli())  # one for each step of 10 ms


def test_a_benchmark_of_pictures_on_movies_is_an_error(brain):
    made = check_model(convrnn(), name="small")
    spec = ModelSpec(name="small", make=lambda: made)
    [item] = plan(spec, [declared(brain, presentation=CONSTANT)], Run(Settings())).items
    assert item.score.status == "failed"
    assert "movies" in item.score.reason
