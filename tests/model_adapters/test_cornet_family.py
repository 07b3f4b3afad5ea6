"""CORnet-Z, -R, -RT and -S with other steps or images: identity, clocks, responses."""

from __future__ import annotations

import math
import re
from functools import partial

import numpy as np
import pytest
import torch
from cornet_oracle import fill_with_oracle_weights, oracle_images, relative_error
from pictures import noise_pictures
from recorded_notes import RecordedNotes
from steps import same_weights, steps_of

from brainbench import load_model
from brainbench.core import progress
from brainbench.core.errors import InputError, UnknownNameError
from brainbench_models.cornet_r import CORnetR, clock, cornet_r, cornet_rt
from brainbench_models.cornet_s import CORnetS, cornet_s
from brainbench_models.cornet_z import CORnetZ

NAMES = ("cornet_z", "cornet_r", "cornet_rt")
AREAS = ("V1", "V2", "V4", "IT")


def steps_of_areas(net: torch.nn.Module, images: torch.Tensor) -> dict[str, list[np.ndarray]]:
    _, steps = steps_of(net, [f"{area}.output" for area in AREAS], images)
    return {area: [step.numpy() for step in steps[f"{area}.output"]] for area in AREAS}


@pytest.mark.parametrize("name", NAMES)
def test_identity_areas_and_seeds(name):
    model = load_model(name, weights="untrained-3")
    assert (model.name, model.weights) == (f"{name}@untrained-3", "untrained-3")
    layers = {area: (f"{area}.output",) for area in AREAS}
    assert model.areas == {**layers, "behavior": ("decoder.avgpool",)}
    assert model.static == (name == "cornet_z")
    assert model.digest == load_model(f"{name}@untrained-3").digest
    assert model.digest != load_model(f"{name}@untrained-4").digest


def test_r_and_rt_of_the_same_seed_share_weights_and_differ():
    r, rt = cornet_r(weights="untrained-0"), cornet_rt(weights="untrained-0")
    assert same_weights(r.network.net, rt.network.net)
    assert r.digest != rt.digest


@pytest.mark.parametrize("name", NAMES)
def test_offline_auto_goes_on_untrained_and_says_why(name):
    model = load_model(name)
    assert model.name == f"{name}@untrained-0"
    assert name in model.notes[0]
    assert "BRAINBENCH_OFFLINE" in model.notes[0]


@pytest.mark.parametrize("name", NAMES)
def test_wrong_weights_name_the_model(name):
    with pytest.raises(InputError, match=f"{name} .*'imagenett'"):
        load_model(name, weights="imagenett")


@pytest.mark.parametrize("build", [CORnetZ, CORnetR, partial(CORnetR, delayed=True), CORnetS])
def test_images_of_any_size(build):
    net = fill_with_oracle_weights(build())
    for size in ((97, 97), (128, 96), (95, 160)):
        steps = steps_of_areas(net, torch.zeros(1, 3, *size))
        sides = {
            area: tuple(math.ceil(side / 2**k) for side in size)
            for k, area in enumerate(AREAS, start=2)
        }
        assert {area: steps[area][-1].shape[2:] for area in AREAS} == sides


@pytest.mark.parametrize("name", [*NAMES, "cornet_s"])
def test_another_size_of_images_is_in_the_name(name):
    shown = noise_pictures(1, 40, 60)
    small = load_model(name, weights="untrained-0", image_size=64)
    assert small.name == f"{name}-64px@untrained-0"
    assert small.activations(shown, ["V1.output"])["V1.output"].sizes["neuroid"] == 64 * 16**2
    usual = load_model(name, weights="untrained-0", image_size=224)
    assert usual.name == f"{name}@untrained-0"
    assert usual.digest == load_model(name, weights="untrained-0").digest != small.digest
    for wrong in (0, "160", 2.5, True):
        with pytest.raises(InputError, match=f"image_size={wrong!r} for {name}"):
            load_model(name, weights="untrained-0", image_size=wrong)


def test_the_image_travels_one_area_a_step_in_rt_and_all_areas_at_once_in_r():
    images = oracle_images(64)
    for delayed, reached in ((True, {"V1": 0, "V2": 1, "V4": 2, "IT": 3}),
                             (False, {"V1": 0, "V2": 1, "V4": 1, "IT": 1})):  # fmt: skip
        net = fill_with_oracle_weights(CORnetR(delayed=delayed))
        seen, blank = steps_of_areas(net, images), steps_of_areas(net, torch.zeros_like(images))
        for area, first in reached.items():
            differs = [bool((a != b).any()) for a, b in zip(seen[area], blank[area], strict=True)]
            assert differs == [step >= first for step in range(5)]


def test_more_steps_go_on_where_fewer_stopped():
    images = oracle_images(64)
    few, many = (steps_of_areas(fill_with_oracle_weights(CORnetR(steps=k)), images) for k in (3, 6))
    for area in AREAS:
        assert (len(few[area]), len(many[area])) == (3, 6)
        for a, b in zip(few[area], many[area][:3], strict=True):
            assert relative_error(a, b) < 1e-6


def test_another_number_of_steps_is_in_the_name():
    assert cornet_r(weights="untrained-0", times=3).name == "cornet_r-3steps@untrained-0"
    assert cornet_rt(weights="untrained-0").name == "cornet_rt@untrained-0"
    together = load_model("cornet_r", weights="untrained-0", times=3, image_size=96)
    assert together.name == "cornet_r-3steps-96px@untrained-0"
    for wrong in (0, -1, 2.5, True, "x"):
        with pytest.raises(InputError, match="times="):
            cornet_r(weights="untrained-0", times=wrong)


@pytest.mark.parametrize(
    ("make", "times", "unseen"),
    [
        (cornet_rt, 1, "V2, V4, IT"),
        (cornet_rt, 2, "V4, IT"),
        (cornet_rt, 3, "IT"),
        (cornet_rt, 4, None),
        (cornet_r, 1, "V2, V4, IT"),
        (cornet_r, 2, None),
    ],
)
def test_areas_that_the_image_does_not_reach_are_named(make, times, unseen):
    reporter = RecordedNotes()
    with progress.use(reporter):
        model = make(weights="untrained-0", times=times, image_size=64)
    activations = model.activations(noise_pictures(), [f"{area}.output" for area in AREAS])
    spread = {area: np.ptp(activations[f"{area}.output"].values, axis=0) for area in AREAS}
    assert ", ".join(area for area in AREAS if not spread[area].any()) == (unseen or "")
    assert model.notes == tuple(reporter.notes)
    assert len(reporter.notes) == (unseen is not None)
    if unseen:
        minimum = {"cornet_r": 2, "cornet_rt": 4}[make.__name__]
        assert f" {unseen}: " in reporter.notes[0]
        assert f" {minimum} steps" in reporter.notes[0]


@pytest.mark.parametrize("model", ["cornet_r", "cornet_rt"])
@pytest.mark.parametrize("steps", [1, 2, 4, 5, 7])
def test_clocks_have_a_span_for_each_step_from_onset_to_the_end(model, steps):
    for spans in clock(model, steps=steps).steps.values():
        assert len(spans) == steps
        assert spans[0][0] == 0
        assert spans[-1][1] == math.inf


def test_times_at_which_each_area_first_sees_the_image():
    spans = clock("cornet_rt", steps=5).steps
    assert [spans[area][k][0] for k, area in enumerate(AREAS)] == [0, 70, 90, 100]
    assert spans["IT"] == [
        (0, 100 / 3),
        (100 / 3, 200 / 3),
        (200 / 3, 100),
        (100, 150),
        (150, math.inf),
    ]


@pytest.mark.slow
def test_fewer_steps_of_cornet_s_are_the_first_ones():
    shown = noise_pictures()
    whole = cornet_s(weights="untrained-0")
    short = cornet_s(weights="untrained-0", steps={"V4": 2})
    assert short.name == "cornet_s-V4x2@untrained-0"
    assert short.digest != whole.digest
    first = whole.activations(shown, ["V4.output"])["V4.output"].values
    kept = short.activations(shown, ["V4.output"])["V4.output"]
    np.testing.assert_array_equal(kept.values, first[..., :2])
    assert kept.coords["time_end"].values.tolist() == [140, math.inf]
    assert short.clocks["brainscore"].steps["V4"] == [(90, 140), (140, 190)]


def test_steps_that_do_not_exist():
    for wrong in (5, 2.5, True, 0, "2"):
        with pytest.raises(InputError, match=re.escape(f"steps['V4']={wrong!r}")) as caught:
            cornet_s(weights="untrained-0", steps={"V4": wrong})
        assert "1 to 4" in caught.value.allowed
    for wrong in (3, 0, [2], "V4"):
        with pytest.raises(InputError, match=re.escape(f"steps={wrong!r}")):
            cornet_s(weights="untrained-0", steps=wrong)
    with pytest.raises(UnknownNameError, match="V5"):
        cornet_s(weights="untrained-0", steps={"V5": 1})
