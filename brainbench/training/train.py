"""Train a network on images by a recipe: one file of weights with its record, and the curve."""

from __future__ import annotations

import copy
import csv
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import torch
from torch.utils.flop_counter import FlopCounterMode

from brainbench.core.errors import InputError
from brainbench.core.model import BrainModel, chosen_by
from brainbench.core.provenance import sha256
from brainbench.models.weight_headers import SUFFIX
from brainbench.storage.files import new_file, remove
from brainbench.training.classification import ClassificationTask, Classifier
from brainbench.training.evaluate import evaluate
from brainbench.training.image_data import ImageData
from brainbench.training.loop import Check, Trained, Training, train
from brainbench.training.monitor import BrainMonitor
from brainbench.training.recipes import Recipe, steps_per_epoch
from brainbench.training.trained_files import TrainedRecord, read_record, write_trained

_DIGITS: Final = 12
_TIMED: Final = 3  # steps of a dry run, after a first one


@dataclass(frozen=True, kw_only=True)
class Job:
    """What is trained on what.

    Parameters
    ----------
    model : BrainModel
        With its initial weights, which are changed.
    name, model_args
        As in `TrainedRecord`; `model_args` hold the choice of the initial weights, if one was given.
    data : ImageData
        Images.
    recipe : Recipe
        How.
    device : torch.device
        Where.
    skip_unreadable : bool
        See `ClassificationTask`.
    monitor : str or None
        Benchmark or composite by whose largest score the epoch is chosen, in place of the last one.
    """

    model: BrainModel
    name: str
    model_args: Mapping[str, Any] = field(default_factory=dict)
    data: ImageData
    recipe: Recipe
    device: torch.device = field(default=torch.device("cpu"))
    skip_unreadable: bool = False
    monitor: str | None = None

    def task(self) -> ClassificationTask:
        """Return the network with its images; InputError for one that cannot be trained on them."""
        classifier = Classifier.of(self.model, self.device)
        classifier.check_classes(self.data)
        return ClassificationTask(
            classifier=classifier,
            data=self.data,
            recipe=self.recipe,
            skip_unreadable=self.skip_unreadable,
        )

    def identity(self) -> dict[str, Any]:
        """Return, in plain values, what the result depends on."""
        return {
            "model": self.model.name,
            "digest": self.model.digest,
            "data": self.data.digest,
            "recipe": self.recipe.model_dump(mode="json"),
            "skip_unreadable": self.skip_unreadable,
        }


@dataclass(frozen=True, kw_only=True)
class TrainedNetwork:
    """A network that is trained: where it is, and what it is."""

    path: Path
    record: TrainedRecord
    is_new: bool  # it was not there before

    @property
    def curve(self) -> Path:
        """The file of its curve."""
        return self.path.with_suffix(".csv")


def train_network(job: Job, *, folder: Path) -> TrainedNetwork:
    """Train a network and store it, or return it if it is stored.

    Parameters
    ----------
    job : Job
        What is trained on what.
    folder : path
        Of the file of weights, which is named after model, recipe and configuration, and of the curve beside
        it. While the training lasts there is a checkpoint, from which the same call goes on.

    Raises
    ------
    InputError, StimulusError
        Images, options or a network that cannot be used, a checkpoint of another configuration, a monitor
        that gave no score at any check.
    DivergedError
        A loss that is not finite; the checkpoint holds the last good state.
    NotApplicableError, DataAbsentError, ...
        A monitor on which the network cannot be scored.
    """
    monitor = None
    if job.monitor is not None:
        monitor = BrainMonitor.of(job.monitor, job.model, device=str(job.device), folder=folder)
    identity = job.identity()
    identity |= {} if monitor is None else {"monitor": monitor.identity()}
    digits = sha256(*(f"{key}={value}" for key, value in sorted(identity.items())))[:_DIGITS]
    stem = "".join(c if c.isalnum() or c in "-_.@" else "_" for c in job.model.name)
    path = folder / f"{stem}-{job.recipe.name}-{digits}{SUFFIX}"
    if path.exists():
        return TrainedNetwork(path=path, record=read_record(path), is_new=False)
    task, began = job.task(), time.perf_counter()
    checkpoint = path.with_suffix(".checkpoint")
    schedule = job.recipe.schedule(task.n_rows)
    if monitor is not None:
        monitor = replace(monitor, folder=path.with_suffix(".activations"))
        schedule = replace(schedule, keep="monitored")
    trained = train(
        task,
        schedule,
        seed=job.recipe.seed,
        checkpoint=checkpoint,
        identity=identity,
        monitor=monitor,
    )
    seconds = time.perf_counter() - began
    accuracy = evaluate(task.classifier, job.data)
    record = TrainedRecord(
        model=job.name,
        model_args=job.model_args,
        recipe=job.recipe.model_dump(mode="json"),
        classes=job.data.classes,
        data=job.data.digest,
        figures={
            **accuracy.config(),
            "updates": trained.steps,
            "seconds": seconds,  # since it was begun or last resumed
            "parameters": sum(p.numel() for p in task.module.parameters()),
            "images": task.n_rows,
            "skipped": len(task.skipped),
            **_choice(job, trained),
        },
        chosen_by=chosen_by(job.model) + (() if monitor is None else (monitor.chosen_by,)),
    )
    write_curve(path.with_suffix(".csv"), trained.history, job)
    write_trained(path, record, task.module.state_dict())
    remove(checkpoint)
    return TrainedNetwork(path=path, record=record, is_new=True)


def _choice(job: Job, trained: Trained) -> dict[str, Any]:
    """Return the figure by which the epoch was chosen; InputError where no check has one."""
    if job.monitor is None:
        return {}
    best = trained.best.monitored
    if best is None or best.value is None:
        raise InputError(
            f"--monitor {job.monitor} gave no score at any of {len(trained.history)} checks",
            allowed="a benchmark that gives a score of this network",
            todo="see the reasons above, and name another benchmark or other layers; without --monitor the "
            "last epoch is kept",
        )
    epoch = trained.best.step / _epoch(job)
    return {"monitored": {"benchmark": job.monitor, "epoch": epoch, **asdict(best)}}


def _epoch(job: Job) -> int:
    return steps_per_epoch(len(job.data.train.labels), job.recipe.batch)


COLUMNS: Final = ("step", "epoch", "loss", "top1")
MONITORED: Final = ("benchmark", "score", "score_low", "score_high")
"""Columns of a curve, and further ones of a training that is monitored."""


def write_curve(path: Path, history: Sequence[Check], job: Job) -> None:
    """Write a row for each check: step, epoch, mean loss since the one before, top-1 on validation images.

    With a monitor also its name, the score and its 95 % interval, empty where there is none.
    """
    with new_file(path, choose="give -o") as temporary, temporary.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(COLUMNS if job.monitor is None else (*COLUMNS, *MONITORED))
        for check in history:
            one = check.monitored
            scored = [] if one is None else [job.monitor, one.value, one.low, one.high]
            row = [check.step, check.step / _epoch(job), check.loss, 1 - check.figure]
            writer.writerow(row + scored)


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What a training will cost, by a few steps of it."""

    parameters: int
    multiply_adds: int  # of an image, over all steps of the network
    images: int  # of the training set
    steps: int
    images_per_second: float
    hours: float  # without classifying the validation images


def cost_of(job: Job) -> Cost:
    """Take a few steps with a copy of the network, and return what all of them will cost."""
    task = job.task()
    task.classifier = copy.deepcopy(task.classifier)
    schedule = job.recipe.schedule(task.n_rows)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(job.recipe.seed)
        training = Training(task, schedule, seed=job.recipe.seed)
        training.step()
        began = time.perf_counter()
        for _ in range(_TIMED):
            training.step()
            _ = float(training.losses[-1])  # waits for an accelerator
        seconds = time.perf_counter() - began
    rate = _TIMED * training.batches.size / seconds
    shown = schedule.phase_steps * training.batches.size
    return Cost(
        parameters=sum(p.numel() for p in task.module.parameters()),
        multiply_adds=multiply_adds(task.classifier),
        images=task.n_rows,
        steps=schedule.phase_steps,
        images_per_second=rate,
        hours=shown / rate / 3600,
    )


def multiply_adds(classifier: Classifier) -> int:
    """Return the multiply-adds of convolutions and matrix products for one more image, over all steps.

    What a network computes once for all images, such as what no image has reached yet, does not count.
    """
    height, width = classifier.preprocess.size or (1, 1)
    totals = []
    for n in (2, 3):
        images = torch.zeros(n, 3, height, width, device=classifier.device)
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            _ = classifier.net.eval()(images)
        totals.append(int(counter.get_total_flops()))
    return (totals[1] - totals[0]) // 2
