"""Studies: the trials of an architecture search in one file, a journal of optuna."""

from __future__ import annotations

import importlib
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pandas as pd

from brainbench.core.errors import DamagedFileError, InputError, unknown
from brainbench.training.search_space import Drawn

SUFFIX: Final = ".study"
FACTS: Final = (
    "top1",
    "diverged",
    "pruned",
    "parameters",
    "multiply_adds",
    "seconds",
    "processor_seconds",
)
"""Columns of the table of trials, beside the choices."""
MEMBERS: Final = ("best", "median", "random")
_NAME: Final = "search"


def open_file(file: Path, sampler: Any = None, pruner: Any = None) -> Any:
    """Return the study in a file; DamagedFileError where it cannot be read."""
    optuna = optuna_package()
    journal = importlib.import_module("optuna.storages.journal")
    try:
        storage = optuna.storages.JournalStorage(journal.JournalFileBackend(str(file)))
        return optuna.create_study(
            storage=storage,
            study_name=_NAME,
            direction="maximize",
            sampler=sampler,
            pruner=pruner,
            load_if_exists=True,
        )
    except (OSError, ValueError, KeyError, AssertionError) as error:
        raise DamagedFileError(
            f"study {file} cannot be read or written ({error})",
            allowed="a file that `brainbench search` has written",
            todo="give another -o FILE",
        ) from error


def finished_trials(study: Any) -> list[Any]:
    """Return the trials that were trained, in the order of their numbers."""
    trained = [trial for trial in study.trials if "facts" in trial.user_attrs]
    trained = [trial for trial in trained if trial.state.is_finished()]
    return sorted(trained, key=lambda trial: int(trial.user_attrs["number"]))


def optuna_package() -> Any:
    """Return optuna, which is told to be quiet; InputError where it is not installed."""
    try:
        optuna = importlib.import_module("optuna")
    except ImportError as error:
        raise InputError(
            "a search without the package optuna",
            allowed="brainbench with the extra search",
            todo="pip install 'brainbench[search]'",
        ) from error
    optuna.logging.set_verbosity(logging.ERROR)
    return optuna


@dataclass(frozen=True, kw_only=True)
class Study:
    """The trials of a search, read from its file.

    Parameters
    ----------
    space : str
        The search space.
    trials : DataFrame
        A row for each network that was trained, by number: `FACTS`, and a column for each choice.
    drawn : mapping of int to Drawn
        Number of a trial -> its network.
    rejected : mapping of str to int
        Reason -> number of draws that were rejected for it: "no cell", "too large".
    random : int
        Trials of the random phase.
    recipe : mapping
        Of the short trainings.
    """

    space: str
    trials: pd.DataFrame
    drawn: Mapping[int, Drawn]
    rejected: Mapping[str, int]
    random: int
    recipe: Mapping[str, Any]

    def member(self, name: str) -> Drawn:
        """Return a network of the study: "best", "median", "random", or the number of a trial.

        The median is that of the trials after the random phase, the lower of two; "random" is the first
        trial of the random phase. UnknownNameError for another name, or a number that has no trial.
        """
        top1 = self.trials["top1"]
        searched = top1[top1.index >= self.random].sort_values(kind="stable")
        members = {str(number): number for number in self.drawn}
        if len(top1):
            members |= {
                "best": list(self.drawn)[int(top1.argmax())],
                "random": next(iter(self.drawn)),
            }
        if len(searched):
            members["median"] = searched.index.tolist()[(len(searched) - 1) // 2]
        if name not in members:
            shown = [*MEMBERS, *(str(number) for number in list(self.drawn)[:3]), "..."]
            raise unknown("trial", name, shown, todo="choose a trial of the study")
        return self.drawn[members[name]]


def read_study(file: Path) -> Study:
    """Return the trials of a study; InputError for a file that is not there or is none."""
    if not file.is_file():
        raise InputError(
            f"there is no study {file}",
            allowed=f"a {SUFFIX} file that `brainbench search` has written",
            todo="check the path",
        )
    study = open_file(file)
    if "identity" not in study.user_attrs:
        raise InputError(
            f"{file} is no study of brainbench",
            allowed=f"a {SUFFIX} file that `brainbench search` has written",
            todo="check the path",
        )
    identity, trials = study.user_attrs["identity"], finished_trials(study)
    rows = [{**trial.user_attrs["facts"], **trial.params} for trial in trials]
    numbers = [int(trial.user_attrs["number"]) for trial in trials]
    rejected = [trial.user_attrs.get("rejected", "") for trial in study.trials]
    kinds = pd.Series([text.partition(":")[0] for text in rejected if text], dtype=str)
    return Study(
        space=identity["space"],
        trials=pd.DataFrame(rows, index=pd.Index(numbers, name="trial")),
        drawn={
            number: Drawn(**trial.user_attrs["drawn"])
            for number, trial in zip(numbers, trials, strict=True)
        },
        rejected={str(kind): int(count) for kind, count in kinds.value_counts().items()},
        random=identity["random"],
        recipe=identity["recipe"],
    )
