"""What is stored: a failure never replaces a figure."""

import errno
import os
from pathlib import Path

import pytest
from brainbench_fake import MeanActivation, declare
from runs import scores, spec_of

from brainbench.core.errors import CacheError, DataAbsentError, NotApplicableError, StimulusError
from brainbench.storage.results import Results

IT = declare("Fake.IT-pls")


def fails_later(monkeypatch, error):
    def target(self, context):
        raise error

    monkeypatch.setattr(MeanActivation, "target", target)


LATER = {
    "own error": (StimulusError("x", allowed="y", todo="z"), "failed"),
    "foreign error": (ZeroDivisionError("division by zero"), "failed"),
    "full disk": (CacheError("no space left", allowed="room", todo="free some space"), "failed"),
    "no memory": (MemoryError("no room"), "failed"),
    "data gone": (DataAbsentError("a file is gone", allowed="it", todo="get it"), "data_absent"),
    "not defined": (NotApplicableError("r/c", allowed="raw", todo="raw"), "not_applicable"),
}


@pytest.mark.parametrize(("error", "status"), LATER.values(), ids=LATER)
def test_a_failure_never_replaces_a_figure(tmp_path, monkeypatch, error, status):
    [before] = scores([spec_of()], [IT], results=tmp_path)
    whole = Path(before.file).read_bytes()
    fails_later(monkeypatch, error)
    for _ in range(2):
        [after] = scores([spec_of()], [IT], results=tmp_path, overwrite="always")
        assert (after.status, after.value, after.file) == (status, None, None)
        assert Path(before.file).read_bytes() == whole
        assert (before.file in after.reason) == (status == "failed")
    [found] = scores([spec_of()], [IT], results=tmp_path)
    assert found.value == before.value


def test_ctrl_c_never_replaces_a_figure(tmp_path, monkeypatch):
    [before] = scores([spec_of()], [IT], results=tmp_path)
    fails_later(monkeypatch, KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        list(scores([spec_of()], [IT], results=tmp_path, overwrite="always"))
    [found] = scores([spec_of()], [IT], results=tmp_path)
    assert found.value == before.value


@pytest.mark.parametrize("misbehavior", ["", "fails"])
def test_a_figure_that_cannot_be_stored_replaces_nothing(tmp_path, monkeypatch, misbehavior):
    [before] = scores([spec_of()], [IT], results=tmp_path)
    monkeypatch.setenv("FAKE_Fake_IT-pls", misbehavior)

    def full(source, target):
        raise OSError(errno.ENOSPC, "No space left on device", str(target))

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", full)
        [after] = scores([spec_of()], [IT], results=tmp_path, overwrite="always")
    assert (after.value is None, after.file) == (misbehavior == "fails", None)
    assert Results(tmp_path).read(Path(before.file)).value == before.value


def test_a_failure_replaces_a_failure_and_no_damaged_file(tmp_path, monkeypatch):
    [before] = scores([spec_of()], [IT], results=tmp_path)
    file = Path(before.file)
    file.write_text(file.read_text().replace('"n_units": 4', '"n_units": 5'))
    damaged = file.read_bytes()
    fails_later(monkeypatch, ZeroDivisionError("one"))
    [after] = scores([spec_of()], [IT], results=tmp_path)
    assert after.failed
    assert file.read_bytes() == damaged  # a figure may be read from it
    file.unlink()
    list(scores([spec_of()], [IT], results=tmp_path))
    fails_later(monkeypatch, ZeroDivisionError("other"))
    [last] = scores([spec_of()], [IT], results=tmp_path)
    assert "other" in Results(tmp_path).read(file).reason
    assert last.file == str(file)


def test_a_stored_failure_keeps_type_message_and_the_end_of_its_traceback(tmp_path):
    [score] = scores([spec_of()], [declare("Fake.x", "crashes")], results=tmp_path)
    failure = Results(tmp_path).read(Path(score.file)).record.failure
    assert (failure["type"], failure["message"]) == ("ZeroDivisionError", "division by zero")
    assert failure["traceback"].endswith("ZeroDivisionError: division by zero")
    assert "_misbehave" in failure["traceback"]
    assert len(failure["traceback"].splitlines()) <= 20
