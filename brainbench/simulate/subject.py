"""A subject that behaves on the simulated brain: choices between two objects, by a rule that is known.

The subject reads the noiseless IT sites in 70-170 ms through a logistic read-out that it learned on other
images than the one it sees (its own folds of the images). Shown object t beside distractor c, it takes t
with the probability

    lapse / 2 + (1 - lapse) p(t)^gain / (p(t)^gain + p(c)^gain)

with p the probabilities of the read-out: a gain above 1 makes choices surer than these are, and a lapse is a
guess. Trials are independent draws with that probability.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

from brainbench.core.errors import InputError
from brainbench.metrics.classification.logistic_regression import cross_decode
from brainbench.stats.splits import Split, paper

Array: TypeAlias = npt.NDArray[np.float64]

REGION = "IT"
WINDOW_MS = (70.0, 170.0)
GAIN = 3.0
LAPSE = 0.05
OBSERVERS = 20
TRIALS = 3
"""Trials of each image and distractor by each observer: 60 by all, as in Rajalingham et al. 2018."""
FOLDS = 10

_LEARNING, _CHOOSING = 0, 1


def choice_probabilities(sites: Array, objects: npt.NDArray[Any], *, seed: int = 0) -> Array:
    """Probability of choosing the object that is shown over each other one.

    Parameters
    ----------
    sites
        Response of each site, (image, site).
    objects
        Object that each image shows, (image,).
    seed
        Seed of the subject's folds.

    Returns
    -------
    ndarray, (image, object)
        Objects sorted by name; NaN where the distractor would be the object itself.

    Raises
    ------
    InputError
        One object, or fewer than two images of some object.
    """
    names, truth = np.unique(np.asarray(objects), return_inverse=True)
    folds = _folds(truth, names, seed)
    decoded = cross_decode(sites, truth, folds)
    p = np.empty((len(truth), len(names)))
    for (_, test), held_out in zip(folds, decoded.probabilities, strict=True):
        p[test] = held_out
    own = np.take_along_axis(p, truth[:, None], axis=1)
    chosen = LAPSE / 2 + (1 - LAPSE) / (1 + (p / own) ** GAIN)
    np.put_along_axis(chosen, truth[:, None], np.nan, axis=1)
    return chosen


def draw_trials(
    chosen: Array,
    truth: npt.NDArray[np.intp],
    *,
    stimulus_ids: npt.ArrayLike,
    objects: npt.ArrayLike,
    seed: int = 0,
    observers: int = OBSERVERS,
    n_trials: int = TRIALS,
) -> pd.DataFrame:
    """Choices of several observers that follow the same rule.

    Parameters
    ----------
    chosen
        From `choice_probabilities`, (image, object).
    truth
        Column of the object that each image shows, (image,).
    stimulus_ids, objects
        Names of the rows and columns of `chosen`.
    seed
        Seed of the choices. Each observer has a stream of its own, which more observers leave as it is.
    observers, n_trials
        How many observers, and trials of each image and distractor by each of them.

    Returns
    -------
    DataFrame
        One row per trial: stimulus_id, truth, distractor, choice, subject; names are categories.

    Raises
    ------
    InputError
        No observer or no trial.
    """
    if observers < 1 or n_trials < 1:
        raise InputError(
            f"{observers} observers with {n_trials} trials of each pair",
            allowed="1 or more of both",
            todo="ask for at least one trial",
        )
    image, other = (np.repeat(rows, n_trials) for rows in np.nonzero(np.isfinite(chosen)))
    p = chosen[image, other]
    right = np.concatenate(
        [_rng(seed, _CHOOSING, one).random(len(p)) < p for one in range(observers)]
    )
    subject = np.repeat(np.arange(observers), len(p))
    image, other = np.tile(image, observers), np.tile(other, observers)
    shown = truth[image]
    names = pd.Index(np.asarray(objects, dtype=object))
    return pd.DataFrame(
        {
            "stimulus_id": _named(image, np.asarray(stimulus_ids, dtype=object)),
            "truth": _named(shown, names),
            "distractor": _named(other, names),
            "choice": _named(np.where(right, shown, other), names),
            "subject": _named(
                subject, [f"sim{seed}-observer{one:02d}" for one in range(observers)]
            ),
        }
    )


def _named(codes: npt.NDArray[Any], names: Any) -> pd.Categorical:
    return pd.Categorical.from_codes(codes, categories=names)


def _folds(truth: npt.NDArray[np.intp], names: npt.NDArray[Any], seed: int) -> list[Split]:
    fewest = int(np.bincount(truth).min())
    if fewest < 2 or len(names) < 2:
        raise InputError(
            f"a simulated subject with {len(names)} objects, of which one has {fewest} images",
            allowed="at least two objects, and two images of each: it learns on the others",
            todo="give images_per_object=2 or more",
        )
    ids = [f"{row:06d}" for row in range(len(truth))]
    learning = int(_rng(seed, _LEARNING).integers(2**31))
    return paper(ids, truth, n_splits=min(FOLDS, fewest), seed=learning)


def _rng(seed: int, *purpose: int) -> np.random.Generator:
    return np.random.default_rng(np.random.SeedSequence([seed, 3000, *purpose]))
