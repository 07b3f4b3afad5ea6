"""Transfer of a network to CIFAR-100 or CIFAR-10: its responses to all images, then the classifier."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from brainbench.core.errors import InputError
from brainbench.core.model import BEHAVIOR, BrainModel, layers_of
from brainbench.core.settings import Settings
from brainbench.core.stimuli import StimulusSet, from_arrays
from brainbench.data.importers import cifar10, cifar100
from brainbench.metrics.array_types import FloatArray, IntArray
from brainbench.training.transfer import (
    Cifar10Transfer,
    Transfer,
    cifar10_transfer,
    cifar100_transfer,
)

TARGETS: Final = ("cifar100", "cifar10")
MOST_FEATURES: Final = 8192
"""Of 50,000 images, 3.3 GB in double precision, of which the fits hold several copies."""
FILES: Final = ("cifar10_test_jpg.zip", "test_labels.npy", "cifar10h-counts.npy")
"""Names of the files of CIFAR-10 in a folder of the user's: images, labels, CIFAR-10H."""


@dataclass(frozen=True, kw_only=True)
class TransferRun:
    """The transfer of a network, and of which of its responses."""

    model: str
    weights: str
    target: str
    layer: str
    step: int  # from 0
    features: int
    found: Transfer | Cifar10Transfer

    @property
    def transfer(self) -> Transfer:
        """C, and the accuracies."""
        return self.found.transfer if isinstance(self.found, Cifar10Transfer) else self.found

    def config(self) -> dict[str, Any]:
        """Return plain values, without the probabilities of single images."""
        done, people = self.transfer, {}
        if isinstance(self.found, Cifar10Transfer):
            names = ("cross_entropy", "least", "uncertainty")
            people = {name: asdict(getattr(self.found, name)) for name in names}
        own = ("model", "weights", "target", "layer", "step", "features")
        return {
            **{name: getattr(self, name) for name in own},
            "C": done.C,
            "accuracy": asdict(done.accuracy),
            "chosen_by": asdict(done.chosen_by),
            **people,
        }


def transfer_run(
    model: BrainModel,
    target: str,
    *,
    data: Path | None = None,
    layer: str | None = None,
    step: int | None = None,
) -> TransferRun:
    """Fit a classifier to responses of a network, and test it.

    Parameters
    ----------
    model : BrainModel
        Images are resized as its preprocessing wants. Responses are kept in the cache.
    target : {"cifar100", "cifar10"}
        `cifar100_transfer`, or `cifar10_transfer`.
    data : path, optional
        Archive of CIFAR-100, or a folder with it, by default that of the data folder. For CIFAR-10 a folder
        with `FILES`, which is needed.
    layer : str, optional
        By default the one that choices are read from: the last before the logits.
    step : int, optional
        Of the layer, from 0; by default the last.

    Raises
    ------
    DataAbsentError, InputError
        Images that are not here or not as published, a step that does not exist, too many features.
    NotApplicableError, UnknownNameError
        A model without a layer that choices are read from, or without the one that is named.
    """
    chosen = layer or layers_of(model, BEHAVIOR, Settings())[0]
    if target == "cifar100":
        source = cifar100.read_archive(cifar100.archive(data))
        images, labels = source.images, source.labels
    else:
        images, labels, counts = _cifar10(data)
    features, used = _features(model, _stimuli(target, images), chosen, step)
    found: Transfer | Cifar10Transfer
    if target == "cifar100":
        found = cifar100_transfer(features, labels, n_test=source.n_test)
    else:
        found = cifar10_transfer(features, labels, counts)
    return TransferRun(
        model=model.name,
        weights=model.weights,
        target=target,
        layer=chosen,
        step=used,
        features=features.shape[1],
        found=found,
    )


def _stimuli(target: str, images: npt.NDArray[np.uint8]) -> StimulusSet:
    return from_arrays(target, images, ids=[f"{k:05d}" for k in range(len(images))])


def _cifar10(folder: Path | None) -> tuple[npt.NDArray[np.uint8], IntArray, FloatArray]:
    paths = [None if folder is None else folder / name for name in FILES]
    absent = [
        name for name, path in zip(FILES, paths, strict=True) if not (path and path.is_file())
    ]
    if absent:
        raise InputError(
            f"--data {folder} without {', '.join(absent)}",
            allowed=f"for cifar10 a folder with {', '.join(FILES)}",
            todo="see `brainbench show CIFAR10` and `brainbench show CIFAR10H` for where they are",
        )
    images, labels, counts = (path for path in paths if path is not None)
    return cifar10.read_images(images), cifar10.read_labels(labels), cifar10.read_counts(counts)


def _features(
    model: BrainModel, stimuli: StimulusSet, layer: str, step: int | None
) -> tuple[FloatArray, int]:
    """Return the responses of a layer at a step, image x feature, and the number of the step."""
    found = model.activations(stimuli, [layer])[layer]
    sizes: Mapping[Any, int] = found.sizes
    used = sizes["time"] - 1 if step is None else step
    if not 0 <= used < sizes["time"]:
        raise InputError(
            f"--step {used} of {layer}, which has {sizes['time']} steps",
            allowed=f"0 to {sizes['time'] - 1}",
            todo="give another --step, or none for the last",
        )
    if sizes["neuroid"] > MOST_FEATURES:
        raise InputError(
            f"{sizes['neuroid']:,} features of {layer}",
            allowed=f"at most {MOST_FEATURES:,}",
            todo="give --layer of one after the last pooling, as the classifier of the network reads",
        )
    return found.isel(time=used).values.astype(np.float64), used
