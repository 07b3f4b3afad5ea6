"""Models that know the recordings of a benchmark: scored on held-out images, or not at all."""

from __future__ import annotations

import numpy as np

from brainbench.core.errors import InputError, NotApplicableError
from brainbench.core.model import FittedTo, chosen_by, fitted_to
from brainbench.metrics.array_types import AnyArray, IntArray
from brainbench.scoring.context import RunContext
from brainbench.stats.splits import Split

FEWEST_HELD_OUT = 3
"""Images of a fold that a correlation over them needs."""


def check_fitted(context: RunContext) -> None:
    """Raise NotApplicableError where a fitted model would be scored on images that it was fitted to.

    That is any measure that does not take the model's own units as predictions, and other recordings than
    those that it was fitted to.
    """
    fitted, model = fitted_to(context.model), context.model.name
    if fitted is None:
        return
    identifier = context.benchmark.identifier
    if not context.benchmark.measure.scores_fits:  # type: ignore[attr-defined]
        raise NotApplicableError(
            f"{identifier} for {model}, which was fitted to {len(fitted.neuroid_ids)} neurons of "
            f"{fitted.data}: other images than those held out would count",
            allowed="explainable variance with the model's own units, on the images that were held out",
            todo="score it on a benchmark of CC_norm^2 of the same recordings with --metric units",
        )
    asked = (context.data.name, context.data_version, context.benchmark.region)
    if asked != (fitted.data, fitted.version, fitted.region):
        raise NotApplicableError(
            f"{identifier} on {asked[0]} {asked[2]} (version {asked[1][:12]}) for {model}, which was fitted "
            f"to {fitted.data} {fitted.region} (version {fitted.version[:12]})",
            allowed="the recordings that the model was fitted to",
            todo="choose the benchmark that it was fitted to, or fit it again",
        )


def check_chosen(context: RunContext) -> None:
    """Raise NotApplicableError where the epoch of a model was chosen by the recordings of a benchmark.

    The largest of the scores of many epochs is above what the same network would get on other recordings.
    """
    own = (context.data.name, context.benchmark.region)
    for chosen in chosen_by(context.model):
        if own in chosen.recordings:
            raise NotApplicableError(
                f"{context.benchmark.identifier} for {context.model.name}, whose epoch was chosen by "
                f"{chosen.benchmark}, on the same recordings ({' '.join(own)}): the largest score of all "
                "epochs is no fair one",
                allowed="recordings that chose nothing: another data set, or another region",
                todo="score it on another benchmark, or train it without --monitor or with another one",
            )


def held_out_folds(fitted: FittedTo, ids: AnyArray, *, label: str) -> list[Split]:
    """Return a split for each fold, whose test images are those of the session that were held out.

    InputError where a fold has too few of them, such as under a limit.
    """
    folds = []
    for number, names in enumerate(fitted.folds):
        is_test = np.isin(ids, np.asarray(names))
        test = np.flatnonzero(is_test)
        if len(test) < FEWEST_HELD_OUT:
            raise InputError(
                f"{label}: {len(test)} of the {len(names)} images held out of fit {number}",
                allowed=f"at least {FEWEST_HELD_OUT} of them",
                todo="score all images: omit --limit",
            )
        folds.append(Split(np.flatnonzero(~is_test), test))
    return folds


def units_of(fitted: FittedTo, neuroid_ids: AnyArray, *, label: str) -> IntArray:
    """Return the unit of each neuron; InputError that names neurons without one."""
    place = {name: unit for unit, name in enumerate(fitted.neuroid_ids)}
    absent = [str(name) for name in neuroid_ids if str(name) not in place]
    if absent:
        raise InputError(
            f"{label}: {len(absent)} neurons that the model was not fitted to: {', '.join(absent[:5])}",
            allowed="sessions that the model was fitted to",
            todo="fit it to all sessions of the benchmark, or choose a benchmark of one of them",
        )
    return np.array([place[str(name)] for name in neuroid_ids], dtype=np.intp)
