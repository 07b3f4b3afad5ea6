"""What a program that finds everything stored does not wait for."""

import json
import subprocess
import sys

PROGRAM = """
import importlib, json, sys
import brainbench.api
from brainbench.core import registry
for name in registry.entries("benchmarks"):
    registry.load("benchmarks", name)
print(json.dumps([name for name in ("sklearn", "scipy.stats") if name in sys.modules]))
"""


def test_benchmarks_are_declared_without_scikit_learn_and_scipy_stats():
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout.splitlines()[-1]) == []
