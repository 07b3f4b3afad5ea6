"""What a data set offers: a benchmark NAME.REGION-MEASURE for each measure whose needs it meets.

Imports nothing heavy: names of benchmarks are listed before anything else happens.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

BEHAVIOR = "behavior"
"""`core.model.BEHAVIOR`, whose module imports more than a list of names needs."""
SOLVING = "IT"
"""The region whose solution times are meant where there are several."""


@dataclass(frozen=True, kw_only=True)
class RegionFacts:
    """What is there of one region.

    Parameters
    ----------
    sites : int
        Recorded sites; 0 where only dissimilarities are there.
    trials, least_trials : int
        Largest and smallest number of trials of an image.
    bins : int
        Time bins; 0 for responses without time.
    span : (float, float) or None
        Start of the first and end of the last bin, in ms.
    overlapping : bool
        Some bins overlap.
    dissimilarities : bool
        Dissimilarities of all pairs of images are there.
    """

    sites: int = 0
    trials: int = 1
    least_trials: int = 1
    bins: int = 0
    span: tuple[float, float] | None = None
    overlapping: bool = False
    dissimilarities: bool = False


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What is there of a data set.

    `objects` is the number of images of each object; `tables` names the tables of behavior: "trials",
    "category_responses", "solution_times". Without `pictures` no model can be shown anything.
    """

    regions: Mapping[str, RegionFacts]
    objects: Mapping[str, int]
    tables: tuple[str, ...] = ()
    pictures: bool = True


@runtime_checkable
class HasFacts(Protocol):
    """A data set that states its facts, so that it need not be read for them."""

    @property
    def facts(self) -> Facts:
        """What is there."""


@dataclass(frozen=True, kw_only=True)
class Offer:
    """A benchmark by rule, and what the data lacks for it; it is offered where nothing is missing."""

    identifier: str
    region: str
    measure: str
    missing: tuple[str, ...]


Need = Callable[[Facts, RegionFacts], str]
"""Returns what is missing, or an empty text."""


def _pictures(facts: Facts, region: RegionFacts) -> str:
    return (
        ""
        if facts.pictures
        else "pictures (they are not published, so that no model can be scored)"
    )


def _recordings(facts: Facts, region: RegionFacts) -> str:
    return "" if region.sites else "responses (only dissimilarities are there)"


def _responses(facts: Facts, region: RegionFacts) -> str:
    return "" if region.sites or region.dissimilarities else "responses, or dissimilarities"


def _trials(facts: Facts, region: RegionFacts) -> str:
    least = region.least_trials
    return "" if least > 1 else f"two or more trials of each image (some have {least})"


def _time(facts: Facts, region: RegionFacts) -> str:
    if region.overlapping:
        return "time bins that do not overlap"
    return "" if region.bins > 1 else f"two or more time bins (there are {region.bins})"


def _objects(facts: Facts, region: RegionFacts) -> str:
    if not facts.objects:
        return "what each image shows (a column object_name of the images)"
    name, least = min(facts.objects.items(), key=lambda item: item[1])
    if len(facts.objects) < 2:
        return f"images of two or more objects (all show {name})"
    return "" if least > 1 else f"two or more images of each object ({least} of {name})"


def _table(facts: Facts, name: str, what: str) -> str:
    return "" if name in facts.tables else what


def _choices_of_two(facts: Facts, region: RegionFacts) -> str:
    return _table(facts, "trials", "choices between two objects (columns choice and distractor)")


def _answers(facts: Facts, region: RegionFacts) -> str:
    what = "answers among all objects, of named subjects (columns choice and subject)"
    return _table(facts, "category_responses", what)


def _solution_times(facts: Facts, region: RegionFacts) -> str:
    return _table(facts, "solution_times", "solution times of the images (columns i1 and ost)")


NEEDS: Mapping[str, tuple[Need, ...]] = {
    "pls": (_recordings,),
    "ridge": (_recordings,),
    "ccnorm2": (_recordings, _trials),
    "ccnorm": (_recordings, _trials),
    "rsa": (_responses,),
    "cka": (_recordings,),
    "dynamics": (_recordings, _trials, _time),
    "ost": (_recordings, _time, _objects, _solution_times),
}
"""What each measure of a recorded region needs."""
BEHAVIOR_NEEDS: Mapping[str, tuple[Need, ...]] = {
    "i2n": (_objects, _choices_of_two),
    "choices": (_objects, _answers),
    "consistency": (_objects, _answers),
}
"""What each measure of behavior needs."""


def offers(name: str, facts: Facts) -> list[Offer]:
    """Return every benchmark by rule of a data set, region by region, with what is missing for it."""
    found = [
        _offer(name, region, measure, needs, facts, there)
        for region, there in facts.regions.items()
        for measure, needs in NEEDS.items()
        if measure != "ost" or region == SOLVING or len(facts.regions) == 1
    ]
    if {"trials", "category_responses"} & set(facts.tables):
        found += [
            _offer(name, BEHAVIOR, measure, needs, facts, RegionFacts())
            for measure, needs in BEHAVIOR_NEEDS.items()
        ]
    return found


def _offer(
    name: str,
    region: str,
    measure: str,
    needs: tuple[Need, ...],
    facts: Facts,
    there: RegionFacts,
) -> Offer:
    missing = tuple(filter(None, (need(facts, there) for need in (_pictures, *needs))))
    identifier = f"{name}.{region}-{measure}"
    return Offer(identifier=identifier, region=region, measure=measure, missing=missing)
