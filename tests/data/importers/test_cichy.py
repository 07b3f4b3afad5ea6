"""Import of Cichy2014, on small files laid out as the published ones."""

import zipfile

import numpy as np
import pytest
from declared import npz, opened, png, table_of, write
from scipy.spatial.distance import squareform

from brainbench.core.dataset import Dataset, HasRDMs, Importable
from brainbench.core.errors import BrainbenchError, DataAbsentError, InputError, UnknownNameError
from brainbench.data.facts import facts_of
from brainbench.data.offers import offers

N, PIXELS, PEOPLE = 5, 8, 3
PAIRS = N * (N - 1) // 2
LOADER = "brainbench.data.importers.cichy:cichy"
RNG = np.random.default_rng(0)
RDMS = {region: RNG.random((PEOPLE, PAIRS)) for region in ("EVC", "IT")}
SHOWN = RNG.integers(0, 256, (N, PIXELS, PIXELS, 3), dtype=np.uint8)


@pytest.fixture(autouse=True)
def _kept(tmp_path, monkeypatch):
    monkeypatch.setenv("BRAINBENCH_DATA", str(tmp_path / "kept"))


def contents():
    files = {
        f"fmri_{region}_RDMs.npz": npz(Net_RDM=np.stack([squareform(one) for one in rdms]))
        for region, rdms in RDMS.items()
    }
    # PNG under the published names: what is decoded does not depend on the name, and loses nothing.
    files |= {f"92images/image_{k + 1:02d}.jpg": png(one) for k, one in enumerate(SHOWN)}
    return files


def declare(files, **changes):
    sizes = {"images": N, "pixels": PIXELS, "people": PEOPLE, **changes}
    return opened(table_of(files, loader=LOADER, **sizes))


def check_imported(data):
    shown = data.stimuli()
    assert shown.ids == tuple(f"image{k + 1:02d}" for k in range(N))
    for k, pixels in enumerate(SHOWN):
        np.testing.assert_array_equal(shown.picture(k), pixels)
    for region, expected in RDMS.items():
        rdms = data.dissimilarities(region)
        assert rdms.dims == ("subject", "pair")
        assert rdms.coords["subject"].values.tolist() == ["subject01", "subject02", "subject03"]
        np.testing.assert_array_equal(rdms.values, expected)


def test_what_is_imported(tmp_path):
    files = contents()
    data = declare(files)
    assert data.absent() == "https://example.org, https://example.org/92images"
    with pytest.raises(DataAbsentError, match="brainbench data fetch Study"):
        data.stimuli()
    data.import_from(write(tmp_path / "copy", files))
    for protocol in (Dataset, HasRDMs, Importable):
        assert isinstance(data, protocol)
    check_imported(data)
    offered = {one.identifier for one in offers("Study", facts_of(data)) if not one.missing}
    assert offered == {"Study.EVC-rsa", "Study.IT-rsa"}


def test_images_in_a_zip_and_files_deep_inside(tmp_path):
    files = contents()
    folder = tmp_path / "copies" / "of" / "two"
    rdms = {path: content for path, content in files.items() if path.endswith(".npz")}
    write(folder, rdms)
    with zipfile.ZipFile(tmp_path / "copies" / "pictures.zip", "w") as archive:
        for path in sorted(set(files) - set(rdms), reverse=True):
            archive.writestr(path, files[path])
    data = declare(files)
    data.import_from(tmp_path / "copies")
    check_imported(data)


def changed(path, content):
    return {**contents(), path: content}


def with_rdms(change):
    rdms = np.stack([squareform(one) for one in RDMS["IT"]])
    return changed("fmri_IT_RDMs.npz", npz(Net_RDM=change(rdms)))


def holed(rdms):
    rdms[1, 2, 3] = np.nan
    return rdms


def asymmetric(rdms):
    rdms[1, 2, 3] += 0.1
    return rdms


def off_zero(rdms):
    rdms[2, 3, 3] = 0.1
    return rdms


@pytest.mark.parametrize(
    ("files", "said"),
    [
        (with_rdms(holed), "1 not finite"),
        (with_rdms(asymmetric), "not symmetric"),
        (with_rdms(off_zero), "not 0 on a diagonal"),
        (with_rdms(lambda rdms: rdms[:2]), r"shape \(2, 5, 5\)"),
        (changed("fmri_EVC_RDMs.npz", npz(other=np.zeros(3))), r"fmri_EVC_RDMs\.npz"),
        (changed("fmri_EVC_RDMs.npz", b"nothing"), r"fmri_EVC_RDMs\.npz"),
        (
            changed("92images/image_03.jpg", png(SHOWN[2][:4])),
            r"image_03\.jpg of shape \(4, 8, 3\)",
        ),
        (changed("92images/image_03.jpg", b"nothing"), r"image_03\.jpg"),
    ],
)
def test_files_that_are_declared_and_hold_something_else(tmp_path, files, said):
    data = declare(files)
    with pytest.raises(BrainbenchError, match=said):
        data.import_from(write(tmp_path / "copy", files))
    assert data.absent()


def test_other_numbers_than_declared(tmp_path):
    files = contents()
    folder = write(tmp_path / "copy", files)
    with pytest.raises(InputError, match=r"shape \(3, 5, 5\)"):
        declare(files, people=4).import_from(folder)
    del files["92images/image_05.jpg"]
    with pytest.raises(InputError, match="4 images are declared"):
        declare(files).import_from(folder)


def test_missing_and_damaged_files(tmp_path):
    files = contents()
    data, folder = declare(files), write(tmp_path / "copy", files)
    (folder / "fmri_IT_RDMs.npz").write_bytes(b"other")
    with pytest.raises(InputError, match=r"fmri_IT_RDMs\.npz has 5 bytes"):
        data.import_from(folder)
    (folder / "fmri_IT_RDMs.npz").unlink()
    with pytest.raises(DataAbsentError, match=r"1 of 7 files of Study .*fmri_IT_RDMs\.npz"):
        data.import_from(folder)
    with pytest.raises(DataAbsentError, match="7 of 7 files"):
        data.import_from(tmp_path / "nowhere")


def test_responses_are_not_published(tmp_path):
    files = contents()
    data = declare(files)
    data.import_from(write(tmp_path / "copy", files))
    with pytest.raises(InputError, match="recordings of IT in Study"):
        data.recordings("IT")
    with pytest.raises(UnknownNameError, match="V4"):
        data.dissimilarities("V4")


def test_another_file_or_size_is_another_version():
    versions = {
        declare(contents()).version,
        declare(contents(), pixels=PIXELS + 1).version,
        declare(changed("fmri_IT_RDMs.npz", b"nothing")).version,
    }
    assert len(versions) == 3
