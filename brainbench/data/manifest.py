"""Manifests: what a data set is, where it comes from, whom to cite and which class loads it."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from brainbench.core import registry
from brainbench.core.dataset import Dataset
from brainbench.core.errors import InputError


class Manifest(BaseModel):
    """One data set, as its TOML file declares it.

    Attributes
    ----------
    name : str
        Name in the registry, which benchmarks use.
    title : str
        One line.
    loader : str
        "module:attribute" of a function that takes the manifest and returns a `Dataset`.
    license, citation : str
        Under which terms, and whom to cite.
    simulated : bool
        No animal was recorded.
    parameters : dict
        What the loader needs.
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
    """Manifest of a registered data set.

    Raises
    ------
    UnknownNameError
        No such data set.
    InputError
        A manifest with missing, unknown or mistyped entries.
    """
    table = registry.load("data", name)
    try:
        return Manifest.model_validate(table)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise InputError(
            f"manifest of data set {name!r}: {where}: {first['msg']}",
            allowed="the entries " + ", ".join(Manifest.model_fields),
            todo="correct the TOML file",
        ) from None


def open_dataset(data: str | Dataset) -> Dataset:
    """Data behind a name, or the data itself."""
    if not isinstance(data, str):
        return data
    declared = manifest(data)
    loaded: Dataset = registry.imported(declared.loader)(declared)
    return loaded
