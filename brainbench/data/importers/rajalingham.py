"""Importer of Rajalingham et al. 2018 as Brain-Score publishes it: choices of people between two objects.

The assembly has one dim, `presentation`, whose values are the chosen objects; `sample_obj` is what was shown,
`dist_obj` the other object on offer. Images are those of one or two stimulus sets (csv and zip): of the 240
private images people were asked much more often, and read-outs are fitted to the 2,160 public ones.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr
from pydantic import PositiveFloat

from brainbench.core.assembly import Assembly
from brainbench.core.errors import InputError
from brainbench.core.stimuli import OBJECT, Picture, StimulusSet, from_arrays
from brainbench.data.declared_files import DeclaredData, DeclaredFiles
from brainbench.data.facts import objects_of
from brainbench.data.importers import brainio_stimuli
from brainbench.data.importers.brainio_stimuli import FILENAME
from brainbench.data.manifest import Manifest
from brainbench.data.offers import Facts
from brainbench.data.published import PublishedData, Source, declared, write_images
from brainbench.data.source_files import reading, wrong

AnyArray: TypeAlias = npt.NDArray[Any]

FORMAT = "rajalingham 1"  # raised whenever the layout of imported files changes
KEPT = ("images.npy", "stimuli.csv", "trials.npz")
COLUMNS = {"stimulus_id": ("stimulus_id", "image_id"), "truth": ("sample_obj", "truth"),
           "distractor": ("dist_obj",), "subject": ("WorkerID", "subject")}  # fmt: skip
"""Names of the coordinates in the file, the first that is there; the choice is the value."""
_OPTIONAL = ("subject",)
_LABELS = ("image_label", "image_sample_obj", OBJECT)


class OfChoices(Source):
    """Parameters of every set of choices: the width of an image in degrees, and the number of trials."""

    degrees: PositiveFloat | None = None
    trials: int


class Declared(OfChoices, DeclaredFiles):
    """Parameters of the manifest, with the files of Brain-Score."""


C = TypeVar("C", bound=OfChoices)


@dataclass(frozen=True, kw_only=True, eq=False)
class ObjectChoices(PublishedData[C]):
    """Images of objects, and choices between what an image shows and another object."""

    @property
    def kept(self) -> tuple[str, ...]:
        """Names of the files with images, stimuli and trials."""
        return KEPT

    @property
    def facts(self) -> Facts:
        """What is there: choices, and images of each object."""
        return Facts(regions={}, objects=objects_of(self.stimuli()), tables=("trials",))

    def stimuli(self) -> StimulusSet:
        """Return the images of all stimulus sets, sorted by id, with object_name."""
        with self.opened(KEPT[1]) as path:
            table = pd.read_csv(path, dtype=str)
        return from_arrays(
            self.name,
            self.array(KEPT[0]),
            ids=table["stimulus_id"].tolist(),
            metadata={OBJECT: table[OBJECT].to_numpy(str)},
            degrees=self.declared.degrees,
        )

    def trials(self) -> pd.DataFrame:
        """Return a row for each trial: stimulus_id, truth, distractor, choice, and subject if known."""
        with self.opened(KEPT[2]) as path, np.load(path, allow_pickle=False) as stored:
            names = [key for key in stored.files if not key.endswith(" names")]
            return pd.DataFrame({key: stored[f"{key} names"][stored[key]] for key in names})

    def recordings(self, region: str) -> Assembly:
        """Raise InputError: nothing was recorded."""
        raise InputError(
            f"recordings of {region} in {self.name}",
            allowed="trials(): people chose between two objects, no neuron was recorded",
            todo="choose a benchmark of behavior",
        )

    def store(self, folder: Path, stimuli: pd.DataFrame, trials: pd.DataFrame) -> None:
        """Write stimuli, sorted by id, and trials, as numbers of their names."""
        stimuli.to_csv(folder / KEPT[1], index=False)
        codes = {key: np.unique(trials[key].to_numpy(str), return_inverse=True) for key in trials}
        named = {f"{key} names": names for key, (names, _) in codes.items()}
        rows = {key: code.astype(np.int32) for key, (_, code) in codes.items()}
        np.savez(folder / KEPT[2], **named, **rows)  # type: ignore[arg-type]


@dataclass(frozen=True, kw_only=True, eq=False)
class RajalinghamData(DeclaredData[Declared], ObjectChoices[Declared]):
    """The choices that Brain-Score publishes."""

    reader = FORMAT

    def import_from(self, given: Path) -> Path:
        """Check and convert assembly, csv and zip files; see `PublishedData.import_from`."""
        paths = self._paths(given)
        trials = _trials(next(path for path in paths if path.suffix == ".nc"), self.declared.trials)
        sets = [
            (path, brainio_stimuli.read_table(path), path.with_suffix(".zip"))
            for path in paths
            if path.suffix == ".csv"
        ]
        stimuli = pd.concat([_labeled(path, table) for path, table, _ in sets], ignore_index=True)
        check_choices(trials, stimuli)
        order = np.argsort(stimuli["stimulus_id"].to_numpy(str))
        pictures = _pictures([(table, zipped) for _, table, zipped in sets], order)
        first = next(pictures)
        with self.importing(self.folder, len(stimuli), nbytes=len(stimuli) * 200_000) as (
            folder,
            step,
        ):
            images = brainio_stimuli.alike(itertools.chain([first], pictures), first.shape, step)
            write_images(folder / KEPT[0], images, (len(order), *first.shape))
            self.store(folder, stimuli.iloc[order], trials)
        return self.folder

    def _paths(self, given: Path) -> list[Path]:
        """Return the declared files in a folder, checked."""
        found = self.declared.found(given, name=self.name)
        return [found.file(file.path) for file in self.declared.files]


def rajalingham(manifest: Manifest) -> RajalinghamData:
    """Return the data set of a manifest; InputError if its parameters are invalid."""
    return RajalinghamData(name=manifest.name, declared=declared(manifest, Declared))


def _trials(path: Path, n_trials: int) -> pd.DataFrame:
    """Return the columns of every trial as text, from an assembly whose values are the choices."""
    names = " and ".join(options[0] for key, options in COLUMNS.items() if key not in _OPTIONAL)
    allowed = f"choices (presentation) with the coordinates {names}"
    with reading(path, allowed), xr.open_dataset(path, engine="netcdf4") as file:
        arrays = [array for array in file.data_vars.values() if array.dims == ("presentation",)]
        if len(arrays) != 1 or arrays[0].dtype.kind not in "OU":
            raise wrong(f"{path} holds {dict(file.data_vars)}", allowed)
        columns = {"choice": arrays[0].values.astype(str)}
        for key, options in COLUMNS.items():
            name = next((option for option in options if option in arrays[0].coords), None)
            if name is not None:
                columns[key] = arrays[0].coords[name].values.astype(str)
            elif key not in _OPTIONAL:
                raise wrong(f"{path} without {' or '.join(options)}", allowed)
    if len(columns["choice"]) != n_trials:
        raise wrong(f"{path} has {len(columns['choice'])} trials", f"{n_trials} trials")
    return pd.DataFrame(columns)


def _labeled(path: Path, table: pd.DataFrame) -> pd.DataFrame:
    """Return id and object of each image of a stimulus set."""
    name = next((name for name in _LABELS if name in table.columns), None)
    if name is None or table[name].isna().any():
        raise wrong(f"{path} with the columns {list(table.columns)}", f"a column {_LABELS[0]}")
    return pd.DataFrame({"stimulus_id": table["stimulus_id"], OBJECT: table[name].astype(str)})


def check_choices(trials: pd.DataFrame, stimuli: pd.DataFrame) -> None:
    """Raise InputError for images twice, trials of other images or objects, and answers not on offer."""
    if stimuli["stimulus_id"].duplicated().any():
        raise wrong("images that are there twice", "each image once")
    shown = trials["stimulus_id"].map(
        dict(zip(stimuli["stimulus_id"], stimuli[OBJECT], strict=True))
    )
    n_unlike = int((shown != trials["truth"]).sum())
    offered = (trials["choice"] == trials["truth"]) | (trials["choice"] == trials["distractor"])
    if n_unlike or not offered.all() or (trials["truth"] == trials["distractor"]).any():
        raise wrong(
            f"{n_unlike} trials of images that show something else or are not there, and "
            f"{int((~offered).sum())} choices that were not on offer",
            "trials of the images, each a choice between what it shows and another object",
        )


def _pictures(sets: list[tuple[pd.DataFrame, Path]], order: AnyArray) -> Iterator[Picture]:
    """Yield images by their places in all sets, one after the other; each zip is opened once."""
    starts = np.cumsum([0, *(len(table) for table, _ in sets)])
    owners = np.searchsorted(starts, order, side="right") - 1
    by_set = [
        brainio_stimuli.pictures(
            zipped, table, table[FILENAME].iloc[order[owners == k] - starts[k]].tolist()
        )
        for k, (table, zipped) in enumerate(sets)
    ]
    for owner in owners:
        yield next(by_set[owner])
