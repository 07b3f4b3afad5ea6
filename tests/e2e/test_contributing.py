"""What CONTRIBUTING.md promises: a model in 12 lines, a benchmark in 25 lines. Both are run."""

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
MODEL, BENCHMARK, USE = BLOCKS


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


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "my_model.py").write_text(MODEL)
    (tmp_path / "my_study.py").write_text(BENCHMARK)
    (tmp_path / "use.py").write_text(USE)
    return tmp_path


def test_a_model_takes_12_lines():
    assert len([line for line in MODEL.splitlines() if line.strip()]) <= 12


def test_a_benchmark_takes_25_lines():
    assert len(code_lines(BENCHMARK)) <= 25
    bundled = ROOT / "benchmarks" / "brainbench_benchmarks" / "simulated.py"
    assert len(code_lines(bundled.read_text())) <= 25


def test_the_benchmark_runs(folder):
    assert "benchmark='MyStudy.IT-pls'" in run(folder, "use.py")


def test_the_model_runs_on_the_benchmark(folder):
    program = (
        "import json, brainbench\n"
        "from my_study import MyStudy_IT\n"
        "score = brainbench.score('my_model.py:make_model', MyStudy_IT)\n"
        "print(json.dumps([score.model, score.weights, score.reason, score.n_stimuli]))\n"
    )
    assert json.loads(run(folder, "-c", program)) == ["tiny", "untrained-0", None, 60]
