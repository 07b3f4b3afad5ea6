"""What holds for every seed and every population of a simulated brain."""

import numpy as np
from closed_form import reliability_of
from hypothesis import given, settings
from hypothesis import strategies as st

from brainbench.simulate import sites
from brainbench.simulate.scenes import OBJECT_NAMES, draw_scene, draw_scenes

seeds = st.integers(0, 2**31)


@given(seed=seeds, few=st.integers(1, 4), more=st.integers(0, 4))
def test_more_images_leave_the_first_ones(seed, few, more):
    small = draw_scenes(seed=seed, images_per_object=few)
    large = draw_scenes(seed=seed, images_per_object=few + more)
    assert [scene for scene in large if scene.image_number < few] == small


@given(seed=seeds, name=st.sampled_from(OBJECT_NAMES), number=st.integers(0, 3000))
def test_scenes_keep_their_ranges(seed, name, number):
    scene = draw_scene(seed=seed, object_name=name, image_number=number)
    assert scene == draw_scene(seed=seed, object_name=name, image_number=number)
    # Nothing is cut off: center and radius stay inside the picture but for its margin.
    assert max(abs(scene.position_x), abs(scene.position_y)) + scene.size < 0.55
    for color in (scene.object_color, scene.background_color):
        assert all(0.0 < part <= 1.0 for part in color)


@settings(deadline=None)
@given(
    seed=seeds,
    region=st.sampled_from(["V1", "V2", "V4", "IT"]),
    n_stimuli=st.integers(2, 30),
    n_trials=st.integers(1, 40),
    low=st.floats(0.05, 0.9),
)
def test_any_population_gets_the_chosen_reliability(seed, region, n_stimuli, n_trials, low):
    population = np.random.default_rng(seed).gamma(1.0, size=(n_stimuli, 96, 25))
    drawn = sites.draw_sites(region, seed=seed, n_sites=6, reliability=(low, low + 0.09))
    readout = sites.calibrate(drawn, population, n_trials=n_trials)
    expected = sites.expected_counts(readout, population)
    reliability = reliability_of(expected, n_trials=n_trials)
    np.testing.assert_allclose(reliability, drawn.reliability, rtol=1e-9)
    # The average of four times as many trials is as reliable as Spearman and Brown predict.
    longer = reliability_of(expected, n_trials=4 * n_trials)
    np.testing.assert_allclose(longer, 4 * reliability / (1 + 3 * reliability), rtol=1e-9)


@settings(deadline=None)
@given(seed=seeds, power=st.integers(-6, 6))
def test_units_of_the_population_do_not_matter(seed, power):
    population = np.random.default_rng(seed).gamma(1.0, size=(9, 96, 25))
    drawn = sites.draw_sites("IT", seed=seed, n_sites=3)
    counts = [
        sites.expected_counts(sites.calibrate(drawn, scaled), scaled)
        for scaled in (population, 2.0**power * population)
    ]
    np.testing.assert_allclose(counts[0], counts[1], rtol=1e-9)
