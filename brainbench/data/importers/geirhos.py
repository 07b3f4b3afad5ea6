"""Importer of Geirhos et al. 2019: cue-conflict images and the answers of ten subjects.

Each image has the shape of one object and the texture of another: cat3-clock1 has the shape of the third
cat. Ten subjects named each image once, as one of 16 categories. Two layouts are read: the files as published
(a folder of PNG images for each category, a CSV for each subject), and packed files (the same images as JPEG
in one zip, all answers in one CSV).
"""

from __future__ import annotations

import hashlib
import io
import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Literal, TypeAlias

import numpy as np
import pandas as pd
from PIL import Image

from brainbench.core import progress
from brainbench.core.assembly import Assembly
from brainbench.core.errors import DataAbsentError, InputError
from brainbench.core.pictures import read_picture
from brainbench.core.stimuli import Picture, StimulusSet, from_arrays
from brainbench.data.manifest import Manifest
from brainbench.data.published import (
    Publication,
    PublishedData,
    check,
    declared,
    version_of,
    write_images,
)
from brainbench.data.source_files import read_table, reading, unpack, wrong

Layout: TypeAlias = Literal["published", "packed"]

FORMAT = 1  # increased whenever the layout of imported files changes
LAYOUTS: tuple[Layout, ...] = ("published", "packed")
_NAME = re.compile(r"(?P<shape>[a-z]+)(?P<number>\d+)-(?P<texture>[a-z]+)(?P<picture>\d+)")
COLUMNS = ["subj", "object_response", "category", "imagename"]
_KEPT = ("images.npy", "answers.csv")
_LINE = 200  # bytes of an answer, at most


class Declared(Publication):
    """Parameters of the manifest: where images and trials are, and the width and height of every image.

    `answers` is the SHA-256 of all sorted answers, the same for both layouts (see `digest_of`), `packed` that
    of each packed file by name.
    """

    trials_repository: str
    trials_commit: str
    trials_folder: str
    pixels: int
    images: int
    subjects: int
    answers: str
    packed: dict[str, str]

    @property
    def place(self) -> str:
        """Where the images and the answers are published."""
        return (
            f"the folder {self.folder} of {self.repository} at {self.commit[:7]} and "
            f"{self.trials_folder} of {self.trials_repository} at {self.trials_commit[:7]}"
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class GeirhosData(PublishedData[Declared]):
    """Images whose shape and texture disagree, and the answers of ten subjects."""

    @property
    def version(self) -> str:
        """SHA-256 over the declared files and the imported layout: JPEG pixels are not PNG pixels."""
        return self._version(self._layout or "published")

    @property
    def kept(self) -> tuple[str, ...]:
        """Names of the files with images and answers."""
        return _KEPT

    def stimuli(self) -> StimulusSet:
        """Return all images, with object_name (the shape) and texture, and what lent them.

        These are exemplar (such as cat3) and texture_exemplar (such as clock1).
        """
        ids = sorted(self._table["stimulus_id"].unique())
        parts = pd.Series(ids).str.extract(_NAME)
        return from_arrays(
            self.name,
            self.array(_KEPT[0]),
            ids=ids,
            metadata={
                "object_name": parts["shape"].to_numpy(str),
                "texture": parts["texture"].to_numpy(str),
                "exemplar": (parts["shape"] + parts["number"]).to_numpy(str),
                "texture_exemplar": (parts["texture"] + parts["picture"]).to_numpy(str),
            },
        )

    def category_responses(self) -> pd.DataFrame:
        """Return one row per answer: stimulus_id, truth (the shape), choice (empty for none), subject."""
        return self._table.copy()

    def recordings(self, region: str) -> Assembly:
        """Raise InputError: nothing was recorded."""
        raise not_recorded(region, self.name)

    def import_from(self, given: Path) -> Path:
        """Check and convert the files; see `PublishedData.import_from`.

        The folder has copies of both published folders, or of the repositories that contain them, or the
        two packed files.
        """
        packed = all((given / name).is_file() for name in self.declared.packed)
        layout: Layout = "packed" if packed else "published"
        table = (_packed_answers if packed else _published_answers)(given, self.declared)
        _check_answers(table, self.declared)
        ids = sorted(table["stimulus_id"].unique())
        images = (_packed_images if packed else _published_images)(given, ids, self.declared)
        target = self._folder(layout)
        shape = (len(ids), self.declared.pixels, self.declared.pixels, 3)
        nbytes = math.prod(shape) + _LINE * len(table)
        with self.importing(target, len(ids), nbytes=nbytes) as (folder, step):
            write_images(folder / _KEPT[0], _counted(images, step), shape)
            table.to_csv(folder / _KEPT[1], index=False)
        return target

    @property
    def _layout(self) -> Layout | None:
        """Imported layout, or None; the published files if both are here."""
        return next((layout for layout in LAYOUTS if self._folder(layout).is_dir()), None)

    def _version(self, layout: Layout) -> str:
        parts = self.declared.model_dump(include={"answers", "commit", "packed", "pixels"})
        return version_of(f"geirhos {FORMAT} {layout}", parts)

    def _folder(self, layout: Layout) -> Path:
        return self.folder_of(self._version(layout))

    @cached_property
    def _table(self) -> pd.DataFrame:
        with self.opened(_KEPT[1]) as path:
            return pd.read_csv(path, dtype=str, keep_default_na=False)


def geirhos(manifest: Manifest) -> GeirhosData:
    """Return the data set of a manifest; InputError if its parameters are invalid."""
    return GeirhosData(name=manifest.name, declared=declared(manifest, Declared))


def not_recorded(region: str, name: str) -> InputError:
    """Return the error of data of behavior that is asked for recordings."""
    return InputError(
        f"recordings of {region} in {name}",
        allowed="category_responses(): subjects named images, no neuron was recorded",
        todo="choose a benchmark of behavior",
    )


def _counted(images: Iterable[Picture], step: progress.Advance) -> Iterator[Picture]:
    for image in images:
        yield image
        step(1)


def digest_of(table: pd.DataFrame) -> str:
    """Return the SHA-256 of answers: sorted lines subject,stimulus_id,choice."""
    lines = table["subject"] + "," + table["stimulus_id"] + "," + table["choice"] + "\n"
    return hashlib.sha256("".join(sorted(lines)).encode()).hexdigest()


def _packed_answers(given: Path, declared: Declared) -> pd.DataFrame:
    for name, checksum in declared.packed.items():
        check(
            given / name,
            checksum,
            allowed="the packed file, byte for byte",
            todo=f"get it again, or take the published files of {declared.repository}",
        )
    return _read_answers([given / name for name in declared.packed if name.endswith(".csv")])


def _published_answers(given: Path, declared: Declared) -> pd.DataFrame:
    folder = PurePosixPath(declared.trials_folder).name
    paths = sorted(given.glob(f"**/{folder}/*subject-*.csv"))
    if len(paths) != declared.subjects:
        raise DataAbsentError(
            f"{len(paths)} files *subject-*.csv in folders {folder}/ under {given}",
            allowed=f"{declared.subjects} files of {declared.trials_folder} of "
            f"{declared.trials_repository} at {declared.trials_commit[:7]}",
            todo="put a copy of that folder beside the images and give both with --from DIR",
        )
    return _read_answers(paths)


def _read_answers(paths: list[Path]) -> pd.DataFrame:
    return answers_of(pd.concat([read_table(path, COLUMNS) for path in paths], ignore_index=True))


def answers_of(raw: pd.DataFrame) -> pd.DataFrame:
    """Return answers by stimulus_id, truth, choice and subject, from the published `COLUMNS`."""
    answers = pd.DataFrame(
        {
            # Names of trials begin with their number and the session; the last part is the image.
            "stimulus_id": raw["imagename"].str.rsplit("_", n=1).str[-1].str.removesuffix(".png"),
            "truth": raw["category"],
            "choice": raw["object_response"].where(raw["object_response"] != "na", ""),
            "subject": raw["subj"],
        }
    )
    return answers.sort_values(["subject", "stimulus_id"], ignore_index=True)


def _check_answers(table: pd.DataFrame, declared: Declared) -> None:
    shapes = table["stimulus_id"].str.extract(_NAME)["shape"]
    mismatched = table[shapes.to_numpy() != table["truth"].to_numpy()]
    if len(mismatched):
        first = mismatched.iloc[0]
        raise wrong(
            f"{len(mismatched)} answers with another category than their image, for example "
            f"{first['stimulus_id']!r} of {first['truth']}",
            "names such as cat3-clock1, of the category cat",
        )
    sizes = (table["subject"].nunique(), table["stimulus_id"].nunique(), len(table))
    expected = (declared.subjects, declared.images, declared.subjects * declared.images)
    if sizes != expected or digest_of(table) != declared.answers:
        raise InputError(
            f"{sizes[2]} answers of {sizes[0]} subjects to {sizes[1]} images, SHA-256 "
            f"{digest_of(table)[:12]}...",
            allowed=f"{expected[2]} answers of {expected[0]} subjects to {expected[1]} images, SHA-256 "
            f"{declared.answers[:12]}...",
            todo=f"get {declared.trials_folder} again from {declared.trials_repository}",
        )


def _published_images(given: Path, ids: list[str], declared: Declared) -> Iterator[Picture]:
    folder = PurePosixPath(declared.folder).name
    paths = {path.stem: path for path in given.glob(f"**/{folder}/*/*.png")}
    _check_names(set(paths), ids, f"{folder}/*/*.png under {given}", declared)
    for name in ids:
        pixels = read_picture(paths[name])
        _check_size((pixels.shape[1], pixels.shape[0]), str(paths[name]), declared.pixels)
        yield pixels


def _packed_images(given: Path, ids: list[str], declared: Declared) -> Iterator[Picture]:
    (path,) = (given / name for name in declared.packed if name.endswith(".zip"))

    def order(files: list[str]) -> list[str]:
        members = {PurePosixPath(file).stem: file for file in files}
        _check_names(set(members), ids, str(path), declared)
        return [members[name] for name in ids]

    limit = 6 * declared.pixels**2 + 1_000_000
    for name, data in unpack(path, order, limit=limit, allowed="a whole zip of images"):
        with (
            reading(f"{path}:{name}", "a whole JPEG file"),
            Image.open(io.BytesIO(data), formats=("JPEG",)) as image,
        ):
            _check_size(image.size, f"{path}:{name}", declared.pixels)
            pixels = np.asarray(image.convert("RGB"), dtype=np.uint8)
        yield pixels


def _check_names(names: set[str], ids: list[str], where: str, declared: Declared) -> None:
    missing, stray = sorted(set(ids) - names), sorted(names - set(ids))
    if missing or stray:
        raise DataAbsentError(
            f"{where}: {len(missing)} images missing, {len(stray)} unexpected, for example "
            f"{(missing or stray)[0]!r}",
            allowed=f"the {len(ids)} images of {declared.folder} of {declared.repository} "
            f"at {declared.commit[:7]}",
            todo="put a copy of that folder beside the answers and give both with --from DIR",
        )


def _check_size(size: tuple[int, int], name: str, pixels: int) -> None:
    if size != (pixels, pixels):
        raise InputError(
            f"image {name} has {size[0]} x {size[1]} pixels",
            allowed=f"{pixels} x {pixels}",
            todo="use the images as published, without resizing them",
        )
