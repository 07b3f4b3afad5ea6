"""`brainbench train` and `brainbench evaluate`: from options to a model that is scored."""

import json

import numpy as np
import pytest
from labeled_images import write_arrays

from brainbench import load_model

ARGS = ("--model-args", "classes=5,image_size=64,shrink=16,areas=3", "--set", "batch=20", "-q")


@pytest.fixture
def images(tmp_path):
    return write_arrays(tmp_path / "images.npz")


def test_a_network_is_trained_evaluated_and_is_a_model(call, images, tmp_path):
    out = tmp_path / "trained"
    config = tmp_path / "recipe.toml"
    config.write_text("epochs = 3\ndrops = []\n")
    run = (
        "train",
        "cornet_circuit",
        "--data",
        images,
        *ARGS,
        "-o",
        out,
        "--config",
        config,
        "--set",
        "epochs=1",
        "--monitor",
        "Fake.IT-pls",
    )

    done = call(*run, "--json")

    assert done.status == 0, done.err
    row = json.loads(done.out)
    (path,) = out.glob("*.safetensors")
    assert row["file"] == str(path)
    assert row["figure"] == str(path.with_suffix(".png"))
    assert (out / path.with_suffix(".png").name).stat().st_size > 1000
    again = call(*run)
    assert "trained before" in again.err
    assert row["epoch"] == 1
    score = row["chosen by Fake.IT-pls"]
    assert score["low"] < score["value"] < score["high"]
    assert f"{score['value']:.4f} ({score['low']:.4f} to {score['high']:.4f})" in again.out
    scored = json.loads(call("score", "-m", path, "-b", "Fake.*", "--format", "json", "-q").out)
    status = {one["benchmark"]: one["status"] for one in scored}
    assert status["Fake.IT-pls"] == "not_applicable"
    assert status["Fake.V1-pls"] == "scored"

    found = json.loads(call("evaluate", path, "--data", images, "--json", "-q").out)
    assert found["top1"] == row["top-1"]
    assert len(found["steps"]) == 2
    text = call("evaluate", path, "--data", images, "-q").out
    assert "top-1, step 1" in text

    model = load_model(str(path))
    assert model.name.startswith("cornet_circuit-3areas-w16-5classes-64px@file-")
    assert "recipe cifar (ours, for" in model.notes[-1]
    assert "1 epochs of 40 images of 5 classes" in model.notes[-1]


def test_a_dry_run_says_the_cost(call, images, tmp_path):
    done = call(
        "train",
        "cornet_circuit",
        "--data",
        images,
        *ARGS,
        "-o",
        tmp_path / "out",
        "--dry-run",
        "--json",
    )
    cost = json.loads(done.out)
    assert cost["steps"] == 60
    assert cost["images_per_second"] > 0
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (("--recipe", "imagenet"), "recipe 'imagenet'"),
        (("--device", "cuda"), "device 'cuda'"),
        (("--set", "epochs=0"), "epochs=0"),
        (("--data", "absent"), "absent: there is no such folder"),
    ],
)
def test_what_is_refused(call, images, options, named):
    import torch

    if "cuda" in options and torch.cuda.is_available():
        pytest.skip("there is a GPU")
    done = call("train", "pixels", "--data", images, "-q", *options)
    assert done.status == 2
    assert named in done.err.replace("\n", " ")


def test_another_part_is_refused(call, images):
    assert call("evaluate", "pixels", "--data", images, "--part", "test").status == 2


def test_the_transfer_of_a_network_is_shown(call, tmp_path, monkeypatch):
    from brainbench.training import transfer_runs
    from brainbench.training.evaluate import Accuracy
    from brainbench.training.transfer import Transfer

    half = Accuracy.of(50, 100)
    done = Transfer(C=0.05, chosen_by=half, accuracy=half, probabilities=np.zeros((1, 1)))
    monkeypatch.setattr(transfer_runs.cifar100, "archive", lambda given: given)
    images = np.zeros((4, 32, 32, 3), np.uint8)
    source = transfer_runs.cifar100.Cifar100(images=images, labels=np.arange(4), n_test=1)
    monkeypatch.setattr(transfer_runs.cifar100, "read_archive", lambda path: source)
    monkeypatch.setattr(transfer_runs, "cifar100_transfer", lambda *given, n_test: done)
    run = ("transfer", "fake", "--layer", "V4.output", "--data", tmp_path, "-q")
    found = json.loads(call(*run, "--json").out)
    assert found["accuracy"] == {"value": 0.5, "low": half.low, "high": half.high, "n": 100}
    text = call(*run).out
    assert "0.5000 (0.4038 to 0.5962, n = 100)" in text
    assert "V4.output" in text
    assert "choice for --to 'cifar'" in call(*run, "--to", "cifar").err
