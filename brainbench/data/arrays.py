"""A data set made of arrays that are already in memory: your own recordings."""

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

    Parameters
    ----------
    name : str
        How records call it.
    pictures : StimulusSet
        What was shown.
    regions : mapping of str to DataArray
        For each region its recordings, dims (repetition, stimulus, neuroid, time) or a subset.
    simulated : bool
        No animal was recorded.

    Raises
    ------
    InputError
        A recording that is no valid assembly.
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
        """Never absent."""
        return None

    def stimuli(self) -> StimulusSet:
        """Return the stimuli."""
        return self.pictures

    def recordings(self, region: str) -> Assembly:
        """Trials of the sites of a region.

        Raises
        ------
        UnknownNameError
            No recordings of that region.
        """
        if region not in self.regions:
            raise unknown(
                f"region of {self.name}:", region, list(self.regions), todo="choose one of them"
            )
        return self.regions[region]
