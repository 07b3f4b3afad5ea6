"""Neural dynamics: scores over time bins, single-image traces, correlations over time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import xarray as xr

from brainbench.core.errors import InputError
from brainbench.core.score import Score
from brainbench.plot import style
from brainbench.plot.score_bars import name_of
from brainbench.plot.selection import (
    Colors,
    Source,
    check_name,
    colors_of,
    fitting,
    identity_of,
    labels_of,
    only,
    predictions_of,
    scores_of,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FloatArray = npt.NDArray[np.float64]
_NEEDS = "scores of neural dynamics, which have time bins"
_WHOLE = "all"  # name of the array where sites have none


def time(
    scores: Source,
    *,
    array: str | None = None,
    colors: Colors | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw the median correlation over sites in each time bin, with what a model without error reaches.

    A model without error correlates sqrt(c) with the mean response, c the split-half reliability of the bin.
    This is shown for the bins that make the score, which the line below marks. Dashed lines are untrained
    models.

    Parameters
    ----------
    scores : scores, or a path
        Of neural dynamics, on one benchmark.
    array : str, optional
        Array of electrodes; by default the only one.
    colors : mapping, optional
        Color of each model, as `colors_of` gives them for several figures.
    ax : Axes, optional
        Where to draw.

    Raises
    ------
    InputError
        No such score, several benchmarks, or several arrays and no choice.
    UnknownNameError
        No such array.
    """
    shown = only(fitting(scores_of(scores), "time", _NEEDS), "time")
    array, palette = _chosen_array(shown, array), colors_of(shown, colors)
    with style.drawing(ax, height=58.0) as axes:
        bound = _bound(shown[0], array)
        if bound is not None:
            axes.fill_between(_middle(shown[0]), 0, bound, color=style.FAINT, linewidth=0)
            axes.plot(_middle(shown[0]), bound, color=style.CEILING, label="a model without error")
        for score, label in zip(shown, labels_of(shown), strict=True):
            curve = np.array(score.figures["r_by_array"][array], dtype=np.float64)
            dashes = (0, (2.5, 1)) if score.untrained else "-"
            color = palette[identity_of(score)]
            axes.plot(_middle(score), curve, color=color, linestyle=dashes, label=label)
        axes.axhline(0, color=style.INK, linewidth=0.6, zorder=0)
        _mark_bins(axes, shown[0])
        axes.set_xlabel("time from stimulus onset (ms)")
        axes.set_ylabel("Pearson r, median over sites")
        name = name_of(shown[0])
        axes.set_title(name if array == _WHOLE else f"{name}, {array}")
        style.legend_below(axes, axes.get_legend_handles_labels()[0])
    return axes


def arrays_of(scores: Sequence[Score]) -> list[str]:
    """Return the arrays of electrodes that all scores have a time course of."""
    first, *others = (score.figures["r_by_array"] for score in scores)
    return [array for array in first if all(array in other for other in others)]


def _chosen_array(scores: Sequence[Score], array: str | None) -> str:
    arrays = arrays_of(scores)
    if array is not None:
        check_name("array", array, arrays, of=scores[0].benchmark)
        return array
    if len(arrays) != 1:
        raise InputError(
            f"one figure of the arrays {', '.join(arrays)} of {scores[0].benchmark}",
            allowed="one array",
            todo="choose one with array=, or draw all with figure('time', scores)",
        )
    return arrays[0]


def _middle(score: Score) -> FloatArray:
    """Return the middle of each bin, ms."""
    spans = [score.figures["time_start"], score.figures["time_end"]]
    return np.asarray(np.mean(np.array(spans, dtype=np.float64), axis=0))


def _bound(score: Score, array: str) -> FloatArray | None:
    """Return the square root of the reliability of each bin that makes the score; None if unknown.

    In the other bins nothing reliable was measured, or the benchmark does not count them: NaN.
    """
    by_array = score.figures.get("c_by_array") or {}
    c = by_array.get(array)
    if c is None and list(score.figures["r_by_array"]) == [array]:
        c = score.figures.get("c")
    if c is None:
        return None
    reliability = np.where(score.figures["bins_used"], np.array(c, dtype=np.float64), np.nan)
    return np.asarray(np.sqrt(np.clip(reliability, 0, None)))


def _mark_bins(axes: Axes, score: Score) -> None:
    """Mark the bins that make the score by a line at the lower edge."""
    figures = score.figures
    used = np.flatnonzero(figures["bins_used"])
    for k in used:
        axes.plot(
            (figures["time_start"][k], figures["time_end"][k]),
            (0, 0),
            transform=axes.get_xaxis_transform(),
            color=style.INK,
            linewidth=2.4,
            solid_capstyle="butt",
            label="bins that make the score" if k == used[0] else "_",
        )


# --- single images ----------------------------------------------------------------------------------


def traces(
    scores: Source,
    *,
    stimulus: str | None = None,
    neuroid: str | None = None,
    colors: Colors | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw response and held-out prediction of one site for one image over time (figure S1a).

    Parameters
    ----------
    scores : scores, or a path
        Of neural dynamics, on one benchmark, with their predictions.
    stimulus : str, optional
        Identifier of the image; by default the one to which the site responds most.
    neuroid : str, optional
        Identifier of the site; by default the most reliable one, whatever the model predicts.
    colors : mapping, optional
        Color of each model, as `colors_of` gives them for several figures.
    ax : Axes, optional
        Where to draw.

    Raises
    ------
    InputError
        No such score, or several benchmarks.
    UnknownNameError
        No such image or site.
    """
    needs = "scores of neural dynamics with their held-out predictions"
    shown = only(fitting(scores_of(scores), "traces", needs), "traces")
    tables = [predictions_of(score) for score in shown]
    site = _site(shown[0], tables[0], neuroid)
    image = _image(shown[0], tables[0], site, stimulus)
    palette = colors_of(shown, colors)
    with style.drawing(ax, height=45.0) as axes:
        observed = _trace(tables[0]["target"], image, site)
        axes.plot(
            _bins(tables[0]), observed, color=style.INK, linestyle=(0, (2, 1)), label="response"
        )
        for score, table, label in zip(shown, tables, labels_of(shown), strict=True):
            predicted = _trace(table["predicted"], image, site)
            axes.plot(_bins(table), predicted, color=palette[identity_of(score)], label=label)
        axes.set_xlabel("time from stimulus onset (ms)")
        axes.set_ylabel("response")
        axes.set_title(f"{name_of(shown[0])}\nsite {site}, image {image}", fontsize=style.SMALL)
        style.legend_below(axes, axes.get_legend_handles_labels()[0])
    return axes


def example_images(score: Score) -> list[str]:
    """Return the images with the highest, the median and the lowest response of the most reliable site."""
    table = predictions_of(score)
    ids, means = _mean_responses(table, _site(score, table, None))
    order = np.argsort(means, kind="stable")[::-1]
    return [ids[order[k]] for k in dict.fromkeys((0, len(order) // 2, len(order) - 1))]


def _site(score: Score, table: xr.Dataset, neuroid: str | None) -> str:
    names = [str(name) for name in table["neuroid_id"].values]
    if neuroid is not None:
        check_name("site", neuroid, names, of=score.benchmark)
        return neuroid
    unit = score.per_unit
    if unit is None or "ceiling" not in unit.coords:
        return names[0]
    reliable = dict(zip(map(str, unit["neuroid_id"].values), unit["ceiling"].values, strict=True))
    return max(names, key=lambda name: np.nan_to_num(reliable.get(name, -1.0), nan=-1.0))


def _image(score: Score, table: xr.Dataset, site: str, stimulus: str | None) -> str:
    ids, means = _mean_responses(table, site)
    if stimulus is None:
        return ids[int(means.argmax())]
    check_name("image", stimulus, ids, of=score.benchmark)
    return stimulus


def _mean_responses(table: xr.Dataset, site: str) -> tuple[list[str], FloatArray]:
    """Return each image and the mean response of a site to it over time."""
    column = table["neuroid_id"].values.astype(str) == site
    means = table["target"].values[:, column].mean(axis=(1, 2))
    ids, first = np.unique(table["stimulus_id"].values.astype(str), return_index=True)
    return ids.tolist(), means[first]


def _trace(values: xr.DataArray, image: str, site: str) -> FloatArray:
    rows = values["stimulus_id"].values.astype(str) == image
    column = values["neuroid_id"].values.astype(str) == site
    return np.asarray(values.values[rows][:, column].mean(axis=(0, 1)))


def _bins(table: xr.Dataset) -> FloatArray:
    return np.asarray((table["time_start"].values + table["time_end"].values) / 2)


def temporal(scores: Source, *, colors: Colors | None = None, ax: Axes | None = None) -> Axes:
    """Draw the correlation of responses to single images over time, for each array (figure S1b).

    It is the median over sites of the median over held-out images, in bins from 50 to 250 ms.

    Parameters
    ----------
    scores : scores, or a path
        Of neural dynamics.
    colors : mapping, optional
        Color of each model, as `colors_of` gives them for several figures.
    ax : Axes, optional
        Where to draw.

    Raises
    ------
    InputError
        No score has such a correlation.
    """
    shown = fitting(scores_of(scores), "temporal", f"{_NEEDS} between 50 and 250 ms")
    places = list(
        dict.fromkeys(
            (score.benchmark, array)
            for score in shown
            for array in score.figures["temporal_correlation"]
        )
    )
    names = labels_of(shown)
    models, palette = list(dict.fromkeys(names)), colors_of(shown, colors)
    width = min(0.8 / len(models), 0.3)
    with style.drawing(ax, height=52.0) as axes:
        for score, name in zip(shown, names, strict=True):
            k = models.index(name)
            color = palette[identity_of(score)]
            for array, r in score.figures["temporal_correlation"].items():
                x = places.index((score.benchmark, array)) + (k - (len(models) - 1) / 2) * width
                if r is not None:
                    face = "white" if score.untrained else color
                    axes.bar(x, r, width * 0.9, facecolor=face, edgecolor=color, linewidth=0.8)
        axes.axhline(0, color=style.INK, linewidth=0.6)
        marked = {score.benchmark: name_of(score).replace(" (", "\n(") for score in shown}
        ticks = [
            marked[name] if array == _WHOLE else f"{array}\n{marked[name]}"
            for name, array in places
        ]
        axes.set_xticks(range(len(places)), ticks)
        axes.set_xlim(-0.6, len(places) - 0.4)
        axes.set_ylabel("r over time of\nsingle images (median)")
        by_name = {
            name: palette[identity_of(score)] for score, name in zip(shown, names, strict=True)
        }
        handles = [_key(by_name[name], name) for name in models]
        style.legend_below(axes, handles, points=16.0 + 8 * max(t.count("\n") for t in ticks))
    return axes


def _key(color: str, label: str) -> object:
    from matplotlib.patches import Patch

    face = "white" if "(untrained" in label else color
    return Patch(facecolor=face, edgecolor=color, linewidth=0.8, label=label)
