import errno
import hashlib
import json
import os
import threading
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from to_store import KEY, WHO, files, predictions, score

from brainbench.core.errors import CacheError, DamagedFileError, InputError
from brainbench.core.score import Selection
from brainbench.storage.results import SCHEMA, Results, summary


@pytest.fixture
def results(tmp_path):
    return Results(tmp_path / "results")


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


# --- checking all that is kept -------------------------------------------------------------------------


def test_every_file_is_checked(results):
    sound = results.save(score(predictions=predictions()), key=KEY)
    cut = results.save(score(model="a", protocol="brainscore"), key=KEY)
    Path(cut.file).write_bytes(Path(cut.file).read_bytes()[:-9])
    early = results.save(score(model="b"), key=KEY)
    stored = json.loads(Path(early.file).read_text())
    del stored["digest"]
    Path(early.file).write_text(json.dumps({**stored, "schema": 1}))
    findings = {finding.path: finding for finding in results.verify()}
    assert {str(path): finding.state for path, finding in findings.items()} == {
        sound.file: "sound",
        cut.file: "damaged",
        early.file: "unknown",
        str(results.folder / "predictions" / sound.predictions_file): "sound",
    }
    command = f"brainbench score -m a -b Simulated.IT-pls --protocol brainscore -o {results.folder}"
    assert command in findings[Path(cut.file)].detail


def test_a_folder_without_results_has_nothing_to_check(results):
    assert list(results.verify()) == []


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
@pytest.mark.parametrize("digest", [True, False])
def test_a_file_that_was_changed_by_hand_is_named(results, change, digest):
    path = Path(results.save(score(), key=KEY).file)
    stored = {**json.loads(path.read_text()), **change}
    if not digest:  # as files of earlier layouts have none
        del stored["digest"]
    path.write_text(json.dumps(stored))
    with pytest.raises(DamagedFileError, match=path.name):
        results.find(**WHO, key=KEY)


def digest_of(stored):
    content = {key: stored[key] for key in stored if key != "digest"}
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def test_a_file_holds_the_digest_of_its_content(results):
    path = Path(results.save(score(draws=np.array([0.1, 1e-17])), key=KEY).file)
    stored = json.loads(path.read_text())
    assert stored["digest"] == digest_of(stored)
    # the order of the keys and the layout are no content
    path.write_text(json.dumps(dict(sorted(stored.items()))))
    assert results.find(**WHO, key=KEY).value == 0.5


@pytest.mark.parametrize(
    ("written", "damaged"),
    [
        ('"value": 0.523', '"value": 0.533'),
        ('"value": 0.523', '"value": 5.523'),
        ('"value": 0.523', '"value": -.523'),
        ('"version": 1', '"version": 3'),
        ('"n_units": 0', '"n_units": 8'),
        ('"protocol": "paper"', '"protocol": "papes"'),
        ('"partial": false', '"partial": true '),
        ('"digest": "', '"digesu": "'),
        (f'"schema": {SCHEMA}', '"schema": 3'),
    ],
)
def test_a_flipped_bit_is_noticed(results, written, damaged):
    path = Path(results.save(score(value=0.523), key=KEY).file)
    text = path.read_text()
    assert text.count(written) == 1
    path.write_text(text.replace(written, damaged))
    with pytest.raises(DamagedFileError) as caught:
        results.find(**WHO, key=KEY)
    assert str(path) in caught.value.got
    [finding] = results.verify()
    assert (finding.path, finding.state) == (path, "damaged")


def test_no_flipped_bit_gives_another_score(results):
    saved = results.save(score(value=0.523, ci=(0.4, 0.6), error=1e-17), key=KEY)
    path, rng = Path(saved.file), np.random.default_rng(0)
    whole, noticed = path.read_bytes(), 0
    for place in rng.integers(0, len(whole), 200):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << rng.integers(0, 8)
        path.write_bytes(damaged)
        try:
            read = results.find(**WHO, key=KEY)
        except DamagedFileError:
            noticed += 1
        else:  # as 1E-17 for 1e-17
            assert read.to_json() == saved.to_json()
    assert noticed >= 195


def test_a_file_of_another_schema_is_not_touched(results):
    path = Path(results.save(score(), key=KEY).file)
    stored = {**json.loads(path.read_text()), "schema": 99}
    path.write_text(json.dumps({**stored, "digest": digest_of(stored)}))
    with pytest.raises(InputError, match="99") as caught:
        results.find(**WHO, key=KEY)
    assert str(SCHEMA) in caught.value.allowed
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


def test_draws_and_figures_are_kept(results):
    null = {"kind": "images", "n_draws": 9, "mean": None, "sd": None, "p": 0.1, "resolution": 0.1}
    more = {"draws": np.array([0.25, np.nan]), "figures": {"r": [0.1, 0.2]}, "null": null}
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
    read = results.read(path)
    assert read.older_key
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


def nested(depth):
    return "[" * depth + "]" * depth


@pytest.mark.parametrize(
    ("field", "literal", "named"),
    [
        ("value", '"0.3"', "value is '0.3'"),
        ("value", "true", "value is True"),
        ("value", "NaN", "literal NaN"),
        ("value", "-Infinity", "literal -Infinity"),
        ("value", "1e999", "value"),
        ("raw", "[0.3]", "raw"),
        ("ceiling", "[]", "ceiling"),
        ("ci", "[0.1, 0.2, 0.3]", "ci"),
        ("ci", '["0.1", "0.2"]', "ci"),
        ("ci", "[]", "ci"),
        ("ci", "0.5", "float"),
        ("model", "null", "model is None"),
        ("version", "1.5", "version is 1.5"),
        ("partial", '"no"', "partial is 'no'"),
        ("status", '"fine"', "status is 'fine'"),
        ("status", "[]", "status"),
        ("n_units", '"96"', "n_units is '96'"),
        ("excluded", "[]", "excluded"),
        ("excluded", '{"silent": "1"}', "excluded"),
        ("figures", "[]", "figures"),
        ("figures", nested(100), "nested"),
        ("figures", nested(100_000), "RecursionError"),
        ("draws", '[0.1, "0.2"]', "1"),
        ("draws", "[[0.1]]", "0"),
        ("null", "{}", "kind"),
        ("null", '{"kind": 1}', "kind"),
        ("per_unit", "[]", "StoredArray"),
        ("per_unit", '{"values": [1, 2], "coords": {"neuroid_id": ["a"]}, "attrs": {}}', "sizes"),
        ("per_unit", '{"values": [1], "coords": {"neuroid_id": [[1], 2]}, "attrs": {}}', ""),
        ("selection", "null", "mapping"),
        ("selection", '{"layer": 1, "step": 0, "curve": []}', "layer is 1"),
        ("selection", '{"layer": "IT", "step": 0, "curve": [1]}', "curve"),
        ("record", "[]", "Record"),
        ("predictions", "[]", "predictions"),
        ("no_such_field", "1", "no_such_field"),
    ],
)
def test_fields_of_another_type_are_no_score(results, field, literal, named):
    path = Path(results.save(score(), key=KEY).file)
    stored = json.loads(path.read_text())
    del stored["digest"]
    stored["schema"] = 1  # whose files have no digest
    text = json.dumps({**stored, field: "HERE"}).replace('"HERE"', literal)
    path.write_text(text)
    with pytest.raises(InputError, match=str(path)) as caught:
        results.read(path)
    assert named in caught.value.got
    assert len(caught.value.got) < 500 + len(str(path))


@pytest.mark.parametrize("kind", ["pipe", "folder", "device", "loop", "absent", "latin-1", "huge"])
def test_what_is_no_file_or_no_text_is_named(results, kind):
    path = results.folder / "Simulated.IT-pls" / "x.json"
    path.parent.mkdir(parents=True)
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind in ("device", "loop", "absent"):
        path.symlink_to({"device": "/dev/zero", "loop": path, "absent": "nowhere"}[kind])
    elif kind == "latin-1":
        path.write_bytes(b'{"schema": 1, "key": "\xff"}')
    else:
        with path.open("wb") as stream:
            stream.truncate(2**30)
    with pytest.raises(InputError, match=str(path)):
        results.read(path)
    assert results.files() == [path]


def test_a_folder_that_cannot_be_listed_is_named(results, monkeypatch):
    results.save(score(), key=KEY)
    closed = results.folder / "Closed.IT-pls"
    closed.mkdir()
    really = os.scandir

    def scandir(path):
        if path == closed:  # root may list any folder, so that no mode of the folder would do
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return really(path)

    monkeypatch.setattr(os, "scandir", scandir)
    [problem] = results.unreadable_folders()
    assert str(closed) in problem
    assert "denied" in problem


def test_a_score_of_an_older_key_is_read_and_marked_but_never_found(results):
    saved = results.save(score(), key=KEY)
    path = Path(saved.file)
    assert not results.find(**WHO, key=KEY).older_key
    stored = {**json.loads(path.read_text()), "schema": 1}
    del stored["digest"]
    path.write_text(json.dumps(stored))
    assert results.find(**WHO, key=KEY) is None
    [read] = results.all()
    assert read.older_key
    assert read.value == saved.value
    assert summary(read)["older_key"]
