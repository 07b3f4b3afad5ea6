"""Pictures of noise, as stimuli and as files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from brainbench.core import stimuli
from brainbench.core.stimuli import StimulusSet


def noise_pictures(n: int = 2, height: int = 64, width: int | None = None) -> StimulusSet:
    """Return `n` pictures of noise with the ids "p0", "p1", ..."""
    size = (n, height, width or height, 3)
    pixels = np.random.default_rng(0).integers(0, 256, size, dtype=np.uint8)
    return stimuli.from_arrays("noise", pixels, ids=[f"p{k}" for k in range(n)])


def saved(
    folder: Path, mode: str, name: str = "picture.png", size: tuple[int, int] = (4, 5), **more: Any
) -> Path:
    """Write a picture of noise, `size` being (width, height), and return its path."""
    bands = len(Image.new(mode, (1, 1)).getbands())
    shape = (size[1], size[0], bands)
    values = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    Image.fromarray(values.squeeze(), mode).save(folder / name, **more)
    return folder / name
