"""Candidates: their features come in chunks, and what they are made of stays as it is."""

import numpy as np
import pytest

from brainbench.core import assembly
from brainbench.scoring.layer_candidates import Candidate, chunk_width
from brainbench.storage.array_file import COLUMNS


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("weights", [[1.0, 0.0, 0.0], [0.25, 0.0, 0.75], [0.5, 0.3, 0.2]])
def test_chunks_average_steps_and_leave_the_activations_as_they_are(dtype, weights):
    values = np.random.default_rng(0).standard_normal((3, COLUMNS + 5, 3)).astype(dtype)
    activations = assembly.make(
        values.copy(),
        stimulus={"stimulus_id": list("abc")},
        neuroid={"neuroid_id": np.arange(COLUMNS + 5)},
        time=[(0, 1), (1, 2), (2, 3)],
        units="a.u.",
    )
    candidate = Candidate(
        layer="l", step=None, span=(0, 3), activations=activations, weights=np.array(weights)
    )
    for _ in range(2):
        chunks = list(candidate.chunks())
        assert [chunk.shape[1] for chunk in chunks] == [COLUMNS, 5]
        np.testing.assert_allclose(
            np.concatenate(chunks, axis=1), values.astype(np.float64) @ weights, rtol=1e-12
        )
    np.testing.assert_array_equal(activations.values, values)


def test_a_chunk_is_what_lies_together_on_disk_and_at_most_64_mb():
    assert chunk_width(10) == chunk_width(2560) == COLUMNS
    assert chunk_width(10_000) * 10_000 * 8 <= 64e6
