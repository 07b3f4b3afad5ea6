"""Importers of Kar et al. 2019: when macaque IT has solved each of 1,320 images, and which I1 behavior has.

Brain-Score keeps times as an assembly (decoder, presentation) beside a csv and a zip of images. The authors
publish one file of MATLAB 7.3, in which rows and columns of images are swapped. In both some images occur
twice; the first is kept, as Brain-Score does.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr
from pydantic import PositiveFloat, PositiveInt

from brainbench.core import progress
from brainbench.core.assembly import Assembly
from brainbench.core.errors import UnknownNameError
from brainbench.core.stimuli import OBJECT, Picture, StimulusSet, from_arrays
from brainbench.data.declared_files import DeclaredData, DeclaredFiles
from brainbench.data.facts import objects_of
from brainbench.data.fetch import digest_of_file
from brainbench.data.importers import brainio_stimuli
from brainbench.data.importers.brainio_layout import PRESENTATION, STIMULUS_IDS
from brainbench.data.importers.brainio_stimuli import FILENAME
from brainbench.data.manifest import Manifest
from brainbench.data.offers import Facts
from brainbench.data.published import (
    CONTENT,
    PublishedData,
    VersionedByContent,
    declared,
    write_images,
)
from brainbench.data.source_files import open_hdf5, reading, wrong

AnyArray: TypeAlias = npt.NDArray[Any]

FORMAT = "kar 1"  # raised whenever the layout of imported files changes
IMAGES, TIMES = "images.npy", "times.csv"
DECODERS = {"svm": "ost", "logistic": "ost_logistic"}
"""Decoders of Brain-Score's file, and the columns that they become; benchmarks read `ost`."""
OBJECTS = ("bear", "elephant", "person", "car", "dog", "apple", "chair", "plane", "bird", "zebra")
"""Objects by their number, from 1, in the authors' file."""
_DECODER = ("decoder", "decoder_")
_LABEL = "image_label"


class Declared(DeclaredFiles):
    """Parameters of the manifests: the number of presentations, and the width of an image in degrees."""

    presentations: PositiveInt
    degrees: PositiveFloat


class FromBrainScore(Declared):
    """Parameters of Brain-Score's files: the number of distinct images."""

    images: PositiveInt


class FromAuthors(Declared):
    """Parameters of the authors' file: the width of an image in pixels."""

    pixels: PositiveInt


K = TypeVar("K", bound=Declared)


@dataclass(frozen=True, kw_only=True, eq=False)
class KarTimes(PublishedData[K]):
    """Images of ten objects, when IT has solved each, and the I1 of behavior."""

    @property
    def kept(self) -> tuple[str, ...]:
        """Names of the files with images and times."""
        return (IMAGES, TIMES)

    @property
    def facts(self) -> Facts:
        """What is there: solution times, and images of each object."""
        return Facts(regions={}, objects=objects_of(self.stimuli()), tables=("solution_times",))

    def stimuli(self) -> StimulusSet:
        """Return the distinct images, sorted by id, with object_name."""
        return from_arrays(
            self.name,
            self.array(IMAGES),
            ids=self._table["stimulus_id"].tolist(),
            metadata={OBJECT: self._table[OBJECT].to_numpy(str)},
            degrees=self.declared.degrees,
        )

    def solution_times(self) -> pd.DataFrame:
        """Return a row for each image: stimulus_id, i1, ost (ms, NaN if never solved), other decoders."""
        return self._table.drop(columns=OBJECT)

    def recordings(self, region: str) -> Assembly:
        """Raise UnknownNameError: responses are not published."""
        raise UnknownNameError(
            f"recordings of {region} in {self.name}",
            allowed="solution_times(): the responses of the sites are not published",
            todo="choose the benchmark of solution times",
        )

    @cached_property
    def _table(self) -> pd.DataFrame:
        with self.opened(TIMES) as path:
            return pd.read_csv(path, dtype={"stimulus_id": str, OBJECT: str})

    def _store(
        self, folder: Path, times: pd.DataFrame, pictures: Iterator[Picture], step: progress.Advance
    ) -> None:
        """Write times and pictures, both in the order of the ids."""
        first = next(pictures)
        pictures = brainio_stimuli.alike(itertools.chain([first], pictures), first.shape, step)
        write_images(folder / IMAGES, pictures, (len(times), *first.shape))
        times.to_csv(folder / TIMES, index=False)


@dataclass(frozen=True, kw_only=True, eq=False)
class KarBrainScore(DeclaredData[FromBrainScore], KarTimes[FromBrainScore]):
    """The assembly, csv and zip that Brain-Score keeps."""

    reader = FORMAT

    def import_from(self, given: Path) -> Path:
        """Check and convert assembly, csv and zip; see `PublishedData.import_from`."""
        found = self.declared.found(given, name=self.name)
        checked = [found.file(file.path) for file in self.declared.files]
        paths = {path.suffix: path for path in checked}
        times = _first_of_each(_assembly(paths[".nc"], self.declared.presentations))
        if len(times) != self.declared.images:
            raise wrong(
                f"{paths['.nc']} is of {len(times)} images", f"{self.declared.images} images"
            )
        rows = brainio_stimuli.read_rows(paths[".csv"])
        names = rows.drop_duplicates("stimulus_id").set_index("stimulus_id")[FILENAME]
        unlike = sorted(set(names.index) ^ set(times["stimulus_id"]))
        if unlike:
            raise wrong(
                f"{len(unlike)} images are in one of {paths['.nc'].name} and {paths['.csv'].name} "
                f"alone, for example {unlike[0]!r}",
                "the same images in both",
            )
        shown = names.loc[times["stimulus_id"]].tolist()
        pictures = brainio_stimuli.pictures(paths[".zip"], rows, shown)
        nbytes = len(times) * 200_000
        with self.importing(self.folder, len(times), nbytes=nbytes) as (folder, step):
            self._store(folder, times, pictures, step)
        return self.folder


@dataclass(frozen=True, kw_only=True, eq=False)
class KarAuthors(VersionedByContent[FromAuthors], KarTimes[FromAuthors]):
    """The authors' HDF5, of which no checksum is published: the version has that of the user's file."""

    @cached_property
    def source_version(self) -> str:
        """SHA-256 over what the manifest declares and how the file is read."""
        return self.declared.digest(FORMAT)

    @property
    def kept(self) -> tuple[str, ...]:
        """Names of the files with images, times, and the checksum of the file that they are from."""
        return (IMAGES, TIMES, CONTENT)

    def import_from(self, given: Path) -> Path:
        """Check and convert the HDF5 file; see `PublishedData.import_from`."""
        (file,) = self.declared.files
        path = self.declared.found(given, name=self.name).file(file.path)
        n, pixels = self.declared.presentations, self.declared.pixels
        shapes = {"images": (n, 3, pixels, pixels), **dict.fromkeys(("obj", "ost", "i1"), (1, n))}
        allowed = f"arrays {', '.join(f'{key} {shape}' for key, shape in shapes.items())}"
        with (
            reading(path, allowed),
            open_hdf5(path) as stored,
            self.importing(self.folder, 2 * n, nbytes=3 * n * pixels**2) as (folder, step),
        ):
            found = {key: getattr(stored.get(key), "shape", None) for key in shapes}
            if found != shapes:
                raise wrong(f"{path} with the arrays {found}", allowed)
            rows = _first_rows(_swapped(stored["images"], range(n)), step)
            times = _numbered(path, stored).iloc[rows]
            self._store(folder, times, _swapped(stored["images"], rows), step)
            (folder / CONTENT).write_text(digest_of_file(path) + "\n")
        return self.folder


def kar2019(manifest: Manifest) -> KarBrainScore:
    """Return the data set of a manifest; InputError if its parameters are invalid."""
    return KarBrainScore(name=manifest.name, declared=declared(manifest, FromBrainScore))


def kar2019_authors(manifest: Manifest) -> KarAuthors:
    """Return the data set of a manifest; InputError if its parameters are invalid."""
    return KarAuthors(name=manifest.name, declared=declared(manifest, FromAuthors))


# --- Brain-Score's assembly ---------------------------------------------------------------------------


def _assembly(path: Path, n_presentations: int) -> pd.DataFrame:
    """Return a row for each presentation: stimulus_id, object_name, i1, and a time by each decoder."""
    allowed = (
        f"times (decoder, presentation) by {' and '.join(DECODERS)} of {n_presentations} presentations, "
        f"with the coordinates i1, image_id and {_LABEL}"
    )
    with reading(path, allowed), xr.open_dataset(path, engine="netcdf4") as file:
        coordinate = next((name for name in _DECODER if name in file.coords), None)
        arrays = [array for array in file.data_vars.values() if PRESENTATION in array.dims]
        is_whole = (
            len(arrays) == 1
            and coordinate is not None
            and set(arrays[0].dims) == {PRESENTATION, *file.coords[coordinate].dims}
            and arrays[0].sizes[PRESENTATION] == n_presentations
        )
        if not is_whole:
            raise wrong(
                f"{path} holds {dict(file.sizes)}, {sorted(map(str, file.coords))}", allowed
            )
        (dim,) = file.coords[coordinate].dims
        names = file.coords[coordinate].values.astype(str).tolist()
        times = arrays[0].transpose(dim, PRESENTATION).values.astype(np.float64)
        along = {
            str(key): value.values
            for key, value in arrays[0].coords.items()
            if value.dims == (PRESENTATION,)
        }
    identifier = next((name for name in STIMULUS_IDS if name in along), "image_id")
    missing = [key for key in (identifier, "i1", _LABEL) if key not in along]
    if missing or sorted(names) != sorted(DECODERS):
        raise wrong(
            f"{path} has decoders {names} and lacks {', '.join(missing) or 'nothing'}", allowed
        )
    with reading(path, allowed):
        return pd.DataFrame(
            {
                "stimulus_id": along[identifier].astype(str),
                OBJECT: along[_LABEL].astype(str),
                "i1": along["i1"].astype(np.float64),
                **{DECODERS[name]: of_one for name, of_one in zip(names, times, strict=True)},
            }
        )


def _first_of_each(presentations: pd.DataFrame) -> pd.DataFrame:
    """Return the first presentation of each image, sorted by id; InputError for one of two objects."""
    n_objects = presentations.groupby("stimulus_id")[OBJECT].nunique()
    if (n_objects > 1).any():
        raise wrong(f"an image of two objects: {n_objects.idxmax()!r}", "one object of each image")
    return presentations.drop_duplicates("stimulus_id").sort_values("stimulus_id")


# --- the authors' file --------------------------------------------------------------------------------


def _numbered(path: Path, stored: Any) -> pd.DataFrame:
    """Return stimulus_id, object_name, i1 and ost of each image of the authors' file."""
    code, i1, ost = (np.asarray(stored[key], np.float64)[0] for key in ("obj", "i1", "ost"))
    if not np.isin(code, np.arange(1, len(OBJECTS) + 1)).all():
        raise wrong(
            f"{path} with the objects {np.unique(code).tolist()[:12]}",
            f"a number for each image, 1 to {len(OBJECTS)}: {', '.join(OBJECTS)}",
        )
    names = np.array(OBJECTS)[code.astype(np.intp) - 1]
    ids = [f"image_{k:04d}" for k in range(len(code))]
    return pd.DataFrame({"stimulus_id": ids, OBJECT: names, "i1": i1, "ost": ost})


def _first_rows(pictures: Iterable[Picture], step: progress.Advance) -> list[int]:
    """Return the places of pictures that are not copies of an earlier one."""
    first: dict[bytes, int] = {}
    for row, picture in enumerate(pictures):
        first.setdefault(hashlib.sha256(picture.tobytes()).digest(), row)
        step(1)
    return sorted(first.values())


def _swapped(images: Any, rows: Iterable[int]) -> Iterator[Picture]:
    """Yield pictures of an array (image, channel, column, row), each stretched to 0 to 255.

    SciPy's `imsave`, by which Brain-Score's images were made of this file, did so with each image of other
    numbers than uint8: least and largest value over pixels and channels become 0 and 255.
    """
    for row in rows:
        image = np.asarray(images[row]).transpose(2, 1, 0)
        if image.dtype == np.uint8:
            yield np.ascontiguousarray(image)
            continue
        low, high = float(image.min()), float(image.max())
        if not np.isfinite([low, high]).all() or low == high:
            raise wrong(
                f"image {row} with values from {low:g} to {high:g}", "an image with contrast"
            )
        stretched = (image - low) * (255 / (high - low)) + 0.5
        yield np.ascontiguousarray(stretched.clip(0, 255.5).astype(np.uint8))
