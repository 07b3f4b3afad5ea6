"""The main command on the real network and the simulated brain, with few images."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from brainbench import list_benchmarks

IMAGES = 40
COMMAND = ["score", "--model", "cornet_s@untrained-0", "--benchmark"]
PLS = [f"Simulated.{region}-pls" for region in ("V1", "V2", "V4", "IT")]


def brainbench(folder, *arguments):
    program = str(Path(sys.executable).parent / "brainbench")
    done = subprocess.run(
        [program, *arguments],
        cwd=folder,
        env={**os.environ, "BRAINBENCH_CACHE": str(folder / "cache")},
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("main-command")


@pytest.fixture(scope="module")
def first(folder):
    return brainbench(
        folder, *COMMAND, "Simulated.*", "--limit", str(IMAGES), "--format", "json",
        "--csv", "scores.csv",
    )  # fmt: skip


@pytest.mark.slow
def test_every_measure_is_scored_and_marked(first):
    scores = json.loads(first.stdout)
    assert [s["benchmark"] for s in scores] == list_benchmarks("Simulated.*")
    assert {s["benchmark"] for s in scores} >= set(PLS)
    for score in scores:
        assert score["model"] == "cornet_s@untrained-0"
        assert score["untrained"]
        assert score["simulated"]
        assert score["partial"]
        assert score["n_stimuli"] == IMAGES
        assert score["ci"][0] <= score["value"] <= score["ci"][1]
        if score["benchmark"] in PLS:
            assert -1 < score["value"] < score["ceiling"]
    assert "seeded random numbers" in first.stderr


@pytest.mark.slow
def test_one_extraction_serves_all_benchmarks(first):
    assert re.search(rf"forward passes [\d.]+ s over {IMAGES} images", first.stderr)


@pytest.mark.slow
def test_every_step_of_an_area_is_a_candidate(first):
    curves = {s["benchmark"]: s["selection"]["curve"] for s in json.loads(first.stdout)}
    assert [len(curves[one]) for one in PLS] == [1, 2, 4, 2]


@pytest.mark.slow
def test_second_run_needs_no_forward_pass(folder, first):
    job = [*COMMAND, "Simulated.*", "--limit", str(IMAGES), "--format", "json"]
    stored = brainbench(folder, *job)
    assert json.loads(stored.stdout) == json.loads(first.stdout)
    assert "no forward pass" in stored.stderr
    again = brainbench(folder, *job, "--overwrite", "always")
    assert "no forward pass" in again.stderr
    values = [[s["value"] for s in json.loads(run.stdout)] for run in (first, again)]
    assert values[0] == values[1]


@pytest.mark.slow
def test_csv_loads_without_arguments(folder, first):
    table = pd.read_csv(folder / "scores.csv")
    assert table["value"].tolist() == [s["value"] for s in json.loads(first.stdout)]


@pytest.mark.slow
def test_brainscore_reuses_the_activations(folder, first):
    done = brainbench(
        folder,
        *COMMAND,
        "Simulated.*-pls",
        "--limit",
        str(IMAGES),
        "--format",
        "json",
        "--protocol",
        "brainscore",
    )
    assert "no forward pass" in done.stderr
    scores = json.loads(done.stdout)
    assert {s["formula"] for s in scores} == {"r2/c-v1"}
    assert [s["selection"]["step"] for s in scores] == [0, 0, 0, 0]
