"""Scenes: what they show, that pixels follow from the seed alone, and bad requests."""

import hashlib
from dataclasses import replace

import numpy as np
import pytest

from brainbench.core.errors import InputError
from brainbench.simulate import solids
from brainbench.simulate.scenes import OBJECT_NAMES, draw_scene, draw_scenes, render, render_scene


def test_pictures_are_224_rgb_uint8():
    pictures = render(draw_scenes(images_per_object=1))
    assert pictures.shape == (8, 224, 224, 3)
    assert pictures.dtype == np.uint8


def test_every_picture_uses_a_good_part_of_the_range_of_gray():
    pictures = render(draw_scenes(images_per_object=2))
    spread = np.percentile(pictures, 99, axis=(1, 2, 3)) - np.percentile(
        pictures, 1, axis=(1, 2, 3)
    )
    assert spread.min() > 40
    assert pictures.mean(axis=(1, 2, 3)).min() > 30
    assert pictures.mean(axis=(1, 2, 3)).max() < 225


def test_ids_name_seed_object_and_number():
    assert draw_scene(seed=3, object_name="cube", image_number=7).stimulus_id == "sim3-cube-007"
    ids = [scene.stimulus_id for scene in draw_scenes(images_per_object=40)]
    assert len(set(ids)) == 320


def test_metadata_are_plain_and_name_what_varies():
    metadata = draw_scene(seed=0, object_name="cone", image_number=0).metadata()
    assert {"stimulus_id", "object_name", "position_x", "position_y", "size", "yaw"} <= set(
        metadata
    )
    assert all(isinstance(value, str | int | float) for value in metadata.values())


def test_default_pictures_are_these_bytes():
    """The same bytes on every machine: changing them changes every simulated score."""
    pictures = render(draw_scenes(images_per_object=1))
    digest = hashlib.sha256(pictures.tobytes()).hexdigest()
    assert digest[:16] == "d75634d85ca1eabd"


def test_threads_do_not_change_pixels():
    wanted = draw_scenes(images_per_object=2, object_names=("torus", "cross"))
    np.testing.assert_array_equal(render(wanted, workers=1), render(wanted, workers=3))


@pytest.mark.parametrize("name", OBJECT_NAMES)
def test_solid_is_where_the_metadata_say(name):
    """Moving the solid alone changes pixels only inside its old and new circle."""
    here = replace(
        draw_scene(seed=1, object_name=name, image_number=0), position_x=-0.1, position_y=0.1
    )
    there = replace(here, position_x=0.12, position_y=-0.08)
    changed = (render_scene(here) != render_scene(there)).any(axis=2)
    row, column = np.nonzero(changed)
    x, y = (column + 0.5) / 224 - 0.5, 0.5 - (row + 0.5) / 224
    radius = here.size * 1.02 + 1 / 224
    inside = [
        np.hypot(x - scene.position_x, y - scene.position_y) <= radius for scene in (here, there)
    ]
    assert (inside[0] | inside[1]).all()
    assert inside[0].sum() > 200
    assert inside[1].sum() > 200


@pytest.mark.parametrize("name", OBJECT_NAMES)
def test_distance_never_oversteps_and_solid_fits_its_circle(name):
    """Sphere tracing needs |d(a) - d(b)| <= |a - b|, and nothing outside radius 1."""
    rng = np.random.default_rng(0)
    distance = solids.DISTANCES[name]
    first, step = rng.uniform(-1.5, 1.5, (3, 5000)), rng.normal(0.0, 0.2, (3, 5000))
    change = np.abs(distance(first + step) - distance(first))
    assert (change <= np.sqrt((step**2).sum(axis=0)) + 1e-12).all()
    directions = rng.normal(size=(3, 5000))
    outside = 1.0 * directions / np.sqrt((directions**2).sum(axis=0))
    assert (distance(outside) > 0.0).all()
    assert (distance(rng.uniform(-0.3, 0.3, (3, 5000))) < 0.0).any()


def test_normals_of_a_sphere_point_outward():
    rng = np.random.default_rng(0)
    points = rng.normal(size=(3, 100))
    points /= np.sqrt((points**2).sum(axis=0))
    normals = solids.normals(solids.DISTANCES["sphere"], 0.78 * points)
    np.testing.assert_allclose(normals, points, atol=2e-3)  # the probes are 1e-3 away


def test_light_from_the_left_brightens_the_left():
    lit = replace(
        draw_scene(seed=0, object_name="sphere", image_number=0),
        position_x=0.0, position_y=0.0, light_azimuth=180.0, light_elevation=25.0,
        gloss=0.0, texture_contrast=0.0,
    )  # fmt: skip
    picture = render_scene(lit).astype(float).mean(axis=2)
    middle = slice(102, 122)
    assert picture[middle, 80:100].mean() > 1.2 * picture[middle, 124:144].mean()


def test_unknown_object_is_named():
    with pytest.raises(InputError, match=r"'teapot'(.|\n)*cone, cross, cube"):
        draw_scene(seed=0, object_name="teapot", image_number=0)


def test_no_images_is_an_error():
    with pytest.raises(InputError, match="images_per_object=0"):
        draw_scenes(images_per_object=0)
