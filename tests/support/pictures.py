"""Pictures of noise, as stimuli."""

from __future__ import annotations

import numpy as np

from brainbench.core import stimuli
from brainbench.core.stimuli import StimulusSet


def noise_pictures(n: int = 2, height: int = 64, width: int | None = None) -> StimulusSet:
    """Return `n` pictures of noise with the ids "p0", "p1", ..."""
    size = (n, height, width or height, 3)
    pixels = np.random.default_rng(0).integers(0, 256, size, dtype=np.uint8)
    return stimuli.from_arrays("noise", pixels, ids=[f"p{k}" for k in range(n)])
