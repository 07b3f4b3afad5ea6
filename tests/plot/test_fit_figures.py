"""Figures of fitted models: what they show is what the tables say."""

import numpy as np
import pandas as pd
import pytest

from brainbench import plot
from brainbench.core.errors import InputError

pytest.importorskip("matplotlib")


def gains():
    rows = [
        {
            "mode": mode,
            "iterations": t,
            "test": 0.3 + 0.01 * t + 0.02 * k,
            "sem": 0.01,
            "baseline_test": 0.31,
            "average_path_length": 1 + 0.2 * t,
            "schedule": "quick",
        }
        for k, mode in enumerate(("no-avg", "late-avg"))
        for t in (3, 2, 4)
    ]
    return pd.DataFrame(rows)


def test_pairs_are_points_around_the_diagonal():
    table = pd.DataFrame(
        {"baseline_test": [0.2, 0.4, 0.3], "test": [0.25, 0.39, 0.35], "fraction": [0.5, 1.0, 1.0]}
    )

    axes = plot.fit_pairs(table)

    diagonal, *points = axes.lines
    np.testing.assert_array_equal(diagonal.get_xdata(), diagonal.get_ydata())
    assert [line.get_label() for line in points] == ["fraction 0.5 (n = 1)", "fraction 1.0 (n = 2)"]
    np.testing.assert_array_equal(points[1].get_xdata(orig=False), [0.4, 0.3])
    assert axes.get_xlim() == axes.get_ylim()


def test_curves_have_a_line_for_each_mode_and_the_baseline():
    axes = plot.fit_curves(gains())

    labels = [handle.get_label() for handle in axes.containers]
    assert labels == ["no-avg", "late-avg"]
    np.testing.assert_allclose(axes.containers[0][0].get_xdata(orig=False), [2, 3, 4])
    np.testing.assert_allclose(axes.containers[0][0].get_ydata(orig=False), [0.32, 0.33, 0.34])
    assert axes.lines[-1].get_ydata()[0] == pytest.approx(0.31)
    assert "quick" in axes.get_title(loc="left")


def test_curves_over_path_length_keep_the_order_of_iterations():
    axes = plot.fit_curves(gains(), x="average_path_length", error=None)

    np.testing.assert_allclose(axes.containers[0][0].get_xdata(orig=False), [1.4, 1.6, 1.8])
    assert axes.get_xlabel() == "average path length"


def test_shares_are_bars_of_each_length():
    axes = plot.length_shares({"no-avg": {1: 0.2, 2: 0.8}, "late-avg": {1: 0.6, 3: 0.4}})

    heights = [[bar.get_height() for bar in container] for container in axes.containers]
    assert heights == [[0.2, 0.8, 0.0], [0.6, 0.0, 0.4]]


def test_ablations_stand_against_the_whole_models(tmp_path):
    rows = [
        {
            "mode": "2-avg",
            "removed": removed,
            "n_removed": len(removed),
            "test": 0.4 - 0.01 * len(removed),
            "sem": np.nan if removed == (1, 2) else 0.01,  # of a single model
            "whole": 0.41,
            "schedule": "quick",
        }
        for removed in ((1, 2), (2, 3), (1,))
    ]

    axes = plot.ablated_lengths(pd.DataFrame(rows), n_removed=2)

    assert [text.get_text() for text in axes.get_xticklabels()] == ["1-2", "2-3"]
    assert axes.lines[-1].get_ydata()[0] == pytest.approx(0.41)
    assert "quick" in axes.get_title(loc="left")
    plot.save(axes, tmp_path / "figure.svg")
    assert (tmp_path / "figure.svg").stat().st_size > 1000


def test_tables_that_cannot_be_drawn_are_explained():
    with pytest.raises(InputError, match="baseline_test"):
        plot.fit_pairs(pd.DataFrame({"test": [1.0], "fraction": [1.0]}))
    with pytest.raises(InputError, match="0 rows"):
        plot.fit_curves(gains().iloc[:0])
    with pytest.raises(InputError, match="at least one"):
        plot.length_shares({})
    table = gains().assign(removed=[(1,)] * 6, n_removed=1, whole=0.4)
    with pytest.raises(InputError, match="0 rows"):
        plot.ablated_lengths(table, n_removed=2)
    for column in ("benchmark", "schedule"):
        two = table.assign(**{column: ["a", "b"] * 3})
        with pytest.raises(InputError, match=f"{column}: a, b"):
            plot.ablated_lengths(two, n_removed=1)
