"""Weights in the package: networks that this program trained, in half precision, with their records."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from torch import nn

from brainbench.models import checkpoints
from brainbench.training.trained_files import read_record

FOLDER: Final = Path(__file__).parent / "weights"
"""Holds MODEL@WEIGHTS.safetensors, files of `brainbench train` rounded to 16 bits."""


def bundled_names(model: str) -> tuple[str, ...]:
    """Return the names of the weights of a model in the package."""
    files = sorted(FOLDER.glob(f"{model}@*.safetensors"))
    return tuple(file.stem.partition("@")[2] for file in files)


def load_bundled(weights: str, net: nn.Module, *, model: str) -> tuple[str, ...]:
    """Load weights of the package into a network, and return what to know about them.

    InputError for a network of another shape, as one with other classes.
    """
    path = FOLDER / f"{model}@{weights}.safetensors"
    checkpoints.load_file(net, str(path), model=model)
    return (f"{read_record(path).summary}; weights in half precision",)
