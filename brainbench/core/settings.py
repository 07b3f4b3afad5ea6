"""Settings of a run: what a user chooses beyond model and benchmark."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from brainbench.core.errors import InputError, unknown

ProtocolName = Literal["paper", "brainscore"]
PROTOCOLS: tuple[ProtocolName, ...] = ("paper", "brainscore")
FORMULAS = ("raw", "r/c", "r2/c", "r/sqrt(c)")
"""Names of what `stats.ceiling.FORMULAS` does."""
Resample = Literal["both", "images", "units"]
RESAMPLES: tuple[Resample, ...] = ("both", "images", "units")
Null = Literal["images", "within-object"]
NULLS: tuple[Null, ...] = ("images", "within-object")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What a user chooses for a run, beyond model and benchmark.

    Parameters
    ----------
    protocol : {"paper", "brainscore"}
        Which published procedure to follow, where there are two.
    seed : int
        Seed of splits and resampling under "paper"; Brain-Score's own seeds are fixed.
    layers : mapping of str to str
        Layer to use for a region instead of the model's own.
    limit : int or None
        Use at most so many stimuli, of each session where there are several; the Score is then marked
        partial.
    formula : str or None
        How raw figure and ceiling make the value, one of `FORMULAS`; None for what the measure declares.
    floor : float or None
        Leave out units whose reliability is below it; they are counted. None leaves out none.
    resample : {"both", "images", "units"}
        What the interval treats as random.
    null : {None, "images", "within-object"}
        Score shuffled images too: over the whole set, or within each object.
    null_draws : int
        How many shuffles.
    """

    protocol: ProtocolName = "paper"
    seed: int = 0
    layers: Mapping[str, str] = field(default_factory=dict)
    limit: int | None = None
    formula: str | None = None
    floor: float | None = None
    resample: Resample = "both"
    null: Null | None = None
    null_draws: int = 100

    def __post_init__(self) -> None:
        _check_choice("protocol", self.protocol, PROTOCOLS)
        _check_choice("formula", self.formula, (None, *FORMULAS))
        _check_choice("resample", self.resample, RESAMPLES)
        _check_choice("null", self.null, (None, *NULLS))
        if self.floor is not None and not 0 <= self.floor < 1:
            raise InputError(
                f"a floor of {self.floor} for the reliability of a unit",
                allowed="0 or more, below 1",
                todo="give --floor X, for example 0.3",
            )
        if self.null_draws < 1:
            raise InputError(
                f"{self.null_draws} shuffles", allowed="1 or more", todo="give --null-draws N"
            )
        if self.seed < 0:
            raise InputError(
                f"a seed of {self.seed}", allowed="0 or more", todo="give --seed N, for example 0"
            )
        if self.limit is not None and self.limit < 1:
            raise InputError(
                f"a limit of {self.limit} stimuli", allowed="1 or more", todo="give --limit N"
            )


def _check_choice(name: str, given: str | None, allowed: Sequence[str | None]) -> None:
    if given not in allowed:
        names = [one for one in allowed if one is not None]
        raise unknown(name, str(given), names, todo=f"choose --{name} {' or '.join(names)}")
