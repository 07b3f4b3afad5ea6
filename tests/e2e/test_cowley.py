"""Macaque V4 as published: import, scores, and what they must show."""

import json
from pathlib import Path

import numpy as np
import pytest
from known import context_of

from brainbench import load_benchmark, load_model
from brainbench.core.settings import Settings
from brainbench.data.manifest import open_dataset
from brainbench.scoring.pipeline import score as score_model
from brainbench.scoring.recordings import windowed_recordings
from brainbench.scoring.stimulus_groups import StimulusGroups

DATA_SET, MATERIAL = "Cowley2023", "data/cowley_v4"
SIZES = {"190923": (33, 1200), "201025": (89, 1200), "210224": (67, 800), "210325": (50, 640)}


# --- without the data -----------------------------------------------------------------------------


def test_without_the_data_the_command_is_named(call, away, tmp_path):
    status, out, _ = call("score", "-m", "pixels", "-b", "Cowley2023.*", "-o", tmp_path / "results")
    assert status == 1  # nothing has a value
    assert "not here" in out
    assert "brainbench data fetch Cowley2023" in out
    assert "https://github.com/cowleygroup/V4_compact_models" in out


def test_without_the_data_it_is_listed(call, away):
    _, out, _ = call("list", "data", "Cowley2023", "--json")
    (row,) = json.loads(out)
    assert row["state"] == "data not here"
    assert row["get it with"] == "brainbench data fetch Cowley2023"
    _, out, _ = call("show", "Cowley2023")
    assert "GPL-3.0" in out
    assert "f4552ad9d34a466ebc66658f72a08a8e5038f1cf" in out


def test_import_from_a_folder_without_the_files(call, away, tmp_path):
    status, _, err = call("data", "import", "Cowley2023", "--from", tmp_path)
    assert status == 2
    assert "9 of 9 files of Cowley2023 are missing" in err


def test_import_from_no_folder(call, away, tmp_path):
    status, _, err = call("data", "import", "Cowley2023", "--from", tmp_path / "none")
    assert status == 2
    assert "no such folder" in err


def test_import_of_what_is_made(call, away, tmp_path):
    status, _, err = call("data", "import", "Simulated", "--from", tmp_path)
    assert status == 2
    assert "data set 'Simulated' is not imported" in err


def test_import_of_an_unknown_name(call, away, tmp_path):
    status, _, err = call("data", "import", "Cowly2023", "--from", tmp_path)
    assert status == 2
    assert "did you mean Cowley2023" in err


# --- with it --------------------------------------------------------------------------------------


def test_command_imports(call, published, tmp_path, monkeypatch):
    monkeypatch.setenv("BRAINBENCH_DATA", str(tmp_path))
    status, out, _ = call("data", "import", "Cowley2023", "--from", published, "--quiet")
    assert status == 0
    assert out.startswith(f"Cowley2023 is here: {tmp_path}")
    _, out, _ = call("list", "benchmarks", "Cowley2023.*", "--json")
    assert json.loads(out)[0]["data"] == "here"


def test_sizes_and_values_are_those_of_the_files(here, published):
    found = open_dataset("Cowley2023").sessions()
    assert {n: one.regions["V4"].shape[-2:][::-1] for n, one in found.items()} == SIZES
    for name, one in found.items():
        assert len(one.pictures) == SIZES[name][1]
        assert one.pictures.picture(0).shape == (112, 112, 3)
    # Per session: the mean over repeats is the published mean.
    context = context_of(load_benchmark("Cowley2023.V4-pls"), load_model("pixels"))
    for session in context.sessions:
        mean = np.load(published / f"responses_repeat_averaged/responses_{session.name}.npy")
        recorded = windowed_recordings(context, session)
        np.testing.assert_allclose(recorded.values, mean.T, rtol=1e-12)


def test_pictures_are_different_and_seven_pairs_are_near_copies(here):
    """In 210325, seven pairs have one background; no other session has a pair above .966."""
    for name, session in open_dataset("Cowley2023").sessions().items():
        groups = StimulusGroups(session.pictures, "auto")
        assert session.pictures.copies is None
        n_groups = len(session.pictures) - (7 if name == "210325" else 0)
        assert (groups.names is None) == (name != "210325")
        assert groups.names is None or len(set(groups.names)) == n_groups


def test_ceiling_of_the_session_with_repeats(here):
    """Split-half .61, Spearman-Brown .76, as the material's README says."""
    from brainbench.stats.aggregate import median_then_mean
    from brainbench.stats.ceiling import split_half

    trials = open_dataset("Cowley2023").sessions()["210325"].recordings("V4").values
    assert np.unique((~np.isnan(trials[:, :, 0])).sum(axis=0)).tolist() == [6, 7, 8, 9, 10]
    assert median_then_mean(split_half(trials)) == pytest.approx(0.76, abs=0.01)


def test_score_on_all_four_sessions(call, here, tmp_path, cache_folder):
    status, out, _ = call(
        "score", "-m", "pixels", "-b", "Cowley2023.V4-pls", "--limit", 200,
        "-o", tmp_path / "results", "--format", "json", "-q",
    )  # fmt: skip
    assert status == 0
    (score,) = json.loads(out)
    assert (score["n_units"], score["n_stimuli"], score["partial"]) == (239, 800, True)
    assert score["ceiling"] is None  # only 50 of the 239 neurons have one
    choices = score["record"]["choices"]
    assert choices["sites_with_ceiling"] == 50
    assert [row["session"] for row in choices["sessions"]] == list(SIZES)
    assert [row["sites"] for row in choices["sessions"]] == [n for n, _ in SIZES.values()]
    stored = json.loads(Path(score["file"]).read_text())
    of = np.array(stored["per_unit"]["coords"]["session"]).astype(str)
    ceilings = np.array(stored["per_unit"]["coords"]["ceiling"], dtype=float)
    assert set(of[~np.isnan(ceilings)]) == {"210325"}


def test_explainable_variance_of_the_session_with_repeats(call, here, tmp_path, cache_folder):
    status, out, _ = call(
        "score", "-m", "pixels", "-b", "Cowley2023.V4-ccnorm2",
        "-o", tmp_path / "results", "--format", "json", "-q",
    )  # fmt: skip
    assert status == 0
    (score,) = json.loads(out)
    assert (score["n_units"], score["n_stimuli"], score["partial"]) == (50, 640, False)
    assert score["record"]["choices"]["sessions_left_out"] == {
        name: neurons for name, (neurons, _) in SIZES.items() if name != "210325"
    }
    assert score["value"] == pytest.approx(0.126, abs=0.005)
    stored = json.loads(Path(score["file"]).read_text())
    assert stored["excluded"] == {"session without repeated trials": 189}
    figures = stored["figures"]
    assert figures["trials_used"] == {"least": 6, "most": 6}
    assert figures["test_images"] == [128] * 5
    assert figures["chance_level"] == pytest.approx(0.0115, abs=0.0005)
    assert score["value"] > 5 * figures["chance_level"]
    # Both are estimates of the same reliability; this one uses six repeats, the other all.
    ceilings = np.array(stored["per_unit"]["coords"]["ceiling"], dtype=float)
    assert np.median(ceilings) == pytest.approx(0.72, abs=0.02)


@pytest.mark.slow
def test_network_trained_on_photographs_beats_pixels_widely(here, cache_folder):
    """A simpler analysis of all images of 210325 (PCA, ridge): .59, pixels .25."""
    pytest.importorskip("efficientnet_lite_pytorch", reason="the extra zoo is not installed")
    one = load_benchmark("Cowley2023.V4-pls").on(open_dataset("Cowley2023").sessions()["210325"])
    trained = Settings(limit=240, layers={"V4": "_blocks.10"})
    network = score_model(one, load_model("efficientnet_lite0"), trained)
    pixels = score_model(one, load_model("pixels"), Settings(limit=240))
    assert network.value > pixels.value + 0.2
    assert network.ci[0] > pixels.ci[1]
    assert network.ceiling > network.value


def test_ridge_on_all_four_sessions(call, here, tmp_path, cache_folder):
    status, out, _ = call(
        "score", "-m", "pixels", "-b", "Cowley2023.V4-ridge", "--limit", 100,
        "-o", tmp_path / "results", "--format", "json", "-q",
    )  # fmt: skip
    assert status == 0
    (score,) = json.loads(out)
    assert (score["n_units"], score["n_stimuli"], score["partial"]) == (239, 400, True)
    assert (score["n_animals"], score["for_these_animals"]) == (2, True)
    by_animal, by_session = (score["figures"][f"by_{kind}"] for kind in ("animal", "session"))
    assert {name: row["n_units"] for name, row in by_animal.items()} == {"PE": 206, "WE": 33}
    assert [row["n_units"] for row in by_session.values()] == [n for n, _ in SIZES.values()]
    assert by_animal["WE"] == by_session["190923"]
    choices = score["record"]["choices"]
    assert choices["map"] == "ridge-cv"
    assert choices["pca"] == "none"
    assert score["ci"][0] < score["value"] < score["ci"][1]
