"""The test images of CIFAR-10, their labels, what people chose, and the split."""

import os
import zipfile
from pathlib import Path

import numpy as np
import pytest

from brainbench.core.errors import InputError
from brainbench.data.importers import cifar10

SHARED = Path(os.environ.get("BRAINBENCH_SHARED", "../shared")) / "data" / "cifar10_test_and_10h"


def test_the_split_holds_out_200_of_each_class_and_stays():
    labels = np.arange(10_000) % 10
    out = cifar10.held_out(labels)
    assert np.bincount(labels[out]).tolist() == [200] * 10
    assert np.flatnonzero(out)[:5].tolist() == [3, 10, 12, 13, 14]


@pytest.mark.skipif(not SHARED.is_dir(), reason=f"no {SHARED}")
def test_the_real_files():
    labels = cifar10.read_labels(SHARED / "test_labels.npy")
    counts = cifar10.read_counts(SHARED / "cifar10h-counts.npy")
    assert float((counts.argmax(1) == labels).mean()) == pytest.approx(0.9921, abs=1e-4)
    assert counts.sum(1).min() >= 47
    assert cifar10.held_out(labels).sum() == 2_000
    with zipfile.ZipFile(SHARED / "cifar10_test_jpg.zip") as archive:
        assert sum(name.endswith(".jpg") for name in archive.namelist()) == cifar10.N


def test_other_files_are_refused(tmp_path):
    np.save(tmp_path / "labels.npy", np.zeros(10, int))
    np.save(tmp_path / "counts.npy", np.zeros((10_000, 10)))
    (tmp_path / "text.npy").write_text("nothing")
    with zipfile.ZipFile(tmp_path / "images.zip", "w") as archive:
        archive.writestr("a.txt", "nothing")
    for read, file, named in (
        (cifar10.read_labels, "labels.npy", "int64"),
        (cifar10.read_labels, "text.npy", "cannot be read"),
        (cifar10.read_counts, "counts.npy", "float64"),
        (cifar10.read_images, "images.zip", "0 images"),
        (cifar10.read_images, "text.npy", "cannot be read"),
    ):
        with pytest.raises(InputError, match=named):
            read(tmp_path / file)
