"""Which steps of a ConvRNN show the image and which the blank."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from torch import Tensor

from brainbench.core.errors import InputError
from brainbench.core.presentation import Presentation
from brainbench_models.convrnn.graph import Graph

STEP_MS: Final = 10.0
"""Duration of a step: the time from one cortical layer to the next (Nayebi 2018, section 2)."""
_TRAINED_ON: Final = 12
BLANK: Final = 0.5
"""Value of the blank in normalized pixels, as shown to the released networks; it is not mean gray."""


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """The image for `on` steps, by default all, then the blank, `steps` in all."""

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
    def of(cls, presentation: Presentation, *, steps: int) -> Schedule:
        """Return the schedule of a presentation: `steps` long, or longer if the presentation is.

        A step shows the image if the image is on for at least half of it. An image that is on for less than
        half a step, or a movie, which has frames of its own, is an InputError.
        """
        if presentation.kind == "movie":
            raise InputError(
                f"{presentation.describe()} as the presentation of images",
                allowed="a constant image or a pulse",
                todo="call the network with the movie itself, (batch, time, 3, height, width)",
            )
        steps = max(steps, math.ceil((presentation.total_ms or 0) / STEP_MS))
        if presentation.kind == "constant" or presentation.on_ms is None:
            return cls(steps=steps)
        on = math.floor(presentation.on_ms / STEP_MS + 0.5)
        if on < 1:
            raise InputError(
                f"{presentation.describe()} for a network with steps of {STEP_MS:g} ms",
                allowed=f"an image that is on for at least {STEP_MS / 2:g} ms",
                todo="give a longer on_ms",
            )
        return cls(steps=steps, on=on)

    @classmethod
    def trained(cls, graph: Graph) -> Schedule:
        """Return the schedule a released network was trained with: the image for 120 ms, then the blank.

        17 steps for deep networks, 16 for those of 6 layers.
        """
        return cls(steps=graph.steps, on=_TRAINED_ON)

    def frames(self, images: Tensor) -> list[Tensor]:
        """Return one tensor per step, the same object for steps that show the same.

        `images` are normalized, (batch, 3, height, width); the blank is a batch of one.
        """
        on = self.steps if self.on is None else min(self.on, self.steps)
        blank = images.new_full((1, *images.shape[1:]), BLANK)
        return [images] * on + [blank] * (self.steps - on)


T22: Final = Schedule(steps=22)
T30: Final = Schedule(steps=30)
"""The constant image, as in the training of the released networks whose names end so."""
NEURAL: Final = Schedule(steps=26, on=10)
"""The image for 100 ms, then the blank, as shown to the recorded monkeys."""
