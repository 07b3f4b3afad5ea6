"""Marks of scores and what each means, in tables and on pages alike."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:  # a bar is shown before scores are imported
    from brainbench.core.score import Score

UNTRAINED = "° untrained: the weights are seeded random numbers"
UNDESCRIBED = "? nobody said what the weights are: give weights= to brainbench.wrap"
OLDER_KEY = (
    "‡ older key: stored by an earlier version, whose key did not follow all code of the model"
)
SIMULATED = "~ simulated brain: no animal was recorded"
THESE_ANIMALS = "for these animals: fewer than three were recorded, no interval speaks of others"
APPROXIMATE = "≈ approximate: the coverage of this interval was not measured, or is not kept"
NOT_ABOVE_0 = (
    "! ceiling not above 0: its 95 % interval holds 0, and the figure may be of noise alone"
)
PARTIAL = "* partial: only some of the stimuli were used"

MARKS = (
    UNTRAINED,
    UNDESCRIBED,
    OLDER_KEY,
    SIMULATED,
    THESE_ANIMALS,
    APPROXIMATE,
    NOT_ABOVE_0,
    PARTIAL,
)
"""In the order in which tables say them."""


def marks_of(score: Score) -> list[str]:
    """Return what has to be said of a score, in the order in which tables say it."""
    present = (
        score.untrained,
        score.undescribed,
        score.older_key,
        score.simulated,
        score.for_these_animals,
        score.ci_approximate,
        score.value is not None and score.ceiling_above_0 is False,
        score.partial,
    )
    return [mark for mark, is_present in zip(MARKS, present, strict=True) if is_present]
