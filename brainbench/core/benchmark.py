"""A benchmark: the declaration of data, region, measure, and whom to cite."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

from brainbench.core.dataset import Dataset
from brainbench.core.errors import InputError
from brainbench.core.model import BEHAVIOR
from brainbench.core.presentation import CONSTANT, Presentation
from brainbench.core.settings import ProtocolName

RENAMED_REGIONS = {"behaviour": BEHAVIOR}
"""Regions under their former names."""


class MeasureOptions(Protocol):
    """The options of a measure, all that the core knows of it; `scoring.measure.Measure` is the contract."""

    @property
    def formula(self) -> str | None: ...
    @property
    def rules(self) -> Mapping[ProtocolName, Any]: ...
    @property
    def protocols(self) -> tuple[ProtocolName, ...]: ...
    def config(self) -> dict[str, Any]: ...


@dataclass(frozen=True, kw_only=True)
class Benchmark:
    """A declaration: which data, which region, which measure, and whom to cite.

    `scoring.pipeline.score(benchmark, model)` scores a model on it.

    Parameters
    ----------
    identifier : str
        As the field writes it: "MajajHong2015.IT-pls".
    version : int
        Raised whenever scores change.
    data : str or Dataset
        Name of a data set in the registry, or the data itself.
    measure : Measure
        What is computed, with its options.
    region : str
        "V1", "V2", "V4", "IT", or "behavior".
    window : (start, end)
        Time window of the response in ms from stimulus onset.
    presentation : Presentation
        How the stimuli were shown.
    metric, ceiling : str
        One line each on what is computed.
    citation : str
        Whom to cite, as "Author et al., year, doi".
    """

    identifier: str
    version: int
    data: str | Dataset
    measure: MeasureOptions
    region: str
    window: tuple[float, float]
    presentation: Presentation = CONSTANT
    metric: str
    ceiling: str
    citation: str

    def __new__(cls, **given: Any) -> Benchmark:
        """Refuse the former name of a field."""
        if "procedure" in given:
            raise InputError(
                f"{given.get('identifier', 'a benchmark')} with procedure=",
                allowed="measure=, its name since version 0.2",
                todo="write measure= instead of procedure=",
            )
        return super().__new__(cls)

    def __post_init__(self) -> None:
        if self.region in RENAMED_REGIONS:
            raise InputError(
                f"{self.identifier}: region {self.region!r}",
                allowed=f"region {RENAMED_REGIONS[self.region]!r}, its name since version 0.2",
                todo=f"write region={RENAMED_REGIONS[self.region]!r}",
            )

    def on(self, data: Dataset) -> Benchmark:
        """Return the same benchmark on other data."""
        return replace(self, data=data)

    @property
    def protocols(self) -> tuple[ProtocolName, ...]:
        """Protocols under which the measure is defined."""
        return self.measure.protocols
