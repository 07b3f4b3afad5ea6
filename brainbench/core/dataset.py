"""The contracts of data sets: stimuli, and how a brain or a subject responded to them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Protocol, runtime_checkable

import pandas as pd

from brainbench.core.assembly import Assembly
from brainbench.core.stimuli import StimulusSet


@runtime_checkable
class Dataset(Protocol):
    """Stimuli and what a brain or a subject did with them.

    `name` is as "Simulated" or "MajajHong2015"; `simulated` says that the brain is, as does every score
    on it. `version` is that of the data, or a digest of its parameters; `command` gets the data here.
    """

    @property
    def name(self) -> str: ...
    @property
    def simulated(self) -> bool: ...
    @property
    def version(self) -> str: ...
    @property
    def command(self) -> str: ...

    def absent(self) -> str | None:
        """Return why the data is not here; None where it is."""

    def stimuli(self) -> StimulusSet:
        """Return the stimuli, with their metadata."""

    def recordings(self, region: str) -> Assembly:
        """Return the trials of the sites of a region: (repetition,) stimulus, neuroid(, time)."""


@runtime_checkable
class HasSessions(Protocol):
    """A data set of several recording sessions, each with stimuli and neuroids of its own.

    Its `stimuli` are those of all sessions; maps are fitted in each session, and figures of single
    neuroids are put together.
    """

    def sessions(self) -> Mapping[str, Dataset]:
        """Return each session as a data set, by its name."""


@runtime_checkable
class HasRegions(Protocol):
    """A data set that says which regions it has recordings or dissimilarities of."""

    @property
    def regions(self) -> Collection[str]: ...


@runtime_checkable
class HasPopulation(Protocol):
    """A data set that says whose brains it is of: "people", where others are of "animals"."""

    @property
    def population(self) -> str: ...


def population_of(data: Dataset) -> str:
    """Return the word for those whose brains a data set is of, in the plural: "animals" unless it says."""
    return data.population if isinstance(data, HasPopulation) else "animals"


@runtime_checkable
class HasTestTrials(Protocol):
    """A data set with a published division whose test images alone were repeated.

    Its `recordings` have no repetition: they are the means of these trials, and the single trials of the
    training images, which the column `split` of the stimuli tells apart.
    """

    def test_trials(self, region: str) -> Assembly:
        """Return the trials of the test images: repetition, stimulus, neuroid(, time)."""


@runtime_checkable
class HasTrials(Protocol):
    """A data set with choices of subjects between two objects."""

    def trials(self) -> pd.DataFrame:
        """Return a row for each trial: stimulus_id, truth, distractor, choice (all object names), subject."""


@runtime_checkable
class HasCategoryResponses(Protocol):
    """A data set with answers of subjects who chose among all categories of a task."""

    def category_responses(self) -> pd.DataFrame:
        """Return a row for each answer: stimulus_id, truth, choice (empty or missing if none), subject."""


@runtime_checkable
class HasSolutionTimes(Protocol):
    """A data set that says when a brain has solved each image."""

    def solution_times(self) -> pd.DataFrame:
        """Return a row for each image: stimulus_id, i1 (d', the threshold), ost (ms, NaN if never solved)."""


@runtime_checkable
class HasRDMs(Protocol):
    """A data set of published dissimilarities, whose responses are not there."""

    def dissimilarities(self, region: str) -> Assembly:
        """Return the dissimilarity of stimuli, (subject, pair), pairs as in scipy's squareform."""


@runtime_checkable
class HasCurvatureEstimates(Protocol):
    """A data set with published curvatures of its films, to be quoted."""

    def curvature_estimates(self) -> pd.DataFrame:
        """Return a row for each film and estimate: what names the film, pixels (degrees), and change.

        `change` is the curvature of the brain less that of the pixels; what names the film are columns of the
        stimuli, and further columns say of whom and how it was estimated.
        """


@runtime_checkable
class Importable(Protocol):
    """A data set whose files are published elsewhere and read from a local folder."""

    def import_from(self, given: Path) -> Path:
        """Check and convert the files of a folder, store them in the data folder, and return where."""
