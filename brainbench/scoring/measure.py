"""The contract between a measure and the scoring pipeline.

A measure supplies what is its own: the brain's or the subject's side (`target`), and held-out results of a
model (`evaluate`). Everything else that a score needs is done once, in `scoring.pipeline`.
"""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Generic, NamedTuple, SupportsFloat, TypeVar

import numpy as np
import numpy.typing as npt
import xarray as xr

from brainbench.core.errors import InputError
from brainbench.core.score import Selection
from brainbench.core.settings import ProtocolName, Resample
from brainbench.core.stimuli import StimulusSet
from brainbench.metrics.array_types import AnyArray, BoolArray, FloatArray, IntArray
from brainbench.metrics.reductions import weighted_mean
from brainbench.scoring.context import RunContext
from brainbench.stats.bootstrap import UNBOUNDED
from brainbench.stats.ceiling import ceiled
from brainbench.stats.permutation import Kind

TargetT = TypeVar("TargetT")
CandidatesT = TypeVar("CandidatesT")


@dataclass(frozen=True, kw_only=True)
class ProtocolRules:
    """Rules of a protocol; a measure adds its own fields."""

    formula: str  # the protocol's own, one of `stats.ceiling.FORMULAS`
    one_layer: bool = False  # a region has a single layer: nothing is selected
    split_seed: int | None = None  # of the splits; None for that of the run
    reports_error: bool = False  # the value has a standard error over splits
    # Splits are those of the publication, copies on both sides, unless the user asks for groups.
    groups_on_request: bool = False


@dataclass(frozen=True, kw_only=True, eq=False)
class Figure:
    """Raw figures and ceilings of the parts that a value is the mean of, for one or many draws.

    Parts are what the formula is applied to: time bins, sites, or a single one.
    """

    raw: FloatArray  # draw x part, before any ceiling
    # Draw x part; None where there are none or none were asked for.
    ceiling: FloatArray | None = None
    # Draw x part, 0 for parts that are left out. None: all count alike, and a part without a
    # value leaves its draw without one.
    weights: FloatArray | None = None
    # Draw x part: the reliability that must be above 0 for a value by a formula with a ceiling, where it is
    # not the ceiling itself.
    judged: FloatArray | None = None
    # Draw; where the value is no mean over parts, such as a median.
    values: FloatArray | None = None

    @classmethod
    def of_one_part(
        cls,
        raw: npt.ArrayLike,
        ceiling: npt.ArrayLike | None = None,
        *,
        judged: npt.ArrayLike | None = None,
        values: FloatArray | None = None,
    ) -> Figure:
        """Build a figure of a single part from one number for each draw, or from a number."""
        c, judged_c = (
            None if x is None else np.asarray(x, dtype=np.float64).reshape(-1, 1)
            for x in (ceiling, judged)
        )
        column = np.asarray(raw, dtype=np.float64).reshape(-1, 1)
        return cls(raw=column, ceiling=c, judged=judged_c, values=values)

    def value(self, formula: str) -> FloatArray:
        """Return the value of each draw; NaN where a part that counts has none, or no part counts."""
        if self.values is not None:
            return self.values
        c = np.nan if self.ceiling is None else self.ceiling
        return weighted_mean(ceiled(self.raw, c, formula=formula), self.weights)

    def ceilings(self) -> FloatArray:
        """Return the mean ceiling of each draw over the parts that count; NaN where there is none."""
        if self.ceiling is None:
            return np.full(len(self.raw), np.nan)
        return weighted_mean(self.ceiling, self.weights)

    def judged_parts(self) -> FloatArray | None:
        """Return the reliability of each draw and part that must be above 0; None without a ceiling."""
        return self.ceiling if self.judged is None else self.judged

    def mean_raw(self) -> float:
        """Return the mean raw figure of the first draw over the parts that count, over all if none does."""
        return self._mean(self.raw)

    def mean_ceiling(self) -> float:
        """Return the mean ceiling of the first draw, as `mean_raw`; NaN where there is none."""
        return np.nan if self.ceiling is None else self._mean(self.ceiling)

    def _mean(self, parts: FloatArray) -> float:
        weights = None if self.weights is None or not self.weights[0].any() else self.weights[:1]
        return float(weighted_mean(parts[:1], weights)[0])


class Further(NamedTuple):
    """A further figure of the score that gets an interval from the same draws."""

    values: FloatArray  # draw
    bounds: tuple[float, float] = UNBOUNDED  # of its interval, such as 0 of a square


@dataclass(frozen=True, kw_only=True, eq=False)
class ImageSet:
    """Images that are drawn and shuffled together: those of one recording session."""

    ids: Sequence[str]  # stimulus ids, in the order of the rows
    objects: AnyArray | None = None  # what each image shows; a null within objects needs it
    # Images of one group, such as variants of one photograph, are drawn and exchanged together.
    groups: AnyArray | None = None
    name: str = ""  # seeds the shuffles, together with the seed of the run


@dataclass(frozen=True, kw_only=True, eq=False)
class Material:
    """Stimuli that a model was shown, and what its responses were compared with."""

    stimulus_sets: Sequence[StimulusSet]  # one for each recording session
    # Drawn and shuffled; `Evaluation.figure` takes counts of them side by side.
    image_sets: Sequence[ImageSet]
    partial: bool  # a limit left some stimuli out
    targets: Sequence[AnyArray]  # to be hashed


@dataclass(frozen=True, kw_only=True)
class Units:
    """Units that are drawn again in the interval."""

    n: int
    # By which measures on the same units draw them together; None draws them by number.
    ids: tuple[str, ...] | None = None
    population: str = "units"  # two populations are drawn independently
    # A unit and an image share noise (a neuroid's response to an image), which is counted once.
    crossed: bool = True


@dataclass(frozen=True, kw_only=True)
class Resampling:
    """Random units of the interval of a measure, and the description of its method."""

    units: Units | None = None  # None: the measure has no units, images alone are drawn
    # Why a user who asks for units gets no interval.
    no_units: str = "no interval: this measure has no units to draw again"
    # What is drawn, for each choice of `Settings.resample`.
    words: Mapping[Resample, str] = field(
        default_factory=lambda: {
            "images": "images",
            "units": "units",
            "both": "images and units, noise counted once",
        }
    )
    remark: str = ""  # what is not computed again in each draw
    at_once: int = 200  # draws that are computed together, which bounds the memory


@dataclass(frozen=True, kw_only=True, eq=False)
class Report:
    """Report of a score beside its figures."""

    n_units: int  # units that count
    # Reason -> units left out for it; reasons without any are dropped.
    excluded: Mapping[str, int] = field(default_factory=dict)
    per_unit: xr.DataArray | None = None  # see `Score.per_unit`
    predictions: xr.Dataset | None = None  # see `Score.predictions`
    # Further figures by name; for the record choices of the measure, and seeds by their purpose.
    figures: Mapping[str, Any] = field(default_factory=dict)
    details: Mapping[str, Any] = field(default_factory=dict)
    seeds: Mapping[str, int] = field(default_factory=dict)
    notes: Sequence[str] = ()  # remarks, for the record


@dataclass(frozen=True, kw_only=True, eq=False)
class Evaluation(ABC):
    """Held-out results of one model: everything that a score is computed from."""

    material: Material
    formula: str  # of the value: a ceiling is drawn again only where it has one

    @property
    def resampling(self) -> Resampling:
        """Random units of the interval."""
        return Resampling()

    @property
    def null_remark(self) -> str:
        """Remark on the permutation null; empty where none is needed."""
        return ""

    @property
    def own_null(self) -> Kind | None:
        """Kind of the permutation null where the user names none; None for no null."""
        return None

    def further_nulls(self, orders: Sequence[IntArray]) -> Mapping[str, tuple[float, FloatArray]]:
        """Return further figures by name, each with its value and its draws for shuffled images.

        `orders` are those of `shuffled`.
        """
        return {}

    @property
    def by_definition(self) -> str | None:
        """Why the value is 0 by definition, such as for a model without time; None for a measured value."""
        return None

    @property
    def n_images(self) -> int:
        """Images that the value speaks of."""
        return sum(len(stimuli) for stimuli in self.material.stimulus_sets)

    @property
    def held_out_images(self) -> BoolArray | None:
        """Whether figures speak of each image, of all image sets side by side; None for all."""
        return None

    @property
    @abstractmethod
    def selection(self) -> Selection:
        """Layer and step that stood for the region, and every candidate."""

    @abstractmethod
    def over_images(self, counts: FloatArray | None) -> Any:
        """Return results where images count so often, draw x image; None counts each once.

        Whatever `figure_of` takes: it is computed once for several draws of the units.
        """

    @abstractmethod
    def figure_of(self, results: Any, unit_counts: FloatArray | None) -> Figure:
        """Return the figure of such results where units count so often, draw x unit; None counts each once.

        Where one of the two has a single draw, it serves all draws of the other.
        """

    def figure(
        self, image_counts: FloatArray | None = None, unit_counts: FloatArray | None = None
    ) -> Figure:
        """Return raw figure and ceiling: once, or for each row of counts.

        Images are those of all `material.image_sets` side by side, draw x image; units those of
        `resampling.units`, draw x unit.
        """
        return self.figure_of(self.over_images(image_counts), unit_counts)

    @property
    def labels(self) -> Mapping[str, AnyArray]:
        """Names of the units that count, one for each, by kind: "animal", "session"; {} for none.

        Where a measure has units in its interval, they are in the order of these.
        """
        return {}

    def figure_of_units(self, chosen: BoolArray) -> Figure | None:
        """Return the figure of some of the units that `labels` names; None where they have none."""
        return self.figure(None, chosen[None].astype(np.float64))

    def further(self, results: Any, unit_counts: FloatArray | None) -> Mapping[str, Further]:
        """Return further figures by name, of the same arguments as `figure_of`."""
        return {}

    @abstractmethod
    def shuffled(self, orders: Sequence[IntArray]) -> Figure:
        """Return the figure for shuffled images, one draw for each order.

        Each of `material.image_sets` has its orders, draw x image: row k takes the place of row `order[k]`.
        """

    @abstractmethod
    def report(self, figure: Figure) -> Report:
        """Return what the score says beside its figures; `figure` is that of all images and units."""

    def error(self, figure: Figure) -> float:
        """Return the standard error of the value over splits, under protocols that report one."""
        return np.nan

    def missing_value(self, figure: Figure) -> str | None:
        """Return why there is no value, where the measure knows better than the pipeline."""
        return None

    def describe_judged(self, below: BoolArray) -> str:
        """Name the reliability that is not above 0, in these parts of `Figure.judged_parts`."""
        return "c"

    @property
    def no_ceiling(self) -> str:
        """Why there is no ceiling."""
        return "there are no repeated trials"

    @property
    def no_floor(self) -> str:
        """Why a floor of reliability is not used; empty where it is."""
        return ""


@dataclass(frozen=True, kw_only=True)
class Measure(ABC, Generic[TargetT, CandidatesT]):
    """A measure: a frozen dataclass of options.

    Parameters
    ----------
    formula : str or None
        How raw figure and ceiling make the value; None for the protocol's own.
    """

    formula: str | None = None

    rules: ClassVar[Mapping[ProtocolName, ProtocolRules]]
    """Rules of each protocol; the measure is not defined under protocols that are absent."""

    covers_few_groups: ClassVar[bool] = False
    """Whether perf/coverage.py has measured the interval over few groups of images too."""

    @property
    def protocols(self) -> tuple[ProtocolName, ...]:
        """Protocols under which the measure is defined."""
        return tuple(self.rules)

    @property
    def scores_fits(self) -> bool:
        """Whether models that were fitted to the recordings can be scored, on images held out of the fit."""
        return False

    def config(self) -> dict[str, Any]:
        """Return name and options as plain values: part of the key of a stored score."""
        return {"measure": type(self).__name__, **plain_options(self)}

    def stimulus_sets(self, context: RunContext) -> Sequence[StimulusSet]:
        """Return the stimulus sets that activations will be asked for, one by one."""
        return [context.stimuli()]

    def check(self, context: RunContext) -> None:
        """Raise NotApplicableError where the measure is not defined for this benchmark and formula."""

    @abstractmethod
    def target(self, context: RunContext) -> TargetT:
        """Return the brain's or the subject's side."""

    @abstractmethod
    def candidates(self, context: RunContext, target: TargetT) -> CandidatesT:
        """Return the model's side: layers and steps that may stand for the region."""

    @abstractmethod
    def evaluate(self, context: RunContext, target: TargetT, candidates: CandidatesT) -> Evaluation:
        """Return held-out results of the model."""

    def has_measured_coverage(self, context: RunContext, evaluation: Evaluation) -> bool:
        """Whether perf/coverage.py has measured how often such an interval holds the truth."""
        return False


def finite(value: SupportsFloat) -> float | None:
    """Return a number, None in place of NaN and infinity."""
    number = float(value)
    return number if np.isfinite(number) else None


def plain_options(options: Any) -> dict[str, Any]:
    """Return the fields of a dataclass of options as plain values, nested ones too.

    Raises
    ------
    InputError
        No dataclass, or a field that is neither a plain value nor made of plain values. A class that only
        inherits from a dataclass is none: it may have options that are no fields.
    """
    if "__dataclass_fields__" not in vars(type(options)):
        raise InputError(
            f"{type(options).__name__}, whose options are not known",
            allowed="a dataclass of options, or a measure with a method config()",
            todo="make it a dataclass, or give it config() -> dict of plain values",
        )
    name = type(options).__name__
    return {
        one.name: _plain(getattr(options, one.name), f"{name}.{one.name}")
        for one in dataclasses.fields(options)
    }


def _plain(value: Any, where: str) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return plain_options(value)
    if isinstance(value, Mapping):
        return {str(key): _plain(item, f"{where}[{key!r}]") for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(item, where) for item in value]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise InputError(
        f"{where}, a {type(value).__name__}, in the options of a measure",
        allowed="numbers, text, None, and dataclasses, mappings and sequences of these",
        todo="give the measure a method config() that says in plain values what it computes",
    )
