"""The brain's side of a similarity: a representation of the images, and what a ceiling is made of."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from brainbench.core.benchmark import Benchmark
from brainbench.core.dataset import HasRDMs
from brainbench.core.errors import InputError
from brainbench.core.settings import Settings
from brainbench.core.stimuli import StimulusSet
from brainbench.data.manifest import open_dataset
from brainbench.metrics.correlation import pearson
from brainbench.metrics.similarity.rdm import n_stimuli, subset
from brainbench.metrics.similarity.rsa import NoiseCeiling, noise_ceiling, summed
from brainbench.scoring.recordings import Target, sessions, shown, strata_of, target
from brainbench.scoring.similarity.representations import Likeness, Representation
from brainbench.stats.ceiling import half_means, split_half

FloatArray = npt.NDArray[np.float64]

SPLIT_HALF = "split-half over trials, Spearman-Brown corrected, of the representation"
SUBJECTS = "lower bound of the noise ceiling over subjects (Nili et al. 2014)"


@dataclass(frozen=True, kw_only=True, eq=False)
class Represented:
    """A brain's representation of the benchmark's images.

    Parameters
    ----------
    stimuli : StimulusSet
        Sorted by stimulus_id: the order of all else.
    strata : array of str, or None
        Object shown in each stimulus.
    partial : bool
        A limit left some stimuli out.
    subjects : list of Representation
        One for each subject; recordings are one.
    given : list of array
        What was recorded or published, for its hash.
    n_units : int
        Sites, or subjects of published dissimilarities.
    excluded : dict
        Reason -> how many sites.
    halves : list of pairs of Representation
        Of the means over two halves of the trials, several times; empty where there are none.
    others : list of Representation
        For each subject the sum of the others, on the scale of the comparison; empty for one subject.
    bounds : NoiseCeiling or None
        Over subjects.
    ceiling : str
        What the ceiling is, or why there is none.
    """

    stimuli: StimulusSet
    strata: npt.NDArray[Any] | None
    partial: bool
    subjects: list[Representation]
    given: list[FloatArray]
    n_units: int
    excluded: dict[str, int] = field(default_factory=dict)
    halves: list[tuple[Representation, Representation]] = field(default_factory=list)
    others: list[Representation] = field(default_factory=list)
    bounds: NoiseCeiling | None = None
    ceiling: str


def represented(likeness: Likeness, benchmark: Benchmark, settings: Settings) -> Represented:
    """Representation of the benchmark's region: from recordings, or from published dissimilarities.

    Raises
    ------
    InputError
        Several recording sessions, which have no images in common; CKA with dissimilarities alone; a floor
        of recordings without repeated trials, or that no site reaches; an image to which all sites respond
        the same.
    """
    if is_published(benchmark):
        return _published(likeness, benchmark, benchmark.region, shown(benchmark, settings))
    several = sessions(benchmark)
    if len(several) > 1:
        raise InputError(
            f"{len(several)} recording sessions of {benchmark.identifier}: {', '.join(several)}",
            allowed="one session: sessions have no images in common",
            todo="take one of them: benchmark.on(data.sessions()[NAME])",
        )
    return _recorded(likeness, target(benchmark, settings), benchmark.identifier, settings.floor)


def is_published(benchmark: Benchmark) -> bool:
    """Whether the brain is given as published dissimilarities, not as recordings."""
    return isinstance(open_dataset(benchmark.data), HasRDMs)


def n_subjects(benchmark: Benchmark) -> int:
    """Subjects of whom dissimilarities of the benchmark's region are published."""
    data = open_dataset(benchmark.data)
    name = f"{data.name} {benchmark.region}"
    return len(_rdms(data, benchmark.region, len(data.stimuli()), name))


def beside(
    likeness: Likeness, benchmark: Benchmark, region: str, stimuli: StimulusSet
) -> Represented:
    """Published dissimilarities of a further region, of the same images.

    Raises
    ------
    InputError
        Data without published dissimilarities.
    """
    if not is_published(benchmark):
        raise InputError(
            f"{region} beside {benchmark.region} in {benchmark.identifier}",
            allowed="data with published dissimilarities",
            todo="leave out beside=",
        )
    return _published(likeness, benchmark, region, stimuli)


# --- recordings ------------------------------------------------------------------------------------


def _recorded(likeness: Likeness, brain: Target, name: str, floor: float | None) -> Represented:
    kept = _reliable(brain, name, floor)
    values = brain.values[:, kept]
    halves, ceiling = _halves(likeness, brain, kept)
    low = int((~kept).sum())
    return Represented(
        stimuli=brain.stimuli,
        strata=brain.strata,
        partial=brain.partial,
        subjects=[_of(likeness, values, f"recordings of {name}")],
        given=[values],
        n_units=int(kept.sum()),
        excluded={f"reliability below {floor}": low} if low else {},
        halves=halves,
        ceiling=ceiling,
    )


def _of(likeness: Likeness, values: FloatArray, what: str) -> Representation:
    try:
        return likeness.of(values)
    except InputError as error:
        raise InputError(f"{what}: {error.got}", allowed=error.allowed, todo=error.todo) from error


def _reliable(brain: Target, name: str, floor: float | None) -> npt.NDArray[np.bool_]:
    if floor is None:
        return np.full(brain.values.shape[1], True)
    if brain.trials is None or len(brain.trials) < 2:
        raise InputError(
            f"a floor of {floor} for {name}, which has no repeated trials",
            allowed="a floor where sites have a reliability",
            todo="leave out --floor",
        )
    reliability = split_half(brain.trials, correlate=pearson).per_neuroid
    kept = reliability >= floor  # NaN is not
    if not kept.any():
        raise InputError(
            f"a floor of {floor}: none of {len(kept)} sites of {name} is that reliable",
            allowed=f"at most {np.nanmax(reliability, initial=-1.0):.3f}, the most reliable site",
            todo="give a lower --floor",
        )
    return np.asarray(kept, dtype=np.bool_)


def _halves(
    likeness: Likeness, brain: Target, kept: npt.NDArray[np.bool_]
) -> tuple[list[tuple[Representation, Representation]], str]:
    if brain.trials is None or len(brain.trials) < 2:
        return [], "none: no repeated trials"
    ones, others = half_means(brain.trials[:, :, kept])
    if not (np.isfinite(ones).all() and np.isfinite(others).all()):
        return [], "none: some image was not shown in a half of the trials"
    try:
        return [
            (likeness.of(one), likeness.of(other)) for one, other in zip(ones, others, strict=True)
        ], SPLIT_HALF
    except InputError as error:
        return [], f"none: in a half of the trials, {error.got}"


# --- published dissimilarities ----------------------------------------------------------------------


def _published(
    likeness: Likeness, benchmark: Benchmark, region: str, stimuli: StimulusSet
) -> Represented:
    data = open_dataset(benchmark.data)
    name = f"{data.name} {region}"
    whole = data.stimuli()
    rdms = _rdms(data, region, len(whole), name)
    place = {stimulus: k for k, stimulus in enumerate(whole.ids)}
    rows = np.array([place[stimulus] for stimulus in stimuli.ids], dtype=np.intp)
    values = np.stack([subset(one, rows) for one in rdms])
    several = len(values) > 1
    partial = len(stimuli) < len(whole)
    return Represented(
        stimuli=stimuli,
        strata=strata_of(stimuli, partial=partial),
        partial=partial,
        subjects=[likeness.given(one, name=name) for one in values],
        given=[values],
        n_units=len(values),
        others=[
            summed(np.delete(values, k, axis=0), comparison=likeness.comparison)
            for k in range(len(values))
        ]
        if several
        else [],
        bounds=noise_ceiling(values, comparison=likeness.comparison) if several else None,
        ceiling=SUBJECTS if several else "none: one RDM, without trials or further subjects",
    )


def _rdms(data: Any, region: str, n: int, name: str) -> FloatArray:
    found = data.dissimilarities(region)
    values = np.asarray(found.values, dtype=np.float64)
    if found.dims != ("subject", "pair") or n_stimuli(values.shape[1]) != n or not len(values):
        raise InputError(
            f"dissimilarities of {name}: dims {found.dims} of shape {values.shape} for {n} stimuli",
            allowed=f"(subject, pair) with {n * (n - 1) // 2} pairs",
            todo="check what its dissimilarities() returns",
        )
    if not np.isfinite(values).all():
        raise InputError(
            f"dissimilarities of {name}: {int((~np.isfinite(values)).sum())} are not finite",
            allowed="finite dissimilarities of all pairs",
            todo="leave out the subjects or stimuli without them",
        )
    return values
