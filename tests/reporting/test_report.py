"""The report: what it says, that it is one file, and that names are text."""

import re

import pytest
from stored import make, of_all

from brainbench.reporting.bars import bars_of
from brainbench.reporting.formulas import formula
from brainbench.reporting.report import report_page

SIM = ("Simulated.V4-pls", "Simulated.IT-pls")
ODD = "<img src=x onerror=alert(1)>"


@pytest.fixture
def scores():
    made = of_all("pixels", SIM, (0.03, 0.04)) + of_all("cornet_s@untrained-0", SIM, (0.2, 0.1))
    made += [make("pixels", "Study.IT-pls", 0.5, formula="r2/c-v1", partial=True)]
    return [*made, make("net", SIM[0], None)]


def test_a_page_has_scores_warnings_method_record_and_commands(scores):
    page = report_page(scores, unreadable=["result file x.json is damaged"], title="Two networks")
    page = " ".join(page.split())
    assert "<h1>Two networks</h1>" in page
    for text in (
        "3 models on 3 benchmarks, 6",
        "untrained: the weights are seeded random numbers",
        "simulated brain: no animal was recorded",
        "partial: only some of the stimuli were used",
        "12 images for 25 components",
        "result file x.json is damaged",
        "70 to 170 ms from stimulus onset",
        "this benchmark is not installed here",
        "brainbench score -m pixels -b Simulated.V4-pls",
        "brainbench score -m FILE.py:NAME -b Simulated.V4-pls",
        "scikit-learn",
    ):
        assert text in page


def test_a_page_asks_nothing_of_any_host(scores):
    page = report_page(scores)
    named = set(re.findall(r"""(?:src|href|action)\s*=\s*["']([^"']*)""", page))
    assert all(one.startswith(("#", "data:")) for one in named), named
    assert not re.search(r"@import|url\(|<link(?![^>]*data:)|<iframe|fetch\(", page)


def test_names_with_markup_are_text():
    odd = [make(ODD, ODD, 0.5, weights=ODD, ci_method=ODD), make(ODD, SIM[0], None, reason=ODD)]
    page = report_page(odd, unreadable=[ODD], title=ODD)
    assert "<img" not in page
    assert page.count("&lt;img") > 8


def test_control_characters_are_written_out():
    page = report_page([make("a\x1b[2J\u202eb", SIM[0], 0.5)])
    assert not {"\x1b", "\u202e"} & set(page)


def test_figures_stand_apart_by_formula_and_say_what_they_show():
    scores = [make("a", SIM[0], 0.5), make("b", SIM[0], 0.6, formula="r/sqrt(c)-v1")]
    page = report_page(scores)
    assert page.count("<figure>") == 2
    assert "Bars of 1 scores on Simulated.V4-pls, from .500 (a) to .500 (a)" in page
    raw, relative = (bars_of("x", [score]).bars[0] for score in scores)
    assert raw.reference == pytest.approx(8 + 424 * 0.871**0.5, abs=0.1)
    assert relative.reference == 432  # 1, at the right end


@pytest.mark.parametrize("values", [(0.5,), (-0.3, 0.2), (0.0,), (7.0, 12.0), (-1.0, 1.0), (1e-3,)])
def test_bars_lie_on_the_axis(values):
    figure = bars_of("x", [make(f"m{k}", "Study.a", v, ceiling=None) for k, v in enumerate(values)])
    assert len(figure.bars) == len(values)
    assert 3 <= len(figure.ticks) <= 9
    for bar in figure.bars:
        assert 8 <= bar.left <= bar.left + bar.width <= 432
    assert any(float(text) == 0 for _, text in figure.ticks)
    assert [float(bar.value) for bar in figure.bars] == sorted(map(float, values), reverse=True)


def test_a_figure_of_nothing():
    assert bars_of("x", [make("a", "Study.a", None)]) is None


@pytest.mark.parametrize("name", ["raw", "r/c", "(r/c)^2", "r2/c", "r/sqrt(c)", "clip(r/c)"])
def test_every_formula_has_words(name):
    assert "as its name says" not in formula(f"{name}-v1").meaning
    assert str(formula(f"{name}-v1").math).startswith("<math>")


def test_an_unknown_formula_is_its_name():
    assert "<b>" not in formula("<b>-v1").math
    assert "&lt;b&gt;" in formula("<b>-v1").math
