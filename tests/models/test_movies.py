"""Networks that are shown movies: which frames they get, what is cached, and who gets none."""

import numpy as np
import pytest
import torch
from convrnns import SIDE, small_net

from brainbench.core.errors import InputError, NotApplicableError
from brainbench.core.movies import movies_from_arrays
from brainbench.core.presentation import Presentation
from brainbench.core.stimuli import from_arrays
from brainbench.core.timeline import Timeline
from brainbench.models.preprocessing import Preprocess
from brainbench.models.wrap import wrap
from brainbench_models.convrnn.models import clock

pytestmark = pytest.mark.usefixtures("cache_folder")
N_FRAMES = 4
RAW = Preprocess(name="raw", size=(SIDE, SIDE))


def drawn(n=3, n_frames=N_FRAMES, times=25.0, seed=0):
    frames = np.random.default_rng(seed).integers(0, 256, (n, n_frames, SIDE, SIDE, 3), np.uint8)
    return movies_from_arrays("drawn", frames, times=times, ids=[f"m{k}" for k in range(n)])


class Watching(torch.nn.Module):
    """A network that answers with the mean of each frame."""

    def __init__(self):
        super().__init__()
        self.out = torch.nn.Identity()

    def forward(self, images, shown):
        if images.ndim == 4:
            images = images[:, None].expand(-1, 10, -1, -1, -1)
        for frame in images.unbind(1):
            self.out(frame.mean((2, 3)))


def watching(**options):
    steps = [(10.0 * k, 10.0 * (k + 1)) for k in range(6)]  # further ones follow
    return wrap(
        Watching(),
        layers={"IT": "out"},
        preprocess=RAW,
        timeline=Timeline(name="t", source="x", steps={"out": steps}, further_ms=10.0),
        presentations=("constant", "movie"),
        frame_ms=10.0,
        name="watching",
        **options,
    )


def test_a_network_gets_the_frame_that_is_on_in_each_of_its_steps():
    movies = drawn()
    responses = watching().activations(movies, ["out"], Presentation(kind="movie"))["out"]
    expected = movies.frames(1)[movies.numbers(1, frame_ms=10.0)].mean(axis=(1, 2)) / 255
    assert responses.sizes["time"] == 10
    np.testing.assert_allclose(responses.values[1].T, expected, rtol=1e-5)
    until = Presentation(kind="movie", total_ms=60)
    assert watching().activations(movies, ["out"], until)["out"].sizes["time"] == 6


def test_batches_change_nothing():
    movies = drawn(5)
    whole, single = (
        watching(batch_size=size).activations(movies, ["out"])["out"].values for size in (5, 1)
    )
    np.testing.assert_allclose(whole, single, rtol=1e-6)


def test_other_times_and_other_frames_are_other_activations():
    model = watching()
    first, *others = (
        model.activations(movies, ["out"])["out"].values
        for movies in (drawn(), drawn(times=[0, 5, 10, 15, 100]), drawn(seed=1))
    )
    for other in others:
        assert not np.allclose(first, other)


def test_a_convrnn_sees_a_movie_of_one_picture_as_a_pulse():
    net = small_net("gru")
    still = np.random.default_rng(0).integers(0, 256, (3, SIDE, SIDE, 3), np.uint8)
    frames = np.repeat(still[:, None], 2, axis=1)
    movies = movies_from_arrays("still", frames, times=25.0, ids=["a", "b", "c"])
    pictures = from_arrays("still", still, ids=["a", "b", "c"])
    model = wrap(
        net,
        layers=["conv4"],
        preprocess=RAW,
        timeline=clock(net.graph, steps=net.steps),
        presentations=("constant", "pulse", "movie"),
        frame_ms=10.0,
        name="small",
    )
    for total in (None, 120):
        pulse = Presentation(kind="pulse", on_ms=50, total_ms=total)
        as_picture = model.activations(pictures, ["conv4"], pulse)["conv4"]
        movie = Presentation(kind="movie", total_ms=total)
        as_movie = model.activations(movies, ["conv4"], movie)["conv4"]
        assert as_movie.sizes["time"] == (8 if total is None else 12)
        np.testing.assert_allclose(as_movie.values, as_picture.values, atol=1e-5)


def test_a_network_without_movies_is_shown_none():
    conv = torch.nn.Sequential(torch.nn.Conv2d(3, 2, 3))
    net = wrap(conv, layers=["0"], preprocess=RAW, name="static")
    for shown in (Presentation(kind="movie"), Presentation()):
        with pytest.raises(NotApplicableError, match="takes no movies, but constant"):
            net.activations(drawn(), ["0"], shown)
        with pytest.raises(NotApplicableError, match="takes no movies"):
            net.probe(drawn(), ["0"], shown)


def test_a_probe_counts_frames():
    probe = watching().probe(drawn(), ["out"])
    assert (probe.pictures, probe.steps) == (10, {"out": 10})


@pytest.mark.parametrize(
    ("presentations", "frame_ms"),
    [
        (("constant", "movie"), None),
        (("constant", "movie"), 0.0),
        (("constant", "movie"), float("nan")),
        (("constant",), 10.0),
    ],
)
def test_movies_need_a_time_between_frames(presentations, frame_ms):
    with pytest.raises(InputError, match="frame_ms="):
        wrap(Watching(), layers=["out"], presentations=presentations, frame_ms=frame_ms)
