"""Object solution times of models beside those of a brain."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from brainbench.core.digits import decimal
from brainbench.core.score import Score
from brainbench.plot import style
from brainbench.plot.layer_curves import marker_of
from brainbench.plot.score_bars import title_of
from brainbench.plot.selection import (
    Colors,
    Source,
    colors_of,
    fitting,
    identity_of,
    labels_of,
    only,
    scores_of,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FloatArray = npt.NDArray[np.float64]
BIN = 10.0
"""Width of a bin of the brain's solution times, ms."""
_FEWEST = 3  # images of a bin that is shown


def ost(scores: Source, *, colors: Colors | None = None, ax: Axes | None = None) -> Axes:
    """Draw a model's solution times against those of a brain (Kubilius et al. 2019, figure 5).

    Images are binned by the solution time of the brain. A marker is the mean time of the model over the
    images of a bin that both solve, its error bar the standard error over these images; bins with fewer
    than three images are omitted. The correlation in the legend is that of the single images, as scored.

    Parameters
    ----------
    scores : scores, or a path
        Of solution times, on one benchmark.
    colors : mapping, optional
        Color of each model, as `colors_of` gives them for several figures.
    ax : Axes, optional
        Where to draw.

    Raises
    ------
    InputError
        No such score (a static model solves all images at once), or several benchmarks.
    """
    needs = "scores of solution times of models that solve some images earlier than others"
    shown = only(fitting(scores_of(scores), "ost", needs), "ost")
    palette = colors_of(shown, colors)
    with style.drawing(ax, height=72.0) as axes:
        low, high = _range(shown)
        axes.plot((low, high), (low, high), color=style.FAINT, zorder=0)
        for k, (score, label) in enumerate(zip(shown, labels_of(shown), strict=True)):
            brain, model = _times(score)
            x, y, error = binned(brain, model)
            color = palette[identity_of(score)]
            axes.errorbar(
                x,
                y,
                error,
                color=color,
                marker=marker_of(k),
                markerfacecolor="white" if score.untrained else color,
                linestyle="",
                elinewidth=0.8,
                label=f"{label}: {_agreement(score, len(brain))}",
            )
        axes.set_xlabel("solution time of the brain (ms)")
        axes.set_ylabel("solution time of the model (ms)")
        axes.set_title(title_of(shown[0]))
        style.legend_below(axes, axes.get_legend_handles_labels()[0], columns=1)
    return axes


def binned(brain: FloatArray, model: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return the middle of each bin of the brain's times, and mean and standard error of the model's.

    Bins are `BIN` ms wide and begin at multiples of it; those with fewer than three images are omitted.
    """
    number_of = np.floor(brain / BIN).astype(int)
    bins = [k for k in np.unique(number_of) if (number_of == k).sum() >= _FEWEST]
    groups = [model[number_of == k] for k in bins]
    middle = (np.array(bins, dtype=np.float64) + 0.5) * BIN
    means = np.array([group.mean() for group in groups])
    errors = np.array([group.std(ddof=1) / np.sqrt(len(group)) for group in groups])
    return middle, means, errors


def _times(score: Score) -> tuple[FloatArray, FloatArray]:
    """Return times of brain and model for the images that both solve, ms."""
    unit = score.per_unit
    if unit is None:
        return np.empty(0), np.empty(0)
    brain, model = np.asarray(unit["brain"].values), np.asarray(unit.values)
    both = np.isfinite(brain) & np.isfinite(model)
    return brain[both], model[both]


def _range(scores: list[Score]) -> tuple[float, float]:
    """Return the range of the brain's times, ms."""
    brain = np.concatenate([_times(score)[0] for score in scores])
    return (float(brain.min()), float(brain.max())) if len(brain) else (0.0, 1.0)


def _agreement(score: Score, n: int) -> str:
    low, high = (decimal(end, digits=2) for end in score.ci or (None, None))
    interval = f" [{low}, {high}]" if score.ci else ""
    symbol = "Spearman r" if score.formula.startswith("raw") else "score"
    return f"{symbol} = {decimal(float(score.value or 0), digits=2)}{interval}, {n} images"
