"""Scores as text, as numbers, and as HTML for notebooks."""

import html
import subprocess
import sys
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brainbench.core.errors import InputError
from brainbench.core.score import Score, ScoreSet, Selection
from brainbench.core.score_display import REPRESENTED, SHOWN

EVIL = '<script>alert("x")</script>\x1b[2J\u202e'


def score(**more):
    base = {
        "model": "cornet_s@imagenet",
        "weights": "imagenet",
        "benchmark": "Study.IT-pls",
        "version": 1,
        "protocol": "paper",
        "value": 0.523,
        "ceiling": 0.812,
        "ci": (0.501, 0.544),
        "n_units": 168,
        "n_stimuli": 640,
        "selection": Selection(layer="IT", step=2),
    }
    return Score(**{**base, **more})


def failed(reason="no layer of that name\n  next: give another"):
    return score(value=None, ceiling=None, ci=None, status="failed", reason=reason)


class Shapes(HTMLParser):
    """Tags of a page with their attributes, and whether they are closed in order."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.open = [], []
        self.feed(page)
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag != "br":
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def of(self, name):
        return [attributes for tag, attributes in self.tags if tag == name]


def test_text_is_a_few_lines_with_every_figure():
    lines = str(score(n_excluded=4)).splitlines()
    assert len(lines) == 2
    assert max(map(len, lines)) <= 100
    assert (
        lines[0] == "cornet_s@imagenet on Study.IT-pls: .523 (95 % CI .501 to .544), ceiling .812"
    )
    for words in ("raw-v1", "paper", "168 units (4 omitted)", "640 stimuli", "layer IT, step 2"):
        assert words in lines[1]


def test_text_says_what_to_know_of_the_figure():
    known = {
        "weights": "untrained-0",
        "simulated": True,
        "partial": True,
        "ci_approximate": True,
        "ceiling_above_0": False,
        "n_animals": 2,
        "older_key": True,
    }
    note = str(score(**known)).splitlines()[-1]
    words = ("untrained", "simulated", "some of the stimuli", "≈", "not above 0", "animals")
    assert all(word in note for word in words)
    assert "note" not in str(score())


def test_text_without_a_value_is_its_status_and_reason():
    assert str(failed()).splitlines() == [
        "cornet_s@imagenet on Study.IT-pls: failed",
        "  no layer of that name",
        "    next: give another",
    ]


def test_a_score_is_a_number():
    assert float(score()) == 0.523
    assert max([score(value=0.2), score(value=0.7)], key=float).value == 0.7
    with pytest.raises(InputError) as error:
        float(failed())
    assert "Study.IT-pls" in error.value.got
    assert "no layer of that name" in error.value.todo


def test_a_set_is_a_table_with_each_reason_once():
    lines = str(ScoreSet((score(), failed(), failed()))).splitlines()
    assert lines[0].split() == ["model", "benchmark", "score", "95", "%", "CI", "ceiling"]
    assert lines[1].split()[-5:] == [".523", ".501", "to", ".544", ".812"]
    assert lines[2].split()[-1] == "failed"
    assert sum("no layer of that name" in line for line in lines) == 1


def test_a_large_set_says_how_many_it_does_not_show():
    many = ScoreSet(tuple(score(model=f"m{k}") for k in range(SHOWN + 60)))
    assert len(str(many).splitlines()) == SHOWN + 2
    assert "60 more" in str(many)
    assert len(Shapes(many._repr_html_()).of("svg")) == SHOWN
    assert str(ScoreSet(())).split()[:2] == ["model", "benchmark"]


def test_html_has_the_figures_and_a_bar_with_an_alternative_text():
    page = score()._repr_html_()
    [svg] = Shapes(page).of("svg")
    assert svg["role"] == "img"
    assert ".523" in svg["aria-label"]
    assert "168 units" in page
    assert not Shapes(failed()._repr_html_()).of("svg")


def bar(shown):
    """Return the ends of the bar, of the interval, and the place of the ceiling, px."""
    shapes = Shapes(shown._repr_html_())
    [rect] = shapes.of("rect")
    lines = [[float(line[key]) for key in ("x1", "x2")] for line in shapes.of("line")]
    left = float(rect["x"])
    return (left, left + float(rect["width"])), lines[-1], lines[1][0]


def test_the_bar_is_drawn_to_scale():
    (left, right), interval, ceiling = bar(score())
    assert left == 2
    assert right == pytest.approx(2 + 0.523 * 156, abs=0.1)
    assert interval == pytest.approx([2 + 0.501 * 156, 2 + 0.544 * 156], abs=0.1)
    assert ceiling == pytest.approx(2 + 0.812 * 156, abs=0.1)
    assert bar(score(formula="r/c-v1"))[2] == pytest.approx(158, abs=0.1)


def test_bars_of_a_set_are_on_one_scale():
    both = Shapes(ScoreSet((score(), score(value=-1.0, ci=(-1.5, -0.5))))._repr_html_())
    lines = [line for line in both.of("line") if float(line["y1"]) == 0]
    zeros = [float(line["x1"]) for line in lines[::2]]
    assert zeros == pytest.approx([2 + 1.5 / 2.5 * 156] * 2, abs=0.1)


@given(value=st.floats(-3, 3), half=st.floats(0.001, 2), ceiling=st.none() | st.floats(-1, 2))
def test_no_part_of_a_bar_is_outside(value, half, ceiling):
    shown = score(value=value, ci=(value - half, value + half), ceiling=ceiling)
    shapes = Shapes(shown._repr_html_())
    [svg], [rect] = shapes.of("svg"), shapes.of("rect")
    places = [float(line[key]) for line in shapes.of("line") for key in ("x1", "x2")]
    places += [float(rect["x"]), float(rect["x"]) + float(rect["width"])]
    assert min(places) >= 0
    assert max(places) <= float(svg["width"])


def test_markup_and_control_characters_are_shown_as_text():
    named = score(model=EVIL, benchmark=EVIL)
    without = score(value=None, ci=None, status="failed", reason=EVIL)
    for page in (
        named._repr_html_(),
        without._repr_html_(),
        ScoreSet((named, without))._repr_html_(),
    ):
        assert not Shapes(page).of("script")
        assert html.escape(EVIL[:27]) in page
        assert not set("\x1b\u202e") & set(page)
    assert not set("\x1b\u202e") & set(str(named) + str(ScoreSet((named, without))))


def test_showing_a_score_imports_no_plot():
    code = (
        "import sys; from brainbench.core.score import Score; "
        "s = Score(model='m', weights='w', benchmark='b', version=1, protocol='paper', value=.5); "
        "s._repr_html_(); print([m for m in ('matplotlib', 'rich', 'torch') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_what_a_prompt_shows_of_a_score_is_one_short_line():
    shown = repr(score(protocol="brainscore"))
    assert shown == (
        "<Score 'cornet_s@imagenet', 'Study.IT-pls': value=.523, ci=(.501, .544), ceiling=.812, "
        "protocol='brainscore'>"
    )
    assert repr(failed()) == "<Score 'cornet_s@imagenet', 'Study.IT-pls': status='failed'>"
    assert repr(score(model=EVIL)).isprintable()


def test_what_a_prompt_shows_of_a_set_is_a_few_lines():
    lines = repr(ScoreSet(tuple(score(model=f"net{k}") for k in range(20)))).splitlines()
    assert lines[0] == "<ScoreSet of 20 scores:"
    assert len(lines) == REPRESENTED + 2
    assert lines[-1] == "  ... and 14 more>"
    assert max(map(len, lines)) < 110
    assert repr(ScoreSet(())) == "<ScoreSet of 0 scores>"
