"""Which stored scores are asked for."""

import shutil

import pytest
from stored import REAL, fill, make, of_all

from brainbench.core.errors import InputError, UnknownNameError
from brainbench.ranking.selection import Chosen, digits_of, one_stored, stored_in, summaries_in
from brainbench.storage.results import Results


@pytest.fixture
def results(tmp_path):
    scores = of_all("net@imagenet", REAL[:2], (0.1, 0.2)) + of_all(
        "net@untrained-0", REAL[:2], (0.3, 0.4)
    )
    scores += [make("pixels", REAL[0], 0.5, protocol="brainscore"), make("a[b]", REAL[0], 0.6)]
    return fill(tmp_path / "one", scores)


@pytest.mark.parametrize(
    ("chosen", "values"),
    [
        ({}, [0.1, 0.2, 0.3, 0.4, 0.5, 0.6]),
        ({"models": ["net"]}, [0.1, 0.2, 0.3, 0.4]),
        ({"models": ["net@imagenet,pixels"]}, [0.1, 0.2, 0.5]),
        ({"models": ["*@u*"], "benchmarks": ["*.IT-*"]}, [0.4]),
        ({"models": ["a[b]"]}, [0.6]),
        ({"protocol": "brainscore"}, [0.5]),
        ({"trained": True}, [0.1, 0.2, 0.5, 0.6]),
    ],
)
def test_what_is_asked_for(results, chosen, values):
    scores, problems = stored_in([results], Chosen(**chosen))
    assert sorted(score.value for score in scores) == values
    assert all(score.draws is not None for score in scores)
    assert problems == []


def test_nothing_that_is_asked_for(results, tmp_path):
    with pytest.raises(UnknownNameError, match="nett"):
        stored_in([results], Chosen(models=["nett"]))
    with pytest.raises(InputError, match="none of the 6"):
        stored_in([results], Chosen(models=["net"], protocol="brainscore"))
    with pytest.raises(InputError, match="nothing"):
        stored_in([Results(tmp_path / "nothing")], Chosen())


def test_folders_are_read_together_and_equal_files_count_once(results, tmp_path):
    shutil.copytree(results.folder, tmp_path / "copy")
    other = fill(tmp_path / "two", [make("new", REAL[0], 0.7)])
    scores, problems = summaries_in([results, Results(tmp_path / "copy"), other, results])
    assert sorted(score.value for score in scores) == [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7]
    assert problems == []


def test_a_folder_that_does_not_exist_is_named_and_hides_no_other(results, tmp_path):
    scores, [problem] = summaries_in([results, Results(tmp_path / "typo")])
    assert len(scores) == 6
    assert str(tmp_path / "typo") in problem


def test_two_folders_with_different_figures_of_one_key_say_so(results, tmp_path):
    fill(tmp_path / "two", of_all("net@imagenet", REAL[:1], (0.9,)))
    scores, [problem] = summaries_in([results, Results(tmp_path / "two")])
    assert "0.9" in problem
    assert "0.1" in problem
    assert 0.9 not in [score.value for score in scores]


def test_one_score_by_digits_or_file(results):
    scores, _ = summaries_in([results])
    for score in scores:
        for which in (digits_of(score), str(score.file)):
            assert one_stored([results], which).value == score.value
    with pytest.raises(UnknownNameError, match="xyz"):
        one_stored([results], "xyz")
    with pytest.raises(InputError, match="6 scores"):
        one_stored([results], "")
