"""Pictures as recurrent V1 models see them: the gray center, averaged down (Zhang et al. 2020, C.1)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

from brainbench.core.errors import InputError, StimulusError
from brainbench.core.provenance import sha256
from brainbench.core.stimuli import Picture, StimulusSet

_LUMINANCE = np.array([0.299, 0.587, 0.114], dtype=np.float32)


@dataclass(frozen=True, kw_only=True)
class GrayCenter:
    """A crop from the center, gray, averaged to `side` x `side` pixels, from 0 to 1.

    Parameters
    ----------
    side : int
        Height and width of the result: 50 or 37 in the paper.
    crop : int, optional
        Height and width in pixels of what is cut out, 200 and 148 in the paper; by default the largest
        square. Each pixel of the result is the mean over its area, also where sides are no multiples.

    Raises
    ------
    InputError
        A crop that is smaller than the result.
    """

    side: int
    crop: int | None = None

    def __post_init__(self) -> None:
        if self.crop is not None and self.crop < self.side:
            raise InputError(
                f"a crop of {self.crop} pixels for {self.side} x {self.side}",
                allowed=f"at least {self.side} pixels: pictures are not enlarged",
                todo="give a larger crop=, or a smaller side=",
            )

    @property
    def name(self) -> str:
        """Name in messages."""
        return f"gray-{self.side}" + ("" if self.crop is None else f"-of-{self.crop}")

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the result."""
        return self.side, self.side

    @property
    def fingerprint(self) -> str:
        """SHA-256 over what the result depends on."""
        return sha256("gray center", json.dumps(asdict(self), sort_keys=True))

    def __call__(self, pictures: Sequence[Picture]) -> npt.NDArray[np.float32]:
        """Return float32 (n, 3, side, side), three times the same.

        StimulusError for a picture that is smaller than what is cut out.
        """
        gray = np.stack([self.gray(picture) for picture in pictures])
        shape = (len(gray), 3, self.side, self.side)
        return np.ascontiguousarray(np.broadcast_to(gray[:, None], shape))

    def gray(self, picture: Picture) -> npt.NDArray[np.float32]:
        """Return one picture, (side, side)."""
        height, width = picture.shape[:2]
        crop = self.crop or min(height, width)
        if min(height, width) < max(crop, self.side):
            raise StimulusError(
                f"a picture of {height} x {width} pixels for a center of {crop} x {crop}, averaged to "
                f"{self.side} x {self.side}",
                allowed="pictures that are at least as large: they are not enlarged",
                todo="give a smaller crop= and side=",
            )
        top, left = (height - crop) // 2, (width - crop) // 2
        gray = picture[top : top + crop, left : left + crop].astype(np.float32) @ _LUMINANCE
        weights = _area_weights(crop, self.side)
        return np.asarray(weights @ gray @ weights.T / np.float32(255), dtype=np.float32)

    def of(self, stimuli: StimulusSet) -> npt.NDArray[np.float32]:
        """Return all pictures of a set, (n, 1, side, side); errors name the picture."""
        prepared = np.empty((len(stimuli), 1, self.side, self.side), dtype=np.float32)
        for row in range(len(stimuli)):
            try:
                prepared[row, 0] = self.gray(stimuli.picture(row))
            except StimulusError as error:
                raise StimulusError(
                    f"stimulus {stimuli.ids[row]!r}: {error.got}",
                    allowed=error.allowed,
                    todo=error.todo,
                ) from error
        return prepared


@cache
def _area_weights(n: int, side: int) -> npt.NDArray[np.float32]:
    """Return how much each of n pixels counts in the mean of each of `side` equal parts, (side, n)."""
    edges = np.arange(side + 1) * (n / side)
    starts, ends = edges[:-1, None], edges[1:, None]
    pixels = np.arange(n)
    overlap = np.minimum(ends, pixels + 1) - np.maximum(starts, pixels)
    return np.asarray(np.maximum(overlap, 0) * (side / n), dtype=np.float32)
