"""Ranks of the leaderboard as intervals."""

import numpy as np
import pytest
from stored import REAL, fill, joint, make, of_all, together

from brainbench.ranking.ranks import board
from brainbench.run.loading import load_composites

MODELS = ("a@imagenet", "b@imagenet", "c@imagenet", "d@imagenet")
VALUES = (0.52, 0.50, 0.40, 0.30)


def members(models=MODELS, values=VALUES, *, own=0.02, seed=0, **more):
    """Scores on all members of mean-v1; behavior has no units, and draws of images alone."""
    scores = []
    for k, name in enumerate(REAL):
        drawn = joint(values, own=own, seed=seed + k)
        for model, value, draws in zip(models, values, drawn, strict=True):
            kept = {"images": draws["images"]} if name == REAL[2] else draws
            scores.append(make(model, name, value, joint_draws=kept, **more))
    return scores


def ranked(folder, scores):
    made = board(fill(folder, scores), load_composites("mean-v1"))
    return made, {row.model: row.rank_interval for row in made.rows}


def test_ranks_that_the_draws_allow(tmp_path):
    made, intervals = ranked(tmp_path, members())
    assert list(intervals.values()) == [(1, 2), (1, 2), (3, 3), (4, 4)]
    frame = made.to_frame()
    assert frame["rank_low"].tolist() == [1, 1, 3, 4]
    assert frame["rank_high"].tolist() == [2, 2, 3, 4]
    assert made.to_json()[1]["rank_high"] == 2


def test_old_scores_have_their_place_and_may_be_anywhere(tmp_path):
    _, intervals = ranked(tmp_path, members() + of_all("old@imagenet", REAL, (0.45,) * 4))
    assert intervals == {
        "a@imagenet": (1, 3),
        "b@imagenet": (1, 3),
        "old@imagenet": None,
        "c@imagenet": (3, 4),
        "d@imagenet": (4, 5),
    }


def test_without_any_joint_draws_there_are_places_alone(tmp_path):
    made, intervals = ranked(
        tmp_path, of_all("a", REAL, (0.4,) * 4) + of_all("b", REAL, (0.3,) * 4)
    )
    assert set(intervals.values()) == {None}
    assert made.to_frame()["rank_low"].isna().all()


def test_one_model_with_draws(tmp_path):
    old = of_all("old@imagenet", REAL, (0.45,) * 4)
    _, intervals = ranked(tmp_path, members(MODELS[:1], VALUES[:1]) + old)
    assert intervals == {"a@imagenet": (1, 2), "old@imagenet": None}
    _, intervals = ranked(tmp_path / "alone", old)
    assert intervals == {"old@imagenet": (1, 1)}


def test_other_settings_than_most_are_not_compared(tmp_path):
    scores = members(MODELS[:3], VALUES[:3])
    scores += members(MODELS[3:], VALUES[3:], settings={"seed": 1})
    _, intervals = ranked(tmp_path, scores)
    assert intervals["d@imagenet"] is None
    assert intervals["c@imagenet"] == (3, 4)


def test_untrained_models_are_in_no_family(tmp_path):
    scores = members() + members(("a@untrained-0",), (0.9,))
    _, intervals = ranked(tmp_path, scores)
    assert intervals["a@untrained-0"] is None
    assert intervals["a@imagenet"] == (1, 2)


def test_the_raw_figure_of_another_formula_has_no_draws(tmp_path):
    scores = [*members()[:-1], make(MODELS[3], REAL[3], 0.1, raw=0.3, formula="r2/c-v1")]
    _, intervals = ranked(tmp_path, scores)
    assert intervals[MODELS[3]] is None


def test_what_images_do_to_all_members_at_once_counts(tmp_path):
    """Members that share their draws: the composite varies as each of them, not half as much."""
    drawn = joint(VALUES[:2], own=0.006)
    scores = [
        make(model, name, value, joint_draws=draws)
        for name in REAL
        for model, value, draws in zip(MODELS[:2], VALUES[:2], drawn, strict=True)
    ]
    _, intervals = ranked(tmp_path / "same", scores)
    assert intervals[MODELS[0]] == (1, 2)
    apart = [
        s
        for k, name in enumerate(REAL)
        for s in together(MODELS[:2], name, VALUES[:2], own=0.006, seed=k)
    ]
    _, intervals = ranked(tmp_path / "apart", apart)
    assert intervals[MODELS[0]] == (1, 1)


@pytest.mark.parametrize("lengths", [(200, 100)])
def test_members_with_other_numbers_of_draws(tmp_path, lengths):
    scores = members()
    short = {kind: column[: lengths[1]] for kind, column in (scores[0].joint_draws or {}).items()}
    scores[0] = make(MODELS[0], REAL[0], VALUES[0], joint_draws=short, draws=np.zeros(200))
    _, intervals = ranked(tmp_path, scores)
    assert intervals[MODELS[0]] is None
