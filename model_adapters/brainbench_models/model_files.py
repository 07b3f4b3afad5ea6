"""Models of files of the program: networks fitted to neurons, and networks trained on images."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from brainbench.core import registry
from brainbench.core.errors import InputError
from brainbench.models.wrap import WrappedModel
from brainbench.training.trained_files import is_trained, read_record
from brainbench_models.recurrent_v1.models import FittedRates, fitted_model


def model_of_file(path: str | Path, /) -> WrappedModel | FittedRates:
    """Make a model of a file of `brainbench fit run` or `brainbench train`.

    InputError for a file that does not exist or that neither has written, DamagedFileError for one that is
    not whole.
    """
    path = Path(path).expanduser()
    if is_trained(path):
        return trained_model(path)
    return fitted_model(path)


def trained_model(path: Path) -> WrappedModel:
    """Make the model of a trained network; its notes say what it was trained on, and how."""
    record = read_record(path)
    if registry.is_file(record.model):
        raise InputError(
            f"{path}, weights of {record.model}",
            allowed="weights of a model that is registered by name",
            todo=f"give them to your function, as in -m {record.model} --model-args weights={path}",
        )
    options: dict[str, Any] = {**record.model_args, "weights": str(path)}
    base = record.model.partition("@")[0]
    model: WrappedModel = registry.load("models", base)(**options)
    weights = record.name or model.weights
    return replace(
        model,
        name=f"{model.name.partition('@')[0]}@{weights}",
        weights=weights,
        notes=(*model.notes, record.summary),
        chosen_by=record.chosen_by,
    )
