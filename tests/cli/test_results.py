"""`brainbench results`, `report`, `explain` and `cache` from the command line."""

import io
import json

import pandas as pd
import pytest
from stored import CORNET_S, REAL, TWINS, fill, make, of_all

from brainbench.core.score import COLUMNS
from brainbench.storage.cache import Cache


@pytest.fixture
def some(results_folder):
    scores = of_all("net@imagenet", REAL, CORNET_S)
    scores += of_all("cornet_s@untrained-0", TWINS, (0.7, 0.6, 0.4, 0.2))
    scores += [make("net@imagenet", REAL[0], 0.66, settings={"seed": 1})]
    return fill(results_folder, scores)


def test_list_as_table_csv_and_json(some, call):
    done = call("results", "list", "-m", "net", "-b", "*V4*,*IT*")
    lines = done.out.splitlines()
    assert done.status == 0
    assert lines[0].split() == [
        "benchmark,",
        "model",
        "score",
        "95",
        "%",
        "CI",
        "ceiling",
        "digits",
    ]
    assert [line.split()[0].rstrip(",") for line in lines[1:]] == [
        *(REAL[1], "net@imagenet"),
        *(REAL[0], "net@imagenet", "net@imagenet"),
    ]
    assert max(map(len, lines)) <= 80
    back = json.loads(call("results", "list", "--format", "json").out)
    assert len(back) == 9
    assert set(COLUMNS) | {"digits", "file"} == set(back[0])
    csv = call("results", "list", "--format", "csv").out.splitlines()
    assert csv[0] == ",".join(COLUMNS)
    assert len(csv) == 10


def test_show_has_figures_record_and_the_exact_command(some, call):
    [seeded] = [s for s in some.all() if s.record.settings.get("seed")]
    done = call("results", "show", seeded.file)
    assert done.status == 0
    for text in ("0.66", "scikit-learn", "bootstrap: 0"):
        assert text in done.out
    command = f"brainbench score -m FILE.py:NAME -b {REAL[0]} --seed 1 -o {some.folder}"
    assert command in done.out
    digits = seeded.file.removesuffix(".json").rpartition("-")[2]
    assert json.loads(call("results", "show", digits, "--json").out)["command"] == command
    simulated = next(s for s in some.all() if s.simulated)
    shown = call("results", "show", simulated.file).out
    assert f"brainbench score -m cornet_s@untrained-0 -b {simulated.benchmark}" in shown


def test_export_is_one_tidy_csv(some, call, tmp_path):
    done = call("results", "export", tmp_path / "all.csv")
    assert done.status == 0
    table = pd.read_csv(tmp_path / "all.csv")
    assert list(table.columns) == list(COLUMNS)
    assert len(table) == 9
    assert sorted(table["value"]) == sorted(score.value for score in some.all())


def test_delete_removes_what_is_named_alone(some, call):
    assert call("results", "delete").status == 2
    assert call("results", "delete", "-m", "nothing", "--yes").status == 2
    assert len(some.files()) == 9
    done = call("results", "delete", "-m", "net", "-b", REAL[0], "--yes")
    assert (done.status, done.out.splitlines()[-1]) == (0, "2 scores removed")
    assert len(some.files()) == 7
    assert len(json.loads(call("results", "list", "--format", "json").out)) == 7


def test_long_names_of_benchmarks_stand_whole_above_their_scores_at_80_columns(
    results_folder, narrow
):
    name = "Study2026silhouettes.behavior-consistency"
    fill(results_folder, [make("net@imagenet", name, 0.5), make("other@imagenet", name, 0.25)])
    for command in (("results", "list"), ("leaderboard",)):
        lines = narrow(*command)
        [heading] = [k for k, line in enumerate(lines) if line.startswith(f"{name}, ")]
        assert [line.split()[:2] for line in lines[heading + 1 : heading + 3]] == [
            ["net@imagenet", ".500"],
            ["other@imagenet", ".250"],
        ]
        assert max(map(len, lines)) <= 80


def test_one_score_is_counted_in_the_singular(some, call):
    done = call("results", "delete", "-m", "cornet_s", "-b", TWINS[0], "--yes")
    assert done.out.splitlines()[-1] == "1 score removed"


def test_delete_asks_first(some, call, monkeypatch):
    for answer, status, n in (("n\n", 1, 9), ("y\n", 0, 7)):
        monkeypatch.setattr("sys.stdin", io.StringIO(answer))
        assert call("results", "delete", "-m", "net", "-b", REAL[0]).status == status
        assert len(some.files()) == n


def test_delete_keeps_predictions_that_another_score_names(results_folder, call):
    folder = results_folder / "predictions"
    folder.mkdir(parents=True)
    for name in ("shared.npz", "own.npz"):
        (folder / name).write_bytes(b"x")
    outside = results_folder.parent / "outside.npz"
    outside.write_bytes(b"x")
    files = {"a": "shared.npz", "b": "shared.npz", "c": "own.npz", "d": "../../outside.npz"}
    fill(results_folder, [make(m, REAL[0], 0.1, predictions_file=f) for m, f in files.items()])
    assert call("results", "delete", "-m", "a,c,d", "--yes").status == 0
    assert [path.name for path in folder.iterdir()] == ["shared.npz"]
    assert outside.exists()


def test_report_writes_one_page_of_what_is_asked_for(some, call, tmp_path):
    path = tmp_path / "page.html"
    done = call("report", "net", "-b", REAL[0], "-o", path, "--title", "Nets")
    assert (done.status, done.out.strip()) == (0, str(path))
    page = path.read_text()
    assert "<title>Nets - brainbench</title>" in page
    assert "cornet_s" not in page
    assert call("report", "--all", "-o", path).status == 0
    assert "cornet_s" in path.read_text()


@pytest.mark.parametrize(
    ("arguments", "got"),
    [
        ([], "--all"),
        (["net", "--all"], "--all"),
        (["nett"], "nett"),
        (["net", "-o", "/nowhere/page.html"], "/nowhere/page.html"),
        (["net", "--protocol", "papers"], "papers"),
        (["net", "--protocol", "brainscore"], "none of the 9"),
    ],
)
def test_a_report_on_nothing(some, call, arguments, got):
    done = call("report", *arguments)
    assert (done.status, done.out) == (2, "")
    assert got in done.err


def test_an_unreadable_file_is_named_on_the_page(some, call, tmp_path):
    (some.folder / REAL[0] / "broken.json").write_text("{")
    done = call("report", "--all", "-o", tmp_path / "page.html")
    assert done.status == 0
    assert "broken.json" in done.err
    assert "broken.json" in (tmp_path / "page.html").read_text()


def test_explain_names_what_differs(some, call):
    one, other = (s for s in some.all() if s.benchmark == REAL[0])
    done = call("explain", one.file, other.file)
    assert done.status == 0
    assert "seed" in done.out
    found = json.loads(call("explain", one.file, other.file, "--format", "json").out)
    assert found["values"] == [one.value, other.value]
    assert [d["entry"] for d in found["differences"]] == ["setting seed"]
    assert call("explain", one.file, next(some.all()).file).status == 2


def test_explain_of_one_score_with_itself_says_so(some, call):
    path = str(some.files()[0])
    done = call("explain", path, path)
    assert (done.status, done.out.splitlines()[-1]) == (0, "this is one score, named twice")


def test_explain_reruns_with_one_thing_changed_at_a_time(call, results_folder):
    for seed in (0, 1):
        call("score", "-m", "fake", "-b", "Fake.IT-pls", "--seed", seed, "-q")
    files = [one["digits"] for one in json.loads(call("results", "list", "--format", "json").out)]
    found = json.loads(call("explain", *files, "--rerun", "--format", "json", "-q").out)
    assert [(one["changed"], one["to"]) for one in found["reruns"][1:]] == [
        ("seed", found["differences"][0]["second"]),
        ("batch size", 8),
    ]
    values = [one["value"] for one in found["reruns"]]
    assert values[0] == pytest.approx(found["values"][0])
    assert values[1] == pytest.approx(found["values"][1])


def test_cache_info_and_clear(cache_folder, call):
    kept = Cache(cache_folder)
    for kind in ("activations", "simulated"):
        with kept.writing(kind, "key", ".bin") as path:
            path.write_bytes(b"x" * 1000)
    found = json.loads(call("cache", "info", "--json").out)
    assert (found["folder"], found["bytes"]) == (str(cache_folder), 2000)
    assert found["kinds"]["activations"] == {"files": 1, "bytes": 1000}
    assert "simulated" in call("cache", "info").out
    assert call("cache", "clear", "activation", "--yes").status == 2
    done = call("cache", "clear", "activations", "--yes")
    assert (done.status, done.out.split()[0]) == (0, "1")
    assert list(json.loads(call("cache", "info", "--json").out)["kinds"]) == ["simulated"]
