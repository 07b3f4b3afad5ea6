"""Importer of Papale et al. 2025 (TVSD): V1, V4 and IT of two macaques, from the authors' files.

A folder holds, for each animal, `ANIMAL/THINGS_normMUA.mat` and `ANIMAL/_logs/things_imgs.mat` (MATLAB 7.3,
so HDF5, in which arrays are transposed), and the user's own copy of the images of THINGS, not to be passed
on. Arrays are copied one at a time, and images as the files that they are, so that little memory is needed.
"""

from __future__ import annotations

import hashlib
import io
import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, TypeAlias

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict

from brainbench.core import assembly, progress
from brainbench.core.assembly import Assembly
from brainbench.core.errors import DataAbsentError, unknown
from brainbench.core.pictures import decode_picture
from brainbench.core.stimuli import OBJECT, SPLIT, Picture, StimulusSet, from_arrays
from brainbench.data.manifest import Manifest
from brainbench.data.offers import Facts, RegionFacts
from brainbench.data.published import CONTENT, ImportedFromUser, Publication, declared
from brainbench.data.source_files import open_hdf5, reading, wrong

Array: TypeAlias = npt.NDArray[Any]

FORMAT = "papale 1"  # raised whenever the layout of imported files changes
UNITS = "normalized multi-unit activity"
SITES = ("reliability", "snr")
IMAGES, INDEX = "images.bin", "index.npz"
_RESPONSES, _LOG = "THINGS_normMUA.mat", "_logs/things_imgs.mat"
_FOLDERS = (
    "",
    "images",
    "Images",
    "object_images",
    "THINGS",
    "THINGS/Images",
    "THINGS/object_images",
)
_LARGEST = 50_000_000  # bytes of an image file


class Animal(BaseModel):
    """Channels of each region, first and last, and how many of them have a reliability above .3."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    channels: Mapping[str, tuple[int, int]]
    reliable: Mapping[str, int] = {}


class Declared(Publication):
    """Parameters of the manifest: numbers of images, trials of a test image and channels of an animal."""

    repository: str = "https://gin.g-node.org/paolo_papale/TVSD"
    commit: str = ""
    folder: str = ""
    training: int
    test: int
    trials: int
    channels: int
    degrees: float
    animals: Mapping[str, Animal]

    @property
    def place(self) -> str:
        """Where the files are."""
        return f"{_RESPONSES} and {_LOG} of each animal, from {self.repository}, and the images of THINGS"


@dataclass(frozen=True, kw_only=True)
class _Images:
    """Images in the order of the responses: path below the folder of THINGS, and what is shown."""

    paths: tuple[str, ...]
    objects: tuple[str, ...]

    @property
    def ids(self) -> list[str]:
        return [Path(path).stem for path in self.paths]


@dataclass(frozen=True)
class _JoinedImages(Sequence[Picture]):
    """Image files one after the other in one file, each decoded when it is asked for."""

    path: Path
    ends: Array  # of each, in bytes

    def __len__(self) -> int:
        return len(self.ends)

    def __getitem__(self, row: Any) -> Any:
        start = int(self.ends[row - 1]) if row else 0
        with self.path.open("rb") as stream:
            stream.seek(start)
            content = stream.read(int(self.ends[row]) - start)
        return decode_picture(io.BytesIO(content), f"{self.path.name}, image {row}")


@dataclass(frozen=True, kw_only=True, eq=False)
class PapaleData(ImportedFromUser[Declared]):
    """Means of all images, trials of the test images, and sites of two animals."""

    reader: ClassVar[str] = FORMAT

    @property
    def kept(self) -> list[str]:
        """Names of the files with images, names and responses."""
        of_animals = [file for animal in self.declared.animals for file in _kept(animal)]
        return [IMAGES, INDEX, CONTENT, *of_animals]

    @property
    def regions(self) -> tuple[str, ...]:
        """Names of the recorded regions."""
        named = (name for animal in self.declared.animals.values() for name in animal.channels)
        return tuple(sorted(set(named), key=["V1", "V2", "V4", "IT"].index))

    @property
    def facts(self) -> Facts:
        """What is there; most images were shown once."""
        sites = {
            region: sum(len(rows) for _, rows in self._channels(region)) for region in self.regions
        }
        objects, counts = np.unique(self._index["object_name"], return_counts=True)
        return Facts(
            regions={region: RegionFacts(sites=n) for region, n in sites.items()},
            objects=dict(zip(objects.tolist(), counts.tolist(), strict=True)),
        )

    @cached_property
    def _index(self) -> dict[str, Array]:
        with self.opened(INDEX) as path, np.load(path, allow_pickle=False) as stored:
            return dict(stored)

    def stimuli(self) -> StimulusSet:
        """Return the training and the test images as they are in THINGS, with object and `split`."""
        index = self._index
        with self.opened(IMAGES) as path:
            images = _JoinedImages(path, index["ends"])
        return from_arrays(
            self.name,
            images,
            ids=index["ids"].tolist(),
            metadata={OBJECT: index["object_name"], SPLIT: index["split"]},
            degrees=self.declared.degrees,
        )

    def recordings(self, region: str) -> Assembly:
        """Return responses to all images, of the test images the mean of their trials: stimulus, neuroid."""
        parts = []
        for animal, channels in self._channels(region):
            train, test = (self.array(file) for file in _kept(animal))
            means = test[:, :, channels].mean(axis=0, dtype=np.float64)
            parts.append(np.concatenate([train[:, channels], means]))
        return assembly.make(
            np.concatenate(parts, axis=1),
            stimulus={"stimulus_id": self._index["ids"]},
            neuroid=self._sites(region),
            units=UNITS,
        )

    def test_trials(self, region: str) -> Assembly:
        """Return the trials of the test images: repetition, stimulus, neuroid."""
        parts = [
            np.asarray(self.array(_kept(animal)[1])[:, :, channels], dtype=np.float64)
            for animal, channels in self._channels(region)
        ]
        return assembly.make(
            np.concatenate(parts, axis=2),
            stimulus={"stimulus_id": self._index["ids"][self.declared.training :]},
            neuroid=self._sites(region),
            repetitions=True,
            units=UNITS,
        )

    def _channels(self, region: str) -> Iterator[tuple[str, Array]]:
        """Yield each animal with its channels in a region; UnknownNameError for another region."""
        if region not in self.regions:
            raise unknown(f"region of {self.name}:", region, list(self.regions), todo="choose one")
        for name, animal in self.declared.animals.items():
            if region in animal.channels:
                first, last = animal.channels[region]
                yield name, np.arange(first, last + 1)

    def _sites(self, region: str) -> dict[str, Array]:
        by_animal = list(self._channels(region))
        ids = [f"{animal}/{k:04d}" for animal, channels in by_animal for k in channels]
        return {
            "neuroid_id": np.array(ids),
            "animal": np.repeat(
                [name for name, _ in by_animal], [len(rows) for _, rows in by_animal]
            ),
            "region": np.full(len(ids), region),
            **{
                key: np.concatenate(
                    [self._index[f"{animal} {key}"][rows] for animal, rows in by_animal]
                )
                for key in SITES
            },
        }

    def import_from(self, given: Path) -> Path:
        """Check and convert the authors' files and the images; see `PublishedData.import_from`.

        InputError also where another number of channels than published is reliable.
        """
        sizes = self.declared
        sources = {animal: _source(given, animal, self) for animal in sizes.animals}
        training, test = _same_images(
            {animal: _listed(source / _LOG, sizes) for animal, source in sources.items()}
        )
        images = _found_images(given, [*training.paths, *test.paths], self)
        nbytes = sum(path.stat().st_size for path in images) + 8 * sizes.channels * len(sources) * (
            sizes.training + sizes.test * sizes.trials
        )
        digest = hashlib.sha256()
        n_steps = len(images) + len(sources)
        with self.importing(self.folder, n_steps, nbytes=nbytes) as (folder, step):
            index: dict[str, Array] = {
                "ids": np.array([*training.ids, *test.ids]),
                "object_name": np.array([*training.objects, *test.objects]),
                "split": np.repeat(["train", "test"], [sizes.training, sizes.test]),
            }
            for animal, source in sources.items():
                index |= _convert(source / _RESPONSES, animal, sizes, folder)
                for file in _kept(animal):
                    digest.update((folder / file).read_bytes())
                step(1)
            index["ends"] = _join(images, folder / IMAGES, digest, step)
            for name in sorted(index):
                digest.update(f"{name} {index[name].tolist()}".encode())
            np.savez(folder / INDEX, **index)  # type: ignore[arg-type]
            (folder / CONTENT).write_text(digest.hexdigest() + "\n")
        return self.folder


def papale(manifest: Manifest) -> PapaleData:
    """Return the data set of a manifest; InputError if its parameters are invalid."""
    return PapaleData(name=manifest.name, declared=declared(manifest, Declared))


def _kept(animal: str) -> tuple[str, str]:
    return f"{animal}_train.npy", f"{animal}_test.npy"


def _source(given: Path, animal: str, data: PapaleData) -> Path:
    """Return the folder of an animal; DataAbsentError where a file of it is missing."""
    source = given / animal
    missing = [name for name in (_RESPONSES, _LOG) if not (source / name).is_file()]
    if missing:
        raise _absent(f"{source / missing[0]} of {data.name} is missing", data)
    return source


def _absent(got: str, data: PapaleData) -> DataAbsentError:
    animals = ", ".join(data.declared.animals)
    return DataAbsentError(
        got,
        allowed=f"a folder with {animals} and images (of THINGS: CONCEPT/NAME.jpg)",
        todo=f"put or link them into one folder, and give it with --from DIR: {data.declared.place}",
    )


def _listed(path: Path, sizes: Declared) -> tuple[_Images, _Images]:
    """Return the training and the test images that a log names."""
    counts = f"{sizes.training} training and {sizes.test} test images"
    allowed = f"train_imgs and test_imgs, class and things_path of {counts}, each named once"
    with reading(path, allowed), open_hdf5(path) as stored:
        both = tuple(
            _Images(
                paths=tuple(
                    text.replace("\\", "/") for text in _texts(stored, f"{part}/things_path")
                ),
                objects=tuple(_texts(stored, f"{part}/class")),
            )
            for part in ("train_imgs", "test_imgs")
        )
    training, test = both
    names = [*training.ids, *test.ids]
    parts = [part for path in (*training.paths, *test.paths) for part in Path(path).parts]
    is_whole = (len(training.paths), len(test.paths)) == (sizes.training, sizes.test)
    if not is_whole or len(set(names)) != len(names) or {"..", "/"} & set(parts):
        found = f"{len(training.paths)} training and {len(test.paths)} test images"
        raise wrong(f"{path} names {found}, {len(set(names))} of them different", allowed)
    return training, test


def _texts(stored: Any, name: str) -> Iterator[str]:
    """Yield the texts of a cell array: references to arrays of 16-bit characters."""
    for reference in np.asarray(stored[name]).ravel():
        yield "".join(map(chr, np.asarray(stored[reference]).ravel().tolist()))


def _same_images(by_animal: Mapping[str, tuple[_Images, _Images]]) -> tuple[_Images, _Images]:
    """Return the images of all animals; InputError where two saw other ones, or in another order."""
    (first, images), *others = by_animal.items()
    for animal, listed in others:
        if listed != images:
            raise wrong(
                f"images of {animal} other than, or in another order than, those of {first}",
                "the same images for all animals",
            )
    return images


def _found_images(given: Path, paths: list[str], data: PapaleData) -> list[Path]:
    """Return the file of each image in the user's folder of THINGS; DataAbsentError where one is missing."""
    folder = next((given / name for name in _FOLDERS if (given / name / paths[0]).is_file()), None)
    if folder is None:
        raise _absent(f"image {paths[0]} is in none of {', '.join(_FOLDERS[1:])} of {given}", data)
    found = [folder / path for path in paths]
    missing = [path for path in found if not path.is_file()]
    if missing:
        raise _absent(f"{len(missing)} of {len(paths)} images are missing, as {missing[0]}", data)
    return found


def _convert(path: Path, animal: str, sizes: Declared, folder: Path) -> dict[str, Array]:
    """Write the responses, image x channel and trial x image x channel; return facts of channels."""
    shapes = {
        "train_MUA": (sizes.training, sizes.channels),
        "test_MUA_reps": (sizes.trials, sizes.test, sizes.channels),
    }
    allowed = f"finite responses {shapes}, and reliab and SNR of each channel"
    with reading(path, allowed), open_hdf5(path) as stored:
        for (name, shape), kept in zip(shapes.items(), _kept(animal), strict=True):
            if stored[name].shape != shape or stored[name].dtype.kind != "f":
                raise wrong(f"{path}: {name} is {stored[name].dtype} {stored[name].shape}", allowed)
            values = stored[name][()]
            if not np.isfinite(values).all():
                n_bad = int((~np.isfinite(values)).sum())
                raise wrong(f"{path}: {name} has {n_bad} values that are not finite", allowed)
            np.save(folder / kept, values)
        of_sites = {
            key: np.atleast_2d(np.asarray(stored[name][()], dtype=np.float64)).mean(axis=0)
            for key, name in zip(SITES, ("reliab", "SNR"), strict=True)
        }
    if any(values.shape != (sizes.channels,) for values in of_sites.values()):
        raise wrong(f"{path}: {[values.shape for values in of_sites.values()]}", allowed)
    _check_reliable(path, of_sites["reliability"], sizes.animals[animal])
    return {f"{animal} {key}": values for key, values in of_sites.items()}


def _check_reliable(path: Path, reliability: Array, animal: Animal) -> None:
    """Raise InputError where another number of channels than published has a reliability above .3."""
    found = {
        region: int((reliability[slice(first, last + 1)] > 0.3).sum())
        for region, (first, last) in animal.channels.items()
    }
    differ = [region for region, n in animal.reliable.items() if found[region] != n]
    if differ:
        raise wrong(
            f"{path}: {found} channels with a reliability above .3",
            f"{dict(animal.reliable)}, as published",
        )


def _join(images: list[Path], target: Path, digest: Any, step: progress.Advance) -> Array:
    """Write the files of images one after the other, and return where each ends."""
    sizes = []
    with target.open("wb") as stream:
        for path in images:
            nbytes = path.stat().st_size
            if not 0 < nbytes <= _LARGEST:
                raise wrong(f"{path} has {nbytes} bytes", f"an image of at most {_LARGEST} bytes")
            content = path.read_bytes()
            stream.write(content)
            digest.update(content)
            sizes.append(len(content))
            step(1)
    return np.array(list(itertools.accumulate(sizes)), dtype=np.int64)
