"""Presentations: what a network is shown, and when."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

from brainbench.core.errors import InputError, NotApplicableError, unknown

Kind = Literal["constant", "pulse", "movie"]
KINDS: tuple[Kind, ...] = ("constant", "pulse", "movie")


@dataclass(frozen=True, kw_only=True)
class Presentation:
    """Images on the screen over time; the model decides which image "blank" is.

    The `kind` is "constant", the image all the time; "pulse", the image for `on_ms`, then blank; or
    "movie", successive frames. `total_ms` is the end of the recording in ms from stimulus onset.
    UnknownNameError for another kind; InputError for a pulse without a duration, or a duration that is
    not positive.
    """

    kind: Kind = "constant"
    on_ms: float | None = None
    total_ms: float | None = None

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise unknown("presentation", str(self.kind), KINDS, todo="choose kind= from these")
        if self.kind == "pulse" and self.on_ms is None:
            raise InputError(
                "a pulse without on_ms",
                allowed="a positive duration in ms",
                todo="give on_ms, for example Presentation(kind='pulse', on_ms=100)",
            )
        for key, duration in (("on_ms", self.on_ms), ("total_ms", self.total_ms)):
            if duration is not None and not 0 < duration < math.inf:
                raise InputError(
                    f"a presentation with {key}={duration}",
                    allowed="a positive duration in ms, or None",
                    todo=f"correct {key}",
                )

    def accepted_by(self, kinds: Collection[Kind]) -> Presentation:
        """Return this presentation, or a constant image for a model that does not accept a pulse.

        NotApplicableError for a movie that a model does not accept: no constant image stands for it.
        """
        if self.kind in kinds:
            return self
        if self.kind == "movie":
            raise NotApplicableError(
                f"a movie for a model that takes no movies, but {', '.join(sorted(kinds))}",
                allowed="a model whose presentations have 'movie', such as convrnn_rgc_intermediate",
                todo="choose one (`brainbench show MODEL` lists its presentations), or another benchmark",
            )
        return Presentation()

    def describe(self) -> str:
        """Return a description for records: "image 100 ms, then blank to 250 ms"."""
        end = f" to {self.total_ms:g} ms" if self.total_ms else ""
        if self.kind == "pulse":
            return f"image {self.on_ms:g} ms, then blank{end}"
        return ("constant image" if self.kind == "constant" else "movie") + end


CONSTANT = Presentation()
