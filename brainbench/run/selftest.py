"""Self-test: whether each measure finds what is known of data, and does not find it where it is not.

A check names a model that is known to reach a figure on a benchmark. It passes if the interval of the
score meets that figure, and the intervals of two controls do not: of the same model with shuffled images,
and of each weaker model. A shuffled model may have no figure at all, as solution times have none where
nothing is solved: then the images of the brain are shuffled instead, in the permutation null.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from brainbench.core import progress
from brainbench.core.assembly import Assembly
from brainbench.core.benchmark import Benchmark
from brainbench.core.errors import InputError
from brainbench.core.model import BrainModel, check_model
from brainbench.core.presentation import CONSTANT, Kind, Presentation
from brainbench.core.provenance import sha256
from brainbench.core.score import Score
from brainbench.core.settings import Null, ProtocolName, Settings
from brainbench.core.stimuli import StimulusSet
from brainbench.core.timeline import Timeline
from brainbench.run.execute import execute
from brainbench.run.identity import measure_of
from brainbench.run.plan import ModelSpec
from brainbench.scoring.context import Run

SHUFFLED = "images shuffled"
SHUFFLES = 50
"""Draws of the permutation null."""


@dataclass(frozen=True, kw_only=True)
class Check:
    """The known figure of a model on one benchmark.

    Parameters
    ----------
    benchmark, model : str
        The names; the model is known to reach the figure.
    expected : (low, high)
        The figure: a point where the truth is exact, a range where a map is fitted to finite data.
    protocol : {"paper", "brainscore"}
        Protocol under which the figure is known.
    formula : str or None
        Formula of the figure; None for the measure's own.
    through : mapping
        Options of the measure that differ from the benchmark's, such as no map at all.
    weaker : tuple of str
        Models that must stay below.
    null : {None, "images", "within-object"}
        Shuffle the brain's images, in the permutation null, instead of the model's responses.
    why : str
        Why the figure is known.
    """

    benchmark: str
    model: str
    expected: tuple[float, float]
    protocol: ProtocolName = "paper"
    formula: str | None = None
    through: Mapping[str, Any] = field(default_factory=dict)
    weaker: tuple[str, ...] = ()
    null: Null | None = None
    why: str

    def __post_init__(self) -> None:
        low, high = self.expected
        if not low <= high:
            raise InputError(
                f"check of {self.benchmark} with expected {self.expected}",
                allowed="(low, high) with low not above high",
                todo="give the same figure twice where it is exact",
            )

    @property
    def name(self) -> str:
        """Benchmark, and how the check differs from it."""
        protocols = [] if self.protocol == Settings().protocol else [self.protocol]
        # A value says which option it is of, but for None.
        options = [f"{key}=None" if v is None else str(v) for key, v in self.through.items()]
        differences = ", ".join([*options, *protocols])
        return f"{self.benchmark} ({differences})" if differences else self.benchmark

    @property
    def settings(self) -> Settings:
        """Settings of all its models, except the seed."""
        return Settings(
            protocol=self.protocol, formula=self.formula, null=self.null, null_draws=SHUFFLES
        )

    def meets(self, score: Score) -> bool:
        """Whether the interval of a score, or its value where it has none, meets the expected figure."""
        if score.value is None:
            return False
        low, high = score.ci or (score.value, score.value)
        return low <= self.expected[1] and high >= self.expected[0]


@dataclass(frozen=True, kw_only=True, eq=False)
class Outcome:
    """Scores of a check, and what they show."""

    check: Check
    score: Score
    # score of the same model with shuffled images, or the mean of its permutation null with the range of
    # 95 % of a normal distribution of such shuffles
    shuffled: Score
    weaker: tuple[Score, ...]  # in the order of the check

    @property
    def wrong(self) -> list[str]:
        """Everything that is not as expected; empty where the check has passed."""
        problems = [] if self.check.meets(self.score) else [_missed(self.check, self.score)]
        for control in (self.shuffled, *self.weaker):
            if control.value is None:
                problems.append(f"{control.model} has no score: {control.reason}")
            elif self.check.meets(control) or not control.value < (self.score.value or 0.0):
                problems.append(f"{control.model} should stay below, and has {control.value:.3f}")
        return problems

    @property
    def seconds(self) -> float:
        """Time of all its scores, without the forward passes that several checks share, s."""
        return sum(score.seconds for score in (self.score, self.shuffled, *self.weaker))

    @property
    def passed(self) -> bool:
        """Whether the figure was met, and by no control."""
        return not self.wrong


def _missed(check: Check, score: Score) -> str:
    if score.value is None:
        return f"{score.model} has no score: {score.reason}"
    low, high = check.expected
    expected = f"{low:.3f}" if low == high else f"{low:.3f} to {high:.3f}"
    interval = "{:.3f} to {:.3f}".format(*score.ci) if score.ci else "no interval"
    return f"{score.model} should have {expected}, and has {score.value:.3f} ({interval})"


@dataclass(frozen=True, kw_only=True, eq=False)
class Shuffled:
    """A model that gives each image the responses to another one: only chance is left."""

    model: BrainModel
    seed: int = 0

    @property
    def name(self) -> str:
        """Name of the model, and that it is shuffled."""
        return f"{self.model.name}, {SHUFFLED}"

    @property
    def weights(self) -> str:
        """Those of the model."""
        return self.model.weights

    @property
    def areas(self) -> Mapping[str, Sequence[str]]:
        """Those of the model."""
        return self.model.areas

    @property
    def clocks(self) -> Mapping[str, Timeline]:
        """Those of the model."""
        return self.model.clocks

    @property
    def static(self) -> bool:
        """Whether the model has one state per image."""
        return self.model.static

    @property
    def presentations(self) -> Collection[Kind]:
        """Those of the model."""
        return self.model.presentations

    @property
    def digest(self) -> str:
        """SHA-256 over the digest of the model and the seed."""
        return sha256("shuffled", self.model.digest, str(self.seed))

    def pinned(self) -> Shuffled:
        """Return the same with a model whose digest does not change."""
        return replace(self, model=self.model.pinned())

    def activations(
        self, stimuli: StimulusSet, layers: Sequence[str], presentation: Presentation = CONSTANT
    ) -> dict[str, Assembly]:
        """Return responses of the model, those to one image under the id of another."""
        responses = self.model.activations(stimuli, layers, presentation)
        order = np.random.default_rng(self.seed).permutation(len(stimuli))
        return {
            layer: response.copy(data=response.values[order])
            for layer, response in responses.items()
        }


def run_checks(
    checks: Sequence[Check],
    models: Mapping[str, ModelSpec],
    benchmarks: Mapping[str, Benchmark],
    *,
    seed: int = 0,
) -> Iterator[Outcome]:
    """Make every check and yield what it shows; nothing is stored except activations.

    `models` and `benchmarks` hold all that the checks name. Checks that are scored together come one after
    the other, else as given.
    """
    groups: dict[tuple[Any, ...], list[Check]] = {}
    for check in checks:  # checks of the same models with the same settings are one run
        key = (check.model, check.weaker, check.protocol, check.formula, check.null)
        groups.setdefault(key, []).append(check)
    n_scores = sum(len(_specs(check, models)) for check in checks)
    with progress.current().task("self-test", n_scores) as advance:
        for group in groups.values():
            scores_of: list[list[Score]] = [[] for _ in group]
            scores = execute(
                _specs(group[0], models),
                [_through(benchmarks[check.benchmark], check.through) for check in group],
                Run(replace(group[0].settings, seed=seed)),
            )
            for place, score in enumerate(scores):
                scores_of[place % len(group)].append(score)
                advance(1)
            for check, of_check in zip(group, scores_of, strict=True):
                yield _outcome(check, of_check)


def _specs(check: Check, models: Mapping[str, ModelSpec]) -> list[ModelSpec]:
    """Return the model, its shuffled twin where no permutation null stands for it, and weaker models."""
    model = models[check.model]
    shuffled = [_shuffled(model)] if check.null is None else []
    return [model, *shuffled, *(models[name] for name in check.weaker)]


def _outcome(check: Check, scores: Sequence[Score]) -> Outcome:
    score, *controls = scores
    shuffled = controls.pop(0) if check.null is None else _mean_of_null(score)
    return Outcome(check=check, score=score, shuffled=shuffled, weaker=tuple(controls))


def _mean_of_null(score: Score) -> Score:
    """Return the mean of the permutation null as a score; a score without a value stays one."""
    name = f"{score.model}, {SHUFFLED}"
    if score.null is None:
        return replace(score, model=name)
    mean, half_width = score.null["mean"], 1.96 * score.null["sd"]
    interval = (mean - half_width, mean + half_width)
    return replace(score, model=name, value=mean, ci=interval, record=None)


def _shuffled(spec: ModelSpec) -> ModelSpec:
    def make() -> BrainModel:
        return check_model(Shuffled(model=spec.make()), name=spec.name)

    return ModelSpec(name=spec.name, make=make)


def _through(benchmark: Benchmark, options: Mapping[str, Any]) -> Benchmark:
    if not options:
        return benchmark
    return replace(benchmark, measure=replace(measure_of(benchmark), **options))
