"""Error consistency: do two observers err on the same images, beyond what their accuracies explain.

Cohen's kappa of being right or wrong (Geirhos, Meding & Wichmann 2020, equations 1 to 3).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np

from brainbench.core.errors import InputError
from brainbench.metrics.array_types import AnyArray, FloatArray, IntArray
from brainbench.metrics.reductions import draw_counts

_ROUNDING = 1e-12  # of sums of counts: 1 - e is 0 within it


def error_consistency(
    right_a: AnyArray,
    right_b: AnyArray,
    *,
    seen: AnyArray | None = None,
    weights: AnyArray | None = None,
) -> FloatArray:
    """Return Cohen's kappa of the right answers of two observers.

    Parameters
    ----------
    right_a, right_b : array of bool, (...,) image
        Whether each answer of an observer was right.
    seen : array of bool, (...,) image, optional
        Whether both answered the image; all images when not given.
    weights : array, draw x image, optional
        How often each image counts.

    Returns
    -------
    array, (...) or draw x (...)
        (o - e) / (1 - e), where o is the share of images on which both are right or both wrong, and
        e = p q + (1 - p)(1 - q) that of two independent observers of these accuracies. NaN where e = 1: both
        always right, or both always wrong; and where they share no image.

    Raises
    ------
    InputError
        Different numbers of images, or none; weights of another shape.

    Examples
    --------
    >>> right = np.array([True, True, False, False])
    >>> float(error_consistency(right, right)), float(error_consistency(right, ~right))
    (1.0, -1.0)
    """
    a, b = np.asarray(right_a, dtype=bool), np.asarray(right_b, dtype=bool)
    if a.shape[-1:] != b.shape[-1:] or not a.shape or not a.shape[-1]:
        raise InputError(
            f"answers of shape {a.shape} and {b.shape}",
            allowed="the same images for both",
            todo="align both by stimulus_id",
        )
    counts = draw_counts(weights, a.shape[-1])
    both = np.ones(a.shape[-1:], dtype=bool) if seen is None else np.asarray(seen, dtype=bool)
    shape = np.broadcast_shapes(a.shape, b.shape, both.shape)
    n, n_a, n_b, n_agree = (
        _counted(np.broadcast_to(both & which, shape), counts) for which in (both, a, b, a == b)
    )
    total = np.where(n > 0, n, np.nan)
    p, q = n_a / total, n_b / total
    expected = p * q + (1 - p) * (1 - q)
    possible = np.where(1 - expected > _ROUNDING, 1 - expected, np.nan)
    kappa = (n_agree / total - expected) / possible
    return cast(FloatArray, kappa[0] if weights is None else kappa)


def subject_pairs(n_subjects: int) -> tuple[IntArray, IntArray]:
    """Return the rows of both subjects of each pair of different subjects.

    Examples
    --------
    >>> [rows.tolist() for rows in subject_pairs(3)]
    [[0, 0, 1], [1, 2, 2]]
    """
    first, second = np.triu_indices(n_subjects, k=1)
    return first, second


def mean_consistency(
    kappas: AnyArray, subject_counts: AnyArray | None = None, *, rows: Sequence[AnyArray]
) -> FloatArray:
    """Return the mean kappa over subjects, or over pairs of subjects; undefined ones are left out.

    Parameters
    ----------
    kappas : array, draw x item
        Of each subject with the model, or of each pair of subjects.
    subject_counts : array, draw x subject, optional
        How often each subject counts. A pair counts as often as its subjects do together; a subject that
        is drawn twice is not paired with itself.
    rows : sequence of array of int, item
        Row of the subject of each item, or of both subjects of each pair.

    Returns
    -------
    array, draw
        NaN where no item that counts is defined. Where kappas or counts have one draw it serves all others.
    """
    kappas = np.atleast_2d(np.asarray(kappas, dtype=np.float64))
    if subject_counts is None:
        weight = np.ones((1, kappas.shape[1]))
    else:
        weight = np.prod([np.asarray(subject_counts)[:, row] for row in rows], axis=0)
    defined = np.isfinite(kappas)
    weight = np.where(defined, weight, 0.0)
    total = weight.sum(axis=1)
    sums = (weight * np.where(defined, kappas, 0.0)).sum(axis=1)
    return cast(FloatArray, sums / np.where(total > 0, total, np.nan))


def _counted(which: AnyArray, counts: FloatArray) -> FloatArray:
    """Return how many images count for which something holds, draw x (...)."""
    flat = which.reshape(-1, which.shape[-1]).astype(np.float64)
    return (counts @ flat.T).reshape(len(counts), *which.shape[:-1])
