"""`brainbench score`, inside this process, with small invented models and benchmarks."""

import errno
import json
import os
import re
from io import StringIO
from pathlib import Path

import pandas as pd
import pytest
from brainbench_fake import ASKED, SCORED

from brainbench.core.score import COLUMNS
from brainbench.storage.results import Results

TWO = "Fake.IT-pls,Fake.V1-pls"
PROMISED = {
    "model", "weights", "benchmark", "value", "raw", "ceiling", "ci", "formula", "protocol",
    "n_units", "n_excluded", "reason", "seconds", "record", "status", "selection",
}  # fmt: skip


def stored(folder):
    return sorted(path.name for path in folder.glob("*/*.json"))


def test_a_table_of_scores(call, results_folder):
    done = call("score", "--model", "fake@untrained-0", "--benchmark", TWO)
    assert done.status == 0
    lines = [line.split() for line in done.out.splitlines()]
    assert lines[0] == ["model", "benchmark", "score", "95", "%", "CI", "ceiling", "units"]
    assert lines[1][:4] == ["fake@untrained-0", "°", "Fake.IT-pls", "~"]
    assert lines[1][-3:] == [".871", "4", "(-1)"]
    assert lines[2][2] == "Fake.V1-pls"
    for words in (
        "protocol paper, seed 0\nscore: raw-v1",
        "° untrained: the weights are seeded random numbers",
        "~ simulated brain: no animal was recorded",
        "(-n) n units omitted",
        "interval: percentile bootstrap of images, 1000 draws",
        "omitted: constant response",
    ):
        assert words in done.out
    assert "* partial" not in done.out
    assert len(stored(results_folder)) == 2


def test_notes_and_costs_go_to_stderr(call):
    done = call("score", "-m", "fake@untrained-0", "-b", TWO)
    assert "weights are seeded random numbers, nothing here is trained" in done.err
    assert "forward passes 0.0 s over 36 images, everything else " in done.err
    assert "peak memory" in done.err
    assert "peak memory" not in done.out
    assert "━" not in done.err  # no bars where there is no terminal


def test_quiet_says_nothing_but_the_results(call):
    done = call("score", "-m", "fake@untrained-0", "-b", TWO, "-q")
    assert done.err == ""
    assert "Fake.IT-pls" in done.out


def test_json_is_all_of_stdout(call):
    done = call("score", "-m", "fake@untrained-0", "-b", f"{TWO},Away.*", "--format", "json")
    rows = json.loads(done.out)
    assert [row["benchmark"] for row in rows] == ["Fake.IT-pls", "Fake.V1-pls", "Away.IT-pls"]
    for row in rows:
        assert set(row) >= PROMISED
    assert list(rows[0])[: len(PROMISED)] == list(rows[1])[: len(PROMISED)]
    assert rows[0]["weights"] == "untrained-0"
    assert rows[0]["record"]["hashes"]["model"] == "digest of untrained-0 "
    assert rows[0]["ci"][0] < rows[0]["value"] < rows[0]["ci"][1]
    assert [row["status"] for row in rows] == ["scored", "scored", "data_absent"]
    assert rows[2]["value"] is None
    assert "`brainbench data get Fake`" in rows[2]["reason"]
    assert done.err != ""


def test_csv_goes_to_pandas(call, tmp_path):
    path = tmp_path / "scores.csv"
    call("score", "-m", "fake", "-b", "Fake.*", "--csv", path)
    frame = pd.read_csv(path)
    assert tuple(frame.columns) == COLUMNS
    assert len(frame) == 5
    assert frame["value"].notna().sum() == 2


@pytest.mark.parametrize("place", ["", "no/such/x.csv"])
def test_an_impossible_place_for_the_csv_is_known_before_computing(call, tmp_path, place):
    done = call("score", "-m", "fake", "-b", TWO, "--csv", tmp_path / place)
    assert done.status == 2
    assert f"--csv {tmp_path / place}" in done.err
    assert SCORED == []


def test_csv_that_cannot_be_written_loses_no_score(call, tmp_path, monkeypatch):
    def full(self, *arguments, **options):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(pd.DataFrame, "to_csv", full)
    done = call("score", "-m", "fake", "-b", TWO, "--csv", tmp_path / "x.csv")
    assert done.status == 2
    assert "Fake.IT-pls" in done.out
    assert "x.csv" in done.err
    assert "No space left on device" in done.err


def test_the_same_command_again_computes_nothing(call):
    first = call("score", "-m", "fake", "-b", TWO, "-q")
    ASKED.clear()
    SCORED.clear()
    again = call("score", "-m", "fake", "-b", TWO)
    assert again.out == first.out
    assert (ASKED, SCORED) == ([], [])
    assert again.err.startswith("no forward pass, everything else ")


@pytest.mark.parametrize(
    ("overwrite", "computed"),
    [
        ("never", []),
        ("only-missing", [("fake", "Fake.failing-pls")]),
        ("always", [("fake", "Fake.IT-pls"), ("fake", "Fake.failing-pls")]),
    ],
)
def test_overwrite(call, overwrite, computed):
    command = ("score", "-m", "fake", "-b", "Fake.IT-pls,Fake.failing-pls", "--overwrite")
    call(*command, "only-missing")
    SCORED.clear()
    done = call(*command, overwrite)
    assert list(SCORED) == computed
    assert done.status == 1  # the failure is still one
    assert "12 images for 25 components" in done.out


def test_failed_scores_give_status_1_and_the_table_says_which_and_why(call, results_folder):
    done = call("score", "-m", "fake", "-b", "Fake.*", "-v")
    assert done.status == 1
    rows = {line.split()[1]: line.split()[3] for line in done.out.splitlines()[1:6]}
    assert rows["Fake.failing-pls"] == rows["Fake.crashing-pls"] == "failed"
    assert rows["Fake.blind-pls"] == "failed"
    assert rows["Fake.IT-pls"].startswith(".")
    assert (
        "fake on Fake.failing-pls: failed: 12 images for 25 components\n"
        "  allowed: more images than components\n"
        "  next: use more images or fewer components\n"
    ) in done.out
    assert "fake on Fake.crashing-pls: failed: ZeroDivisionError: division by zero" in done.out
    assert "Traceback" in done.err  # -v
    assert 'raise ZeroDivisionError("division by zero")' in done.err


def test_a_traceback_is_for_those_who_ask(call):
    done = call("score", "-m", "fake", "-b", "Fake.crashing-pls")
    assert done.status == 1
    assert "Traceback" not in done.err + done.out


def test_equal_reasons_are_said_once(call, monkeypatch):
    monkeypatch.setenv("FAKE_MODEL", "broken")
    done = call("score", "-m", "fake", "-b", TWO)
    assert done.status == 1
    assert done.out.count("the weights could not be read") == 1
    assert "fake on Fake.IT-pls, Fake.V1-pls: failed: RuntimeError: the weights" in done.out


def test_absent_data_is_a_row_with_its_command_and_no_failure(call, results_folder):
    done = call("score", "-m", "fake*", "-b", "Away.IT-pls,Fake.IT-pls")
    assert done.status == 0
    assert "not here" in done.out.splitlines()[1]
    [reason] = [line for line in done.out.splitlines() if line.startswith("Away.IT-pls: ")]
    assert "`brainbench data get Fake`" in reason  # once for both models
    assert len(stored(results_folder)) == 2


SHORT = "2 benchmarks without data here: `brainbench data list` says how to get it, -v names them"


def test_absent_data_that_a_wildcard_found_is_one_line(call, monkeypatch):
    monkeypatch.setenv("FAKE_DATA", "missing")
    given = ("score", "-m", "fake*", "-b")
    several = call(*given, "Away.*,Stored.*,Fake.IT-pls")
    assert several.status == 0
    assert "not here" not in several.out
    assert several.out.splitlines()[-1] == SHORT
    planned = call(*given, "Away.*,Stored.*,Fake.IT-pls", "--dry-run").out
    assert "not here" not in planned
    assert planned.count("without data here") == 1

    one = call(*given, "Away.*,Fake.IT-pls").out.splitlines()
    assert sum("Away.IT-pls" in line for line in one) == 1
    assert "`brainbench data get Fake`" in one[-1]  # of one data set its own command


@pytest.mark.parametrize("given", [("Away.IT-pls,Stored.*,Away.*",), ("Away.*,Stored.*", "-v")])
def test_absent_data_that_was_named_keeps_its_row(call, monkeypatch, given):
    monkeypatch.setenv("FAKE_DATA", "missing")
    lines = call("score", "-m", "fake", "-b", *given).out.splitlines()
    assert ["fake", "Away.IT-pls", "not", "here"] in [line.split() for line in lines]
    assert not any("without data here" in line for line in lines)


def test_nothing_but_absent_data_of_a_wildcard_is_a_failure_and_no_table(call, monkeypatch):
    monkeypatch.setenv("FAKE_DATA", "missing")
    done = call("score", "-m", "fake", "-b", "Away.*,Stored.*")
    assert done.status == 1
    assert done.out.splitlines() == ["protocol paper, seed 0", SHORT]


def test_what_does_not_apply_is_a_row_with_its_reason_and_no_failure(call, results_folder):
    done = call("score", "-m", "fake", "-b", "Elsewhere.TE-pls,Fake.IT-pls")
    assert done.status == 0
    assert done.out.splitlines()[1].split()[-1] == "none"
    assert "fake on Elsewhere.TE-pls: " in done.out
    assert "--layers TE=LAYER" in done.out
    assert len(stored(results_folder)) == 1


@pytest.mark.parametrize("benchmark", ["Away.IT-pls", "Elsewhere.TE-pls"])
def test_no_score_at_all_is_a_failure(call, benchmark):
    assert call("score", "-m", "fake", "-b", benchmark).status == 1


def test_data_that_arrives_is_used(call, monkeypatch):
    monkeypatch.setenv("FAKE_DATA", "missing")
    assert "not here" in call("score", "-m", "fake", "-b", "Stored.IT-pls").out
    monkeypatch.delenv("FAKE_DATA")
    assert "not here" not in call("score", "-m", "fake", "-b", "Stored.IT-pls").out


def test_limit_marks_scores_as_partial_and_keeps_them_apart(call, results_folder):
    whole = call("score", "-m", "fake", "-b", "Fake.IT-pls")
    part = call("score", "-m", "fake", "-b", "Fake.IT-pls", "--limit", 4)
    assert part.out.splitlines()[1].split()[4] == "*"
    assert "* partial: only some of the stimuli were used" in part.out
    assert "*" not in whole.out
    assert len(stored(results_folder)) == 2
    rows = json.loads(
        call("score", "-m", "fake", "-b", "Fake.IT-pls", "--limit", 4, "--format", "json").out
    )
    assert rows[0]["partial"]
    assert rows[0]["n_stimuli"] == 4


def test_protocol_seed_and_layers(call):
    done = call(
        "score", "-m", "fake", "-b", "Fake.IT-pls", "--protocol", "brainscore", "--seed", 3,
        "--layers", "IT=V4.output", "--format", "json",
    )  # fmt: skip
    [row] = json.loads(done.out)
    assert row["protocol"] == "brainscore"
    assert row["record"]["seeds"] == {"run": 3, "bootstrap": 3}
    assert row["selection"]["layer"] == "V4.output"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3", 3),
        ("0.5", 0.5),
        ("1e-3", 0.001),
        ("true", True),
        ("False", False),
        ("None", None),
        ("null", None),
        ("imagenet", "imagenet"),
        ('"3"', "3"),
        ("a b", "a b"),
        ("[7,5,3]", [7, 5, 3]),
        ('{"V4":2,"V2":[1,2]}', {"V4": 2, "V2": [1, 2]}),
        ("['a,b', True]", ["a,b", True]),
        ("(1, 2)", (1, 2)),
        ('"a,b=c"', "a,b=c"),
        ("o'brien (1).pth", "o'brien (1).pth"),
        ("a[1", "a[1"),
    ],
)
def test_model_args_have_types(call, text, value):
    done = call(
        "score", "-m", "fake", "-b", "Fake.IT-pls", "--model-args", f"size=1,flag={text}",
        "--format", "json",
    )  # fmt: skip
    digest = json.loads(done.out)[0]["record"]["hashes"]["model"]
    assert digest == f"digest of none 1 {value!r}"


def test_several_models_and_benchmarks_in_several_ways(call):
    done = call(
        "score", "-m", "fake", "-m", "fake_s*", "-b", "Fake.IT-pls", "-b", "Fake.V1-pls,Fake.IT-*",
        "--format", "json",
    )  # fmt: skip
    pairs = [(row["model"], row["benchmark"]) for row in json.loads(done.out)]
    assert pairs == [
        (model, benchmark)
        for model in ("fake", "fake_second")
        for benchmark in ("Fake.IT-pls", "Fake.V1-pls")
    ]


def test_other_names_of_the_options_work_and_are_hidden(call):
    done = call("score", "--model-identifier", "fake", "--benchmark-identifier", "Fake.IT-pls")
    assert done.status == 0
    shown = call("score", "--help")
    assert "--model" in shown.out
    assert "identifier" not in shown.out


def test_a_model_from_a_file(call, tmp_path):
    path = tmp_path / "my_model.py"
    path.write_text(
        "from brainbench_fake import FakeModel\n"
        "def make_model(*, name='mine'):\n    return FakeModel(name=name)\n"
    )
    done = call("score", "-m", f"{path}:make_model,fake", "-b", "Fake.IT-pls")
    assert done.status == 0
    assert [line.split()[0] for line in done.out.splitlines()[1:3]] == ["mine", "fake"]
    done = call(
        "score", "-m", f"{path}:make_model", "-b", "Fake.IT-pls", "--model-args", "name=yours"
    )
    assert done.out.splitlines()[1].startswith("yours")


def test_a_file_that_crashes_is_a_failed_score(call, tmp_path):
    path = tmp_path / "my_model.py"
    path.write_text("import no_such_library\n")
    done = call("score", "-m", f"{path}:make_model", "-b", "Fake.IT-pls")
    assert done.status == 1
    assert "ModuleNotFoundError: No module named 'no_such_library'" in done.out


def test_dry_run_computes_nothing(call, results_folder, cache_folder):
    call("score", "-m", "fake", "-b", "Fake.V1-pls")
    before = stored(results_folder)
    ASKED.clear()
    SCORED.clear()
    done = call("score", "-m", "fake", "-b", f"{TWO},Away.IT-pls,Fake.blind-pls", "--dry-run")
    assert done.status == 0
    assert (ASKED, SCORED) == ([], [])
    assert stored(results_folder) == before
    rows = [line.split("  ") for line in done.out.splitlines()]
    table = {row[0]: " ".join(row) for row in [[" ".join(r).split()[1], *r] for r in rows[1:5]]}
    assert "to do" in table["Fake.IT-pls"]
    assert "12" in table["Fake.IT-pls"]
    assert "IT.output" in table["Fake.IT-pls"]
    assert "stored" in table["Fake.V1-pls"]
    assert "data not here" in table["Away.IT-pls"]
    assert "cannot run" in table["Fake.blind-pls"]
    assert "fake on Fake.blind-pls: recordings of no site" in done.out


def test_dry_run_says_what_it_will_cost(call, cache_folder):
    done = call("score", "-m", "pixels", "-b", "Fake.IT-pls", "--limit", "8", "--dry-run")
    text = " ".join(done.out.split())
    assert re.search(r"pixels: about \d+ s in the network over 8 images", text)
    assert re.search(r"about [\d.]+ GB of memory, 0.00 GB more in the cache", text)
    assert not list(cache_folder.glob("activations/*"))


def test_dry_run_says_what_the_estimate_leaves_out(call):
    done = call("score", "-m", "fake", "-b", TWO, "--dry-run")
    assert "fake: not in the estimate: fake pictures: " in " ".join(done.out.split())


def test_dry_run_makes_no_folder(call, results_folder):
    assert call("score", "-m", "fake", "-b", TWO, "--dry-run").status == 0
    assert not results_folder.exists()


def test_dry_run_as_json(call):
    done = call("score", "-m", "fake", "-b", TWO, "--dry-run", "--format", "json")
    plan = json.loads(done.out)
    [estimate] = plan["estimates"]
    assert (estimate["model"], estimate["images"]) == ("fake", 0)
    assert plan["items"][0] == {
        "model": "fake",
        "benchmark": "Fake.IT-pls",
        "state": "to_do",
        "images": 12,
        "layers": ["IT.output"],
        "reason": None,
    }


def test_results_go_where_they_are_told(call, tmp_path, results_folder):
    call("score", "-m", "fake", "-b", TWO, "-o", tmp_path / "here")
    assert len(stored(tmp_path / "here")) == 2
    assert not results_folder.exists()


def test_a_damaged_result_is_named_and_computed_again(call, results_folder):
    first = call("score", "-m", "fake", "-b", TWO)
    path = next(results_folder.glob("Fake.IT-pls/*.json"))
    path.write_text(path.read_text().replace('"n_units": 4', '"n_units": 5'))
    SCORED.clear()
    done = call("score", "-m", "fake", "-b", TWO)
    assert (done.status, done.out) == (0, first.out)
    assert str(path) in done.err
    assert SCORED == [("fake", "Fake.IT-pls")]
    again = call("score", "-m", "fake", "-b", TWO)
    assert str(path) not in again.err


def test_a_damaged_result_is_never_overwritten_where_it_was_asked_for(call, results_folder):
    call("score", "-m", "fake", "-b", TWO)
    path = next(results_folder.glob("Fake.IT-pls/*.json"))
    path.write_text(path.read_text()[:200])
    done = call("score", "-m", "fake", "-b", TWO, "--overwrite", "never")
    assert done.status == 1
    assert str(path) in done.out
    assert "--overwrite always" in done.out
    assert call("score", "-m", "fake", "-b", TWO, "--overwrite", "always").status == 0
    assert call("score", "-m", "fake", "-b", TWO).status == 0


def test_a_failure_does_not_replace_a_figure(call, results_folder, monkeypatch):
    call("score", "-m", "fake", "-b", TWO)
    path = next(results_folder.glob("Fake.IT-pls/*.json"))
    before = path.read_bytes()
    monkeypatch.setenv("FAKE_Fake_IT-pls", "fails")
    done = call("score", "-m", "fake", "-b", TWO, "--overwrite", "always")
    assert done.status == 1
    assert done.out.splitlines()[1].split()[3] == "failed"
    assert f"in {path}, which is kept" in done.out
    assert path.read_bytes() == before
    monkeypatch.undo()


def test_a_results_folder_that_is_a_file(call, tmp_path):
    (tmp_path / "file").write_text("x")
    done = call("score", "-m", "fake", "-b", TWO, "-o", tmp_path / "file")
    assert done.status == 2
    assert str(tmp_path / "file") in done.err
    assert "BRAINBENCH_RESULTS" in done.err
    assert SCORED == []


def test_a_disk_that_fills_up_loses_no_score(call, results_folder, monkeypatch):
    whole = os.replace

    def full(source, target):
        if "Fake.V1-pls" in str(target):
            raise OSError(errno.ENOSPC, "No space left on device")
        whole(source, target)

    monkeypatch.setattr(os, "replace", full)
    done = call("score", "-m", "fake", "-b", TWO)
    assert done.status == 1
    assert [line.split()[3][0] for line in done.out.splitlines()[1:3]] == [".", "."]
    assert "fake on Fake.V1-pls: computed, but not stored" in done.out
    assert "Fake.V1-pls is not stored" in done.err
    assert "GB free" in done.err
    assert len(stored(results_folder)) == 1
    monkeypatch.undo()


def test_ctrl_c_keeps_what_is_finished_and_the_same_command_goes_on(
    call, results_folder, monkeypatch
):
    monkeypatch.setenv("FAKE_Fake_V1-pls", "interrupted")
    done = call("score", "-m", "fake", "-b", TWO)
    assert done.status == 130
    assert done.err.startswith("brainbench: stopped")
    assert "Traceback" not in done.err
    assert [one.benchmark for one in Results(results_folder).all()] == ["Fake.IT-pls"]
    monkeypatch.delenv("FAKE_Fake_V1-pls")
    SCORED.clear()
    done = call("score", "-m", "fake", "-b", TWO)
    assert done.status == 0
    assert list(SCORED) == [("fake", "Fake.V1-pls")]
    assert len(stored(results_folder)) == 2


FAKE = ["-m", "fake", "-b", TWO]
USAGE = {
    "no model": (["-b", TWO], "--model", "`brainbench list models`"),
    "no benchmark": (["-m", "fake"], "--benchmark", "`brainbench list benchmarks`"),
    "unknown model": (["-m", "fak", "-b", TWO], "'fak'", "fake"),
    "unknown benchmark": (["-m", "fake", "-b", "Fake.IT-plz"], "'Fake.IT-plz'", "Fake.IT-pls"),
    "wildcard without match": (["-m", "fake", "-b", "Nix.*"], "'Nix.*'", "brainbench list"),
    "benchmark by a former name": (
        ["-m", "fake", "-b", "Simulated.behaviour-i2n"],
        "'Simulated.behaviour-i2n'",
        "Simulated.behavior-i2n",
    ),
    "unknown protocol": ([*FAKE, "--protocol", "papers"], "'papers'", "paper"),
    "unknown formula": ([*FAKE, "--formula", "r/2"], "'r/2'", "r/sqrt(c)"),
    "unknown format": ([*FAKE, "--format", "jsn"], "--format 'jsn'", "json"),
    "unknown overwrite": ([*FAKE, "--overwrite", "allways"], "'allways'", "always"),
    "layers without =": ([*FAKE, "--layers", "IT.output"], "--layers 'IT.output'", "name=value"),
    "layers twice": ([*FAKE, "--layers", "IT=a,IT=b"], "IT as 'a' and as 'b'", "one value"),
    "layers for another region": ([*FAKE, "--layers", "V9=a"], "'V9'", "V1"),
    "region by a former name": ([*FAKE, "--layers", "behaviour=a"], "'behaviour'", "behavior"),
    "limit of none": ([*FAKE, "--limit", "0"], "limit=0", "--limit N"),
    "negative seed": ([*FAKE, "--seed", "-1"], "seed=-1", "--seed N"),
    "batch size": ([*FAKE, "--batch-size", "many"], "'many'", "--batch-size N"),
    "batch size 0": ([*FAKE, "--batch-size", "0"], "batch_size=0", "auto"),
    "precision": ([*FAKE, "--precision", "half"], "'half'", "bf16"),
    "model args": ([*FAKE, "--model-args", "size"], "--model-args 'size'", "name=value"),
    "a bracket that is not closed": (
        [*FAKE, "--model-args", "flag=[7,(5,size=3"],
        "'flag=[7,(5,size=3' without its closing )]",
        "--model-args 'NAME=[1,2]'",
    ),
    "a list that cannot be read": ([*FAKE, "--model-args", "flag=[a,b]"], "'[a,b]'", '["a","b"]'),
    "model args of the program": ([*FAKE, "--model-args", "device=cuda"], "device", "--device"),
    "no such file": (["-m", "nix.py:f", "-b", TWO], "nix.py:f", "-m my_model.py"),
    "file without function": (["-m", "nix.py", "-b", TWO], "nix.py", "FILE.py"),
}


@pytest.mark.parametrize(("arguments", "got", "hint"), USAGE.values(), ids=USAGE)
def test_wrong_usage_is_status_2_with_a_hint_and_computes_nothing(call, arguments, got, hint):
    done = call("score", *arguments)
    assert done.status == 2
    assert done.out == ""
    first, allowed, todo = done.err.splitlines()
    assert first.startswith("brainbench: ")
    assert got in first
    assert allowed.startswith("  allowed: ")
    assert todo.startswith("  next: ")
    assert hint in allowed + todo
    assert SCORED == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--fromat", "json"], "--fromat"),
        (["--seed", "many"], "--seed"),
        (["surplus"], "surplus"),
        (["--limit"], "--limit"),
    ],
)
def test_options_that_do_not_exist(call, arguments, words):
    done = call("score", "-m", "fake", "-b", TWO, *arguments)
    assert done.status == 2
    assert words in done.err
    assert done.out == ""


def test_csv_of_the_table_and_json_tell_the_same(call, tmp_path):
    path = tmp_path / "scores.csv"
    rows = json.loads(call("score", "-m", "fake", "-b", TWO, "--csv", path, "--format", "json").out)
    frame = pd.read_csv(StringIO(Path(path).read_text()))
    for row, (_, line) in zip(rows, frame.iterrows(), strict=True):
        assert line["value"] == pytest.approx(row["value"], abs=1e-15)
        assert (line["ci_low"], line["ci_high"]) == pytest.approx(row["ci"], abs=1e-15)


def test_a_null_is_shown(call):
    job = ("score", "-m", "fake", "-b", "Fake.IT-pls", "--null", "images", "--null-draws", "5")
    text = " ".join(call(*job).out.split())
    assert "null, fake on Fake.IT-pls: images shuffled over the whole set 5 times: mean" in text
    assert "in steps of 0.17" in text
    [row] = json.loads(call(*job, "--format", "json").out)
    assert (row["null"]["kind"], row["null"]["n_draws"]) == ("images", 5)


def test_another_map_is_for_benchmarks_of_predictivity(call):
    done = call("score", "-m", "fake", "-b", "Fake.IT-pls", "--metric", "ridge-cv")
    assert (done.status, done.out) == (2, "")
    assert "--metric for Fake.IT-pls" in done.err


def test_csv_on_stdout_is_all_of_stdout(call):
    done = call("score", "-m", "fake", "-b", f"{TWO},Away.*", "--format", "csv")
    frame = pd.read_csv(StringIO(done.out))
    assert tuple(frame.columns) == COLUMNS
    assert list(frame["benchmark"]) == ["Fake.IT-pls", "Fake.V1-pls", "Away.IT-pls"]
    assert frame["value"].notna().tolist() == [True, True, False]
    assert "peak memory" in done.err
    refused = call("score", "-m", "fake", "-b", TWO, "--format", "csv", "--dry-run")
    assert (refused.status, refused.out) == (2, "")


def test_on_a_terminal_each_row_is_printed_before_the_next_is_computed(call, monkeypatch):
    monkeypatch.setattr("brainbench.cli.streams.KeepsGoing.isatty", lambda _: True, raising=False)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "dumb")
    printed, computed = [], []
    from brainbench.cli import live_table

    add = live_table.LiveScores.add
    monkeypatch.setattr(
        live_table.LiveScores,
        "add",
        lambda table, score: (
            printed.append(score.benchmark),
            computed.append(len(SCORED)),
            add(table, score),
        ),
    )
    done = call("score", "-m", "fake@untrained-0", "-b", TWO, "-q")
    assert printed == ["Fake.IT-pls", "Fake.V1-pls"]
    assert computed == [1, 2]
    lines = done.out.splitlines()
    assert lines[1].rstrip() == "fake@untrained-0 °"
    assert [line.split()[0] for line in lines[2:4]] == ["Fake.IT-pls", "Fake.V1-pls"]
    assert max(map(len, lines)) <= 80
    assert lines[4].startswith("protocol paper")
