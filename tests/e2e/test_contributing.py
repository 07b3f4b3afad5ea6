"""The documented examples run: a model in 12 lines, a benchmark in 25, a measure in about 60."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
MODEL, BENCHMARK, USE, MAP = BLOCKS
ARCHITECTURE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
(MEASURE,) = re.findall(r"```python\n(.*?)```", ARCHITECTURE, re.DOTALL)


def code_lines(block):
    lines = [line for line in block.splitlines() if line.strip()]
    return [line for line in lines if not line.lstrip().startswith(("#", "import ", "from "))]


def run(folder, *command):
    env = {**os.environ, "BRAINBENCH_CACHE": str(folder / "cache"), "PYTHONPATH": str(folder)}
    done = subprocess.run(
        [sys.executable, *command],
        cwd=folder,
        env=env,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


PROGRAM = """
import contextlib, dataclasses, io, json, runpy
import brainbench
from mean_response import MeanResponse
from my_study import MyStudy_IT

said = io.StringIO()
with contextlib.redirect_stdout(said):
    runpy.run_path("use.py", run_name="__main__")
score = brainbench.score("my_model.py:make_model", MyStudy_IT)
model = [score.model, score.weights, score.reason, score.n_stimuli]
declared = dataclasses.replace(MyStudy_IT, measure=MeanResponse())
options = {"formula": "r/sqrt(c)", "null": "images", "null_draws": 9, "limit": 50}
score = brainbench.score("pixels", declared, errors="ignore", **options)
measure = [score.status, score.reason, score.n_stimuli, score.raw]
print(json.dumps({"said": said.getvalue(), "model": model, "measure": measure}))
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("study")
    (path / "my_model.py").write_text(MODEL)
    (path / "my_study.py").write_text(BENCHMARK)
    (path / "use.py").write_text(USE)
    (path / "my_map.py").write_text(MAP)
    (path / "mean_response.py").write_text(MEASURE)
    return path


@pytest.fixture(scope="module")
def found(folder):
    """What the examples print and return, in one process of their own."""
    return json.loads(run(folder, "-c", PROGRAM).splitlines()[-1])


def test_a_model_takes_12_lines():
    assert len([line for line in MODEL.splitlines() if line.strip()]) <= 12


def test_a_benchmark_takes_25_lines():
    assert len(code_lines(BENCHMARK)) <= 25
    bundled = ROOT / "benchmarks" / "brainbench_benchmarks"
    for study, n_benchmarks in (
        ("kriegeskorte2008.py", 1),
        ("geirhos2019.py", 3),
        ("simulated.py", 12),
    ):
        assert len(code_lines((bundled / study).read_text())) <= 25 * n_benchmarks


def test_the_benchmark_runs(found):
    assert "pixels on MyStudy.IT-pls: " in found["said"]


def test_the_model_runs_on_the_benchmark(found):
    assert found["model"] == ["tiny", "untrained-0", None, 60]


@pytest.mark.slow
def test_the_map_runs_on_the_benchmark(folder):
    program = (
        "import json, brainbench\n"
        "from my_study import MyStudy_IT\n"
        "score = brainbench.score('pixels', MyStudy_IT, metric='my_map.py:make_map')\n"
        "print(json.dumps([score.benchmark, score.status, score.record.choices['map']]))\n"
    )
    name, status, map_name = json.loads(run(folder, "-c", program))
    assert name.startswith("MyStudy.IT-pls+Pipeline-")
    assert (status, map_name) == ("scored", "Pipeline")


def test_a_measure_takes_about_60_lines(found):
    assert len([line for line in MEASURE.splitlines() if line.strip()]) <= 64
    status, reason, n_stimuli, raw = found["measure"]
    assert (status in ("scored", "failed"), n_stimuli) == (True, 50)
    assert (status == "failed") == (reason is not None)
    assert -1 < raw < 1
