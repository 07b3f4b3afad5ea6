"""Placement on the screen: pictures at the width of a study on a model's field of view, by pixels alone.

As Brain-Score 2.4.2 (`benchmark_helpers/screen.py`) does it: nothing is interpolated. A picture narrower than
the field is padded with gray, a wider one is cropped at its center. Two things differ. Placed pictures stay
in memory, so that JPEG files are not written again with other pixels; Brain-Score saves them with the
defaults of Pillow, quality 75. And transparency shows gray before the placement (`core.pictures`), where
Brain-Score ignores it.
"""

from __future__ import annotations

import math
import numbers

import numpy as np
import numpy.typing as npt

from brainbench.core.errors import InputError, StimulusError

GRAY = 128
"""Of the padding in red, green and blue: Pillow's color "gray"."""
VISUAL_DEGREES = 8.0
"""Width of the field of view of a model that declares none, as in Brain-Score."""


def check_degrees(degrees: float, *, what: str) -> float:
    """Return a width in degrees of visual angle; InputError unless it is a positive number."""
    is_number = isinstance(degrees, numbers.Real) and not isinstance(degrees, bool)
    if not is_number or not 0 < degrees < math.inf:
        raise InputError(
            f"{what} of {degrees!r} degrees",
            allowed="a positive number of degrees of visual angle",
            todo=f"correct it: {VISUAL_DEGREES:g} is that of most models",
        )
    return float(degrees)


def place(
    picture: npt.NDArray[np.uint8], *, degrees: float, visual_degrees: float
) -> npt.NDArray[np.uint8]:
    """Place a picture on the field of view of a model.

    Parameters
    ----------
    picture : array, (..., height, width, 3)
        Pixels, uint8; leading axes, such as frames of a movie, are placed alike.
    degrees, visual_degrees : float
        Width of the picture in the study, and width of the field, in degrees of visual angle.

    Returns
    -------
    array, (..., height, width, 3)
        The picture itself where the widths are the same. Otherwise the picture amid gray 128, or its center:
        each side has `round(visual_degrees / degrees * side)` pixels, halves to even.

    Raises
    ------
    StimulusError
        A field that would show no pixel of the picture.

    Examples
    --------
    >>> place(np.zeros((256, 256, 3), np.uint8), degrees=8, visual_degrees=14).shape
    (448, 448, 3)
    >>> place(np.zeros((2, 256, 256, 3), np.uint8), degrees=11, visual_degrees=8).shape
    (2, 186, 186, 3)
    """
    if degrees == visual_degrees:
        return picture
    ratio = visual_degrees / degrees
    sides = np.array(picture.shape[-3:-1])
    size = (ratio * sides).round().astype(int)
    if size.min() < 1:
        raise StimulusError(
            f"a picture of {sides[1]} x {sides[0]} pixels and {degrees:g} degrees on a field of "
            f"{visual_degrees:g} degrees: no pixel is left",
            allowed="a field that shows at least one pixel",
            todo="check the width of the pictures and of the model's field in degrees",
        )
    if ratio >= 1:
        top, left = ((size - sides) / 2).round().astype(int)
        screen = np.full((*picture.shape[:-3], *size, 3), GRAY, dtype=np.uint8)
        screen[..., top : top + sides[0], left : left + sides[1], :] = picture
        return screen
    top, left = ((sides - size) / 2).round().astype(int)
    return picture[..., top : top + size[0], left : left + size[1], :]
