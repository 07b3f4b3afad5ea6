"""Data sets of one's own in the data folder: written whole, checked when they are read."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from brainbench.core import assembly, registry
from brainbench.core.assembly import plain
from brainbench.core.errors import InputError
from brainbench.core.stimuli import StimulusSet
from brainbench.data import integrity
from brainbench.data.facts import facts_of
from brainbench.data.folder import CHOOSE, writing
from brainbench.data.manifest import Manifest
from brainbench.data.own import pixels
from brainbench.data.own.dataset import KINDS, OwnData
from brainbench.data.own.layout import Layout
from brainbench.data.own.registered import ABOUT, folder_of
from brainbench.storage import files

FORMAT = 1  # increased whenever the layout of kept files changes
_PIXELS, _STIMULI, _TABLE = "pixels.npy", "stimuli.npz", "behavior.npz"
_COLUMN = "column "


def check_free(name: str, *, replace: bool) -> None:
    """Raise InputError where another data set has this name, or one of one's own that may not be replaced."""
    own = (folder_of(name) / ABOUT).is_file()
    if own and not replace:
        raise InputError(
            f"there is a data set {name} of yours",
            allowed="a new name, or to replace it",
            todo="give --replace (in Python replace=True), or choose another name",
        )
    if not own and name in registry.entries("data"):
        raise InputError(
            f"{name} is the name of a published data set",
            allowed="a name that `brainbench list data` does not show",
            todo="choose another name",
        )


def keep(
    data: OwnData,
    *,
    replace: bool = False,
    title: str = "",
    citation: str = "",
    sources: Sequence[str] = (),
) -> Path:
    """Keep a data set in the data folder, so that its benchmarks are found by name, and return where.

    `title` is one line on what it is, `citation` whom to cite, and `sources` the names of the files that it
    was read from. InputError for a name that is taken; CacheError if the data folder cannot be written.
    """
    check_free(data.name, replace=replace)
    target = folder_of(data.name)
    with writing(target) as folder:
        sizes = sum(int(np.prod(data.pictures.picture(k).shape)) for k in range(len(data.pictures)))
        nbytes = sizes + sum(recording.nbytes for recording in data.regions.values())
        files.check_room(folder, nbytes, what="your data", choose=CHOOSE)
        shapes = pixels.write(data.pictures, folder / _PIXELS)
        _save_columns(folder / _STIMULI, data.pictures.metadata, shapes=shapes)
        regions = {}
        for k, (region, recording) in enumerate(sorted(data.regions.items())):
            regions[region] = f"responses{k}.nc"
            assembly.save(recording, folder / regions[region])
        if data.table is not None:
            _save_columns(folder / _TABLE, data.table)
        about = {
            "format": FORMAT,
            "name": data.name,
            "title": title or "your own data",
            "citation": citation or "unpublished",
            "sources": list(sources),
            "version": data.version,
            "degrees": data.pictures.degrees,
            "layout": dataclasses.asdict(data.layout),
            "regions": regions,
            "table": next((kind for kind, of in KINDS.items() if of is type(data)), None),
            "facts": dataclasses.asdict(facts_of(data)),
        }
        (folder / ABOUT).write_text(json.dumps(about, indent=1) + "\n")
        integrity.seal(folder)
    registry.entries.cache_clear()
    return target


def open_own(manifest: Manifest) -> OwnData:
    """Return a kept data set; DamagedDataError for a file that is not as it was written."""
    path = integrity.check(folder_of(manifest.name) / ABOUT, command=command_of(manifest.name))
    return _opened(path, manifest.name, path.read_bytes())


@lru_cache(maxsize=2)
def _opened(path: Path, name: str, content: bytes) -> OwnData:
    """Return the data that `content` describes: the same object as long as nothing else was added."""
    folder, command, about = path.parent, command_of(name), json.loads(content)
    if about["format"] != FORMAT:
        raise InputError(
            f"data set {name} in the format {about['format']}",
            allowed=f"format {FORMAT}",
            todo=f"add it again: `{command}`",
        )
    regions = {}
    for region, file in about["regions"].items():
        path = integrity.check(folder / file, command=command)
        with integrity.reading(path, command=command), assembly.load(path) as stored:
            regions[region] = stored.load()
    table = None
    if about["table"] is not None:
        table = pd.DataFrame(_columns(folder / _TABLE, command))
    return KINDS[about["table"]](
        name=name,
        pictures=_images(folder, name, about["degrees"], command),
        regions=regions,
        layout=Layout(**about["layout"]),
        table=table,
        kept_version=about["version"],
        command=command,
    )


def command_of(name: str) -> str:
    """Return the command that adds a data set."""
    return f"brainbench data add {name} --replace"


# --- images ---------------------------------------------------------------------------------------


def _images(folder: Path, name: str, degrees: float | None, command: str) -> StimulusSet:
    path = integrity.check(folder / _PIXELS, command=command)
    with integrity.reading(path, command=command):
        packed = np.load(path, mmap_mode="r", allow_pickle=False)
    columns = _columns(folder / _STIMULI, command)
    shapes = columns.pop("")
    return StimulusSet(
        identifier=name,
        metadata=pd.DataFrame(columns),
        read=pixels.PackedPictures(packed, shapes),
        rows=tuple(range(len(shapes))),
        degrees=degrees,
    )


def _save_columns(path: Path, table: pd.DataFrame, **more: npt.NDArray[Any]) -> None:
    columns = {f"{_COLUMN}{key}": plain(table[key]) for key in table.columns}
    with path.open("wb") as stream:
        np.savez(stream, **columns, **more)  # type: ignore[arg-type]  # names of columns are no options


def _columns(path: Path, command: str) -> dict[str, npt.NDArray[Any]]:
    """Return the columns of a kept table; what is no column has the name ""."""
    integrity.check(path, command=command)
    with (
        integrity.reading(path, command=command),
        np.load(path, allow_pickle=False) as stored,
    ):
        return {
            name.removeprefix(_COLUMN) if name.startswith(_COLUMN) else "": stored[name]
            for name in stored.files
        }
