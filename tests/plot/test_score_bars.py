"""Bars of scores: values, intervals, what a model without error reaches, marks."""

import numpy as np
import pytest
import stored
from drawn import words

from brainbench.core.digits import decimal
from brainbench.core.errors import InputError
from brainbench.plot import bars, bound_of


def headings(axes):
    return [text.get_text() for text in axes.texts if text.get_fontweight() == "bold"]


def widths(axes):
    return [bar.get_width() for bar in axes.patches]


def test_each_group_has_its_models_best_first():
    scores = [
        *stored.together(["pixels", "cornet_s@imagenet"], "Simulated.V4-pls", [0.2, 0.5]),
        stored.make("pixels", "Simulated.IT-pls", 0.3),
    ]
    axes = bars(scores)
    assert widths(axes) == [0.5, 0.2, 0.3]
    ticks = [tick.get_text() for tick in axes.get_yticklabels()]
    assert ticks == ["CORnet-S", "Pixels", "Pixels"]
    assert headings(axes) == ["Simulated.V4-pls", "Simulated.IT-pls"]
    assert {".50", ".20", ".30", "simulated brain"} <= set(words(axes))


def test_a_long_name_of_a_benchmark_leaves_room_for_bars():
    score = stored.make("pixels", "Geirhos2019silhouettes.behavior-consistency", 0.3)
    axes = bars([score])
    figure = axes.get_figure()
    figure.draw_without_rendering()
    heading, label = axes.texts[1], axes.get_yticklabels()[0]
    assert heading.get_text() == score.benchmark
    assert heading.get_window_extent().x0 == pytest.approx(label.get_window_extent().x0, abs=1)
    assert heading.get_window_extent().x1 < figure.bbox.x1
    assert axes.bbox.width > figure.bbox.width / 2


def test_the_interval_is_drawn_and_dotted_where_it_is_approximate():
    score = stored.make("pixels", "Simulated.IT-pls", 0.3, ci=(0.2, 0.45), ci_approximate=True)
    axes = bars([score])
    (whisker,) = [line for line in axes.lines if np.allclose(line.get_xdata(), (0.2, 0.45))]
    assert whisker.get_linestyle() != "-"
    assert "approximate interval" in words(axes)


def test_untrained_models_have_hollow_bars():
    axes = bars(stored.together(["a@imagenet", "a@untrained-0"], "Simulated.IT-pls", [0.4, 0.1]))
    trained, untrained = axes.patches
    assert untrained.get_facecolor()[:3] == (1.0, 1.0, 1.0)
    assert trained.get_facecolor()[:3] != (1.0, 1.0, 1.0)
    assert "untrained" in words(axes)


@pytest.mark.parametrize(
    ("formula", "expected"),
    [
        ("raw-v1", 0.8),
        ("r/c-v1", 1.25),
        ("(r/c)^2-v1", 1 / 0.64),
        ("r2/c-v1", 1.0),
        ("r/sqrt(c)-v1", 1.0),
        ("clip(r/c)-v1", 1.0),
    ],
)
def test_what_a_model_without_error_reaches(formula, expected):
    score = stored.make("pixels", "Simulated.IT-pls", 0.3, ceiling=0.64, formula=formula)
    assert bound_of(score).value == pytest.approx(expected)
    line = np.array(bars([score]).lines[-1].get_xdata())
    assert np.allclose(line, expected)


def test_the_bound_has_the_interval_of_the_ceiling():
    score = stored.make("a", "Simulated.IT-pls", 0.3, ceiling=0.64, ceiling_ci=(0.49, 0.81))
    bound = bound_of(score)
    assert (bound.low, bound.high) == pytest.approx((0.7, 0.9))


def test_the_noise_ceiling_over_subjects_bounds_the_correlation_itself():
    figures = {"noise_ceiling": {"lower": 0.3, "upper": 0.5}}
    raw = stored.make("a", "Cichy2014.IT-rsa", 0.2, ceiling=0.3, figures=figures)
    assert (bound_of(raw).value, bound_of(raw).high) == (0.3, 0.5)
    over = stored.make("a", "C.IT-rsa", 0.6, ceiling=0.3, figures=figures, formula="r/c-v1")
    assert (bound_of(over).value, bound_of(over).high) == pytest.approx((1.0, 0.5 / 0.3))


@pytest.mark.parametrize(
    ("more", "mark"),
    [
        ({"partial": True}, "*"),
        ({"ceiling_above_0": False}, "!"),
        ({"weights": "as given"}, "?"),
        ({"older_key": True}, "‡"),
    ],
)
def test_marks_are_those_of_the_tables_and_explained(more, mark):
    shown = words(bars([stored.make("a", "Simulated.IT-pls", 0.2, **more)]))
    assert f"a {mark}" in shown
    assert any(text.startswith(f"{mark} ") for text in shown)


@pytest.mark.parametrize(
    "more",
    [{"ceiling": None}, {"ceiling": 0.0}, {"figures": {"unique_A": 1}}, {"ceiling_above_0": False}],
)
def test_scores_without_a_bound(more):
    score = stored.make("a", "Simulated.IT-pls", 0.2, **more)
    assert bound_of(score) is None
    assert "a model without error" not in words(bars([score]))


def test_formulas_and_versions_are_not_mixed_in_a_group():
    first = stored.make("a", "Simulated.IT-pls", 0.2)
    other = stored.make("b", "Simulated.IT-pls", 0.3, formula="r2/c-v1")
    newer = stored.make("c", "Simulated.IT-pls", 0.4, version=9)
    axes = bars([first, other, newer])
    name = "Simulated.IT-pls"
    assert headings(axes) == [f"{name} v1", f"{name} v1", f"{name} v9"]
    assert [tick.get_text() for tick in axes.get_yticklabels()] == ["a", "b", "c"]


def test_two_scores_of_one_model_name_have_different_labels():
    scores = [
        stored.make("a", "Simulated.IT-pls", 0.2, digest=digest) for digest in ("1" * 9, "2" * 9)
    ]
    ticks = [tick.get_text() for tick in bars(scores).get_yticklabels()]
    assert len(set(ticks)) == 2
    assert any("111111" in tick for tick in ticks)


def test_scores_of_one_name_are_told_apart_by_what_differs_alone():
    settings = {"seed": 0, "limit": 64, "layers": {}, "floor": None, "resample": "both"}
    scores = [
        stored.make("a", "Simulated.IT-pls", -0.2, settings={**settings, **other})
        for other in ({}, {"seed": 1}, {"seed": 1, "limit": None})
    ]
    axes = bars(scores)
    ticks = {tick.get_text() for tick in axes.get_yticklabels()}
    assert ticks == {"a [seed 0, limit 64]", "a [seed 1, limit 64]", "a [seed 1, all images]"}
    assert "\N{MINUS SIGN}.20" in words(axes)


def test_the_longest_names_leave_room_for_bars_and_the_legend_is_whole():
    named = {"digest": "1" * 9}, {"digest": "2" * 9, "settings": {"floor": 0.25, "seed": 12}}
    scores = [
        stored.make("x" * 60 + "@untrained-0", "Study.IT-pls", 0.2, partial=True, **more)
        for more in named
    ]
    axes = bars(scores)
    figure = axes.get_figure()
    figure.draw_without_rendering()
    assert axes.bbox.width > 0.15 * figure.bbox.width
    legend = axes.get_legend().get_window_extent()
    assert figure.bbox.x0 <= legend.x0
    assert legend.x1 <= figure.bbox.x1


def test_failed_scores_are_omitted_and_nothing_but_failures_is_an_error():
    failed = stored.make("a", "Simulated.IT-pls", None)
    assert len(bars([failed, stored.make("b", "Simulated.IT-pls", 0.2)]).patches) == 1
    with pytest.raises(InputError, match="12 images for 25 components"):
        bars([failed])
    with pytest.raises(InputError, match="no score"):
        bars([])


def test_numbers_as_papers_write_them():
    values = (0.451, -0.02, 1.0, -0.001, 1.256, -1.5, 0.999)
    assert [decimal(v, digits=2) for v in values] == [
        ".45",
        "-.02",
        "1.00",
        ".00",
        "1.26",
        "-1.50",
        "1.00",
    ]


def test_a_long_legend_takes_no_room_from_the_bars():
    few = stored.make("a", "Study.IT-pls", 0.2, ceiling=None)
    many = stored.make("a@untrained-0", "Study.IT-pls", 0.2, ci_approximate=True, partial=True)
    heights = []
    for score in (few, many):
        axes = bars([score])
        axes.get_figure().draw_without_rendering()
        heights.append(axes.bbox.height)
    assert heights[1] == pytest.approx(heights[0], rel=0.15)
