"""Importer of Kriegeskorte et al. 2008: RDMs of 92 images in monkey IT, human IT and human judgments.

The files are those of the toolbox that republishes them (MATLAB 5, read by scipy; never a pickle). Responses
are not published, only the dissimilarities of all pairs of images: 1 - Pearson over 674 neurons of monkey
IT, 1 - Pearson over voxels of human IT, and human similarity judgments.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import scipy.io
import xarray as xr
from scipy.spatial.distance import squareform

from brainbench.core.assembly import Assembly
from brainbench.core.errors import InputError, unknown
from brainbench.core.stimuli import StimulusSet, from_arrays
from brainbench.data.manifest import Manifest
from brainbench.data.published import Published, PublishedData, declared, version_of
from brainbench.data.source_files import reading, wrong

FloatArray: TypeAlias = npt.NDArray[np.float64]

FORMAT = 1  # increased whenever the layout of imported files changes
MONKEY, HUMAN, JUDGED = "IT", "human IT", "judgements"
REGIONS = (MONKEY, HUMAN, JUDGED)
FILES = ("Kriegeskorte_Neuron2008_supplementalData.mat", "92_brainRDMs.mat", "92_behavRDMs.mat")
KEPT = ("images.npy", "dissimilarities.npz")
_OVERHEAD = 1_000_000  # bytes of metadata


class Declared(Published):
    """Parameters of the manifest: sizes, scanned subjects and sessions of each, and subjects who judged."""

    images: int
    pixels: int
    subjects: int
    sessions: int
    judges: int


@dataclass(frozen=True, kw_only=True, eq=False)
class KriegeskorteData(PublishedData[Declared]):
    """Images, and dissimilarities of their pairs in monkey IT, human IT and human judgments."""

    @cached_property
    def version(self) -> str:
        """SHA-256 over the checksums of the source files and how they are read."""
        parts = self.declared.model_dump(exclude={"repository", "commit", "folder"})
        return version_of(f"kriegeskorte {FORMAT}", parts)

    @property
    def kept(self) -> tuple[str, ...]:
        """Names of the files with images, and with dissimilarities and metadata."""
        return KEPT

    def stimuli(self) -> StimulusSet:
        """Return the 92 images on gray, with category and flags."""
        with self.opened(KEPT[1]) as path, np.load(path, allow_pickle=False) as stored:
            metadata = {key: stored[key] for key in ("object_name", "animal", "face", "natural")}
        pictures = self.array(KEPT[0])
        return from_arrays(self.name, pictures, ids=_ids(len(pictures)), metadata=metadata)

    def recordings(self, region: str) -> Assembly:
        """Raise InputError: only `dissimilarities` are published."""
        raise InputError(
            f"recordings of {region} in {self.name}",
            allowed="dissimilarities: the responses of the neurons are not published",
            todo="use a benchmark that compares RDMs, such as Kriegeskorte2008.IT-rsa",
        )

    @property
    def regions(self) -> tuple[str, ...]:
        """Name of the region that models are compared with; further dissimilarities are given beside it."""
        return (MONKEY,)

    def dissimilarities(self, region: str) -> xr.DataArray:
        """Return the dissimilarity of each pair of images for each subject, dims (subject, pair).

        Regions are "IT" (monkey: one RDM of the neurons of two animals), "human IT" (each subject, mean over
        sessions) and "judgements" (each subject); another is an UnknownNameError. Pairs are i < j in the
        order of `stimuli`, as in scipy's `squareform`.
        """
        if region not in REGIONS:
            raise unknown(f"region of {self.name}:", region, list(REGIONS), todo="choose one")
        with self.opened(KEPT[1]) as path, np.load(path, allow_pickle=False) as stored:
            subjects, values = stored[f"subjects of {region}"], stored[region]
        return xr.DataArray(
            values, dims=("subject", "pair"), coords={"subject": subjects}, attrs={"units": "a.u."}
        )

    def import_from(self, given: Path) -> Path:
        """Check and convert the published files; see `PublishedData.import_from`."""
        source = self.declared.find(given, name=self.name, holds=FILES[0])
        sizes = self.declared
        pairs = (1 + sizes.subjects + sizes.judges) * sizes.images * (sizes.images - 1) // 2
        nbytes = sizes.images * sizes.pixels**2 * 3 + pairs * 8 + _OVERHEAD
        with self.importing(self.folder, len(FILES), nbytes=nbytes) as (folder, step):
            study, brains, judges = (_read_matlab(source / name) for name in FILES)
            pictures, metadata = _images(study, self.declared)
            step(1)
            rdms = _dissimilarities(study, brains, judges, self.declared)
            np.save(folder / KEPT[0], pictures)
            np.savez(folder / KEPT[1], **metadata, **rdms)  # type: ignore[arg-type]
            step(2)
        return self.folder


def kriegeskorte(manifest: Manifest) -> KriegeskorteData:
    """Return the data set of a manifest; InputError if its parameters are invalid."""
    return KriegeskorteData(name=manifest.name, declared=declared(manifest, Declared))


def _ids(n: int) -> list[str]:
    return [f"image{k + 1:02d}" for k in range(n)]


def _read_matlab(path: Path) -> dict[str, Any]:
    with reading(path, "a whole MATLAB file"):
        content: dict[str, Any] = scipy.io.loadmat(path, squeeze_me=True, struct_as_record=False)
    return {"file": path.name, **content}


def _entry(content: Mapping[str, Any], name: str, shape: tuple[int, ...]) -> npt.NDArray[Any]:
    entry: Any = content.get(name)
    if not isinstance(entry, np.ndarray) or entry.shape != shape:
        what = "absent" if entry is None else f"of shape {np.shape(entry)}"
        raise wrong(f"{content['file']}: {name} is {what}", f"an array of shape {shape}")
    return entry


def _images(
    study: Mapping[str, Any], sizes: Declared
) -> tuple[npt.NDArray[np.uint8], dict[str, npt.NDArray[Any]]]:
    stimuli = _entry(study, "stimuli_92objs", (sizes.images,))
    shape = (sizes.pixels, sizes.pixels, 3)
    for k, stimulus in enumerate(stimuli):
        image = np.asarray(getattr(stimulus, "image", 0))
        if image.shape != shape or image.dtype != np.uint8:
            raise wrong(
                f"image {k + 1}: {image.dtype} of shape {image.shape}", f"uint8 of shape {shape}"
            )
    flags = {
        key: np.array([bool(getattr(stimulus, key)) for stimulus in stimuli])
        for key in ("animal", "face", "natural")
    }
    names = np.array([str(stimulus.category) for stimulus in stimuli])
    return np.stack([stimulus.image for stimulus in stimuli]), {"object_name": names, **flags}


def _dissimilarities(
    study: Mapping[str, Any], brains: Mapping[str, Any], judges: Mapping[str, Any], sizes: Declared
) -> dict[str, npt.NDArray[Any]]:
    """Return the RDMs of each region, subject x pair, and the names of the subjects."""
    monkey = _entry(study, "RDMs_mIT_hIT_fig1", (2,))[0]
    scanned = _entry(brains, "RDMs", (sizes.subjects, sizes.sessions))
    judged = _entry(judges, "rdms_behav_92", (sizes.judges,))
    n = sizes.images
    human = np.stack([[_pairs(rdm, n) for rdm in subject] for subject in scanned]).mean(axis=1)
    return {
        MONKEY: _pairs(monkey, n)[None],
        f"subjects of {MONKEY}": np.array([str(monkey.name)]),
        HUMAN: human,
        f"subjects of {HUMAN}": _names([subject[0] for subject in scanned]),
        JUDGED: np.stack([_pairs(rdm, n) for rdm in judged]),
        f"subjects of {JUDGED}": _names(judged),
    }


def _names(rdms: Sequence[Any] | npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return the second part of names such as "hIT | BE | Session: 1"."""
    return np.array([str(rdm.name).split("|")[1].strip() for rdm in rdms])


def _pairs(rdm: Any, n: int) -> FloatArray:
    """Return the pairs i < j of an RDM that is stored as a square or as these pairs."""
    values = np.asarray(rdm.RDM, dtype=np.float64)
    if values.shape == (n, n):
        if not np.array_equal(values, values.T) or np.diagonal(values).any():
            raise wrong(f"RDM {rdm.name!r} is not symmetric, or not 0 on its diagonal", "an RDM")
        values = squareform(values)
    if values.shape != (n * (n - 1) // 2,) or not np.isfinite(values).all():
        raise wrong(
            f"RDM {rdm.name!r} of shape {values.shape}, {int((~np.isfinite(values)).sum())} not finite",
            f"finite dissimilarities of {n} images",
        )
    return values
