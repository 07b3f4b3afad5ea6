"""Files of trained networks: weights as safetensors; model, recipe and accuracy as JSON in the header."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import safetensors
import safetensors.torch
from torch import Tensor

from brainbench.core.errors import DamagedFileError, InputError
from brainbench.storage.files import new_file

FORMAT: Final = "brainbench-trained-1"
SUFFIX: Final = ".safetensors"


@dataclass(frozen=True, kw_only=True)
class TrainedRecord:
    """What a trained network is.

    Parameters
    ----------
    model : str
        The model, as users give it; "FILE.py:function" for one of theirs.
    model_args : mapping
        Options of the function that makes the model.
    recipe : mapping
        All options of the training, with its source and its gaps.
    classes : tuple of str
        In the order of the logits.
    data : str
        Digest of the images.
    figures : mapping
        "top1" and "top5" on the validation images, "steps", "epochs", "seconds", "parameters", "images",
        "skipped".
    """

    model: str
    model_args: Mapping[str, Any]
    recipe: Mapping[str, Any]
    classes: tuple[str, ...]
    data: str
    figures: Mapping[str, Any]

    @property
    def summary(self) -> str:
        """A sentence for the record of scores."""
        top1 = self.figures["top1"]
        shown = ", ".join(self.classes[:3]) + (", ..." if len(self.classes) > 3 else "")
        return (
            f"trained by brainbench with the recipe {self.recipe['name']} ({self.recipe['source']}), "
            f"{self.recipe['epochs']} epochs of {self.figures['images']} images of "
            f"{len(self.classes)} classes ({shown}), seed {self.recipe['seed']}: "
            f"held-out top-1 {top1['value']:.3f} "
            f"({top1['low']:.3f} to {top1['high']:.3f}, n = {top1['n']})"
        )


def write_trained(path: Path, record: TrainedRecord, weights: Mapping[str, Tensor]) -> None:
    """Write a trained network; CacheError if it cannot be written."""
    header = {"format": FORMAT, "trained": json.dumps(asdict(record), sort_keys=True)}
    tensors = {key: value.detach().cpu().contiguous().clone() for key, value in weights.items()}
    with new_file(path, choose="give -o") as temporary:
        temporary.write_bytes(safetensors.torch.save(tensors, metadata=header))


def is_trained(path: Path) -> bool:
    """Return whether a file is a trained network; one that cannot be read is not."""
    try:
        with safetensors.safe_open(path, framework="pt") as stream:
            return (stream.metadata() or {}).get("format") == FORMAT
    except (OSError, safetensors.SafetensorError):
        return False


def read_record(path: Path) -> TrainedRecord:
    """Return what a trained network is.

    InputError for a file that does not exist or that `brainbench train` has not written, DamagedFileError for
    one that is not whole.
    """
    try:
        with safetensors.safe_open(path, framework="pt") as stream:
            header = stream.metadata() or {}
        plain = json.loads(header["trained"]) if header.get("format") == FORMAT else None
    except FileNotFoundError:
        plain = None
    except (OSError, ValueError, KeyError, safetensors.SafetensorError) as error:
        raise DamagedFileError(
            f"trained network {path} cannot be read ({error})",
            allowed="a whole file of safetensors",
            todo="train it again",
        ) from error
    if plain is None:
        raise InputError(
            f"{path} is no trained network",
            allowed=f"a {SUFFIX} file that `brainbench train` has written",
            todo="check the path, or give weights of a network with --weights",
        )
    return TrainedRecord(**{**plain, "classes": tuple(plain["classes"])})
