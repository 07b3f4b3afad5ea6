"""A simulated brain that sees movies: each scene passes by, in a direction of its own.

The frames are windows of a rendered scene that move across it; beyond its edges the scene is mirrored. The
hidden network, sites and trials are those of `brainbench.simulate.brain`, and the truth is known as there.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from brainbench.core.movies import Frames, Movies
from brainbench.core.provenance import sha256
from brainbench.data.manifest import Manifest
from brainbench.data.offers import Facts
from brainbench.simulate.areas import BIN_MS
from brainbench.simulate.brain import SimulatedBrain, brain_of
from brainbench.simulate.scenes import Images

if TYPE_CHECKING:
    from brainbench.simulate import network

VERSION = 1
"""Raised when movies or responses of the same parameters change."""
N_FRAMES = 8
FRAME_MS = 25.0
STEP_PIXELS = 6.0
"""By which the window moves from one frame to the next."""
TIMES = tuple(FRAME_MS * number for number in range(N_FRAMES + 1))


@dataclass(frozen=True, kw_only=True, eq=False)
class SimulatedMovieBrain(SimulatedBrain):
    """A ventral stream that sees movies of 8 frames in 200 ms, then a blank to 250 ms.

    Parameters and errors are those of `SimulatedBrain`; its stimuli are `Movies`.
    """

    name: str = field(default="SimulatedMovies")

    @cached_property
    def version(self) -> str:
        """SHA-256 over the parameters and the versions of this module and of the simulated brain."""
        parameters = json.dumps(self._parameters(), sort_keys=True)
        return sha256("simulated movies", str(VERSION), super().version, parameters)

    @cached_property
    def facts(self) -> Facts:
        """Facts of movies and responses; there is no behavior."""
        return Facts(regions=super().facts.regions, objects=super().facts.objects)

    @cached_property
    def _stimuli(self) -> Movies:
        stills = super()._stimuli
        return Movies(
            identifier=f"simulated-movies-{self.seed}",
            metadata=stills.metadata,
            read=partial(_movie, stills.read, self._directions()),
            rows=stills.rows,
            times=(TIMES,) * len(stills),
        )

    def _directions(self) -> npt.NDArray[np.float64]:
        """Return the direction in which each scene passes by, in radians."""
        rng = np.random.default_rng(np.random.SeedSequence([self.seed, 3000]))
        return rng.uniform(0.0, 2.0 * np.pi, len(self._columns()["stimulus_id"]))

    def _responses(
        self, hidden: network.HiddenNetwork, pictures: Images, first: int
    ) -> dict[str, npt.NDArray[np.float64]]:
        from brainbench.simulate import network

        directions = self._directions()[first : first + len(pictures)]
        pairs = zip(pictures, directions, strict=True)
        movies = np.stack([passing_by(picture, direction) for picture, direction in pairs])
        return network.respond_to_movies(hidden, movies, shown_in_bins())


def shown_in_bins() -> list[int]:
    """Return the frame that is on in the middle of each bin of the hidden network."""
    middles = (np.arange(round(TIMES[-1] / BIN_MS)) + 0.5) * BIN_MS
    return [int(number) for number in np.searchsorted(TIMES, middles, side="right") - 1]


def passing_by(picture: npt.NDArray[np.uint8], direction: float) -> Frames:
    """Return the frames of a scene that passes by, uint8 (frame, height, width, 3).

    The window is in the middle of the picture half-way through the movie.
    """
    height, width = picture.shape[:2]
    margin = int(np.ceil(STEP_PIXELS * N_FRAMES / 2))
    wide = np.pad(picture, ((margin, margin), (margin, margin), (0, 0)), mode="reflect")
    frames = []
    for number in range(N_FRAMES):
        way = STEP_PIXELS * (number - (N_FRAMES - 1) / 2)
        top = margin + round(way * float(np.sin(direction)))
        left = margin + round(way * float(np.cos(direction)))
        frames.append(wide[top : top + height, left : left + width])
    return np.stack(frames)


def _movie(
    read: Callable[[int], npt.NDArray[np.uint8]], directions: npt.NDArray[np.float64], row: int
) -> Frames:
    return passing_by(np.asarray(read(row)), float(directions[row]))


def simulated_movies(manifest: Manifest) -> SimulatedMovieBrain:
    """Return the simulated brain with movies that a manifest declares; InputError for other parameters."""
    return brain_of(manifest, SimulatedMovieBrain)
