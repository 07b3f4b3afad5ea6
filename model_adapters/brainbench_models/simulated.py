"""The truth of a simulated brain as models: what no network can beat, and what lies before it.

`simulated_readout` answers with the noiseless rates of the sites themselves, `simulated_population`
with the 96 units of each area that the sites read, `simulated_maps` with all units of each area.
They take any pictures, resized to 224 x 224, and respond in 25 bins of 10 ms.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import Literal

import numpy as np
import numpy.typing as npt

from brainbench.core.assembly import Assembly
from brainbench.core.errors import InputError
from brainbench.core.model import BEHAVIOR, Probe
from brainbench.core.model_info import About
from brainbench.core.presentation import CONSTANT, Kind, Presentation
from brainbench.core.provenance import sha256
from brainbench.core.stimuli import StimulusSet
from brainbench.core.timeline import Timeline
from brainbench.models.batching import BatchSize
from brainbench.models.network import Images
from brainbench.models.preprocessing import Preprocess
from brainbench.models.wrap import WrappedModel, wrap
from brainbench.simulate import network, sites
from brainbench.simulate.brain import TIME_BINS, SimulatedBrain
from brainbench.storage.cache import Cache

Level = Literal["readout", "population", "maps"]
Steps = list[npt.NDArray[np.float64]]

CLOCK = Timeline(
    name="simulated",
    source="the bins of the hidden network itself",
    steps=dict.fromkeys(network.REGIONS, TIME_BINS),
)
ABOUT = About(
    citation="none: the truth of brainbench's own simulated brain (docs/simulated.md)",
    license="MIT",
    source="drawn from the seed",
)
RAW = Preprocess(name="raw-224", size=(network.PICTURE, network.PICTURE))


@dataclass(frozen=True, kw_only=True, eq=False)
class SimulatedModel:
    """A simulated brain, read at one level, as a BrainModel.

    Parameters
    ----------
    level : {"readout", "population", "maps"}
        The sites without noise, in expected spikes per bin; the 96 spatially pooled units of each area; all
        units of each area.
    brain : SimulatedBrain
        Which brain.
    """

    level: Level
    brain: SimulatedBrain
    batch_size: BatchSize = "auto"
    cache: Cache | None = field(default=None, repr=False)
    static: bool = field(default=False, init=False)
    presentations: tuple[Kind, ...] = field(default=("constant", "pulse"), init=False)
    about: About = field(default=ABOUT, init=False, repr=False)

    @property
    def name(self) -> str:
        """Level, and seed of the brain if it is not 0."""
        return f"simulated_{self.level}" + (f"@{self.weights}" if self.brain.seed else "")

    @property
    def weights(self) -> str:
        """Seed of the brain."""
        return f"seed-{self.brain.seed}"

    @property
    def areas(self) -> Mapping[str, Sequence[str]]:
        """Each region is its own layer; choices are read from IT, as the simulated subject does."""
        return {region: (region,) for region in network.REGIONS} | {BEHAVIOR: ("IT",)}

    @property
    def clocks(self) -> Mapping[str, Timeline]:
        """One clock: bins of 10 ms from stimulus onset."""
        return {CLOCK.name: CLOCK}

    @property
    def digest(self) -> str:
        """SHA-256 over the level and the brain's parameters and code."""
        return self._shown(network.ON_MS).digest

    @property
    def wrapped(self) -> WrappedModel:
        """The same for pictures that stay, as a wrapped function."""
        return self._shown(None)

    def on(self, *, device: str = "auto", batch_size: BatchSize = "auto") -> SimulatedModel:
        """Return the same model with a batch size; it runs on the CPU whatever the device."""
        self._shown(None).on(device=device, batch_size=batch_size)
        return replace(self, batch_size=batch_size)

    def activations(
        self, stimuli: StimulusSet, layers: Sequence[str], presentation: Presentation = CONSTANT
    ) -> dict[str, Assembly]:
        """Responses, dims (stimulus, neuroid, time); see `WrappedModel.activations`."""
        return self._as_shown(presentation).activations(stimuli, layers)

    def probe(
        self, stimuli: StimulusSet, layers: Sequence[str], presentation: Presentation = CONSTANT
    ) -> Probe:
        """What `activations` would take; see `WrappedModel.probe`."""
        return self._as_shown(presentation).probe(stimuli, layers)

    def _as_shown(self, presentation: Presentation) -> WrappedModel:
        shown = presentation.accepted_by(self.presentations)
        return self._shown(shown.on_ms if shown.kind == "pulse" else None)

    def _shown(self, on_ms: float | None) -> WrappedModel:
        """Return the model for one duration of the pictures."""
        return wrap(
            partial(self._respond, on_ms),
            layers=self.areas,
            preprocess=RAW,
            timeline=CLOCK,
            name=self.name,
            weights=self.weights,
            fingerprint=sha256(self.level, self.brain.version, repr(on_ms)),
            device="cpu",
            batch_size=self.batch_size,
            cache=self.cache,
        )

    def _respond(self, on_ms: float | None, images: Images) -> dict[str, Steps]:
        pictures = np.rint(255.0 * images).astype(np.uint8).transpose(0, 2, 3, 1)
        maps = network.respond(self._hidden, pictures, on_ms=on_ms)
        return {region: self._steps(region, values) for region, values in maps.items()}

    def _steps(self, region: str, maps: npt.NDArray[np.float64]) -> Steps:
        values = maps
        if self.level != "maps":
            values = network.pool(self._hidden, region, maps)
        if self.level == "readout":
            values = sites.expected_counts(self._readouts[region], values)
        return list(np.moveaxis(values, -1, 0))

    @cached_property
    def _hidden(self) -> network.HiddenNetwork:
        return network.build_network(seed=self.brain.seed)

    @cached_property
    def _readouts(self) -> dict[str, sites.ReadoutOptions]:
        return {region: self.brain.readout(region) for region in network.REGIONS}


def simulated_readout(*, weights: str = "seed-0") -> SimulatedModel:
    """Sites of the simulated brain without noise: the upper bound of every measure on it."""
    return _model("readout", weights)


def simulated_population(*, weights: str = "seed-0") -> SimulatedModel:
    """Population that the sites read: 96 spatially pooled units of each area."""
    return _model("population", weights)


def simulated_maps(*, weights: str = "seed-0") -> SimulatedModel:
    """All units of each area of the hidden network, with their places."""
    return _model("maps", weights)


def _model(level: Level, weights: str) -> SimulatedModel:
    word, _, number = weights.partition("-")
    if word != "seed" or not number.isdecimal():
        raise InputError(
            f"weights {weights!r} of simulated_{level}",
            allowed="seed-N, the seed of a simulated brain",
            todo=f"for example simulated_{level}@seed-1",
        )
    return SimulatedModel(level=level, brain=SimulatedBrain(seed=int(number)))
