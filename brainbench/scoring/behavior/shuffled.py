"""What a score of choices is by chance: a model's answers shuffled over images."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from brainbench.core.settings import Settings
from brainbench.stats.permutation import shuffles, summary

IntArray = npt.NDArray[np.intp]


def null_of(
    settings: Settings,
    value: float | None,
    truth: IntArray,
    score: Callable[[IntArray], float],
    *,
    groups: npt.NDArray[Any] | None = None,
) -> dict[str, Any] | None:
    """Permutation null of a score; None where none was asked for, or there is no value.

    Parameters
    ----------
    settings : Settings
        Kind and number of shuffles, and their seed.
    value : float or None
        The score.
    truth : array of int, image
        Which object each image shows: "within-object" shuffles among images of one object.
    score : function
        Score of a model that answers image k as it answered image `order[k]`; NaN where it has none.
    groups : array, image, optional
        Images that depend on each other, such as variants of one photograph: exchanged together.

    Raises
    ------
    InputError
        As `shuffles`: within objects, each of which has one image; no two groups of as many images.
    """
    if settings.null is None or value is None:
        return None
    orders = shuffles(
        len(truth),
        kind=settings.null,
        objects=truth,
        groups=groups,
        n_draws=settings.null_draws,
        seed=settings.seed,
    )
    draws = np.array([score(order) for order in orders])
    together = "" if groups is None else ", groups of as many images exchanged whole"
    what = f"answers of the model{together}, read-out not fitted again"
    return summary(value, draws, kind=settings.null) | {"what": what}
