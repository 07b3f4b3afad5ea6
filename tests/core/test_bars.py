"""Bars and notes in a terminal, in a pipe and in a notebook."""

import sys

import pytest
from rich.console import Console

from brainbench.core import bars, progress

EVIL = "net\x1b]0;owned\x07\x1b[2J[red]:x:\u202e\r"


def screen(width=80, **more):
    options = {"force_terminal": True, "markup": False, "emoji": False, "highlight": False}
    return Console(stderr=True, width=width, **{**options, **more})


@pytest.fixture
def shown():
    return bars.Bars(screen())


def test_bars_may_be_nested_and_go_when_they_are_done(shown, capsys):
    with shown.task("outer [x]", 2) as outer:
        outer(1)
        with shown.task("inner", 3) as inner:
            inner(3)
            shown.note("a note [bold]")
        outer(1)
    drawn = capsys.readouterr().err
    for words in ("outer [x]", "inner", "a note [bold]"):
        assert words in drawn
    with shown.task("again", 1) as again:
        again(1)
    later = capsys.readouterr().err
    assert "again" in later
    assert "outer" not in later


def test_bars_go_when_the_work_is_interrupted(shown, capsys):
    with pytest.raises(KeyboardInterrupt), shown.task("work", 2):
        raise KeyboardInterrupt
    capsys.readouterr()
    with shown.task("again", 1):
        pass
    assert "work" not in capsys.readouterr().err


def test_work_of_unknown_size_has_a_bar_without_a_count(shown, capsys):
    with shown.task("loading", None):
        pass
    last = capsys.readouterr().err
    assert "loading" in last
    assert "0:00" in last
    assert "0/" not in last


def test_the_time_left_is_the_one_that_is_told(shown, capsys):
    with shown.task("scores", 4) as advance:
        advance(1, seconds_left=3600.4)
    assert "1:00:00 left" in capsys.readouterr().err


def test_a_time_that_was_too_short_is_no_longer_shown(shown, capsys, monkeypatch):
    now = [100.0]
    monkeypatch.setattr(bars.time, "monotonic", lambda: now[0])
    with shown.task("scores", 4) as advance:
        advance(1, seconds_left=5.0)
        assert "0:05 left" in capsys.readouterr().err
        now[0] += 6
        advance(0, seconds_left=-1.0)
        assert "left" not in capsys.readouterr().err


def test_bars_fit_the_terminal_and_long_names_are_cut(capsys):
    narrow = bars.Bars(screen(60, color_system=None))
    with narrow.task("a_model_with_a_very_long_name on " + "Study" * 20, 1000) as advance:
        advance(1, seconds_left=100_000)
    lines = [line for line in capsys.readouterr().err.splitlines() if "a_model" in line]
    drawn = [line.rpartition("\r")[2].rpartition("\x1b[2K")[2] for line in lines]
    assert drawn
    assert all(len(line) <= 60 for line in drawn)
    assert "1/1000" in drawn[-1]


def test_bars_are_taken_away_for_what_another_stream_prints(shown, capsys):
    with shown.task("work", 1):
        with shown.taken_away():
            capsys.readouterr()
            print("a row")
            between = capsys.readouterr()
        assert between.out == "a row\n"
        assert "work" not in between.err
    assert "work" in capsys.readouterr().err
    with shown.taken_away():
        print("without bars")
    assert capsys.readouterr().out == "without bars\n"


def test_in_a_pipe_there_are_notes_alone(capsys):
    piped = bars.Bars(screen(force_terminal=False))
    with piped.task("work", 3) as advance:
        advance(3, seconds_left=1.0)
        piped.note("a note " + "word " * 40)
        with piped.taken_away():
            print("what a network prints")
    done = capsys.readouterr()
    assert done.err == "a note " + "word " * 40 + "\n"
    assert done.out == "what a network prints\n"


def test_notes_and_bars_write_control_characters_out(shown, capsys):
    with shown.task(f"bar {EVIL}", 1):
        shown.note(f"note {EVIL}")
    drawn = capsys.readouterr().err
    assert r"note net\x1b]0;owned\x07\x1b[2J[red]:x:\u202e" in drawn
    assert "\x1b]0;" not in drawn
    assert "\x07" not in drawn


def test_outside_a_notebook_the_library_is_silent(capsys):
    with bars.in_notebook():
        assert isinstance(progress.current(), progress.Silent)
    assert capsys.readouterr() == ("", "")


class Cell(Console):
    """A console that thinks it is in a notebook, and writes text."""

    def __init__(self, **options):
        super().__init__(force_jupyter=True, **options)


@pytest.mark.parametrize("has_widgets", [True, False])
def test_in_a_notebook_there_are_bars_where_it_can_draw_them(monkeypatch, has_widgets):
    printed = []
    monkeypatch.setattr(bars, "Console", Cell)
    monkeypatch.setattr(Cell, "print", lambda _, *texts, **__: printed.extend(texts))
    monkeypatch.setattr(
        bars.importlib.util, "find_spec", lambda _: object() if has_widgets else None
    )
    bars._say_what_is_missing.cache_clear()
    with bars.in_notebook():
        reporter = progress.current()
        assert isinstance(reporter, bars.Bars)
        assert bars._progress(Cell()).disable is not has_widgets
        reporter.note("a note")
    assert isinstance(progress.current(), progress.Silent)
    with bars.in_notebook():
        pass
    assert "a note" in printed
    assert sum("ipywidgets" in text for text in printed) == (0 if has_widgets else 1)


def test_a_reporter_that_is_in_use_stays(monkeypatch):
    monkeypatch.setattr(bars, "Console", Cell)
    mine = bars.Bars(screen())
    with progress.use(mine), bars.in_notebook():
        assert progress.current() is mine


def test_what_a_network_prints_appears_above_the_bars_of_a_terminal(shown, capsys, monkeypatch):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    with shown.task("work", 1):
        print("epoch 1")
    assert "epoch 1" in capsys.readouterr().err
