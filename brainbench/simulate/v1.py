"""A V1 whose circuit is known: feed-forward, or with recurrent connections within its second layer.

It says whether fits find recurrence where there is some, and only there.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Final, Literal, get_args

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from brainbench.core import assembly
from brainbench.core.assembly import Assembly
from brainbench.core.errors import InputError, unknown
from brainbench.core.provenance import sha256
from brainbench.core.stimuli import StimulusSet, from_arrays

Circuit = Literal["feed-forward", "recurrent"]
CIRCUITS: Final[tuple[Circuit, ...]] = get_args(Circuit)
VERSION: Final = 1
_ORIENTATIONS: Final = 8
_KERNEL: Final = 7
_ITERATIONS: Final = 4
_MEAN_COUNT: Final = 3.0
_STREAM: Final = 20260117  # of the random numbers, beside the seed


@dataclass(frozen=True, kw_only=True, eq=False)
class SimulatedV1:
    """Noise pictures and Poisson trials of neurons of a known circuit, as a `Dataset`.

    Oriented filters of 7 x 7 pixels, rectified; then a layer of 3 x 3 connections, rectified, which in the
    recurrent circuit gets its own output of the iteration before, four times, through connections that are
    as strong. A neuron averages its rates over iterations, over a few channels near its place.

    Parameters
    ----------
    circuit : {"feed-forward", "recurrent"}
        Whether there are connections within the second layer.
    seed : int
        Of pictures, connections, neurons and trials.
    n_images, n_neurons, n_trials, side : int
        Numbers, and the height and width of the pictures.

    Raises
    ------
    UnknownNameError, InputError
        Another circuit, numbers below 1, or pictures of less than 12 pixels.
    """

    circuit: Circuit
    seed: int = 0
    n_images: int = 600
    n_neurons: int = 16
    n_trials: int = 8
    side: int = 20
    simulated: bool = field(default=True, init=False)
    command: str = field(default="nothing to fetch: it is computed when first used", init=False)

    def __post_init__(self) -> None:
        if self.circuit not in CIRCUITS:
            raise unknown("circuit", self.circuit, CIRCUITS, todo="choose one of the two")
        numbers = (self.n_images, self.n_neurons, self.n_trials)
        if min(numbers) < 1 or self.side < 12 or self.seed < 0:
            raise InputError(
                f"a simulated V1 of {self.n_images} images, {self.n_neurons} neurons, {self.n_trials} "
                f"trials, side {self.side}, seed {self.seed}",
                allowed="numbers from 1, pictures of at least 12 pixels, a seed from 0",
                todo="give larger numbers",
            )

    @property
    def name(self) -> str:
        """Name of the data set."""
        return f"SimulatedV1-{self.circuit}"

    @property
    def version(self) -> str:
        """SHA-256 over the parameters and `VERSION`."""
        numbers = (self.seed, self.n_images, self.n_neurons, self.n_trials, self.side)
        return sha256("simulated V1", str(VERSION), self.circuit, *map(str, numbers))

    def absent(self) -> str | None:
        """Return None: the data is always here."""
        return None

    def stimuli(self) -> StimulusSet:
        """Return the pictures: noise, smooth over 2 pixels."""
        return self._stimuli

    def recordings(self, region: str) -> Assembly:
        """Return spike counts of each trial, (repetition, stimulus, neuroid); UnknownNameError but for V1."""
        if region != "V1":
            raise unknown("region", region, ["V1"], todo="choose V1")
        counts = self._rng(3).poisson(self.truth, (self.n_trials, *self.truth.shape))
        return assembly.make(
            counts.astype(np.float64),
            stimulus={"stimulus_id": list(self._stimuli.ids)},
            neuroid={"neuroid_id": [f"v1-{k:03d}" for k in range(self.n_neurons)]},
            repetitions=True,
            units="spikes",
        )

    @cached_property
    def truth(self) -> npt.NDArray[np.float64]:
        """Expected counts behind `recordings`, picture x neuron."""
        gray = np.stack([self._stimuli.picture(k)[..., 0] for k in range(self.n_images)])
        image = torch.from_numpy(gray[:, None] / 255.0 - 0.5).float()
        maps = torch.cat([self._maps(part) for part in torch.split(image, 100)])
        rng, n_channels, place = self._rng(2), maps.shape[1], maps.shape[2]
        y, x = np.mgrid[:place, :place]
        rates = []
        for _ in range(self.n_neurons):
            cy, cx = rng.uniform(2, place - 3, 2)
            window = np.exp(-((y - cy) ** 2 + (x - cx) ** 2) / 2)
            channels = rng.random(n_channels) * (rng.random(n_channels) < 0.4)
            channels[rng.integers(n_channels)] += 1
            weights = torch.from_numpy(channels[:, None, None] * window).float()
            rates.append((maps * weights).sum(dim=(1, 2, 3)).numpy())
        values = np.stack(rates, axis=1).astype(np.float64)
        return np.asarray(_MEAN_COUNT * values / values.mean(axis=0))

    @cached_property
    def _stimuli(self) -> StimulusSet:
        noise = self._rng(0).standard_normal((self.n_images, 1, self.side + 4, self.side + 4))
        smooth = functional.avg_pool2d(torch.from_numpy(noise), 3, stride=1)[:, 0, 1:-1, 1:-1]
        gray = np.clip(128 + 120 * smooth.numpy(), 0, 255).astype(np.uint8)
        pictures = np.repeat(gray[..., None], 3, axis=3)
        ids = [f"v1-{self.seed}-{k:05d}" for k in range(self.n_images)]
        return from_arrays(self.name, pictures, ids=ids)

    def _maps(self, image: Tensor) -> Tensor:
        """Return the second layer, mean over iterations, (image, channel, y, x)."""
        first = functional.relu(functional.conv2d(image, _oriented_filters()))
        first = first / 0.1  # about 1 at the contrast of the pictures
        rng = self._rng(1)
        shape = (_ORIENTATIONS, _ORIENTATIONS, 3, 3)
        up, lateral = (torch.from_numpy(rng.standard_normal(shape)).float() for _ in range(2))
        scale = shape[1] * 9
        drive = functional.conv2d(first, up / scale**0.5, padding=1)
        state = functional.relu(drive)
        if self.circuit == "feed-forward":
            return state
        states = [state]
        for _ in range(_ITERATIONS - 1):
            from_within = functional.conv2d(states[-1], 1.5 * lateral / scale**0.5, padding=1)
            states.append(functional.relu(drive + from_within))
        return torch.stack(states).mean(dim=0)

    def _rng(self, stream: int) -> np.random.Generator:
        return np.random.default_rng([_STREAM, self.seed, stream])


def _oriented_filters() -> Tensor:
    """Return filters of unit norm and zero mean, (orientation, 1, 7, 7)."""
    places = np.arange(_KERNEL) - _KERNEL // 2
    y, x = np.meshgrid(places, places, indexing="ij")
    filters = []
    for angle in np.pi * np.arange(_ORIENTATIONS) / _ORIENTATIONS:
        along = x * np.cos(angle) + y * np.sin(angle)
        wave = np.exp(-(x**2 + y**2) / 8) * np.cos(2 * np.pi * along / 5)
        wave -= wave.mean()
        filters.append(wave / np.linalg.norm(wave))
    return torch.from_numpy(np.stack(filters)[:, None]).float()
