import csv
import math

import pandas as pd
import pytest

from brainbench.core.untrusted_text import visible, write_csv


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred\x1b[0m", r"\x1b[31mred\x1b[0m"),
        ("\x00\x07\x08\x0b\r\x7f", r"\x00\x07\x08\x0b\r\x7f"),
        ("\x9b2J\x85", r"\x9b2J\x85"),  # the same commands in one character
        ("\u202egnp.exe\u2066\u200b\ufeff", r"\u202egnp.exe\u2066\u200b\ufeff"),
        ("a\u2028b\u2029c", r"a\u2028b\u2029c"),
        ("\udcff", r"\udcff"),
        ("two\n\tlines", "two\n\tlines"),
    ],
)
def test_control_characters_are_written_out(text, shown):
    assert visible(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "",
        "cornet_s@untrained-0 °",
        "≈ .5",
        "naïve",
        "日本語",
        "نص",
        "नमस्ते",
        "a\u00a0b",
        "👩\u200d🔬",
    ],
)
def test_ordinary_text_is_unchanged(text):
    assert visible(text) == text


def test_lines_are_kept_only_where_they_are_wanted():
    assert visible("a\nb", keep="") == r"a\nb"


FORMULAS = ["=1+1", "+1", "-cmd", "@SUM(A1)", "\t=1", "\r=1"]


def test_a_csv_holds_no_formulas_and_every_digit(tmp_path):
    figures = [0.1 + 0.2, -1e-300, math.nan, -5.0, 1.0, 3.0]
    frame = pd.DataFrame(
        {"=name": FORMULAS, "value": figures, "n": pd.array([1, None, -3, 4, 5, 6])}
    )
    write_csv(frame, tmp_path / "out.csv")
    with (tmp_path / "out.csv").open(newline="", encoding="utf-8") as stream:
        title, *rows = csv.reader(stream)
    assert title == ["'=name", "value", "n"]
    assert [row[0] for row in rows] == ["'=1+1", "'+1", "'-cmd", "'@SUM(A1)", "'\t=1", r"'\r=1"]
    assert [row[1] for row in rows] == ["0.30000000000000004", "-1e-300", "", "-5.0", "1.0", "3.0"]
    assert [row[2] for row in rows] == ["1", "", "-3", "4", "5", "6"]


def test_a_csv_is_utf8_without_control_characters(tmp_path):
    write_csv(pd.DataFrame({"name": ["\x1b[2J\udcff", "é", None]}), tmp_path / "out.csv")
    assert (tmp_path / "out.csv").read_bytes().splitlines() == [
        b"name", rb"\x1b[2J\udcff", "é".encode(), b'""',
    ]  # fmt: skip
