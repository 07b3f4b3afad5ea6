"""What a ConvRNN is shown, step by step."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from torch import Tensor

from brainbench.core.errors import InputError
from brainbench.core.presentation import Presentation
from brainbench_models.convrnn.graph import Graph

STEP_MS: Final = 10.0
"""One step: the time from one cortical layer to the next (Nayebi 2018, section 2)."""
_TRAINED_ON: Final = 12
BLANK: Final = 0.5
"""The blank, in the space of normalized pixels: what the released networks were shown, not mean gray."""


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """The image for `on` steps, then blank, `steps` in all.

    Parameters
    ----------
    steps : int
        How many steps the network runs.
    on : int or None
        How many of them show the image; all of them where not given.

    Raises
    ------
    InputError
        Fewer than one step, or than one step with the image.
    """

    steps: int
    on: int | None = None

    def __post_init__(self) -> None:
        if self.steps < 1 or (self.on is not None and self.on < 1):
            raise InputError(
                f"a schedule of {self.steps} steps, {self.on} of them with the image",
                allowed="at least one step, and the image in at least one",
                todo="give steps= and on= of 1 or more",
            )

    @classmethod
    def of(cls, shown: Presentation, *, steps: int) -> Schedule:
        """Schedule of a presentation in ms: `steps` long, or as long as the presentation if that is longer.

        A step shows the image if the image is on for at least half of it.

        Raises
        ------
        InputError
            An image that is on for less than half a step, or a movie, which is an input of its own.
        """
        if shown.kind == "movie":
            raise InputError(
                f"{shown.describe()} as the presentation of images",
                allowed="a constant image or a pulse",
                todo="call the network with the movie itself, (batch, time, 3, height, width)",
            )
        steps = max(steps, math.ceil((shown.total_ms or 0) / STEP_MS))
        if shown.kind == "constant" or shown.on_ms is None:
            return cls(steps=steps)
        on = math.floor(shown.on_ms / STEP_MS + 0.5)
        if on < 1:
            raise InputError(
                f"{shown.describe()} for a network with steps of {STEP_MS:g} ms",
                allowed=f"an image that stays for at least {STEP_MS / 2:g} ms",
                todo="give a longer on_ms",
            )
        return cls(steps=steps, on=on)

    @classmethod
    def trained(cls, graph: Graph) -> Schedule:
        """Schedule that a released network was trained with: the image for 120 ms, then blank.

        17 steps for deep networks, 16 for those of 6 layers; `T22` and `T30` are of other trainings.
        """
        return cls(steps=graph.steps, on=_TRAINED_ON)

    def frames(self, images: Tensor) -> list[Tensor]:
        """One tensor per step; a step that shows the same as the last has the same tensor.

        Parameters
        ----------
        images : Tensor, shape (batch, 3, height, width)
            Normalized.
        """
        on = self.steps if self.on is None else min(self.on, self.steps)
        blank = images.new_full((1, *images.shape[1:]), BLANK)
        return [images] * on + [blank] * (self.steps - on)


T22: Final = Schedule(steps=22)
T30: Final = Schedule(steps=30)
"""The image all the time: what the released networks were trained with whose names end so."""
NEURAL: Final = Schedule(steps=26, on=10)
"""100 ms of image, then blank: what the recorded monkeys saw."""
