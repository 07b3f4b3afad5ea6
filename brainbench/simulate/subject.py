"""The subject of the simulated brain: choices between two objects, by a known rule.

The subject reads the noiseless IT sites in 70-170 ms with a logistic readout that it learned on other images
than the one it sees (its own folds of the images). Shown object t beside distractor c, it chooses t with the
probability

    lapse / 2 + (1 - lapse) p(t)^gain / (p(t)^gain + p(c)^gain)

with p the probabilities of the readout: a gain above 1 makes choices more certain, and a lapse is a guess.
Trials are independent draws with that probability.
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
"""Trials of each image and distractor by each observer: 60 in all, as in Rajalingham et al. 2018."""
FOLDS = 10

_LEARNING, _CHOOSING = 0, 1


def choice_probabilities(sites: Array, objects: npt.NDArray[Any], *, seed: int = 0) -> Array:
    """Return the probability of choosing the object that is shown over each other object, (image, object).

    `sites` are responses, (image, site); `objects` is the object that each image shows. `seed` is that of the
    folds of the subject. Objects are sorted by name; NaN where the distractor is the object itself.
    InputError for only one object, or fewer than two images of some object.
    """
    names, truth = np.unique(np.asarray(objects), return_inverse=True)
    folds = _folds(truth, names, seed)
    decoded = cross_decode(sites, truth, folds)
    p = np.empty((len(truth), len(names)))
    for (_, test), held_out in zip(folds, decoded.probabilities, strict=True):
        p[test] = held_out
    p_truth = np.take_along_axis(p, truth[:, None], axis=1)
    probabilities = LAPSE / 2 + (1 - LAPSE) / (1 + (p / p_truth) ** GAIN)
    np.put_along_axis(probabilities, truth[:, None], np.nan, axis=1)
    return probabilities


def draw_trials(
    probabilities: Array,
    truth: npt.NDArray[np.intp],
    *,
    stimulus_ids: npt.ArrayLike,
    objects: npt.ArrayLike,
    seed: int = 0,
    observers: int = OBSERVERS,
    n_trials: int = TRIALS,
) -> pd.DataFrame:
    """Draw the choices of several observers that follow the same rule, each with a separate random stream.

    `probabilities` are from `choice_probabilities`, (image, object), with rows `stimulus_ids` and columns
    `objects`; `truth` is the column of the object that each image shows. Each observer has `n_trials` trials
    of each image and distractor. Rows are trials, columns stimulus_id, truth, distractor, choice and subject,
    all categorical. InputError for no observers or no trials.
    """
    if observers < 1 or n_trials < 1:
        raise InputError(
            f"{observers} observers with {n_trials} trials of each pair",
            allowed="1 or more of both",
            todo="ask for at least one trial",
        )
    pairs = np.nonzero(np.isfinite(probabilities))
    image, distractor = (np.repeat(rows, n_trials) for rows in pairs)
    p = probabilities[image, distractor]
    is_correct = np.concatenate(
        [_rng(seed, _CHOOSING, observer).random(len(p)) < p for observer in range(observers)]
    )
    observer_names = [f"sim{seed}-observer{number:02d}" for number in range(observers)]
    observer = np.repeat(np.arange(observers), len(p))
    image, distractor = np.tile(image, observers), np.tile(distractor, observers)
    shown, names = truth[image], pd.Index(np.asarray(objects, dtype=object))
    return pd.DataFrame(
        {
            "stimulus_id": _categories(image, np.asarray(stimulus_ids, dtype=object)),
            "truth": _categories(shown, names),
            "distractor": _categories(distractor, names),
            "choice": _categories(np.where(is_correct, shown, distractor), names),
            "subject": _categories(observer, observer_names),
        }
    )


def _categories(codes: npt.NDArray[Any], names: Any) -> pd.Categorical:
    return pd.Categorical.from_codes(codes, categories=names)


def _folds(truth: npt.NDArray[np.intp], names: npt.NDArray[Any], seed: int) -> list[Split]:
    fewest = int(np.bincount(truth).min())
    if fewest < 2 or len(names) < 2:
        raise InputError(
            f"a simulated subject with {len(names)} objects, of which one has {fewest} images",
            allowed="at least two objects with two images each: the subject learns on other images",
            todo="give images_per_object=2 or more",
        )
    ids = [f"{row:06d}" for row in range(len(truth))]
    learning = int(_rng(seed, _LEARNING).integers(2**31))
    return paper(ids, truth, n_splits=min(FOLDS, fewest), seed=learning)


def _rng(seed: int, *purpose: int) -> np.random.Generator:
    return np.random.default_rng(np.random.SeedSequence([seed, 3000, *purpose]))
