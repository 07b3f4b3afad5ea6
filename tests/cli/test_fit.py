"""`brainbench fit`: from options to a fitted model that is scored."""

import json
from pathlib import Path

import fitted
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
