"""The paths of a recurrent model: which there are, how strong and how long (Zhang et al. 2020, 4.2, 4.3).

A path is a chain of 3 x 3 convolutions from the first block to the read-out of an iteration. Its length is
the number of these convolutions; the 9 x 9 convolution, which is part of every path, does not count.

Two conventions are named. `paper`: the strength of a normalization is the mean of |gamma|, and lengths are
as above. `code`, as in the released code: the mean of |gamma| / sqrt(running variance + epsilon), and one
convolution has the length 0.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final, Literal, NamedTuple, get_args

import numpy as np
from torch import Tensor, nn

from brainbench.core.errors import InputError, unknown
from brainbench_models.recurrent_v1.architecture import Mode
from brainbench_models.recurrent_v1.blocks import blocks_in, norms_in
from brainbench_models.recurrent_v1.network import RecurrentV1

Convention = Literal["paper", "code"]
CONVENTIONS: Final[tuple[Convention, ...]] = get_args(Convention)


class Component(NamedTuple):
    """A convolution on a path and the iteration of the normalization after it."""

    kind: Literal["bottom-up", "lateral"]
    block: int  # from 0, above the first block
    iteration: int  # from 1


Path = tuple[Component, ...]


def paths(n_blocks: int, iteration: int) -> tuple[Path, ...]:
    """Return all paths to the output of the highest block at an iteration, from 1.

    Of one recurrent block there is one of each length 1 to t; of two 1, 3, 6, 10, 15, 21, 28 at t = 1 to 7,
    k - 1 of each length k.

    Examples
    --------
    >>> [len(paths(2, t)) for t in range(1, 8)]
    [1, 3, 6, 10, 15, 21, 28]
    """
    return _paths_to(n_blocks - 1, iteration)


@cache
def _paths_to(block: int, iteration: int) -> tuple[Path, ...]:
    below: tuple[Path, ...] = _paths_to(block - 1, iteration) if block else ((),)
    from_below = [(*path, Component("bottom-up", block, iteration)) for path in below]
    if iteration == 1:
        return tuple(from_below)
    before = _paths_to(block, iteration - 1)
    return (*from_below, *((*path, Component("lateral", block, iteration)) for path in before))


def iteration_weights(iterations: int, mode: Mode) -> dict[int, float]:
    """Return how much the paths of each iteration count in the output, iteration from 1 -> weight, sum 1.

    no-avg reads the last iteration; early-avg and late-avg all alike; 2-avg those up to t in its output t,
    so that an early one counts more.

    Examples
    --------
    >>> iteration_weights(2, "2-avg")
    {1: 0.75, 2: 0.25}
    """
    steps = range(1, iterations + 1)
    if mode == "no-avg":
        return {iterations: 1.0}
    if mode == "2-avg":
        return {s: sum(1 / t for t in steps if t >= s) / iterations for s in steps}
    return dict.fromkeys(steps, 1 / iterations)


@dataclass(frozen=True, kw_only=True)
class WeightedPath:
    """A path to the output of an iteration, and how strong it is, weighted as the read-out mode does."""

    iteration: int
    path: Path
    strength: float  # all paths of a model sum to 1

    def length(self, convention: Convention = "paper") -> int:
        """Return the length; see the module."""
        return len(self.path) - (convention == "code")


def conv_strength(conv: nn.Conv2d) -> float:
    """Return the mean over output channels of the 2-norm of the kernel."""
    return float(conv.weight.detach().flatten(1).norm(dim=1).mean())


def norm_strength(norm: nn.BatchNorm2d, convention: Convention) -> float:
    """Return the mean |scale| of a normalization, by the convention that is named."""
    scale: Tensor = norm.weight.detach().abs()
    if convention == "code" and norm.running_var is not None:
        scale = scale / (norm.running_var + norm.eps).sqrt()
    return float(scale.mean())


def weighted_paths(net: RecurrentV1, convention: Convention = "paper") -> list[WeightedPath]:
    """Return the paths of a recurrent or feed-forward model with their normalized strengths.

    Parameters
    ----------
    net : RecurrentV1
        Strengths are those of its weights as they are.
    convention : {"paper", "code"}
        Of the strength of normalizations; see the module.

    Raises
    ------
    InputError
        Strengths that are not finite, or all 0.
    """
    check_convention(convention)
    blocks = blocks_in(net.upper)
    convs = {
        (kind, k): conv_strength(conv)
        for k, block in enumerate(blocks)
        for kind, conv in (("bottom-up", block.bottom_up), ("lateral", block.lateral))
        if conv is not None
    }
    norms = {
        (k, t): norm_strength(one, convention)
        for k, block in enumerate(blocks)
        for t, one in enumerate(norms_in(block.norms), start=1)
    }

    def strength(path: Path) -> float:
        factors = [convs[c.kind, c.block] * norms[c.block, c.iteration] for c in path]
        return float(np.prod(factors))

    return normalized(
        (t, path, weight * strength(path))
        for t, weight in iteration_weights(
            net.architecture.iterations, net.architecture.mode
        ).items()
        for path in paths(len(blocks), t)
    )


def normalized(strengths: Iterable[tuple[int, Path, float]]) -> list[WeightedPath]:
    """Return paths whose strengths sum to 1; InputError where they are not finite or all 0."""
    listed = list(strengths)
    total = sum(strength for *_, strength in listed)
    if not np.isfinite(total) or total <= 0:
        raise InputError(
            f"paths whose strengths sum to {total}",
            allowed="a finite sum above 0",
            todo="check that the model has been fitted and has no NaN",
        )
    return [
        WeightedPath(iteration=t, path=path, strength=strength / total)
        for t, path, strength in listed
    ]


def length_distribution(
    weighted: Sequence[WeightedPath], convention: Convention = "paper"
) -> dict[int, float]:
    """Return length -> share of the strength: the path diversity of the paper (figure 5c)."""
    check_convention(convention)
    shares: dict[int, float] = defaultdict(float)
    for one in weighted:
        shares[one.length(convention)] += one.strength
    return dict(sorted(shares.items()))


def average_path_length(distribution: Mapping[int, float]) -> float:
    """Return the mean length of a distribution: the effective depth of an ensemble."""
    return sum(length * share for length, share in distribution.items())


def effective_lengths(distribution: Mapping[int, float]) -> float:
    """Return exp(entropy) of a distribution: how many lengths there would be if all were equally strong."""
    shares = np.array([share for share in distribution.values() if share > 0])
    return float(np.exp(-(shares * np.log(shares)).sum()))


def check_convention(convention: str) -> None:
    """Raise UnknownNameError for a convention that does not exist."""
    if convention not in CONVENTIONS:
        raise unknown("convention of path strengths", convention, CONVENTIONS, todo="choose one")


# --- ablations -------------------------------------------------------------------------------------

Keeps = Callable[[int], bool]
"""Whether paths of a length, in convolutions, are kept."""


@dataclass(frozen=True)
class Removing:
    """Remove paths of some lengths, such as 1, 2 or 3 adjacent ones (figures 6g to 6i)."""

    lengths: tuple[int, ...]

    def __call__(self, length: int) -> bool:
        """Return whether paths of a length are kept."""
        return length not in self.lengths


@dataclass(frozen=True)
class Only:
    """Keep paths of one length."""

    length: int

    def __call__(self, length: int) -> bool:
        """Return whether paths of a length are kept."""
        return length == self.length


@dataclass(frozen=True)
class AtMost:
    """Keep paths up to a length."""

    length: int

    def __call__(self, length: int) -> bool:
        """Return whether paths of a length are kept."""
        return length <= self.length


@dataclass(frozen=True)
class AtLeast:
    """Keep paths from a length on."""

    length: int

    def __call__(self, length: int) -> bool:
        """Return whether paths of a length are kept."""
        return length >= self.length


def adjacent_removals(iterations: int, n_adjacent: int) -> list[Removing]:
    """Return the ablations of one panel of figures 6g to 6i: of one recurrent block, T iterations.

    As in the paper: 1 to 6, 1-2 to 5-6, 1-3 to 5-7 at T = 7.

    Examples
    --------
    >>> [one.lengths for one in adjacent_removals(7, 3)][-1]
    (5, 6, 7)
    """
    last = iterations if n_adjacent == 3 else iterations - 1
    return [
        Removing(tuple(range(first, first + n_adjacent)))
        for first in range(1, last - n_adjacent + 2)
    ]
