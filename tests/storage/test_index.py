"""The index of a results folder: it saves reading, and is never the truth."""

import dataclasses
import json
import os

import pytest
from stored import REAL, TWINS, fill, make, of_all

from brainbench.storage import index
from brainbench.storage.index import NAME, indexed
from brainbench.storage.results import Results


@pytest.fixture
def results(tmp_path):
    scores = of_all("a@imagenet", REAL, (0.1, 0.2, 0.3, 0.4)) + of_all(
        "b", TWINS, (0.5, 0.6, 0.7, 0.8)
    )
    scores += [make("c", REAL[0], None), make("d", REAL[0], 0.1, settings={"limit": 5, "seed": 0})]
    return fill(tmp_path / "results", scores)


@pytest.fixture
def n_read(monkeypatch):
    """How many files of scores were read since."""
    paths = []
    read = Results.read

    def counted(self, path, **more):
        paths.append(path)
        return read(self, path, **more)

    monkeypatch.setattr(Results, "read", counted)
    return paths


def test_summaries_are_the_scores_without_what_is_large(results):
    whole = list(results.all())
    for found in (indexed(results), indexed(results)):  # made, then read
        assert [score.file for score in found.scores] == [score.file for score in whole]
        for one, score in zip(found.scores, whole, strict=True):
            for field in dataclasses.fields(score):
                if field.name not in ("draws", "joint_draws", "per_unit", "record", "figures"):
                    assert getattr(one, field.name) == getattr(score, field.name), field.name
            assert one.draws is None
            assert one.record.hashes == score.record.hashes
            assert one.record.created == score.record.created
            assert vars(one.record).keys() == vars(score.record).keys()
    [limited] = [score for score in found.scores if score.model == "d"]
    assert limited.record.settings == {"limit": 5}  # those that are not the defaults


def test_files_are_read_once(results, n_read):
    indexed(results)
    assert len(n_read) == 10
    indexed(results)
    assert len(n_read) == 10


def test_a_changed_file_is_read_again_even_with_its_former_time(results, n_read):
    first = indexed(results).scores[0]
    path = results.folder / "Kar2019-ost"
    [path] = path.glob("*.json")
    status = path.stat()
    text = path.read_text()
    stored = json.loads(text)
    other = dataclasses.replace(results.read(path), value=0.9, raw=0.9, file=None)
    n_read.clear()
    results.save(other, key=stored["key"])
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert indexed(results).scores[0].value == 0.9
    assert first.value == 0.4
    assert n_read == [path]


def test_removed_and_added_files_count_at_once(results):
    indexed(results)
    [path] = (results.folder / "Kar2019-ost").glob("*.json")
    path.unlink()
    assert len(indexed(results).scores) == 9
    fill(results.folder, [make("new", "Study.x", 0.5)])
    assert {score.model for score in indexed(results).scores} == {
        "a@imagenet",
        "b",
        "c",
        "d",
        "new",
    }


DAMAGED = {  # with the digest of what is there
    "list": b"[[1]]",
    "no columns": b'[["a/b.json"],[[1],[2],[3],[4]],[],[]]',
    "no lists": b"[1,2,3,4]",
}


@pytest.mark.parametrize("damage", ["empty", "bit", "version", "folder", "absent", *DAMAGED])
def test_an_index_that_cannot_be_used_is_as_none(results, n_read, damage, monkeypatch):
    expected = [score.value for score in indexed(results).scores]
    path = results.folder / NAME
    content = bytearray(path.read_bytes())
    if damage == "empty":
        path.write_bytes(b"")
    elif damage == "bit":
        content[content.index(b"0.4,") + 2] ^= 1
        path.write_bytes(content)
    elif damage == "version":
        monkeypatch.setattr(index, "_FORMAT", "brainbench index 1 of 9.9")
    elif damage in DAMAGED:
        path.write_bytes(index._header(DAMAGED[damage]) + b"\n" + DAMAGED[damage])
    else:
        path.unlink()
    if damage == "folder":
        path.mkdir()
    n_read.clear()
    assert [score.value for score in indexed(results).scores] == expected
    assert len(n_read) == 10


def test_an_unreadable_file_hides_nothing_and_is_tried_again(results, n_read):
    (results.folder / REAL[0] / "broken.json").write_text("{")
    for _ in range(2):
        found = indexed(results)
        assert len(found.scores) == 10
        [problem] = found.unreadable
        assert "broken.json" in problem
    assert len(n_read) == 12


def test_a_folder_that_cannot_be_written_has_summaries_too(results, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied", str(results.folder))

    monkeypatch.setattr("brainbench.storage.files.os.replace", refuse)
    assert len(indexed(results).scores) == 10


def test_no_folder(tmp_path):
    found = indexed(Results(tmp_path / "nothing"))
    assert found.scores == ()
    assert found.unreadable == (f"folder {tmp_path / 'nothing'} does not exist",)
    assert not (tmp_path / "nothing").exists()


@pytest.mark.parametrize("value", [-0.0, 0.5])
def test_a_score_alone_and_one_without_a_record(tmp_path, value):
    """Columns in which all values are alike, values that are equal but not the same, and no record."""
    bare = dataclasses.replace(make("b", "Study.x", 0.0), record=None)
    for scores in ([make("a", "Study.x", value)], [bare]):
        results = fill(tmp_path / "results", scores)
        made, read = indexed(results).scores, indexed(results).scores
        assert len(read) == len(made)
        for one, other in zip(made, read, strict=True):
            assert vars(one).keys() == vars(other).keys()
            assert repr(vars(one)) == repr(vars(other))
    assert {str(score.value) for score in read} == {str(value), "0.0"}
    assert [score.record is None for score in read] == [False, True]
