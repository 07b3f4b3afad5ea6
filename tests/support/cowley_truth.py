"""A stand-in of Cowley2023 in its published layout: sites linear in what the pictures are made of."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from typing import Any

import numpy as np
from cowley_files import write_zip
from PIL import Image
from standins import PATTERNS, Pictures

import brainbench_manifests

SESSION, NEURONS, IMAGES, REPEATS, PIXELS = "210325", 12, 180, 8, 24


def write(folder: Path) -> dict[str, Any]:
    """Write a session and return its manifest; a network of the pixels has a CC_norm near 1."""
    for part in ("images", "responses_raw", "responses_repeat_averaged"):
        (folder / part).mkdir(parents=True)
    pictures = Pictures(n_objects=1, per_object=IMAGES, pixels=PIXELS, seed=5)
    members = []
    for k, content in enumerate(pictures.files.values()):
        stream = io.BytesIO()
        Image.open(io.BytesIO(content)).convert("RGB").save(stream, "JPEG", quality=95)
        members.append((f"image{k + 1:04d}.jpg", stream.getvalue()))
    write_zip(folder / f"images/images_{SESSION}.zip", members)
    rng = np.random.default_rng(6)
    rates = pictures.weights @ rng.standard_normal((PATTERNS, NEURONS))
    rates = 20 + 4 * (rates - rates.mean(0)) / rates.std(0)
    trials = rates.T[:, :, None] + 4 * rng.standard_normal((NEURONS, IMAGES, REPEATS))
    np.save(folder / f"responses_raw/responses_{SESSION}.npy", trials)
    np.save(folder / f"responses_repeat_averaged/responses_{SESSION}.npy", trials.mean(axis=2))
    return _declared(folder)


def _declared(folder: Path) -> dict[str, Any]:
    table = dict(brainbench_manifests.cowley2023)
    del table["repositories"]
    session = {"animal": "PE", "neurons": NEURONS, "images": IMAGES, "repeats": REPEATS}
    files = [path for path in folder.rglob("*") if path.is_file()]
    parameters = {
        "repository": "https://example.org/study",
        "commit": "0123456789abcdef",
        "folder": "data_V4_responses",
        "pixels": PIXELS,
        "degrees": 11.2,
        "sessions": {SESSION: session},
        "sha256": {
            path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in files
        },
    }
    return {**table, "parameters": parameters}
