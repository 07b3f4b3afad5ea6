"""Object solution times on stand-ins of both published files: from a server to known truth."""

import json

import h5py
import kar_files
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from scipy.stats import spearmanr
from server import serving

import brainbench_manifests
from brainbench import load_benchmark
from brainbench.core.dataset import HasSolutionTimes
from brainbench.core.errors import BrainbenchError, DataAbsentError, InputError, UnknownNameError
from brainbench.core.settings import Settings
from brainbench.data import fetch
from brainbench.data.importers.kar import OBJECTS
from brainbench.data.manifest import open_dataset
from brainbench.scoring.pipeline import score

NAME, AUTHORS = "Kar2019", "Kar2019authors"
PIXELS = 40
TRUTH = kar_files.truth()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("published")
    kar_files.write_brain_score(made, TRUTH)
    kar_files.write_authors(made, TRUTH, pixels=PIXELS)
    return made


@pytest.fixture(scope="module", autouse=True)
def _imported(folder, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BRAINBENCH_DATA", str(tmp_path_factory.mktemp("data")))
        for name, parameters in ((NAME, {}), (AUTHORS, {"pixels": PIXELS})):
            table = kar_files.declare(folder, name, **parameters)
            patch.setattr(brainbench_manifests, name.lower(), table, raising=False)
            open_dataset(name).import_from(folder)
        yield


# --- what is imported -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", [NAME, AUTHORS])
def test_first_of_each_picture_with_its_times(name):
    data = open_dataset(name)
    assert isinstance(data, HasSolutionTimes)
    shown, times = data.stimuli(), data.solution_times()
    assert len(shown) == len(times) == kar_files.DISTINCT
    assert shown.degrees == 8.0
    assert list(shown.ids) == sorted(shown.ids) == times["stimulus_id"].tolist()
    rows = TRUTH.distinct
    assert sorted(times["i1"]) == pytest.approx(sorted(TRUTH.i1[rows]))
    np.testing.assert_allclose(np.sort(times["ost"]), np.sort(TRUTH.ost[rows]), atol=1e-9)
    assert sorted(shown.labels("object_name")) == sorted(np.array(OBJECTS)[TRUTH.objects[rows]])
    with pytest.raises(UnknownNameError, match="recordings of IT"):
        data.recordings("IT")


@pytest.mark.parametrize("name", [NAME, AUTHORS])
def test_pictures_stand_upright_and_beside_their_own_times(name):
    """Object and delay are read from the pixels; by them each picture has its row of the truth."""
    data = open_dataset(name)
    shown, times = data.stimuli(), data.solution_times()
    for k in range(0, len(shown), 37):
        picture = shown.picture(k)
        at = ((np.arange(20) + 0.5) * len(picture) / 20).astype(int)
        cells = picture[:, :, 0][np.ix_(at, at)].astype(int)
        assert abs(cells[0, 0] - 255) < 12
        assert cells[-1, -1] < 12
        (row,) = np.flatnonzero(np.isclose(TRUTH.i1, times["i1"][k], rtol=0, atol=1e-12))
        assert cells[1, 2:12].argmax() == TRUTH.objects[row]
        assert cells[4, 1:19].argmax() == TRUTH.delays[row]
        assert shown.labels("object_name")[k] == OBJECTS[TRUTH.objects[row]]


def test_the_other_decoder_is_kept_beside():
    times = open_dataset(NAME).solution_times()
    np.testing.assert_allclose(times["ost_logistic"], 320 - times["ost"])


def test_the_version_of_a_file_without_checksum_is_its_content(folder, tmp_path, monkeypatch):
    before = open_dataset(AUTHORS).version
    monkeypatch.setenv("BRAINBENCH_DATA", str(tmp_path / "kept"))
    with pytest.raises(DataAbsentError, match=f"brainbench data fetch {AUTHORS}"):
        open_dataset(AUTHORS).stimuli()
    (tmp_path / "dataset.h5").write_bytes((folder / "dataset.h5").read_bytes())
    with h5py.File(tmp_path / "dataset.h5", "a") as file:
        file["i1"][0, 3] += 0.25
    open_dataset(AUTHORS).import_from(tmp_path)
    assert open_dataset(AUTHORS).version != before


# --- what stops an import -------------------------------------------------------------------------


def one_decoder(file):
    return file.isel(decoder=slice(1))


def without_threshold(file):
    return file.drop_vars("i1")


def fewer(file):
    return file.isel(presentation=slice(1319))


def two_objects(file):
    labels = file["image_label"].values
    ids = file["image_id"].values
    names, counts = np.unique(ids.astype(str), return_counts=True)
    row = np.flatnonzero(ids == names[counts.argmax()])[0]
    labels[row] = "bear" if labels[row] != "bear" else "dog"
    return file


def unknown_image(file):
    file["image_id"].values[5] = "0" * 40
    return file


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (one_decoder, r"has decoders \['svm'\]"),
        (without_threshold, "lacks i1"),
        (fewer, "'presentation': 1319"),
        (two_objects, "an image of two objects"),
        (unknown_image, "2 images are in one of|is of 1319 images"),
    ],
)
def test_an_assembly_of_another_content(folder, tmp_path, change, said):
    for path in folder.glob("*2019.*"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    with xr.open_dataset(folder / "assy_dicarlo_Kar2019.nc") as file:
        change(file.load()).to_netcdf(tmp_path / "assy_dicarlo_Kar2019.nc", engine="netcdf4")
    _refused(NAME, tmp_path, said)


def test_stimuli_of_another_content(folder, tmp_path):
    for path in folder.glob("*2019.*"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    path = tmp_path / "stimulus_Kar2019.csv"
    pd.read_csv(path).drop(columns=["filename"]).to_csv(path, index=False)
    _refused(NAME, tmp_path, "filename")


@pytest.mark.parametrize(
    ("key", "values", "said"),
    [
        ("obj", np.full((1, 1320), 11.0), "with the objects"),
        ("obj", np.full((1320, 1), 1.0), r"\(1320, 1\)"),
        ("images", np.full((1320, 3, 40, 40), 0.5, np.float32), "0.5 to 0.5"),
        ("images", np.zeros((40, 40, 3, 1320), np.float32), r"\(40, 40, 3, 1320\)"),
    ],
)
def test_a_file_of_the_authors_of_another_content(folder, tmp_path, key, values, said):
    (tmp_path / "dataset.h5").write_bytes((folder / "dataset.h5").read_bytes())
    with h5py.File(tmp_path / "dataset.h5", "a") as file:
        del file[key]
        file.create_dataset(key, data=values)
    _refused(AUTHORS, tmp_path, said, pixels=PIXELS)


def test_a_damaged_file_of_the_authors(tmp_path):
    (tmp_path / "dataset.h5").write_bytes(b"no HDF5")
    _refused(AUTHORS, tmp_path, "cannot be read", pixels=PIXELS)


def _refused(name, folder, said, **parameters):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BRAINBENCH_DATA", str(folder / "kept"))
        table = kar_files.declare(folder, name, **parameters)
        patch.setattr(brainbench_manifests, name.lower(), table, raising=False)
        with pytest.raises(BrainbenchError, match=said) as error:
            open_dataset(name).import_from(folder)
        assert isinstance(error.value, InputError)
        assert open_dataset(name).absent()


# --- scores ---------------------------------------------------------------------------------------


def test_from_a_server_to_a_score(call, folder, tmp_path, monkeypatch, cache_folder):
    """A network without time solves no image earlier than another: 0, as in the paper."""
    monkeypatch.setenv("BRAINBENCH_DATA", str(tmp_path / "kept"))
    monkeypatch.delenv(fetch.OFFLINE)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with serving() as served:
        for name, parameters in ((NAME, {}), (AUTHORS, {"pixels": PIXELS})):
            table = kar_files.declare(folder, name, served.url, **parameters)
            monkeypatch.setattr(brainbench_manifests, name.lower(), table, raising=False)
            for file in table["files"]:
                served.files[f"/{file['path']}"] = (folder / file["path"]).read_bytes()
            status, out, _ = call("data", "fetch", name, "-q")
            assert (status, out.split(":")[0]) == (0, f"{name} is here")
    status, out, _ = call(
        "score", "-m", "pixels", "-b", "Kar2019*-ost", "-o", tmp_path / "results",
        "--format", "json", "-q",
    )  # fmt: skip
    assert status == 0
    scores = json.loads(out)
    assert [one["benchmark"] for one in scores] == ["Kar2019-ost", "Kar2019authors-ost"]
    assert [one["value"] for one in scores] == [0, 0]
    assert scores[0]["figures"]["reason"] == "static model"
    _, out, _ = call("cite", "Kar2019-ost")
    assert "@article{Kar2019," in out


@pytest.mark.slow
@pytest.mark.parametrize(("name", "protocol"), [(NAME, "paper"), (AUTHORS, "brainscore")])
def test_order_of_the_brain_is_found(name, protocol, cache_folder):
    """The network solves a picture at its delay; its agreement with the brain follows from the jitter."""
    scored = score(load_benchmark(f"{name}-ost"), kar_files.Reader(), Settings(protocol=protocol))
    rows = TRUTH.distinct[~np.isnan(TRUTH.ost[TRUTH.distinct])]
    known = spearmanr(TRUTH.delays[rows], TRUTH.ost[rows]).statistic
    assert scored.raw == pytest.approx(known, abs=0.04)
    assert scored.ceiling == 0.79
    assert scored.value == pytest.approx(scored.raw / (0.79 if protocol == "brainscore" else 1))
    source = scored.figures["ceiling"]["source"]
    assert "Kar 2019 / Brain-Score convention" in source
    assert scored.figures["fraction_solved_brain"] == pytest.approx(0.95, abs=0.02)
