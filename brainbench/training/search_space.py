"""The contract of a search space: which networks a search may draw; found by entry points.

A plug-in lists spaces under `brainbench.spaces`, name -> "module:attribute".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from brainbench.core import registry
from brainbench.core.errors import InputError


class Choose(Protocol):
    """Chooses values by name: a random generator, the trial of a search, or choices that were made before."""

    def among(self, name: str, values: Sequence[Any]) -> Any:
        """Return one of some values."""

    def between(self, name: str, low: float, high: float, *, log: bool = False) -> float:
        """Return a number of a range; its logarithm is what is uniform with `log`."""


@dataclass(frozen=True)
class GivenChoices:
    """Gives choices that were made before; InputError for one that is absent or not allowed."""

    choices: Mapping[str, Any]

    def among(self, name: str, values: Sequence[Any]) -> Any:
        """Return the choice of a name, one of some values."""
        chosen = self._chosen(name, f"one of {', '.join(map(repr, values))}")
        for value in values:
            if value == chosen and isinstance(value, bool) == isinstance(chosen, bool):
                return value
        raise _refused(name, repr(chosen), f"one of {', '.join(map(repr, values))}")

    def between(self, name: str, low: float, high: float, *, log: bool = False) -> float:
        """Return the choice of a name, a number of a range."""
        _ = log
        allowed = f"a number from {low:g} to {high:g}"
        chosen = self._chosen(name, allowed)
        is_number = isinstance(chosen, int | float) and not isinstance(chosen, bool)
        if not is_number or not low <= chosen <= high:
            raise _refused(name, repr(chosen), allowed)
        return float(chosen)

    def _chosen(self, name: str, allowed: str) -> Any:
        if name not in self.choices:
            raise _refused(name, "not given", allowed)
        return self.choices[name]


def _refused(name: str, got: str, allowed: str) -> InputError:
    return InputError(
        f"choice {name!r} of a searched network: {got}",
        allowed=allowed,
        todo="give the choices of a trial of this space, as `brainbench search` stores them",
    )


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """A network that was drawn: the model that makes it, and options of its training.

    Parameters
    ----------
    model : str
        Name of a registered model.
    model_args : mapping
        Options of the function that makes the model, in plain values; `classes` is added to them.
    recipe : mapping
        Options of the recipe that were drawn, such as the learning rate.
    """

    model: str
    model_args: Mapping[str, Any]
    recipe: Mapping[str, Any] = field(default_factory=dict)


class SearchSpace(Protocol):
    """A declaration of networks that a search may draw."""

    @property
    def name(self) -> str:
        """As users give it."""

    @property
    def version(self) -> str:
        """Raised when the same choices give another network."""

    @property
    def recipe(self) -> str:
        """Recipe of the proxy training, by default."""

    @property
    def at_most(self) -> int:
        """Multiply-adds of an image, above which a network is not trained."""

    @property
    def switches(self) -> Sequence[str]:
        """Names of the choices that are yes or no and whose gain is of interest: the feedback connections."""

    @property
    def motif(self) -> Sequence[str]:
        """Names of the choices that make up the local cell."""

    def draw(self, choose: Choose) -> Drawn:
        """Return the network of some choices; InputError for choices that give none."""


def load_space(name: str) -> SearchSpace:
    """Return the space of a name; UnknownNameError where none is registered."""
    space: SearchSpace = registry.load("spaces", name)
    return space
