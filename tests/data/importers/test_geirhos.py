"""Import of Geirhos2019, on small folders laid out as the published and the packed files."""

import hashlib
import io
import re
import zipfile

import numpy as np
import pandas as pd
import pytest
from manifests import manifest_of
from PIL import Image

from brainbench.core.dataset import Dataset, HasCategoryResponses, Importable
from brainbench.core.errors import DataAbsentError, InputError, StimulusError
from brainbench.data.importers.geirhos import digest_of, geirhos
from brainbench.data.manifest import manifest, open_dataset

PIXELS = 8
IMAGES = ["bear1-clock2", "bear2-bear1", "clock1-bear3", "clock10-clock1"]
SUBJECTS = ["subject-01", "subject-02"]


def picture(seed, *, size=(PIXELS, PIXELS), format="PNG", mode="RGB"):
    values = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    stream = io.BytesIO()
    Image.fromarray(values).convert(mode).save(stream, format)
    return stream.getvalue()


def answers_of(subject):
    rows = [
        {
            "subj": subject,
            "session": 1,
            "trial": k + 1,
            "rt": 0.5,
            "object_response": "na" if (k, subject) == (0, "subject-02") else "bear",
            "category": "bear" if name.startswith("bear") else "clock",
            "condition": 0,
            "imagename": f"000{k}_s5n_s01_0_x_00_{name}.png",
        }
        for k, name in enumerate(IMAGES)
    ]
    return pd.DataFrame(rows)


@pytest.fixture
def published(tmp_path):
    """Copies of the two folders, the way two clones in one folder have them."""
    root = tmp_path / "published"
    pictures = root / "texture-vs-shape/stimuli/style-transfer-preprocessed-512"
    answers = root / "model-vs-human/raw-data/cue-conflict"
    answers.mkdir(parents=True)
    for k, name in enumerate(IMAGES):
        folder = pictures / ("bear" if name.startswith("bear") else "clock")
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{name}.png").write_bytes(picture(k))
    for subject in SUBJECTS:
        answers_of(subject).to_csv(answers / f"cue-conflict_{subject}_session-1.csv", index=False)
    (answers / "cue-conflict_resnet50_session-1.csv").write_text("a network, not a subject\n")
    return root


@pytest.fixture
def packed(tmp_path):
    root = tmp_path / "packed"
    root.mkdir()
    with zipfile.ZipFile(root / "images.zip", "w") as archive:
        for k, name in enumerate(IMAGES):
            archive.writestr(f"some/{name}.jpg", picture(k, format="JPEG"))
    pd.concat([answers_of(one) for one in SUBJECTS]).to_csv(root / "all.csv", index=False)
    return root


@pytest.fixture(autouse=True)
def kept(tmp_path, monkeypatch):
    monkeypatch.setenv("BRAINBENCH_DATA", str(tmp_path / "kept"))
    return tmp_path / "kept"


def declare(packed=None, **changes):
    whole = pd.concat([answers_of(one) for one in SUBJECTS], ignore_index=True)
    table = pd.DataFrame(
        {
            "subject": whole["subj"],
            "stimulus_id": whole["imagename"].str.rsplit("_", n=1).str[-1].str[:-4],
            "choice": whole["object_response"].replace("na", ""),
        }
    )
    files = sorted(packed.iterdir()) if packed else []
    parameters = {
        "repository": "https://example.org/images",
        "commit": "0123456789abcdef",
        "folder": "stimuli/style-transfer-preprocessed-512",
        "trials_repository": "https://example.org/answers",
        "trials_commit": "fedcba9876543210",
        "trials_folder": "raw-data/cue-conflict",
        "pixels": PIXELS,
        "images": len(IMAGES),
        "subjects": len(SUBJECTS),
        "answers": digest_of(table),
        "packed": {one.name: hashlib.sha256(one.read_bytes()).hexdigest() for one in files}
        or {"images.zip": "0", "all.csv": "0"},
        **changes,
    }
    return geirhos(manifest_of(parameters))


def test_published_files(published, kept):
    data = declare()
    assert isinstance(data, Dataset)
    assert isinstance(data, Importable)
    assert isinstance(data, HasCategoryResponses)
    assert (
        "style-transfer-preprocessed-512/ of https://example.org/images at 0123456" in data.absent()
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
