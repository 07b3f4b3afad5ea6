"""Import of edges and silhouettes with answers, on small files laid out as the published ones."""

import numpy as np
import pytest
from declared import opened, png, table_of, write

from brainbench.core.dataset import Dataset, HasCategoryResponses, Importable
from brainbench.core.errors import BrainbenchError, DataAbsentError, InputError
from brainbench.data.facts import facts_of
from brainbench.data.offers import offers

CATEGORIES, PER_CATEGORY, PIXELS, PEOPLE = ("bear", "oven"), 2, 6, 3
NAMES = [f"{category}{k + 1}" for category in CATEGORIES for k in range(PER_CATEGORY)]
SHOWN = np.random.default_rng(0).integers(0, 256, (4, PIXELS, PIXELS, 3), dtype=np.uint8)
HEAD = "subj,session,trial,rt,object_response,category,condition,imagename\n"
LOADER = "brainbench.data.importers.geirhos_objects:geirhos_objects"


@pytest.fixture(autouse=True)
def _kept(tmp_path, monkeypatch):
    monkeypatch.setenv("BRAINBENCH_DATA", str(tmp_path / "kept"))


def answer(person, name, choice):
    category = name.rstrip("0123456789")
    trial = f"0001_edg_s{person:02d}_0_{category}_00_{name}.png"
    return f"subject-{person:02d},1,1,0.7,{choice},{category},0,{trial}\n"


def contents():
    files = {
        f"edges/{name.rstrip('0123456789')}/{name}.png": png(one)
        for name, one in zip(NAMES, SHOWN, strict=True)
    }
    for person in range(1, PEOPLE + 1):
        lines = [answer(person, name, "na" if person == 2 else "oven") for name in NAMES[::-1]]
        files[f"edge/edge_subject-{person:02d}_session_1.csv"] = (HEAD + "".join(lines)).encode()
    return files


def declare(files, **changes):
    sizes = {"images": 4, "people": PEOPLE, "pixels": PIXELS, "shown": "edges", "answers": "edge"}
    return opened(table_of(files, loader=LOADER, **{**sizes, **changes}))


def test_what_is_imported(tmp_path):
    files = contents()
    data = declare(files)
    with pytest.raises(DataAbsentError, match="brainbench data fetch Study"):
        data.stimuli()
    data.import_from(write(tmp_path / "copy", files))
    for protocol in (Dataset, HasCategoryResponses, Importable):
        assert isinstance(data, protocol)
    shown, answers = data.stimuli(), data.category_responses()
    assert shown.ids == ("bear1", "bear2", "oven1", "oven2")
    assert shown.metadata["object_name"].tolist() == ["bear", "bear", "oven", "oven"]
    for k, pixels in enumerate(SHOWN):
        np.testing.assert_array_equal(shown.picture(k), pixels)
    assert len(answers) == 12
    assert set(answers.loc[answers.subject == "subject-01", "choice"]) == {"oven"}
    assert set(answers.loc[answers.subject == "subject-02", "choice"]) == {""}
    assert (answers.truth == answers.stimulus_id.str.rstrip("0123456789")).all()
    offered = {one.identifier for one in offers("Study", facts_of(data)) if not one.missing}
    assert offered == {"Study.behavior-choices", "Study.behavior-consistency"}
    with pytest.raises(InputError, match="recordings of IT in Study"):
        data.recordings("IT")


def replaced(path, content):
    return {**contents(), path: content}


FIRST = "edge/edge_subject-01_session_1.csv"
ANSWERS = [answer(1, name, "oven") for name in NAMES]


@pytest.mark.parametrize(
    ("files", "said"),
    [
        (replaced(FIRST, (HEAD + "".join(ANSWERS[:3])).encode()), "11 answers of 3 people"),
        (replaced(FIRST, HEAD.encode()), "8 answers of 2 people"),
        (replaced(FIRST, b"subj,choice\n1,2\n"), r"subject-01_session_1\.csv"),
        (
            replaced(FIRST, (HEAD + "".join([*ANSWERS[:3], ANSWERS[0]])).encode()),
            "12 answers of 3 people",
        ),
        (replaced("edges/bear/bear2.png", png(SHOWN[0][:3])), r"bear2\.png of shape \(3, 6, 3\)"),
        (replaced("edges/bear/bear2.png", b"nothing"), r"bear2\.png"),
    ],
)
def test_files_that_hold_something_else(tmp_path, files, said):
    data = declare(files)
    with pytest.raises(BrainbenchError, match=said):
        data.import_from(write(tmp_path / "copy", files))
    assert data.absent()


def test_images_that_no_answer_names_or_of_another_category(tmp_path):
    files = contents()
    files["edges/oven/bear2.png"] = files.pop("edges/bear/bear2.png")
    with pytest.raises(InputError, match=r"1 images whose .*'bear2'"):
        declare(files).import_from(write(tmp_path / "category", files))
    files = contents()
    files["edges/bear/bear3.png"] = files.pop("edges/bear/bear2.png")
    with pytest.raises(InputError, match=r"2 images whose .*'bear2'"):
        declare(files).import_from(write(tmp_path / "name", files))


def test_no_answers_are_declared(tmp_path):
    files = {path: content for path, content in contents().items() if path.endswith(".png")}
    with pytest.raises(InputError, match="0 answers of 0 people"):
        declare(files).import_from(write(tmp_path / "copy", files))


def test_missing_files_are_named(tmp_path):
    files = contents()
    folder = write(tmp_path / "copy", files)
    (folder / FIRST).unlink()
    with pytest.raises(DataAbsentError, match=r"1 of 7 files of Study .*subject-01"):
        declare(files).import_from(folder)
