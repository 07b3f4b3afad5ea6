"""Sweeps of fits, and the tables made of them."""

import json
import subprocess
import sys
import time
from pathlib import Path

import fitted
import numpy as np
import pandas as pd
import pytest

from brainbench.core.errors import InputError, UnknownNameError
from brainbench.training import summary
from brainbench.training.fitted_files import fitted_in
from brainbench.training.sweep import Sweep, run_sweep

SUPPORT = Path(fitted.__file__).parent


@pytest.fixture
def study(tmp_path):
    """A file with a benchmark of a small V1, where `quick` has 10 steps."""
    path = tmp_path / "study.py"
    path.write_text(
        f"import os, sys\nsys.path.insert(0, {str(SUPPORT)!r})\n"
        "from contextlib import suppress\n"
        "with suppress(FileNotFoundError):\n"
        "    os.unlink(f'{__file__}.kills')\n"
        "    os.kill(os.getpid(), 9)\n"
        "import brainbench.training.schedule as schedules, fitted\n"
        "short = schedules.Schedule(name='quick', batch=16, check_every=5, phase_steps=10, steps=10)\n"
        "schedules.SCHEDULES = {**schedules.SCHEDULES, 'quick': short}\n"
        "V1 = fitted.benchmark(fitted.data(n=40))\n"
    )
    return f"{path}:V1"


def written(tmp_path, study, **changes):
    """The file of a sweep of 8 configurations: 2 seeds x (a feed-forward model and 3 recurrent ones)."""
    tables = {
        "options": {"side": 20, "schedule": "quick", "channels": 4},
        "grid": {"seed": [0, 1]},
        "baseline": {"iterations": 1, "mode": "no-avg"},
        "variants": {"iterations": [2], "mode": ["no-avg", "late-avg", "2-avg"]},
        **changes,
    }
    path = tmp_path / "sweep.toml"
    lines = [f'fitter = "recurrent_v1"\nbenchmark = "{study}"\n']
    for name, table in tables.items():
        lines.append(f"[{name}]\n" + "\n".join(f"{k} = {json.dumps(v)}" for k, v in table.items()))
    path.write_text("\n".join(lines))
    return path


@pytest.mark.slow
def test_a_sweep_of_8_is_resumed_and_summarized(tmp_path, study):
    sweep, folder = Sweep.from_file(written(tmp_path, study)), tmp_path / "fits"
    under_way = run_sweep(sweep, folder=folder)
    first = [next(under_way) for _ in range(3)]
    under_way.close()
    kept = {path: path.stat().st_mtime_ns for path, _ in fitted_in(folder)}

    reports = list(run_sweep(sweep, folder=folder))
    fits = summary.fits_table(folder)
    paired = summary.pairs(fits)
    (row,) = summary.best_variants(paired).to_dict(orient="records")

    assert len(sweep.configurations()) == len(reports) == len(fits) == 8
    assert len(kept) == 3
    assert [one.is_new for one in reports] == [False] * 3 + [True] * 5
    assert [one.path for one in reports[:3]] == [one.path for one in first]
    assert all(path.stat().st_mtime_ns == before for path, before in kept.items())
    assert len(paired) == 3  # averaged over seeds
    by_hand = fits[fits["iterations"] == 1]["test"].mean()
    assert row["baseline"] == pytest.approx(by_hand)
    means = fits[fits["iterations"] == 2].groupby("mode")["test"].mean()
    assert row["best"] == f"{means.idxmax()}, 2"
    assert row["gain"] == pytest.approx(100 * (means.max() / by_hand - 1))


@pytest.mark.slow
def test_workers_give_the_same_files_though_one_is_killed(tmp_path, study):
    sweep = Sweep.from_file(written(tmp_path, study, variants={}))

    alone = {one.path.name: one.cc_norm2 for one in run_sweep(sweep, folder=tmp_path / "alone")}
    (tmp_path / "study.py.kills").touch()  # the first process that reads the study
    spread = {
        one.path.name: one.cc_norm2
        for one in run_sweep(sweep, folder=tmp_path / "spread", workers=2)
    }

    assert spread == pytest.approx(alone)
    assert not (tmp_path / "study.py.kills").exists()


STALLING = """
import sys, time
from pathlib import Path
from brainbench.training.sweep import Sweep, run_sweep
from brainbench_models.recurrent_v1.fitter import RecurrentV1Task

folder, calls, whole = Path(sys.argv[2]), iter(range(99)), RecurrentV1Task.validation

def stalling(task):
    if next(calls) == 2:  # the first check of the second fit
        (folder / "stalled").touch()
        time.sleep(600)
    return whole(task)

RecurrentV1Task.validation = stalling
list(run_sweep(Sweep.from_file(Path(sys.argv[1])), folder=folder))
"""


@pytest.mark.slow
def test_equal_sweeps_share_the_fits_and_a_killed_one_leaves_its_own(tmp_path, study):
    path, folder = written(tmp_path, study), tmp_path / "fits"
    other = subprocess.Popen([sys.executable, "-c", STALLING, str(path), str(folder)])
    deadline = time.monotonic() + 400
    while not (folder / "stalled").exists():
        assert other.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.1)

    under_way = run_sweep(Sweep.from_file(path), folder=folder)
    first = [next(under_way) for _ in range(7)]
    other.kill()
    other.wait()
    (last,) = under_way

    assert [one.is_new for one in first] == [False] + [True] * 6
    assert last.is_new
    assert last.options == Sweep.from_file(path).configurations()[1]
    assert len(list(fitted_in(folder))) == 8


@pytest.mark.slow
def test_workers_of_a_scheduler_fit(tmp_path, study):
    distributed = pytest.importorskip("distributed")
    sweep = Sweep.from_file(written(tmp_path, study, grid={"side": [20, 30]}, variants={}))
    options = {"n_workers": 1, "threads_per_worker": 1, "dashboard_address": None}

    with distributed.LocalCluster(processes=False, **options) as cluster:
        address = cluster.scheduler_address
        reports = list(run_sweep(sweep, folder=tmp_path / "fits", scheduler=address))

    by_side = {one.options["side"]: one for one in reports}
    assert by_side[20].path.exists()
    assert "20 x 20" in by_side[30].reason


def test_workers_and_a_scheduler_at_once_are_refused(tmp_path, study):
    sweep = Sweep.from_file(written(tmp_path, study))

    with pytest.raises(InputError, match="workers=2 with a scheduler"):
        next(run_sweep(sweep, folder=tmp_path, workers=2, scheduler="tcp://host:8786"))


def test_a_fit_that_fails_does_not_end_a_sweep(tmp_path, study):
    sweep = Sweep.from_file(
        written(
            tmp_path, study, grid={"side": [20, 30]}, variants={}, options={"schedule": "quick"}
        )
    )

    small, large = run_sweep(sweep, folder=tmp_path / "fits")

    assert small.path.exists()
    assert large.path is None
    assert "20 x 20" in large.reason


def test_the_grid_of_the_paper():
    """Table 2: 480 feed-forward models of ImageNet 8K, each with 24 recurrent variants."""
    sweep = Sweep(
        fitter="recurrent_v1",
        benchmark="Simulated.V1-ccnorm2",
        grid={
            "fraction": [0.25, 0.5, 1.0],
            "blocks": [3, 5],
            "channels": [8, 16, 32, 48, 64],
            "loss": ["mse", "poisson"],
            "activation": ["relu", "softplus"],
            "first_norm": ["before", "after"],
            "seed": [0, 1],
        },
        baseline={"iterations": 1},
        variants={
            "iterations": [2, 3, 4, 5, 6, 7],
            "mode": ["no-avg", "early-avg", "late-avg", "2-avg"],
        },
    )

    listed = sweep.configurations()

    assert len(listed) == 480 + 11_520
    assert sum(one["iterations"] == 1 for one in listed) == 480


def made(rng, n=4):
    """Fits with known figures: variants gain 10 % and 20 %; validation prefers the former."""
    rows = []
    for channels in range(n):
        base = rng.uniform(0.3, 0.5)
        for seed in (0, 1):
            shared = {"benchmark": "B", "channels": channels, "fraction": 1.0, "seed": seed}
            noise = 0.01 if seed else -0.01
            for mode, t, gain, validation in (
                ("no-avg", 1, 1.0, 0.1),
                ("2-avg", 3, 1.1, 0.9),
                ("late-avg", 7, 1.2, 0.5),
            ):
                rows.append(
                    {
                        **shared,
                        "mode": mode,
                        "iterations": t,
                        "test": base * gain + noise,
                        "validation": validation,
                    }
                )
    return pd.DataFrame(rows)


def test_tables_have_the_best_on_test_and_the_one_that_validation_chooses():
    paired = summary.pairs(made(np.random.default_rng(0)))
    (row,) = summary.best_variants(paired).to_dict(orient="records")

    assert len(paired) == 8
    np.testing.assert_allclose(paired["test"] / paired["baseline_test"], [1.1, 1.2] * 4, rtol=1e-9)
    assert (row["best"], row["chosen"]) == ("late-avg, 7", "2-avg, 3")
    assert row["gain"] == pytest.approx(20)
    assert row["chosen_gain"] == pytest.approx(10)
    assert row["pairs"] == 4


def test_benchmarks_in_one_folder_are_rows_of_their_own():
    fits = made(np.random.default_rng(0))
    other = fits.assign(benchmark="C", test=fits["test"] + 0.3)
    alone, joined = (
        summary.best_variants(summary.pairs(each)) for each in (fits, pd.concat([fits, other]))
    )

    assert list(joined["benchmark"]) == ["B", "C"]
    pd.testing.assert_frame_equal(joined.iloc[:1], alone)


def test_gains_have_standard_errors_over_pairs():
    paired = summary.pairs(made(np.random.default_rng(0)))
    table = summary.gains(paired)
    late = table[table["mode"] == "late-avg"].iloc[0]
    own = paired[paired["mode"] == "late-avg"]["test"]

    assert late["n"] == 4
    assert late["sem"] == pytest.approx(own.std(ddof=1) / 2)


def test_wrong_sweeps_and_folders_are_explained(tmp_path, study):
    with pytest.raises(InputError, match=r"grid\.seed"):
        Sweep.from_file(written(tmp_path, study, grid={"seed": 1}))
    with pytest.raises(InputError, match="unknown more"):
        Sweep.from_file(written(tmp_path, study, more={"seed": [1]}))
    with pytest.raises(InputError, match="depth"):
        Sweep.from_file(written(tmp_path, study, grid={"depth": [1]})).configurations()
    with pytest.raises(UnknownNameError, match="recurrent_v2"):
        Sweep(fitter="recurrent_v2", benchmark=study).configurations()
    path = tmp_path / "broken.toml"
    path.write_text("fitter = ")
    with pytest.raises(InputError, match=r"broken\.toml"):
        Sweep.from_file(path)
    with pytest.raises(InputError, match="no fitted models"):
        summary.fits_table(tmp_path)
    only = made(np.random.default_rng(0)).query("iterations > 1")
    with pytest.raises(InputError, match="0 fits with"):
        summary.pairs(only)
