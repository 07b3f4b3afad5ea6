"""Import of Geirhos2019, on small folders laid out as the published and the packed files."""

import io
import re

import geirhos_files
import numpy as np
import pandas as pd
import pytest
from geirhos_files import IMAGES, declare, picture
from PIL import Image

from brainbench.core.dataset import Dataset, HasCategoryResponses, Importable
from brainbench.core.errors import DataAbsentError, InputError, StimulusError
from brainbench.data.manifest import manifest, open_dataset


@pytest.fixture
def published(tmp_path):
    return geirhos_files.write_published(tmp_path / "published")


@pytest.fixture
def packed(tmp_path):
    return geirhos_files.write_packed(tmp_path / "packed")


@pytest.fixture(autouse=True)
def kept(tmp_path, monkeypatch):
    monkeypatch.setenv("BRAINBENCH_DATA", str(tmp_path / "kept"))
    return tmp_path / "kept"


def test_published_files(published, kept):
    data = declare()
    assert isinstance(data, Dataset)
    assert isinstance(data, Importable)
    assert isinstance(data, HasCategoryResponses)
    assert (
        "style-transfer-preprocessed-512 of https://example.org/images at 0123456" in data.absent()
    )
    assert data.import_from(published).is_relative_to(kept)
    assert data.absent() is None
    shown = data.stimuli()
    assert shown.ids == tuple(IMAGES)
    for row in range(len(IMAGES)):
        with Image.open(io.BytesIO(picture(row))) as image:
            np.testing.assert_array_equal(shown.picture(row), np.asarray(image))
    columns = shown.metadata
    assert columns["object_name"].tolist() == ["bear", "bear", "clock", "clock"]
    assert columns["texture"].tolist() == ["clock", "bear", "bear", "clock"]
    assert columns["exemplar"].tolist() == ["bear1", "bear2", "clock1", "clock10"]
    pairs = zip(columns["texture"], columns["texture_exemplar"], strict=True)
    assert all(picture.rstrip("0123456789") == texture != picture for texture, picture in pairs)
    answers = data.category_responses()
    assert len(answers) == 8
    assert answers.choice.tolist().count("") == 1
    assert (answers.choice[answers.choice != ""] == "bear").all()


def test_packed_files_are_another_version(published, packed):
    data = declare(packed)
    before = data.version
    published_folder = data.folder
    assert data.import_from(packed) != published_folder
    assert data.absent() is None
    jpeg = data.version
    assert jpeg != before
    one = data.stimuli().picture(0)
    data.import_from(published)
    assert data.version == before  # the published files go first
    assert (declare(packed).stimuli().picture(0) != one).any()
    pd.testing.assert_frame_equal(declare(packed).category_responses(), data.category_responses())


def refused(folder, data=None, kind=InputError):
    data = data or declare()
    with pytest.raises(kind) as error:
        data.import_from(folder)
    assert data.absent()
    return str(error.value)


def test_packed_file_of_another_checksum(packed):
    data = declare(packed)
    with (packed / "all.csv").open("a") as stream:
        stream.write("\n")
    assert f"{packed / 'all.csv'} has the SHA-256" in refused(packed, data)


def test_missing_subject(published):
    answers_file(published).unlink()
    message = refused(published, kind=DataAbsentError)
    assert re.search(r"^1 .*cue-conflict/", message)
    assert "2 files of raw-data/cue-conflict of https://example.org/answers" in message


def answers_file(published):
    return published / "model-vs-human/raw-data/cue-conflict/cue-conflict_subject-02_session-1.csv"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda t: t.assign(object_response="clock"), "8 answers of 2 subjects to 4 images"),
        (lambda t: t.iloc[1:], "7 answers of 2 subjects"),
        (lambda t: t.assign(category="oven"), "4 answers .*'bear1-clock2' of oven"),
        (lambda t: t.drop(columns="imagename"), "subject-02_session-1.csv"),
        (lambda t: t.iloc[:0, :0], "subject-02_session-1.csv"),
    ],
    ids=["another answer", "fewer", "category", "column", "empty"],
)
def test_answers_that_are_not_as_published(published, change, told):
    path = answers_file(published)
    change(pd.read_csv(path)).to_csv(path, index=False)
    assert re.search(told, refused(published))


def test_images_that_are_missing_or_too_many(published):
    folder = published / "texture-vs-shape/stimuli/style-transfer-preprocessed-512/bear"
    (folder / "bear1-clock2.png").rename(folder / "bear1-oven2.png")
    message = refused(published, kind=DataAbsentError)
    assert re.search("1 .* 1 .*'bear1-clock2'", message)


@pytest.mark.parametrize(
    ("content", "kind", "told"),
    [
        (picture(0, size=(9, 8)), InputError, "9 x 8"),
        (picture(0)[:-30], StimulusError, "truncated"),
        (picture(0, mode="I;16"), StimulusError, "'I;16'"),
    ],
    ids=["size", "truncated", "16 bits"],
)
def test_image_of_another_kind(published, content, kind, told):
    name = "texture-vs-shape/stimuli/style-transfer-preprocessed-512/bear/bear2-bear1.png"
    (published / name).write_bytes(content)
    message = refused(published, kind=kind)
    assert told in message
    assert "bear2-bear1.png" in message


def test_asked_for_before_it_is_here():
    data = declare()
    for read in (data.stimuli, data.category_responses):
        with pytest.raises(DataAbsentError, match="Small"):
            read()
    with pytest.raises(InputError, match="recordings of IT in Small"):
        data.recordings("IT")


def test_manifest_that_is_not_whole():
    with pytest.raises(InputError, match=r"'Small': parameters\.pixels"):
        declare(pixels="many")


def test_manifest_of_the_real_files():
    declared = open_dataset("Geirhos2019").declared
    assert (declared.images, declared.subjects, declared.pixels) == (1280, 10, 224)
    assert len(declared.answers) == 64
    assert sorted(name.rsplit(".", 1)[1] for name in declared.packed) == ["csv", "zip"]
    assert all(len(checksum) == 64 for checksum in declared.packed.values())
    assert manifest("Geirhos2019").license == "CC-BY-4.0"
