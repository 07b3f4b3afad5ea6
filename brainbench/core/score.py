"""Scores: a frozen figure of a model on a benchmark, with ceiling, interval, status and provenance."""

from __future__ import annotations

import functools
import math
import typing
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, TextIO, overload

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr
from pydantic import BaseModel, TypeAdapter, ValidationError

from brainbench.core.errors import InputError
from brainbench.core.first_layout import from_first_layout
from brainbench.core.provenance import Record
from brainbench.core.score_display import (
    score_html,
    score_repr,
    score_text,
    scores_html,
    scores_repr,
    scores_text,
)
from brainbench.core.stored_arrays import (
    STRICT,
    array_from_json,
    array_to_json,
    draws_from_json,
    joint_draws_from_json,
)
from brainbench.core.untrusted_text import write_csv

Status = Literal["scored", "failed", "not_applicable", "data_absent"]
STATUSES: tuple[Status, ...] = ("scored", "failed", "not_applicable", "data_absent")

COLUMNS = (
    "model",
    "weights",
    "benchmark",
    "value",
    "raw",
    "ceiling",
    "ceiling_above_0",
    "ci_low",
    "ci_high",
    "ci_approximate",
    "formula",
    "protocol",
    "n_units",
    "n_excluded",
    "n_stimuli",
    "partial",
    "simulated",
    "n_animals",
    "for_these_animals",
    "status",
    "reason",
    "seconds",
    "older_key",
)
"""Columns of `ScoreSet.to_frame` and of the CSV, in this order. `docs/scores.md` says what each means."""


FEWEST_ANIMALS = 3
"""Smallest number of animals with an interval over animals."""
UNDESCRIBED = "as given"
"""Weights of a user's network of which nobody said what they are."""


def are_untrained(weights: str) -> bool:
    """Return whether weights of that name, such as "untrained-0", are seeded random numbers."""
    return weights.startswith("untrained")


@dataclass(frozen=True, kw_only=True)
class Selection:
    """The layer and step that stood for a region, and every candidate.

    `layer` is the most frequent one where layers are selected in each fold; `step` is its model step,
    None where steps were averaged; `curve` has every candidate layer and step with the score it was
    selected by.
    """

    layer: str | None = None
    step: int | None = None
    curve: tuple[dict[str, Any], ...] = ()


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Score:
    """One model on one benchmark.

    Parameters
    ----------
    model, weights, benchmark : str
        Identities, as "cornet_s@untrained-0", "untrained-0", "Simulated.IT-pls".
    version : int
        Version of the benchmark.
    protocol : str
        "paper" or "brainscore", with "+groups" where the user asks for groups of images.
    status : {"scored", "failed", "not_applicable", "data_absent"}
        Whether there is a value, and if not, whether that is a failure: the benchmark may not apply to the
        model or protocol (no layer stands for the region, the measure is not defined), or its data may not
        be on this machine.
    value : float or None
        The figure, by `formula`; clipped only by `clip(r/c)`; None with a `reason` unless the status is
        "scored".
    raw, ceiling : float or None
        Aggregate before any ceiling, and the noise ceiling that goes with it.
    ceiling_ci : (low, high) or None
        95 % interval of the ceiling in the draws of the score, where the formula has a ceiling.
    ceiling_above_0 : bool or None
        Whether the ceiling is above 0 by that interval; None where nothing is divided by a ceiling. Under
        "brainscore" a value may stand with False, and is no member of a composite by its formula.
    ci : (low, high) or None
        95 % interval of `value`; `ci_method` says how it was made and what was resampled.
    ci_approximate : bool
        The coverage of such intervals was not measured, or is not what it should be.
    formula : str
        Named and versioned: "raw", "r/c", "(r/c)^2", "r2/c", "r/sqrt(c)" or "clip(r/c)", with "-v1".
    per_unit : DataArray or None
        The measure's own figure of each unit, with its coordinates; `units` of its attrs names it. Along
        `neuroid` the mean correlation, or CC_norm^2 by the formula, with its own ceiling; along `stimulus`
        the model's mean d', answer or solution time of each image, with the subject's or brain's beside it.
        None where a measure has no units, such as similarity.
    predictions : Dataset or None
        Held-out predictions and targets, `predicted` and `target`, first dim `sample` with `fold` and
        `stimulus_id`; further dims as the measure has them: neuroid, time, choice; of RSA `other`, the other
        image of a pair, and the dissimilarities of the layer of most folds.
    draws : array or None
        Bootstrap draws of `value` that the interval was made from; NaN where a draw has no value. Draw k of
        all measures on the same images with the same seed counts the images alike.
    joint_draws : dict or None
        Draws of `value` by what was drawn, "images", "units" or "both", as they were computed: neither scaled
        nor centered, since the variance of a difference is found from its own draws. All three where images
        and units are crossed, otherwise the one kind that was drawn. At most three times as many as `draws`.
    figures : dict
        Further figures of the measure by name, such as a curve over time bins.
    null : dict or None
        Permutation null, where it was asked for or is the measure's own: kind, n_draws, mean, sd, p,
        resolution; `further` holds those of further figures.
    predictions_file, file : str or None
        Content name of the stored predictions, and path of the stored score.
    n_units, n_excluded, n_stimuli : int
        Units that count, units left out, and stimuli used. A unit is a neuroid, of published dissimilarities
        a subject; of behavior a cell, image x distractor; of choices and solution times an image.
    excluded : dict
        Reason -> how many units are left out for it.
    partial : bool
        Only some of the stimuli were used.
    simulated : bool
        The brain is simulated.
    n_animals : int or None
        Animals whose units count; None where the data does not say, or the brain is simulated. With fewer
        than three the score is `for_these_animals`; else `figures["over_animals"]` has their mean and its
        interval.
    older_key : bool
        It was stored by an earlier version whose key says less about the code of the model: it is shown, and
        never taken for the score of a model as it is now.
    selection : Selection
        Layer and step that stood for the region.
    reason : str or None
        Why there is no value.
    record : Record or None
        Provenance; None only where scoring failed before it could be made.
    """

    model: str
    weights: str
    benchmark: str
    version: int
    protocol: str
    value: float | None
    status: Status = "scored"
    raw: float | None = None
    ceiling: float | None = None
    ceiling_ci: tuple[float, float] | None = None
    ceiling_above_0: bool | None = None
    error: float | None = None
    ci: tuple[float, float] | None = None
    ci_method: str | None = None
    ci_approximate: bool = False
    formula: str = "raw-v1"
    per_unit: xr.DataArray | None = None
    predictions: xr.Dataset | None = None
    draws: npt.NDArray[np.float64] | None = None
    joint_draws: dict[str, npt.NDArray[np.float64]] | None = None
    figures: dict[str, Any] = field(default_factory=dict)
    null: dict[str, Any] | None = None
    predictions_file: str | None = None
    file: str | None = None
    n_units: int = 0
    n_excluded: int = 0
    n_stimuli: int = 0
    excluded: dict[str, int] = field(default_factory=dict)
    partial: bool = False
    simulated: bool = False
    n_animals: int | None = None
    older_key: bool = False
    selection: Selection = field(default_factory=Selection)
    reason: str | None = None
    record: Record | None = None

    def __post_init__(self) -> None:
        scored = self.status == "scored"
        if (self.value is None, self.reason is None) != (not scored, scored):
            raise InputError(
                f"a score with status={self.status!r}, value={self.value} and reason={self.reason!r}",
                allowed="status 'scored' with a value, or another status with a reason",
                todo=f"give one of the statuses {', '.join(STATUSES)} and what belongs to it",
            )
        figures: dict[str, float | None] = {"value": self.value, "raw": self.raw}
        figures["ceiling"] = self.ceiling
        for name, pair in {"ci": self.ci, "ceiling_ci": self.ceiling_ci}.items():
            low, high = pair or (None, None)
            figures |= {name: low, f"{name}, high": high}
        for name, figure in {**figures, "error": self.error}.items():
            if figure is not None and not math.isfinite(figure):
                raise InputError(
                    f"a score with {name}={figure}",
                    allowed="a finite figure, or None where there is none",
                    todo="say in `reason` why the value does not exist",
                )

    __repr__, __str__, _repr_html_ = score_repr, score_text, score_html

    def __float__(self) -> float:
        if self.value is None:
            raise InputError(
                f"the figure of {self.model} on {self.benchmark}, which is {self.status}",
                allowed="a score with a value",
                todo=f"see its reason: {self.reason}",
            )
        return float(self.value)

    @property
    def failed(self) -> bool:
        """Whether there is no value though the data is here and the benchmark applies."""
        return self.status == "failed"

    @property
    def for_these_animals(self) -> bool:
        """Whether the score speaks of recorded animals alone, too few for an interval over animals."""
        return self.n_animals is not None and self.n_animals < FEWEST_ANIMALS

    @property
    def untrained(self) -> bool:
        """Whether the model's weights are seeded random numbers."""
        return are_untrained(self.weights)

    @property
    def undescribed(self) -> bool:
        """Whether nobody said what the model's weights are."""
        return self.weights == UNDESCRIBED

    def hash_of(self, what: str) -> str | None:
        """Return a hash of the record, as of "model", "data" or "stimuli"; None where there is none."""
        return self.record.hashes.get(what) if self.record else None

    @property
    def seconds(self) -> float:
        """Wall time of this score, s."""
        return self.record.seconds if self.record else 0.0

    def row(self) -> dict[str, Any]:
        """Return a flat summary with the keys `COLUMNS`."""
        low, high = self.ci or (None, None)
        flat = {name: getattr(self, name) for name in COLUMNS if name not in ("ci_low", "ci_high")}
        return {name: {**flat, "ci_low": low, "ci_high": high}[name] for name in COLUMNS}

    def to_json(self) -> dict[str, Any]:
        """Return everything but the predictions as plain JSON values, NaN as None."""
        known = {
            name: getattr(self, name)
            for name in self.__dataclass_fields__
            if name not in ("per_unit", "predictions", "record", "selection")
        }
        stored: dict[str, Any] = _plain(
            {
                **known,
                "per_unit": None if self.per_unit is None else array_to_json(self.per_unit),
                "selection": vars(self.selection),
                "record": None if self.record is None else self.record.model_dump(),
            }
        )
        return stored

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> Score:
        """Rebuild a score from `to_json`, also as versions before 0.2 wrote it.

        InputError for anything that is not such a score: a field too few or too many, a value of another type
        than the field, such as "0.3" for 0.3, or nesting that no score has.
        """
        _check_depth(stored)
        try:
            stored = from_first_layout(stored) if "status" not in stored else stored
            unit, record = stored["per_unit"], stored["record"]
            draws, selection = stored.get("draws"), stored["selection"]
            joint = stored.get("joint_draws")
            plain = {name: stored[name] for name in stored if name not in _NESTED}
            pairs = {name: tuple(plain[name]) for name in _PAIRS if plain.get(name) is not None}
            return cls(
                **_typed(cls, plain | pairs),
                per_unit=None if unit is None else array_from_json(unit),
                draws=None if draws is None else draws_from_json(draws),
                joint_draws=None if joint is None else joint_draws_from_json(joint),
                selection=Selection(
                    **_typed(Selection, {**selection, "curve": tuple(selection["curve"])})
                ),
                record=None if record is None else Record.model_validate(record),
            )
        except InputError:
            raise
        except ValidationError as error:
            raise _no_score(_described(error)) from error
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            raise _no_score(f"{type(error).__name__}: {error}") from error

    def recording(self, **known: Any) -> Score:
        """Return the score with further entries of its record, such as its cost; without one, unchanged."""
        if self.record is None:
            return self
        return replace(self, record=self.record.model_copy(update=known))


_NESTED = ("per_unit", "draws", "joint_draws", "selection", "record")  # rebuilt one by one
_PAIRS = ("ci", "ceiling_ci")  # lists in JSON
_DEPTH = 32  # of lists and dicts within each other; scores have about 5


class _StoredNull(BaseModel):
    """What every summary of a permutation null has."""

    model_config = STRICT

    kind: str
    n_draws: int
    mean: float | None
    sd: float | None
    p: float
    resolution: float


@functools.cache
def _types(kind: type) -> dict[str, TypeAdapter[Any]]:
    """Return the check of each field of a dataclass that is stored as it is."""
    hints = typing.get_type_hints(kind)
    plain = hints.keys() - {*_NESTED, "predictions"}
    return {name: TypeAdapter(hints[name], config=STRICT) for name in plain}


def _typed(kind: type, stored: Mapping[str, Any]) -> dict[str, Any]:
    """Return stored fields of a dataclass, each of the type that the field has."""
    types = _types(kind)
    unknown_names = sorted(stored.keys() - types.keys())
    if unknown_names:
        raise _no_score(f"it has the unknown fields {', '.join(unknown_names)}")
    if stored.get("null") is not None:
        _StoredNull.model_validate(stored["null"])
    fields = {}
    for name, value in stored.items():
        try:
            fields[name] = types[name].validate_python(value)
        except ValidationError as error:
            raise _no_score(f"{name} is {value!r:.60}") from error
    return fields


def _described(error: ValidationError) -> str:
    """Return the first fields that are wrong, in a line."""
    wrong = error.errors(include_url=False)
    parts = [f"{'.'.join(map(str, one['loc']))} ({one['msg']})" for one in wrong[:3]]
    return "; ".join(parts) + ("; ..." if len(wrong) > 3 else "")


def _check_depth(value: Any, left: int = _DEPTH) -> None:
    """Raise InputError for deeper nesting than in any score, before anything fails to walk it."""
    if left == 0:
        raise _no_score(f"it is nested more than {_DEPTH} deep")
    if isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            if isinstance(item, dict | list):
                _check_depth(item, left - 1)


def _no_score(why: str) -> InputError:
    return InputError(
        f"this is no stored score: {why}",
        allowed="what Score.to_json returns",
        todo="remove the file that it comes from, and compute the score again",
    )


def _plain(value: Any) -> Any:
    """Return JSON values: arrays and tuples as lists, numpy's numbers as Python's, NaN and inf as None."""
    if isinstance(value, np.ndarray | np.generic):
        if value.dtype.kind in "fiu" and np.isfinite(value).all():
            return value.tolist()
        value = value.tolist()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


@dataclass(frozen=True, eq=False, repr=False)
class ScoreSet(Sequence[Score]):
    """Scores in the order in which they were asked for."""

    scores: tuple[Score, ...]

    def __len__(self) -> int:
        return len(self.scores)

    def __iter__(self) -> Iterator[Score]:
        return iter(self.scores)

    @overload
    def __getitem__(self, index: int) -> Score: ...
    @overload
    def __getitem__(self, index: slice) -> ScoreSet: ...
    def __getitem__(self, index: int | slice) -> Score | ScoreSet:
        selected = self.scores[index]
        return ScoreSet(selected) if isinstance(selected, tuple) else selected

    __repr__, __str__, _repr_html_ = scores_repr, scores_text, scores_html

    @property
    def failed(self) -> ScoreSet:
        """Scores that failed."""
        return ScoreSet(tuple(s for s in self.scores if s.failed))

    def to_frame(self) -> pd.DataFrame:
        """Return one row per score, with the columns `COLUMNS`."""
        return pd.DataFrame([s.row() for s in self.scores], columns=list(COLUMNS))

    def to_csv(self, path: str | Path | TextIO) -> None:
        """Write `to_frame` as CSV, all digits kept; see `brainbench.core.untrusted_text.write_csv`."""
        write_csv(self.to_frame(), path)
