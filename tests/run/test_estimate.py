"""The cost of a run is estimated from one batch and the sizes of layers."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from known import Known, benchmark, brain, model_of
from runs import planned

from brainbench.core.model import Probe
from brainbench.core.presentation import CONSTANT
from brainbench.core.provenance import peak_memory_mb
from brainbench.core.timeline import Timeline
from brainbench.models.wrap import wrap
from brainbench.run.estimate import estimate
from brainbench.scoring.kept import GRAM_BYTES
from brainbench.storage.cache import Cache

N = 60


@pytest.fixture
def data():
    return brain(np.random.default_rng(1).standard_normal((N, 5)))


@pytest.fixture
def model(tmp_path):
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 7, 4), torch.nn.ReLU())
    return wrap(net, layers={"IT": "1", "V4": "0"}, name="tiny", cache=Cache(tmp_path))


def cost(model, *benchmarks, **settings):
    return estimate(planned(*benchmarks, model=model, **settings))


def extract(model, data):
    """Fill the cache as a run would: stimuli are sorted there."""
    [task] = planned(benchmark(data), model=model).tasks
    model.activations(task.stimulus_sets[0], ["1"])


def test_disk_is_what_the_cache_will_hold(model, data, tmp_path):
    estimated = cost(model, benchmark(data))
    assert (estimated.images, estimated.layers) == (N, 1)
    assert estimated.forward_seconds > 0
    assert not list(tmp_path.rglob("*.chunks"))  # nothing is kept of the batch
    extract(model, data)
    [file] = tmp_path.rglob("*.chunks")
    # The file also has ids, places and padding.
    assert estimated.disk_gb * 1e9 == pytest.approx(file.stat().st_size, rel=0.1)


def test_what_is_cached_costs_no_pass(model, data):
    extract(model, data)
    estimated = cost(model, benchmark(data))
    assert (estimated.images, estimated.layers) == (0, 0)
    assert (estimated.forward_seconds, estimated.disk_gb) == (0.0, 0.0)


def test_a_layer_that_two_benchmarks_need_is_counted_once(model, data):
    one = cost(model, benchmark(data))
    both = cost(model, benchmark(data), replace(benchmark(data), identifier="Known.IT-again"))
    assert (both.images, both.disk_gb) == (one.images, one.disk_gb)


def test_only_images_that_are_shown_are_counted(model, data):
    assert cost(model, benchmark(data), limit=20).images == 20


@dataclass(frozen=True, kw_only=True)
class Probed(Known):
    """A model whose images take a second, and movies of them two."""

    presentations: tuple[str, ...] = ("constant", "pulse")
    features: int = 1
    steps: int = 1

    def probe(self, pictures, layers, presentation):
        return Probe(
            features=dict.fromkeys(layers, self.features),
            steps=dict.fromkeys(layers, self.steps),
            absent=tuple(layers),
            seconds_per_image=1.0 if presentation.kind == "constant" else 2.0,
        )


def test_each_presentation_of_the_same_images_is_a_pass_with_its_own_layers(data):
    shown = Probed(responses={}, ids=data.pictures.ids, areas={"IT": ["top"], "V4": ["below"]})
    still = replace(benchmark(data), identifier="Known.IT-still", presentation=CONSTANT)
    recorded = replace(data, regions={**data.regions, "V4": data.regions["IT"]})
    below = replace(still, data=recorded, region="V4", identifier="Known.V4-still")
    estimated = cost(shown, benchmark(data), below)
    assert (estimated.images, estimated.layers, estimated.forward_seconds) == (2 * N, 2, 3.0 * N)
    assert estimated.unknown == ()


CLOCK = Timeline(name="c", source="x", steps={"IT": [(0, 50), (50, 100), (100, 150)]})


@pytest.mark.parametrize(("nominal", "candidates"), [(False, 2), (True, 6)])
def test_memory_is_that_of_gram_matrices_and_the_largest_layer(data, nominal, candidates):
    clocks = {"c": replace(CLOCK, nominal=nominal)}
    shown = {"responses": {}, "ids": data.pictures.ids, "areas": {"IT": ["IT.a", "IT.b"]}}
    small = Probed(**shown, clocks=clocks, steps=3, features=1000)
    more = cost(small, benchmark(data)).memory_gb - peak_memory_mb() / 1e3
    assert more == pytest.approx(8 * (N**2 * candidates + N * 1000) / 1e9, abs=1e-6)


def test_gram_matrices_beyond_the_bound_of_the_store_are_not_counted():
    large = brain(np.zeros((2, 1)), objects=False)
    shown = Probed(responses={}, ids=large.pictures.ids, areas={"IT": ["IT"]}, steps=10**9)
    clocks = {"c": replace(CLOCK, nominal=True)}
    more = cost(replace(shown, clocks=clocks), benchmark(large)).memory_gb - peak_memory_mb() / 1e3
    assert more == pytest.approx(GRAM_BYTES / 1e9, abs=0.1)


def test_a_model_that_cannot_be_probed_is_named(data):
    estimated = cost(model_of(data, np.ones((N, 4))), benchmark(data))
    assert estimated.images == 0
    [reason] = estimated.unknown
    assert "probe" in reason


def test_a_layer_that_fails_is_named(data, tmp_path):
    nan = wrap(lambda images: images[:, 0] * np.nan, name="nan", cache=Cache(tmp_path))
    [reason] = cost(nan, benchmark(data)).unknown
    assert "NaN" in reason


def test_a_model_that_cannot_be_made_costs_nothing(data):
    estimated = cost(object(), benchmark(data))
    assert (estimated.images, estimated.memory_gb) == (0, 0.0)
