"""Import of Kriegeskorte2008, on small MATLAB files laid out as the published ones."""

import hashlib

import numpy as np
import pytest
from kriegeskorte_files import JUDGES, PAIRS, PIXELS, N, contents, declare, flags_of, write
from scipy.spatial.distance import squareform

from brainbench.core.dataset import Dataset, HasRDMs, Importable
from brainbench.core.errors import DataAbsentError, InputError, UnknownNameError
from brainbench.data.importers.kriegeskorte import FILES, REGIONS, kriegeskorte
from brainbench.data.manifest import manifest


@pytest.fixture(autouse=True)
def _kept(tmp_path, monkeypatch):
    monkeypatch.setenv("BRAINBENCH_DATA", str(tmp_path / "kept"))


@pytest.fixture
def published(tmp_path):
    return write(tmp_path / "published", contents())


def test_what_is_imported(published):
    data, files = declare(published), contents()
    assert "demos/92imageData of https://example.org/toolbox at 0123456" in data.absent()
    data.import_from(published)
    assert data.absent() is None
    for protocol in (Dataset, HasRDMs, Importable):
        assert isinstance(data, protocol)
    shown = data.stimuli()
    assert shown.ids == ("image01", "image02", "image03", "image04", "image05")
    assert shown.metadata["object_name"].tolist()[:2] == ["kind 0", "kind 1"]
    for k, stimulus in enumerate(files[FILES[0]]["stimuli_92objs"]):
        np.testing.assert_array_equal(shown.picture(k), stimulus["image"])
        assert shown.metadata[["face", "animal", "natural"]].iloc[k].to_dict() == flags_of(k)

    monkey, human, judged = (data.dissimilarities(region) for region in REGIONS)
    assert monkey.dims == ("subject", "pair")
    assert monkey.coords["subject"].values.tolist() == ["mIT_674neurons"]
    np.testing.assert_array_equal(monkey.values[0], files[FILES[0]]["RDMs_mIT_hIT_fig1"][0]["RDM"])
    assert human.coords["subject"].values.tolist() == ["S0", "S1", "S2"]
    scans = files[FILES[1]]["RDMs"]
    mean = (scans[1, 0]["RDM"] + scans[1, 1]["RDM"]) / 2
    np.testing.assert_allclose(human.values[1], squareform(mean))
    assert judged.shape == (JUDGES, PAIRS)
    np.testing.assert_array_equal(
        judged.values[3], squareform(files[FILES[2]]["rdms_behav_92"][3]["RDM"])
    )


def test_import_from_the_repository(published, tmp_path):
    inside = tmp_path / "repository" / "demos"
    inside.mkdir(parents=True)
    published.rename(inside / "92imageData")
    data = declare(inside / "92imageData")
    assert data.absent()
    data.import_from(tmp_path / "repository")
    assert data.absent() is None
    assert len(data.stimuli()) == N


def test_responses_are_not_published(published):
    data = declare(published)
    data.import_from(published)
    with pytest.raises(InputError, match="recordings of IT in Small"):
        data.recordings("IT")
    with pytest.raises(UnknownNameError, match="humanIT") as caught:
        data.dissimilarities("humanIT")
    assert "human IT" in caught.value.allowed


def test_not_imported(published):
    data = declare(published)
    for read in (data.stimuli, lambda: data.dissimilarities("IT")):
        with pytest.raises(DataAbsentError, match=r"brainbench data fetch Small"):
            read()


def test_another_version_is_another_folder(published):
    one, other = declare(published), declare(published, pixels=PIXELS + 1)
    assert one.version != other.version
    assert one.folder != other.folder


def changed(tmp_path, file, name, entry):
    files = contents()
    files[file][name] = entry
    return declare(write(tmp_path / "wrong", files)), tmp_path / "wrong"


def wrong_rdm(change):
    judged = contents()[FILES[2]]["rdms_behav_92"]
    change(judged[2]["RDM"])
    return judged


def asymmetric(rdm):
    rdm[0, 1] += 0.1


def off_zero(rdm):
    rdm[3, 3] = 0.1


@pytest.mark.parametrize("change", [asymmetric, off_zero])
def test_rdm_that_is_none(tmp_path, change):
    data, folder = changed(tmp_path, FILES[2], "rdms_behav_92", wrong_rdm(change))
    with pytest.raises(InputError, match=r"'simJudge \| subject3'"):
        data.import_from(folder)
    assert data.absent()


def test_rdm_with_a_hole(tmp_path):
    fig1 = contents()[FILES[0]]["RDMs_mIT_hIT_fig1"]
    fig1[0]["RDM"][3] = np.nan
    data, folder = changed(tmp_path, FILES[0], "RDMs_mIT_hIT_fig1", fig1)
    with pytest.raises(InputError, match=r"1 not finite"):
        data.import_from(folder)


def test_other_numbers_than_declared(tmp_path):
    judged = contents()[FILES[2]]["rdms_behav_92"][:3]
    data, folder = changed(tmp_path, FILES[2], "rdms_behav_92", judged)
    with pytest.raises(InputError, match=r"rdms_behav_92 .*\(3,\)"):
        data.import_from(folder)
    data, folder = changed(tmp_path, FILES[1], "RDMs", np.zeros(2))
    with pytest.raises(InputError, match=r"92_brainRDMs.mat: RDMs .*\(2,\)"):
        data.import_from(folder)


def test_an_entry_that_is_absent(tmp_path):
    files = contents()
    files[FILES[1]] = {"other": np.zeros(3)}
    folder = write(tmp_path / "wrong", files)
    with pytest.raises(InputError, match=r"92_brainRDMs\.mat: RDMs"):
        declare(folder).import_from(folder)


def test_image_of_another_size(tmp_path):
    shown = contents()[FILES[0]]["stimuli_92objs"]
    shown[1]["image"] = shown[1]["image"][:4]
    data, folder = changed(tmp_path, FILES[0], "stimuli_92objs", shown)
    with pytest.raises(InputError, match=r"image 2: .*\(4, 6, 3\)"):
        data.import_from(folder)


def test_damaged_and_missing_files(published):
    data = declare(published)
    (published / FILES[0]).write_bytes(b"other")
    found = hashlib.sha256(b"other").hexdigest()[:12]
    with pytest.raises(InputError, match=f"{FILES[0]} .*{found}"):
        data.import_from(published)
    with pytest.raises(InputError, match=FILES[0]):
        declare(published).import_from(published)
    (published / FILES[2]).unlink()
    with pytest.raises(DataAbsentError, match=f"1 of 3 files of Small .*{FILES[2]}"):
        data.import_from(published)


def test_manifest_is_whole():
    declared = manifest("Kriegeskorte2008")
    assert declared.license.startswith("MIT")
    assert "copyright of the images is not stated" in declared.license
    assert set(kriegeskorte(declared).declared.sha256) == set(FILES)
    parameters = {k: v for k, v in declared.parameters.items() if k != "judges"}
    with pytest.raises(InputError, match=r"parameters\.judges"):
        kriegeskorte(declared.model_copy(update={"parameters": parameters}))
