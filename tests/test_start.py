"""What a program that finds everything stored does not wait for."""

import json
import subprocess
import sys

import pytest
from stored import fill, make

HEAVY = ("torch", "dask", "sklearn", "scipy.stats", "scipy.optimize", "joblib")

DECLARED = f"""
import json, sys
import brainbench.api
from brainbench.core import registry
for name in registry.entries("benchmarks"):
    registry.load("benchmarks", name)
print(json.dumps([name for name in {HEAVY!r} if name in sys.modules]))
"""

COMMAND = f"""
import json, sys
from brainbench.cli.main import run
try:
    run()
finally:
    print(json.dumps([name for name in {HEAVY!r} if name in sys.modules]))
"""


def imported(program, *words):
    done = subprocess.run(
        [sys.executable, "-c", program, *words], capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout.splitlines()[-1])


def test_benchmarks_are_declared_without_what_takes_long_to_load():
    assert imported(DECLARED) == []


@pytest.mark.parametrize("words", [("list", "models"), ("list", "benchmarks"), ("list", "data")])
def test_listing_imports_nothing_that_takes_long(words):
    assert imported(COMMAND, *words) == []


def test_a_leaderboard_imports_nothing_that_takes_long(tmp_path):
    fill(tmp_path, [make("pixels", "Simulated.IT-pls", 0.25)])
    assert imported(COMMAND, "leaderboard", "-o", str(tmp_path)) == []
