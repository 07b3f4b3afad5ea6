"""Composites: one figure from several benchmarks, the mean of the members that a declaration names.

A composite without one of its members is undefined, not smaller. The mean of the members that exist is
another figure, under another name, and never compared with the composite.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from brainbench.core.errors import InputError
from brainbench.metrics.array_types import AnyArray, FloatArray
from brainbench.stats.bootstrap import LEVEL

RAW = "raw-v1"


@dataclass(frozen=True)
class Member:
    """One benchmark of a composite.

    Parameters
    ----------
    benchmark : str
        Identifier, as "MajajHong2015.IT-pls".
    formula : str
        Formula of its figure, as in `Score.formula`: "raw-v1", "r/sqrt(c)-v1". The raw figure is part of
        every score, whatever the formula of its value.
    """

    benchmark: str
    formula: str = RAW


@dataclass(frozen=True, kw_only=True)
class Composite:
    """Declaration of the benchmarks, each with its formula, whose mean is one figure.

    Parameters
    ----------
    name : str
        Ends in its version, as "mean-v1": other members or other formulas are another composite. On
        simulated brains it begins with "Simulated.".
    members : tuple of Member
        In the order of tables.
    meaning : str
        One line on what it measures.
    citation : str
        Publication to cite.

    Raises
    ------
    InputError
        No member, a benchmark twice, or simulated and real benchmarks together.
    """

    name: str
    members: tuple[Member, ...]
    meaning: str
    citation: str

    def __post_init__(self) -> None:
        names = self.benchmarks
        kinds = {_simulated(name) for name in (self.name, *names)}
        if not names or len(set(names)) < len(names) or len(kinds) > 1:
            raise InputError(
                f"composite {self.name!r} of {', '.join(names) or 'nothing'}",
                allowed="each benchmark once, all of them and the name Simulated.*, or none of them",
                todo="correct its members",
            )

    @cached_property
    def benchmarks(self) -> tuple[str, ...]:
        """Identifiers of the members."""
        return tuple(member.benchmark for member in self.members)

    @cached_property
    def _by_benchmark(self) -> dict[str, Member]:
        return {member.benchmark: member for member in self.members}

    def member(self, benchmark: str) -> Member | None:
        """Return the member of a benchmark; None where it is none."""
        return self._by_benchmark.get(benchmark)

    @property
    def scale(self) -> str:
        """What its members have in common: whether 1 means the same in all of them."""
        formulas = list(dict.fromkeys(member.formula for member in self.members))
        if len(formulas) == 1:
            return f"all members by {formulas[0]}"
        return f"not one: members by {' and by '.join(formulas)}, so that 1 does not mean the same in all"

    @cached_property
    def simulated(self) -> bool:
        """Whether its members are benchmarks on simulated brains."""
        return _simulated(self.name)

    def twin(self, benchmarks: Sequence[str]) -> Composite:
        """Return the same composite on simulated brains, named Simulated.*; one benchmark for each member."""
        if len(benchmarks) != len(self.members):
            raise InputError(
                f"{len(benchmarks)} benchmarks for the {len(self.members)} members of {self.name}",
                allowed="one for each member",
                todo="name them in the order of the members",
            )
        pairs = zip(benchmarks, self.members, strict=True)
        return Composite(
            name=f"Simulated.{self.name}",
            members=tuple(Member(name, member.formula) for name, member in pairs),
            meaning=f"{self.meaning}; on a simulated brain",
            citation=self.citation,
        )


def _simulated(name: str) -> bool:
    return name.startswith("Simulated.")


@dataclass(frozen=True, kw_only=True, eq=False)
class Combined:
    """Composite figure of one model.

    Attributes
    ----------
    value : float or None
        Mean of all members; None where one is missing.
    of_those : float or None
        Mean of the members that exist, where some are missing; not comparable with the composite.
    k, n : int
        Number of members that exist, and of all members.
    ci : (low, high) or None
        Percentile interval of `value`, from the members' draws averaged draw by draw.
    draws : array, draw, or None
        Draws of `value`; NaN where a member has none, which the interval omits.
    n_undefined : int
        Number of draws without a value.
    why_no_ci : str or None
        Reason for a value without an interval.
    """

    value: float | None
    of_those: float | None
    k: int
    n: int
    ci: tuple[float, float] | None = None
    draws: FloatArray | None = None
    n_undefined: int = 0
    why_no_ci: str | None = None


def combine(
    values: Sequence[float | None],
    draws: Sequence[AnyArray | None] | None = None,
    *,
    names: Sequence[str] | None = None,
) -> Combined:
    """Return the mean of the members of a composite, with its interval.

    Parameters
    ----------
    values : sequence of float or None
        Figure of each member; None where it is missing.
    draws : sequence of (array, draw) or None
        Bootstrap draws of each figure. Draw k of all members must resample the same images equally, as
        `brainbench.stats.bootstrap.image_counts` does: the mean is taken draw by draw, so that variation
        common to members on the same images is not averaged away.
    names : sequence of str, optional
        Names of the members, for messages.

    Returns
    -------
    Combined
        Without interval where a member has no draws, or members have different numbers of draws.

    Raises
    ------
    InputError
        No member; a figure that is not finite; draws or names for another number of members.

    Examples
    --------
    CORnet-S (Kubilius et al. 2019): V4, IT, behavior, object solution times.

    >>> round(combine([0.650, 0.600, 0.382, 0.25]).value, 4)
    0.4705
    >>> combined = combine([0.650, 0.600, None, 0.25])
    >>> combined.value is None, combined.of_those, f"{combined.k} of {combined.n}"
    (True, 0.5, '3 of 4')
    """
    draws = [None] * len(values) if draws is None else draws
    names = [f"member {k + 1}" for k in range(len(values))] if names is None else names
    _check(values, draws, names)
    existing = [float(value) for value in values if value is not None]
    n = len(values)
    if len(existing) < n:
        of_those = float(np.mean(existing)) if existing else None
        return Combined(value=None, of_those=of_those, k=len(existing), n=n)
    value = float(np.mean(existing))
    mean_draws, why_no_ci = _mean_draws(draws, names)
    if mean_draws is None:
        return Combined(value=value, of_those=None, k=n, n=n, why_no_ci=why_no_ci)
    defined = mean_draws[~np.isnan(mean_draws)]
    low, high = np.quantile(defined, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Combined(
        value=value,
        of_those=None,
        k=n,
        n=n,
        ci=(float(low), float(high)),
        draws=mean_draws,
        n_undefined=len(mean_draws) - len(defined),
    )


def _mean_draws(
    draws: Sequence[AnyArray | None], names: Sequence[str]
) -> tuple[FloatArray | None, str | None]:
    """Return the mean over members draw by draw, or the reason why it does not exist."""
    missing = [name for name, of_member in zip(names, draws, strict=True) if of_member is None]
    if missing:
        return None, f"no draws of {', '.join(missing)}"
    columns = [np.asarray(of_member, dtype=np.float64).ravel() for of_member in draws]
    lengths = [len(column) for column in columns]
    if len(set(lengths)) > 1:
        return None, "members with " + ", ".join(map(str, lengths)) + " draws"
    mean: FloatArray = np.mean(columns, axis=0)
    if np.isnan(mean).all():
        return None, "in no draw do all members have a figure"
    return mean, None


def _check(
    values: Sequence[float | None],
    draws: Sequence[AnyArray | None],
    names: Sequence[str],
) -> None:
    sizes = len(values), len(draws), len(names)
    finite = all(value is None or math.isfinite(value) for value in values)
    if not values or len(set(sizes)) > 1 or not finite:
        raise InputError(
            f"values {list(values)}, draws of {sizes[1]} members, {sizes[2]} names",
            allowed="one finite value or None, one array of draws or None and one name for each "
            "member, at least one member",
            todo="give None for a member without a figure",
        )
