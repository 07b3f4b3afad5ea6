"""Transfer by a linear classifier: splits, the choice of C, and the twin with people."""

import io
import json
import tarfile
from functools import partial

import numpy as np
import pytest
from scipy.stats import spearmanr

from brainbench import load_model
from brainbench.core.errors import (
    DataAbsentError,
    InputError,
    NotApplicableError,
    UnknownNameError,
)
from brainbench.data.importers import cifar10, cifar100
from brainbench.training import transfer_runs
from brainbench.training.transfer import Estimate, cifar10_transfer, transfer
from brainbench.training.transfer_runs import transfer_run

LABELS = np.arange(300) % 3
PARTS = {"fit": np.arange(150), "choose": np.arange(150, 210), "test": np.arange(210, 300)}


def features(noise, labels=LABELS, classes=3):
    rng = np.random.default_rng(0)
    return np.eye(classes)[labels] + noise * rng.standard_normal((len(labels), classes))


def test_separable_features_are_classified_and_test_images_choose_nothing():
    found = transfer(features(0.05), LABELS, **PARTS)
    assert found.accuracy.value == 1
    noisy = features(0.8)
    one = transfer(noisy, LABELS, Cs=(0.001, 0.1, 10.0), **PARTS)
    labels = LABELS.copy()
    labels[PARTS["test"]] = (labels[PARTS["test"]] + 1) % 3
    other = transfer(noisy, labels, Cs=(0.001, 0.1, 10.0), **PARTS)
    assert (one.C, one.chosen_by) == (other.C, other.chosen_by)
    np.testing.assert_array_equal(one.probabilities, other.probabilities)
    assert other.accuracy.value < 0.5 < one.accuracy.value


def test_parts_that_share_images_or_lack_classes_are_refused():
    with pytest.raises(InputError, match="1 images in two parts"):
        transfer(features(1), LABELS, **{**PARTS, "choose": np.arange(149, 210)})
    with pytest.raises(InputError, match=r"classes \[2\] absent"):
        transfer(features(1), LABELS, **{**PARTS, "fit": np.array([0, 1, 3, 4])})


def test_the_twin_on_people_who_are_as_unsure_as_the_features():
    labels = np.arange(cifar10.N) % 10
    rng = np.random.default_rng(0)
    blur = rng.uniform(0, 1, cifar10.N)[:, None]
    shown = (1 - 0.9 * blur) * np.eye(10)[labels] + 0.02 * rng.standard_normal((cifar10.N, 10))
    counts = np.round(50 * ((1 - 0.8 * blur) * np.eye(10)[labels] + 0.08 * blur))
    found = cifar10_transfer(shown, labels, counts, Cs=(0.01, 0.05))
    assert found.transfer.accuracy.n == 2_000
    assert found.transfer.chosen_by.n == 1_600
    assert found.transfer.accuracy.value > 0.95
    assert 0.9 < found.uncertainty.low < found.uncertainty.value < found.uncertainty.high
    assert found.cross_entropy.low > found.least.high


def test_intervals_over_images_are_those_of_the_normal_approximation():
    rng, n = np.random.default_rng(0), 2_000
    one = rng.standard_normal(n) + 3
    other = 0.6 * one + 0.8 * rng.standard_normal(n)
    mean, rank = Estimate.of_mean(one), Estimate.of_rank_correlation(one, other)
    assert mean.value == one.mean()
    assert rank.value == pytest.approx(spearmanr(one, other).statistic, abs=1e-12)
    half = 1.96 * one.std() / np.sqrt(n)
    assert (mean.low, mean.high) == pytest.approx((mean.value - half, mean.value + half), abs=0.01)
    half = 1.96 * 1.03 / np.sqrt(n - 3)  # Fieller et al. 1957, on the scale of Fisher's z
    z = np.arctanh(rank.value)
    assert (rank.low, rank.high) == pytest.approx(np.tanh([z - half, z + half]), abs=0.015)


N_TRAIN, N_TEST = 2_000, 500


def records(n, seed):
    """Records of the published layout: class of 20, of 100, red, green, blue; the color says the class."""
    labels = np.random.default_rng(seed).permutation(np.arange(n) % 100)
    pixels = np.zeros((n, 3, 32, 32), np.uint8)
    pixels[:, 0] = (25 * (labels % 10))[:, None, None]
    pixels[:, 1] = (25 * (labels // 10))[:, None, None]
    pixels[:, 2, 0, 1] = 9  # the second pixel of the first row
    head = np.stack([labels // 5, labels], axis=1).astype(np.uint8)
    return np.concatenate([head, pixels.reshape(n, -1)], axis=1), labels


def write_archive(path, **members):
    given = {
        "train.bin": records(N_TRAIN, 0)[0].tobytes(),
        "test.bin": records(N_TEST, 1)[0].tobytes(),
    }
    with tarfile.open(path, "w:gz", compresslevel=1) as tar:
        for name, content in (given | members).items():
            member = tarfile.TarInfo(f"cifar-100-binary/{name}")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return path


def read(path):
    return cifar100.read_archive(path, n_train=N_TRAIN, n_test=N_TEST)


def test_the_archive_of_cifar100_is_read_in_its_published_layout(tmp_path):
    found = read(write_archive(tmp_path / "cifar-100-binary.tar.gz"))
    labels = np.concatenate([records(N_TRAIN, 0)[1], records(N_TEST, 1)[1]])
    np.testing.assert_array_equal(found.labels, labels)
    assert found.images.shape == (2_500, 32, 32, 3)
    np.testing.assert_array_equal(found.images[:, 5, 7, 0], 25 * (labels % 10))
    np.testing.assert_array_equal(found.images[:, 5, 7, 1], 25 * (labels // 10))
    assert found.images[0, 0, :3, 2].tolist() == [0, 9, 0]


@pytest.mark.parametrize(
    ("members", "named"),
    [
        ({"train.bin": b"short"}, "train.bin has 5 bytes"),
        ({"test.bin": bytes(N_TEST * 3074 + 1)}, "test.bin has 1537001 bytes"),
        ({"train.bin": b"\xff" * (N_TRAIN * 3074)}, "101 classes up to 255"),
        (None, "cannot be read"),
    ],
)
def test_archives_that_are_refused(tmp_path, members, named):
    path = tmp_path / "cifar-100-binary.tar.gz"
    path.write_bytes(b"no archive") if members is None else write_archive(path, **members)
    with pytest.raises(InputError, match=named):
        read(path)


def test_another_archive_than_the_published_one_is_refused_by_its_md5(tmp_path, monkeypatch):
    monkeypatch.setenv("BRAINBENCH_DATA", str(tmp_path / "data"))
    path = write_archive(
        tmp_path / "cifar-100-binary.tar.gz", **{"train.bin": b"", "test.bin": b""}
    )
    for given in (path, tmp_path):
        with pytest.raises(
            InputError, match=r"another checksum[\s\S]*03b5dce01913d631647c71ecec9e9cb8"
        ):
            cifar100.archive(given)
    with pytest.raises(DataAbsentError, match=r"data fetch CIFAR100"):
        cifar100.archive(None)


@pytest.fixture
def published(tmp_path, monkeypatch):
    """A small stand-in of the archive where `brainbench data fetch` puts the published one."""
    folder = tmp_path / "data" / "CIFAR100" / "published"
    folder.mkdir(parents=True)
    write_archive(folder / "cifar-100-binary.tar.gz")
    monkeypatch.setenv("BRAINBENCH_DATA", str(tmp_path / "data"))
    monkeypatch.setattr(cifar100, "check_file", lambda path, file: None)
    monkeypatch.setattr(cifar100, "read_archive", read_archive_of(cifar100.read_archive))


def read_archive_of(read_whole):
    return lambda path: read_whole(path, n_train=N_TRAIN, n_test=N_TEST)


STRONG = (1e-6, 1e-5)
LAST_FIFTH = (slice(None, -4), slice(-4, None))


def test_a_network_is_transferred_to_cifar100(plugin, published, monkeypatch):
    """The features are mean red, green and blue, which say the class, and the penalties are strong."""
    few = partial(transfer_runs.cifar100_transfer, Cs=STRONG)
    monkeypatch.setattr(transfer_runs, "cifar100_transfer", few)
    found = transfer_run(load_model("fake"), "cifar100", layer="IT.output")
    assert (found.model, found.layer, found.step, found.features) == ("fake", "IT.output", 0, 3)
    assert found.transfer.accuracy.n == N_TEST
    assert found.transfer.chosen_by.n == N_TRAIN / 5
    data = cifar100.read_archive(cifar100.archive(None))
    rows = data.images.mean(axis=(1, 2))
    of_class = [np.flatnonzero(data.labels[:N_TRAIN] == c) for c in range(100)]
    fit, choose = (np.concatenate([k[part] for k in of_class]) for part in LAST_FIFTH)
    test = np.arange(N_TRAIN, N_TRAIN + N_TEST)
    expected = transfer(rows, data.labels, fit=fit, choose=choose, test=test, Cs=STRONG)
    np.testing.assert_allclose(found.transfer.probabilities, expected.probabilities, atol=1e-6)
    assert found.transfer.accuracy == expected.accuracy
    plain = found.config()
    assert json.loads(json.dumps(plain)) == plain


@pytest.mark.parametrize(
    ("options", "error", "named"),
    [
        ({}, NotApplicableError, "no layer of fake stands for behavior"),
        ({"layer": "nix"}, UnknownNameError, "nix"),
        ({"layer": "IT.output", "step": 1}, InputError, "which has 1 steps"),
    ],
)
def test_transfers_that_are_refused(plugin, published, options, error, named):
    with pytest.raises(error, match=named):
        transfer_run(load_model("fake"), "cifar100", **options)


def test_too_many_features_are_refused(plugin, published, monkeypatch):
    monkeypatch.setattr(transfer_runs, "MOST_FEATURES", 2)
    with pytest.raises(InputError, match=r"3 features of IT\.output"):
        transfer_run(load_model("fake"), "cifar100", layer="IT.output")


def test_cifar10_needs_its_three_files(plugin, tmp_path):
    np.save(tmp_path / "test_labels.npy", np.zeros(3))
    with pytest.raises(InputError, match=r"without cifar10_test_jpg\.zip, cifar10h-counts\.npy"):
        transfer_run(load_model("fake"), "cifar10", data=tmp_path, layer="IT.output")
