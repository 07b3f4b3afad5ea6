"""Importer of the edges and silhouettes of Geirhos et al. 2019, and the answers of ten people to each.

A folder of PNG images for each category, and a CSV for each person; each person named each image once, as one
of 16 categories. Copies of the files serve, and zip files with the images.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath

import numpy as np
import numpy.typing as npt
import pandas as pd

from brainbench.core import progress
from brainbench.core.assembly import Assembly
from brainbench.core.pictures import decode_picture
from brainbench.core.stimuli import StimulusSet, from_arrays
from brainbench.data.declared_files import DeclaredData, DeclaredFiles, FoundFiles
from brainbench.data.facts import objects_of
from brainbench.data.importers.geirhos import COLUMNS, answers_of, not_recorded
from brainbench.data.manifest import Manifest
from brainbench.data.offers import Facts
from brainbench.data.published import declared
from brainbench.data.source_files import reading, wrong

FORMAT = "geirhos objects 1"  # raised whenever the layout of imported files changes
KEPT = ("images.npy", "answers.csv")


class Declared(DeclaredFiles):
    """Parameters of the manifest: numbers of images and people, the width of an image, and the folders.

    `shown` has a folder of images for each category, `answers` a CSV for each person.
    """

    images: int
    people: int
    pixels: int
    shown: str
    answers: str


@dataclass(frozen=True, kw_only=True, eq=False)
class GeirhosObjects(DeclaredData[Declared]):
    """Images of objects without their texture, and the answers of people."""

    reader = FORMAT

    @property
    def kept(self) -> tuple[str, ...]:
        """Names of the files with images and answers."""
        return KEPT

    @property
    def facts(self) -> Facts:
        """What is there: answers, and images of each category."""
        return Facts(
            regions={},
            objects=objects_of(self.stimuli()),
            tables=("category_responses",),
        )

    def stimuli(self) -> StimulusSet:
        """Return the images, sorted by name, with object_name."""
        shown = self._table.drop_duplicates("stimulus_id").sort_values("stimulus_id")
        return from_arrays(
            self.name,
            self.array(KEPT[0]),
            ids=shown["stimulus_id"].tolist(),
            metadata={"object_name": shown["truth"].to_numpy(str)},
        )

    def category_responses(self) -> pd.DataFrame:
        """Return one row per answer: stimulus_id, truth, choice (empty for none), subject."""
        return self._table.copy()

    def recordings(self, region: str) -> Assembly:
        """Raise InputError: nothing was recorded."""
        raise not_recorded(region, self.name)

    def import_from(self, given: Path) -> Path:
        """Check and convert the published files; see `PublishedData.import_from`."""
        found, sizes = self.declared.found(given, name=self.name), self.declared
        shape = (sizes.images, sizes.pixels, sizes.pixels, 3)
        table = _answers(found, sizes)
        nbytes = math.prod(shape) + 200 * len(table)
        with self.importing(self.folder, sizes.images, nbytes=nbytes) as (folder, step):
            np.save(folder / KEPT[0], _images(found, sizes, table, step))
            table.to_csv(folder / KEPT[1], index=False)
        return self.folder

    @cached_property
    def _table(self) -> pd.DataFrame:
        with self.opened(KEPT[1]) as path:
            return pd.read_csv(path, dtype=str, keep_default_na=False)


def geirhos_objects(manifest: Manifest) -> GeirhosObjects:
    """Return the data set of a manifest; InputError if its parameters are invalid."""
    return GeirhosObjects(name=manifest.name, declared=declared(manifest, Declared))


def _answers(found: FoundFiles, sizes: Declared) -> pd.DataFrame:
    """Return every answer, after comparing their numbers and categories with what was published."""
    paths = found.below(sizes.answers, ".csv")
    allowed = f"a CSV with the columns {', '.join(COLUMNS)}"
    tables = []
    for path in paths:
        with reading(path, allowed):
            tables.append(
                pd.read_csv(found.stream(path), usecols=COLUMNS, dtype=str, keep_default_na=False)
            )
    table = answers_of(pd.concat(tables, ignore_index=True).fillna("")) if tables else None
    expected = (sizes.people, sizes.images, sizes.people * sizes.images)
    n = (0, 0, 0) if table is None else (
        table["subject"].nunique(), table["stimulus_id"].nunique(), len(table),
    )  # fmt: skip
    is_twice = table is None or table.duplicated(["subject", "stimulus_id"]).any()
    if table is None or n != expected or is_twice:
        raise wrong(
            f"{n[2]} answers of {n[0]} people to {n[1]} images in {sizes.answers}",
            f"{expected[2]} answers of {expected[0]} people, each to each of {expected[1]} images",
        )
    return table


def _images(
    found: FoundFiles, sizes: Declared, table: pd.DataFrame, step: progress.Advance
) -> npt.NDArray[np.uint8]:
    """Return the images sorted by name; InputError for other names or categories than the answers say."""
    folders = {
        PurePosixPath(path).stem: PurePosixPath(path) for path in found.below(sizes.shown, ".png")
    }
    truth = dict(zip(table["stimulus_id"], table["truth"], strict=True))
    unlike = sorted(set(truth) ^ set(folders)) or sorted(
        name for name, path in folders.items() if path.parent.name != truth[name]
    )
    if unlike:
        raise wrong(
            f"{len(unlike)} images whose names or categories differ from those of the answers, for "
            f"example {unlike[0]!r}",
            f"images {sizes.shown}/CATEGORY/NAME.png, each named in the answers with its category",
        )
    shape = (sizes.pixels, sizes.pixels, 3)
    pictures = []
    for name in sorted(folders):
        path = str(folders[name])
        pictures.append(decode_picture(found.stream(path), path))
        if pictures[-1].shape != shape:
            raise wrong(f"{path} of shape {pictures[-1].shape}", f"images of shape {shape}")
        step(1)
    return np.stack(pictures)
