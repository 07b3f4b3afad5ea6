"""The loop: phases of gradient descent with early stopping, resumed where it was stopped.

It knows nothing of what is fitted: a `Task` has the module, its training examples and its validation figure.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from brainbench.core import progress as reporting
from brainbench.core.errors import ActivationError, BrainbenchError, InputError
from brainbench.training import checkpoints
from brainbench.training.batches import Batches
from brainbench.training.checkpoints import Checkpoint
from brainbench.training.schedule import Schedule

State = dict[str, Any]


class Task(Protocol):
    """A module and the data that it is fitted to."""

    @property
    def module(self) -> nn.Module:
        """The network; its weights are changed."""

    @property
    def n_rows(self) -> int:
        """Number of training examples."""

    def loss(self, rows: Tensor) -> Tensor:
        """Return what is minimized of some training examples, a number; the module is in training."""

    def validation(self) -> float:
        """Return the figure that decides when to stop, smaller is better; the module is in evaluation."""


@runtime_checkable
class HasState(Protocol):
    """A task that keeps something of its own over a fit, in plain values."""

    def state(self) -> Any:
        """Return it, for a checkpoint."""

    def restore(self, state: Any) -> None:
        """Go on from what a checkpoint has."""


@dataclass(frozen=True, kw_only=True)
class Monitored:
    """A figure beside the validation, larger is better; None where there is none, or no 95 % interval."""

    value: float | None
    low: float | None = None
    high: float | None = None


class Monitor(Protocol):
    """A figure of the module by which the kept model is chosen, beside its validation."""

    def figure(self) -> Monitored:
        """Return the figure of the module as it is; random numbers and module stay as they are."""


class DivergedError(BrainbenchError, RuntimeError):
    """A loss, or a weight, that is NaN or infinite; the module has its last good weights."""


@dataclass(frozen=True, kw_only=True)
class Check:
    """One validation: after how many steps of which phase, and its figure."""

    phase: int  # from 1
    step: int  # of the phase
    figure: float
    loss: float | None = None  # mean over the steps since the check before
    monitored: Monitored | None = None

    @classmethod
    def of(cls, plain: Mapping[str, Any]) -> Check:
        """Return the check of what `dataclasses.asdict` gave."""
        monitored = plain.get("monitored")
        return cls(**{**plain, "monitored": monitored and Monitored(**monitored)})


@dataclass(kw_only=True)
class Progress:
    """How far a fit is, in plain values."""

    phase: int = 1
    step: int = 0  # of the phase
    steps: int = 0  # of all phases
    without_best: int = 0  # checks since the last best one of this phase
    best: Check | None = None
    history: list[Check] = field(default_factory=list)
    finished: bool = False

    @classmethod
    def of(cls, plain: Mapping[str, Any]) -> Progress:
        """Return the progress of what `dataclasses.asdict` gave."""
        history = [Check.of(one) for one in plain["history"]]
        best = None if plain["best"] is None else Check.of(plain["best"])
        return cls(**{**plain, "history": history, "best": best})


@dataclass(frozen=True, kw_only=True)
class Trained:
    """How a fit went. The module has the weights of the best check, which `Schedule.keep` says."""

    best: Check
    steps: int
    history: tuple[Check, ...]


class Training:
    """A fit under way: module, optimizer, order of the examples, progress.

    Parameters
    ----------
    task : Task
        What is fitted.
    schedule : Schedule
        Phases and when they end.
    seed : int
        Of the order of the training examples, and of random numbers that the task draws with torch.
    monitor : Monitor, optional
        What chooses the kept model with `keep` "monitored", and only then; else an InputError.
    """

    def __init__(
        self, task: Task, schedule: Schedule, *, seed: int, monitor: Monitor | None = None
    ) -> None:
        if (schedule.keep == "monitored") != (monitor is not None):
            raise InputError(
                f"schedule {schedule.name!r} that keeps {schedule.keep!r}, "
                + ("without a monitor" if monitor is None else "with a monitor"),
                allowed='a monitor with keep="monitored", and only then',
                todo="give monitor= and keep= together, or neither",
            )
        self.task, self.schedule, self.progress = task, schedule, Progress()
        self.monitor = monitor
        self.batches = Batches(task.n_rows, schedule.batch, seed=seed)
        self.optimizer = _optimizer(task.module, schedule)
        self.losses: list[Tensor] = []  # since the last check
        self.best_module = copy.deepcopy(task.module.state_dict())
        self.best_optimizer = copy.deepcopy(self.optimizer.state_dict())

    def step(self) -> None:
        """Take one step; DivergedError where the loss is not finite."""
        self.task.module.train()
        if self.progress.steps in self.schedule.drops:
            self._divide_rate()
        self.optimizer.zero_grad(set_to_none=True)
        self.progress.step += 1
        self.progress.steps += 1
        try:
            loss = self.task.loss(self.batches.next())
        except ActivationError as error:  # a network that checks its own values
            raise self._diverged(error.got) from error
        if not math.isfinite(float(loss.detach())):
            raise self._diverged(f"a loss of {float(loss.detach())}")
        loss.backward()  # type: ignore[no-untyped-call]
        if self.schedule.clip is not None:
            nn.utils.clip_grad_value_(self.task.module.parameters(), self.schedule.clip)
        self.optimizer.step()
        self.losses.append(loss.detach())

    def check(self) -> None:
        """Validate; keep the model if it is the best so far.

        DivergedError where the figure or a weight is not finite: a gradient that is not leaves the loss of
        its own step finite.
        """
        self.task.module.eval()
        for name, weights in self.task.module.state_dict().items():
            if not bool(torch.isfinite(weights).all()):
                raise self._diverged(f"a weight {name} of {float(weights[~weights.isfinite()][0])}")
        try:
            with torch.no_grad():
                figure = float(self.task.validation())
        except ActivationError as error:
            raise self._diverged(f"validation: {error.got}") from error
        if not math.isfinite(figure):
            raise self._diverged(f"a validation of {figure}")
        done = Check(
            phase=self.progress.phase,
            step=self.progress.step,
            figure=figure,
            loss=float(torch.stack(self.losses).mean()) if self.losses else None,
            monitored=None if self.monitor is None else self.monitor.figure(),
        )
        self.losses = []
        self.progress.history.append(done)
        if self._is_kept(done):
            self.progress.best, self.progress.without_best = done, 0
            self.best_module = copy.deepcopy(self.task.module.state_dict())
            self.best_optimizer = copy.deepcopy(self.optimizer.state_dict())
        else:
            self.progress.without_best += 1

    def _is_kept(self, done: Check) -> bool:
        """Return whether a check is that of the model to keep, so far; of equal figures the first one's."""
        best = self.progress.best
        if best is None or self.schedule.keep == "last":
            return True
        if self.schedule.keep == "best":
            return done.figure < best.figure
        return _monitored(done) > _monitored(best)

    @property
    def phase_is_over(self) -> bool:
        """Whether the phase has all its steps, or has not improved for long enough."""
        return (
            self.progress.step >= self.schedule.phase_steps
            or (
                self.schedule.keep == "best"
                and self.progress.without_best >= self.schedule.patience
            )
            or self._has_all_steps
        )

    @property
    def _has_all_steps(self) -> bool:
        return self.schedule.steps is not None and self.progress.steps >= self.schedule.steps

    def next_phase(self) -> None:
        """Begin the next phase with the best model and the state of its optimizer, or finish.

        The learning rate is that of this state, divided: that of the phase in which the best was found.
        """
        self.restore_best()
        if self.progress.phase == self.schedule.phases or self._has_all_steps:
            self.progress.finished = True
            return
        self.progress.phase += 1
        self.progress.step = self.progress.without_best = 0
        self.optimizer.load_state_dict(copy.deepcopy(self.best_optimizer))
        self._divide_rate()

    def _divide_rate(self) -> None:
        for group in self.optimizer.param_groups:
            group["lr"] /= self.schedule.divisor

    def restore_best(self) -> None:
        """Give the module the weights of the best check; its first ones where there was none."""
        self.task.module.load_state_dict(self.best_module)
        self.task.module.eval()

    def checkpoint(self, identity: Mapping[str, Any]) -> Checkpoint:
        """Return all that the rest of the fit depends on."""
        own, groups = checkpoints.split_optimizer(self.optimizer.state_dict())
        best, best_groups = checkpoints.split_optimizer(self.best_optimizer)
        plain = {"groups": groups, "best_groups": best_groups, **asdict(self.progress)}
        if isinstance(self.task, HasState):
            plain["task"] = self.task.state()
        tensors = {
            **checkpoints.prefixed("module", self.task.module.state_dict()),
            **checkpoints.prefixed("best", self.best_module),
            **checkpoints.prefixed("optimizer", own),
            **checkpoints.prefixed("best_optimizer", best),
            **checkpoints.prefixed("batches", self.batches.state()),
            "random": torch.get_rng_state(),
        }
        return Checkpoint(identity=identity, progress=plain, tensors=tensors)

    def restore(self, checkpoint: Checkpoint) -> None:
        """Go on from a checkpoint."""
        tensors, plain = checkpoint.tensors, dict(checkpoint.progress)
        groups, best_groups = plain.pop("groups"), plain.pop("best_groups")
        kept = plain.pop("task", None)
        if isinstance(self.task, HasState) and kept is not None:
            self.task.restore(kept)
        self.progress = Progress.of(plain)
        device = next(self.task.module.parameters()).device
        self.task.module.load_state_dict(checkpoints.under("module", tensors))
        self.best_module = {
            key: value.to(device) for key, value in checkpoints.under("best", tensors).items()
        }
        self.optimizer.load_state_dict(
            checkpoints.joined_optimizer(checkpoints.under("optimizer", tensors), groups)
        )
        self.best_optimizer = checkpoints.joined_optimizer(
            checkpoints.under("best_optimizer", tensors), best_groups
        )
        self.batches.restore(checkpoints.under("batches", tensors))
        torch.set_rng_state(tensors["random"])

    def _diverged(self, told: str) -> DivergedError:
        phase, step = self.progress.phase, self.progress.step
        best = self.progress.best
        kept = f"those of phase {best.phase}, step {best.step}" if best else "the initial ones"
        self.restore_best()
        return DivergedError(
            f"{told} in phase {phase}, step {step} (step {self.progress.steps} of all); the "
            f"last good weights are kept: {kept}",
            allowed="a finite loss",
            todo="give a smaller learning rate, another loss or another seed, and check responses and images",
        )


def _monitored(check: Check) -> float:
    """Return the monitored figure of a check; one without is below all others."""
    figure = None if check.monitored is None else check.monitored.value
    return -math.inf if figure is None else figure


def _optimizer(module: nn.Module, schedule: Schedule) -> torch.optim.Optimizer:
    parameters = list(module.parameters())
    if schedule.optimizer == "adam":
        return torch.optim.Adam(
            parameters, lr=schedule.learning_rate, weight_decay=schedule.weight_decay
        )
    return torch.optim.SGD(
        parameters,
        lr=schedule.learning_rate,
        momentum=schedule.momentum,
        nesterov=schedule.nesterov,
        weight_decay=schedule.weight_decay,
    )


def train(
    task: Task,
    schedule: Schedule,
    *,
    seed: int,
    checkpoint: Path | None = None,
    identity: Mapping[str, Any] | None = None,
    monitor: Monitor | None = None,
) -> Trained:
    """Fit a module, from its checkpoint if there is one; the module then has its best weights.

    Parameters
    ----------
    task, schedule, seed, monitor
        See `Training`.
    checkpoint : path, optional
        Written at each check. A fit that was stopped, however, goes on from it and ends with the same weights
        as one that was not, on the same machine with the same number of threads.
    identity : mapping, optional
        Plain values that say what is fitted; they are held against those of the checkpoint, with schedule
        and seed.

    Raises
    ------
    DivergedError
        A loss that is not finite.
    InputError, DamagedFileError
        A checkpoint of another configuration, or one that cannot be read.
    """
    whole = {**(identity or {}), "schedule": schedule.config(), "seed": seed}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        training = Training(task, schedule, seed=seed, monitor=monitor)
        if checkpoint is not None and checkpoint.exists():
            training.restore(checkpoints.read(checkpoint, whole))
        most = schedule.steps or schedule.phases * schedule.phase_steps
        with reporting.current().task("steps", most) as advance:
            advance(training.progress.steps)
            while not training.progress.finished:
                _until_check(training, advance)
                if checkpoint is not None:
                    checkpoints.write(checkpoint, training.checkpoint(whole))
    training.restore_best()
    done = training.progress
    assert done.best is not None  # noqa: S101  # a fit ends at a check
    return Trained(best=done.best, steps=done.steps, history=tuple(done.history))


def _until_check(training: Training, advance: Any) -> None:
    """Take the steps up to the next check, validate, and begin the next phase if this one is over."""
    schedule, progress = training.schedule, training.progress
    left = [schedule.check_every, schedule.phase_steps - progress.step]
    if schedule.steps is not None:
        left.append(schedule.steps - progress.steps)
    for _ in range(min(left)):
        training.step()
    advance(min(left))
    training.check()
    if training.phase_is_over:
        training.next_phase()
