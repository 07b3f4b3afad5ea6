"""Data sets of arrays in memory: your own recordings."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from brainbench.core.assembly import Assembly, validate
from brainbench.core.errors import unknown
from brainbench.core.stimuli import StimulusSet


@dataclass(frozen=True, kw_only=True, eq=False)
class ArrayData:
    """Stimuli and recordings in memory, as a `Dataset`.

    Recordings of each region have the dims (repetition, stimulus, neuroid, time) or a subset; one that is not
    a valid assembly is an InputError. `command` is the command that gets the data, if there is one.
    """

    name: str
    pictures: StimulusSet
    regions: Mapping[str, Assembly]
    simulated: bool = False
    command: str = ""

    def __post_init__(self) -> None:
        for region, recording in self.regions.items():
            validate(recording, name=f"{self.name} {region}")

    @cached_property
    def version(self) -> str:
        """SHA-256 over stimuli, responses and ids."""
        hasher = hashlib.sha256(self.pictures.digest.encode())
        for region, recording in sorted(self.regions.items()):
            hasher.update(f"{region}|{recording.dims}|{recording.shape}|{recording.dtype}".encode())
            hasher.update(np.ascontiguousarray(recording.values).tobytes())
            for key in sorted(map(str, recording.coords)):
                hasher.update(f"{key}|{recording.coords[key].values.tolist()}".encode())
        return hasher.hexdigest()

    def absent(self) -> str | None:
        """Return None: the data is always here."""
        return None

    def stimuli(self) -> StimulusSet:
        """Return the stimuli."""
        return self.pictures

    def recordings(self, region: str) -> Assembly:
        """Return the recordings of a region; UnknownNameError if there are none."""
        if region not in self.regions:
            raise unknown(
                f"region of {self.name}:", region, list(self.regions), todo="choose one of them"
            )
        return self.regions[region]
