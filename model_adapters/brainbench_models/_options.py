"""What options of models may be, checked before anything is made of them."""

from __future__ import annotations

import math
from typing import TypeGuard


def whole(value: object, *, least: int = 1) -> TypeGuard[int]:
    """Whether an option is a whole number of at least so much; True and False are none."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def positive(value: object, *, most: float = math.inf) -> TypeGuard[float]:
    """Whether an option is a finite number above 0 and at most so much; True and False are none."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return False
    return math.isfinite(value) and 0 < value <= most
