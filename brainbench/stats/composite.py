"""One figure from several benchmarks: a composite is a declaration, and a mean of its members.

A composite without one of its members is undefined, not smaller. What the members that are there give is
another figure, under another name, and never compared with the composite.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from brainbench.core.errors import InputError

__all__ = ["Combined", "Composite", "Member", "combine"]

FloatArray = NDArray[np.float64]
RAW = "raw-v1"


@dataclass(frozen=True)
class Member:
    """One benchmark of a composite.

    Parameters
    ----------
    benchmark : str
        Identifier, as "MajajHong2015.IT-pls".
    formula : str
        The formula that its figure must have, as in `Score.formula`: "raw-v1", "r/sqrt(c)-v1". The raw
        figure is part of every score, whatever formula its value has.
    """

    benchmark: str
    formula: str = RAW


@dataclass(frozen=True, kw_only=True)
class Composite:
    """A declaration: which benchmarks, each by which formula, make one figure, their mean.

    Parameters
    ----------
    name : str
        Ends in its version, as "mean-v1": other members or other formulas are another composite. The name of
        one on simulated brains begins with "Simulated.".
    members : tuple of Member
        In the order in which tables show them.
    meaning : str
        One line on what it says.
    citation : str
        Whom to cite.

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

    @property
    def benchmarks(self) -> tuple[str, ...]:
        """Identifiers of the members."""
        return tuple(member.benchmark for member in self.members)

    @property
    def simulated(self) -> bool:
        """Its members are benchmarks on simulated brains."""
        return _simulated(self.name)

    def twin(self, benchmarks: Sequence[str]) -> Composite:
        """Return the same composite on simulated brains, under its own name.

        Parameters
        ----------
        benchmarks : sequence of str
            One for each member, in their order.

        Raises
        ------
        InputError
            Another number of benchmarks than members.

        Examples
        --------
        >>> real = Composite(
        ...     name="one-v1", members=(Member("Study.IT-pls"),), meaning="IT alone", citation="us"
        ... )
        >>> real.twin(["Simulated.IT-pls"]).name
        'Simulated.one-v1'
        """
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
    """A composite of one model.

    Attributes
    ----------
    value : float or None
        Mean of all members; None where one is missing.
    of_those : float or None
        Mean of those members that are there, where some are missing: not the composite, and not to be
        compared with it.
    k, n : int
        How many members are there, and how many there should be.
    ci : (low, high) or None
        Percentile interval of `value`, from the members' draws taken together draw by draw.
    draws : array, draw, or None
        Draws of `value`; NaN where a member has none.
    n_undefined : int
        How many draws those are; the interval leaves them out.
    why_no_ci : str or None
        Where there is a value and no interval.
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
    draws: Sequence[NDArray[Any] | None] | None = None,
    *,
    names: Sequence[str] | None = None,
    level: float = 0.95,
) -> Combined:
    """Mean of the members of a composite, with its interval.

    Parameters
    ----------
    values : sequence of float or None
        Figure of each member; None where it is missing.
    draws : sequence of (array, draw) or None
        Bootstrap draws of each figure. Draw k of all members must resample the same images alike, as
        `brainbench.stats.bootstrap.image_counts` does: the mean is taken draw by draw, so that what members
        on the same images have in common stays in the interval, and is not averaged away.
    names : sequence of str, optional
        Of the members, for messages.
    level : float
        Coverage of the interval.

    Returns
    -------
    Combined
        Without interval where a member has no draws or another number of them.

    Raises
    ------
    InputError
        No member at all; a figure that is not finite; draws or names for another number of members.

    Examples
    --------
    CORnet-S (Kubilius et al. 2019): V4, IT, behavior, object solution times.

    >>> made = combine([0.650, 0.600, 0.382, 0.25])
    >>> round(made.value, 4), f"{made.k} of {made.n}"
    (0.4705, '4 of 4')
    >>> made = combine([0.650, 0.600, None, 0.25])
    >>> made.value is None, made.of_those, f"{made.k} of {made.n}"
    (True, 0.5, '3 of 4')
    """
    given: Sequence[NDArray[Any] | None] = [None] * len(values) if draws is None else draws
    names = [f"member {k + 1}" for k in range(len(values))] if names is None else names
    _check(values, given, names, level)
    there = [float(value) for value in values if value is not None]
    n = len(values)
    if len(there) < n:
        of_those = float(np.mean(there)) if there else None
        return Combined(value=None, of_those=of_those, k=len(there), n=n)
    value = float(np.mean(there))
    drawn, why = _together(given, names)
    if drawn is None:
        return Combined(value=value, of_those=None, k=n, n=n, why_no_ci=why)
    defined = drawn[~np.isnan(drawn)]
    low, high = np.quantile(defined, [(1 - level) / 2, (1 + level) / 2])
    return Combined(
        value=value,
        of_those=None,
        k=n,
        n=n,
        ci=(float(low), float(high)),
        draws=drawn,
        n_undefined=len(drawn) - len(defined),
    )


def _together(
    draws: Sequence[NDArray[Any] | None], names: Sequence[str]
) -> tuple[FloatArray | None, str | None]:
    """Mean over members, draw by draw; or why there is none."""
    without = [name for name, one in zip(names, draws, strict=True) if one is None]
    if without:
        return None, f"no draws of {', '.join(without)}"
    columns = [np.asarray(one, dtype=np.float64).ravel() for one in draws]
    lengths = [len(one) for one in columns]
    if len(set(lengths)) > 1:
        return None, "members with " + ", ".join(map(str, lengths)) + " draws"
    drawn: FloatArray = np.mean(columns, axis=0)
    if np.isnan(drawn).all():
        return None, "in no draw do all members have a figure"
    return drawn, None


def _check(
    values: Sequence[float | None],
    draws: Sequence[NDArray[Any] | None],
    names: Sequence[str],
    level: float,
) -> None:
    sizes = len(values), len(draws), len(names)
    finite = all(value is None or np.isfinite(value) for value in values)
    if not values or len(set(sizes)) > 1 or not finite or not 0 < level < 1:
        raise InputError(
            f"values {list(values)}, draws of {sizes[1]} members, {sizes[2]} names, level {level}",
            allowed="one finite value or None, one array of draws or None and one name for each "
            "member, at least one member; 0 < level < 1",
            todo="give None for a member without a figure",
        )
