"""Held-out predictions beside their scores."""

from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from to_store import KEY, WHO, files, predictions, score

from brainbench.core.errors import DamagedFileError, InputError
from brainbench.storage.predictions import packed
from brainbench.storage.results import Results


@pytest.fixture
def results(tmp_path):
    return Results(tmp_path / "results")


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


def flipped(data, place):
    return data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]


def other_predictions(data):
    """Return a whole file of other predictions, as where two files are swapped."""
    return packed(predictions(shift=1e-9))[1]


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[:-200],
        lambda data: flipped(data, len(data) // 3),
        lambda data: data[: len(data) // 2] + bytes(64) + data[len(data) // 2 + 64 :],
        other_predictions,
    ],
)
def test_damaged_predictions_are_noticed_and_heal(results, damage):
    saved = results.save(score(predictions=predictions()), key=KEY)
    path = results.folder / "predictions" / saved.predictions_file
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(DamagedFileError, match=saved.predictions_file):
        results.predictions(saved)
    states = {finding.path.name: finding.state for finding in results.verify()}
    assert states == {Path(saved.file).name: "sound", path.name: "damaged"}
    results.save(score(predictions=predictions()), key=KEY)
    xr.testing.assert_equal(results.predictions(saved), predictions())
    assert {finding.state for finding in results.verify()} == {"sound"}


def test_no_flipped_bit_gives_other_predictions(results):
    saved = results.save(score(predictions=predictions()), key=KEY)
    path, rng = results.folder / "predictions" / saved.predictions_file, np.random.default_rng(0)
    whole, noticed = path.read_bytes(), 0
    for place in rng.integers(0, len(whole), 200):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << rng.integers(0, 8)
        path.write_bytes(damaged)
        try:
            xr.testing.assert_equal(results.predictions(saved), predictions())
        except InputError:
            noticed += 1
    assert noticed > 100  # the rest are entries of the archive that say nothing, such as dates


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


def test_predictions_that_are_gone_are_found_with_the_command_that_makes_them(results):
    saved = results.save(score(predictions=predictions()), key=KEY)
    path = results.folder / "predictions" / saved.predictions_file
    path.unlink()
    [_, finding] = results.verify()
    assert (finding.path, finding.state) == (path, "damaged")
    assert "-m cornet_s@untrained-0" in finding.detail
    assert "--overwrite always" in finding.detail


def test_predictions_of_no_score(results):
    saved = results.save(score(predictions=predictions()), key=KEY)
    Path(saved.file).unlink()
    path = results.folder / "predictions" / saved.predictions_file
    assert [finding.state for finding in results.verify()] == ["sound"]
    path.write_bytes(b"PK")
    [finding] = results.verify()
    assert "remove" in finding.detail
