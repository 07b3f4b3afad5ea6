"""Reads in a child process: whatever happens to it is an error of the project here."""

import os

import guarded_reads
import pytest

from brainbench.core.errors import InputError, StimulusError
from brainbench.storage.guarded import read_guarded


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "file.nc"
    path.write_text("content")
    return path


def test_the_result_is_a_file_of_the_block(path):
    with read_guarded(guarded_reads.copy, path, allowed="a text", suffix=" and more") as target:
        assert target.read_text() == "content and more"
    assert not target.exists()


@pytest.mark.parametrize(
    ("read", "named"),
    [
        (guarded_reads.crash, "signal 11"),
        (guarded_reads.block, r"0\.5 s"),
        (guarded_reads.grow, "4 GB"),
        (guarded_reads.raise_foreign, "OverflowError: of some library"),
        (guarded_reads.print_much, "KeyError"),
    ],
)
def test_a_file_that_its_reader_does_not_survive(path, read, named):
    seconds = 0.5 if read is guarded_reads.block else None
    with (
        pytest.raises(InputError, match=named) as caught,
        read_guarded(read, path, allowed="a whole file", seconds=seconds),
    ):
        raise AssertionError
    assert str(path) in caught.value.got
    assert caught.value.allowed == "a whole file"


def test_what_is_no_file_is_not_opened(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe", tmp_path / "absent"):
        with (
            pytest.raises(InputError, match=str(path)),
            read_guarded(guarded_reads.copy, path, allowed="a text", suffix=""),
        ):
            raise AssertionError


def test_an_error_of_the_project_is_raised_here(path):
    with (
        pytest.raises(StimulusError) as caught,
        read_guarded(guarded_reads.raise_own, path, allowed="a whole file"),
    ):
        raise AssertionError
    assert (caught.value.got, caught.value.todo) == ("an odd file", "look")
