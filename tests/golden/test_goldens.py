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


@pytest.fixture(scope="module")
def current():
    from cases import Goldens

    with np.load(FOLDER / "arrays.npz") as stored:
        return dict(Goldens({key: stored[key] for key in stored.files}).scores())


def test_every_measure_and_protocol_is_stored(current):
    assert set(current) == set(STORED)
    assert len(STORED) >= 30


@pytest.mark.parametrize("name", STORED)
def test_figures_are_those_that_are_stored(current, name):
    from cases import TOLERANCES

    expected, given = STORED[name], current[name]
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
