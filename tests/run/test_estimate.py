"""What a run will cost is foreseen from one batch and the sizes of the data."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from known import Known, benchmark, brain, model_of

from brainbench.core.effort import Probe, Sizes, Work, flops_per_second
from brainbench.core.presentation import CONSTANT
from brainbench.core.settings import Settings
from brainbench.models.wrap import wrap
from brainbench.run.estimate import estimate
from brainbench.run.plan import plan
from brainbench.scoring.regression.predictivity import Predictivity
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


def foreseen(model, *benchmarks, **settings):
    chosen = Settings(**settings)
    items = plan(model, benchmarks, chosen, find=lambda *_: None, overwrite="always")
    return estimate(model, items, chosen)


def test_disk_is_what_the_cache_will_hold(model, data, tmp_path):
    one = foreseen(model, benchmark(data))
    assert one.images == N
    assert one.forward_seconds > 0
    assert not list(tmp_path.rglob("*.nc"))  # nothing is kept of the batch
    model.activations(benchmark(data).needs(model).stimuli, ["1"])
    [file] = tmp_path.rglob("*.nc")
    assert one.disk_gb * 1e9 == pytest.approx(file.stat().st_size, rel=0.1)  # ids, places, padding


@dataclass(frozen=True, kw_only=True)
class Probed(Known):
    """Every image takes a second, a movie of it two."""

    presentations: tuple[str, ...] = ("constant", "pulse")

    def probe(self, pictures, layers, presentation):
        seconds = 1.0 if presentation.kind == "constant" else 2.0
        ones = dict.fromkeys(layers, 1)
        return Probe(features=ones, steps=ones, absent=tuple(layers), seconds_per_image=seconds)


def test_each_presentation_of_the_same_images_is_a_pass_with_layers_of_its_own(data):
    shown = Probed(responses={}, ids=data.pictures.ids, areas={"IT": ["top"], "V4": ["below"]})
    still = replace(benchmark(data), identifier="Known.IT-still", presentation=CONSTANT)
    recorded = replace(data, regions={**data.regions, "V4": data.regions["IT"]})
    below = replace(still, data=recorded, region="V4", identifier="Known.V4-still")
    one = foreseen(shown, benchmark(data), below)
    assert (one.images, one.forward_seconds, one.unknown) == (2 * N, 3.0 * N, ())


def test_what_is_cached_costs_no_pass(model, data):
    model.activations(benchmark(data).needs(model).stimuli, ["1"])
    one = foreseen(model, benchmark(data))
    assert (one.images, one.forward_seconds, one.disk_gb) == (0, 0.0, 0.0)
    assert one.other_seconds > 0


def test_a_layer_that_two_benchmarks_need_is_counted_once(model, data):
    one = foreseen(model, benchmark(data))
    both = foreseen(model, benchmark(data), replace(benchmark(data), identifier="Known.IT-again"))
    assert (both.images, both.disk_gb) == (one.images, one.disk_gb)
    assert both.other_seconds > one.other_seconds


def test_only_images_that_are_shown_are_counted(model, data):
    assert foreseen(model, benchmark(data), limit=20).images == 20


def test_a_model_that_cannot_be_probed_is_said_to_be_left_out(data):
    one = foreseen(model_of(data, np.ones((N, 4))), benchmark(data))
    assert one.images == 0
    assert any("Known has no method probe" in reason for reason in one.unknown)


def test_a_layer_that_fails_is_said_to_be_left_out(data, tmp_path):
    nan = wrap(lambda images: images[:, 0] * np.nan, name="nan", cache=Cache(tmp_path))
    one = foreseen(nan, benchmark(data))
    assert any("NaN" in reason for reason in one.unknown)


@dataclass(frozen=True)
class Silent(Predictivity):
    work = None


def test_a_procedure_that_does_not_say_what_it_takes(model, data):
    one = foreseen(model, replace(benchmark(data), measure=Silent(n_components=3)))
    assert one.unknown == ("Known.IT-pls: TypeError: Silent does not say what it takes "
                           "(run with -v for the traceback)",)  # fmt: skip
    assert one.images == N


def sizes(**more):
    base = {"stimuli": 100, "units": 10, "repetitions": 5, "bins": 1, "features": (1000,)}
    return Sizes(**{**base, "steps": (1,), "nominal": False, **more})


@pytest.mark.parametrize("protocol", ["paper", "brainscore"])
def test_more_of_anything_is_more_work(protocol):
    how, settings = Predictivity(), Settings(protocol=protocol)
    least = how.work(sizes(), settings)
    for more in ({"stimuli": 200}, {"units": 20}, {"features": (2000,)}):
        assert how.work(sizes(**more), settings).flops > least.flops
    assert least.time() > 0


def test_choosing_among_steps_is_work_only_where_each_is_a_candidate():
    assert sizes(steps=(3,), nominal=True).candidates == (1000, 1000, 1000)
    assert sizes(steps=(3,)).candidates == (1000,)
    assert sizes(steps=(3,)).activation_bytes == 4 * 100 * 1000 * 3


def test_work_becomes_seconds_by_the_rate_of_this_machine():
    assert Work(flops=flops_per_second()).time() == pytest.approx(1.0)
    assert Work(seconds=2.0).time() == 2.0
