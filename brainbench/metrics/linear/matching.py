"""Units of a model matched to neuroids: one to one, or softly, each unit and each neuroid used equally.

Between neuron-to-neuron, where one unit may stand for every neuroid, and a linear map, which any rotation of
the units leaves as it is. Similarity is the Pearson r over the training stimuli.

References
----------
Khosla & Williams 2023 (arXiv 2311.09466): one-to-one and soft matching; Kuhn 1955 (assignment).
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np

from brainbench.core.errors import InputError
from brainbench.metrics.array_types import AnyArray, FloatArray, IntArray
from brainbench.metrics.correlation import unit_length
from brainbench.metrics.features import Features, Split, check_finite, column_chunks
from brainbench.metrics.linear.folds import center, check_responses, check_split

MOST_UNITS = 2000
"""Units that are matched; of more, each split draws as many."""
_MASS = 1e-9
"""Share of a neuroid below which a unit is not matched to it, but rounding."""


class SoftMatches(NamedTuple):
    """Units matched to each neuroid in one split.

    Attributes
    ----------
    units : array, held-out stimulus x pair
        Values of the unit of each pair.
    neuroids : array of int, pair
        Number of its neuroid.
    weights : array, pair
        Share of the neuroid; those of a neuroid sum to 1.
    """

    units: FloatArray
    neuroids: IntArray
    weights: FloatArray

    def pool(self, r: FloatArray) -> FloatArray:
        """Return the weighted mean of figures of pairs, (...,) pair, over the units of each neuroid."""
        mix = np.zeros((len(self.neuroids), int(self.neuroids.max()) + 1))
        mix[np.arange(len(mix)), self.neuroids] = self.weights
        return r @ mix


def one_to_one(
    features: Features, Y: AnyArray, splits: Iterable[Split], *, seed: int = 0
) -> list[FloatArray]:
    """Predict the held-out responses of every split by units that are each matched to one neuroid.

    Parameters
    ----------
    features : array, stimulus x feature, or function
        Features, or a function that returns chunks of their columns, which is called twice.
    Y, splits
        See `pls.cross_predict`.
    seed : int
        Seed of the units that are drawn where there are more than `MOST_UNITS`, others in each split.

    Returns
    -------
    list of array, held-out stimulus x neuroid
        Values of the matched unit, not scaled to the responses. The matching maximizes the sum of r over the
        training stimuli; a unit that does not vary over them is not matched.

    Raises
    ------
    InputError
        Fewer units that vary than neuroids; NaN or inf; shapes that do not match; a stimulus in train and
        test; fewer than two training stimuli.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((40, 9))
    >>> Y = 2 * X[:, [4, 1]] + rng.standard_normal((40, 2))
    >>> (held_out,) = one_to_one(X, Y, [(np.arange(30), np.arange(30, 40))])
    >>> bool((held_out == X[30:][:, [4, 1]]).all())
    True
    """
    from scipy.optimize import linear_sum_assignment

    predictions = []
    for similarity, held_out in _similarities(features, Y, splits, seed=seed):
        if similarity.shape[0] < similarity.shape[1]:
            raise InputError(
                f"{similarity.shape[0]} units that vary, for {similarity.shape[1]} neuroids",
                allowed="as many units as neuroids or more, each matched to one",
                todo="choose a layer with more units, or soft matching, which needs fewer",
            )
        units, neuroids = linear_sum_assignment(similarity, maximize=True)
        predicted = np.empty((len(held_out), similarity.shape[1]))
        predicted[:, neuroids] = held_out[:, units]
        predictions.append(predicted)
    return predictions


def soft(
    features: Features, Y: AnyArray, splits: Iterable[Split], *, seed: int = 0
) -> list[SoftMatches]:
    """Match units to neuroids in every split by exact optimal transport.

    T >= 0 with rows (units) of sum 1/units and columns (neuroids) of sum 1/neuroids maximizes the sum of
    T_ij r_ij over the training stimuli. The same sum with r over held-out stimuli is the mean over neuroids
    of `SoftMatches.pool`. Arguments and errors as for `one_to_one`, but fewer units than neuroids will do.
    """
    matches = []
    for similarity, held_out in _similarities(features, Y, splits, seed=seed):
        if not len(similarity):
            raise InputError(
                "no unit that varies over the training stimuli",
                allowed="one or more",
                todo="check the preprocessing and the layer's name",
            )
        shares = transport(similarity) * similarity.shape[1]
        units, neuroids = np.nonzero(shares > _MASS)
        matches.append(SoftMatches(held_out[:, units], neuroids, shares[units, neuroids]))
    return matches


def transport(similarity: FloatArray) -> FloatArray:
    """Return the plan that maximizes the summed similarity of what is moved.

    Parameters
    ----------
    similarity : array, unit x neuroid
        What is gained where all mass is moved from a unit to a neuroid.

    Returns
    -------
    array, unit x neuroid
        Nonnegative; rows sum to 1/units, columns to 1/neuroids.

    Notes
    -----
    Where one number is a multiple of the other this is an assignment, which is solved faster than the linear
    program.

    Examples
    --------
    >>> transport(np.array([[1.0, 0.0], [0.9, 0.0]]))
    array([[0.5, 0. ],
           [0. , 0.5]])
    """
    from scipy.optimize import linear_sum_assignment, linprog
    from scipy.sparse import eye_array, kron, vstack

    n, m = similarity.shape
    if n < m:
        return transport(similarity.T).T
    plan: FloatArray = np.zeros((n, m))
    if n % m == 0:
        rows, copies = linear_sum_assignment(np.repeat(similarity, n // m, axis=1), maximize=True)
        plan[rows, copies // (n // m)] = 1 / n
        return plan
    sums = vstack([kron(eye_array(n), np.ones((1, m))), kron(np.ones((1, n)), eye_array(m))])
    totals = np.concatenate([np.full(n, 1 / n), np.full(m, 1 / m)])
    # scipy's stubs do not know that A_eq may be sparse.
    equalities: Any = sums.tocsr()
    solution = linprog(-similarity.ravel(), A_eq=equalities, b_eq=totals, method="highs-ipm")
    if solution.x is None:  # a feasible and bounded program: only a limit of the solver can stop it
        raise InputError(
            f"no plan for {n} units and {m} neuroids: {solution.message}",
            allowed="a linear program that the solver can solve",
            todo="use fewer units or sites",
        )
    return np.maximum(np.asarray(solution.x, dtype=np.float64).reshape(n, m), 0.0)


def _similarities(
    features: Features, Y: AnyArray, splits: Iterable[Split], *, seed: int
) -> Iterator[tuple[FloatArray, FloatArray]]:
    """Yield r over the training stimuli, unit x neuroid, and held-out units, of each split.

    Of more than `MOST_UNITS` units those that are drawn, cut to a multiple of the neuroids where there are
    enough; units that do not vary over the training stimuli are omitted.
    """
    sizes = [chunk.shape for _, chunk in column_chunks(features)]
    n_units = sum(width for _, width in sizes)
    responses = check_responses(Y, sizes[0][0])
    checked = [check_split(split, len(responses), least=2) for split in splits]
    drawn = [_drawn(n_units, train, seed) for train, _ in checked]
    for (train, test), X in zip(checked, _columns(features, drawn), strict=True):
        varying = np.flatnonzero(np.ptp(X[train], axis=0) > 0)
        n_neuroids = responses.shape[1]
        if n_units > MOST_UNITS and len(varying) > n_neuroids:
            varying = varying[: len(varying) // n_neuroids * n_neuroids]
        of_units, of_neuroids = (
            unit_length(center(values)[0])
            for values in (X[np.ix_(train, varying)], responses[train])
        )
        yield of_units.T @ of_neuroids, X[np.ix_(test, varying)]


def _drawn(n_units: int, train: IntArray, seed: int) -> IntArray:
    if n_units <= MOST_UNITS:
        return np.arange(n_units)
    # Of the training stimuli themselves, so that a split has its units wherever it stands.
    rng = np.random.default_rng([seed, zlib.crc32(np.asarray(train, dtype=np.int64).tobytes())])
    return rng.choice(n_units, MOST_UNITS, replace=False)


def _columns(features: Features, drawn: list[IntArray]) -> list[FloatArray]:
    """Return chosen columns of features for each split, in one pass; InputError for NaN and inf."""
    parts: list[list[FloatArray]] = [[] for _ in drawn]
    places: list[list[IntArray]] = [[] for _ in drawn]
    for first, chunk in column_chunks(features):
        check_finite(chunk, first_feature=first)
        for k, columns in enumerate(drawn):
            here = np.flatnonzero((columns >= first) & (columns < first + chunk.shape[1]))
            parts[k].append(np.asarray(chunk[:, columns[here] - first], dtype=np.float64))
            places[k].append(here)
    ordered = []
    for pieces, where in zip(parts, places, strict=True):
        together = np.concatenate(pieces, axis=1)
        ordered.append(together[:, np.argsort(np.concatenate(where))])
    return ordered
