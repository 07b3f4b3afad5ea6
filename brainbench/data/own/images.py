"""The images of a user: a folder, a zip, or a table that names them, decoded once.

Where nothing but the order says which response belongs to which image, the order must be beyond doubt: names
that sort otherwise as numbers than as text, such as image2 and image10, are refused.
"""

from __future__ import annotations

import re
import stat
import tempfile
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pandas as pd

from brainbench.core import progress
from brainbench.core.assembly import check_unique
from brainbench.core.errors import InputError, nearest
from brainbench.core.pictures import MEGAPIXELS, read_picture
from brainbench.core.stimuli import GROUP, OBJECT, StimulusSet
from brainbench.data.own.layout import Layout
from brainbench.data.own.pixels import PackedPictures, append
from brainbench.data.own.tables import read_csv
from brainbench.data.source_files import reading
from brainbench.storage import files

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp", ".gif")
_LARGEST = 4 * MEGAPIXELS * 1_000_000  # bytes of an image file
_SYSTEM = ("__MACOSX",)


@dataclass(frozen=True, kw_only=True, eq=False)
class OwnImages:
    """Images, whether their order was given by the user's table, and what is to be said about them."""

    stimuli: StimulusSet
    ordered: bool  # a table gives the order
    notes: tuple[str, ...] = ()

    def in_order(self, n: int) -> list[str]:
        """Return the ids for n responses without ids: the n-th image by name belongs to the n-th response.

        InputError for another number of images, and for names whose order is in doubt.
        """
        ids = list(self.stimuli.ids)
        if len(ids) != n:
            raise InputError(
                f"{n} responses along stimulus, and {len(ids)} images",
                allowed="an image for each response where the responses have no ids",
                todo="check the folder, or give ids: a CSV as --images with a row for each response",
            )
        if not self.ordered and sorted(ids) != sorted(ids, key=_natural):
            other = next(
                pair
                for pair in zip(sorted(ids), sorted(ids, key=_natural), strict=True)
                if len(set(pair)) > 1
            )
            raise InputError(
                f"images in an order that is in doubt: is {other[0]!r} before {other[1]!r}, or after?",
                allowed="names that sort the same as text and as numbers, as image001, where responses "
                "have no ids",
                todo="give --images FILE.csv with a column filename, rows in the order of the responses",
            )
        return ids


def _natural(name: str) -> list[tuple[int, int, str]]:
    """Return a key that sorts numbers within names as numbers."""
    parts = re.split(r"(\d+)", name)
    return [(1, int(part), "") if part.isdecimal() else (0, 0, part) for part in parts]


def read_images(source: Path | StimulusSet, layout: Layout, *, name: str) -> OwnImages:
    """Read images of a folder, a zip, or a CSV with a column of file names, relative to the CSV.

    Ids are the names of the files without suffix, with their folders where a name occurs twice; in a CSV the
    column `stimulus_id`, if there is one. Raises InputError for a source without images, links and paths that
    lead outside an archive, a column that is missing; StimulusError for a file that is no image.
    """
    if isinstance(source, StimulusSet):
        return OwnImages(stimuli=with_columns(source, {}, layout), ordered=True)
    suffix = source.suffix.lower()
    if source.is_dir():
        return _of_folder(source, source, layout, name)
    if suffix in (".csv", ".tsv") and source.is_file():
        return _of_table(source, layout, name)
    if suffix == ".zip" and source.is_file():
        with _unpacked(source) as folder:
            return _of_folder(folder, source, layout, name)
    raise InputError(
        f"images {source}" + ("" if source.exists() else ": there is no such file or folder"),
        allowed="a folder of images, a .zip of them, or a .csv with a column of file names",
        todo="give --images DIR, ZIP or CSV",
    )


def _of_folder(folder: Path, source: Path, layout: Layout, name: str) -> OwnImages:
    relative = sorted(
        (
            path.relative_to(folder).as_posix()
            for path in folder.rglob("*")
            if path.is_file() and not _is_hidden(path.relative_to(folder).parts)
        ),
    )
    paths = [path for path in relative if path.lower().endswith(SUFFIXES)]
    others = len(relative) - len(paths)
    if not paths:
        raise InputError(
            f"{source} has {others} files, none of them an image by its name",
            allowed=", ".join(SUFFIXES),
            todo="give the folder that holds the images",
        )
    stems = [PurePosixPath(path).stem for path in paths]
    if len(set(stems)) < len(stems):
        stems = [PurePosixPath(path).with_suffix("").as_posix() for path in paths]
    order = np.argsort(stems)
    shown = _decoded(
        name,
        [folder / paths[k] for k in order],
        ids=[stems[k] for k in order],
        columns={},
        layout=layout,
    )
    notes = (f"{others} files that are no images by their names are left out",) if others else ()
    return OwnImages(stimuli=with_columns(shown, {}, layout), ordered=False, notes=notes)


def _is_hidden(parts: Sequence[str]) -> bool:
    return any(part.startswith(".") or part in _SYSTEM for part in parts)


def _of_table(path: Path, layout: Layout, name: str) -> OwnImages:
    table = read_csv(path)
    names = [str(column) for column in table.columns]
    file_column = next(
        (
            key
            for key in ("filename", "file_name", "path", "file", "image", "image_name")
            if key in names
        ),
        None,
    ) or layout.need("stimulus_id", names, where=path.name)
    given = layout.find("stimulus_id", names)
    ids = [PurePosixPath(text).stem for text in table[file_column]]
    if given is not None and given != file_column:
        ids = table[given].tolist()
    columns = {key: table[key].tolist() for key in names if key not in (file_column, given) and key}
    paths = [_within(path.parent, text) for text in table[file_column]]
    shown = _decoded(name, paths, ids=ids, columns=columns, layout=layout)
    return OwnImages(stimuli=with_columns(shown, {}, layout), ordered=True)


def _within(folder: Path, text: str) -> Path:
    """Return a path of a table; a name without suffix is that of the only image called so."""
    path = folder / text
    if path.suffix.lower() in SUFFIXES or path.is_file():
        return path
    found = [path.with_name(path.name + suffix) for suffix in SUFFIXES]
    return next((candidate for candidate in found if candidate.is_file()), path)


@contextmanager
def _unpacked(path: Path) -> Iterator[Path]:
    """Yield a folder with the images of a zip; InputError for links, and for paths that lead outside."""
    with (
        tempfile.TemporaryDirectory(prefix="brainbench-") as temporary,
        reading(path, "a whole zip of images"),
        zipfile.ZipFile(path) as archive,
    ):
        folder = Path(temporary)
        for member in archive.infolist():
            _check_member(member, path)
        nbytes = sum(member.file_size for member in archive.infolist())
        files.check_room(folder, nbytes, what="the unpacked images", choose="set TMPDIR to")
        for member in archive.infolist():
            parts = PurePosixPath(member.filename).parts
            if member.is_dir() or _is_hidden(parts):
                continue
            target = folder.joinpath(*parts)
            target.parent.mkdir(parents=True, exist_ok=True)
            with reading(f"{path}:{member.filename}", "a whole zip of images"):
                target.write_bytes(archive.read(member))
        yield folder


def _check_member(member: zipfile.ZipInfo, path: Path) -> None:
    parts = PurePosixPath(member.filename.replace("\\", "/")).parts
    kind = stat.S_IFMT(member.external_attr >> 16)
    problem = ""
    if ".." in parts or parts[:1] == ("/",) or ":" in "".join(parts[:1]):
        problem = "leads outside the archive"
    elif stat.S_ISLNK(kind):
        problem = "is a link"
    elif member.file_size > _LARGEST:
        problem = f"has {member.file_size} bytes unpacked"
    if problem:
        raise InputError(
            f"{path}: {member.filename!r} {problem}",
            allowed="files within the archive",
            todo="pack the images themselves again",
        )


def _decoded(
    name: str,
    paths: Sequence[Path],
    *,
    ids: Sequence[str],
    columns: dict[str, list[str]],
    layout: Layout,
) -> StimulusSet:
    """Return images whose pixels are in a file without a name: theirs may go, and memory is not filled."""
    check_unique(list(ids), key="stimulus_id", name=f"images of {name}")
    columns_of_images = {"stimulus_id": list(ids)}
    typed = {key: _typed(values) for key, values in columns.items()}
    with (
        progress.current().task(f"reading images of {name}", len(paths)) as advance,
        tempfile.TemporaryFile(prefix="brainbench-") as stream,
    ):
        shapes = []
        for path in paths:
            shapes.append(append(stream, read_picture(path)))
            advance(1)
        stream.flush()
        pixels = np.memmap(stream, dtype=np.uint8, mode="r")
    return StimulusSet(
        identifier=name,
        metadata=pd.DataFrame({**typed, **columns_of_images}),
        read=PackedPictures(pixels, np.asarray(shapes)),
        rows=tuple(range(len(paths))),
        degrees=layout.degrees,
    )


def _typed(values: list[str]) -> list[str] | list[float]:
    """Return a column as numbers where each entry is one."""
    numbers = pd.to_numeric(pd.Series(values), errors="coerce")
    written_so = all(not re.match(r"0\d", text) for text in values)
    return numbers.tolist() if written_so and not numbers.isna().any() else values


def with_columns(
    shown: StimulusSet, columns: Mapping[str, list[Any]], layout: Layout
) -> StimulusSet:
    """Return images with further columns, among them object_name and group as the options name them."""
    metadata = shown.metadata.copy()
    for key, values in columns.items():
        if key not in metadata.columns:
            metadata[key] = values
    for role in (OBJECT, GROUP):
        name = layout.find(role, map(str, metadata.columns))
        if name is not None and name != role:
            metadata[role] = metadata[name]
    return StimulusSet(
        identifier=shown.identifier,
        metadata=metadata,
        read=shown.read,
        rows=shown.rows,
        degrees=layout.degrees or shown.degrees,
    )


def rows_of(ids: Sequence[str], shown: StimulusSet, *, where: str) -> list[int]:
    """Return the image of each id, which is its id or the name of its file; InputError names the closest."""
    known = {image: row for row, image in enumerate(shown.ids)}
    for candidates in (list(ids), [PurePosixPath(text).stem for text in ids]):
        if all(text in known for text in candidates):
            return [known[text] for text in candidates]
    missing = [text for text in dict.fromkeys(ids) if text not in known]
    first = missing[0]
    close = nearest(first, known) or list(shown.ids[:3])
    raise InputError(
        f"{where}: {len(missing)} of {len(set(ids))} ids have no image, for example {first!r}",
        allowed=f"ids of the {len(known)} images; closest to {first!r}: {', '.join(close)}",
        todo="correct the ids, or give a CSV as --images with the columns stimulus_id and filename",
    )
