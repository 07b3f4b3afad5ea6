"""Features of a candidate layer: weighted steps, in chunks, that leave the responses as they are."""

import numpy as np
import pytest
import xarray as xr

from brainbench.scoring import layer_candidates
from brainbench.scoring.layer_candidates import Candidate


def candidate(activations, weights):
    return Candidate(
        layer="IT", step=None, span=(0.0, 100.0), activations=activations, weights=np.array(weights)
    )


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("weights", [[0.0, 1.0, 0.0], [0.5, 0.0, 0.5], [0.2, 0.3, 0.5]])
def test_chunks_are_weighted_steps_and_leave_the_responses_as_they_are(dtype, weights, monkeypatch):
    monkeypatch.setattr(layer_candidates, "COLUMNS", 4)
    values = np.random.default_rng(0).standard_normal((5, 10, 3)).astype(dtype)
    before = values.copy()
    one = candidate(xr.DataArray(values, dims=("stimulus", "neuroid", "time")), weights)
    for _ in range(2):
        features = np.concatenate(list(one.chunks()), axis=1)
        np.testing.assert_allclose(features, before @ np.array(weights), rtol=1e-6)
    np.testing.assert_array_equal(values, before)
