"""Importer of Cichy et al. 2014: RDMs of 15 people in early visual cortex and IT, of 92 images.

The images are those of Kriegeskorte2008, in the same order, as JPEG. Voxels are not published, only the
dissimilarities of all pairs of images for each person.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import xarray as xr
from scipy.spatial.distance import squareform

from brainbench.core.assembly import Assembly
from brainbench.core.errors import InputError, unknown
from brainbench.core.pictures import decode_picture
from brainbench.core.stimuli import StimulusSet, from_arrays
from brainbench.data.declared_files import DeclaredData, DeclaredFiles, FoundFiles
from brainbench.data.manifest import Manifest
from brainbench.data.offers import Facts, RegionFacts
from brainbench.data.published import declared
from brainbench.data.source_files import reading, wrong

FloatArray: TypeAlias = npt.NDArray[np.float64]

FORMAT = "cichy 1"  # raised whenever the layout of imported files changes
REGIONS = ("EVC", "IT")
KEPT = ("images.npy", "dissimilarities.npz")
_IMAGES = "92images"
_ROUNDING = 1e-9  # largest difference of the two halves of a symmetric matrix


class Declared(DeclaredFiles):
    """Parameters of the manifest: numbers of images and people, and the width of an image in pixels."""

    images: int
    pixels: int
    people: int


@dataclass(frozen=True, kw_only=True, eq=False)
class CichyData(DeclaredData[Declared]):
    """Images, and dissimilarities of their pairs in EVC and IT of each person."""

    reader = FORMAT
    population = "people"

    @property
    def kept(self) -> tuple[str, ...]:
        """Names of the files with images, and with dissimilarities."""
        return KEPT

    @property
    def regions(self) -> tuple[str, ...]:
        """Names of the regions."""
        return REGIONS

    @property
    def facts(self) -> Facts:
        """What is there: dissimilarities alone."""
        return Facts(
            regions={region: RegionFacts(dissimilarities=True) for region in REGIONS}, objects={}
        )

    def stimuli(self) -> StimulusSet:
        """Return the images in the order of the dissimilarities."""
        pictures = self.array(KEPT[0])
        ids = [f"image{k + 1:02d}" for k in range(len(pictures))]
        return from_arrays(self.name, pictures, ids=ids)

    def recordings(self, region: str) -> Assembly:
        """Raise InputError: only `dissimilarities` are published."""
        raise InputError(
            f"recordings of {region} in {self.name}",
            allowed="dissimilarities: the responses of the voxels are not published",
            todo="use a benchmark that compares RDMs, such as Cichy2014.IT-rsa",
        )

    def dissimilarities(self, region: str) -> xr.DataArray:
        """Return the dissimilarity of each pair of images for each person, dims (subject, pair).

        Pairs are i < j in the order of `stimuli`, as in scipy's `squareform`. UnknownNameError for a region
        other than "EVC" and "IT".
        """
        if region not in REGIONS:
            raise unknown(f"region of {self.name}:", region, list(REGIONS), todo="choose one")
        with self.opened(KEPT[1]) as path, np.load(path, allow_pickle=False) as stored:
            values = stored[region]
        people = [f"subject{k + 1:02d}" for k in range(len(values))]
        return xr.DataArray(
            values, dims=("subject", "pair"), coords={"subject": people}, attrs={"units": "a.u."}
        )

    def import_from(self, given: Path) -> Path:
        """Check and convert the published files; see `PublishedData.import_from`.

        The images may lie in a zip file.
        """
        found, sizes = self.declared.found(given, name=self.name), self.declared
        nbytes = (
            sizes.images * sizes.pixels**2 * 3 + 8 * len(REGIONS) * sizes.people * sizes.images**2
        )
        with self.importing(self.folder, len(REGIONS) + 1, nbytes=nbytes) as (folder, step):
            rdms = {}
            for region in REGIONS:
                rdms[region] = _dissimilarities(found, f"fmri_{region}_RDMs.npz", sizes)
                step(1)
            np.save(folder / KEPT[0], _images(found, sizes))
            np.savez(folder / KEPT[1], **rdms)  # type: ignore[arg-type]
            step(1)
        return self.folder


def cichy(manifest: Manifest) -> CichyData:
    """Return the data set of a manifest; InputError if its parameters are invalid."""
    return CichyData(name=manifest.name, declared=declared(manifest, Declared))


def _images(found: FoundFiles, sizes: Declared) -> npt.NDArray[np.uint8]:
    paths, shape = found.below(_IMAGES, ".jpg"), (sizes.pixels, sizes.pixels, 3)
    if len(paths) != sizes.images:
        raise wrong(f"{len(paths)} images are declared", f"{sizes.images} images")
    pictures = [decode_picture(found.stream(path), path) for path in paths]
    for path, picture in zip(paths, pictures, strict=True):
        if picture.shape != shape:
            raise wrong(f"{path} of shape {picture.shape}", f"images of shape {shape}")
    return np.stack(pictures)


def _dissimilarities(found: FoundFiles, path: str, sizes: Declared) -> FloatArray:
    """Return the RDM of each person, subject x pair."""
    shape = (sizes.people, sizes.images, sizes.images)
    allowed = f"Net_RDM, finite symmetric dissimilarities (subject, image, image) of shape {shape}"
    with reading(path, allowed), np.load(found.stream(path), allow_pickle=False) as stored:
        rdms = np.asarray(stored["Net_RDM"], dtype=np.float64)
    if rdms.shape != shape or not np.isfinite(rdms).all():
        n_bad = int((~np.isfinite(rdms)).sum())
        raise wrong(f"{path}: shape {rdms.shape}, {n_bad} not finite", allowed)
    is_symmetric = np.abs(rdms - rdms.transpose(0, 2, 1)).max() < _ROUNDING
    if not is_symmetric or np.diagonal(rdms, axis1=1, axis2=2).any():
        raise wrong(f"{path}: not symmetric, or not 0 on a diagonal", allowed)
    return np.stack([squareform(rdm, checks=False) for rdm in rdms])
