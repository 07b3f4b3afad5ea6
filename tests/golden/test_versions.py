"""A version stands for the code of bundled models and of the simulated brain, while figures do not move.

When one fails: take the change back, or raise the version that it names, and renew with `make goldens`.
"""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

FOLDER = Path(__file__).parent
sys.path.insert(0, str(FOLDER))
STORED = json.loads((FOLDER / "versions.json").read_text())
BRAIN = ("simulated brain", "model of the simulated brain", "solution times of halves")
SLOW = ("cornet_s", "convrnn_timedecay_shallow", "basenet18")


def check(name, given, stored):
    """Fail where figures differ from those that are stored for their version."""
    if given["version"] != stored["version"]:
        pytest.fail(f"{name} has the version {given['version']}: renew its figures, make goldens")
    assert given["figures"].keys() == stored["figures"].keys()
    tolerance = 1e-6 if name in BRAIN else 1e-4
    for part, expected in stored["figures"].items():
        scale = tolerance * np.abs(expected).max()
        if not np.allclose(given["figures"][part], expected, rtol=tolerance, atol=scale):
            pytest.fail(
                f"{name}, {part}: {given['figures'][part]}, stored {expected}. Where this is meant, raise "
                f"the version of {name} ({stored['version']}) and run make goldens"
            )


def test_all_that_states_a_version_is_stored():
    from versioned import CASES, FAST

    assert set(STORED) == {*CASES, *FAST, *SLOW}


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=[pytest.mark.slow] * (n in SLOW)) for n in STORED]
)
def test_figures_move_only_with_the_version(name, cache_folder):
    from versioned import cases

    [(_, given)] = cases([name])
    check(name, given, STORED[name])


def test_a_figure_that_moved_and_a_version_that_was_raised_are_said():
    stored = STORED["gabor"]
    moved = {part: [1.001 * x for x in figures] for part, figures in stored["figures"].items()}
    with pytest.raises(pytest.fail.Exception, match=r"raise the version of gabor \(gabor-1\)"):
        check("gabor", {**stored, "figures": moved}, stored)
    with pytest.raises(pytest.fail.Exception, match=r"gabor-2.*make goldens"):
        check("gabor", {"version": "gabor-2", "figures": moved}, stored)
