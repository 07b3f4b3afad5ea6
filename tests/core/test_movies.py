"""Movies as stimuli: frames, times, digests, and that no picture stands for one."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from brainbench.core.errors import InputError, NotApplicableError, StimulusError
from brainbench.core.movies import MOVIE, accepted, movies_from_arrays, movies_from_folders
from brainbench.core.presentation import CONSTANT, Presentation
from brainbench.core.screen import place
from brainbench.core.stimuli import from_arrays

FRAMES = np.random.default_rng(0).integers(0, 256, (3, 4, 6, 8, 3), dtype=np.uint8)
IDS = ["c", "a", "b"]


def drawn(times=40.0, frames=FRAMES, **options):
    return movies_from_arrays("drawn", frames, times=times, ids=IDS, **options)


def test_a_set_of_movies_is_a_set_of_stimuli():
    shown = drawn(metadata={"object_name": ["x", "y", "x"]})
    assert (len(shown), shown.ids, shown.n_pictures, shown.duration_ms) == (3, tuple(IDS), 12, 160)
    taken = shown.take([2, 0])
    assert (taken.ids, taken.n_pictures) == (("b", "c"), 8)
    np.testing.assert_array_equal(taken.frames(0), FRAMES[2])
    assert taken.digests == (shown.digests[2], shown.digests[0])
    assert shown.limit(2).n_pictures == 8
    assert shown.small_gray.shape == (3, 256)


def test_no_picture_stands_for_a_movie():
    with pytest.raises(StimulusError, match="'a' is a movie of 4 frames"):
        drawn().picture(1)
    with pytest.raises(NotApplicableError, match="takes no movies, but constant, pulse"):
        accepted(drawn(), CONSTANT, ("constant", "pulse"))
    with pytest.raises(NotApplicableError, match="takes no movies"):
        MOVIE.accepted_by(("constant",))
    stills = from_arrays("stills", FRAMES[:, 0], ids=IDS)
    with pytest.raises(InputError, match="'stills' as a movie"):
        accepted(stills, MOVIE, ("constant", "movie"))


def test_movies_are_shown_as_movies():
    kinds = ("constant", "movie")
    long = Presentation(kind="movie", total_ms=250)
    assert accepted(drawn(), long, kinds) is long
    assert accepted(drawn(), CONSTANT, kinds) == MOVIE
    stills = from_arrays("stills", FRAMES[:, 0], ids=IDS)
    assert accepted(stills, CONSTANT, kinds) == CONSTANT


def test_frames_and_times_are_part_of_the_digest():
    other = FRAMES.copy()
    other[1, 3, 0, 0, 0] ^= 1
    sets = [drawn(), drawn(41.0), drawn(frames=other), drawn(frames=FRAMES[:, ::-1])]
    assert len({shown.digest for shown in sets}) == 4
    assert drawn().digest == drawn([0, 40, 80, 120, 160]).digest
    assert [x == y for x, y in zip(drawn().digests, sets[2].digests, strict=True)] == [
        True,
        False,
        True,
    ]


def test_copies_are_the_same_frames_at_the_same_times():
    frames = FRAMES[[0, 0, 1]]
    assert drawn(frames=frames).copies.tolist() == ["a", "a", "b"]
    times = [[0, 40, 80, 120, 160], [0, 10, 20, 30, 160], [0, 40, 80, 120, 160]]
    assert drawn(times, frames=frames).copies is None


@pytest.mark.parametrize(
    ("frame_ms", "total_ms", "numbers"),
    [
        (10.0, None, [0, 0, 1, 1, 2, 2, 2]),  # frames of 25, 20 and 25 ms
        (20.0, None, [0, 1, 2, 2]),
        (35.0, None, [0, 2]),
        (10.0, 34.0, [0, 0, 1]),
        (10.0, 500.0, [0, 0, 1, 1, 2, 2, 2]),
        (500.0, None, [2]),
    ],
)
def test_the_frame_in_the_middle_of_each_span_is_shown(frame_ms, total_ms, numbers):
    shown = drawn([0, 25, 45, 70], frames=FRAMES[:, :3])
    assert shown.numbers(0, frame_ms=frame_ms, total_ms=total_ms) == numbers


@given(st.integers(1, 12), st.floats(1, 50), st.floats(1, 100))
def test_numbers_follow_the_frames_in_order(n, duration, frame_ms):
    shown = movies_from_arrays(
        "x", np.zeros((1, n, 1, 1, 3), np.uint8), times=duration, ids=["only"]
    )
    numbers = shown.numbers(0, frame_ms=frame_ms)
    assert numbers == sorted(numbers)
    assert set(numbers) <= set(range(n))
    assert len(numbers) == max(1, int(n * duration / frame_ms + 0.5))
    if frame_ms < duration:  # none is left out
        assert len(set(numbers)) >= n - 1


def test_folders_of_frames(tmp_path):
    for folder, frames in zip("xy", FRAMES[:2], strict=True):
        (tmp_path / folder).mkdir()
        for k, frame in enumerate(frames):
            Image.fromarray(frame).save(tmp_path / folder / f"{k:02d}.png")
    shown = movies_from_folders("files", [tmp_path / "x", tmp_path / "y"], times=40.0)
    assert shown.ids == ("x", "y")
    np.testing.assert_array_equal(shown.frames(1), FRAMES[1])
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="empty without frames"):
        movies_from_folders("files", [tmp_path / "empty"], times=40.0)


def test_frames_are_placed_on_the_screen():
    placed = drawn(degrees=4.0).on_screen(8.0)
    np.testing.assert_array_equal(
        placed.frames(1), place(FRAMES[1], degrees=4.0, visual_degrees=8.0)
    )
    assert placed.digest != drawn(degrees=4.0).digest


@pytest.mark.parametrize(
    ("times", "named"),
    [
        ([0, 40, 80, 120], "times of 3 frames"),
        ([1, 40, 80, 120, 160], "increasing from 0"),
        ([0, 40, 40, 120, 160], "increasing from 0"),
        ([0, 40, 80, 120, float("inf")], "increasing from 0"),
        (0.0, "increasing from 0"),
        ([[0, 40, 80, 120, 160], [0, 40, 80, 120, 160]], "'b' with the times"),
        ([[0, 1, 2, 3, 4], [0, 1, 2, 3, 5], [0, 1, 2, 3, 4]], "4 to 5 ms"),
    ],
)
def test_times_fit_the_frames(times, named):
    with pytest.raises((InputError, StimulusError), match=named):
        drawn(times).frames(0)


@pytest.mark.parametrize(
    "frames", [FRAMES.astype(float), FRAMES[..., :2], FRAMES[:, :, :, :, 0], FRAMES[:, :, :0]]
)
def test_pixels_of_another_kind(frames):
    with pytest.raises(StimulusError, match="shape"):
        drawn(frames=frames).frames(0)
