"""Labeled images: folders of classes and files of arrays, and what is refused."""

import os
import shutil

import numpy as np
import pytest
from labeled_images import CLASSES, SIDE, arrays, write_arrays, write_folder

from brainbench.core.errors import InputError, StimulusError
from brainbench.training import folder_digests
from brainbench.training.image_data import open_image_data


def test_folders_and_arrays_hold_the_same(tmp_path):
    folder = open_image_data(write_folder(tmp_path / "images", n=10))
    array = open_image_data(write_arrays(tmp_path / "images.npz"))

    assert folder.classes == tuple(f"class{k}" for k in range(CLASSES))
    assert array.classes == tuple(map(str, range(CLASSES)))
    for part in ("train", "val"):
        own, other = folder.part(part), array.part(part)
        assert sorted(own.labels.tolist()) == own.labels.tolist()
        for picture, label in zip(own.pictures, own.labels, strict=True):
            same = np.flatnonzero(other.labels == label)
            assert any(np.array_equal(picture, other.pictures[k]) for k in same)
    assert len(folder.train.pictures[2:5]) == 3


def test_the_digest_follows_the_images(tmp_path):
    first = open_image_data(write_arrays(tmp_path / "a.npz")).digest
    assert open_image_data(write_arrays(tmp_path / "b.npz")).digest == first
    changed = arrays()["val_labels"][::-1].copy()
    assert open_image_data(write_arrays(tmp_path / "c.npz", val_labels=changed)).digest != first


def test_the_digest_of_a_folder_is_over_names_and_content(tmp_path, cache_folder):
    folder, copy = write_folder(tmp_path / "images"), tmp_path / "copy"
    before = open_image_data(folder).digest
    shutil.copytree(folder, copy)
    assert open_image_data(copy).digest == before
    image = folder / "train" / "class0" / "000.png"
    image.rename(image.with_name("x.png"))
    assert open_image_data(folder).digest != before
    image.with_name("x.png").rename(image)
    assert open_image_data(folder).digest == before
    other = folder / "train" / "class1" / "001.png"
    content = image.read_bytes()
    image.write_bytes(other.read_bytes())
    other.write_bytes(content)
    assert open_image_data(folder).digest != before


def test_a_file_changed_in_place_is_read_again_whatever_its_size_and_date(
    tmp_path, cache_folder, monkeypatch
):
    read = []
    digest_of = folder_digests._digest_of
    monkeypatch.setattr(folder_digests, "_digest_of", lambda p: read.append(p) or digest_of(p))
    monkeypatch.setattr(folder_digests, "_RECENT_SECONDS", -60.0)  # as if time had passed
    folder = write_folder(tmp_path / "images")
    before = open_image_data(folder).digest
    assert len(read) == 40
    assert open_image_data(folder).digest == before
    assert len(read) == 40  # found in the cache
    image = folder / "train" / "class0" / "000.png"
    status, content = image.stat(), image.read_bytes()
    with image.open("r+b") as stream:
        stream.seek(-1, os.SEEK_END)
        stream.write(bytes([content[-1] ^ 1]))
    os.utime(image, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert image.stat().st_size == status.st_size
    assert image.stat().st_mtime_ns == status.st_mtime_ns
    assert open_image_data(folder).digest != before
    assert len(read) == 80


def test_files_that_have_just_changed_are_not_kept(tmp_path, cache_folder):
    folder = write_folder(tmp_path / "images")
    _ = open_image_data(folder).digest
    assert not list(cache_folder.glob("image-digests/*"))


def test_a_file_that_cannot_be_read_is_an_error_where_its_image_is_asked_for(
    tmp_path, cache_folder
):
    folder = write_folder(tmp_path / "images")
    data = open_image_data(folder)
    image = folder / "train" / "class0" / "000.png"
    image.unlink()
    image.symlink_to(tmp_path / "nowhere")
    assert data.digest == open_image_data(folder).digest
    with pytest.raises(StimulusError, match=r"000\.png"):
        data.train.pictures[0]


def _remove(folder, *parts):
    place = folder.joinpath(*parts)
    for file in place.glob("*.png"):
        file.unlink()
    return place


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (
            lambda f: _remove(f, "val", "class3").rmdir(),
            "1 classes of train are not in val: class3",
        ),
        (
            lambda f: _remove(f, "train", "class2").rmdir(),
            "1 classes of val are not in train: class2",
        ),
        (lambda f: _remove(f, "train", "class1"), "classes of train without images: class1"),
        (lambda f: (f / "val").rename(f / "test"), "no folder val"),
        (lambda f: (f / "train").rename(f.parent / "x") and (f / "train").mkdir(), "0 folders"),
    ],
)
def test_folders_that_are_refused(tmp_path, change, named):
    folder = write_folder(tmp_path / "images", n=10)
    change(folder)
    with pytest.raises(InputError, match=named):
        open_image_data(folder)


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"val_labels": None}, "without val_labels"),
        ({"train_images": np.zeros((40, SIDE, SIDE), np.uint8)}, "train_images of uint8"),
        ({"train_images": np.zeros((40, SIDE, SIDE, 3))}, "train_images of float64"),
        ({"val_labels": np.zeros(3, int)}, "val_labels of int64"),
        ({"val_labels": np.arange(40) % 5 - 1}, "below 0"),
        ({"val_labels": np.arange(40) % 4}, "no image of the classes 4 in val"),
        ({"classes": np.array(["cat"])}, "1 names for 5 classes"),
    ],
)
def test_arrays_that_are_refused(tmp_path, changed, named):
    with pytest.raises(InputError, match=named):
        open_image_data(write_arrays(tmp_path / "images.npz", **changed))


def test_what_is_no_data_is_refused(tmp_path):
    with pytest.raises(InputError, match="no such folder or file"):
        open_image_data(tmp_path / "absent")
    (tmp_path / "text.npz").write_text("no arrays")
    with pytest.raises(InputError, match="cannot be read"):
        open_image_data(tmp_path / "text.npz")


def test_an_image_that_cannot_be_read_is_named_when_it_is_read(tmp_path):
    folder = write_folder(tmp_path / "images", n=10)
    (folder / "train" / "class0" / "000.png").write_bytes(b"nonsense")
    data = open_image_data(folder)
    with pytest.raises(StimulusError, match=r"000\.png"):
        data.train.pictures[0]
