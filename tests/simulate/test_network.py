"""The hidden network: latencies, sizes, exactness, and bad pictures."""

import numpy as np
import pytest
import torch

from brainbench.core.errors import InputError
from brainbench.simulate import network
from brainbench.simulate.scenes import draw_scenes, render


@pytest.fixture(scope="module")
def pictures():
    return render(draw_scenes(seed=5, images_per_object=2))[:11]


@pytest.fixture(scope="module")
def hidden():
    return network.build_network(seed=5)


@pytest.fixture(scope="module")
def maps(hidden, pictures):
    return network.respond(hidden, pictures)


@pytest.mark.parametrize("region", network.REGIONS)
def test_maps_have_at_least_2000_units_and_25_bins(maps, region):
    shape = maps[region].shape
    assert shape == (11, *network.SHAPES[region], 25)
    assert np.prod(shape[1:-1]) >= 2000


@pytest.mark.parametrize("region", network.REGIONS)
def test_responses_start_at_the_latency(maps, region):
    first = round(network.LATENCY_MS[region] / network.BIN_MS)
    assert (maps[region][..., :first] == 0.0).all()
    assert (maps[region][..., first].reshape(11, -1).max(axis=1) > 0.0).all()


@pytest.mark.parametrize("region", network.REGIONS)
def test_responses_are_finite_not_negative_and_fade_after_the_picture(maps, region):
    values = maps[region]
    assert np.isfinite(values).all()
    assert (values >= 0.0).all()
    over_time = values.mean(axis=(0, 1, 2, 3))
    assert over_time[-1] < over_time.max()


def test_gray_gives_no_response(hidden):
    gray = np.full((1, 224, 224, 3), 128, dtype=np.uint8)
    for values in network.respond(hidden, gray).values():
        np.testing.assert_allclose(values, 0.0, atol=1e-5)


def test_a_picture_that_stays_is_a_picture_for_250_ms(hidden, pictures):
    stays = network.respond(hidden, pictures[:2], on_ms=None)
    pulse = network.respond(hidden, pictures[:2], on_ms=100.0)
    long = network.respond(hidden, pictures[:2], on_ms=500.0)
    for region in network.REGIONS:
        np.testing.assert_array_equal(stays[region], long[region])
        off = round((100.0 + network.LATENCY_MS[region]) / network.BIN_MS)
        np.testing.assert_array_equal(stays[region][..., :off], pulse[region][..., :off])
    assert stays["IT"][..., -1].sum() > pulse["IT"][..., -1].sum()


def test_threads_and_neighbors_do_not_change_responses(hidden, pictures, maps):
    alone = [network.respond(hidden, pictures[[index]], workers=1) for index in range(11)]
    for region in network.REGIONS:
        for index in range(11):
            np.testing.assert_array_equal(alone[index][region][0], maps[region][index])


def test_torch_keeps_its_threads(hidden, pictures):
    before = torch.get_num_threads()
    network.respond(hidden, pictures[:1])
    assert torch.get_num_threads() == before


@pytest.mark.parametrize("region", network.REGIONS)
def test_maps_and_population_lie_on_their_grids(hidden, maps, region):
    """Float32 holds the maps exactly, and sums of population responses are exact in any order."""
    np.testing.assert_array_equal(maps[region], maps[region].astype(np.float32))
    assert (np.mod(maps[region] * 2**18, 1.0) == 0.0).all()
    population = network.pool(hidden, region, maps[region])
    assert population.shape == (11, 96, 25)
    assert (np.mod(population * 2**14, 1.0) == 0.0).all()
    assert population.max() < 2**10


@pytest.mark.parametrize("region", network.REGIONS)
def test_population_is_a_positive_mean_of_one_channel(hidden, maps, region):
    channels, windows = hidden.pools[region]
    assert (windows >= 0.0).all()
    np.testing.assert_allclose(windows.sum(axis=1), 1.0, atol=0.06)  # weights are rounded to 2**-10
    population = network.pool(hidden, region, maps[region])
    for unit in (0, 50, 95):
        one = maps[region][:, channels[unit]].reshape(11, -1, 25)
        wanted = (windows[unit][None, :, None] * one).sum(axis=1)
        np.testing.assert_allclose(population[:, unit], wanted, atol=2**-15)


def test_another_seed_is_another_network(hidden, pictures, maps):
    other = network.respond(network.build_network(seed=6), pictures[:1])
    np.testing.assert_array_equal(other["V1"], maps["V1"][:1])  # Gabor filters are the same for all
    assert not np.array_equal(other["V2"], maps["V2"][:1])


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        (np.zeros((1, 100, 224, 3), np.uint8), r"\(1, 100, 224, 3\)"),
        (np.zeros((1, 224, 224, 3), np.float32), "float32"),
    ],
)
def test_wrong_pictures_are_named(hidden, wrong, named):
    with pytest.raises(InputError, match=named):
        network.respond(hidden, wrong)


def test_no_duration_is_an_error(hidden, pictures):
    with pytest.raises(InputError, match=r"0\.0 ms"):
        network.respond(hidden, pictures, on_ms=0.0)
