"""Movies as stimuli: frames, and the times in ms at which they come on."""

from __future__ import annotations

import numbers
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from brainbench.core.errors import InputError, StimulusError
from brainbench.core.pictures import read_picture
from brainbench.core.presentation import Kind, Presentation
from brainbench.core.stimuli import Picture, Seen, StimulusSet, from_arrays, seen_of, small_gray_of

Frames: TypeAlias = npt.NDArray[np.uint8]
"""Pixels of a movie, shape (frame, height, width, 3), 0 to 255, RGB."""
Times: TypeAlias = float | Sequence[float] | Sequence[Sequence[float]]
"""ms for each frame; the starts of the frames and the end of the last one in ms; or those of each movie."""
MOVIE = Presentation(kind="movie")


@dataclass(frozen=True, kw_only=True, eq=False)
class Movies(StimulusSet):
    """Movies with ids and metadata, as a stimulus set; frames are read one movie at a time.

    `read(row)` returns all frames of a movie, uint8, shape (frame, height, width, 3). `times[row]` has the
    start of each frame and then the end of the last one, in ms from the onset of the movie, beginning with 0.
    All movies of a set last equally long, since their responses have the same time bins.
    InputError as for any stimulus set, and for times that do not increase from 0, or ends that differ.
    """

    times: tuple[tuple[float, ...], ...] = field(repr=False, default=())

    def __post_init__(self) -> None:
        super().__post_init__()
        for stimulus_id, row in zip(self.ids, self.rows, strict=True):
            _check_times(self.times[row] if row < len(self.times) else (), stimulus_id)
        ends = {self.times[row][-1] for row in self.rows}
        if len(ends) > 1:
            raise InputError(
                f"stimulus set {self.identifier!r} of movies that last {min(ends):g} to {max(ends):g} ms",
                allowed="movies that last equally long",
                todo="cut them, or make a set of those of each duration",
            )

    @property
    def duration_ms(self) -> float:
        """How long each movie lasts, in ms."""
        return self.times[self.rows[0]][-1]

    @property
    def n_pictures(self) -> int:
        """Number of frames of all movies."""
        return sum(len(self.times[row]) - 1 for row in self.rows)

    def picture(self, index: int) -> Picture:
        """Raise StimulusError: a movie is no still picture, and none stands for it."""
        raise StimulusError(
            f"stimulus {self.ids[index]!r} is a movie of {len(self.times[self.rows[index]]) - 1} frames",
            allowed="a still picture here",
            todo="show it to a model that takes movies, or choose a frame as a picture of its own",
        )

    def frames(self, index: int) -> Frames:
        """Return the frames of a movie, (frame, height, width, 3), as they are shown.

        StimulusError for pixels of another type or shape, or another number of frames than times.
        """
        return self._on_screen(index, self._own_frames(index))

    def numbers(self, index: int, *, frame_ms: float, total_ms: float | None = None) -> list[int]:
        """Return which frame is on in the middle of each of the successive spans of `frame_ms`.

        The spans cover the movie, or its beginning up to `total_ms`: one that is covered by less than half of
        itself does not count, and there is at least one.
        """
        starts = np.array(self.times[self.rows[index]][:-1])
        end = self.duration_ms if total_ms is None else min(self.duration_ms, total_ms)
        middles = (np.arange(max(1, int(end / frame_ms + 0.5))) + 0.5) * frame_ms
        last = np.searchsorted(starts, middles, side="right") - 1
        return [int(number) for number in last]

    def _own_frames(self, index: int) -> Frames:
        pixels = np.asarray(self.read(self.rows[index]))
        n = len(self.times[self.rows[index]]) - 1
        is_rgb = pixels.dtype == np.uint8 and pixels.ndim == 4 and pixels.shape[3:] == (3,)
        if not is_rgb or not pixels.size or len(pixels) != n:
            raise StimulusError(
                f"movie {self.ids[index]!r} has frames of type {pixels.dtype} and shape {pixels.shape}, and "
                f"times of {n} frames",
                allowed="uint8 pixels of shape (frame, height, width, 3), a time for each frame",
                todo="convert the frames to 8-bit RGB, and give the start of each and the end of the last",
            )
        return pixels

    def _seen_at(self, index: int) -> Seen:
        frames = self._own_frames(index)
        # Times are part of the movie: the same frames at another speed are another one.
        header = f"movie {frames.shape}|{self.times[self.rows[index]]!r}|"
        gray = np.stack([small_gray_of(frame) for frame in frames]).mean(axis=0)
        return seen_of(self.ids[index], header, frames, np.asarray(gray))


def accepted(
    stimuli: StimulusSet, presentation: Presentation, kinds: Collection[Kind]
) -> Presentation:
    """Return how stimuli are shown to a model: movies as movies, others as asked for or as it accepts.

    NotApplicableError for movies that the model does not take, InputError for pictures as a movie.
    """
    if isinstance(stimuli, Movies):
        return (presentation if presentation.kind == "movie" else MOVIE).accepted_by(kinds)
    if presentation.kind == "movie":
        raise InputError(
            f"the pictures {stimuli.identifier!r} as a movie",
            allowed="movies, with frames and times",
            todo="make them with brainbench.core.movies.movies_from_arrays",
        )
    return presentation.accepted_by(kinds)


def _check_times(times: Sequence[float], stimulus_id: str) -> None:
    edges = np.asarray(times, dtype=np.float64)
    good = len(edges) > 1 and edges[0] == 0 and np.isfinite(edges).all()
    if not good or not (np.diff(edges) > 0).all():
        shown = ", ".join(f"{edge:g}" for edge in edges[:4]) + (", ..." if len(edges) > 4 else "")
        raise InputError(
            f"movie {stimulus_id!r} with the times ({shown})",
            allowed="the start of each frame and the end of the last one in ms, increasing from 0",
            todo="give times=40.0 for 40 ms for each frame, or all times",
        )


def movies_from_arrays(
    identifier: str,
    movies: Sequence[Frames] | Frames,
    *,
    times: Times,
    ids: Sequence[str],
    metadata: Mapping[str, npt.ArrayLike] | None = None,
    degrees: float | None = None,
) -> Movies:
    """Return a set of movies in memory or memory-mapped.

    `movies` are uint8, a sequence of (frame, height, width, 3) or an array (n, frame, height, width, 3).
    `times` is the duration of each frame in ms; or the start of each frame and the end of the last one, in
    ms, of all movies or for each of them. The rest is as in `stimuli.from_arrays`. InputError as for
    `Movies`.

    Examples
    --------
    >>> gray = np.zeros((2, 5, 8, 8, 3), dtype=np.uint8)
    >>> movies_from_arrays("gray", gray, times=40.0, ids=["a", "b"]).duration_ms
    200.0
    """
    return _movies(
        identifier, partial(_item, movies), [len(m) for m in movies], times, ids, metadata, degrees
    )


def movies_from_folders(
    identifier: str,
    folders: Sequence[Path],
    *,
    times: Times,
    ids: Sequence[str] | None = None,
    metadata: Mapping[str, npt.ArrayLike] | None = None,
    degrees: float | None = None,
) -> Movies:
    """Return a set of movies, each a folder with a file for each frame, in the order of their names.

    Files are read when they are needed; `core.pictures.read_picture` says which. Ids are the names of the
    folders by default; the rest is as in `movies_from_arrays`. InputError for a folder without files.
    """
    given = [Path(folder) for folder in folders]
    files = [sorted(path for path in folder.glob("*") if path.is_file()) for folder in given]
    for folder, frames in zip(given, files, strict=True):
        if not frames:
            raise InputError(
                f"movie {folder} without frames",
                allowed="a folder with an image file for each frame",
                todo="save the frames there, for example with `ffmpeg -i FILE frame%03d.png`",
            )
    names = [folder.name for folder in given] if ids is None else list(ids)
    return _movies(
        identifier,
        partial(_read, files),
        [len(frames) for frames in files],
        times,
        names,
        metadata,
        degrees,
    )


def _item(movies: Sequence[Frames] | Frames, row: int) -> Frames:
    return movies[row]


def _read(files: Sequence[Sequence[Path]], row: int) -> Frames:
    return np.stack([read_picture(path) for path in files[row]])


def _movies(
    identifier: str,
    read: partial[Frames],
    n_frames: Sequence[int],
    times: Times,
    ids: Sequence[str],
    metadata: Mapping[str, npt.ArrayLike] | None,
    degrees: float | None,
) -> Movies:
    # Checked as any set is: as many ids and entries of the metadata as movies.
    stills = from_arrays(
        identifier, [np.zeros((1, 1, 3), np.uint8)] * len(n_frames), ids=ids, metadata=metadata
    )
    return Movies(
        identifier=identifier,
        metadata=stills.metadata,
        read=read,
        rows=stills.rows,
        degrees=degrees,
        times=_times_of(times, n_frames),
    )


def _times_of(times: Times, n_frames: Sequence[int]) -> tuple[tuple[float, ...], ...]:
    if isinstance(times, numbers.Real):
        return tuple(tuple(float(times) * k for k in range(n + 1)) for n in n_frames)
    listed: Sequence[Any] = times  # type: ignore[assignment]
    if len(listed) and isinstance(listed[0], numbers.Real):
        return tuple(tuple(float(edge) for edge in listed) for _ in n_frames)
    return tuple(tuple(float(edge) for edge in one) for one in listed)
