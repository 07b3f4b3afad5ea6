"""What the program says about groups of images and about few animals."""

import json

import pytest
from stored import fill, make, together

from brainbench.cli.console import footnotes
from brainbench.core.marks import THESE_ANIMALS
from brainbench.core.settings import Settings

NAME = "MajajHong2015.IT-pls"


def test_scores_by_groups_are_kept_apart(call, results_folder):
    shared = ("-m", "fake@untrained-0", "-b", "Fake.IT-pls", "--format", "json", "-q")
    plain, grouped = (
        json.loads(call("score", *shared, *more).out)[0] for more in ((), ("--groups", "auto"))
    )
    assert (plain["protocol"], grouped["protocol"]) == ("paper", "paper+groups")
    assert plain["file"] != grouped["file"]
    assert "paper+groups" in grouped["file"]
    board = json.loads(call("leaderboard", "--protocol", "paper+groups", "--format", "json").out)
    assert [row["model"] for row in board] == ["fake@untrained-0"]
    wrong = call("score", *shared, "--groups", "films")
    assert wrong.status == 1
    assert "films" in wrong.out


def test_too_few_animals_are_named_in_every_table(call, results_folder):
    scores = together(["a", "b"], NAME, (0.5, 0.3), n_animals=2)
    fill(results_folder, scores)
    assert THESE_ANIMALS in call("leaderboard").out
    assert THESE_ANIMALS in call("compare", "a", "b", "-b", NAME).out
    assert THESE_ANIMALS in footnotes(scores, Settings())


@pytest.mark.parametrize("n", [None, 3])
def test_nothing_is_said_of_enough_or_unnamed_animals(call, results_folder, n):
    scores = together(["a", "b"], NAME, (0.5, 0.3), n_animals=n)
    fill(results_folder, scores)
    for done in (call("leaderboard"), call("compare", "a", "b", "-b", NAME)):
        assert "these animals" not in done.out


def test_the_mean_over_animals_has_its_line():
    over = {"n_animals": 3, "mean": 0.4, "ci": [0.2, 0.6], "ci_method": "jackknife"}
    score = make("a", NAME, 0.5, n_animals=3, figures={"over_animals": over})
    (line,) = [text for text in footnotes([score], Settings()) if "over 3 animals" in text]
    over["population"] = "people"
    assert sum("over 3 people" in text for text in footnotes([score], Settings())) == 1
    assert all(figure in line for figure in (".400", ".200 to .600", NAME))


def test_animals_as_a_reference_have_one_line_for_all_models():
    reference = {
        "animals": ["a", "b"],
        "raw": {"value": 0.5, "ci": [0.4, 0.6]},
        "r/sqrt(c)": {"value": 0.61, "ci": None},
        "corrected": 0.7,
    }
    scores = [make(name, NAME, 0.3, figures={"animals": reference}) for name in ("x", "y")]
    (line,) = [text for text in footnotes(scores, Settings()) if text.startswith("reference")]
    assert "(a, b)" in line
    assert "raw .500 (95 % CI ≈ .400 to .600), r/sqrt(c) .610, corrected" in line
    assert line.endswith(".700; no ceiling")
    refused = make("x", NAME, 0.3, figures={"animals": {"reason": "a and b share no picture"}})
    (line,) = [text for text in footnotes([refused], Settings()) if "no reference" in text]
    assert line.endswith("a and b share no picture")
