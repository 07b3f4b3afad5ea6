import errno
import json
import os
import threading
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from brainbench.core import provenance
from brainbench.core.errors import CacheError, InputError
from brainbench.core.score import Score, Selection
from brainbench.storage.results import SCHEMA, Results, summary

KEY = "0123456789abcdef" * 4
WHO = {"model": "cornet_s@untrained-0", "benchmark": "Simulated.IT-pls", "protocol": "paper"}


def score(**more):
    record = provenance.record(seeds={"run": 0}, hashes={})
    base = {**WHO, "weights": "untrained-0", "version": 1, "value": 0.5, "record": record}
    return Score(**{**base, **more})


def predictions(shift=0.0):
    values = np.arange(12.0).reshape(4, 3) + shift
    return xr.Dataset(
        {"predicted": (("sample", "neuroid"), values), "target": (("sample", "neuroid"), -values)},
        coords={
            "fold": ("sample", [0, 0, 1, 1]),
            # as text comes out of netCDF files and data frames
            "stimulus_id": ("sample", np.array([f"im{k}" for k in range(4)], dtype=object)),
            "neuroid_id": ("neuroid", np.array(["a", "b", "c"], dtype=object)),
        },
    )


@pytest.fixture
def results(tmp_path):
    return Results(tmp_path / "results")


def files(results):
    return sorted(
        str(p.relative_to(results.folder)) for p in results.folder.rglob("*") if p.is_file()
    )


def test_what_was_saved_is_found(results):
    assert results.find(**WHO, key=KEY) is None
    saved = results.save(score(), key=KEY)
    name = "Simulated.IT-pls/cornet_s@untrained-0--paper-0123456789ab.json"
    assert files(results) == [name]
    assert saved.file == str(results.folder / name)
    found = results.find(**WHO, key=KEY)
    assert (found.value, found.record) == (saved.value, saved.record)
    assert found.file == saved.file


@pytest.mark.parametrize(
    "other",
    [
        {"key": "f" * 64},
        {"protocol": "brainscore"},
        {"model": "cornet_s@untrained-1"},
        {"benchmark": "Simulated.V4-pls"},
    ],
)
def test_another_question_finds_nothing(results, other):
    results.save(score(), key=KEY)
    assert results.find(**{**WHO, "key": KEY, **other}) is None


def test_a_file_under_a_wrong_name_is_not_taken_for_the_right_one(results):
    saved = results.save(score(), key=KEY)
    other = KEY[:12] + "0" * 52
    with pytest.raises(InputError, match=KEY) as caught:
        results.find(**WHO, key=other)
    assert saved.file in caught.value.got


def test_saving_again_replaces(results):
    results.save(score(), key=KEY)
    results.save(score(value=0.75), key=KEY)
    assert results.find(**WHO, key=KEY).value == 0.75
    assert len(files(results)) == 1


def test_all_scores_in_order(results):
    for name in ("b", "a"):
        results.save(score(model=name, predictions=predictions()), key=KEY)
    assert [one.model for one in results.all()] == ["a", "b"]
    assert list(Results(results.folder / "nothing").all()) == []


@pytest.mark.parametrize(
    "names",
    [
        {"model": "../../elsewhere"},
        {"model": ".hidden"},
        {"model": "my net/with: odd*names"},
        {"model": "x" * 400},
        {"benchmark": ".."},
        {"benchmark": "///"},
    ],
)
def test_odd_names_stay_inside_the_folder(results, names):
    saved = results.save(score(**names), key=KEY)
    path = Path(saved.file).resolve()
    assert path.is_relative_to(results.folder.resolve())
    assert len(path.relative_to(results.folder.resolve()).parts) == 2
    found = results.find(**{**WHO, **names}, key=KEY)
    assert found.value == 0.5
    assert found.model == saved.model


def test_predictions_are_kept_beside_the_score(results):
    saved = results.save(score(predictions=predictions()), key=KEY)
    back = results.predictions(results.find(**WHO, key=KEY))
    given = predictions()
    for name in ("predicted", "target", "fold", "stimulus_id", "neuroid_id"):
        assert back[name].dims == given[name].dims
        assert back[name].values.tolist() == given[name].values.tolist()
    assert back["stimulus_id"].dtype.kind == "U"
    assert f"predictions/{saved.predictions_file}" in files(results)


def test_predictions_are_named_by_their_content(results):
    name = results.save(score(predictions=predictions()), key=KEY).predictions_file
    assert results.save(score(predictions=predictions()), key="f" * 64).predictions_file == name
    moved = results.save(score(predictions=predictions(shift=1e-9)), key=KEY).predictions_file
    assert moved != name
    renamed = predictions().assign_coords(neuroid_id=("neuroid", ["a", "b", "d"]))
    assert results.save(score(predictions=renamed), key=KEY).predictions_file not in (name, moved)


def test_a_score_without_predictions(results):
    assert results.predictions(results.save(score(), key=KEY)) is None


@pytest.mark.parametrize("content", [None, b"", b"PK\x03\x04 cut", b"no archive"])
def test_predictions_that_cannot_be_read(results, content):
    saved = results.save(score(predictions=predictions()), key=KEY)
    path = results.folder / "predictions" / saved.predictions_file
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        results.predictions(saved)
    assert str(path) in caught.value.got
    assert "--overwrite always" in caught.value.todo


def test_damaged_predictions(results):
    saved = results.save(score(predictions=predictions()), key=KEY)
    path = results.folder / "predictions" / saved.predictions_file
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(InputError, match=saved.predictions_file):
        results.predictions(saved)


CORRUPT = {
    "empty": "",
    "cut short": '{"schema": 1, "key"',
    "a list": "[1, 2]",
    "a number": "3",
    "no schema": "{}",
    "no key": '{"schema": 1}',
    "no score": f'{{"schema": 1, "key": "{KEY}"}}',
    "not text": b"\xff\xfe\x00\x9f",
}


@pytest.mark.parametrize("content", CORRUPT.values(), ids=CORRUPT)
def test_a_corrupt_file_is_named(results, content):
    path = results.path(**WHO, key=KEY)
    path.parent.mkdir(parents=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(InputError) as caught:
        results.find(**WHO, key=KEY)
    assert str(path) in caught.value.got
    assert "--overwrite always" in caught.value.todo


@pytest.mark.parametrize(
    "change",
    [
        {"value": None},
        {"value": "high"},
        {"ci": [0.1]},
        {"record": {"created": "today"}},
        {"surprise": 3},
    ],
)
def test_a_file_that_was_changed_by_hand_is_named(results, change):
    path = Path(results.save(score(), key=KEY).file)
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(InputError, match=path.name):
        results.find(**WHO, key=KEY)


def test_a_file_of_another_schema_is_not_touched(results):
    path = Path(results.save(score(), key=KEY).file)
    path.write_text(path.read_text().replace(f'"schema": {SCHEMA}', '"schema": 99'))
    with pytest.raises(InputError, match="99") as caught:
        results.find(**WHO, key=KEY)
    assert caught.value.allowed == f"schema {SCHEMA}"
    assert path.exists()


def refuse(number):
    def replace(source, target):
        raise OSError(number, os.strerror(number), str(target))

    return replace


@pytest.mark.parametrize(
    ("number", "word"),
    [(errno.ENOSPC, "GB free"), (errno.EACCES, "Permission denied"), (errno.EIO, "output error")],
)
def test_a_folder_that_cannot_be_written(results, monkeypatch, number, word):
    results.save(score(), key=KEY)
    monkeypatch.setattr(os, "replace", refuse(number))
    with pytest.raises(CacheError) as caught:
        results.save(score(value=0.75), key=KEY)
    assert word in caught.value.got
    assert str(results.folder) in caught.value.got
    assert "-o" in caught.value.todo
    assert "BRAINBENCH_RESULTS" in caught.value.todo
    monkeypatch.undo()
    assert results.find(**WHO, key=KEY).value == 0.5  # the earlier one is whole
    assert len(files(results)) == 1  # and nothing half-written lies beside it


def test_ctrl_c_while_a_score_is_written(results, monkeypatch):
    results.save(score(), key=KEY)

    def interrupt(descriptor):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        results.save(score(value=0.75), key=KEY)
    assert results.find(**WHO, key=KEY).value == 0.5
    assert len(files(results)) == 1


def test_a_file_in_place_of_the_folder(tmp_path):
    (tmp_path / "file").write_text("x")
    results = Results(tmp_path / "file")
    assert results.find(**WHO, key=KEY) is None
    for attempt in (results.check, lambda: results.save(score(), key=KEY)):
        with pytest.raises(CacheError, match="file"):
            attempt()


def test_check_makes_the_folder_and_leaves_nothing_in_it(results):
    results.check()
    assert results.folder.is_dir()
    assert list(results.folder.iterdir()) == []


def test_threads_save_the_same_score(results):
    def save():
        for _ in range(10):
            results.save(score(predictions=predictions()), key=KEY)

    threads = [threading.Thread(target=save) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results.find(**WHO, key=KEY).value == 0.5
    assert len(files(results)) == 2


PROMISED = """
model weights benchmark value raw ceiling ci formula protocol n_units n_excluded reason seconds record
status selection
"""


def test_summary_begins_with_what_the_command_promises():
    keys = list(summary(score()))
    assert keys[: len(PROMISED.split())] == PROMISED.split()


def test_summary_is_plain_json():
    chosen = Selection(layer="IT", step=1, curve=({"layer": "IT", "score": np.float64(0.5)},))
    one = score(
        value=np.float64(0.5), ci=(0.25, np.float32(0.75)), n_units=np.int64(3), selection=chosen
    )
    shown = json.loads(json.dumps(summary(one), allow_nan=False))
    assert (shown["value"], shown["ci"], shown["n_units"]) == (0.5, [0.25, 0.75], 3)
    assert shown["untrained"]
    assert (shown["status"], shown["ci_approximate"]) == ("scored", False)
    assert shown["selection"] == {
        "layer": "IT",
        "step": 1,
        "curve": [{"layer": "IT", "score": 0.5}],
    }
    assert shown["record"]["seeds"] == {"run": 0}


def test_predictions_of_any_measure_come_back_as_they_were(results):
    given = xr.Dataset(
        {
            "predicted": (("sample", "neuroid", "time"), np.arange(12.0).reshape(2, 3, 2)),
            "target": (("sample", "neuroid", "time"), np.full((2, 3, 2), np.nan)),
        },
        coords={
            "fold": ("sample", [0, 1]),
            "stimulus_id": ("sample", ["im0", "im1"]),
            "neuroid_id": ("neuroid", ["a", "b", "c"]),
            "time_start": ("time", [0.0, 10.0]),
        },
    )
    saved = results.save(score(predictions=given), key=KEY)
    xr.testing.assert_identical(results.predictions(saved), given)


def test_draws_and_figures_are_kept(results):
    more = {"draws": np.array([0.25, np.nan]), "figures": {"r": [0.1, 0.2]}, "null": {"mean": 0.0}}
    found = results.read(Path(results.save(score(**more), key=KEY).file))
    np.testing.assert_array_equal(found.draws, more["draws"])
    assert found.joint_draws is None  # as in a score of an older version
    assert (found.figures, found.null) == (more["figures"], more["null"])


def test_joint_draws_are_kept(results):
    joint = {"images": np.array([0.25, np.nan]), "units": np.array([0.5, 0.75])}
    found = results.read(Path(results.save(score(joint_draws=joint), key=KEY).file)).joint_draws
    assert list(found) == ["images", "units"]
    for kind, column in joint.items():
        np.testing.assert_array_equal(found[kind], column)


def test_figures_of_stimuli_are_kept_along_stimuli(results):
    along = {"stimulus_id": ("stimulus", ["im0", "im1"])}
    given = xr.DataArray([0.5, np.nan], dims=("stimulus",), coords=along, attrs={"units": "d'"})
    found = results.read(Path(results.save(score(per_unit=given), key=KEY).file))
    xr.testing.assert_identical(found.per_unit, given)


FIRST_LAYOUT = {
    "model": "cornet_s@untrained-0",
    "weights": "untrained-0",
    "benchmark": "Simulated.IT-pls",
    "version": 1,
    "protocol": "paper",
    "value": 0.5,
    "raw": 0.5,
    "ceiling": 0.875,
    "error": None,
    "ci": [0.4, 0.6],
    "ci_method": "percentile bootstrap of images and units, 1000 draws, seed 0; approximate",
    "formula": "raw-v1",
    "per_unit": {
        "dim": "neuroid",
        "values": [0.25, None],
        "coords": {"neuroid_id": ["s0", "s1"], "ceiling": [0.5, None]},
        "attrs": {"units": "r"},
    },
    "draws": [0.45, None, 0.55],
    "figures": {},
    "null": None,
    "predictions_file": None,
    "file": None,
    "n_units": 2,
    "n_excluded": 0,
    "n_stimuli": 12,
    "excluded": {},
    "partial": False,
    "simulated": True,
    "reason": None,
    "absent": False,
    "inapplicable": False,
    "record": {
        "created": "2026-01-01T00:00:00+00:00",
        "brainbench": "0.1.0",
        "commit": None,
        "python": "3.11.7",
        "platform": "Linux x86_64",
        "packages": {"numpy": "2.0.0"},
        "seeds": {"bootstrap": 0},
        "hashes": {"model": "abc", "data": "1", "stimuli": "def"},
        "settings": {"protocol": "paper", "seed": 0, "layers": {}},
        "layer": "IT",
        "step": 1,
        "curve": [{"layer": "IT", "step": 1, "score": 0.5}],
        "clock": "paper",
        "presentation": "constant image",
        "device": "cpu",
        "precision": "float32",
        "choices": {"components": 25},
        "notes": [],
        "seconds": 1.5,
        "forward_seconds": 0.5,
        "peak_memory_mb": 100.0,
    },
}
"""A score as version 0.1 stored it."""


def write_first_layout(results, **changes):
    path = results.path(**WHO, key=KEY)
    path.parent.mkdir(parents=True)
    stored = {"schema": 1, "key": KEY, **FIRST_LAYOUT, **changes}
    path.write_text(json.dumps(stored))
    return path


def test_a_score_of_the_first_layout_is_read(results):
    path = write_first_layout(results)
    read = results.find(**WHO, key=KEY)
    assert (read.status, read.value, read.ci, read.file) == ("scored", 0.5, (0.4, 0.6), str(path))
    assert read.ci_approximate
    assert read.ci_method == "percentile bootstrap of images and units, 1000 draws, seed 0"
    assert (read.selection.layer, read.selection.step) == ("IT", 1)
    assert read.selection.curve == ({"layer": "IT", "step": 1, "score": 0.5},)
    assert (read.record.clock, read.record.forward_seconds) == ("paper", 0.5)
    np.testing.assert_array_equal(read.draws, [0.45, np.nan, 0.55])


@pytest.mark.parametrize(
    ("flags", "status"),
    [
        ({}, "failed"),
        ({"absent": True}, "data_absent"),
        ({"inapplicable": True}, "not_applicable"),
    ],
)
def test_a_score_of_the_first_layout_without_a_value(results, flags, status):
    without = {"value": None, "ci": None, "ci_method": None, "draws": None, "record": None}
    path = write_first_layout(results, **without, reason="why", **flags)
    read = results.read(path)
    assert (read.status, read.reason, read.record) == (status, "why", None)
    assert read.selection == Selection()
    assert not read.ci_approximate


def test_a_new_score_leaves_one_of_an_older_key(results):
    older = write_first_layout(results)
    newer = results.save(score(), key="f" * 64)
    assert older.exists()
    assert {one.file for one in results.all()} == {str(older), newer.file}
