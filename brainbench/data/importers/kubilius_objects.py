"""Importer of the new objects of Kubilius et al. 2019 (3.4): choices of people between two of 20 objects.

The authors have not published them, nor a layout. Ours is a folder of three parts, as anyone can write them:

    stimuli.csv     stimulus_id, object_name, filename: a row for each image
    trials.csv      stimulus_id, truth, distractor, choice, and subject if known: a row for each trial
    images/         the image files
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pandas as pd

from brainbench.core.errors import DataAbsentError
from brainbench.core.pictures import read_picture
from brainbench.core.stimuli import OBJECT, Picture
from brainbench.data.fetch import digest_of_file
from brainbench.data.importers import brainio_stimuli
from brainbench.data.importers.brainio_stimuli import FILENAME
from brainbench.data.importers.rajalingham import (
    KEPT,
    ObjectChoices,
    OfChoices,
    check_choices,
)
from brainbench.data.manifest import Manifest
from brainbench.data.published import (
    CONTENT,
    ImportedFromUser,
    declared,
    write_images,
)
from brainbench.data.source_files import read_table, wrong

FORMAT = "kubilius objects 1"  # raised whenever the layout of imported files changes
STIMULI, TRIALS, IMAGES = "stimuli.csv", "trials.csv", "images"
STIMULUS_COLUMNS = ["stimulus_id", OBJECT, FILENAME]
TRIAL_COLUMNS = ["stimulus_id", "truth", "distractor", "choice"]


class Declared(OfChoices):
    """Parameters of the manifest: numbers of images, objects and trials."""

    images: int
    objects: int

    @property
    def place(self) -> str:
        """Where the data is."""
        return (
            "not published with an address: ask the authors of Kubilius et al., 2019, and lay out "
            f"{STIMULI}, {TRIALS} and {IMAGES}/ in one folder"
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class KubiliusObjects(ImportedFromUser[Declared], ObjectChoices[Declared]):
    """Choices between new objects, as the user laid them out: the version is that of the files."""

    reader: ClassVar[str] = FORMAT

    @property
    def kept(self) -> tuple[str, ...]:
        """Names of the files with images, stimuli and trials, and the checksum of what they are from."""
        return (*KEPT, CONTENT)

    def import_from(self, given: Path) -> Path:
        """Check and convert the files; see `PublishedData.import_from`."""
        stimuli, trials = self._tables(given)
        stimuli = stimuli.sort_values("stimulus_id", ignore_index=True)
        paths = [given / IMAGES / name for name in stimuli[FILENAME]]
        missing = [path for path in paths if not path.is_file()]
        if missing:
            raise DataAbsentError(
                f"{len(missing)} of {len(paths)} images of {self.name} are missing, for example {missing[0]}",
                allowed=f"the files that the column {FILENAME} of {STIMULI} names, in {given / IMAGES}",
                todo="put them there",
            )
        first = read_picture(paths[0])
        nbytes = len(paths) * first.nbytes
        with self.importing(self.folder, len(paths), nbytes=nbytes) as (folder, step):
            images = brainio_stimuli.alike(_pictures(paths), first.shape, step)
            write_images(folder / KEPT[0], images, (len(paths), *first.shape))
            self.store(folder, stimuli, trials)
            (folder / CONTENT).write_text(_digest([given / STIMULI, given / TRIALS, *paths]) + "\n")
        return self.folder

    def _tables(self, given: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Return stimuli and trials, as many as declared, which agree with each other."""
        for name in (STIMULI, TRIALS):
            if not (given / name).is_file():
                raise DataAbsentError(
                    f"no {name} in {given}",
                    allowed=self.declared.place,
                    todo="see docs/data.md for the columns, and give the folder with --from DIR",
                )
        stimuli = read_table(given / STIMULI, STIMULUS_COLUMNS)
        subject = ["subject"] if "subject" in pd.read_csv(given / TRIALS, nrows=0) else []
        trials = read_table(given / TRIALS, [*TRIAL_COLUMNS, *subject])
        expected = (self.declared.images, self.declared.objects, self.declared.trials)
        found = (len(stimuli), stimuli[OBJECT].nunique(), len(trials))
        if found != expected:
            raise wrong(
                f"{given} with {found[0]} images, {found[1]} objects and {found[2]} trials",
                f"{expected[0]} images, {expected[1]} objects and {expected[2]} trials",
            )
        check_choices(trials, stimuli)
        return stimuli, trials


def kubilius_objects(manifest: Manifest) -> KubiliusObjects:
    """Return the data set of a manifest; InputError if its parameters are invalid."""
    return KubiliusObjects(name=manifest.name, declared=declared(manifest, Declared))


def _pictures(paths: Sequence[Path]) -> Iterator[Picture]:
    for path in paths:
        yield read_picture(path)


def _digest(paths: Sequence[Path]) -> str:
    """Return the SHA-256 over the content of files in this order."""
    return hashlib.sha256("".join(map(digest_of_file, paths)).encode()).hexdigest()
