"""`brainbench fit`: from options to a fitted model that is scored."""

import json
from pathlib import Path

import fitted
import pandas as pd
import pytest

SUPPORT = Path(fitted.__file__).parent


@pytest.fixture
def study(tmp_path):
    """A file with a benchmark of a small V1."""
    path = tmp_path / "study.py"
    path.write_text(
        f"import sys\nsys.path.insert(0, {str(SUPPORT)!r})\nimport fitted\n"
        "V1 = fitted.benchmark(fitted.data())\n"
    )
    return f"{path}:V1"


@pytest.fixture
def short(monkeypatch):
    fitted.short_schedule(monkeypatch)


OPTIONS = [f"--set={name}={value}" for name, value in fitted.TINY.items()]


def test_a_fit_is_stored_and_scored(call, study, tmp_path, short):
    folder = tmp_path / "fits"

    done = call("fit", "run", "recurrent_v1", "-b", study, *OPTIONS, "-o", folder, "--json", "-q")
    row = json.loads(done.out)

    assert done.status == 0
    assert row["schedule"] == "quick"
    assert row["steps"] == [20]
    (path,) = folder.glob("*.safetensors")
    assert row["file"] == str(path)


def test_a_file_gives_options_and_the_command_line_replaces_them(call, study, tmp_path, short):
    config = tmp_path / "fit.toml"
    config.write_text("\n".join(f"{k} = {json.dumps(v)}" for k, v in fitted.TINY.items()))
    run = ("fit", "run", "recurrent_v1", "-b", study, "-o", tmp_path, "--config", config, "-q")

    done = call(*run, "--set", "channels=4")

    assert done.status == 0
    assert "schedule" in done.out
    assert "--metric units" in done.err
    from brainbench.training.fitted_files import fitted_in

    ((_, file),) = fitted_in(tmp_path)
    assert (file.config["channels"], file.config["side"]) == (4, fitted.SIDE)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("recurrent_v2",), "recurrent_v1"),
        (("recurrent_v1", "--set", "depth=3"), "depth=3"),
        (("recurrent_v1", "--set", "channels"), "name=value"),
        (("recurrent_v1", "--set", "seed=1", "--set", "seed=2"), "seed twice"),
        (("recurrent_v1", "--config", "absent.toml"), "absent.toml"),
        (("recurrent_v1", "--set", "iterations=0"), "iterations=0"),
        (("recurrent_v1", "--device", "tpu7"), "tpu7"),
    ],
)
def test_wrong_usage_is_explained(call, study, tmp_path, arguments, named):
    done = call("fit", "run", *arguments, "-b", study, "-o", tmp_path, "-q")

    assert done.status == 2
    assert named in done.err


def sweep_file(tmp_path, study, *, sides=(fitted.SIDE,)):
    """A feed-forward and a recurrent model for each side."""
    options = {k: v for k, v in fitted.TINY.items() if k not in ("side", "iterations", "mode")}
    path = tmp_path / "sweep.toml"
    path.write_text(
        f'fitter = "recurrent_v1"\nbenchmark = "{study}"\n[options]\n'
        + "\n".join(f"{k} = {json.dumps(v)}" for k, v in options.items())
        + f"\n[grid]\nside = {list(sides)}\n[baseline]\niterations = 1\nmode = 'no-avg'\n"
        "[variants]\niterations = [2]\nmode = ['late-avg']\n"
    )
    return path


def test_a_sweep_is_listed_fitted_and_summarized(call, study, tmp_path, short):
    path, folder, csv = sweep_file(tmp_path, study), tmp_path / "fits", tmp_path / "pairs.csv"

    listed = call("fit", "sweep", path, "-o", folder, "--dry-run")
    assert listed.status == 0
    assert "late-avg" in listed.out
    assert not folder.exists()
    done = call("fit", "sweep", path, "-o", folder, "-q")
    again = call("fit", "sweep", path, "-o", folder, "-q")
    shown = call("fit", "summary", folder, "--csv", csv)
    as_json = json.loads(call("fit", "summary", folder, "--json").out)

    assert (done.status, again.status, shown.status) == (0, 0, 0)
    assert done.out.count("CC_norm^2") == 2
    assert again.out == done.out
    assert "late-avg, 2" in shown.out
    assert "not with the published schedule" in shown.err
    (row,) = as_json["table"]
    assert (row["best"], row["pairs"]) == ("late-avg, 2", 1)
    assert as_json["schedules"] == ["quick"]
    (pair,) = pd.read_csv(csv).to_dict(orient="records")
    assert pair["gain"] == pytest.approx(row["gain"])


def test_wrong_sweeps_and_folders_end_with_their_status(call, study, tmp_path, short):
    too_large = sweep_file(tmp_path, study, sides=[30])
    done = call("fit", "sweep", too_large, "-o", tmp_path / "fits", "-q")
    assert done.status == 1
    assert done.out.count("20 x 20 pixels") == 2

    for arguments, named in (
        (("sweep", tmp_path / "absent.toml"), "absent.toml"),
        (("sweep", too_large, "--scheduler", "tcp://127.0.0.1:9", "--workers", 2), "scheduler"),
        (("summary", tmp_path / "fits"), "no fitted models"),
    ):
        done = call("fit", *arguments)
        assert done.status == 2
        assert named in done.err
