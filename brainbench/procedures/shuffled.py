"""What a score of choices is by chance: a model's answers shuffled over images."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from brainbench.errors import InputError
from brainbench.interfaces import Settings
from brainbench.stats.permutation import p_value

IntArray = npt.NDArray[np.intp]


def null_of(
    settings: Settings,
    value: float | None,
    truth: IntArray,
    score: Callable[[IntArray], float],
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
        Score of a model that answers image k as it answered image `order[k]`.

    Raises
    ------
    InputError
        Shuffles within objects, each of which has one image.
    """
    if settings.null is None or value is None:
        return None
    if settings.null == "within-object" and np.bincount(truth).max() < 2:
        raise InputError(
            "images to shuffle within each object, and one image of each object",
            allowed="two or more images of an object",
            todo="shuffle over the whole set: --null images",
        )
    rng = np.random.default_rng(settings.seed)
    groups = np.zeros_like(truth) if settings.null == "images" else truth
    draws = np.empty(settings.null_draws)
    for draw in range(settings.null_draws):
        order = np.arange(len(truth))
        for group in np.unique(groups):
            rows = np.flatnonzero(groups == group)
            order[rows] = rng.permutation(rows)
        draws[draw] = score(order)
    defined = draws[np.isfinite(draws)]
    return {
        "kind": settings.null,
        "what": "answers of the model, read-out not fitted again",
        "n_draws": settings.null_draws,
        "mean": float(defined.mean()) if len(defined) else None,
        "sd": float(defined.std(ddof=1)) if len(defined) > 1 else None,
        "p": p_value(value, defined),
        "resolution": 1.0 / (1 + len(defined)),
    }
