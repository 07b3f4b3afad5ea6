"""Architecture search: trials, studies, and what they come to."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from toy_space import REACHES, Toy, use, write_colors

from brainbench import load_model, plot
from brainbench.core.errors import DamagedFileError, InputError, UnknownNameError
from brainbench.storage.claims import Claims
from brainbench.training import search as searching
from brainbench.training import search_summary
from brainbench.training.recipes import recipe_named
from brainbench.training.search import Search, TrialAssignment, Trials, run_search
from brainbench.training.search_space import GivenChoices, load_space
from brainbench.training.study import open_file, read_study
from brainbench_models.convrnn.search_space import RandomChoice
from brainbench_models.convrnn.spaces import FULL, SMALL, searched_graph

pytestmark = pytest.mark.filterwarnings("ignore:.*the image does not reach")


@pytest.fixture
def toy(monkeypatch):
    use(monkeypatch, Toy())
    return lambda space: use(monkeypatch, space)


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    return write_colors(tmp_path_factory.mktemp("images") / "images.npz")


def planned(data, file, **options):
    recipe = recipe_named("cifar-proxy", {"epochs": 3, "batch": 16, "augmentation": "none"})
    return Search(space="toy", data=data, file=file, recipe=recipe, **{"random": 3, **options})


def test_search_goes_on_where_it_stopped_and_finds_what_is_known(toy, images, tmp_path):
    """Networks that the image does not reach stay at chance: the gain of more steps is what others learn."""
    whole = planned(images, tmp_path / "whole.study")
    assert len(list(run_search(whole, 6))) == 6
    parts = replace(whole, file=tmp_path / "parts.study")
    assert len(list(run_search(parts, 2))) == 2
    assert [report.number for report in run_search(parts, 6)] == [2, 3, 4, 5]
    assert list(run_search(parts, 6)) == []
    study, again = read_study(whole.file), read_study(parts.file)
    costs = ["seconds", "processor_seconds"]
    pd.testing.assert_frame_equal(
        study.trials.drop(columns=costs), again.trials.drop(columns=costs)
    )
    trials = study.trials
    assert trials["top1"][~trials["long"]].tolist() == pytest.approx(
        [1 / 3] * (~trials["long"]).sum()
    )
    assert trials["top1"].max() > 0.9
    gain = search_summary.gains(trials, ["long"]).loc["long"]
    assert gain["low"] <= gain["gain"] <= gain["high"]
    assert gain["gain"] > 0.3
    best = study.member("best")
    assert best.model_args["steps"] == REACHES
    assert study.member("random") == study.drawn[0]
    searched = trials["top1"][3:].sort_values(kind="stable")
    assert study.member("median") == study.drawn[searched.index[1]]
    with pytest.raises(UnknownNameError, match="unknown trial '17'"):
        study.member("17")
    facts = search_summary.facts(study)
    assert facts["trials"] == 6
    assert facts["rejected draws, no cell"] == study.rejected["no cell"] > 0
    assert facts["best top-1"] == trials["top1"].max()


def test_trials_are_claimed_and_what_a_killed_process_left_is_done_again(toy, images, tmp_path):
    given = planned(images, tmp_path / "t.study")
    list(run_search(given, 1))
    trial = open_file(given.file).ask()
    trial.set_user_attr("number", 1)  # and the process is killed
    assignment = TrialAssignment(search=given, number=1)
    with Claims(tmp_path / "claims", choose="-").claim("t-1"):
        assert Trials().carry_out(assignment) is None
    assert Trials().carry_out(assignment).number == 1
    assert Trials().carry_out(assignment) is None  # it is there
    assert read_study(given.file).trials.index.tolist() == [0, 1]
    states = [t.state.name for t in open_file(given.file).trials if t.user_attrs["number"] == 1]
    assert states.count("COMPLETE") == 1
    assert "RUNNING" not in states
    assert Trials().failed(assignment, "killed").reason == "killed"


def test_diverged_too_large_and_pruned_networks_are_told(toy, images, tmp_path, monkeypatch):
    toy(Toy(rate=1e12))
    diverged = planned(images, tmp_path / "d.study")
    reports = list(run_search(diverged, 3))
    lost = [report for report in reports if report.diverged]
    assert lost
    assert all("in phase 1, step" in report.diverged for report in lost)
    assert {report.top1 for report in lost} == {1 / 3}
    assert search_summary.facts(read_study(diverged.file))["diverged"] == len(lost)

    toy(Toy())
    pruned = planned(images, tmp_path / "p.study", prune=True)
    reports = list(run_search(pruned, 8))
    assert any(report.is_pruned for report in reports)
    assert read_study(pruned.file).trials["pruned"].sum() == sum(r.is_pruned for r in reports)

    toy(Toy(at_most=10))
    monkeypatch.setattr(searching, "_DRAWS", 2)
    (report,) = run_search(planned(images, tmp_path / "l.study"), 1)
    assert "draws without a network" in report.reason
    kinds = [t.user_attrs["rejected"] for t in open_file(tmp_path / "l.study").trials]
    assert any(kind.startswith("too large: ") for kind in kinds)


def test_bad_input_names_what_is_wrong(toy, images, tmp_path):
    given = planned(images, tmp_path / "t.study", images=12)
    list(run_search(given, 1))
    toy(Toy(name="other"))
    with pytest.raises(InputError, match=r"of another search: space 'toy', now .other.\n"):
        list(run_search(given, 1))
    toy(Toy())
    others = replace(given, images=None, recipe=given.recipe.model_copy(update={"epochs": 9}))
    with pytest.raises(InputError, match=r"images 12, now None; recipe.s epochs 3, now 9\n"):
        list(run_search(others, 1))
    with pytest.raises(InputError, match="--images 2 of 48 training images of 3 classes"):
        list(run_search(replace(given, images=2), 1))
    with pytest.raises(InputError, match="there is no study"):
        read_study(tmp_path / "absent.study")
    (tmp_path / "damaged.study").write_text("{no journal}\n{}\n")
    with pytest.raises(DamagedFileError, match=r"damaged\.study cannot be read"):
        read_study(tmp_path / "damaged.study")


def test_spaces_by_name_and_networks_of_their_choices():
    assert load_space("convrnn_small_space") is SMALL
    assert load_space("convrnn_space") is FULL
    assert len(SMALL.switches) == 3  # conv3 to conv5: two spans of one layer, one of two
    assert len(FULL.switches) == 10
    seed = next(k for k in range(99) if _is_drawn(SMALL, k))
    drawn = SMALL.draw(RandomChoice(seed))
    choices = json.loads(json.dumps(drawn.model_args["choices"]))
    assert set(SMALL.switches) | set(SMALL.motif) < set(choices)
    declared = searched_graph("convrnn_small_space", choices)
    kept = {f"feedback {a}-{b}" for a, b in declared.feedback}
    assert kept == {name for name in SMALL.switches if choices[name]}
    model = load_model("convrnn_searched", weights="untrained-0", **drawn.model_args)
    assert model.name.startswith(f"{declared.name}-t{choices['steps']}")
    assert searched_graph("convrnn_small_space", {**choices, "steps": 8}).steps == 8
    for changed, told in (
        ({"steps": 9}, "choice 'steps' of a searched network: 9"),
        ({"tau v1": 7.0}, "choice 'tau v1' of a searched network: 7.0"),
        ({"tau_a": 1}, "choice 'tau_a' of a searched network: 1"),
    ):
        with pytest.raises(InputError, match=told):
            searched_graph("convrnn_small_space", choices | changed)
    with pytest.raises(InputError, match="choice 'kernel' of a searched network: not given"):
        searched_graph("convrnn_small_space", {k: v for k, v in choices.items() if k != "kernel"})
    assert searched_graph("convrnn_small_space").layers[-1].cell.kind == "search"
    with pytest.raises(UnknownNameError, match="unknown search space 'x'"):
        searched_graph("x", choices)
    assert GivenChoices({"n": 2}).between("n", 0, 3) == 2.0


def _is_drawn(space, seed):
    try:
        space.draw(RandomChoice(seed))
    except InputError:
        return False
    return True


def trials_by_hand():
    return pd.DataFrame(
        {
            "top1": [0.1, 0.3, 0.2, 0.5, 0.4],
            "a": [False, True, False, True, True],
            "b": [False] * 5,
            "kind": ["x", "y", "x", "y", "x"],
            "parameters": [10, 20, 30, 40, 50],
            "diverged": ["", "", "", "", "loss"],
        },
        index=pd.Index(range(5), name="trial"),
    )


def test_summary_by_hand():
    trials = trials_by_hand()
    progress = search_summary.progress_of(trials, window=2)
    assert progress["best"].tolist() == [0.1, 0.3, 0.3, 0.5, 0.5]
    assert progress["mean_of_last"].iloc[1:].tolist() == pytest.approx([0.2, 0.25, 0.35, 0.45])
    shares = search_summary.shares_in_window(trials, ["a"], window=2)
    assert shares["a"].to_dict() == {1: 0.5, 2: 0.5, 3: 0.5, 4: 1.0}
    gains = search_summary.gains(trials, ["a", "b"])
    assert gains.loc["a", "gain"] == pytest.approx(0.4 - 0.15)
    assert gains.loc["a", ["n_with", "n_without"]].tolist() == [3, 2]
    assert np.isnan(gains.loc["b", "gain"])
    assert search_summary.best_models(trials).index.tolist() == [0, 1, 3]
    motif = search_summary.motif_among_best(trials, ["kind", "b"])
    assert motif.loc["kind"].tolist() == ["y", 2 / 3, 2 / 5]
    assert motif.loc["b", "share"] == 1


def test_figures_are_drawn_of_tables_and_refuse_others():
    trials = trials_by_hand()
    axes = plot.search_progress(search_summary.progress_of(trials, window=2), window=2)
    assert axes.lines[1].get_ydata().tolist() == [0.1, 0.3, 0.3, 0.5, 0.5]
    assert len(plot.search_sizes(trials).lines) == 2
    shares = search_summary.shares_in_window(trials, ["a", "b"], window=2)
    assert len(plot.search_shares(shares, window=2).lines) == 2
    gains = plot.search_gains(search_summary.gains(trials, ["a", "b"]))
    assert [text.get_text() for text in gains.get_xticklabels()] == ["a\nn = 3", "b\nn = 0"]
    motif = plot.search_motif(search_summary.motif_among_best(trials, ["kind", "b"]))
    assert [text.get_text() for text in motif.get_yticklabels()] == ["kind: y", "b: no"]
    table = pd.DataFrame(
        {"value": [0.5], "low": [0.4], "high": [0.6], "parameters": [1500]}, index=["x"]
    )
    assert [text.get_text() for text in plot.trained_accuracies(table).texts] == ["2 k"]
    with pytest.raises(InputError, match="a table of 5 rows without low, high"):
        plot.search_gains(pd.DataFrame({"gain": [1] * 5, "n_with": [2] * 5}))


@pytest.mark.slow
def test_workers_share_a_study_of_real_networks(images, tmp_path):
    recipe = recipe_named("cifar-proxy", {"epochs": 1, "batch": 16})
    given = Search(
        space="convrnn_small_space", data=images, file=tmp_path / "w.study", recipe=recipe, random=2
    )
    reports = list(run_search(given, 4, workers=2))
    assert sorted(report.number for report in reports) == [0, 1, 2, 3]
    assert not [report.reason for report in reports if report.reason]
    study = read_study(given.file)
    assert len(study.trials) == 4
    assert study.trials["multiply_adds"].max() <= SMALL.at_most
    assert study.member("best").model == "convrnn_searched"
