"""Manifests of data sets: title, license, citation, loader and its parameters."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from brainbench.core import registry
from brainbench.core.dataset import Dataset
from brainbench.core.errors import InputError


class Manifest(BaseModel):
    """The declaration of one data set, from its TOML file.

    `loader` is "module:attribute" of a function that takes the manifest and returns a `Dataset`; `parameters`
    are for the loader.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    title: str
    loader: str
    license: str
    citation: str
    simulated: bool = False
    parameters: dict[str, Any] = {}


def manifest(name: str) -> Manifest:
    """Return the manifest of a data set; UnknownNameError if there is none, InputError if it is invalid."""
    table = registry.load("data", name)
    try:
        return Manifest.model_validate(table)
    except ValidationError as error:
        raise invalid(name, error, "entries", Manifest) from None


def invalid(
    name: str, error: ValidationError, what: str, kind: type[BaseModel], *path: str
) -> InputError:
    """Return the error of a manifest whose entries or parameters (`what`) do not validate."""
    first = error.errors()[0]
    where = ".".join(str(part) for part in (*path, *first["loc"]))
    return InputError(
        f"manifest of data set {name!r}: {where}: {first['msg']}",
        allowed=f"the {what} " + ", ".join(kind.model_fields),
        todo="correct the TOML file",
    )


def open_dataset(data: str | Dataset) -> Dataset:
    """Return the data set of a name; a data set is returned unchanged."""
    if not isinstance(data, str):
        return data
    declared = manifest(data)
    loaded: Dataset = registry.imported(declared.loader)(declared)
    return loaded
