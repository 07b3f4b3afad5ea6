"""Files of fitted networks: weights as safetensors, with everything else as JSON in their header."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import safetensors
import safetensors.torch
from torch import Tensor

from brainbench.core.model import FittedTo
from brainbench.models.weight_headers import SUFFIX, Kind
from brainbench.storage.files import new_file
from brainbench.training import checkpoints

KIND: Final = Kind(format="brainbench-fitted-1", what="fitted model", command="brainbench fit run")


@dataclass(frozen=True, kw_only=True)
class FittedFile:
    """A fitted network as it is stored.

    Parameters
    ----------
    fitter, benchmark : str
        What was fitted to which recordings.
    config : mapping
        All options of the fit.
    fitted_to : FittedTo
        Neurons of the units, and the pictures that were held out of each fit.
    fitted : tuple of int
        Numbers of the neurons that were fitted; the units of others are silent.
    figures : mapping
        "test" and "validation" with CC_norm^2, "cc_norm2" of each neuron on test pictures, steps, seconds.
    weights : sequence of mapping
        State of the network of each fit, one for each of `fitted_to.folds`; none where only the rest was
        read.
    """

    fitter: str
    benchmark: str
    config: Mapping[str, Any]
    fitted_to: FittedTo
    fitted: tuple[int, ...]
    figures: Mapping[str, Any]
    weights: tuple[Mapping[str, Tensor], ...] = field(default=(), repr=False)

    @property
    def is_quick(self) -> bool:
        """Whether the schedule is another than the published one, which marks every figure."""
        return bool(self.config.get("schedule") != "published")


def write_fitted(path: Path, fit: FittedFile) -> None:
    """Write a fitted network; CacheError if it cannot be written."""
    plain = asdict(fit)
    weights = plain.pop("weights")
    header = {"format": KIND.format, "fit": json.dumps(plain, sort_keys=True)}
    tensors = {
        key: value.detach().cpu().contiguous().clone()
        for number, state in enumerate(weights)
        for key, value in checkpoints.prefixed(f"fit{number}", state).items()
    }
    with new_file(path, choose="give -o") as temporary:
        temporary.write_bytes(safetensors.torch.save(tensors, metadata=header))


def read_fitted(path: Path, *, with_weights: bool = True) -> FittedFile:
    """Read a fitted network, or all but its weights.

    Raises
    ------
    InputError
        There is no such file, or it holds other weights.
    DamagedFileError
        A file that is not whole.
    """
    header = KIND.header(path)
    try:
        with safetensors.safe_open(path, framework="pt") as stream:
            names = list(stream.keys()) if with_weights else []
            tensors = {name: stream.get_tensor(name) for name in names}
    except (OSError, safetensors.SafetensorError) as error:
        raise KIND.damaged(path, error) from error
    try:
        plain = json.loads(header["fit"])
        to = plain.pop("fitted_to")
    except (ValueError, LookupError) as error:
        raise KIND.damaged(path, error) from error
    folds = tuple(map(tuple, to.pop("folds")))
    fitted_to = FittedTo(**{**to, "neuroid_ids": tuple(to["neuroid_ids"]), "folds": folds})
    weights = tuple(checkpoints.under(f"fit{k}", tensors) for k in range(len(folds)))
    return FittedFile(
        **{**plain, "fitted": tuple(plain["fitted"])},
        fitted_to=fitted_to,
        weights=weights if with_weights else (),
    )


def fitted_in(folder: Path) -> Iterator[tuple[Path, FittedFile]]:
    """Yield the fitted networks of a folder, without their weights, sorted by name."""
    for path in sorted(folder.glob(f"*{SUFFIX}")):
        yield path, read_fitted(path, with_weights=False)
