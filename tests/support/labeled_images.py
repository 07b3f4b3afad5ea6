"""Small labeled images that a network can learn in a few steps: the color says the class."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

SIDE, CLASSES = 16, 5


def pictures(n: int, seed: int, *, classes: int = CLASSES) -> tuple[np.ndarray, np.ndarray]:
    """Return noise whose channels are brighter or not, as the class says, and the classes."""
    labels = np.arange(n) % classes
    images = np.random.default_rng(seed).integers(0, 60, (n, SIDE, SIDE, 3))
    bits = (labels[:, None] >> np.arange(3)) & 1
    return (images + 180 * bits[:, None, None]).astype(np.uint8), labels


def arrays(n: int = 40) -> dict[str, np.ndarray]:
    """Return what a file of arrays holds."""
    found = {}
    for seed, part in enumerate(("train", "val")):
        found[f"{part}_images"], found[f"{part}_labels"] = pictures(n, seed)
    return found


def write_arrays(path: Path, **changed: np.ndarray | None) -> Path:
    """Write a file of arrays, with others in place of some."""
    given = {key: value for key, value in (arrays() | changed).items() if value is not None}
    np.savez(path, **given)
    return path


def write_folder(path: Path, n: int = 20) -> Path:
    """Write the same as image files, a folder for each class."""
    for seed, part in enumerate(("train", "val")):
        for k, (image, label) in enumerate(zip(*pictures(n, seed), strict=True)):
            file = path / part / f"class{label}" / f"{k:03d}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(file)
    return path
