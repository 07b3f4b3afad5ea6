"""Published scores: the table is that of the publication, and gives its composite and correlations."""

import pandas as pd
import pytest
from stored import CORNET_S, REAL, fill, of_all

from brainbench.core.errors import InputError
from brainbench.ranking.published import MEMBERS, published_scores, published_table
from brainbench.ranking.ranks import board
from brainbench.run.loading import load_composites
from brainbench.storage.results import Results


def test_the_table_is_that_of_the_publication(shared):
    theirs = pd.read_csv(shared("oracle/published/neurips2019_scores.csv"))
    ours = published_table()
    names = {
        "Model": "model",
        "ImageNet": "imagenet_top1",
        "CIFAR-100": "cifar100",
        "Behavior": "behavior",
    }
    names |= {"IT (new data)": "IT_new_data", "IT (new images)": "IT_new_images", "Depth": "depth"}
    names |= {
        "Behavior (new data)": "behavior_new_data",
        "Brain-Score": "brain_score",
        "Paper": "paper",
    }
    pd.testing.assert_frame_equal(theirs.rename(columns=names)[list(ours.columns)], ours)


def test_the_composite_is_that_of_the_table_in_the_238_complete_rows(tmp_path):
    made = board(Results(tmp_path), load_composites("mean-v1"), published=True)
    table = published_table().set_index("model")["brain_score"]
    complete = {
        row.model: row.combined.value for row in made.rows if row.combined.value is not None
    }
    assert (len(made.rows), len(complete), table.notna().sum()) == (243, 238, 238)
    for model, value in complete.items():
        assert value == pytest.approx(table[model], abs=1e-12)
    assert [row.model for row in made.rows][:2] == ["CORnet-S", "DenseNet-169"]
    assert {row.rank for row in made.rows} == {None}
    assert all(row.published and not row.digest for row in made.rows)


@pytest.mark.parametrize(
    ("one", "other", "n", "r"),
    [
        ("IT", "IT_new_data", 44, 0.870),
        ("IT", "IT_new_images", 44, 0.568),
        ("behavior", "behavior_new_data", 44, 0.851),
        ("brain_score", "cifar100", 35, 0.645),
        ("imagenet_top1", "brain_score", 214, 0.899),  # figure 1, below 70 % top-1
    ],
)
def test_correlations_of_figure_2(one, other, n, r):
    table = published_table()
    table = table[table["model"] != "CORnet-S"]
    if one == "imagenet_top1":
        table = table[table[one] < 0.7]
    pair = table[[one, other]].dropna()
    assert len(pair) == n
    assert pair.corr().iloc[0, 1] == pytest.approx(r, abs=5e-4)


def test_published_rows_stand_below_those_with_a_rank_and_have_none(tmp_path):
    results = fill(tmp_path, of_all("net@imagenet", REAL, (0.1, 0.1, 0.1, 0.1)))
    made = board(results, load_composites(), published=True)
    assert made.composite.name == "mean-v1"
    assert [(row.rank, row.model) for row in made.rows[:2]] == [
        (1, "net@imagenet"),
        (None, "CORnet-S"),
    ]
    assert made.to_frame()["published"].tolist() == [False, *[True] * 243]
    assert made.rows[1].combined.value == pytest.approx(sum(CORNET_S) / 4, abs=1e-3)


def test_published_scores_have_neither_ceiling_nor_interval():
    assert {score.benchmark for score in published_scores()} == set(MEMBERS.values())
    assert all((s.ceiling, s.ci, s.record) == (None, None, None) for s in published_scores())


def test_a_composite_without_published_members(tmp_path):
    with pytest.raises(InputError, match=r"Simulated\.mean-v1"):
        board(Results(tmp_path), load_composites("Simulated.mean-v1"), published=True)
