"""Macaque V4, Cowley, Stan, Pillow & Smith 2023: from the files of the public repository.

Of each session: images in a zip of JPEG, responses as a NumPy array. Spike counts in 100 ms, averaged over
repeats (neurons, images), and for some sessions each repeat (neurons, images, repeats), filled up with NaN
where an image was shown less often. The n-th image by name is the n-th column.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd
from PIL import Image
from pydantic import BaseModel, ConfigDict

from brainbench.core import assembly
from brainbench.core.assembly import Assembly
from brainbench.core.errors import InputError, StimulusError
from brainbench.core.stimuli import Picture, StimulusSet, from_arrays
from brainbench.data.arrays import ArrayData
from brainbench.data.manifest import Manifest
from brainbench.data.published import Published, PublishedData, declared, version_of, wrong

FloatArray: TypeAlias = npt.NDArray[np.float64]

FORMAT = 1
"""Raised whenever imported files look different."""
REGION = "V4"
UNITS = "spikes in 100 ms"


class Session(BaseModel):
    """What a manifest says about one session.

    Attributes
    ----------
    animal : str
        Which animal.
    neurons, images : int
        How many.
    repeats : int
        Most repeats of an image, where each repeat is published; 0 where only their mean is.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    animal: str
    neurons: int
    images: int
    repeats: int = 0


class Declared(Published):
    """Parameters of the manifest.

    Attributes
    ----------
    pixels : int
        Width and height of every image.
    sessions : dict of str to Session
        By name.
    """

    pixels: int
    sessions: dict[str, Session]


@dataclass(frozen=True, kw_only=True, eq=False)
class CowleyData(PublishedData[Declared]):
    """Sessions of macaque V4, each with images and neurons of its own.

    Parameters
    ----------
    name : str
        Name of the data set.
    declared : Declared
        Sessions and files.
    """

    @cached_property
    def version(self) -> str:
        """SHA-256 over the checksums of the source files, and how they are read."""
        parts = self.declared.model_dump(include={"sessions", "sha256", "pixels"})
        return version_of(f"cowley {FORMAT}", parts)

    @property
    def kept(self) -> list[str]:
        """Two files of each session."""
        return [kept for name in self.declared.sessions for kept in _kept(name)]

    def sessions(self) -> Mapping[str, ArrayData]:
        """Each session as a data set of its own, by name.

        Raises
        ------
        DataAbsentError
            The files have not been imported.
        """
        self.here()
        return {name: self._session(name) for name in sorted(self.declared.sessions)}

    def stimuli(self) -> StimulusSet:
        """Images of all sessions, one session after the other.

        Raises
        ------
        DataAbsentError
            The files have not been imported.
        """
        sets = [one.pictures for one in self.sessions().values()]
        where = [(one, row) for one in sets for row in range(len(one))]

        def read(row: int) -> Picture:
            one, index = where[row]
            return one.picture(index)

        return StimulusSet(
            identifier=self.name,
            metadata=pd.concat([one.metadata for one in sets], ignore_index=True),
            read=read,
            rows=tuple(range(len(where))),
        )

    def recordings(self, region: str) -> Assembly:
        """Sessions have no images in common: `sessions` gives the recordings of each.

        Raises
        ------
        InputError
            Always.
        """
        raise InputError(
            f"recordings of {region} in all of {self.name}",
            allowed="recordings of one session: each had images of its own",
            todo=f"take them from sessions()[NAME]: {', '.join(sorted(self.declared.sessions))}",
        )

    def import_from(self, given: Path) -> Path:
        """Check the published files, convert them, keep them in the data folder, and say where.

        Parameters
        ----------
        given : Path
            A copy of the published folder, or of the repository that holds it.

        Raises
        ------
        DataAbsentError
            Files that are missing.
        InputError
            A checksum, a shape or an image that is not as published.
        CacheError
            The data folder cannot be written, or the disk is full.
        """
        source = self.declared.find(given, name=self.name, holds="images/ and responses_raw/")
        images = sum(one.images for one in self.declared.sessions.values())
        with self.importing(self.folder, images) as (made, step):
            for name, session in sorted(self.declared.sessions.items()):
                pictures, responses = (made / kept for kept in _kept(name))
                values = recorded(source, name, session)
                path = source / f"images/images_{name}.zip"
                with path.open("rb") as stream:
                    shown = np.stack(list(_pictures(stream.read(), path, session, self.declared)))
                np.save(pictures, shown)
                assembly.save(_assembly(values, name, session), responses)
                step(session.images)
        return self.folder

    def _session(self, name: str) -> ArrayData:
        pictures, responses = (self.folder / kept for kept in _kept(name))
        with assembly.load(responses) as stored:
            recording = stored.load()
        shown = from_arrays(
            f"{self.name} {name}",
            np.load(pictures, mmap_mode="r"),
            ids=recording.coords["stimulus_id"].values.tolist(),
            metadata={"session": np.full(recording.sizes["stimulus"], name)},
        )
        return ArrayData(
            name=f"{self.name} {name}",
            pictures=shown,
            regions={REGION: recording},
            command=self.command,
        )


def cowley(manifest: Manifest) -> CowleyData:
    """Data set of a manifest.

    Raises
    ------
    InputError
        Parameters that are missing, unknown or mistyped.
    """
    return CowleyData(name=manifest.name, declared=declared(manifest, Declared))


def _kept(name: str) -> tuple[str, str]:
    """Names of the two files that are kept of a session."""
    return f"images_{name}.npy", f"responses_{name}.nc"


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


def recorded(source: Path, name: str, session: Session) -> FloatArray:
    """Responses of a session: (repetition, image, neuron) where repeats are published, else (image, neuron).

    Raises
    ------
    InputError
        Another shape than declared; NaN that does not stand for a repeat that was not made; repeats whose
        mean is not the published mean.
    """
    mean = _array(
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
    trials = _array(source / f"responses_raw/responses_{name}.npy", shape)
    _check_trials(trials, mean, name)
    return np.ascontiguousarray(trials.transpose(2, 1, 0))


def _array(path: Path, shape: tuple[int, ...]) -> FloatArray:
    try:
        array = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise wrong(f"{path} cannot be read ({error})", "a whole NumPy file of numbers") from error
    if array.shape != shape or array.dtype.kind != "f":
        raise wrong(
            f"{path} holds {array.dtype} of shape {array.shape}",
            f"floats of shape {shape}, as declared for the session",
        )
    return np.asarray(array, dtype=np.float64)


def _check_trials(trials: FloatArray, mean: FloatArray, name: str) -> None:
    there = ~np.isnan(trials)
    filled_up = (there[..., :-1] >= there[..., 1:]).all()
    together = (there == there[:1]).all()
    if np.isinf(trials).any() or not (filled_up and together and there[..., 0].all()):
        raise wrong(
            f"repeats of session {name}: NaN in other places than after the last repeat of an image",
            "NaN only where an image was shown less often, for all neurons alike",
        )
    averaged = np.where(there, trials, 0.0).sum(axis=2) / there.sum(axis=2)
    if not np.allclose(averaged, mean, rtol=1e-9, atol=1e-9):
        raise wrong(
            f"repeats of session {name}: their mean is not the published mean "
            f"(largest difference {np.abs(averaged - mean).max():.3g})",
            "repeats and means of the same session, neurons and images in the same order",
        )


def _pictures(
    content: bytes, path: Path, session: Session, declared: Declared
) -> Iterator[Picture]:
    """Images of a session's zip, in the order of their names."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = [one for one in archive.namelist() if not one.endswith("/")]
            for member in _ordered(members, path, session.images):
                data = archive.read(member)
                yield _decoded(data, f"{path}:{member}", declared.pixels)
    except zipfile.BadZipFile as error:
        raise wrong(f"{path} cannot be read ({error})", "a whole zip of images") from error


def _ordered(members: list[str], path: Path, n: int) -> list[str]:
    """Members sorted by name; these must be image0001.jpg to the last, and nothing else."""
    expected = {f"image{k + 1:04d}.jpg" for k in range(n)}
    names = [PurePosixPath(member).name for member in members]
    stray = sorted(set(names) - expected)
    missing = sorted(expected - set(names))
    if stray or missing or len(members) != n:
        differ = [
            f"{names[0]!r} {what}"
            for names, what in ((stray, "is too many"), (missing, "is missing"))
            if names
        ]
        raise wrong(
            f"{path} holds {len(members)} files: " + (", ".join(differ) or "some of them twice"),
            f"image0001.jpg to image{n:04d}.jpg, as many as there are responses, and nothing else",
        )
    return sorted(members, key=lambda member: PurePosixPath(member).name)


def _decoded(data: bytes, name: str, pixels: int) -> Picture:
    try:
        with Image.open(io.BytesIO(data)) as image:
            found = f"{image.format}, color mode {image.mode}, {image.width} x {image.height}"
            good = (image.format, image.mode, image.size) == ("JPEG", "RGB", (pixels, pixels))
            decoded = np.asarray(image, dtype=np.uint8) if good else None
    except Exception as error:  # Pillow raises nearly anything for a damaged file
        raise StimulusError(
            f"image {name} cannot be read ({error})",
            allowed="a whole JPEG file",
            todo="get the zip again from the public repository",
        ) from error
    if decoded is None:
        raise StimulusError(
            f"image {name}: {found}",
            allowed=f"JPEG, color mode RGB (8 bits), {pixels} x {pixels}",
            todo="get the zip again from the public repository; images are never converted here",
        )
    return decoded
