"""Schedules: how long is trained, at which learning rates, and when it ends, by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from types import MappingProxyType
from typing import Any, Final, Literal

from brainbench.core.errors import InputError, unknown


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """Phases of gradient descent, each of which ends when the validation figure no longer improves.

    Each phase after the first begins with the best model so far and the state of its optimizer, whose
    learning rate is divided. The best model is that of all phases. Unless `keep` is "best" nothing ends
    early, as in the training of classifiers.

    Parameters
    ----------
    name : str
        As users give it; marked wherever figures of a fit stand.
    learning_rate : float
        Of the first phase.
    divisor : float
        Of the learning rate, from one phase to the next.
    phases : int
        Number of phases.
    batch : int
        Training examples of a step; all of them where there are fewer.
    check_every : int
        Steps from one validation to the next.
    patience : int
        Checks without a new best after which a phase ends.
    phase_steps : int
        Most steps of a phase.
    steps : int or None
        Most steps of all phases together.
    optimizer : {"adam", "sgd"}
        Adam, or stochastic gradient descent with the next three.
    momentum, nesterov, weight_decay
        As in `torch.optim.SGD`; weight decay acts on all parameters.
    clip : float or None
        Largest absolute value of an entry of a gradient; larger ones are cut to it.
    drops : tuple of int
        Numbers of steps of all phases after which the learning rate is divided once more.
    keep : {"best", "last", "monitored"}
        Which model the fit ends with: that of the best validation figure, the last one, or that of the
        largest figure of a `loop.Monitor`.
    """

    name: str
    learning_rate: float = 1e-3
    divisor: float = 3.0
    phases: int = 3
    batch: int = 256
    check_every: int = 50
    patience: int = 10
    phase_steps: int = 40_000
    steps: int | None = None
    optimizer: Literal["adam", "sgd"] = "adam"
    momentum: float = 0.0
    nesterov: bool = False
    weight_decay: float = 0.0
    clip: float | None = None
    drops: tuple[int, ...] = ()
    keep: Literal["best", "last", "monitored"] = "best"

    def __post_init__(self) -> None:
        whole = ("phases", "batch", "check_every", "patience", "phase_steps")
        wrong = [name for name in whole if getattr(self, name) < 1]
        wrong += [name for name in ("learning_rate", "divisor") if not getattr(self, name) > 0]
        wrong += [name for name in ("momentum", "weight_decay") if not getattr(self, name) >= 0]
        wrong += ["steps"] if self.steps is not None and self.steps < 1 else []
        wrong += ["clip"] if self.clip is not None and not self.clip > 0 else []
        if wrong:
            given = ", ".join(f"{name}={getattr(self, name)}" for name in wrong)
            raise InputError(
                f"schedule {self.name!r} with {given}",
                allowed="whole numbers from 1; learning rate, divisor and clip above 0; momentum and "
                "weight decay from 0",
                todo="correct the schedule",
            )

    def config(self) -> dict[str, Any]:
        """Return all of it as plain values."""
        return asdict(self)


SCHEDULES: Final[Mapping[str, Schedule]] = MappingProxyType(
    {
        one.name: one
        for one in (
            Schedule(name="published"),
            Schedule(
                name="quick", batch=64, check_every=25, patience=4, phase_steps=1500, steps=1500
            ),
        )
    }
)
"""`published` is that of Zhang et al. 2020, after Klindt et al. 2017; `quick` is ours, for a processor."""


def schedule_named(name: str) -> Schedule:
    """Return a schedule; UnknownNameError for a name that does not exist."""
    if name not in SCHEDULES:
        raise unknown("schedule", name, list(SCHEDULES), todo="give schedule= one of these")
    return SCHEDULES[name]
