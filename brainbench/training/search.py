"""Architecture search by TPE (Nayebi 2018, supplement 6.5): many networks, each trained for a short while.

A study is one file, which several searches at once may share. Each trial has a number, and draws from seeds
of its own, so that a search that was stopped goes on as it would have gone.
"""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from brainbench.core import progress
from brainbench.core.errors import BrainbenchError, InputError
from brainbench.core.provenance import sha256
from brainbench.run.loading import load_model
from brainbench.storage.claims import Claims
from brainbench.training.classification import ClassificationTask
from brainbench.training.fit import device_named
from brainbench.training.image_data import ImageData, LabeledImages, open_image_data
from brainbench.training.loop import DivergedError, train
from brainbench.training.recipes import Recipe
from brainbench.training.search_space import Drawn, SearchSpace, load_space
from brainbench.training.spread import reports
from brainbench.training.study import finished_trials, open_file, optuna_package
from brainbench.training.train import Job, multiply_adds

_DRAWS: Final = 10_000  # of one trial, before the space counts as empty


@dataclass(frozen=True, kw_only=True)
class Search:
    """What is searched, how, and where its trials are kept.

    Parameters
    ----------
    space : str
        A registered search space.
    data : path
        As in `image_data.open_image_data`; the validation images decide.
    recipe : Recipe
        Of the short training of each network. Its seed is that of initial weights, order of images, choice of
        images and draws.
    file : path
        The study.
    images : int, optional
        So many of the training images are used, drawn once; all by default.
    random : int
        Trials that are drawn at random before TPE begins.
    prune : bool
        Whether a training ends that is below the median of the others at the same epoch.
    device : str
        As in `fit.device_named`.
    """

    space: str
    data: Path
    recipe: Recipe
    file: Path
    images: int | None = None
    random: int = 20
    prune: bool = False
    device: str = "auto"

    def identity(self, space: SearchSpace, data: ImageData) -> dict[str, Any]:
        """Return, in plain values, what the trials depend on."""
        return {
            "space": space.name,
            "version": space.version,
            "data": data.digest,
            "images": self.images,
            "random": self.random,
            "prune": self.prune,
            "recipe": self.recipe.model_dump(mode="json"),
        }


@dataclass(frozen=True, kw_only=True)
class TrialAssignment:
    """One trial, which travels to a worker."""

    search: Search
    number: int


@dataclass(frozen=True, kw_only=True)
class TrialReport:
    """The result of a trial, or the reason why there is none."""

    number: int
    top1: float | None = None
    diverged: str = ""  # where the loss was not finite
    is_pruned: bool = False
    reason: str = ""


def run_search(
    search: Search, trials: int, *, workers: int = 1, scheduler: str | None = None
) -> Iterator[TrialReport]:
    """Draw and train networks until a study has so many trials, and yield a report of each new one.

    The same call goes on where it stopped; equal calls at once, on one file, share the trials. With one
    worker the same seed gives the same study. With several, what TPE knows when it draws depends on which of
    them are finished first.

    Parameters
    ----------
    search : Search
        What is searched.
    trials : int
        Networks that are trained in all; draws that are rejected do not count.
    workers, scheduler
        As in `training.spread.reports`.

    Raises
    ------
    InputError
        A study of another space, other images or another recipe; options or images that cannot be used;
        optuna is not installed.
    DamagedFileError
        A study that cannot be read.
    ScoringError
        The scheduler was lost.
    """
    space, data = load_space(search.space), _images(search)
    search = dataclasses.replace(search, file=search.file.absolute(), data=search.data.absolute())
    search.file.parent.mkdir(parents=True, exist_ok=True)
    study = _open(search, search.identity(space, data), number=0)
    finished = {trial.user_attrs["number"] for trial in finished_trials(study)}
    assigned = [
        TrialAssignment(search=search, number=n) for n in range(trials) if n not in finished
    ]
    with progress.current().task("trials", trials) as advance:
        advance(trials - len(assigned))
        done = reports(Trials(), assigned, workers=workers, scheduler=scheduler)
        for _, report in done:
            advance(1)
            if report is not None:
                yield report


@dataclass(frozen=True)
class Trials:
    """The work of a search, for `training.spread`."""

    plural: str = "trials"

    def carry_out(self, assignment: TrialAssignment) -> TrialReport | None:
        """Draw a network and train it; None where another process is at this trial or has finished it."""
        search, number = assignment.search, assignment.number
        claims = Claims(search.file.parent / "claims", choose="give -o")
        claim = claims.claim(f"{search.file.stem}-{number}")
        if claim is None:
            return None
        with claim:
            try:
                return _trial(search, number)
            except BrainbenchError as error:
                return TrialReport(number=number, reason=error.got)

    def failed(self, assignment: TrialAssignment, reason: str) -> TrialReport:
        """Return the report of a trial whose process ended without an answer."""
        return TrialReport(number=assignment.number, reason=reason)


def _trial(search: Search, number: int) -> TrialReport | None:
    space, data = load_space(search.space), _images(search)
    study = _open(search, search.identity(space, data), number=number)
    optuna = optuna_package()
    for trial in study.trials:  # left over by a process that was killed: this one has the claim
        if trial.user_attrs.get("number") == number and not trial.state.is_finished():
            study.tell(trial.number, state=optuna.trial.TrialState.FAIL)
    if any(trial.user_attrs["number"] == number for trial in finished_trials(study)):
        return None
    trial, job, facts = _drawn(study, space, search, data, number)
    task = _Watched.of(job.task(), trial if search.prune else None)
    began, processor = time.perf_counter(), time.process_time()
    diverged, pruned = "", False
    try:
        trained = train(task, job.recipe.schedule(task.n_rows), seed=job.recipe.seed)
        top1 = 1 - trained.best.figure
    except DivergedError as error:
        diverged, top1 = error.got, 1 / len(data.classes)
    except optuna.TrialPruned:
        pruned, top1 = True, task.top1
    facts |= {"top1": top1, "diverged": diverged, "pruned": pruned}
    facts["seconds"] = time.perf_counter() - began
    facts["processor_seconds"] = time.process_time() - processor
    trial.set_user_attr("facts", facts)
    if pruned:
        study.tell(trial, state=optuna.trial.TrialState.PRUNED)
    else:
        study.tell(trial, top1)
    return TrialReport(number=number, top1=top1, diverged=diverged, is_pruned=pruned)


def _drawn(
    study: Any, space: SearchSpace, search: Search, data: ImageData, number: int
) -> tuple[Any, Job, dict[str, Any]]:
    """Draw until a network is one and is small enough; rejected draws stay in the study with the reason."""
    for _ in range(_DRAWS):
        trial = study.ask()
        trial.set_user_attr("number", number)
        try:
            drawn = space.draw(_TrialChoices(trial))
        except InputError as error:
            _reject(study, trial, f"no cell: {error.got}")
            continue
        trial.set_user_attr("drawn", dataclasses.asdict(drawn))
        job = _job(drawn, search, data)
        classifier = job.task().classifier
        operations = multiply_adds(classifier)
        if operations > space.at_most:
            _reject(study, trial, f"too large: {operations} multiply-adds of an image")
            continue
        parameters = sum(p.numel() for p in classifier.net.parameters())
        return trial, job, {"parameters": parameters, "multiply_adds": operations}
    raise InputError(
        f"space {space.name}: {_DRAWS} draws without a network",
        allowed="a space in which some networks are small enough",
        todo="search another space",
    )


def _reject(study: Any, trial: Any, reason: str) -> None:
    """End a trial with an accuracy of 0, so that TPE learns what is no network; it is in no table."""
    trial.set_user_attr("rejected", reason)
    study.tell(trial, 0.0)


def _job(drawn: Drawn, search: Search, data: ImageData) -> Job:
    seed = search.recipe.seed
    options = {**drawn.model_args, "classes": len(data.classes)}
    return Job(
        model=load_model(drawn.model, weights=f"untrained-{seed}", **options),
        name=drawn.model,
        model_args=options,
        data=data,
        recipe=search.recipe.model_copy(update=dict(drawn.recipe)),
        device=device_named(search.device),
    )


@dataclass(kw_only=True)
class _Watched(ClassificationTask):
    """A classifier whose accuracy at each check decides whether its training goes on."""

    trial: Any = None
    top1: float = 0.0
    checked: int = 0

    @classmethod
    def of(cls, task: ClassificationTask, trial: Any) -> _Watched:
        return cls(classifier=task.classifier, data=task.data, recipe=task.recipe, trial=trial)

    def validation(self) -> float:
        figure = super().validation()
        self.top1, self.checked = 1 - figure, self.checked + 1
        if self.trial is not None:
            self.trial.report(self.top1, self.checked)
            if self.trial.should_prune():
                raise optuna_package().TrialPruned
        return figure


@dataclass(frozen=True)
class _TrialChoices:
    """Chooses as TPE suggests."""

    trial: Any

    def among(self, name: str, values: Sequence[Any]) -> Any:
        return self.trial.suggest_categorical(name, list(values))

    def between(self, name: str, low: float, high: float, *, log: bool = False) -> float:
        return float(self.trial.suggest_float(name, low, high, log=log))


def _images(search: Search) -> ImageData:
    """Return the images, with so many of those for training as the search uses."""
    data = open_image_data(search.data)
    n = len(data.train.labels)
    if search.images is None:
        return data
    if not len(data.classes) <= search.images <= n:
        raise InputError(
            f"--images {search.images} of {n} training images of {len(data.classes)} classes",
            allowed=f"{len(data.classes)} to {n}",
            todo="give another number, or omit it",
        )
    rows = np.random.Generator(np.random.PCG64(search.recipe.seed)).permutation(n)[: search.images]
    rows.sort()
    train_part = LabeledImages(
        pictures=[data.train.pictures[row] for row in rows], labels=data.train.labels[rows]
    )
    return dataclasses.replace(data, train=train_part)


def _open(search: Search, identity: Mapping[str, Any], *, number: int) -> Any:
    """Return the study of a file, made if it is not there; InputError for one of something else."""
    optuna = optuna_package()
    seed = _seed(search.recipe.seed, number)
    samplers = optuna.samplers
    sampler = (
        samplers.RandomSampler(seed)
        if number < search.random
        else samplers.TPESampler(n_startup_trials=1, seed=seed)
    )
    pruner = (
        optuna.pruners.MedianPruner(n_startup_trials=search.random)
        if search.prune
        else optuna.pruners.NopPruner()
    )
    is_new = not search.file.exists()
    study = open_file(search.file, sampler, pruner)
    plain = json.loads(json.dumps(dict(identity)))
    if is_new or "identity" not in study.user_attrs:
        study.set_user_attr("identity", plain)
    stored = study.user_attrs["identity"]
    told = "; ".join(_differences(stored, plain))
    if told:
        raise InputError(
            f"study {search.file} of another search: {told}",
            allowed="the space, images and recipe that the study was begun with",
            todo="give the same, or another -o FILE",
        )
    return study


def _differences(stored: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    """Yield what differs between two searches; options of the recipe are named one by one."""
    for key, value in now.items():
        before = stored.get(key)
        if key == "recipe" and isinstance(before, dict):
            options = {k: v for k, v in value.items() if k not in ("source", "gaps")}
            yield from (f"recipe's {told}" for told in _differences(before, options))
        elif before != value:
            yield f"{key} {before!r}, now {value!r}"


def _seed(seed: int, number: int) -> int:
    return int(sha256("trial", str(seed), str(number))[:8], 16)
