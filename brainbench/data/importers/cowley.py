"""Importer of Cowley, Stan, Pillow & Smith 2023, macaque V4, from the files of the public repository.

Each session has a zip of JPEG images and responses as a NumPy array: spike counts in 100 ms, averaged over
repeats (neurons, images), and for some sessions each repeat (neurons, images, repeats), padded with NaN where
an image was shown less often. The n-th image by name is the n-th column.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path, PurePosixPath
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd
from PIL import Image
from pydantic import BaseModel, ConfigDict, PositiveFloat

from brainbench.core import assembly
from brainbench.core.assembly import Assembly
from brainbench.core.errors import InputError, StimulusError
from brainbench.core.pictures import FORMATS
from brainbench.core.stimuli import Picture, StimulusSet, from_arrays
from brainbench.data.arrays import ArrayData
from brainbench.data.manifest import Manifest
from brainbench.data.published import (
    Published,
    PublishedData,
    declared,
    version_of,
    write_images,
)
from brainbench.data.source_files import read_floats, unpack, wrong

FloatArray: TypeAlias = npt.NDArray[np.float64]

FORMAT = 1  # increased whenever the layout of imported files changes
REGION = "V4"
UNITS = "spikes in 100 ms"
_OVERHEAD = 1_000_000  # bytes of ids and netCDF, of metadata in an image
_LARGEST = 6  # bytes of a JPEG per pixel, at most


class Session(BaseModel):
    """One session, its numbers of neurons and images, and the largest number of repeats of an image.

    `repeats` is 0 where only the mean over repeats is published.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    animal: str
    neurons: int
    images: int
    repeats: int = 0


class Declared(Published):
    """Parameters of the manifest; every image is `pixels` wide and high, `degrees` of visual angle wide."""

    pixels: int
    degrees: PositiveFloat | None = None
    sessions: dict[str, Session]


@dataclass(frozen=True, kw_only=True, eq=False)
class CowleyData(PublishedData[Declared]):
    """Sessions of macaque V4, each with its own images and neurons."""

    @cached_property
    def version(self) -> str:
        """SHA-256 over the checksums of the source files and how they are read."""
        parts = self.declared.model_dump(include={"sessions", "sha256", "pixels"})
        return version_of(f"cowley {FORMAT}", parts)

    @property
    def kept(self) -> list[str]:
        """Names of the two files of each session."""
        return [file for name in self.declared.sessions for file in _kept(name)]

    @property
    def regions(self) -> tuple[str, ...]:
        """Name of the recorded region."""
        return (REGION,)

    def sessions(self) -> Mapping[str, ArrayData]:
        """Return each session as a data set, by name."""
        self.here()
        return {name: self._session(name) for name in sorted(self.declared.sessions)}

    def stimuli(self) -> StimulusSet:
        """Return the images of all sessions, one session after the other."""
        sets = [session.pictures for session in self.sessions().values()]
        places = [(images, row) for images in sets for row in range(len(images))]

        def read(row: int) -> Picture:
            images, index = places[row]
            return images.picture(index)

        return StimulusSet(
            identifier=self.name,
            metadata=pd.concat([images.metadata for images in sets], ignore_index=True),
            read=read,
            rows=tuple(range(len(places))),
            degrees=self.declared.degrees,
        )

    def recordings(self, region: str) -> Assembly:
        """Raise InputError: sessions share no images, so that only `sessions` have recordings."""
        raise InputError(
            f"recordings of {region} in all of {self.name}",
            allowed="recordings of one session: each has its own images",
            todo=f"take them from sessions()[NAME]: {', '.join(sorted(self.declared.sessions))}",
        )

    def import_from(self, given: Path) -> Path:
        """Check and convert the published files; see `PublishedData.import_from`."""
        source = self.declared.find(given, name=self.name, holds="images/ and responses_raw/")
        declared = self.declared
        n_images = sum(session.images for session in declared.sessions.values())
        nbytes = sum(_nbytes(session, declared.pixels) for session in declared.sessions.values())
        with self.importing(self.folder, n_images, nbytes=nbytes) as (folder, step):
            for name, session in sorted(declared.sessions.items()):
                images_file, responses_file = (folder / file for file in _kept(name))
                values = _responses(source, name, session)
                path = source / f"images/images_{name}.zip"
                shape = (session.images, declared.pixels, declared.pixels, 3)
                write_images(images_file, _images(path, session, declared.pixels), shape)
                assembly.save(_assembly(values, name, session), responses_file)
                step(session.images)
        return self.folder

    def _session(self, name: str) -> ArrayData:
        images_file, responses_file = _kept(name)
        with self.opened(responses_file) as path, assembly.load(path) as stored:
            recording = stored.load()
        stimuli = from_arrays(
            f"{self.name} {name}",
            self.array(images_file),
            ids=recording.coords["stimulus_id"].values.tolist(),
            metadata={"session": np.full(recording.sizes["stimulus"], name)},
            degrees=self.declared.degrees,
        )
        return ArrayData(
            name=f"{self.name} {name}",
            pictures=stimuli,
            regions={REGION: recording},
            command=self.command,
        )


def cowley(manifest: Manifest) -> CowleyData:
    """Return the data set of a manifest; InputError if its parameters are invalid."""
    return CowleyData(name=manifest.name, declared=declared(manifest, Declared))


def _kept(name: str) -> tuple[str, str]:
    return f"images_{name}.npy", f"responses_{name}.nc"


def _nbytes(session: Session, pixels: int) -> int:
    """Return the size of the two files of a session."""
    responses = session.neurons * session.images * max(1, session.repeats) * 8
    return session.images * pixels**2 * 3 + responses + _OVERHEAD


def _assembly(values: FloatArray, name: str, session: Session) -> Assembly:
    n_images, n_neurons = values.shape[-2:]
    return assembly.make(
        values,
        stimulus={"stimulus_id": [f"{name}/image{k + 1:04d}" for k in range(n_images)]},
        neuroid={
            "neuroid_id": [f"{name}/neuron{k:02d}" for k in range(n_neurons)],
            "region": np.full(n_neurons, REGION),
            "animal": np.full(n_neurons, session.animal),
            "session": np.full(n_neurons, name),
        },
        repetitions=values.ndim == 3,
        units=UNITS,
        attrs={"missing": "nan"} if values.ndim == 3 else None,
    )


def _responses(source: Path, name: str, session: Session) -> FloatArray:
    """Return the responses (repetition, image, neuron) where repeats are published, else (image, neuron)."""
    mean = read_floats(
        source / f"responses_repeat_averaged/responses_{name}.npy",
        (session.neurons, session.images),
    )
    if not np.isfinite(mean).all():
        raise wrong(
            f"mean responses of session {name}: {int((~np.isfinite(mean)).sum())} are not finite",
            "a finite mean for every neuron and image",
        )
    if not session.repeats:
        return mean.T
    shape = (session.neurons, session.images, session.repeats)
    trials = read_floats(source / f"responses_raw/responses_{name}.npy", shape)
    _check_trials(trials, mean, name)
    return np.ascontiguousarray(trials.transpose(2, 1, 0))


def _check_trials(trials: FloatArray, mean: FloatArray, name: str) -> None:
    recorded = ~np.isnan(trials)
    only_padded = (recorded[..., :-1] >= recorded[..., 1:]).all()
    all_neurons_alike = (recorded == recorded[:1]).all()
    if np.isinf(trials).any() or not (only_padded and all_neurons_alike and recorded[..., 0].all()):
        raise wrong(
            f"repeats of session {name}: NaN or inf before the last repeat of an image",
            "NaN only where an image was shown less often, for all neurons alike",
        )
    averaged = np.where(recorded, trials, 0.0).sum(axis=2) / recorded.sum(axis=2)
    if not np.allclose(averaged, mean, rtol=1e-9, atol=1e-9):
        raise wrong(
            f"repeats of session {name}: their mean is not the published mean "
            f"(largest difference {np.abs(averaged - mean).max():.3g})",
            "repeats and means of the same session, neurons and images in the same order",
        )


def _images(path: Path, session: Session, pixels: int) -> Iterator[Picture]:
    order = partial(_sorted_members, path=path, n=session.images)
    limit = _LARGEST * pixels**2 + _OVERHEAD
    for name, data in unpack(path, order, limit=limit, allowed="a whole zip of images"):
        yield _decoded(data, f"{path}:{name}", pixels)


def _sorted_members(members: list[str], path: Path, n: int) -> list[str]:
    """Return the members sorted by name, which must be image0001.jpg to the n-th and nothing else."""
    expected = {f"image{k + 1:04d}.jpg" for k in range(n)}
    names = [PurePosixPath(member).name for member in members]
    stray = sorted(set(names) - expected)
    missing = sorted(expected - set(names))
    if stray or missing or len(members) != n:
        differ = [
            f"{names[0]!r} {what}"
            for names, what in ((stray, "is unexpected"), (missing, "is missing"))
            if names
        ]
        raise wrong(
            f"{path} holds {len(members)} files: " + (", ".join(differ) or "some names twice"),
            f"image0001.jpg to image{n:04d}.jpg, one for each response, and nothing else",
        )
    return sorted(members, key=lambda member: PurePosixPath(member).name)


def _decoded(data: bytes, name: str, pixels: int) -> Picture:
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            kind = f"{image.format}, color mode {image.mode}, {image.width} x {image.height}"
            is_valid = (image.format, image.mode, image.size) == ("JPEG", "RGB", (pixels, pixels))
            decoded = np.asarray(image, dtype=np.uint8) if is_valid else None
    except Exception as error:  # Pillow raises many types for a damaged file
        raise StimulusError(
            f"image {name} cannot be read ({error})",
            allowed="a whole JPEG file",
            todo="get the zip again from the public repository",
        ) from error
    if decoded is None:
        raise StimulusError(
            f"image {name}: {kind}",
            allowed=f"JPEG, color mode RGB (8 bits), {pixels} x {pixels}",
            todo="get the zip again from the public repository; images are never converted",
        )
    return decoded
