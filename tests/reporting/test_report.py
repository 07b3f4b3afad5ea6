"""The report: what it says, that it is one file, and that names are text."""

import re
import xml.dom.minidom

import drawn
import pytest
from recorded_notes import RecordedNotes
from stored import fill, make, of_all

from brainbench.core import progress
from brainbench.reporting import figures
from brainbench.reporting.figures import groups_of, panels_of
from brainbench.reporting.formulas import formula
from brainbench.reporting.report import report_page
from brainbench.storage.results import Results

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


def test_scores_of_one_name_are_told_apart_in_table_and_record():
    scores = [make("net", SIM[1], 0.3 + k / 10, settings={"seed": k}) for k in (0, 1)]
    page = report_page([*scores, make("net", SIM[0], 0.1)])
    assert [page.count(f'<span class="soft">seed {k}</span>') for k in (0, 1)] == [1, 1]
    assert f"net on {SIM[1]}, seed 1: .400" in page
    assert f"net on {SIM[0]}: .100" in page


def test_a_page_asks_nothing_of_any_host(scores):
    page = report_page(scores)
    named = set(re.findall(r"""(?:src|href|action)\s*=\s*["']([^"']*)""", page))
    assert all(one.startswith(("#", "data:")) for one in named), named
    assert not re.search(r"@import|url\((?!#)|<link(?![^>]*data:)|<iframe|fetch\(", page)


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
    (bars,) = groups_of(scores)
    assert [drawing.caption for drawing in bars.drawings] == [
        "raw-v1, protocol paper",
        "r/sqrt(c)-v1, protocol paper",
    ]
    page = report_page(scores)
    assert page.count("<figure>") == page.count('<svg role="img"') == 2
    assert "Bars of 1 score on Simulated.V4-pls, from .500 (a) to .500 (a)" in page


def test_figures_of_a_report_are_those_that_make_sense_for_its_scores():
    scores = [
        *(drawn.dynamics(f"net{k}") for k in range(2)),
        drawn.layered(),
        drawn.layered("tiny@untrained-0"),
        drawn.solution_times(),
        drawn.behavior(),
        drawn.similarity(),
        drawn.similarity("better", value=0.6),
        make("pixels", SIM[0], None),
    ]
    groups = {group.title: group for group in groups_of(scores)}
    assert {title: len(group.drawings) for title, group in groups.items()} == {
        "Scores": 5,  # benchmarks
        "Layers": 2,  # models
        "Correlation in each time bin": 2,  # arrays
        "Correlation over time of single images": 1,
        "Object solution times": 1,
        "Choices": 2,  # subjects and model
        "Dissimilarities": 1,  # of the best model
    }
    for group in groups.values():
        for drawing in group.drawings:
            xml.dom.minidom.parseString(drawing.svg)  # noqa: S318
    assert "layers of" not in groups["Layers"].drawings[0].caption
    ids = re.findall(r'\bid="([^"]*)"', report_page(scores))
    assert len(ids) == len(set(ids))


def test_protocols_share_no_figure():
    scores = [make("a", SIM[0], 0.5, protocol=one) for one in ("paper", "brainscore")]
    assert len(groups_of(scores)[0].drawings) == 2


def test_a_figure_shows_the_best_of_many_models():
    (bars,) = groups_of([make(f"net{k:02d}", SIM[0], k / 100) for k in range(42)])
    assert "net41" in bars.drawings[0].svg
    assert "net01<" not in bars.drawings[0].svg
    assert bars.drawings[0].note.endswith("the table has 2 more.")
    ((panel, note),) = panels_of(
        "temporal", [drawn.dynamics(f"n{k}", value=k / 9) for k in range(9)]
    )
    assert {score.model for score in panel.scores} == {f"n{k}" for k in range(2, 9)}
    assert note.endswith("the table has 2 more.")


def test_a_report_has_at_most_so_many_figures_of_one_kind(monkeypatch):
    monkeypatch.setattr(figures, "MOST_PANELS", 1)
    layers = groups_of([drawn.layered(f"net{k}") for k in range(3)])[1]
    assert (len(layers.drawings), layers.n_more) == (1, 2)


def test_damaged_predictions_cost_one_figure(tmp_path):
    fill(tmp_path, [drawn.similarity(), make("pixels", SIM[0], 0.2)])
    next((tmp_path / "predictions").iterdir()).write_bytes(b"damaged")
    scores = [Results(tmp_path).read(path) for path in Results(tmp_path).files()]
    notes = RecordedNotes()
    with progress.use(notes):
        groups = groups_of(scores)
    assert [group.title for group in groups] == ["Scores"]
    assert "rdm" in notes.notes[0]


def test_colors_follow_the_theme_of_the_page():
    (bars,) = groups_of([make("a", SIM[0], 0.5), make("a@untrained-0", SIM[0], 0.3)])
    used = set(re.findall(r"var\((--[a-z0-9-]+), #", bars.drawings[0].svg))
    assert {"--ink", "--reached", "--paper", "--series-0", "--series-1"} <= used
    assert not re.search(r"(fill|stroke): #", bars.drawings[0].svg)


def test_without_matplotlib_the_page_says_what_to_install(scores, monkeypatch):
    monkeypatch.setattr(figures.importlib.util, "find_spec", lambda name: None)
    page = report_page(scores)
    assert "pip install &#39;brainbench[plot]&#39;" in page
    assert "<figure>" not in page


def test_a_report_of_nothing_with_a_value_has_no_figures():
    page = report_page([make("a", SIM[0], None)])
    assert "<figure>" not in page
    assert 'href="#figures"' not in page


@pytest.mark.parametrize("name", ["raw", "r/c", "(r/c)^2", "r2/c", "r/sqrt(c)", "clip(r/c)"])
def test_every_formula_has_words(name):
    assert "as its name says" not in formula(f"{name}-v1").meaning
    assert str(formula(f"{name}-v1").math).startswith("<math>")


def test_an_unknown_formula_is_its_name():
    assert "<b>" not in formula("<b>-v1").math
    assert "&lt;b&gt;" in formula("<b>-v1").math
