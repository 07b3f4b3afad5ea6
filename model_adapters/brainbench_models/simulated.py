"""The simulated brain itself as a model: its sites without noise, or the units behind them.

All levels take any pictures, resized to 224 x 224, and respond in 25 bins of 10 ms.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Literal

import numpy as np
import numpy.typing as npt

from brainbench.core.errors import InputError
from brainbench.core.model import BEHAVIOR
from brainbench.core.model_info import About
from brainbench.core.presentation import Presentation
from brainbench.core.provenance import sha256
from brainbench.core.timeline import Timeline
from brainbench.models.network import FunctionNetwork, Images
from brainbench.models.preprocessing import Preprocess
from brainbench.models.wrap import WrappedModel
from brainbench.simulate import areas, network, sites
from brainbench.simulate.brain import TIME_BINS, SimulatedBrain
from brainbench.storage.cache import Cache

Level = Literal["readout", "population", "maps"]

CLOCK = Timeline(
    name="simulated",
    source="the bins of the hidden network itself",
    steps=dict.fromkeys(areas.REGIONS, TIME_BINS),
)
ABOUT = About(
    citation="none: the truth of brainbench's own simulated brain (docs/simulated.md)",
    license="MIT",
    source="drawn from the seed",
)


@dataclass(frozen=True)
class Reader:
    """A simulated brain and the level at which it is read."""

    level: Level
    brain: SimulatedBrain

    def respond(
        self, on_ms: float | None, images: Images
    ) -> dict[str, list[npt.NDArray[np.float64]]]:
        """Return one array per bin for each region; the images are on for `on_ms`, or constant.

        Of a movie, (batch, frame, 3, height, width), a frame is on in each bin, then the blank.
        """
        pictures = np.moveaxis(np.rint(255.0 * images).astype(np.uint8), -3, -1)
        if pictures.ndim == 5:
            maps = network.respond_to_movies(self._hidden, pictures, range(pictures.shape[1]))
        else:
            maps = network.respond(self._hidden, pictures, on_ms=on_ms)
        return {region: self._bins(region, values) for region, values in maps.items()}

    def _bins(self, region: str, values: npt.NDArray[np.float64]) -> list[npt.NDArray[np.float64]]:
        if self.level != "maps":
            values = network.pool(self._hidden, region, values)
        if self.level == "readout":
            values = sites.expected_counts(self._readouts[region], values)
        return list(np.moveaxis(values, -1, 0))

    @cached_property
    def _hidden(self) -> network.HiddenNetwork:
        return network.build_network(seed=self.brain.seed)

    @cached_property
    def _readouts(self) -> dict[str, sites.Readout]:
        return {region: self.brain.readout(region) for region in areas.REGIONS}


@dataclass(frozen=True, kw_only=True, eq=False)
class SimulatedModel(WrappedModel):
    """A simulated brain, read at one level; `simulated_model` makes it."""

    reader: Reader

    def showing(self, presentation: Presentation) -> WrappedModel:
        """Return the same model for pictures that are shown in this way."""
        on_ms = presentation.on_ms if presentation.kind == "pulse" else None
        return replace(self, network=_network(self.reader, on_ms))


def _network(reader: Reader, on_ms: float | None) -> FunctionNetwork:
    return FunctionNetwork(partial(reader.respond, on_ms), areas.REGIONS)


def simulated_model(
    level: Level, brain: SimulatedBrain, *, cache: Cache | None = None
) -> SimulatedModel:
    """Make a model of a simulated brain; its seed is part of the name unless it is 0.

    Levels are "readout", the sites without noise in expected spikes per bin; "population", the 96 spatially
    pooled units of each area; and "maps", all units of each area.
    """
    weights, size = f"seed-{brain.seed}", areas.PICTURE
    reader = Reader(level, brain)
    return SimulatedModel(
        reader=reader,
        network=_network(reader, None),
        name=f"simulated_{level}" + (f"@{weights}" if brain.seed else ""),
        weights=weights,
        # Each region is its own layer; behavior is read from IT, as by the simulated subject.
        areas={region: (region,) for region in areas.REGIONS} | {BEHAVIOR: ("IT",)},
        clocks={CLOCK.name: CLOCK},
        preprocess=Preprocess(name=f"raw-{size}", size=(size, size)),
        presentations=("constant", "pulse", "movie"),
        frame_ms=areas.BIN_MS,
        fingerprint=sha256(level, brain.version),
        cache=cache,
        about=ABOUT,
    )


def simulated_readout(*, weights: str = "seed-0") -> SimulatedModel:
    """Make a model of the simulated sites without noise: the upper bound of every measure on them."""
    return _model("readout", weights)


def simulated_population(*, weights: str = "seed-0") -> SimulatedModel:
    """Make a model of the population that the sites read: 96 spatially pooled units per area."""
    return _model("population", weights)


def simulated_maps(*, weights: str = "seed-0") -> SimulatedModel:
    """Make a model of all units of each area of the hidden network, with their places."""
    return _model("maps", weights)


def _model(level: Level, weights: str) -> SimulatedModel:
    kind, _, number = weights.partition("-")
    if kind != "seed" or not number.isdecimal():
        raise InputError(
            f"weights {weights!r} of simulated_{level}",
            allowed="seed-N, the seed of a simulated brain",
            todo=f"write for example simulated_{level}@seed-1",
        )
    return simulated_model(level, SimulatedBrain(seed=int(number)))
