"""All figures of a results folder: panels, files, SVG, and what cannot be read."""

import hashlib
import re
import sys
import xml.dom.minidom

import drawn
import pytest
import stored
from recorded_notes import RecordedNotes

from brainbench import plot
from brainbench.core import progress
from brainbench.core.errors import InputError, UnknownNameError
from brainbench.plot import FITS, KINDS, figure, save, svg
from brainbench.plot.selection import colors_of, identity_of, scores_of

MADE = {
    "bars": drawn.responses,
    "layers": drawn.layered,
    "units": drawn.dynamics,
    "time": drawn.dynamics,
    "traces": drawn.dynamics,
    "temporal": drawn.dynamics,
    "ost": drawn.solution_times,
    "choices": drawn.behavior,
    "images": drawn.behavior,
    "cues": drawn.shape_bias,
    "rdm": drawn.responses,
}


def test_every_figure_says_for_which_scores_it_makes_sense():
    assert set(KINDS) == set(FITS)
    assert {*KINDS, "graph", "figure"} <= set(plot.__all__)


@pytest.mark.parametrize("kind", MADE)
def test_every_figure_of_a_results_folder(tmp_path, kind):
    stored.fill(tmp_path / "results", [MADE[kind]()])
    drawn_figure = figure(kind, tmp_path / "results")
    path = save(drawn_figure, tmp_path / f"{kind}.png")
    assert path.read_bytes().startswith(b"\x89PNG")
    width = drawn_figure.get_figwidth() * 25.4
    assert width == pytest.approx(85) or width == pytest.approx(170)


@pytest.mark.parametrize("kind", MADE)
def test_a_function_draws_into_given_axes(kind):
    from matplotlib.figure import Figure

    own = Figure().subplots()
    options = {"array": "IT"} if kind == "time" else {}
    assert getattr(plot, kind)([MADE[kind]()], ax=own, **options) is own


@pytest.mark.parametrize("kind", MADE)
def test_without_matplotlib_the_extra_is_named(kind, monkeypatch):
    loaded = [name for name in sys.modules if name.startswith("matplotlib.")]
    for name in ("matplotlib", *loaded):
        monkeypatch.setitem(sys.modules, name, None)
    for scores in ([MADE[kind]()], [MADE[kind](), MADE[kind]("other@untrained-0")]):
        with pytest.raises(InputError, match="without matplotlib") as raised:
            figure(kind, scores)
        assert "brainbench[plot]" in str(raised.value)


def test_scores_that_make_no_sense_in_a_figure_are_omitted():
    whole = figure("layers", [drawn.behavior(), drawn.layered()])
    assert len(whole.axes) == 1
    with pytest.raises(
        InputError, match=r"'time' of tiny@imagenet on Simulated\.behavior-i2n"
    ) as caught:
        figure("time", [drawn.behavior()])
    assert caught.value.todo == "draw one of bars, choices, images, scatter of it"


def test_a_figure_that_does_not_exist_or_has_too_many_panels():
    with pytest.raises(UnknownNameError, match="barss") as caught:
        figure("barss", [drawn.layered()])
    assert "bars" in caught.value.allowed
    with pytest.raises(InputError, match="13 panels"):
        figure("layers", [drawn.layered(f"net{k}") for k in range(13)])


def test_the_same_figure_is_the_same_file(tmp_path):
    digests = set()
    for k in range(2):
        path = save(figure("bars", [drawn.responses()]), tmp_path / f"{k}.svg")
        digests.add(hashlib.sha256(path.read_bytes()).hexdigest())
    assert len(digests) == 1


def test_svg_for_pages_has_alternative_and_real_text():
    name = "net<script>alert(1)</script>&"
    text = svg(figure("bars", [drawn.responses(name)]), label='a "label" & more', prefix="one-")
    root = xml.dom.minidom.parseString(text).documentElement  # noqa: S318
    assert (root.getAttribute("role"), root.getAttribute("aria-label")) == (
        "img",
        'a "label" & more',
    )
    assert "<script" not in text
    assert "Simulated.IT-pls" in text
    ids = re.findall(r'\bid="([^"]*)"', text)
    assert ids
    assert all(one.startswith("one-") for one in ids)
    links = re.findall(r'(?:href="#|url\(#)([^")]*)', text)
    assert set(links) <= set(ids)
    assert "http" not in re.sub(r'xmlns(:\w+)?="[^"]*"', "", text)


def test_a_name_with_dollar_signs_is_no_formula(tmp_path):
    from matplotlib.figure import Figure

    path = save(figure("bars", [drawn.responses("net$x_1$")]), tmp_path / "bars.svg")
    assert "net$x_1$" in path.read_text()
    own = Figure().subplots()
    plot.layers([drawn.layered("net$x_{$")], ax=own)
    assert "net$x_{$" in save(own, tmp_path / "own.svg").read_text()


def test_control_characters_are_written_out():
    score = drawn.responses("net\x1b[31m")
    text = svg(figure("bars", [score]), label="bars")
    xml.dom.minidom.parseString(text)  # noqa: S318
    assert "\\x1b" in text


def test_a_folder_holds_those_of_the_default_protocol_on_all_images(tmp_path):
    scores = [
        drawn.responses(),
        drawn.responses("partial", partial=True),
        drawn.responses("other", protocol="brainscore"),
    ]
    stored.fill(tmp_path, scores)
    assert [score.model for score in scores_of(tmp_path)] == ["tiny@imagenet"]


def test_an_unreadable_file_is_named_and_the_others_are_drawn(tmp_path):
    stored.fill(tmp_path, [drawn.responses(), drawn.responses("b")])
    damaged = min(tmp_path.glob("*/*.json"))
    damaged.write_text(damaged.read_text().replace('"value": 0.4', '"value": 0.9'))
    reporter = RecordedNotes()
    with progress.use(reporter):
        axes = plot.bars(tmp_path)
    assert len(axes.patches) == 1
    assert damaged.name in " ".join(reporter.notes)


@pytest.mark.parametrize("source", [3, None, [None], ["pixels"]])
def test_what_are_no_scores(source):
    with pytest.raises(InputError) as caught:
        plot.bars(source)
    assert "results folder" in caught.value.allowed


def test_a_folder_without_scores(tmp_path):
    with pytest.raises(InputError, match=str(tmp_path)) as caught:
        plot.bars(tmp_path)
    assert "brainbench score" in caught.value.todo


def test_a_model_has_one_color_in_all_panels():
    scores = [drawn.dynamics(f"net{k}") for k in range(3)]
    scores += [drawn.dynamics(f"net{k}", benchmark="Simulated.V4-dynamics") for k in (2, 1)]
    colors = {}
    for axes in figure("time", scores).axes:
        for line in axes.lines:
            if line.get_label().startswith("net"):
                colors.setdefault(line.get_label(), set()).add(line.get_color())
    assert [len(own) for own in colors.values()] == [1, 1, 1]
    assert len(set.union(*colors.values())) == 3


def test_colors_that_do_not_tell_models_apart_are_not_taken():
    scores = [drawn.dynamics(f"net{k}") for k in range(9)]
    given = colors_of(scores)  # all of one color
    assert len(set(given.values())) == 1
    assert len(set(colors_of(scores[:2], given).values())) == 2
    other = {identity_of(score): color for score, color in zip(scores, "abcdefghi", strict=True)}
    assert list(colors_of(scores[3:5], other).values()) == ["d", "e"]
