"""Importer of Hénaff et al. 2021: single trials of macaque V1 to frames of films.

Ten films of eleven frames were shown at two scales, frame by frame, each frame alone. Beside the natural
films there are synthetic ones, which go in a straight line from the first to the last frame, and of four
films the first frame at rising contrast. Each population has a MATLAB 7.3 file (HDF5, axes reversed), each
frame a PNG.

Index i of the responses is frame i + 1 in all three categories. Of the synthetic films the first and last
frame are those of the natural one, and of the contrasts the last: the responses are bit-equal copies, which
is checked, and left out, so that each picture has one row.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import h5py
import numpy as np
import numpy.typing as npt
import pandas as pd

from brainbench.core import progress
from brainbench.core.assembly import Assembly, make
from brainbench.core.errors import unknown
from brainbench.core.pictures import decode_picture
from brainbench.core.stimuli import GROUP, StimulusSet, from_arrays
from brainbench.data.declared_files import DeclaredData, DeclaredFiles, FoundFiles
from brainbench.data.manifest import Manifest
from brainbench.data.offers import Facts, RegionFacts
from brainbench.data.published import declared
from brainbench.data.source_files import reading, wrong

AnyArray: TypeAlias = npt.NDArray[Any]

FORMAT = "henaff 1"  # raised whenever the layout of imported files changes
REGION = "V1"
KEPT = ("images.npy", "trials.npy", "sites.csv", "estimates.csv")
CATEGORIES = ("natural", "synthetic", "contrast")
SCALES = ("zoom1x", "zoom2x")
_STRUCT = "naturalStruct"
_RESPONSES = f"{_STRUCT}/sortedResponses"
_ESTIMATES = {
    "Dataset": "population",
    "sequence type": "category",
    "Index": "sequence",
    "dither": "step",
    "Pixel curvature": "pixels",
    "Delta Curvature: neural": "change",
}


class Declared(DeclaredFiles):
    """Parameters of the manifest: films, frames of each, width of an image, films shown at rising contrast.

    `responses`, `images` and `estimates` are the folders of the populations and pictures, and the file of
    the published curvatures.
    """

    films: int
    frames: int
    pixels: int
    contrast: tuple[int, ...]
    responses: str
    images: str
    estimates: str


class Condition(NamedTuple):
    """A frame as it was shown, with the indices of its responses."""

    scale: str
    film: int  # from 1
    category: str
    frame: int  # from 1

    @property
    def name(self) -> str:
        """Its stimulus id."""
        return f"{self.scale}-film{self.film:02d}-{self.category}{self.frame:02d}"

    @property
    def place(self) -> tuple[int, int, int, int]:
        """Its place in (frame, film, category, scale)."""
        places = CATEGORIES.index(self.category), SCALES.index(self.scale)
        return (self.frame - 1, self.film - 1, *places)


@dataclass(frozen=True, kw_only=True, eq=False)
class HenaffData(DeclaredData[Declared]):
    """Frames of films, and the spikes of V1 in 0.2 s of single trials."""

    reader = FORMAT

    @property
    def kept(self) -> tuple[str, ...]:
        """Names of the files with images, trials, sites, and the published curvatures."""
        return KEPT

    @property
    def regions(self) -> tuple[str, ...]:
        """Name of the only region."""
        return (REGION,)

    @property
    def facts(self) -> Facts:
        """What is there: trials of V1, of unequal number."""
        shown = np.isfinite(self.array(KEPT[1])).sum(axis=0)
        most, least = int(shown.max()), int(shown.min())
        region = RegionFacts(sites=shown.shape[1], trials=most, least_trials=least)
        return Facts(regions={REGION: region}, objects={})

    def stimuli(self) -> StimulusSet:
        """Return the frames, gray, with scale, film, category and frame; `group` is the film.

        Frames of a film are near copies of each other, at both scales and in all categories.
        """
        shown = conditions(self.declared)
        gray = self.array(KEPT[0])
        films = [f"film{one.film:02d}" for one in shown]
        return from_arrays(
            self.name,
            np.broadcast_to(gray[..., None], (*gray.shape, 3)),
            ids=[one.name for one in shown],
            metadata={
                "scale": [one.scale for one in shown],
                "film": films,
                "category": [one.category for one in shown],
                "frame": [one.frame for one in shown],
                GROUP: films,
            },
        )

    def recordings(self, region: str) -> Assembly:
        """Return the trials of V1, dims (repetition, stimulus, neuroid), in spikes; NaN where not shown.

        Neuroids have the coordinates session (the population) and animal. UnknownNameError for another
        region.
        """
        if region != REGION:
            raise unknown(f"region of {self.name}:", region, [REGION], todo="choose it")
        with self.opened(KEPT[2]) as path:
            sites = pd.read_csv(path, dtype=str)
        return make(
            self.array(KEPT[1]),
            stimulus={"stimulus_id": [one.name for one in conditions(self.declared)]},
            neuroid={str(column): sites[column].to_numpy(str) for column in sites},
            repetitions=True,
            units="spikes in 200 ms",
            attrs={"missing": "nan"},
        )

    def curvature_estimates(self) -> pd.DataFrame:
        """Return the published curvatures of each film and population.

        Columns population, category, scale, film (as in `stimuli`), step (of the recovery analysis, 1 or 2),
        pixels (degrees), and change: neural less pixel curvature, in degrees.
        """
        with self.opened(KEPT[3]) as path:
            return pd.read_csv(path)

    def import_from(self, given: Path) -> Path:
        """Check and convert the published files; see `PublishedData.import_from`."""
        found, sizes = self.declared.found(given, name=self.name), self.declared
        shown, populations = conditions(sizes), found.below(sizes.responses, ".mat")
        if not populations:
            raise wrong(f"no population in {sizes.responses}", "a MATLAB file for each population")
        nbytes = len(shown) * sizes.pixels**2 + 100_000_000
        with self.importing(self.folder, len(shown), nbytes=nbytes) as (folder, step):
            parts = [_population(found, path, shown, sizes) for path in populations]
            trials = _padded([trials for trials, _ in parts])
            np.save(folder / KEPT[1], trials)
            pd.concat([sites for _, sites in parts]).to_csv(folder / KEPT[2], index=False)
            _estimates(found, sizes).to_csv(folder / KEPT[3], index=False)
            np.save(folder / KEPT[0], np.stack(list(_images(found, shown, sizes, step))))
        return self.folder


def henaff(manifest: Manifest) -> HenaffData:
    """Return the data set of a manifest; InputError if its parameters are invalid."""
    return HenaffData(name=manifest.name, declared=declared(manifest, Declared))


def conditions(sizes: Declared) -> list[Condition]:
    """Return every frame that has a picture of its own: synthetic ends and the last contrast have none."""
    frames = {
        "natural": range(1, sizes.frames + 1),
        "synthetic": range(2, sizes.frames),
        "contrast": range(1, sizes.frames),
    }
    return [
        Condition(scale, film, category, frame)
        for scale in SCALES
        for film in range(1, sizes.films + 1)
        for category in CATEGORIES
        for frame in frames[category]
        if category != "contrast" or (scale == SCALES[0] and film in sizes.contrast)
    ]


def _population(
    found: FoundFiles, path: str, shown: list[Condition], sizes: Declared
) -> tuple[AnyArray, pd.DataFrame]:
    """Return the trials of a population, repetition x condition x unit, and what is known of its units."""
    tail = (sizes.frames, sizes.films, len(CATEGORIES), len(SCALES))
    allowed = f"{_RESPONSES} of whole numbers (repetition, unit, *{tail}), NaN where not shown"
    with reading(path, allowed), h5py.File(found.stream(path)) as file:
        responses = np.asarray(file[_RESPONSES][()], dtype=np.float64)
        animal, penetration = (_text(file[f"{_STRUCT}/{key}"][()]) for key in _WHO)
    if responses.ndim != 6 or responses.shape[2:] != tail or not responses.size:
        raise wrong(f"{path}: responses of shape {responses.shape}", allowed)
    _check_copies(responses, path, sizes)
    picked = np.stack([responses[:, :, *one.place] for one in shown], axis=1)
    counts = picked[np.isfinite(picked)]
    if (
        not np.isfinite(picked).any(axis=0).all()
        or (counts != np.round(counts)).any()
        or (counts < 0).any()
    ):
        raise wrong(f"{path}: conditions without a trial, or responses that are no counts", allowed)
    session = f"{animal}_{penetration}"
    names = [f"{session}_{k + 1:02d}" for k in range(picked.shape[2])]
    return picked, pd.DataFrame({"neuroid_id": names, "session": session, "animal": animal})


_WHO = ("monkey_ID", "penetration_ID")


def _text(codes: AnyArray) -> str:
    return "".join(chr(int(code)) for code in codes.ravel())


def _check_copies(responses: AnyArray, path: str, sizes: Declared) -> None:
    """Raise InputError unless shared frames have the same responses: it proves which index is which frame."""
    last = sizes.frames - 1
    natural, synthetic, contrast = (responses[..., k, :] for k in range(len(CATEGORIES)))
    films = [film - 1 for film in sizes.contrast]
    pairs = [
        (natural[:, :, [0, last]], synthetic[:, :, [0, last]]),
        (natural[:, :, last, films, 0], contrast[:, :, last, films, 0]),
    ]
    if not all(np.array_equal(one, other, equal_nan=True) for one, other in pairs):
        raise wrong(
            f"{path}: the frames that films share have different responses",
            "the first and last frame of synthetic films, and the last contrast, as copies of natural ones",
        )


def _padded(parts: list[AnyArray]) -> npt.NDArray[np.float32]:
    """Return the trials of all populations side by side, NaN where one has fewer repetitions."""
    most = max(len(part) for part in parts)
    padded = [
        np.pad(part, ((0, most - len(part)), (0, 0), (0, 0)), constant_values=np.nan)
        for part in parts
    ]
    return np.concatenate(padded, axis=2).astype(np.float32)


def _images(
    found: FoundFiles, shown: list[Condition], sizes: Declared, step: progress.Advance
) -> Iterator[npt.NDArray[np.uint8]]:
    """Yield the gray picture of each condition."""
    shape = (sizes.pixels, sizes.pixels, 3)
    for one in shown:
        path = (
            f"{sizes.images}/stimSelected-{one.scale}/movie{one.film}/"
            f"{one.category}{one.frame:02d}.png"
        )
        if path not in found.declared:
            raise wrong(f"no file {path} is declared", "a picture of every condition")
        picture = decode_picture(found.stream(path), path)
        if picture.shape != shape or (picture != picture[..., :1]).any():
            raise wrong(f"{path} of shape {picture.shape}", f"gray pictures of shape {shape}")
        yield picture[..., 0]
        step(1)


def _estimates(found: FoundFiles, sizes: Declared) -> pd.DataFrame:
    """Return the published curvatures, one row for each film, category, scale, population and step."""
    allowed = f"a CSV with the columns {', '.join(_ESTIMATES)}"
    if sizes.estimates not in found.declared:
        raise wrong(f"no file {sizes.estimates} is declared", allowed)
    with reading(sizes.estimates, allowed):
        table = pd.read_csv(found.stream(sizes.estimates), usecols=list(_ESTIMATES))
    table = table.rename(columns=_ESTIMATES)
    # Films are numbered through all populations, both scales of each one after the other.
    n_sequences, index = len(SCALES) * sizes.films, table.pop("sequence").to_numpy(int) - 1
    number = index % n_sequences
    rows = table.groupby(["population", "category", "step"], sort=False).size()
    if set(rows) != {n_sequences} or set(table["category"]) != {1, 2}:
        raise wrong(
            f"{sizes.estimates} with {sorted(set(rows))} rows for a population, category and step",
            f"{n_sequences} rows for each, of the categories 1 (natural) and 2 (synthetic)",
        )
    return table.assign(
        population=table["population"].str.removesuffix("_image_sequences"),
        category=np.array(CATEGORIES)[table["category"].to_numpy(int) - 1],
        scale=np.array(SCALES)[number // sizes.films],
        film=[f"film{k % sizes.films + 1:02d}" for k in number],
    )
