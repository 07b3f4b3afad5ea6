"""Rows on a terminal of 80 columns as they are finished."""

import pytest
from rich.console import Console

from brainbench.cli import console, live_table
from brainbench.core import bars, progress
from brainbench.core.score import Score


def score(model, benchmark, **more):
    base = {
        "weights": "w",
        "version": 1,
        "protocol": "paper",
        "value": -0.0042,
        "ceiling": 0.871,
        "ci": (-0.0161, 0.0118),
        "n_units": 156,
        "n_excluded": 12,
        "partial": True,
    }
    return Score(model=model, benchmark=benchmark, **{**base, **more})


@pytest.fixture
def narrow(monkeypatch):
    """`narrow(80)`: results go to a terminal of so many columns."""

    def use(width):
        made = Console(width=width, highlight=False, markup=False, emoji=False, color_system=None)
        monkeypatch.setattr(console, "stdout", lambda: made)
        monkeypatch.setattr(live_table, "stdout", lambda: made)

    return use


def printed(capsys):
    return [line.rstrip() for line in capsys.readouterr().out.splitlines()]


def test_rows_are_printed_one_by_one_below_their_model(narrow, capsys):
    narrow(80)
    names = [f"MajajHong2015public.{region}-pls" for region in ("V4", "IT")]
    table = live_table.LiveScores(names)
    table.add(score("convrnn_rgc_intermediate@imagenet", names[0]))
    first = printed(capsys)
    assert first[0].split() == [
        "model,", "benchmark", "score", "95", "%", "CI", "ceiling", "units",
    ]  # fmt: skip
    assert first[1] == "convrnn_rgc_intermediate@imagenet"
    assert first[2].split() == [
        "MajajHong2015public.V4-pls", "-.004", "*", "-.016", "to", ".012", ".871", "156", "(-12)",
    ]  # fmt: skip
    table.add(score("convrnn_rgc_intermediate@imagenet", names[1]))
    second = printed(capsys)
    assert len(second) == 1
    assert second[0].index("-.004") == first[2].index("-.004")
    table.add(score("pixels", names[0], weights="untrained-0"))
    assert printed(capsys)[0] == "pixels °"
    table.add(score("pixels", "Geirhos2019.cueconflict-consistency", weights="untrained-0"))
    cut = printed(capsys)
    assert cut[0].startswith("  Geirhos2019.cueconflict- ")
    assert cut[1] == "    consistency"
    assert max(map(len, first + second)) <= 80


@pytest.mark.parametrize("width", [50, 80])
def test_names_that_are_too_long_are_folded_and_figures_never_cut(narrow, capsys, width):
    narrow(width)
    name = "Study2026.IT-" + "very-" * 8 + "long"
    table = live_table.LiveScores([name])
    extreme = {"value": -1.0123, "ci": (-1.2345, -1.0123), "ci_approximate": True}
    table.add(score("m" * 90, name, ceiling_above_0=False, n_units=123456, **extreme))
    lines = printed(capsys)
    assert "".join(lines).count("m") >= 90
    text = "".join("".join(lines).split())
    for figure in ("-1.012", "-1.234", ".871", "123456"):
        assert figure in text
    if width == 80:
        assert max(map(len, lines)) <= 80


def test_control_characters_are_written_out(narrow, capsys):
    narrow(80)
    live_table.LiveScores(["b"]).add(score("net\x1b[2J\r", "b\u202e"))
    text = capsys.readouterr().out
    assert not set("\x1b\r\u202e") & set(text)
    assert r"net\x1b[2J\r" in text


def test_a_score_without_a_value_shows_its_status(narrow, capsys):
    narrow(80)
    without = {"value": None, "ci": None, "ceiling": None, "partial": False}
    table = live_table.LiveScores(["b"])
    table.add(score("m", "b", status="data_absent", reason="get it", **without))
    assert printed(capsys)[-1].split() == ["b", "not", "here"]


def test_rows_appear_above_the_bars(narrow, capsys):
    narrow(80)
    shown = bars.Bars(Console(stderr=True, force_terminal=True, width=80))
    with progress.use(shown), shown.task("scores", 2):
        capsys.readouterr()
        live_table.LiveScores(["b"]).add(score("m", "b"))
        drawn = capsys.readouterr()
    assert "-.004" in drawn.out
    assert "scores" in drawn.err
