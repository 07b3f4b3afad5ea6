"""Composites in place of benchmarks, on the command line."""

import json
import re
from io import StringIO

import pandas as pd
import pytest

from brainbench.storage.results import Results


def test_a_composite_is_shown_below_its_members(call, composites, results_folder):
    done = call("score", "-m", "fake,fake_second", "-b", "Recorded.mean-v1")
    assert done.status == 0
    lines = [line.split() for line in done.out.splitlines()]
    assert [line[1] for line in lines[1:5]] == ["Recorded.IT-pls", "Recorded.V1-pls"] * 2
    heading = lines.index(["model,", "composite", "score", "95", "%", "CI", "members"])
    assert lines[heading + 1] == ["fake"]
    assert lines[heading + 2][0] == "Recorded.mean-v1"
    assert lines[heading + 2][3] == "to"  # its interval
    assert lines[heading + 2][-3:] == ["2", "of", "2"]
    assert len(list(Results(results_folder).files())) == 4
    board = call("leaderboard", "--composite", "Recorded.mean-v1", "--format", "json")
    of_members = call(
        "score", "-m", "fake,fake_second", "-b", "Recorded.mean-v1", "--format", "json"
    )
    rows = json.loads(of_members.out)
    shown = {row["model"]: row for row in rows if "composite" in row}
    members = [row["value"] for row in rows if row.get("benchmark") and row["model"] == "fake"]
    assert shown["fake"]["value"] == pytest.approx(sum(members) / 2)
    for row in json.loads(board.out):
        assert row["composite"]["value"] == shown[row["model"]]["value"]
        assert row["composite"]["ci"] == shown[row["model"]]["ci"]


def test_a_composite_without_a_member_says_which_is_missing(call, composites):
    done = call("score", "-m", "fake", "-b", "Recorded.broken-v1")
    assert done.status == 1
    [line] = [line.split() for line in done.out.splitlines() if "1 of 2" in line]
    assert line == ["Recorded.broken-v1", "1", "of", "2"]
    assert "no Recorded.broken-v1 of fake: Recorded.failing-pls" in done.out


def test_composites_are_no_rows_of_a_csv(call, composites):
    done = call("score", "-m", "fake", "-b", "Recorded.mean-v1", "--format", "csv")
    assert list(pd.read_csv(StringIO(done.out))["benchmark"]) == [
        "Recorded.IT-pls", "Recorded.V1-pls",
    ]  # fmt: skip
    assert re.search(r"fake on Recorded.mean-v1: \S+, 95 % CI .* to .*, 2 of 2 members", done.err)
