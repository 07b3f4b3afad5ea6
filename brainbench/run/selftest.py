"""Known truth: whether each measure finds what was put into data, and does not find it where it is not.

A check names a model that is known to reach a figure on a benchmark. It passes if the score's interval meets
that figure, and that of the same model with shuffled images, and of each weaker model, does not. A model that
answers each image as another one may have no figure at all, as solution times have none where nothing is
solved: then the images of the brain are shuffled, in the permutation null.
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
from brainbench.core.model import BrainModel
from brainbench.core.presentation import CONSTANT, Kind, Presentation
from brainbench.core.provenance import sha256
from brainbench.core.score import Score
from brainbench.core.settings import Null, ProtocolName, Settings
from brainbench.core.stimuli import StimulusSet
from brainbench.core.timeline import Timeline
from brainbench.run.execute import ModelSpec, execute

SHUFFLED = "images shuffled"
SHUFFLES = 50
"""Draws of a permutation null."""


@dataclass(frozen=True, kw_only=True)
class Check:
    """What is known of one benchmark.

    Parameters
    ----------
    benchmark : str
        Identifier.
    model : str
        Model that is known to reach the figure.
    expected : (low, high)
        The figure: a point where the truth is exact, a range where a map is fitted to finite data.
    protocol : {"paper", "brainscore"}
        Under which the figure is known.
    formula : str or None
        Formula of the figure; None for the measure's own.
    through : mapping
        Options of the procedure that are not the benchmark's, such as no map at all.
    weaker : tuple of str
        Models that must stay below.
    null : {None, "images", "within-object"}
        Shuffle the brain's images in so many draws of the permutation null, not the model's answers.
    why : str
        Why this is what is known.
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
        """Benchmark, and what is not as in the benchmark."""
        other = [] if self.protocol == "paper" else [self.protocol]
        more = ", ".join(map(str, [*self.through.values(), *other]))
        return f"{self.benchmark} ({more})" if more else self.benchmark

    @property
    def settings(self) -> Settings:
        """How all its models are scored, but for the seed."""
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
    """What came of a check.

    Parameters
    ----------
    check : Check
        What was known.
    score : Score
        Of the model that should reach the figure.
    shuffled : Score
        Of the same model with shuffled images, or the mean of its permutation null with what 95 % of a
        normal distribution of such shuffles span.
    weaker : tuple of Score
        Of the weaker models, in their order.
    """

    check: Check
    score: Score
    shuffled: Score
    weaker: tuple[Score, ...]

    @property
    def wrong(self) -> list[str]:
        """What is not as it should be; empty where the check has passed."""
        found = [] if self.check.meets(self.score) else [_missed(self.check, self.score)]
        for control in (self.shuffled, *self.weaker):
            if control.value is None:
                found.append(f"{control.model} has no score: {control.reason}")
            elif self.check.meets(control) or not control.value < (self.score.value or 0.0):
                found.append(f"{control.model} should stay below, and has {control.value:.3f}")
        return found

    @property
    def seconds(self) -> float:
        """Time of all its scores, without the forward passes that several checks share."""
        return sum(one.seconds for one in (self.score, self.shuffled, *self.weaker))

    @property
    def passed(self) -> bool:
        """The figure was met, and by no control."""
        return not self.wrong


def _missed(check: Check, score: Score) -> str:
    if score.value is None:
        return f"{score.model} has no score: {score.reason}"
    low, high = check.expected
    known = f"{low:.3f}" if low == high else f"{low:.3f} to {high:.3f}"
    found = "{:.3f} to {:.3f}".format(*score.ci) if score.ci else "no interval"
    return f"{score.model} should have {known}, and has {score.value:.3f} ({found})"


@dataclass(frozen=True, kw_only=True, eq=False)
class Shuffled:
    """A model that answers each image as it answers another one: all that is left is chance.

    Parameters
    ----------
    model : BrainModel
        Whose answers.
    seed : int
        Of the shuffle. The same images are always shuffled alike.
    """

    model: BrainModel
    seed: int = 0

    @property
    def name(self) -> str:
        """Name of the model, and what was done to it."""
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
        """As the model."""
        return self.model.static

    @property
    def presentations(self) -> Collection[Kind]:
        """Those of the model."""
        return self.model.presentations

    @property
    def digest(self) -> str:
        """SHA-256 over the model's and the seed."""
        return sha256("shuffled", self.model.digest, str(self.seed))

    def activations(
        self, stimuli: StimulusSet, layers: Sequence[str], presentation: Presentation = CONSTANT
    ) -> dict[str, Assembly]:
        """Responses of the model, those of one image under the id of another."""
        answers = self.model.activations(stimuli, layers, presentation)
        order = np.random.default_rng(self.seed).permutation(len(stimuli))
        return {layer: answer.copy(data=answer.values[order]) for layer, answer in answers.items()}


def run_checks(
    checks: Sequence[Check],
    models: Mapping[str, ModelSpec],
    benchmarks: Mapping[str, Benchmark],
    *,
    seed: int = 0,
) -> Iterator[Outcome]:
    """Make every check; nothing is stored but activations.

    Parameters
    ----------
    checks : sequence of Check
        In any order.
    models, benchmarks : mapping
        All that the checks name.
    seed : int
        Of splits and resampling.

    Yields
    ------
    Outcome
        Checks that are scored together one after the other, else as given.
    """
    groups: dict[str, list[Check]] = {}
    for check in checks:
        together = repr((check.model, check.weaker, check.settings))
        groups.setdefault(together, []).append(check)
    n = sum(len(_specs(check, models)) for check in checks)
    with progress.current().task("self-test", n) as advance:
        for mine in groups.values():
            rows: list[list[Score]] = [[] for _ in mine]
            scores = execute(
                _specs(mine[0], models),
                [_through(benchmarks[check.benchmark], check.through) for check in mine],
                replace(mine[0].settings, seed=seed),
                find=lambda *_: None,
                sink=lambda score, _: score,
                overwrite="always",
            )
            for place, score in enumerate(scores):
                rows[place % len(mine)].append(score)
                advance(1)
            for check, of_it in zip(mine, rows, strict=True):
                yield _outcome(check, of_it)


def _specs(check: Check, models: Mapping[str, ModelSpec]) -> list[ModelSpec]:
    """What is scored: the model, its shuffled answers where no null stands for them, weaker models."""
    model = models[check.model]
    shuffled = [_shuffled(model)] if check.null is None else []
    return [model, *shuffled, *(models[name] for name in check.weaker)]


def _outcome(check: Check, scores: Sequence[Score]) -> Outcome:
    score, *others = scores
    shuffled = others.pop(0) if check.null is None else _mean_of_null(score)
    return Outcome(check=check, score=score, shuffled=shuffled, weaker=tuple(others))


def _mean_of_null(score: Score) -> Score:
    """Mean of the permutation null as a control; a score without a value stays one."""
    name = f"{score.model}, {SHUFFLED}"
    if score.null is None:
        return replace(score, model=name)
    mean, span = score.null["mean"], 1.96 * score.null["sd"]
    return replace(score, model=name, value=mean, ci=(mean - span, mean + span), record=None)


def _shuffled(spec: ModelSpec) -> ModelSpec:
    return ModelSpec(name=spec.name, make=lambda: Shuffled(model=spec.make()))


def _through(benchmark: Benchmark, options: Mapping[str, Any]) -> Benchmark:
    if not options:
        return benchmark
    procedure: Any = benchmark.measure
    return replace(benchmark, measure=replace(procedure, **options))
