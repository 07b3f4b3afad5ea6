"""Kept data: the same when it is opened again, found by name, and checked."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from own_files import IDS, OBJECTS, SITES, TRIALS, images_folder, images_table

import brainbench
from brainbench.core import registry
from brainbench.core.errors import InputError
from brainbench.core.stimuli import from_arrays as images_from_arrays
from brainbench.data.integrity import DamagedDataError, verify_imported
from brainbench.data.manifest import open_dataset
from brainbench.data.own import registered
from brainbench.data.own.dataset import OwnData, from_arrays, from_files, from_table
from brainbench.data.own.kept import keep
from brainbench.data.own.layout import Layout

MEANS = TRIALS.mean(axis=0)


def _made(tmp_path, **more) -> OwnData:
    images_folder(tmp_path)
    options = {"region": "V4", "dims": "repetition,stimulus,neuroid", "degrees": 8.0, **more}
    sites = {"neuroid_id": SITES, "animal": ["x"] * 5}
    return from_arrays("Mine", TRIALS, images_table(tmp_path), sites=sites, **options)


def test_kept_data_is_what_was_given(data_home, tmp_path):
    given = _made(tmp_path, groups="film", shown=100.0)
    assert keep(given) == data_home / "Mine" / "own"
    kept = open_dataset("Mine")
    assert kept.version == given.version
    assert kept.stimuli().digest == given.stimuli().digest
    assert kept.stimuli().degrees == 8.0
    assert kept.stimuli().metadata["object_name"].tolist() == OBJECTS
    assert kept.stimuli().metadata["group"].tolist() == OBJECTS
    np.testing.assert_array_equal(kept.recordings("V4").values, TRIALS)
    assert kept.recordings("V4").coords["animal"].values.tolist() == ["x"] * 5
    assert kept.presentation == given.presentation
    assert open_dataset("Mine") is kept


def test_images_of_several_sizes(data_home, tmp_path):
    pixels = [np.full((4 + k, 7, 3), k, dtype=np.uint8) for k in range(12)]
    shown = images_from_arrays("Mine", pixels, ids=IDS)
    given = from_arrays("Mine", MEANS, shown, region="V4")
    keep(given)
    assert open_dataset("Mine").stimuli().digest == given.stimuli().digest


@pytest.mark.parametrize("option", [{"window": "50,150"}, {"shown": 100.0}, {"degrees": 4.0}])
def test_the_version_is_another_for_what_changes_a_figure(option, data_home, tmp_path):
    (tmp_path / "first").mkdir()
    (tmp_path / "second").mkdir()
    one, same = _made(tmp_path), _made(tmp_path / "first")
    other = _made(tmp_path / "second", **option)
    assert one.version == same.version
    assert one.version != other.version


def test_a_name_that_is_taken(data_home, tmp_path):
    given = _made(tmp_path)
    keep(given)
    with pytest.raises(InputError) as caught:
        keep(given)
    assert "--replace" in caught.value.todo
    window = "50,150"
    (tmp_path / "again").mkdir()
    keep(_made(tmp_path / "again", window=window), replace=True)
    assert open_dataset("Mine").window_of("V4") == (50.0, 150.0)
    (tmp_path / "other").mkdir()
    taken = from_arrays("Cowley2023", MEANS, images_folder(tmp_path / "other"), region="V4")
    with pytest.raises(InputError) as caught:
        keep(taken, replace=True)
    assert "Cowley2023" in caught.value.got


def test_a_damaged_file_is_never_used(data_home, tmp_path):
    keep(_made(tmp_path))
    path = data_home / "Mine" / "own" / "pixels.npy"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(bytes(content))
    with pytest.raises(DamagedDataError) as caught:
        open_dataset("Mine")
    assert "brainbench data add Mine --replace" in caught.value.todo
    damaged = [finding for finding in verify_imported() if finding.state == "damaged"]
    assert [finding.path for finding in damaged] == [path]
    assert "brainbench data add Mine" in damaged[0].detail


def test_a_set_whose_description_is_damaged_does_not_hide_the_others(data_home, tmp_path, caplog):
    keep(_made(tmp_path))
    broken = data_home / "Other" / "own"
    broken.mkdir(parents=True)
    (broken / registered.ABOUT).write_text("{")
    registry.entries.cache_clear()
    assert list(registered.data()) == ["Mine"]
    assert str(broken) in caplog.text


def test_benchmarks_are_found_by_name(data_home, tmp_path):
    keep(_made(tmp_path), title="twelve images", citation="You, 2026")
    names = brainbench.list_benchmarks("Mine.*")
    assert names == [f"Mine.V4-{m}" for m in ("pls", "ridge", "ccnorm2", "ccnorm", "rsa", "cka")]
    benchmark = brainbench.load_benchmark("Mine.V4-rsa")
    assert benchmark is brainbench.load_benchmark("Mine.V4-rsa")
    assert (benchmark.data, benchmark.region, benchmark.citation) == ("Mine", "V4", "You, 2026")
    assert registry.summaries("data")["Mine"] == "twelve images"


def test_behavior_alone(data_home, tmp_path):
    images_folder(tmp_path)
    rows = [
        (name, other, choice, f"s{s}")
        for s in range(3)
        for name, own in zip(IDS, OBJECTS, strict=True)
        for other in {"cat", "dog"} - {own}
        for choice in (own, other)
    ]
    table = pd.DataFrame(rows, columns=["picture", "distractor", "choice", "subject"])
    table.to_csv(tmp_path / "trials.csv", index=False)
    layout = Layout(columns={"stimulus_id": "picture"})
    images = images_table(tmp_path)
    data = from_files("Mine", None, images, trials=tmp_path / "trials.csv", layout=layout)
    keep(data)
    assert brainbench.list_benchmarks("Mine.*") == ["Mine.behavior-i2n"]
    kept = open_dataset("Mine").trials()
    assert list(kept.columns) == ["stimulus_id", "truth", "distractor", "choice", "subject"]
    assert len(kept) == len(table)
    assert kept["truth"].tolist() == [
        dict(zip(IDS, OBJECTS, strict=True))[i] for i in kept["stimulus_id"]
    ]
    columns = {"stimulus_id": "picture", "choice": "choice"}
    assert from_table("Mine", table, images, columns=columns).version == data.version


def test_what_an_image_shows_may_be_in_the_trials(data_home, tmp_path):
    folder = images_folder(tmp_path)
    table = pd.DataFrame({"image": IDS, "truth": OBJECTS, "choice": "cat", "subject": "s"})
    data = from_table("Mine", table, folder)
    assert data.stimuli().metadata["object_name"].tolist() == OBJECTS
    assert sorted(brainbench.benchmarks_of(data)) == [
        "Mine.behavior-choices",
        "Mine.behavior-consistency",
    ]
    table.loc[12] = ["image00", "dog", "cat", "s"]
    with pytest.raises(InputError) as caught:
        from_table("Mine", table, folder)
    assert "image00" in caught.value.got


def test_a_choice_of_neither(tmp_path):
    images_folder(tmp_path)
    rows = {"image": IDS, "distractor": "bird", "choice": "fish"}
    with pytest.raises(InputError) as caught:
        from_table("Mine", pd.DataFrame(rows), images_table(tmp_path))
    assert "'fish'" in caught.value.got
    assert "row 2" in caught.value.got


def test_solution_times(data_home, tmp_path):
    images_folder(tmp_path)
    table = pd.DataFrame({"image": IDS, "i1": 1.0, "ost": [np.nan, *range(100, 111)]})
    data = from_table("Mine", table, images_table(tmp_path))
    assert data.solution_times()["ost"].isna().sum() == 1
    assert data.solution_times()["i1"].tolist() == [1.0] * 12


def test_responses_with_behavior(data_home, tmp_path):
    folder = images_folder(tmp_path)
    np.save(tmp_path / "counts.npy", TRIALS)
    table = pd.DataFrame({"image": IDS, "truth": OBJECTS, "choice": "cat", "subject": "s"})
    table.to_csv(tmp_path / "trials.csv", index=False)
    layout = Layout(region="IT", dims="repetition,stimulus,neuroid")
    files = {"responses": tmp_path / "counts.npy", "trials": tmp_path / "trials.csv"}
    keep(from_files("Mine", files["responses"], folder, trials=files["trials"], layout=layout))
    kept = open_dataset("Mine")
    assert kept.stimuli().metadata["object_name"].tolist() == OBJECTS
    assert {name.partition("-")[0] for name in brainbench.list_benchmarks("Mine.*")} == {
        "Mine.IT",
        "Mine.behavior",
    }
    table[:6].to_csv(tmp_path / "trials.csv", index=False)
    with pytest.raises(InputError) as caught:
        from_files("Mine", files["responses"], folder, trials=files["trials"], layout=layout)
    assert "6 images have responses" in caught.value.got
