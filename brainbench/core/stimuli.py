"""Stimulus sets: ids, images and metadata, with a digest of every byte."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd
from PIL import Image

from brainbench.core.assembly import check_ids, check_present, plain
from brainbench.core.errors import InputError, StimulusError
from brainbench.core.pictures import read_picture
from brainbench.core.provenance import sha256
from brainbench.core.screen import check_degrees, place

Picture: TypeAlias = npt.NDArray[np.uint8]
"""Pixels, shape (height, width, 3), 0 to 255, RGB."""
OBJECT = "object_name"
"""Column of what an image shows, which measures stratify by."""
GROUP = "group"
"""Column of images that belong together, such as frames of one film: splits and draws take them whole."""
SPLIT = "split"
"""Column of the part of a published division that an image belongs to: train, validation or test."""
DEGREES = "degrees"
"""Column of the width of each image in degrees of visual angle, where a set has no width of its own."""
SMALL = 16
"""Height and width of the small gray versions by which near copies are found."""
MISSING_WORDS = ("nan", "NaN", "None", "<NA>", "NaT")
"""What missing entries become where a column was made text."""


@dataclass(frozen=True, kw_only=True, eq=False)
class StimulusSet:
    """Images with ids and metadata; pixels are read one image at a time.

    `metadata` has one row per stimulus, with the column `stimulus_id` and others (`object_name`, ...).
    `read(row)` returns the pixels of one stimulus, uint8, shape (height, width, 3), and `rows` has the
    argument of `read` for each. `degrees` is the width of the images in degrees of visual angle; where widths
    differ, a column `degrees` of the metadata has that of each. `screen` is the width of the field of view on
    which they are shown, see `on_screen`; None for the images as they are.
    InputError for no column `stimulus_id`, no stimuli, another number of rows than stimuli, an id that is
    missing, occurs twice or cannot be stored, a missing `object_name`, and a width that is not positive.
    """

    identifier: str
    metadata: pd.DataFrame
    read: Callable[[int], Picture] = field(repr=False)
    rows: tuple[int, ...] = field(repr=False)
    degrees: float | None = None
    screen: float | None = None

    def __post_init__(self) -> None:
        if "stimulus_id" not in self.metadata.columns:
            raise InputError(
                f"stimulus set {self.identifier!r} has the columns {list(self.metadata.columns)}",
                allowed="a column 'stimulus_id' among them",
                todo="name the column that identifies an image 'stimulus_id'",
            )
        if not len(self.metadata):
            raise InputError(
                f"stimulus set {self.identifier!r} is empty",
                allowed="at least one image",
                todo="check the folder or the selection that it comes from",
            )
        if len(self.rows) != len(self.metadata):
            raise InputError(
                f"stimulus set {self.identifier!r} with {len(self.rows)} rows for "
                f"{len(self.metadata)} stimuli",
                allowed="one row per stimulus",
                todo="build it with from_arrays or from_files",
            )
        name = f"stimulus set {self.identifier!r}"
        check_present(self.metadata["stimulus_id"], key="stimulus_id", name=name)
        check_ids(self.ids, key="stimulus_id", name=name)
        if OBJECT in self.metadata.columns:
            self.labels(OBJECT)
        if self.degrees is not None:
            check_degrees(self.degrees, what=name)

    def __len__(self) -> int:
        return len(self.rows)

    @cached_property
    def ids(self) -> tuple[str, ...]:
        """Stimulus ids, in order."""
        return tuple(str(i) for i in self.metadata["stimulus_id"])

    def picture(self, index: int) -> Picture:
        """Return the pixels of the stimulus at `index`, uint8, shape (height, width, 3), as they are shown.

        Pixels of another type or shape, or of zero size, are a StimulusError.
        """
        return self._on_screen(index, self._own_picture(index))

    def _own_picture(self, index: int) -> Picture:
        """Return the pixels of a stimulus before they are placed on a screen."""
        pixels = np.asarray(self.read(self.rows[index]))
        if not is_rgb(pixels):
            raise StimulusError(
                f"stimulus {self.ids[index]!r} has pixels of type {pixels.dtype} and shape {pixels.shape}",
                allowed="uint8 pixels of shape (height, width, 3), height and width above 0",
                todo="convert the image to 8-bit RGB",
            )
        return pixels

    @property
    def n_pictures(self) -> int:
        """Number of pictures that a model is shown: one for each image."""
        return len(self)

    def width_of(self, index: int) -> float | None:
        """Return the width of a stimulus in degrees of visual angle; None where nobody said it."""
        if self.degrees is not None or DEGREES not in self.metadata.columns:
            return self.degrees
        name = f"stimulus {self.ids[index]!r}"
        return check_degrees(float(self.metadata[DEGREES].iloc[index]), what=name)

    @property
    def has_no_width(self) -> bool:
        """Whether nobody said how wide the images are in degrees of visual angle."""
        return self.degrees is None and DEGREES not in self.metadata.columns

    def has_width_of(self, visual_degrees: float) -> bool:
        """Return whether every width is that of a field of view, or unknown, so that nothing is placed."""
        if self.degrees is not None or self.has_no_width:
            return self.degrees in (None, visual_degrees)
        return {self.width_of(index) for index in range(len(self))} == {visual_degrees}

    def on_screen(self, visual_degrees: float) -> StimulusSet:
        """Return the set as it is seen on a field of view so many degrees wide, see `core.screen`.

        The set itself where all widths are that of the field, or none is known.
        """
        if self.has_width_of(visual_degrees):
            return self
        shown = replace(self, screen=visual_degrees)
        vars(shown)["_seen"] = self._seen  # of the same files, which are not read again
        return shown

    def _on_screen(self, index: int, pixels: Picture) -> Picture:
        """Return pixels, of a picture or of all frames of a movie, placed on the field of view."""
        width = self.width_of(index)
        if self.screen is None or width is None:
            return pixels
        return place(pixels, degrees=width, visual_degrees=self.screen)

    @cached_property
    def digests(self) -> tuple[str, ...]:
        """SHA-256 of each stimulus: its id, shape and pixels, and where on a screen it is placed."""
        if self.screen is None:
            return tuple(seen.digest for seen in self._seen)
        return tuple(
            sha256("placed 1", seen.digest, repr(self.width_of(index)), repr(self.screen))
            for index, seen in enumerate(self._seen)
        )

    @cached_property
    def _seen(self) -> tuple[Seen, ...]:
        """What is kept of each picture; every image is read once for all of it."""
        return tuple(self._seen_at(index) for index in range(len(self)))

    def _seen_at(self, index: int) -> Seen:
        pixels = self._own_picture(index)
        return seen_of(self.ids[index], f"{pixels.shape}|", pixels, small_gray_of(pixels))

    @property
    def small_gray(self) -> npt.NDArray[np.float32]:
        """Gray versions of `SMALL` x `SMALL` pixels, each the mean over its area, stimulus x pixel."""
        return np.stack([seen.small_gray for seen in self._seen])

    @cached_property
    def copies(self) -> npt.NDArray[np.str_] | None:
        """Group of each stimulus: the first id, sorted, with the same pixels; None where all differ."""
        first: dict[str, str] = {}
        pictures = [seen.picture_digest for seen in self._seen]
        for stimulus_id, picture in sorted(zip(self.ids, pictures, strict=True)):
            first.setdefault(picture, stimulus_id)
        if len(first) == len(self):
            return None
        return np.array([first[picture] for picture in pictures])

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the set: every id and pixel, in order."""
        return hashlib.sha256("".join(self.digests).encode()).hexdigest()

    def labels(self, column: str) -> npt.NDArray[np.str_]:
        """Return a column as text, to stratify or to group by.

        InputError where an entry is missing or is the text of a missing one, such as "nan": images without a
        label would count as images of one thing.
        """
        given = self.metadata[column].to_numpy(dtype=object)
        spelled_out = np.array([label in MISSING_WORDS for label in map(str, given)])
        check_present(
            np.where(spelled_out, None, given),  # type: ignore[call-overload]  # None among objects
            key=column,
            name=f"stimulus set {self.identifier!r}",
        )
        return np.asarray(plain(self.metadata[column]).astype(str), dtype=np.str_)

    def coordinates(self) -> dict[str, npt.NDArray[Any]]:
        """Return the metadata columns as coordinates of the `stimulus` dim of an assembly."""
        return {str(key): plain(self.metadata[key]) for key in self.metadata.columns}

    def take(self, indices: Sequence[int]) -> StimulusSet:
        """Return the stimuli at `indices`, in that order."""
        taken = replace(
            self,
            metadata=self.metadata.iloc[list(indices)].reset_index(drop=True),
            rows=tuple(self.rows[i] for i in indices),
        )
        if "_seen" in vars(self):  # of the same files, which are not read again
            vars(taken)["_seen"] = tuple(self._seen[i] for i in indices)
        return taken

    def limit(self, n: int) -> StimulusSet:
        """Return at most `n` stimuli (1 or more), taken in turn from each object where objects are known."""
        if n < 1:
            raise InputError(f"a limit of {n} stimuli", allowed="1 or more", todo="give --limit N")
        if n >= len(self):
            return self
        if OBJECT not in self.metadata.columns:
            return self.take(range(n))
        rank = self.metadata.groupby(OBJECT, sort=False).cumcount().to_numpy()
        chosen = np.sort(np.argsort(rank, kind="stable")[:n])
        return self.take([int(i) for i in chosen])


def is_rgb(pixels: npt.NDArray[Any]) -> bool:
    """Return whether pixels are uint8 of shape (height, width, 3), height and width above 0."""
    return pixels.dtype == np.uint8 and pixels.shape[2:] == (3,) and pixels.size > 0


class Seen(NamedTuple):
    """What is kept of a picture once it was read."""

    digest: str  # of id, shape and pixels
    picture_digest: str  # of shape and pixels
    small_gray: npt.NDArray[np.float32]  # see `StimulusSet.small_gray`


def seen_of(
    stimulus_id: str, header: str, pixels: npt.NDArray[np.uint8], gray: npt.NDArray[np.float32]
) -> Seen:
    """Return what is kept of a stimulus; `header` says what its pixels do not, such as their shape."""
    content = np.ascontiguousarray(pixels).tobytes()
    of_stimulus, of_picture = (
        hashlib.sha256(name.encode() + content).hexdigest()
        for name in (f"{stimulus_id}|{header}", header)
    )
    return Seen(of_stimulus, of_picture, gray)


def small_gray_of(pixels: Picture) -> npt.NDArray[np.float32]:
    """Return the gray version of a picture of `SMALL` x `SMALL` pixels, flat."""
    gray = Image.fromarray(pixels).convert("L").resize((SMALL, SMALL), Image.Resampling.BOX)
    return np.asarray(gray, dtype=np.float32).ravel()


def from_arrays(
    identifier: str,
    pictures: Sequence[Picture] | Picture,
    *,
    ids: Sequence[str],
    metadata: Mapping[str, npt.ArrayLike] | None = None,
    degrees: float | None = None,
) -> StimulusSet:
    """Return a stimulus set of pixels in memory or memory-mapped.

    `pictures` are uint8, a sequence of (height, width, 3) or an array (n, height, width, 3). `ids` and
    each further column of `metadata` have one entry per image. `degrees` is the width in degrees of
    visual angle. InputError for different numbers of images, ids and metadata entries, and for duplicate
    ids.
    """
    return _build(identifier, len(pictures), lambda row: pictures[row], ids, metadata, degrees)


def _build(
    identifier: str,
    n: int,
    read: Callable[[int], Picture],
    ids: Sequence[str],
    metadata: Mapping[str, npt.ArrayLike] | None,
    degrees: float | None,
) -> StimulusSet:
    given = {"stimulus_id": list(ids), **(metadata or {})}
    columns = {key: _column(values) for key, values in given.items()}
    lengths = {"images": n, **{k: len(v) for k, v in columns.items()}}
    if len(set(lengths.values())) != 1:
        raise InputError(
            f"stimulus set {identifier!r} with "
            + ", ".join(f"{v} {k}" for k, v in lengths.items()),
            allowed="as many ids and metadata entries as images",
            todo="check which of them is short",
        )
    return StimulusSet(
        identifier=identifier,
        metadata=pd.DataFrame(columns),
        read=read,
        rows=tuple(range(n)),
        degrees=degrees,
    )


def _column(values: npt.ArrayLike) -> Any:
    """Return values without an index of their own, bytes as text; in a list None is still None."""
    array = np.asarray(values)
    if array.dtype.kind == "S":
        return array.astype(str)
    return values if isinstance(values, list) else array


def from_files(
    identifier: str,
    paths: Sequence[Path],
    *,
    ids: Sequence[str] | None = None,
    metadata: Mapping[str, npt.ArrayLike] | None = None,
    degrees: float | None = None,
) -> StimulusSet:
    """Return a stimulus set of image files, which are read when they are needed.

    `brainbench.core.pictures.read_picture` reads them and says which: 8-bit gray and RGB, with or without
    transparency, one frame, turned as their EXIF orientation says. Ids are the file names without suffix by
    default; `metadata` and `degrees` are as in `from_arrays`. A file that cannot be read is a StimulusError
    when it is needed.
    """
    files = [Path(path) for path in paths]
    names = list(ids) if ids is not None else [path.stem for path in files]
    return _build(
        identifier, len(files), lambda row: read_picture(files[row]), names, metadata, degrees
    )
