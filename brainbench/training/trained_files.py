"""Files of trained networks: weights as safetensors; model, recipe and accuracy as JSON in the header."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import safetensors.torch
from torch import Tensor

from brainbench.core.model import ChosenBy
from brainbench.models.weight_headers import Kind, chosen_by_entry, chosen_by_of
from brainbench.storage.files import new_file

KIND: Final = Kind(
    format="brainbench-trained-1", what="trained network", command="brainbench train"
)


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
        "skipped"; with --monitor "monitored": "benchmark", "value" and its interval "low", "high", "epoch".
    chosen_by : tuple of ChosenBy
        Recordings by which the epoch was chosen, or that of the initial weights.
    name : str
        Name of the weights, as "cifar10-0", where they were given one; else they are named by their digest.
    """

    model: str
    model_args: Mapping[str, Any]
    recipe: Mapping[str, Any]
    classes: tuple[str, ...]
    data: str
    figures: Mapping[str, Any]
    chosen_by: tuple[ChosenBy, ...] = ()
    name: str = ""

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
            f"({top1['low']:.3f} to {top1['high']:.3f}, n = {top1['n']}){self._choice}"
        )

    @property
    def _choice(self) -> str:
        """Say by what the epoch was chosen."""
        monitored = self.figures.get("monitored")
        if monitored is None:
            return ""
        between = "no interval"
        if monitored["low"] is not None:
            between = f"{monitored['low']:.3f} to {monitored['high']:.3f}"
        return (
            f"; its epoch, {monitored['epoch']:g} of {self.recipe['epochs']}, was chosen by the largest "
            f"{monitored['benchmark']}, {monitored['value']:.3f} ({between})"
        )


def write_trained(path: Path, record: TrainedRecord, weights: Mapping[str, Tensor]) -> None:
    """Write a trained network; CacheError if it cannot be written."""
    plain = asdict(record)
    del plain["chosen_by"]
    header = {
        "format": KIND.format,
        "trained": json.dumps(plain, sort_keys=True),
        **chosen_by_entry(record.chosen_by),
    }
    tensors = {key: value.detach().cpu().contiguous().clone() for key, value in weights.items()}
    with new_file(path, choose="give -o") as temporary:
        temporary.write_bytes(safetensors.torch.save(tensors, metadata=header))


def is_trained(path: Path) -> bool:
    """Return whether a file is a trained network; one that cannot be read is not."""
    return KIND.is_of(path)


def read_record(path: Path) -> TrainedRecord:
    """Return what a trained network is.

    InputError for a file that does not exist or that `brainbench train` has not written, DamagedFileError for
    one that is not whole.
    """
    header = KIND.header(path)
    try:
        plain = json.loads(header["trained"])
        plain["classes"] = tuple(plain["classes"])
        return TrainedRecord(**plain, chosen_by=chosen_by_of(path))
    except (ValueError, LookupError, TypeError) as error:
        raise KIND.damaged(path, error) from error
