"""Representational dissimilarities of a model beside those of a brain."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from scipy.spatial.distance import squareform
from scipy.stats import rankdata

from brainbench.core.digits import decimal
from brainbench.core.score import Score
from brainbench.metrics.similarity.rdm import rdm as dissimilarities
from brainbench.plot import style
from brainbench.plot.score_bars import name_of
from brainbench.plot.selection import Source, fitting, labels_of, only, predictions_of, scores_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FloatArray = npt.NDArray[np.float64]


def rdm(scores: Source, *, ax: Axes | None = None) -> Axes:
    """Draw the dissimilarities of a brain above the diagonal, those of a model below it.

    Of RSA and CKA they are those that were compared, of the layer of most folds; of other scores those of the
    responses that the model predicts for held-out images, 1 - Pearson r over sites. Each side is shown as
    percentiles of its own pairs, as in Kriegeskorte et al. 2008; images are in the order of their
    identifiers.

    Parameters
    ----------
    scores : scores, or a path
        One score of a region, with its predictions.
    ax : Axes, optional
        Where to draw.

    Raises
    ------
    InputError
        No such score, or several.
    """
    needs = "scores of neural responses or dissimilarities with their held-out predictions"
    shown = only(fitting(scores_of(scores), "rdm", needs), "rdm", one_model=True)
    score = shown[0]
    brain, model = pair_of_rdms(score)
    both = np.triu(percentiles(brain), 1) + np.tril(percentiles(model), -1)
    np.fill_diagonal(both, np.nan)
    with style.drawing(ax, height=80.0) as axes:
        image = axes.imshow(both, cmap="cividis", vmin=0, vmax=100, interpolation="nearest")
        bar = style.figure_of(axes).colorbar(image, ax=axes, shrink=0.75)
        bar.set_label("dissimilarity (percentile)")
        bar.outline.set_visible(False)
        axes.set_xticks([])
        axes.set_yticks([])
        axes.spines[:].set_visible(False)
        axes.set_title(f"above: {name_of(score)}, {len(brain)} images")
        value = f"score {decimal(float(score.value or 0), digits=2)}"
        axes.set_xlabel(f"below: {labels_of(shown)[0]}, {value}", loc="left")
    return axes


def pair_of_rdms(score: Score) -> tuple[FloatArray, FloatArray]:
    """Return the dissimilarities of brain and model, image x image, images by their identifiers."""
    table = predictions_of(score)
    ids = table["stimulus_id"].values.astype(str)
    if "other" in table.dims:
        order = np.argsort(ids, kind="stable")
        square = np.ix_(order, order)
        return table["target"].values[square], table["predicted"].values[square]
    ids, number_of = np.unique(ids, return_inverse=True)
    target, predicted = (
        _mean_by(number_of, table[name].values, len(ids)) for name in ("target", "predicted")
    )
    known = np.isfinite(target).all(axis=0) & np.isfinite(predicted).all(axis=0)
    return squareform(dissimilarities(target[:, known])), squareform(
        dissimilarities(predicted[:, known])
    )


def _mean_by(number_of: npt.NDArray[np.intp], values: FloatArray, n: int) -> FloatArray:
    """Return the mean of the rows of each image: one that was held out several times has several."""
    total = np.zeros((n, values.shape[1]))
    np.add.at(total, number_of, values)
    return total / np.bincount(number_of, minlength=n)[:, None]


def percentiles(square: FloatArray) -> FloatArray:
    """Return the percentile of each pair among all pairs, 0 to 100; the diagonal is 0."""
    pairs = squareform(square, checks=False)
    ranks = rankdata(pairs, nan_policy="omit") - 1
    return squareform(100 * ranks / max(np.isfinite(pairs).sum() - 1, 1))
