"""Training, validation and test images of fits."""

import numpy as np
import pytest

from brainbench.core.errors import InputError
from brainbench.stats.fit_splits import fit_splits


def named(n):
    return [f"image{k:04d}" for k in range(n)]


def assert_disjoint(split, n):
    together = np.concatenate(split)
    assert len(np.unique(together)) == len(together)
    assert together.max() < n


@pytest.mark.parametrize(
    ("n", "sizes"), [(8000, (5120, 1280, 1600)), (2250, (1440, 360, 450)), (25, (16, 4, 5))]
)
def test_images_are_split_64_16_20(n, sizes):
    (split,) = fit_splits(named(n))

    assert tuple(map(len, split)) == sizes
    assert_disjoint(split, n)
    assert sum(sizes) == n


def test_objects_are_stratified():
    objects = np.repeat(["cat", "dog"], [100, 400])

    (split,) = fit_splits(named(500), objects)

    assert [int((objects[part] == "cat").sum()) for part in split] == [64, 16, 20]


def test_many_groups_stay_together():
    groups = np.repeat(np.arange(50), 4)

    (split,) = fit_splits(named(200), groups=groups)

    assert [len(np.unique(groups[part])) for part in split] == [32, 8, 10]
    assert tuple(map(len, split)) == (128, 32, 40)


def test_ten_films_rotate_and_each_is_held_out_once():
    films = np.repeat([f"film{k}" for k in range(10)], 44)

    rotations = fit_splits(named(440), groups=films)

    assert [[len(np.unique(films[part])) for part in split] for split in rotations] == [
        [6, 2, 2]
    ] * 5
    tested = np.concatenate([split.test for split in rotations])
    assert sorted(tested) == list(range(440))
    for split in rotations:
        assert_disjoint(split, 440)
        assert len(np.concatenate(split)) == 440


def test_fractions_are_nested_parts_of_the_training_images():
    quarter, half, whole = (
        fit_splits(named(500), fraction=fraction)[0] for fraction in (0.25, 0.5, 1.0)
    )

    assert [len(split.train) for split in (quarter, half, whole)] == [80, 160, 320]
    assert set(quarter.train) < set(half.train) < set(whole.train)
    assert all(np.array_equal(quarter.test, split.test) for split in (half, whole))
    assert all(np.array_equal(quarter.validate, split.validate) for split in (half, whole))


def test_splits_depend_on_ids_and_seed_not_on_the_order_of_rows():
    ids = np.array(named(100))
    order = np.random.default_rng(0).permutation(100)
    (split,), (shuffled,), (other,) = (
        fit_splits(ids, fraction=0.5),
        fit_splits(ids[order], fraction=0.5),
        fit_splits(ids, fraction=0.5, seed=1),
    )

    for part, same in zip(split, shuffled, strict=True):
        assert set(ids[part]) == set(ids[order][same])
    assert set(split.test) != set(other.test)


@pytest.mark.parametrize(
    ("n", "options", "named_in_error"),
    [
        (24, {}, ("24 images", "25")),
        (40, {"groups": np.repeat([0, 1], 20)}, ("2 groups", "3")),
        (100, {"fraction": 0.0}, ("fraction of 0.0",)),
        (100, {"fraction": 1.5}, ("fraction of 1.5",)),
        (100, {"fraction": float("nan")}, ("fraction of nan",)),
        (25, {"fraction": 0.05}, ("1 training images", "0.05 of 16")),
    ],
)
def test_too_few_images_are_refused(n, options, named_in_error):
    with pytest.raises(InputError) as caught:
        fit_splits(named(n), **options)

    assert all(text in str(caught.value) for text in named_in_error)
