"""Training of classifiers: recipes, resumption, what is stored, what is refused."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import convrnns
import numpy as np
import pandas as pd
import pytest
import torch
from labeled_images import write_arrays, write_folder
from safetensors.torch import load_file
from torch import nn
from trainings import plain_model

from brainbench import load_model
from brainbench.core.errors import InputError, StimulusError
from brainbench.training.classification import ClassificationTask, Classifier
from brainbench.training.evaluate import Accuracy, evaluate
from brainbench.training.image_data import open_image_data
from brainbench.training.loop import DivergedError, Training
from brainbench.training.recipes import RECIPES, recipe_named, steps_per_epoch
from brainbench.training.train import Job, cost_of, multiply_adds, train_network
from brainbench_models.convrnn.models import convrnn

SHORT = recipe_named("cifar", {"epochs": 4, "batch": 10, "drops": [2], "checks": 2})


def model(seed=0, kind="basic"):
    return convrnn(convrnns.small(kind), weights=f"untrained-{seed}", steps=6)


@pytest.fixture
def data(tmp_path):
    return open_image_data(write_arrays(tmp_path / "images.npz"))


def job_of(data, **options):
    return Job(**{"model": model(), "name": "small", "data": data, "recipe": SHORT, **options})


def test_recipes_are_those_of_the_papers():
    nayebi, kubilius = RECIPES["nayebi2018"], RECIPES["cornet_s"]
    one, other = nayebi.schedule(1_281_167), kubilius.schedule(1_281_167)
    assert (one.learning_rate, one.momentum, one.nesterov, one.clip) == (0.01, 0.9, True, 0.7)
    assert (one.batch, one.optimizer, one.keep, one.phases) == (128, "sgd", "last", 1)
    assert (other.learning_rate, other.momentum, other.nesterov, other.batch) == (
        0.1,
        0.9,
        False,
        256,
    )
    epoch = steps_per_epoch(1_281_167, 256)
    assert epoch == 5005
    assert other.drops == (20 * epoch, 40 * epoch)
    assert other.phase_steps == 43 * epoch
    assert all(recipe.gaps for name, recipe in RECIPES.items() if not name.startswith("cifar"))
    assert RECIPES["nayebi2018-proxy"].epochs == 5


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"epochs": 0}, "epochs=0"),
        ({"learning_rate": -1}, "learning_rate=-1"),
        ({"size": 3}, "size=3"),
        ({"name": "x"}, "name= belongs"),
        ({"augmentation": "flip"}, "augmentation='flip'"),
        ({"momentum": 0}, "nesterov=true with momentum=0"),
    ],
)
def test_options_of_recipes_that_are_refused(options, named):
    with pytest.raises(InputError, match=named):
        recipe_named("cifar", options)


def test_a_training_learns_and_is_stored_with_its_curve(data, tmp_path):
    done = train_network(job_of(data), folder=tmp_path)

    table = pd.read_csv(done.curve)
    assert table["step"].tolist() == list(range(2, 17, 2))
    assert table["epoch"].iloc[-1] == 4
    assert table["loss"].iloc[-1] < table["loss"].iloc[0]
    figures = done.record.figures
    assert figures["top1"]["value"] == table["top1"].iloc[-1] > 0.5
    assert figures["top5"] is None  # of five classes
    assert figures["updates"] == 16
    assert len(figures["steps"]) == 6
    assert figures["steps"][-1] == figures["top1"]
    assert {path.suffix for path in tmp_path.iterdir()} == {".npz", ".csv", ".safetensors"}
    again = train_network(job_of(data), folder=tmp_path)
    assert (again.is_new, again.record) == (False, done.record)
    other = train_network(job_of(data, model=model(seed=1)), folder=tmp_path)
    assert other.path != done.path


def test_the_learning_rate_drops_and_gradients_are_clipped(data):
    recipe = recipe_named("cifar", {"batch": 20, "drops": [1, 2], "epochs": 3, "clip": 1e-4})
    task = job_of(data, recipe=recipe).task()
    training = Training(task, recipe.schedule(task.n_rows), seed=0)
    rates = []
    for _ in range(6):
        training.step()
        rates.append(training.optimizer.param_groups[0]["lr"])
    assert rates == pytest.approx([0.05, 0.05, 0.005, 0.005, 0.0005, 0.0005])
    largest = max(float(p.grad.abs().max()) for p in task.module.parameters())
    assert largest <= 1e-4 * (1 + 1e-6)


@pytest.mark.slow
def test_a_training_that_is_killed_ends_with_the_same_curve_and_weights(tmp_path, data):
    whole = train_network(job_of(data), folder=tmp_path / "whole")
    folder = tmp_path / "killed"
    code = (
        f"import sys; sys.path[:0] = {[str(Path(convrnns.__file__).parent), str(Path(__file__).parent)]}\n"
        "import time, pathlib, test_train as t\n"
        "from brainbench.training import loop\n"
        "check = loop.Training.check\n"
        "def slow(self):\n    time.sleep(0.3 if self.progress.steps > 4 else 0)\n    check(self)\n"
        "loop.Training.check = slow\n"
        f"data = t.open_image_data(pathlib.Path({str(tmp_path / 'images.npz')!r}))\n"
        f"t.train_network(t.job_of(data), folder=pathlib.Path({str(folder)!r}))\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code], env={**os.environ})
    deadline = time.monotonic() + 120
    while not list(folder.glob("*.checkpoint")) and time.monotonic() < deadline:
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert not list(folder.glob("*.safetensors"))

    done = train_network(job_of(data), folder=folder)

    assert done.curve.read_bytes() == whole.curve.read_bytes()
    own, other = (load_file(path) for path in (done.path, whole.path))
    assert own.keys() == other.keys()
    assert all(torch.equal(own[key], other[key]) for key in own)
    assert not list(folder.glob("*.checkpoint"))


def stopped(job, folder):
    """Leave a checkpoint of a training that was stopped after its first check."""
    from brainbench.training import checkpoints

    task = job.task()
    training = Training(task, job.recipe.schedule(task.n_rows), seed=job.recipe.seed)
    training.step()
    training.check()
    schedule = job.recipe.schedule(task.n_rows).config()
    identity = {**job.identity(), "schedule": schedule, "seed": job.recipe.seed}
    checkpoints.write(folder, training.checkpoint(identity))


def test_a_checkpoint_of_another_model_is_refused(data, tmp_path, monkeypatch):
    job = job_of(data)
    monkeypatch.setattr("brainbench.training.train.sha256", lambda *parts: "0" * 64)
    stopped(
        job_of(data, model=model(seed=1)),
        tmp_path / "small_basic-t6@untrained-0-cifar-000000000000.checkpoint",
    )
    with pytest.raises(InputError, match=r"another configuration.*untrained-1.*untrained-0"):
        train_network(job, folder=tmp_path)


def test_a_loss_that_explodes_names_its_step_and_keeps_the_last_good_checkpoint(data, tmp_path):
    recipe = recipe_named(
        "cifar", {"epochs": 4, "batch": 10, "learning_rate": 1e30, "clip": 1.0, "drops": []}
    )
    job = job_of(data, model=plain_model(), recipe=recipe)
    with pytest.raises(DivergedError, match=r"a loss of (nan|inf) in phase 1, step \d"):
        train_network(job, folder=tmp_path)
    assert not list(tmp_path.glob("*.safetensors"))
    assert all(bool(torch.isfinite(p).all()) for p in job.model.network.net.parameters())


def test_an_image_that_cannot_be_read_in_epoch_3_is_named_and_skipped_only_if_asked(
    tmp_path, monkeypatch
):
    folder = write_folder(tmp_path / "images")
    data = open_image_data(folder)
    recipe = recipe_named("cifar", {"epochs": 4, "batch": 10, "drops": []})
    broken = folder / "train" / "class1" / "001.png"
    check = Training.check

    def breaking(self):
        check(self)
        if self.progress.steps == 4:  # the end of epoch 2
            broken.write_bytes(b"nonsense")

    monkeypatch.setattr(Training, "check", breaking)
    job = replace(job_of(data, recipe=recipe), model=plain_model())
    with pytest.raises(StimulusError, match=r"class1.*001\.png"):
        train_network(job, folder=tmp_path)
    assert len(list(tmp_path.glob("*.checkpoint"))) == 1

    done = train_network(
        replace(job, model=plain_model(), skip_unreadable=True), folder=tmp_path / "other"
    )
    assert done.record.figures["skipped"] == 1


def test_images_skipped_before_a_training_was_stopped_are_counted(tmp_path, monkeypatch):
    folder = write_folder(tmp_path / "images")
    broken = folder / "train" / "class1" / "001.png"
    whole = broken.read_bytes()
    broken.write_bytes(b"nonsense")
    recipe = recipe_named("cifar", {"epochs": 2, "batch": 10, "drops": []})
    job = Job(
        model=plain_model(),
        name="plain",
        data=open_image_data(folder),
        recipe=recipe,
        skip_unreadable=True,
    )
    check = Training.check

    def stopping(self):
        if self.progress.steps == 4:
            raise KeyboardInterrupt
        check(self)

    monkeypatch.setattr(Training, "check", stopping)
    with pytest.raises(KeyboardInterrupt):
        train_network(job, folder=tmp_path)
    monkeypatch.setattr(Training, "check", check)
    broken.write_bytes(whole)  # the data are those that were opened: the image is whole again
    done = train_network(replace(job, model=plain_model()), folder=tmp_path)
    assert done.record.figures["skipped"] == 1


def test_a_network_with_other_classes_or_without_a_module_is_refused(data, tmp_path):
    with pytest.raises(InputError, match=r"gives \(1, 3\).*5 classes") as caught:
        job_of(data, model=plain_model(classes=3)).task()
    assert "classes=5" in caught.value.todo
    for other in (load_model("pixels"), plain_model(size=None)):
        with pytest.raises(InputError, match="cannot be trained"):
            job_of(data, model=other).task()


def test_cost_is_measured_and_leaves_the_network_alone(data):
    job = job_of(data)
    before = {k: v.clone() for k, v in job.model.network.net.state_dict().items()}
    cost = cost_of(job)
    assert all(torch.equal(before[k], v) for k, v in job.model.network.net.state_dict().items())
    assert (cost.images, cost.steps) == (40, 16)
    assert cost.hours == pytest.approx(160 / cost.images_per_second / 3600)
    plain = Classifier.of(plain_model(), torch.device("cpu"))
    assert multiply_adds(plain) == 14 * 14 * 27 * 4 + 4 * 5


def test_accuracy_by_hand_and_its_interval(data):
    half = Accuracy.of(50, 100)
    assert (half.low, half.high) == pytest.approx((0.4038315, 0.5961685), abs=1e-6)  # Wilson
    assert Accuracy.of(0, 10).low == 0
    assert Accuracy.of(10, 10).high == 1
    net = plain_model()
    found = evaluate(Classifier.of(net, torch.device("cpu")), data)
    images = torch.from_numpy(net.preprocess(list(data.val.pictures)))
    with torch.no_grad():
        best = net.network.net.eval()(images).argmax(1).numpy()
    assert found.top1.value == float((best == data.val.labels).mean())
    assert (found.steps, found.top5) == (None, None)


@pytest.mark.parametrize("name", ["cornet_circuit", "cornet_rt", "small"])
def test_logits_and_those_of_the_steps_come_in_one_pass(name):
    options = {"classes": 7, "shrink": 16} if name == "cornet_circuit" else {}
    given = {"weights": "untrained-0", "image_size": 64, **options}
    net = (model() if name == "small" else load_model(name, **given)).network.net
    images, passes = torch.rand(2, 3, *(2 * [16 if name == "small" else 64])), []
    first = next(m for m in net.modules() if isinstance(m, nn.Conv2d))
    first.register_forward_hook(lambda *_: passes.append(1))
    with torch.no_grad():
        logits, steps = net.logits_and_steps(images)
        once = len(passes)
        assert torch.equal(logits, net(images))
    assert len(passes) == 2 * once
    assert steps.shape[:2] == (2, {"cornet_rt": 5, "small": 6}.get(name, 2))
    torch.testing.assert_close(steps[:, -1], logits)


def test_mixed_precision_where_it_is_asked_for(data):
    task = job_of(data, recipe=recipe_named("cifar", {"precision": "bfloat16"})).task()
    assert task.is_mixed
    assert torch.isfinite(task.loss(torch.arange(10)))
    assert not job_of(data).task().is_mixed  # a processor
    assert isinstance(task, ClassificationTask)
    rows = task.batch(torch.arange(4))
    assert rows[0].shape == (4, 3, 16, 16)
    assert np.array_equal(rows[1].numpy(), data.train.labels[:4])
