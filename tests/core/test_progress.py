import pytest
from recorded_notes import RecordedNotes

from brainbench.core import progress


def test_the_library_is_silent(capsys):
    with progress.current().task("work", 10) as advance:
        advance(3)
    progress.current().note("done")
    assert capsys.readouterr() == ("", "")


def test_a_reporter_is_in_use_within_its_block_only():
    outer, inner = RecordedNotes(), RecordedNotes()
    with progress.use(outer):
        progress.current().note("a")
        with progress.use(inner):
            progress.current().note("b")
        progress.current().note("c")
    progress.current().note("d")
    assert outer.notes == ["a", "c"]
    assert inner.notes == ["b"]


def test_an_error_does_not_leave_a_reporter_in_use():
    before = progress.current()
    with pytest.raises(KeyboardInterrupt), progress.use(RecordedNotes()):
        raise KeyboardInterrupt
    assert progress.current() is before
