"""Similarity without a map: RDMs or inner products of a model's features against a brain's.

The brain is given as recordings, from which it gets a representation of its own and a split-half ceiling, or
as published dissimilarities of one or several subjects, with the noise ceiling of Nili et al. 2014.
`paper` takes all pairs of images (Kriegeskorte et al. 2008); where several layers or steps are offered, each
fold chooses among the pairs of its training images and is judged on the pairs of its held-out ones.
`brainscore` averages over ten random sets of 90 % of the images (Brain-Score 2.4.2).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from brainbench.core import progress
from brainbench.core.benchmark import Benchmark, Needs
from brainbench.core.effort import Sizes, Work
from brainbench.core.errors import InputError, NotApplicableError
from brainbench.core.model import BrainModel, layers_of
from brainbench.core.score import Score
from brainbench.core.settings import Settings
from brainbench.data.manifest import open_dataset
from brainbench.metrics.similarity.rdm import Distance
from brainbench.metrics.similarity.rsa import Comparison
from brainbench.scoring.layer_candidates import CHUNK_BYTES, Candidate, candidates
from brainbench.scoring.layer_selection import Choice
from brainbench.scoring.recordings import shown
from brainbench.scoring.records import record_of
from brainbench.scoring.similarity.evaluation import (
    Compared,
    ceiling_of,
    choose,
    interval_of,
    values_of,
)
from brainbench.scoring.similarity.representations import Likeness, Representation, SimilarityName
from brainbench.scoring.similarity.target import (
    Represented,
    beside,
    is_published,
    n_subjects,
    represented,
)
from brainbench.stats.bootstrap import image_counts
from brainbench.stats.ceiling import FORMULAS, ceiled
from brainbench.stats.permutation import shuffles, summary
from brainbench.stats.splits import nine_tenths, paper

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.intp]

COVERED = frozenset(
    {("rsa", "spearman"), ("rsa", "pearson"), ("cka", "unbiased"), ("cka", "biased")}
)
"""Measures with measured coverage of the interval, raw, one set of images: those of perf/worlds."""


@dataclass(frozen=True, kw_only=True)
class Similarity:
    """Similarity of representations, RSA or CKA.

    Parameters
    ----------
    metric : str
        "rsa" (RDMs), "cka" (unbiased) or "cka-biased".
    distance : str
        Of RSA: "correlation" (1 - Pearson over units), "cosine", "euclidean" or "sqeuclidean". The model's,
        and the brain's where its responses are there.
    comparison : str
        Of RSA: "spearman", "pearson" or "kendall" (tau-a).
    beside : tuple of str
        Further regions of published dissimilarities, whose figures are given beside the score.
    n_splits : int
        Folds under `paper` where there is a layer or step to choose.
    formula : str or None
        "raw", "r/c", "r2/c" or "r/sqrt(c)"; None for raw.

    Raises
    ------
    UnknownNameError
        No such similarity, distance or comparison.
    """

    metric: SimilarityName = "rsa"
    distance: Distance = "correlation"
    comparison: Comparison = "spearman"
    beside: tuple[str, ...] = ()
    n_splits: int = 5
    formula: str | None = None

    def __post_init__(self) -> None:
        self.likeness  # noqa: B018 -- checks the names

    @property
    def likeness(self) -> Likeness:
        """The similarity."""
        return Likeness(metric=self.metric, distance=self.distance, comparison=self.comparison)

    def needs(self, benchmark: Benchmark, model: BrainModel, settings: Settings) -> Needs:
        """Stimuli and layers that `score` will ask for.

        Raises
        ------
        NotApplicableError
            A formula that published dissimilarities have no ceiling for.
        """
        _check_formula(self, benchmark, settings)
        return Needs(
            stimuli=shown(benchmark, settings),
            layers=layers_of(model, benchmark.region, settings),
            presentation=benchmark.presentation.accepted_by(model.presentations),
        )

    def work(self, sizes: Sizes, settings: Settings) -> Work:
        """Inner products of each layer, and pairs that are compared in each draw."""
        n = sizes.stimuli
        sets = 10 if settings.protocol == "brainscore" else 1
        halves = 10 if _formula(self, settings) != "raw" else 0
        return Work(
            flops=n**2 * sum(sizes.candidates) + 40e3 * n**2 * sets * (1 + halves),
            read_bytes=sizes.activation_bytes,
            memory_bytes=8.0 * n**2 * (4 + len(sizes.candidates)) + 3 * CHUNK_BYTES,
        )

    def score(self, benchmark: Benchmark, model: BrainModel, settings: Settings) -> Score:
        """Score a model's representation of the benchmark's images.

        Raises
        ------
        InputError
            Several recording sessions; too few images; a model or brain whose representation does not vary;
            further regions beside CKA.
        NotApplicableError
            See `needs`.
        """
        _check_beside(self)
        _check_formula(self, benchmark, settings)
        brain = represented(self.likeness, benchmark, settings)
        _check_enough(self.likeness, len(brain.stimuli), benchmark.identifier)
        offered = candidates(benchmark, model, settings, brain.stimuli)
        compared = _compare(self, offered, brain, settings)
        return _score(self, benchmark, model, settings, brain, offered, compared)


# --- which images, which layer ---------------------------------------------------------------------


def _compare(
    how: Similarity, offered: Sequence[Candidate], brain: Represented, settings: Settings
) -> Compared:
    with progress.current().task(f"representations of {len(offered)} layers", len(offered)) as step:
        models = []
        for one in offered:
            models.append(_of_model(how.likeness, one))
            step(1)
    ids, strata = brain.stimuli.ids, brain.strata
    if settings.protocol == "brainscore":
        parts = nine_tenths(ids, strata)
        return Compared(models=models, parts=parts, choice=Choice.of_one(len(parts)))
    if len(offered) == 1:
        return Compared(models=models, parts=[np.arange(len(ids))], choice=Choice.of_one(1))
    folds = paper(ids, strata, n_splits=how.n_splits, seed=settings.seed)
    least = min(len(fold.test) for fold in folds)
    _check_enough(how.likeness, least, f"the smallest of {how.n_splits} folds")
    choice = choose(how.likeness, models, brain.subjects, [fold.train for fold in folds])
    return Compared(models=models, parts=[fold.test for fold in folds], choice=choice)


def _of_model(likeness: Likeness, one: Candidate) -> Representation:
    try:
        return likeness.of(one.chunks())
    except InputError as error:
        raise InputError(
            f"layer {one.layer!r}: {error.got}", allowed=error.allowed, todo=error.todo
        ) from error


def _null(
    how: Similarity, compared: Compared, brain: Represented, settings: Settings
) -> FloatArray | None:
    """Raw figures where images of the brain are shuffled; a layer is chosen again."""
    if settings.null is None:
        return None
    orders = shuffles(
        len(brain.stimuli),
        kind=settings.null,
        objects=brain.strata,
        n_draws=settings.null_draws,
        seed=settings.seed,
    )
    likeness, every = how.likeness, np.arange(len(brain.stimuli))
    training = [np.setdiff1d(every, rows) for rows in compared.parts]
    drawn = np.empty(len(orders))
    with progress.current().task("shuffling images", len(orders)) as step:
        for k, order in enumerate(orders):
            subjects = [likeness.part(one, order) for one in brain.subjects]
            again = compared
            if len(compared.models) > 1:
                choice = choose(likeness, compared.models, subjects, training)
                again = Compared(models=compared.models, parts=compared.parts, choice=choice)
            drawn[k] = float(np.mean(values_of(likeness, again, subjects)))
            step(1)
    return drawn


# --- score -----------------------------------------------------------------------------------------


def _score(
    how: Similarity,
    benchmark: Benchmark,
    model: BrainModel,
    settings: Settings,
    brain: Represented,
    offered: Sequence[Candidate],
    compared: Compared,
) -> Score:
    formula = _formula(how, settings)
    values = values_of(how.likeness, compared, brain.subjects)
    if not np.isfinite(values).all():
        raise InputError(
            f"{benchmark.identifier}: a representation that does not vary over "
            f"{int((~np.isfinite(values)).sum())} of {len(values)} sets of images",
            allowed="a model and a brain for which some pairs of images are more alike than others",
            todo="check the layer's name, and use more images",
        )
    raw = float(values.mean())
    counts = image_counts(brain.stimuli.ids, seed=settings.seed)
    ceiling = ceiling_of(how.likeness, compared, brain, None if formula == "raw" else counts)
    c = None if ceiling is None else ceiling.value
    value = float(ceiled(raw, np.nan if c is None else c, formula=formula))
    reason = None if np.isfinite(value) else _no_ceiling(formula, c)
    ci = null = None
    if reason is None and settings.resample != "units":
        ci = interval_of(
            how.likeness,
            compared,
            brain,
            counts,
            ceiling,
            formula=formula,
            seed=settings.seed,
            value=value,
        )
    if reason is None:
        drawn = _null(how, compared, brain, settings)
        if drawn is not None and settings.null is not None:
            related = ceiled(drawn, np.nan if c is None else c, formula=formula)
            null = summary(value, related, kind=settings.null)
    chosen = Counter((offered[k].layer, offered[k].step) for k in compared.choice.best.tolist())
    (layer, step), _ = chosen.most_common(1)[0]
    brainscore = settings.protocol == "brainscore"
    return Score(
        model=model.name,
        weights=model.weights,
        benchmark=benchmark.identifier,
        version=benchmark.version,
        protocol=settings.protocol,
        value=value if reason is None else None,
        reason=reason,
        raw=raw,
        ceiling=c,
        error=float(values.std() / np.sqrt(len(values))) if brainscore else None,
        ci=None if ci is None else (ci.lo, ci.hi),
        ci_method=None
        if ci is None
        else ci.said(
            coverage_measured=settings.protocol == "paper"
            and formula == "raw"
            and (settings.floor is None or is_published(benchmark))
            and len(brain.subjects) == len(compared.parts) == 1
            and _is_covered(how.likeness),
            n_images=len(brain.stimuli),
        ),
        draws=None if ci is None else ci.draws,
        formula=f"{formula}-v{FORMULAS[formula].version}",
        figures=_figures(how, benchmark, brain, compared),
        null=null,
        n_units=brain.n_units,
        n_excluded=sum(brain.excluded.values()),
        excluded=brain.excluded,
        n_stimuli=len(brain.stimuli),
        partial=brain.partial,
        simulated=open_dataset(benchmark.data).simulated,
        record=record_of(
            benchmark,
            model,
            settings,
            stimuli=[brain.stimuli],
            target=brain.given,
            seeds={"splits": 1 if brainscore else settings.seed, "bootstrap": settings.seed},
            layer=layer,
            step=step,
            curve=compared.choice.curve(offered),
            choices={
                **how.likeness.describe(),
                "sets_of_images": len(compared.parts),
                "images_in_a_set": [len(rows) for rows in compared.parts],
                "window_ms": list(benchmark.window),
                "ceiling": brain.ceiling,
            },
            notes=_notes(benchmark, settings),
        ),
    )


def _notes(benchmark: Benchmark, settings: Settings) -> list[str]:
    """What was asked for and does not apply."""
    notes = []
    if settings.resample == "units":
        notes.append(
            "no interval: sites go into a representation together, none is drawn again alone"
        )
    if settings.floor is not None and is_published(benchmark):
        notes.append("floor not used: of published dissimilarities no site has a reliability")
    return notes


def _is_covered(likeness: Likeness) -> bool:
    """Whether the coverage of the interval of this similarity was measured."""
    if likeness.metric == "rsa":
        return likeness.distance == "correlation" and ("rsa", likeness.comparison) in COVERED
    return ("cka", "unbiased" if likeness.metric == "cka" else "biased") in COVERED


def _figures(
    how: Similarity, benchmark: Benchmark, brain: Represented, compared: Compared
) -> dict[str, Any]:
    """Noise ceiling over subjects, and the same model against further regions and them against the brain."""
    figures: dict[str, Any] = {}
    if brain.bounds is not None:
        figures["noise_ceiling"] = {"lower": brain.bounds.lower, "upper": brain.bounds.upper}
    for region in how.beside:
        other = beside(how.likeness, benchmark, region, brain.stimuli)
        model = float(np.mean(values_of(how.likeness, compared, other.subjects)))
        mean = how.likeness.given(np.mean(other.given[0], axis=0), name=region)
        to_brain = [how.likeness.value(mean, subject) for subject in brain.subjects]
        figures[region] = {
            "model": model,
            "subjects": other.n_units,
            "mean_to_" + benchmark.region: float(np.mean(to_brain)),
        }
        if other.bounds is not None:
            figures[region]["noise_ceiling"] = {
                "lower": other.bounds.lower,
                "upper": other.bounds.upper,
            }
    return figures


# --- checks ----------------------------------------------------------------------------------------


def _formula(how: Similarity, settings: Settings) -> str:
    return settings.formula or how.formula or "raw"


def _no_ceiling(formula: str, c: float | None) -> str:
    if c is None:
        return f"no ceiling: {formula} needs repeated trials or several subjects"
    return f"the ceiling c = {c:.3f} is not positive: nothing reliable was measured, no {formula}"


def _check_beside(how: Similarity) -> None:
    if how.beside and how.metric != "rsa":
        raise InputError(
            f"{how.metric} with the regions {', '.join(how.beside)} beside",
            allowed="metric='rsa': dissimilarities alone are published of them",
            todo="leave out beside=, or choose metric='rsa'",
        )


def _check_enough(likeness: Likeness, n: int, what: str) -> None:
    if n < likeness.least:
        raise InputError(
            f"{what}: {n} images",
            allowed=f"at least {likeness.least} for {likeness.metric}",
            todo="use more images (a larger --limit)",
        )


def _check_formula(how: Similarity, benchmark: Benchmark, settings: Settings) -> None:
    formula = _formula(how, settings)
    if formula == "raw" or not is_published(benchmark):
        return
    several = n_subjects(benchmark) > 1
    if several and formula == "r/c":
        return
    raise NotApplicableError(
        f"formula {formula!r} for {benchmark.identifier}, of published dissimilarities",
        allowed="raw or r/c: the noise ceiling over subjects bounds r itself, it is no reliability"
        if several
        else "raw: one RDM, without trials or further subjects, has no ceiling",
        todo="choose --formula from these, or leave it out",
    )
