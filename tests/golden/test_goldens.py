"""No figure of any measure moves unseen: scores of stored arrays against stored figures.

`make goldens` renews the figures after a change that is meant to move them.
"""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

FOLDER = Path(__file__).parent
sys.path.insert(0, str(FOLDER))
STORED = json.loads((FOLDER / "goldens.json").read_text())
SLOW = ("rsa, brainscore, r/sqrt(c)",)  # the ceiling of each of ten sets in each of 1,000 draws


@pytest.fixture(scope="module")
def goldens():
    from cases import Goldens

    with np.load(FOLDER / "arrays.npz") as stored:
        return Goldens({key: stored[key] for key in stored.files})


def test_every_measure_and_protocol_is_stored():
    from cases import SCORES

    assert set(SCORES) == set(STORED)
    assert len(STORED) >= 30


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=pytest.mark.slow) if name in SLOW else name for name in STORED],
)
def test_figures_are_those_that_are_stored(goldens, name):
    from cases import TOLERANCES

    expected, given = STORED[name], goldens.score(name)
    tolerance = TOLERANCES.get(name.partition(",")[0], 1e-9)
    assert set(given) == set(expected)
    for key in ("value", "raw", "ceiling", "error", "ci", "null"):
        assert (given[key] is None) == (expected[key] is None), key
    for key in ("value", "raw", "ceiling", "error", "ci"):
        figures, stored = ([] if one[key] is None else one[key] for one in (given, expected))
        np.testing.assert_allclose(figures, stored, rtol=tolerance, atol=tolerance, err_msg=key)
    for key in (
        "formula",
        "status",
        "n_units",
        "n_excluded",
        "excluded",
        "layer",
        "step",
        "chosen",
    ):
        assert given[key] == expected[key], key
    for key, figure in (expected["null"] or {}).items():
        assert given["null"][key] == pytest.approx(figure, rel=tolerance, abs=tolerance), key
    per_unit, stored = (
        np.array([np.nan if x is None else x for x in one["per_unit"]]) for one in (given, expected)
    )
    np.testing.assert_allclose(per_unit, stored, rtol=tolerance, atol=tolerance)
