"""Small studies whose files a manifest declares, in memory: written to a folder, or served."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from brainbench.core.dataset import Dataset
from brainbench.core.registry import imported
from brainbench.data.manifest import Manifest


def png(pixels: np.ndarray, kind: str = "PNG") -> bytes:
    """Return an image file."""
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, format=kind)
    return stream.getvalue()


def npz(**arrays: np.ndarray) -> bytes:
    """Return an .npz file."""
    stream = io.BytesIO()
    np.savez(stream, **arrays)
    return stream.getvalue()


def write(folder: Path, files: Mapping[str, bytes]) -> Path:
    """Write files by their paths."""
    for path, content in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    return folder


def table_of(
    files: Mapping[str, bytes],
    *,
    loader: str,
    name: str = "Study",
    url: str = "https://example.org",
    **parameters: Any,
) -> dict[str, Any]:
    """Return a manifest that declares files as they are."""
    declared = [
        {
            "path": path,
            "url": f"{url}/{path}",
            "bytes": len(content),
            "checksum": f"sha256:{hashlib.sha256(content).hexdigest()}",
        }
        for path, content in files.items()
    ]
    return {
        "name": name,
        "title": "An invented study",
        "license": "CC0",
        "citation": "Nobody, 2026",
        "loader": loader,
        "parameters": parameters,
        "files": declared,
    }


def opened(table: Mapping[str, Any]) -> Dataset:
    """Return the data set of a manifest."""
    made = Manifest.model_validate(table)
    data: Dataset = imported(str(made.loader))(made)
    return data
