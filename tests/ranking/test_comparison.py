"""Stored scores compared: which may be, what is missing, differences, families, seeds, exchanges."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from stored import fill, joint, make, together

from brainbench.core.errors import InputError, UnknownNameError
from brainbench.ranking.comparison import MODEL_COLUMNS, PAIR_COLUMNS, compare_stored
from brainbench.storage.results import Results

IT, V4 = "Study.IT-pls", "Study.V4-pls"
ABC = ("a", "b", "c")
VALUES = (0.50, 0.42, 0.415)


@pytest.fixture
def three(tmp_path):
    scores = together(ABC, IT, VALUES) + together(ABC, V4, (0.3, 0.31, 0.2), seed=1)
    return fill(tmp_path / "results", scores)


def compare(tmp_path, scores, models=ABC, benchmarks=(IT,), **options):
    return compare_stored(fill(tmp_path / "results", scores), models, benchmarks, **options)


def test_pairs_ranks_and_letters(three):
    made = compare_stored(three, ABC, [IT])
    frame = made.to_frame()
    assert tuple(frame.columns) == PAIR_COLUMNS
    assert frame[["model", "other"]].values.tolist() == [["a", "b"], ["a", "c"], ["b", "c"]]
    assert frame["significant"].tolist() == [True, True, False]
    np.testing.assert_allclose(frame["difference"], [0.08, 0.085, 0.005])
    se = 2**0.5 * 0.005 * 2**0.5  # own parts over images and units, of two models
    width = (frame["ci_high"] - frame["ci_low"]) / 2
    np.testing.assert_allclose(width, 1.96 * se, rtol=0.2)
    assert (frame["family_high"] - frame["family_low"] > 2 * width).all()
    np.testing.assert_allclose(frame["smallest_seen"], (2.4 + 0.84) * se, rtol=0.2)
    assert frame["p"].isna().all()
    ranks = made.ranks()
    assert tuple(ranks.columns) == MODEL_COLUMNS
    assert ranks[["rank_low", "rank_high"]].values.tolist() == [[1, 1], [2, 3], [2, 3]]
    assert ranks["letters"].tolist() == ["a", "b", "b"]
    assert (made.family.n, made.missing, made.notes) == (3, (), ())


def test_the_family_is_all_that_was_asked_for(three):
    assert compare_stored(three, ABC).family.n == 6
    assert compare_stored(three, ["a,b"], ["Study.*"]).family.n == 2
    alone, family = (compare_stored(three, m, [IT]).family.critical for m in (["a", "b"], ABC))
    assert family > alone


def test_the_order_of_models_turns_signs_and_nothing_else(three):
    one = compare_stored(three, ["a", "b"], [IT]).to_frame().iloc[0]
    other = compare_stored(three, ["b", "a"], [IT]).to_frame().iloc[0]
    assert one["difference"] == -other["difference"]
    assert (one["ci_low"], one["ci_high"]) == pytest.approx((-other["ci_high"], -other["ci_low"]))
    assert one["significant"] == other["significant"]


def test_readable_and_plain(three):
    made = compare_stored(three, ABC, [IT])
    assert repr(made) == made.summary()
    assert all(word in repr(made) for word in (IT, "0.500", "0.080", "3 comparisons", "ab"[0]))
    plain = made.to_json()
    assert plain["family"]["comparisons"] == 3
    assert plain["pairs"][0]["p"] is None
    assert [row["letters"] for row in plain["models"]] == ["a", "b", "b"]


def test_wildcards_are_among_the_stored_names(three):
    assert compare_stored(three, ["[ab]"], ["*.IT-*"]).models == ("a", "b")
    assert compare_stored(three, ["all"]).models == ABC
    for models, benchmarks in ((["x*"], ["all"]), (["all"], ["x*"])):
        with pytest.raises(UnknownNameError):
            compare_stored(three, models, benchmarks)


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({"version": 1, "settings": {"seed": 3}}, "seed 3, not 0"),
        ({"version": 2}, "version 2, not 1"),
        ({"data": "2026"}, "data 2026, not 1"),
        ({"formula": "r2/c-v1"}, "formula r2/c-v1, not raw-v1"),
        ({"settings": {"floor": 0.3}}, "floor 0.3, not None"),
        ({"settings": {"resample": "images"}}, "resample images, not both"),
        ({"settings": {"limit": 64}, "partial": True, "n_stimuli": 64}, "64 images, not 0"),
        ({"hashes": {"stimuli": "f" * 64}}, "SHA-256 ffffffff, not None"),
        ({"hashes": {"target": "e" * 64}}, "responses, SHA-256 eeeeeeee, not None"),
    ],
)
def test_scores_of_other_conditions_are_refused(tmp_path, other, said):
    scores = together("ab", IT, VALUES[:2]) + together("c", IT, VALUES[2:], **other)
    made = compare(tmp_path, scores)
    assert made.benchmarks[0].models == ("a", "b")
    [missing] = made.missing
    assert missing.model == "c"
    assert said in missing.reason
    assert "brainbench score -m c -b Study.IT-pls" in missing.command
    with pytest.raises(InputError, match="nothing to compare"):
        compare_stored(Results(tmp_path / "results"), ["a", "c"], [IT])


def test_two_scores_of_which_neither_condition_is_the_usual_one(tmp_path):
    scores = together("a", IT, [0.5]) + together("b", IT, [0.4], version=2)
    with pytest.raises(InputError, match="version 1, not 2") as caught:
        compare(tmp_path, scores, ["a", "b"])
    assert "score -m a -b Study.IT-pls" in caught.value.todo


def test_scores_by_other_groups_are_not_compared(tmp_path):
    grouped = {"protocol": "paper+groups", "settings": {"groups": "film"}}
    other = {**grouped, "settings": {"groups": "auto"}}
    scores = together("ab", IT, VALUES[:2], **grouped) + together("c", IT, [0.4], **other)
    made = compare(tmp_path, scores, protocol="paper+groups")
    assert made.benchmarks[0].conditions.groups == "film"
    (missing,) = made.missing
    assert "--groups film" in missing.command
    assert "+groups" not in missing.command
    alone = [make(name, IT, 0.5, **grouped) for name in ABC]
    with pytest.raises(InputError, match="--groups auto"):
        compare(tmp_path / "other", alone, protocol="paper+groups")


def test_another_protocol_is_not_compared(tmp_path):
    scores = together("ab", IT, VALUES[:2], protocol="brainscore") + together("c", IT, [0.4])
    made = compare(tmp_path, scores, protocol="brainscore")
    assert made.benchmarks[0].conditions.protocol == "brainscore"
    [missing] = made.missing
    assert "--protocol brainscore" in missing.command


def test_the_newest_version_of_what_all_have(tmp_path):
    scores = together(ABC, IT, VALUES) + together(ABC, IT, (0.1, 0.2, 0.3), version=2)
    assert compare(tmp_path, scores).to_frame()["value"].tolist() == [0.1, 0.1, 0.2]


def test_a_score_of_an_older_version_of_the_program_has_no_joint_draws(tmp_path):
    made = compare(tmp_path, [*together("ab", IT, VALUES[:2]), make("c", IT, 0.4)])
    [missing] = made.missing
    assert missing.command.endswith("--overwrite always")


def test_what_was_not_scored_or_failed(tmp_path):
    scores = [*together("ab", IT, VALUES[:2]), make("c", IT, None)]
    made = compare(tmp_path, scores, (*ABC, "my net"))
    assert [one.model for one in made.missing] == ["c", "my net"]
    assert "12 images for 25 components" in made.missing[0].reason
    assert "score -m 'my net' -b Study.IT-pls" in made.missing[1].command


def test_a_wildcard_of_models_is_of_those_on_the_benchmarks(tmp_path):
    scores = together(ABC, IT, VALUES) + together("de", V4, VALUES[:2])
    made = compare(tmp_path, scores, ["all"])
    assert (made.models, made.missing) == (ABC, ())
    made = compare_stored(Results(tmp_path / "results"), ["all"])
    assert len(made.missing) == 5
    assert "4 comparisons of 5 models on 2 benchmarks" in repr(made)


def test_one_model_is_not_compared(three):
    with pytest.raises(InputError, match="1 model"):
        compare_stored(three, ["a"], [IT])


def test_two_versions_of_a_model_must_be_named(tmp_path):
    old, new = "1" * 64, "2" * 64
    scores = together("ab", IT, VALUES[:2]) + [
        make("c", IT, value, joint_draws=draws, digest=digest)
        for value, digest, draws in zip((0.3, 0.4), (old, new), joint((0.3, 0.4)), strict=True)
    ]
    made = compare(tmp_path, scores)
    [missing] = made.missing
    assert "c#11111111, c#22222222" in missing.reason
    assert missing.command is None
    made = compare_stored(Results(tmp_path / "results"), ["c#1111", "c#2222"], [IT])
    assert made.to_frame()[["model", "value"]].values.tolist() == [["c#1111", 0.3]]
    assert made.to_frame()["other_value"].tolist() == [0.4]


def test_a_layer_that_the_user_chose_does_not_hide_the_usual_score(tmp_path):
    scores = together(ABC, IT, VALUES)
    scores += together("a", IT, [0.1], settings={"layers": {"IT": "conv1"}})
    assert compare(tmp_path, scores).to_frame()["value"][0] == 0.5
    scores = together("bc", IT, VALUES[1:])
    for layer, value in (("conv1", 0.1), ("conv2", 0.2)):
        scores += together("a", IT, [value], settings={"layers": {"IT": layer}})
    made = compare(tmp_path / "two", scores)
    assert "conv1" in made.missing[0].reason
    assert "0.2000" in made.missing[0].reason


# --- seeds -------------------------------------------------------------------------------------------


def seeds(*values):
    names = [f"net@untrained-{k}" for k in range(len(values))]
    return together((*names, "b"), IT, (*values, 0.40))


def test_the_seed_is_random(tmp_path):
    values = (0.50, 0.44, 0.47)
    made = compare(tmp_path, seeds(*values), ["net@untrained-0..2", "b"])
    row = made.to_frame().iloc[0]
    assert (row["model"], row["value"]) == ("net@untrained-0..2", pytest.approx(np.mean(values)))
    [of_net, of_b] = made.ranks().to_dict("records")
    assert (of_net["n_seeds"], of_b["n_seeds"]) == (3, 1)
    assert of_net["seed_sd"] == pytest.approx(np.std(values, ddof=1))
    # Between seeds alone: t(2) sqrt(variance / 3); images and sites add little.
    half = (row["ci_high"] - row["ci_low"]) / 2
    assert half > 4.303 * np.std(values, ddof=1) / 3**0.5
    assert not row["significant"]
    one = compare_stored(Results(tmp_path / "results"), ["net@untrained-2", "b"], [IT])
    assert one.to_frame()["significant"].tolist() == [True]
    assert "these weights" in one.notes[0]
    assert "net@untrained-0..4" in one.notes[0]
    assert "2 degrees" in made.notes[0]
    first = compare_stored(Results(tmp_path / "results"), ["net@untrained-0..0", "b"], [IT])
    assert first.models == ("net@untrained-0", "b")


def test_a_missing_seed_is_named(tmp_path):
    with pytest.raises(InputError, match="net@untrained-3") as caught:
        compare(tmp_path, seeds(0.5, 0.44, 0.47), ["net@untrained-0..3", "b"])
    assert "score -m net@untrained-3 -b" in caught.value.todo


def test_a_network_in_two_models_is_refused(tmp_path):
    for others in (["net@untrained-1"], ["net@untrained-1..2"]):
        with pytest.raises(InputError, match=r"net@untrained-1 in both net@untrained-0\.\.2 and"):
            compare(tmp_path, seeds(0.5, 0.44, 0.47), ["net@untrained-0..2", *others])
    compare(tmp_path, seeds(0.5, 0.44, 0.47), ["net@untrained-0..1", "net@untrained-2"])


# --- exchanges ---------------------------------------------------------------------------------------


def predicting(models, *, quality, n=60, sites=6, shift=0.0, **more):
    """Scores whose raw figures and predictions belong together."""
    rng = np.random.default_rng(0)
    target, folds = rng.standard_normal((n, sites)), np.arange(n) // 12
    scores = []
    for model, q, draws in zip(models, quality, joint(quality), strict=True):
        predicted = q * target + rng.standard_normal((n, sites))
        r = [
            [
                np.corrcoef(predicted[folds == f, s], target[folds == f, s])[0, 1]
                for s in range(sites)
            ]
            for f in range(5)
        ]
        value = float(np.median(np.mean(r, axis=0)))
        dims = ("sample", "neuroid")
        coords = {
            "fold": ("sample", folds),
            "stimulus_id": ("sample", [f"image{k:02d}" for k in range(n)]),
            "neuroid_id": ("neuroid", [f"site{k}" for k in range(sites)]),
        }
        held_out = xr.Dataset({"predicted": (dims, predicted), "target": (dims, target)}, coords)
        per_unit = xr.DataArray(np.mean(r, axis=0), dims="neuroid", attrs={"units": "Pearson r"})
        more |= {"raw": value + shift * len(scores), "predictions": held_out}
        scores.append(make(model, IT, value, joint_draws=draws, per_unit=per_unit, **more))
    return scores


def test_permutation_of_each_pair(tmp_path):
    scores = predicting(ABC, quality=(1.5, 0.3, 0.3))
    made = compare(tmp_path, scores, test="permutation", n_exchanges=199)
    frame = made.to_frame()
    assert frame["p"][:2].tolist() == [0.005, 0.005]
    assert frame["p"][2] > 0.05
    assert frame["p_holm"].tolist() == pytest.approx([0.015, 0.015, frame["p"][2]])
    assert frame["fdr_bh"][0] == pytest.approx(0.0075)
    assert frame["fdr_by"][0] == pytest.approx(0.0075 * (1 + 1 / 2 + 1 / 3))
    assert "199 exchanges" in made.notes[0]
    assert len(made.notes) == 1


def test_too_few_exchanges_to_reject_anything_are_said(tmp_path):
    scores = predicting(ABC, quality=(1.5, 0.3, 0.3))
    made = compare(tmp_path, scores, test="permutation", n_exchanges=39)
    assert "39 exchanges cannot reject any of 3 comparisons" in made.notes[1]
    assert "59 are needed" in made.notes[1]


@pytest.mark.parametrize(
    ("scores", "said"),
    [
        (together("ab", IT, VALUES[:2]), "held-out predictions"),
        (predicting("ab", quality=(1.5, 0.3), shift=0.01), "raw figures"),
    ],
)
def test_pairs_that_cannot_be_exchanged(tmp_path, scores, said):
    made = compare(tmp_path, scores, ["a", "b"], test="permutation", n_exchanges=9)
    assert made.to_frame()["p"].isna().all()
    assert said in made.notes[0]


def test_seeds_are_not_exchanged(tmp_path):
    names = ("net@untrained-0", "net@untrained-1", "b")
    scores = predicting(names, quality=(1.5, 1.4, 0.3))
    made = compare(tmp_path, scores, ["net@untrained-0..1", "b"], test="permutation", n_exchanges=9)
    assert "seeds" in made.notes[1]


def test_predictions_that_are_gone(tmp_path):
    results = fill(tmp_path / "results", predicting("ab", quality=(1.5, 0.3)))
    for path in (tmp_path / "results" / "predictions").iterdir():
        path.unlink()
    made = compare_stored(results, ["a", "b"], [IT], test="permutation", n_exchanges=9)
    assert str(tmp_path / "results" / "predictions") in made.notes[0]


def test_unreadable_files_are_named_and_hide_nothing(three):
    (three.folder / IT / "broken.json").write_text("{")
    made = compare_stored(three, ABC, [IT])
    assert made.family.n == 3
    assert "broken.json" in made.notes[0]


def test_a_csv_has_the_same_figures(three, tmp_path):
    frame = compare_stored(three, ABC).to_frame()
    frame.to_csv(tmp_path / "pairs.csv", index=False)
    back = pd.read_csv(tmp_path / "pairs.csv")
    np.testing.assert_allclose(back["ci_low"], frame["ci_low"], rtol=1e-12)
