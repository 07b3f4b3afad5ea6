"""The facts of an opened data set, from which follows what it offers."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np

from brainbench.core.assembly import Assembly
from brainbench.core.dataset import (
    Dataset,
    HasCategoryResponses,
    HasRDMs,
    HasRegions,
    HasSessions,
    HasSolutionTimes,
    HasTrials,
)
from brainbench.core.stimuli import OBJECT, StimulusSet
from brainbench.data.offers import Facts, HasFacts, RegionFacts

_TABLES = {
    "trials": HasTrials,
    "category_responses": HasCategoryResponses,
    "solution_times": HasSolutionTimes,
}


def facts_of(data: Dataset) -> Facts:
    """Return what a data set states, or what is found by reading it; DataAbsentError."""
    if isinstance(data, HasFacts):
        return data.facts
    regions = tuple(data.regions) if isinstance(data, HasRegions) else ()
    return Facts(
        regions={region: _of_region(data, region) for region in regions},
        objects=objects_of(data.stimuli()),
        tables=tuple(name for name, kind in _TABLES.items() if isinstance(data, kind)),
    )


def objects_of(stimuli: StimulusSet) -> dict[str, int]:
    """Return the number of images of each object; none where objects are not known."""
    if OBJECT not in stimuli.metadata.columns:
        return {}
    return dict(sorted(Counter(stimuli.labels(OBJECT).tolist()).items()))


def _of_region(data: Dataset, region: str) -> RegionFacts:
    """Return the facts of a region; of several sessions the one with the most trials stands for all."""
    if isinstance(data, HasRDMs):
        return RegionFacts(dissimilarities=True)
    if isinstance(data, HasSessions):
        each = [facts_of_recording(one.recordings(region)) for one in data.sessions().values()]
        most = max(each, key=lambda facts: facts.trials)
        return replace(most, sites=sum(facts.sites for facts in each))
    return facts_of_recording(data.recordings(region))


def facts_of_recording(recording: Assembly) -> RegionFacts:
    """Return the facts of the recording of one region."""
    trials = least = 1
    if "repetition" in recording.dims:
        others = [dim for dim in recording.dims if dim not in ("repetition", "stimulus")]
        counts = recording.notnull().all(others).sum("repetition").values
        trials, least = int(counts.max()), int(counts.min())
    facts = RegionFacts(sites=recording.sizes["neuroid"], trials=trials, least_trials=least)
    if "time" not in recording.dims:
        return facts
    start, end = (recording.coords[key].values for key in ("time_start", "time_end"))
    return replace(
        facts,
        bins=len(start),
        span=(float(start[0]), float(end[-1])),
        overlapping=bool((np.asarray(start[1:]) < np.asarray(end[:-1]) - 1e-9).any()),
    )
