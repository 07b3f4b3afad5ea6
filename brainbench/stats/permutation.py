"""What a score is by chance: images shuffled over the whole set."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from brainbench.errors import InputError

__all__ = ["p_value", "shuffle_images"]

FloatArray = NDArray[np.float64]


def shuffle_images(
    Y: NDArray[Any],
    score: Callable[[NDArray[Any]], float],
    *,
    n_draws: int = 100,
    seed: int = 0,
) -> FloatArray:
    """Scores of a model against responses whose images were shuffled.

    Parameters
    ----------
    Y : array, stimulus x neuroid
        Responses. All neuroids are shuffled together, so their correlations stay.
    score : function
        Takes shuffled responses, fits and judges as for the real ones, and returns the score. The
        Gram matrix of the features is the same in every draw: compute it once, outside.
    n_draws : int
        Number of shuffles.
    seed : int
        Of a numpy Generator.

    Returns
    -------
    array, draw
        Scores under the null hypothesis that images do not matter. Shuffling over the whole set
        and fitting again also breaks what is common to the images of an object.

    Raises
    ------
    InputError
        Fewer than one draw.

    Examples
    --------
    >>> Y = np.arange(6.0)[:, None]
    >>> shuffle_images(Y, lambda shuffled: float(shuffled.sum()), n_draws=3)
    array([15., 15., 15.])
    """
    if n_draws < 1:
        raise InputError(f"n_draws = {n_draws}", allowed="1 or more", todo="ask for 100 draws")
    rng = np.random.default_rng(seed)
    return np.array([score(Y[rng.permutation(len(Y))]) for _ in range(n_draws)], dtype=np.float64)


def p_value(observed: float, draws: FloatArray) -> float:
    """Share of draws that reach the observed score, the observed one counted with them.

    Parameters
    ----------
    observed : float
        Score of the real responses.
    draws : array
        From `shuffle_images`.

    Returns
    -------
    float
        (1 + draws >= observed) / (1 + draws); never 0 (Phipson & Smyth 2010).

    Examples
    --------
    >>> p_value(0.5, np.array([0.0, 0.1, -0.1]))
    0.25
    """
    return float((1 + np.count_nonzero(np.asarray(draws) >= observed)) / (1 + np.size(draws)))
