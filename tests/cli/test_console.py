"""Results on a terminal of 80 columns, and in a pipe."""

import logging

import pytest
from rich.cells import cell_len
from rich.console import Console

from brainbench.cli import console, text
from brainbench.core import marks
from brainbench.core.digits import decimal
from brainbench.core.score import Score
from brainbench.core.settings import Settings

REGIONS = ("V1", "V2", "V4", "IT")


def score(model="cornet_s@untrained-0", benchmark="Simulated.IT-pls", **more):
    base = {
        "weights": "untrained-0" if "untrained" in model else "imagenet",
        "version": 1,
        "protocol": "paper",
        "value": -0.0042,
        "ceiling": 0.871,
        "ci": (-0.0161, 0.0118),
        "ci_method": "bootstrap over stimuli, 95 % percentile, 1000 draws; ceiling held fixed",
        "n_units": 96,
        "simulated": benchmark.startswith("Simulated"),
        "file": "somewhere.json",
    }
    return Score(model=model, benchmark=benchmark, **{**base, **more})


def without_value(reason, *, status="failed", **more):
    return score(value=None, ci=None, status=status, reason=reason, file=None, **more)


@pytest.fixture
def terminal(monkeypatch, capsys):
    """`terminal(80, scores)`: what a terminal of 80 columns shows."""

    def show(width, scores):
        made = Console(highlight=False, markup=False, emoji=False, width=width, color_system=None)
        monkeypatch.setattr(console, "stdout", lambda: made)
        monkeypatch.setenv("COLUMNS", str(width))
        monkeypatch.setattr(
            console, "fitted", lambda words, _: text.fitted(words, Stream(terminal=True))
        )
        console.print_scores(scores)
        console.print_footnotes(scores, Settings())
        return capsys.readouterr().out.splitlines()

    return show


def test_the_usual_table_fits_80_columns(terminal):
    lines = terminal(80, [score(benchmark=f"Simulated.{region}-pls") for region in REGIONS])
    assert max(map(len, lines)) <= 80
    assert lines[1].split() == [
        "cornet_s@untrained-0", "°", "Simulated.V1-pls", "~",
        "-.004", "-.016", "to", ".012", ".871", "96",
    ]  # fmt: skip
    assert all(line.startswith("cornet_s@untrained-0 °  Simulated.") for line in lines[1:5])


def test_reasons_are_indented_and_names_are_not_cut(terminal):
    path = "/a/very/long/path/that/no/terminal/of/eighty/columns/can/ever/show/on/one/line/x.json"
    reason = f"result file {path} cannot be read\n  allowed: a JSON file that brainbench wrote " + (
        "and that nobody has changed since it was written\n  next: remove the file"
    )
    lines = terminal(80, [without_value(reason)])
    start = next(k for k, line in enumerate(lines) if "failed: result file" in line)
    assert lines[start : start + 6] == [
        "cornet_s@untrained-0 on Simulated.IT-pls: failed: result file",
        f"    {path}",
        "    cannot be read",
        "  allowed: a JSON file that brainbench wrote and that nobody has changed since",
        "      it was written",
        "  next: remove the file",
    ]


def test_a_reason_of_several_scores_is_said_once(terminal):
    names = ["Study.a-choices", "Study.a-consistency"]
    scores = [
        without_value(f"{name}: 40 images are too few", model=model, benchmark=name)
        for model in ("pixels", "gabor")
        for name in names
    ]
    shown = " ".join(" ".join(terminal(80, scores)).split())
    assert shown.count("too few") == 1
    assert "pixels, gabor on Study.a-choices, Study.a-consistency: failed: 40 images are" in shown


def test_names_are_shown_as_they_are(terminal):
    lines = terminal(120, [score("net[fp16] :x:", "My[bold].IT-pls")])
    assert lines[1].startswith("net[fp16] :x:  My[bold].IT-pls")


def test_nothing_is_wrapped_in_a_pipe(capsys):
    reason = "word " * 100
    scores = [without_value(reason, model="m" * 90)]
    console.print_scores(scores)
    console.print_footnotes(scores, Settings())
    lines = capsys.readouterr().out.splitlines()
    assert "m" * 90 in lines[1]
    assert reason.strip() in lines[-1]


@pytest.mark.parametrize(
    ("status", "shown", "note"),
    [
        ("failed", "failed", "cornet_s@untrained-0 on Simulated.IT-pls: failed: why"),
        ("not_applicable", "none", "cornet_s@untrained-0 on Simulated.IT-pls: why"),
        ("data_absent", "not here", "Simulated.IT-pls: why"),
    ],
)
def test_a_score_without_a_value_shows_its_status(terminal, status, shown, note):
    lines = terminal(80, [without_value("why", status=status)])
    assert lines[1].split("~")[1].strip() == shown
    assert lines[-1] == note
    assert not any(line.startswith("score:") for line in lines)


def test_an_approximate_interval_is_marked(terminal):
    sure, approximate = (score(ci_approximate=flag) for flag in (False, True))
    lines = terminal(80, [sure, approximate])
    assert ["≈" in line for line in lines if ".012" in line] == [False, True]
    assert marks.APPROXIMATE in lines


def test_a_ceiling_that_is_not_above_0_is_marked_beside_its_figure(terminal):
    lines = terminal(80, [score(ceiling_above_0=flag) for flag in (None, True, False)])
    shown = f"{decimal(score().value)} !"
    assert [shown in line for line in lines if ".012" in line] == [False, False, True]
    assert marks.NOT_ABOVE_0 in " ".join(" ".join(lines).split())
    assert not any("!" in line for line in terminal(80, [score(ceiling_above_0=True)]))


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.5231, ".523"),
        (-0.0044, "-.004"),
        (-0.0001, ".000"),
        (0.0, ".000"),
        (1.02, "1.020"),
        (-1.5, "-1.500"),
        (0.9996, "1.000"),
        (-0.9996, "-1.000"),
        (10.0625, "10.062"),
        (None, ""),
    ],
)
def test_three_decimals(value, shown):
    assert decimal(value) == shown


class Stream:
    def __init__(self, terminal):
        self.isatty = lambda: terminal


def test_text_is_wrapped_for_a_terminal_only(monkeypatch):
    monkeypatch.setenv("COLUMNS", "20")
    assert text.fitted("one two three four five", Stream(False)) == "one two three four five"
    assert text.fitted("one two three four five", Stream(True)) == "one two three four\n    five"


def test_a_note_that_is_not_about_all_benchmarks_names_them():
    def one(benchmark, formula):
        return score("m", benchmark, formula=formula, ci_method="images")

    alike = [one("A.IT-pls", "raw-v1"), one("A.V4-pls", "raw-v1")]
    notes = console.footnotes(alike, Settings())
    assert notes[1:] == ["score: raw-v1", "interval: images"]
    mixed = [*alike, one("A.IT-dynamics", "r/sqrt(c)-v1")]
    assert console.footnotes(mixed, Settings())[1:] == [
        "score: raw-v1 (A.IT-pls, A.V4-pls)",
        "score: r/sqrt(c)-v1 (A.IT-dynamics)",
        "interval: images",
    ]


EVIL = "net\x1b]0;owned\x07\x1b[2J[red]:x:\u202e\r"


def test_control_characters_in_names_and_reasons_are_written_out(terminal):
    lines = terminal(200, [without_value(f"{EVIL}\n  next: {EVIL}", model=EVIL, benchmark=EVIL)])
    shown = r"net\x1b]0;owned\x07\x1b[2J[red]:x:\u202e\r"
    assert lines[1].count(shown) == 2
    assert lines[-1] == f"  next: {shown}"
    assert not set("\x1b\x07\r\u202e") & set("".join(lines))


def test_a_name_of_two_lines_is_one_cell(terminal):
    lines = terminal(120, [score("net\nbetter_net  Other.IT-pls  .999")])
    assert lines[1].startswith(r"net\nbetter_net ")


def test_log_lines_write_control_characters_out():
    record = logging.LogRecord("brainbench", logging.WARNING, "f", 1, "line %s", (EVIL,), None)
    line = console.VisibleFormatter("%(message)s").format(record)
    assert line == r"line net\x1b]0;owned\x07\x1b[2J[red]:x:\u202e\r"


def test_facts_write_control_characters_out(capsys):
    console.print_facts({"model": EVIL, "notes": [EVIL, "second"]})
    assert capsys.readouterr().out.count(r"\x1b[2J[red]:x:\u202e\r") == 2


def test_long_texts_of_a_group_are_folded_within_their_column(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setattr(console, "stdout", lambda: Console(width=40, markup=False, emoji=False))
    rows = [("  [b]" + "x" * 40, ".123", ".1 to .2"), ("  腹側 :smile:", ".1"), ("  short",)]
    console.print_grouped("model", [("A heading", rows)], figures=("score", "95 % CI"))
    lines = capsys.readouterr().out.splitlines()
    assert max(map(cell_len, lines)) <= 40
    assert lines[0].split() == ["model", "score", "95", "%", "CI"]
    first, *rest = (line for line in lines if "x" in line)
    assert first.endswith(" .123  .1 to .2")
    assert "".join((first[:-15], *rest)).replace(" ", "") == "[b]" + "x" * 40
    assert any(line.startswith("  腹側 :smile:") for line in lines)


@pytest.mark.parametrize("width", [30, 44])
def test_rows_that_are_too_wide_for_the_terminal_keep_names_whole(monkeypatch, capsys, width):
    monkeypatch.setattr(
        console, "stdout", lambda: Console(width=width, markup=False, highlight=False)
    )
    name = "Geirhos2019silhouettes.behavior"
    rows = [
        {
            "benchmark": name,
            "region": "behavior",
            "get it with": "brainbench data fetch Geirhos2019",
        },
        {"benchmark": "A.V1-pls", "region": "V1", "get it with": ""},
    ]
    console.print_rows(rows)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == name
    assert "  region: behavior" in lines[1]
    assert lines[-2:] == ["A.V1-pls", "  region: V1"]
    assert all(len(line) <= width for line in lines[1:])


def test_rows_that_fit_are_a_table(monkeypatch, capsys):
    monkeypatch.setattr(console, "stdout", lambda: Console(width=80))
    console.print_rows([{"name": "a", "what": "one two", "never": ""}])
    assert [line.split() for line in capsys.readouterr().out.splitlines()] == [
        ["name", "what"],
        ["a", "one", "two"],
    ]
