import numpy as np
import pytest
from sklearn.model_selection import StratifiedKFold

from brainbench.core.errors import InputError
from brainbench.stats.splits import brainscore, inner, nine_tenths, paper

IDS = np.array([f"image{i:03d}" for i in np.random.default_rng(0).permutation(60)])
OBJECTS = np.repeat(["bear", "car", "chair"], 20)


@pytest.mark.parametrize("objects", [OBJECTS, None])
def test_paper_holds_out_every_stimulus_once(objects):
    folds = paper(IDS, objects)
    assert len(folds) == 10
    assert sorted(np.concatenate([fold.test for fold in folds])) == list(range(60))
    for fold in folds:
        assert sorted(np.concatenate(fold)) == list(range(60))
        if objects is not None:
            assert np.unique(objects[fold.test], return_counts=True)[1].tolist() == [2, 2, 2]


def test_paper_is_scikit_learns_split_of_the_sorted_rows():
    order = np.argsort(IDS)
    folds = StratifiedKFold(10, shuffle=True, random_state=3).split(order, OBJECTS[order])
    for ours, (_, test) in zip(paper(IDS, OBJECTS, seed=3), folds, strict=True):
        assert set(IDS[ours.test]) == set(IDS[order][test])


def test_paper_does_not_depend_on_the_order_of_rows():
    order = np.random.default_rng(1).permutation(60)
    for a, b in zip(paper(IDS, OBJECTS), paper(IDS[order], OBJECTS[order]), strict=True):
        assert set(IDS[a.test]) == set(IDS[order][b.test])


def test_paper_depends_on_the_seed():
    tests = [[fold.test.tolist() for fold in paper(IDS, OBJECTS, seed=seed)] for seed in (0, 0, 1)]
    assert tests[0] == tests[1] != tests[2]


@pytest.mark.parametrize("objects", [OBJECTS, None])
def test_brainscore_overlaps(objects):
    splits = brainscore(IDS, objects)
    assert [(len(split.train), len(split.test)) for split in splits] == [(54, 6)] * 10
    held_out = np.concatenate([split.test for split in splits])
    assert len(np.unique(held_out)) < len(held_out)


@pytest.mark.parametrize("objects", [OBJECTS, None])
def test_inner_folds_stay_inside(objects):
    for outer in paper(IDS, objects):
        folds = inner(outer.train, IDS, objects)
        assert len(folds) == 5
        assert sorted(np.concatenate([fold.test for fold in folds])) == outer.train.tolist()
        for fold in folds:
            assert sorted(np.concatenate(fold)) == outer.train.tolist()


@pytest.mark.parametrize("protocol", [paper, brainscore])
def test_repeated_ids(protocol):
    with pytest.raises(InputError, match=str(IDS[0])):
        protocol(np.append(IDS, IDS[0]))


@pytest.mark.parametrize("protocol", [paper, brainscore])
def test_objects_of_another_length(protocol):
    with pytest.raises(InputError, match=r"\b59\b.*\b60\b"):
        protocol(IDS, OBJECTS[1:])


def test_too_few_images_of_an_object():
    with pytest.raises(InputError, match=r"\b10\b.*bear \(9\)[\s\S]*objects=None"):
        paper(IDS[11:], OBJECTS[11:])


def test_too_few_images():
    with pytest.raises(InputError, match=r"\b10\b.*\(9\)") as error:
        paper(IDS[:9])
    assert "objects" not in str(error.value)


def test_many_objects_are_not_all_listed():
    with pytest.raises(InputError, match=r"o0 \(1\), o1 \(1\), .*, \.\.\. \(8 in all\)\n"):
        paper(IDS[:8], [f"o{i}" for i in range(8)])


def test_brainscore_needs_two_images_of_an_object():
    with pytest.raises(InputError, match=r"bear \(1\)\n"):
        brainscore(IDS[19:], OBJECTS[19:])


def test_brainscore_needs_a_held_out_image_for_each_object():
    with pytest.raises(InputError, match=r"\b1\b.*\b10\b.*\b3\b.*\n.*\b21\b"):
        brainscore(IDS[:10], ["a"] * 4 + ["b"] * 3 + ["c"] * 3)
    assert len(brainscore(IDS[:21], ["a", "b", "c"] * 7)[0].test) == 3


@pytest.mark.parametrize(("protocol", "n", "least"), [(paper, 1, 2), (brainscore, 0, 1)])
def test_number_of_splits(protocol, n, least):
    with pytest.raises(InputError, match=rf"n_splits = {n}\n.*\b{least}\b"):
        protocol(IDS, OBJECTS, n_splits=n)


# --- nine tenths ----------------------------------------------------------------------------------


def test_nine_tenths_of_each_object():
    ids = [f"im{k:02d}" for k in range(40)]
    objects = np.array(["cat", "dog"] * 20)
    sets = nine_tenths(ids, objects)
    assert len(sets) == 10
    for rows in sets:
        assert len(set(rows)) == 36
        assert (objects[rows] == "cat").sum() == 18
    assert len({tuple(sorted(rows)) for rows in sets}) > 1


def test_too_few_stimuli_to_leave_some_out():
    with pytest.raises(InputError, match=r"\b0\b.*\b9\b"):
        nine_tenths([f"im{k}" for k in range(9)])
    with pytest.raises(InputError, match=r"\b1\b.*\b12\b.*\b3\b"):
        nine_tenths([f"im{k}" for k in range(12)], ["a", "b", "c"] * 4)


@pytest.mark.parametrize("objects", [OBJECTS, None])
def test_groups_stay_on_one_side(objects):
    groups = IDS.copy()
    groups[1:20:2] = groups[:20:2]
    folds = paper(IDS, objects, groups=groups, n_splits=5)
    assert sorted(np.concatenate([fold.test for fold in folds])) == list(range(60))
    for fold in folds:
        assert sorted(np.concatenate(fold)) == list(range(60))
        assert not set(groups[fold.train]) & set(groups[fold.test])
    for fold in inner(folds[0].train, IDS, objects, groups=groups, n_splits=3):
        assert set(np.concatenate(fold)) == set(folds[0].train)
        assert not set(groups[fold.train]) & set(groups[fold.test])


def test_groups_of_one_change_nothing():
    for ours, plain in zip(paper(IDS, OBJECTS, groups=IDS), paper(IDS, OBJECTS), strict=True):
        np.testing.assert_array_equal(ours.test, plain.test)
        np.testing.assert_array_equal(ours.train, plain.train)


def test_grouped_folds_do_not_depend_on_the_order_of_rows():
    groups = np.char.replace(IDS, "1", "0")
    order = np.random.default_rng(1).permutation(60)
    moved = paper(IDS[order], groups=groups[order], n_splits=4)
    for fold, other in zip(paper(IDS, groups=groups, n_splits=4), moved, strict=True):
        assert set(IDS[fold.test]) == set(IDS[order][other.test])


def test_groups_of_another_length_and_too_few_groups():
    with pytest.raises(InputError, match=r"59.*60"):
        paper(IDS, groups=IDS[1:])
    with pytest.raises(InputError, match=r"\(3\)"):
        paper(IDS, groups=OBJECTS)


@pytest.mark.parametrize("objects", [OBJECTS, None])
def test_splits_are_drawn_in_the_order_of_the_target(objects):
    order = np.random.default_rng(1).permutation(60)
    moved = None if objects is None else objects[order]
    ours, theirs = brainscore(IDS, objects, order=order), brainscore(IDS[order], moved)
    for our, their in zip(ours, theirs, strict=True):
        assert IDS[our.train].tolist() == IDS[order][their.train].tolist()
        assert IDS[our.test].tolist() == IDS[order][their.test].tolist()
    sets, moved_sets = nine_tenths(IDS, objects, order=order), nine_tenths(IDS[order], moved)
    assert [IDS[r].tolist() for r in sets] == [IDS[order][r].tolist() for r in moved_sets]
    assert set(ours[0].test) != set(brainscore(IDS, objects)[0].test)
