"""A benchmark: the declaration of data, region, measure, and whom to cite."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

from brainbench.core.dataset import Dataset
from brainbench.core.errors import NotApplicableError
from brainbench.core.model import BrainModel
from brainbench.core.presentation import CONSTANT, Presentation
from brainbench.core.score import Score
from brainbench.core.settings import PROTOCOLS, ProtocolName, Settings
from brainbench.core.stimuli import StimulusSet


@dataclass(frozen=True, kw_only=True)
class Needs:
    """What a benchmark will ask of a model: enough to extract once for several benchmarks.

    Parameters
    ----------
    stimuli : StimulusSet
        All stimuli.
    layers : tuple of str
        Layers.
    presentation : Presentation
        How the stimuli are shown.
    sessions : tuple of StimulusSet
        The same stimuli in the parts that activations will be asked for; empty where that is the whole.
    """

    stimuli: StimulusSet
    layers: tuple[str, ...]
    presentation: Presentation
    sessions: tuple[StimulusSet, ...] = ()

    @property
    def parts(self) -> tuple[StimulusSet, ...]:
        """Stimulus sets that activations will be asked for, one by one."""
        return self.sessions or (self.stimuli,)

    def shared_by(self, part: StimulusSet) -> tuple[str, str]:
        """What a pass over a part is shared by with other benchmarks: stimuli and their presentation."""
        return part.digest, repr(self.presentation)


class Measure(Protocol):
    """The road from assemblies to a Score for one kind of measure."""

    def needs(self, benchmark: Benchmark, model: BrainModel, settings: Settings) -> Needs:
        """Stimuli and layers that `score` will ask for."""
        ...

    def score(self, benchmark: Benchmark, model: BrainModel, settings: Settings) -> Score:
        """Score a model."""
        ...


@dataclass(frozen=True, kw_only=True)
class Benchmark:
    """A declaration: which data, which region, which procedure, and whom to cite.

    Parameters
    ----------
    identifier : str
        As the field writes it: "MajajHong2015.IT-pls".
    version : int
        Raised whenever scores change.
    data : str or Dataset
        Name of a data set in the registry, or the data itself.
    measure : Measure
        Does the work.
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
    measure: Measure
    region: str
    window: tuple[float, float]
    presentation: Presentation = CONSTANT
    metric: str
    ceiling: str
    citation: str

    def score(self, model: BrainModel, settings: Settings | None = None) -> Score:
        """Score a model: arrays, ceiling and provenance in one frozen result.

        Raises
        ------
        NotApplicableError
            The measure is not defined under the protocol or by the formula, or no layer of the model stands
            for the region.
        """
        self._check_protocol(settings or Settings())
        return self.measure.score(self, model, settings or Settings())

    def needs(self, model: BrainModel, settings: Settings | None = None) -> Needs:
        """Stimuli and layers that scoring this model will take.

        Raises
        ------
        NotApplicableError
            See `score`.
        """
        self._check_protocol(settings or Settings())
        return self.measure.needs(self, model, settings or Settings())

    def on(self, data: Dataset) -> Benchmark:
        """Return the same benchmark on other data."""
        return replace(self, data=data)

    @property
    def protocols(self) -> tuple[ProtocolName, ...]:
        """Protocols under which the measure is defined; all, where its procedure does not name them."""
        named: tuple[ProtocolName, ...] = getattr(self.measure, "protocols", PROTOCOLS)
        return named

    def _check_protocol(self, settings: Settings) -> None:
        if settings.protocol not in self.protocols:
            raise NotApplicableError(
                f"protocol {settings.protocol!r} for {self.identifier}, whose measure it does not have",
                allowed=", ".join(self.protocols),
                todo="choose --protocol from these, or another benchmark",
            )
