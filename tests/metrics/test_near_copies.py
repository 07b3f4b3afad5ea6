"""Near copies: pairs of small pictures, and groups of what is connected."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from brainbench.core.errors import InputError
from brainbench.metrics.near_copies import connected, joined, near_pairs


def test_pairs_are_those_of_numpy():
    rng = np.random.default_rng(0)
    scenes = rng.uniform(0, 255, (300, 40))
    pixels = np.concatenate([scenes, scenes[::2] + rng.normal(0, 20, (150, 40)), scenes[::3] + 9])
    slow = np.argwhere(np.triu(np.corrcoef(pixels) > 0.9, k=1))
    assert len(slow) > 100
    np.testing.assert_array_equal(near_pairs(pixels, threshold=0.9), slow)


def test_blocks_do_not_change_the_pairs(monkeypatch):
    pixels = np.random.default_rng(1).uniform(0, 255, (50, 4))
    whole = near_pairs(pixels)
    monkeypatch.setattr("brainbench.metrics.near_copies._BLOCK", 7)
    assert near_pairs(pixels).tolist() == whole.tolist() != []


def test_contrast_and_brightness_make_no_difference_and_a_gray_picture_is_near_to_none():
    scene = np.random.default_rng(2).uniform(0, 200, 30)
    assert near_pairs([scene, 0.5 * scene + 20, np.full(30, 9), np.full(30, 9)]).tolist() == [
        [0, 1]
    ]


@settings(max_examples=30)
@given(st.lists(st.tuples(st.integers(0, 7), st.integers(0, 7)), max_size=9))
def test_groups_are_what_pairs_connect(pairs):
    group = connected(8, np.array(pairs, dtype=int).reshape(-1, 2))
    reach = np.eye(8, dtype=bool)
    for one, other in pairs:
        reach[one, other] = reach[other, one] = True
    for _ in range(3):
        reach = (reach.astype(int) @ reach) > 0
    np.testing.assert_array_equal(group[:, None] == group, reach)


def test_columns_are_joined():
    films, pictures = np.array(["a", "a", "b", "c", "d"]), np.array([1, 2, 2, 3, 4])
    assert joined(films, pictures).tolist() == [0, 0, 0, 1, 2]
    assert joined(films).tolist() == [0, 0, 1, 2, 3]


def test_shapes():
    with pytest.raises(InputError, match=r"\(3,\)"):
        near_pairs(np.ones(3))
    with pytest.raises(InputError, match="3, 2"):
        joined(np.ones(3), np.ones(2))
    with pytest.raises(InputError):
        joined()
