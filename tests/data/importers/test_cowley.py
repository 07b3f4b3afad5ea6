"""Import of Cowley2023, on a small folder laid out as the published one."""

import hashlib
import io
import re

import cowley_files
import numpy as np
import pytest
from cowley_files import SIZES, declare, jpeg, names, write_zip
from PIL import Image

from brainbench import load_benchmark
from brainbench.core.dataset import Dataset, HasSessions, Importable
from brainbench.core.errors import CacheError, DataAbsentError, InputError, StimulusError
from brainbench.data.folder import data_folder, writing
from brainbench.data.importers.cowley import CowleyData
from brainbench.data.integrity import DamagedDataError
from brainbench.data.manifest import manifest, open_dataset


@pytest.fixture
def published(tmp_path):
    return cowley_files.write(tmp_path / "published")


@pytest.fixture(autouse=True)
def kept(tmp_path, monkeypatch):
    monkeypatch.setenv("BRAINBENCH_DATA", str(tmp_path / "kept"))
    return tmp_path / "kept"


def test_what_is_imported(published, kept):
    data = declare(published)
    assert "data_V4_responses of https://example.org/study at 0123456" in data.absent()
    assert data.import_from(published).is_relative_to(kept)
    assert data.absent() is None
    first, second = data.sessions().values()
    trials = np.load(published / "responses_raw/responses_200101.npy")
    recording = first.recordings("V4")
    assert recording.dims == ("repetition", "stimulus", "neuroid")
    np.testing.assert_array_equal(recording.values, trials.transpose(2, 1, 0))
    mean = np.load(published / "responses_repeat_averaged/responses_200102.npy")
    assert second.recordings("V4").dims == ("stimulus", "neuroid")
    np.testing.assert_array_equal(second.recordings("V4").values, mean.T)
    assert recording.attrs["units"] == "spikes in 100 ms"
    for key, value in {"region": "V4", "animal": "A", "session": "200101"}.items():
        assert set(recording.coords[key].values) == {value}
    assert tuple(recording.coords["stimulus_id"].values) == first.stimuli().ids
    assert first.stimuli().ids[:2] == ("200101/image0001", "200101/image0002")
    assert first.stimuli().degrees is None


def test_images_go_by_their_names_not_by_their_place_in_the_zip(published):
    data = declare(published)
    data.import_from(published)
    for one in data.sessions().values():
        for k in range(len(one.pictures)):
            with Image.open(io.BytesIO(jpeg(k))) as image:
                np.testing.assert_array_equal(one.pictures.picture(k), np.asarray(image))


def test_images_of_all_sessions_are_in_their_order(published):
    data = declare(published)
    data.import_from(published)
    whole = data.stimuli()
    parts = [one.pictures for one in data.sessions().values()]
    assert whole.ids == tuple(i for part in parts for i in part.ids)
    assert whole.digests == tuple(d for part in parts for d in part.digests)
    assert whole.metadata["session"].tolist() == ["200101"] * 12 + ["200102"] * 7


def test_the_repository_around_the_folder_will_do(published, tmp_path):
    data = declare(published)
    (tmp_path / "clone").mkdir()
    published.rename(tmp_path / "clone" / "data_V4_responses")
    data.import_from(tmp_path / "clone")
    assert data.absent() is None


def test_files_of_other_sessions_do_not_matter(published):
    data = declare(published)
    (published / "images/images_200103.zip").write_bytes(b"another session")
    data.import_from(published)
    assert data.absent() is None


def test_it_is_what_it_says_it_is(published):
    data = declare(published)
    for contract in (Dataset, HasSessions, Importable):
        assert isinstance(data, contract)
    assert not data.simulated
    assert data.command == "brainbench data fetch Small"


def test_version_follows_the_files_and_not_the_order_of_sessions(published):
    data = declare(published)
    turned = data.declared.model_copy(
        update={"sessions": dict(reversed(data.declared.sessions.items()))}
    )
    assert CowleyData(name="Small", declared=turned).version == data.version
    other = declare(
        published, sha256={**data.declared.sha256, "images/images_200101.zip": "0" * 64}
    )
    assert other.version != data.version


def test_sessions_come_sorted_in_whatever_order_they_are_declared(published):
    data = declare(published)
    data.import_from(published)
    turned = data.declared.model_copy(
        update={"sessions": dict(reversed(data.declared.sessions.items()))}
    )
    again = CowleyData(name="Small", declared=turned)
    assert list(again.sessions()) == ["200101", "200102"]
    assert again.stimuli().ids == data.stimuli().ids


def test_second_import_repairs_the_first(published):
    data = declare(published)
    (data.import_from(published) / "images_200101.npy").unlink()
    with pytest.raises(DamagedDataError, match=r"images_200101\.npy"):
        data.sessions()
    data.import_from(published)
    assert len(data.sessions()) == 2
    assert [path.name for path in data.folder.parent.iterdir()] == [data.folder.name]


# --- bad input ------------------------------------------------------------------------------------


def refused(published, kind=InputError, **changes):
    """Message of the error; nothing is kept, not even in part."""
    data = declare(published, **changes)
    with pytest.raises(kind) as error:
        data.import_from(published)
    assert data.absent() is not None
    assert not data.folder.parent.is_dir() or not list(data.folder.parent.iterdir())
    assert "next: " in str(error.value)
    return str(error.value)


def test_wrong_checksum(published):
    data = declare(published)
    path = published / "responses_repeat_averaged/responses_200102.npy"
    good = hashlib.sha256(path.read_bytes()).hexdigest()
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(InputError, match=rf"responses_200102\.npy .* {good[:12]}") as error:
        data.import_from(published)
    assert "commit 0123456" in error.value.allowed
    assert data.absent() is not None


def test_missing_file(published):
    data = declare(published)
    (published / "images/images_200102.zip").unlink()
    with pytest.raises(DataAbsentError, match=r"1 of 5 files of Small .*200102\.zip"):
        data.import_from(published)


def test_empty_folder(tmp_path, published):
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataAbsentError, match="5 of 5 files of Small"):
        declare(published).import_from(tmp_path / "empty")


@pytest.mark.parametrize("stray", [".DS_Store", "__MACOSX/._image0001.jpg", "notes.txt"])
def test_stray_file_in_the_zip(published, stray):
    path = published / "images/images_200102.zip"
    write_zip(path, [(stray, b"x"), *((m, jpeg()) for m in names(7))])
    name = stray.rpartition("/")[2]
    assert re.search(rf"images_200102\.zip .*8 .*'{re.escape(name)}'", refused(published))


def test_fewer_images_than_responses(published):
    write_zip(published / "images/images_200102.zip", [(m, jpeg()) for m in names(6)])
    assert re.search(r"200102\.zip .*6 .*'image0007\.jpg'", refused(published))


def test_more_images_than_responses(published):
    write_zip(published / "images/images_200102.zip", [(m, jpeg()) for m in names(8)])
    assert re.search(r"200102\.zip .*8 .*'image0008\.jpg'", refused(published))


def test_the_same_image_in_two_folders(published):
    members = [*names(7), "again/image0003.jpg"]
    write_zip(published / "images/images_200102.zip", [(m, jpeg()) for m in members])
    assert re.search(r"200102\.zip .*8 .* twice", refused(published))


def test_images_of_another_session(published):
    """Zips that changed places: the numbers of images tell, where checksums are those of the files."""
    one, two = (published / f"images/images_{name}.zip" for name in SIZES)
    other = published / "other"
    one.rename(other)
    two.rename(one)
    other.rename(two)
    assert re.search(r"images_200101\.zip .*7 .*'image0008\.jpg'", refused(published))


def test_responses_of_another_session(published):
    folder = published / "responses_repeat_averaged"
    wrong = np.load(folder / "responses_200102.npy")
    np.save(folder / "responses_200101.npy", wrong)
    assert re.search(r"float64 .*\(2, 7\)\n.*\(3, 12\)", refused(published))


def test_responses_the_wrong_way_round(published):
    path = published / "responses_repeat_averaged/responses_200102.npy"
    np.save(path, np.load(path).T)
    assert "(7, 2)" in refused(published)


def test_repeats_in_another_order_than_the_means(published):
    path = published / "responses_raw/responses_200101.npy"
    trials = np.load(path)
    np.save(path, trials[::-1])
    means = np.nanmean(trials, axis=2)
    assert f"{np.abs(means - means[::-1]).max():.3g}" in refused(published)


def test_nan_between_repeats(published):
    path = published / "responses_raw/responses_200101.npy"
    trials = np.load(path)
    trials[:, 1, 0] = np.nan
    np.save(path, trials)
    assert "repeats of session 200101: NaN" in refused(published)


def test_nan_of_one_neuron_alone(published):
    path = published / "responses_raw/responses_200101.npy"
    trials = np.load(path)
    trials[0, 1, -1] = np.nan
    np.save(path, trials)
    assert "repeats of session 200101: NaN" in refused(published)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_mean_that_is_not_finite(published, value):
    path = published / "responses_repeat_averaged/responses_200102.npy"
    mean = np.load(path)
    mean[0, 0] = value
    np.save(path, mean)
    assert "session 200102: 1 " in refused(published)


def test_array_of_objects_is_not_unpickled(published):
    path = published / "responses_repeat_averaged/responses_200102.npy"
    np.save(path, np.array([print] * 14, dtype=object).reshape(2, 7), allow_pickle=True)
    assert "responses_200102.npy" in refused(published)


def test_zip_that_is_none(published):
    (published / "images/images_200102.zip").write_bytes(b"PK, but no zip")
    assert "images_200102.zip" in refused(published)


@pytest.mark.parametrize(
    ("picture", "told"),
    [
        (jpeg(mode="L"), "JPEG, color mode L"),
        (jpeg(mode="CMYK"), "JPEG, color mode CMYK"),
        (jpeg(mode="I;16", format="PNG"), "PNG, color mode I;16"),
        (jpeg(format="PNG"), "PNG, color mode RGB"),
        (jpeg(size=(8, 9)), "JPEG, color mode RGB, 8 x 9"),
        (jpeg()[:-40], "image file is truncated"),
        (b"", "cannot identify image file"),
    ],
    ids=["gray", "CMYK", "16 bits", "PNG", "size", "truncated", "empty"],
)
def test_image_of_another_kind(published, picture, told):
    members = [(m, jpeg()) for m in names(7)]
    members[2] = (members[2][0], picture)
    write_zip(published / "images/images_200102.zip", members)
    message = refused(published, StimulusError)
    assert told in message
    assert "images_200102.zip:image0003.jpg" in message


def test_asked_for_before_it_is_here(published):
    data = declare(published)
    for read in (data.sessions, data.stimuli):
        with pytest.raises(DataAbsentError, match="Small") as error:
            read()
        assert "`brainbench data fetch Small`" in error.value.todo


def test_recordings_of_all_sessions_at_once(published):
    with pytest.raises(InputError, match=r"V4 .*Small(.|\n)*200101, 200102"):
        declare(published).recordings("V4")


def test_manifest_that_is_not_whole(published):
    with pytest.raises(InputError, match=r"'Small': parameters\.pixels"):
        declare(published, pixels="many")


# --- the folder -----------------------------------------------------------------------------------


def test_data_folder_is_not_the_cache(monkeypatch, kept):
    assert data_folder() == kept
    monkeypatch.delenv("BRAINBENCH_DATA")
    assert data_folder().name == "brainbench"
    assert "cache" not in str(data_folder()).lower()


def test_folder_that_is_a_file(kept):
    kept.write_text("a file")
    with pytest.raises(CacheError, match="BRAINBENCH_DATA"), writing(kept / "set" / "v"):
        pass


# --- what is declared -----------------------------------------------------------------------------


def test_manifest_names_every_file_once():
    declared = open_dataset("Cowley2023").declared
    expected = set()
    for name, session in declared.sessions.items():
        expected |= {f"images/images_{name}.zip"}
        expected |= {f"responses_repeat_averaged/responses_{name}.npy"}
        expected |= {f"responses_raw/responses_{name}.npy"} if session.repeats else set()
    assert set(declared.sha256) == expected
    assert all(len(checksum) == 64 for checksum in declared.sha256.values())
    neurons = sum(session.neurons for session in declared.sessions.values())
    assert f"{neurons} neurons" in manifest("Cowley2023").title


def test_width_and_window_are_those_of_the_later_publication(published):
    assert open_dataset("Cowley2023").declared.degrees == 11.2
    for name in ("pls", "ccnorm2", "ridge"):
        assert load_benchmark(f"Cowley2023.V4-{name}").window == (50, 150)
    data = declare(published, degrees=11.2)
    data.import_from(published)
    assert data.stimuli().degrees == 11.2
    assert {one.pictures.degrees for one in data.sessions().values()} == {11.2}
    assert data.version == declare(published).version  # the same files, read the same way
