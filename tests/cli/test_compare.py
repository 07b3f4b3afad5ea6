"""`brainbench compare`: what it prints, names as missing, and writes."""

import json

import pandas as pd
import pytest
from stored import REAL, fill, joint, make, together

import brainbench
from brainbench.core.errors import UnknownNameError

MODELS = ("efficientnet_lite0@imagenet", "pixels", "cornet_s@untrained-0")


@pytest.fixture
def three(results_folder):
    scores = together(MODELS, "Simulated.IT-pls", (0.5, 0.42, 0.415), n_stimuli=160)
    return fill(results_folder, [*scores, make("gabor", "Simulated.V4-pls", 0.3)]).folder


def test_the_whole_picture_in_80_columns(three, narrow):
    lines = narrow("compare", *MODELS, "-b", "Simulated.IT-pls")
    assert max(map(len, lines)) <= 80
    assert (
        lines
        == """\
Simulated.IT-pls ~, raw-v1, 160 images
   model                        score    rank  letters
1  efficientnet_lite0@imagenet   .500       1        a
2  pixels                        .420  2 to 3        b
3  cornet_s@untrained-0          .415  2 to 3        b

pair   differ  difference        95 % CI  sees
1 - 2  yes           .080   .060 to .100  .032
1 - 3  yes           .085   .065 to .105  .030
2 - 3                .005  -.013 to .023  .033

family: 3 comparisons of 3 models on Simulated.IT-pls; in 95 % of all cases no
    difference is wrongly called one, and all ranks hold
rank: every place that the data allow; a shared letter: no significant
    difference
95 % CI of each comparison alone, so that it may disagree with `differ`; sees:
    the difference that is found with a chance of 80 %
~ simulated brain: no animal was recorded
cornet_s@untrained-0: one seed, so that the claim is about these weights;
    cornet_s@untrained-0..4 makes it one about the network""".splitlines()
    )


def test_json_csv_and_python_agree(three, call, tmp_path):
    done = call("compare", ",".join(MODELS), "--format", "json", "--csv", tmp_path / "pairs.csv")
    assert done.status == 0
    printed = json.loads(done.out)
    assert [row["rank_high"] for row in printed["models"]] == [1, 3, 3]
    made = brainbench.compare(list(MODELS), results=three)
    assert made.to_json() == printed
    assert pd.read_csv(tmp_path / "pairs.csv")["difference"].tolist() == pytest.approx(
        made.to_frame()["difference"].tolist()
    )
    assert "Simulated.IT-pls" in repr(made)


def test_a_name_without_weights_stands_for_those_that_were_scored(three, results_folder, call):
    done = call("compare", "efficientnet_lite0", "pixels", "-b", "Simulated.IT-pls")
    assert done.status == 0
    assert "efficientnet_lite0@imagenet" in done.out
    fill(results_folder, [make("efficientnet_lite0@untrained-0", "Simulated.IT-pls", 0.1)])
    done = call("compare", "efficientnet_lite0", "pixels", "-b", "Simulated.IT-pls")
    assert done.status == 2
    assert "efficientnet_lite0@imagenet, efficientnet_lite0@untrained-0" in done.err


def test_what_is_missing_is_named_and_ends_with_1(three, call):
    done = call("compare", *MODELS, "gabor", "-b", "Simulated.IT-pls")
    assert done.status == 1
    assert "brainbench score -m gabor -b Simulated.IT-pls" in done.out
    done = call("compare", "gabor", "pixels", "-b", "Simulated.V4-pls")
    assert done.status == 2
    assert "brainbench score -m pixels -b Simulated.V4-pls" in done.err.replace("\n", " ")


def test_scores_over_few_groups_of_images_are_not_to_be_made_again(three, results_folder, call):
    films = {"by_group": {"film0": 0.1, "film1": 0.3, "film2": 0.2}}
    fill(results_folder, [make("pixels", "Simulated.V2-pls", 0.2, figures=films)])
    done = call("compare", "pixels", "gabor", "-b", "Simulated.V2-pls")
    assert done.status == 2
    assert "fewer than 20 groups of images" in done.err
    assert "-m pixels" not in done.err
    assert "-m gabor" in done.err


def test_many_missing_scores_are_counted(three, call):
    done = call("compare", *MODELS, *(f"m{k:02d}" for k in range(12)), "-b", "Simulated.IT-pls")
    assert done.out.count("missing: ") == 11
    assert "missing: 2 more" in done.out


def test_more_than_ten_models_have_ranks_and_no_pairs(results_folder, call):
    models = [f"m{k:02d}" for k in range(11)]
    fill(results_folder, together(models, "Simulated.IT-pls", [0.3 + 0.02 * k for k in range(11)]))
    done = call("compare", "all")
    assert "1 - 2" not in done.out
    assert "m10" in done.out
    assert "--csv" in done.out


def test_a_csv_is_safe_to_open(results_folder, call, tmp_path):
    fill(results_folder, together(("=cmd()", "b"), "Simulated.IT-pls", (0.5, 0.3)))
    call("compare", "=cmd()", "b", "--csv", tmp_path / "pairs.csv")
    assert "'=cmd()" in (tmp_path / "pairs.csv").read_text()


def test_a_file_that_cannot_be_read_is_named(three, call):
    path = three / "Simulated.IT-pls" / "x.json"
    path.write_text("{")
    done = call("compare", *MODELS)
    assert done.status == 0
    assert "omitted" in done.out
    assert path.name in done.out


@pytest.mark.parametrize(
    "wrong", [["--test", "t"], ["--protocol", "x"], ["--format", "x"], ["-b", "x*"]]
)
def test_wrong_usage(three, call, wrong):
    assert call("compare", *MODELS, *wrong).status == 2


def test_wrong_words_in_python(three):
    for wrong in ({"test": "t"}, {"protocol": "x"}):
        with pytest.raises(UnknownNameError):
            brainbench.compare(list(MODELS), results=three, **wrong)


def test_the_leaderboard_shows_ranks_as_intervals(results_folder, narrow):
    models = ("a@imagenet", "b@imagenet", "c@imagenet")
    scores = [
        make(model, name, value, joint_draws=draws)
        for k, name in enumerate(REAL)
        for model, value, draws in zip(
            models, (0.52, 0.51, 0.3), joint((0.52, 0.51, 0.3), own=0.02, seed=k), strict=True
        )
    ]
    fill(results_folder, [*scores, *(make("old@imagenet", name, 0.2) for name in REAL)])
    lines = narrow("leaderboard")
    assert max(map(len, lines)) <= 80
    shown = [line[:20].rstrip() for line in lines[4:8]]
    assert shown == [
        "1 to 3  a@imagenet",
        "1 to 3  b@imagenet",
        "3 to 4  c@imagenet",
        "4 §     old@imagenet",
    ]
    assert any(line.startswith("§") for line in lines)


def test_a_name_without_weights_is_that_of_the_stored_scores(call, results_folder):
    models = ["net@imagenet", "pixels"]
    fill(results_folder, together(models, "Simulated.V4-pls", [0.5, 0.1]))
    done = call("compare", "net", "pixels", "--format", "json")
    assert done.status == 0, done.err
    assert "net@imagenet" in done.out
    assert json.loads(done.out)["missing"] == []
