"""The contract of a fitter: which network is fitted to recordings, and how; found by entry points.

A plug-in lists fitters under `brainbench.fitters`, name -> "module:attribute".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, TypeVar

import pydantic
import torch

from brainbench.core import registry
from brainbench.core.errors import InputError
from brainbench.metrics.array_types import FloatArray, IntArray
from brainbench.stats.fit_splits import FitSplit
from brainbench.training.loop import Task
from brainbench.training.population import Population
from brainbench.training.schedule import Schedule, schedule_named


class FitConfig(pydantic.BaseModel):
    """Options that every fit has; a fitter adds its own.

    `schedule` is the name of one of `training.schedule.SCHEDULES`; `seed` that of initial weights and of the
    order of the pictures; `split_seed` and `fraction` are those of `stats.fit_splits.fit_splits`;
    `sessions` are recording sessions, all by default; `leave_out` are neurons that are not fitted.
    """

    model_config = pydantic.ConfigDict(frozen=True, extra="forbid", strict=False)

    schedule: str = "published"
    seed: int = pydantic.Field(default=0, ge=0)
    split_seed: int = pydantic.Field(default=0, ge=0)
    fraction: float = 1.0
    sessions: tuple[str, ...] = ()
    leave_out: tuple[str, ...] = ()

    @pydantic.field_validator("sessions", "leave_out", mode="before")
    @classmethod
    def _listed(cls, given: Any) -> Any:
        """Return what was given as a list: one name, or several separated by commas."""
        if isinstance(given, str | int):
            return [name.strip() for name in str(given).split(",") if name.strip()]
        return [str(name) for name in given] if isinstance(given, list | tuple) else given

    @property
    def named_schedule(self) -> Schedule:
        """The schedule; UnknownNameError for a name that does not exist."""
        return schedule_named(self.schedule)


class FitTask(Task, Protocol):
    """A network that is fitted to one split of the pictures."""

    def predict(self, rows: IntArray) -> FloatArray:
        """Return predictions of some pictures for all neurons of the population, picture x neuron."""


class PreparedFit(Protocol):
    """A population ready to be fitted: pictures are preprocessed once for all splits."""

    def task(self, split: FitSplit) -> FitTask:
        """Return a network with initial weights, and what it is fitted to."""


class Fitter(Protocol):
    """A declaration of networks and losses."""

    @property
    def name(self) -> str:
        """As users give it."""

    @property
    def config_type(self) -> type[FitConfig]:
        """The options, with their defaults."""

    def prepare(self, config: Any, population: Population, device: torch.device) -> PreparedFit:
        """Preprocess pictures and responses; InputError for those that cannot be used."""


ConfigT = TypeVar("ConfigT", bound=FitConfig)


def load_fitter(name: str) -> Fitter:
    """Return the fitter of a name; UnknownNameError where none is registered."""
    fitter: Fitter = registry.load("fitters", name)
    return fitter


def config_of(kind: type[ConfigT], options: Mapping[str, Any], *, fitter: str) -> ConfigT:
    """Return checked options; InputError that names each that does not exist or is not allowed."""
    try:
        config = kind(**options)
    except pydantic.ValidationError as error:
        problems = [
            f"{'.'.join(map(str, one['loc']))}={one.get('input')!r}: {one['msg']}"
            for one in error.errors()
        ]
        raise InputError(
            f"options of {fitter}: {'; '.join(problems)}",
            allowed=", ".join(_described(kind)),
            todo="correct the file of --config, or --set NAME=VALUE",
        ) from error
    _ = config.named_schedule
    return config


def _described(kind: type[FitConfig]) -> Sequence[str]:
    return [f"{name} (now {field.default!r})" for name, field in kind.model_fields.items()]
