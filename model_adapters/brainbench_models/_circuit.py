"""The circuit of an area of CORnet-S as a declaration: what figure 4 of Kubilius et al. 2019 varies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, Literal, get_args

from brainbench.core.errors import InputError, unknown
from brainbench_models._options import is_whole_number
from brainbench_models.cornet_s import STEPS

Gate = Literal["discard", "add"]
Norm = Literal["step", "group"]
WIDTHS: Final[Mapping[str, int]] = MappingProxyType(
    {"V1": 64, "V2": 128, "V4": 256, "pIT": 512, "IT": 512}
)
AREAS: Final[Mapping[int, tuple[str, ...]]] = MappingProxyType(
    {
        3: ("V1", "V4", "IT"),
        4: ("V1", "V2", "V4", "IT"),
        5: ("V1", "V2", "V4", "pIT", "IT"),
    }
)
"""Number of areas -> their names. The paper does not say which is dropped or added; this choice is ours."""


@dataclass(frozen=True, kw_only=True)
class Circuit:
    """What the areas of a CORnet-S do; the defaults are those of the published network.

    Parameters
    ----------
    areas : {3, 4, 5}
        See `AREAS`; each area after V1 halves the map and repeats as `steps` says.
    steps : mapping of str to int
        How often an area after V1 runs, where it is not as in `STEPS` (pIT as IT).
    bottleneck : int
        How many times wider the channels are inside an area.
    skip : bool
        Whether the input of a step is added to its result.
    gate : {"discard", "add"}
        Steps after the first see the result of the step before alone, or the area's input added to it,
        through the strided convolution of the skip. The paper names no gates; "add" is ours.
    convolutions : {3, 2}
        2 omits the 1 x 1 convolution that widens: the 3 x 3 one then does (which one is ours).
    norm : {"step", "group"}
        A batch normalization for each step, or a group normalization for all steps.

    Raises
    ------
    InputError, UnknownNameError
        An option that is not allowed, an area that the circuit does not have.
    """

    areas: int = 4
    steps: Mapping[str, int] = field(default_factory=dict)
    bottleneck: int = 4
    skip: bool = True
    gate: Gate = "discard"
    convolutions: int = 3
    norm: Norm = "step"

    def __post_init__(self) -> None:
        checks = {
            "areas": (self.areas in AREAS, "3, 4 or 5"),
            "steps": (isinstance(self.steps, Mapping), "a mapping, as steps={'V4': 2}"),
            "bottleneck": (is_whole_number(self.bottleneck), "a whole number, at least 1"),
            "skip": (isinstance(self.skip, bool), "true or false"),
            "gate": (self.gate in get_args(Gate), ", ".join(get_args(Gate))),
            "convolutions": (self.convolutions in (2, 3), "2 or 3"),
            "norm": (self.norm in get_args(Norm), ", ".join(get_args(Norm))),
        }
        for name, (valid, allowed) in checks.items():
            if not valid:
                raise InputError(
                    f"{name}={getattr(self, name)!r} for cornet_circuit",
                    allowed=allowed,
                    todo=f"give another {name}=, or omit it",
                )
        self._check_steps()

    def _check_steps(self) -> None:
        for area, steps in self.steps.items():
            if area not in self.names[1:]:
                todo = "name one of the areas after V1 in steps="
                raise unknown("area of cornet_circuit:", str(area), list(self.names[1:]), todo=todo)
            if not is_whole_number(steps):
                raise InputError(
                    f"steps[{area!r}]={steps!r} for cornet_circuit",
                    allowed="a whole number, at least 1",
                    todo="give another number of steps, or omit it",
                )

    @property
    def names(self) -> tuple[str, ...]:
        """Areas from V1 to IT."""
        return AREAS[self.areas]

    def steps_of(self, area: str) -> int:
        """Return how often an area runs in one forward pass."""
        return self.steps.get(area, STEPS.get(area, STEPS["IT"]))

    @property
    def options(self) -> tuple[str, ...]:
        """Options that are not those of CORnet-S, as they stand in the name of a model."""
        usual = Circuit()
        named = {
            f"{self.areas}areas": self.areas != usual.areas,
            **{
                f"{area}x{self.steps_of(area)}": self.steps_of(area) != STEPS.get(area, 2)
                for area in self.names[1:]
            },
            f"b{self.bottleneck}": self.bottleneck != usual.bottleneck,
            "noskip": not self.skip,
            f"gate{self.gate}": self.gate != usual.gate,
            f"{self.convolutions}conv": self.convolutions != usual.convolutions,
            f"{self.norm}norm": self.norm != usual.norm,
        }
        return tuple(text for text, shown in named.items() if shown)

    @property
    def depth(self) -> int:
        """Number of convolutional and fully connected layers from image to logits, each area once."""
        return 2 + (self.areas - 1) * (1 + self.convolutions) + 1
