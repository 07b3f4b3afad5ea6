"""The campaign of threads, with fewer scores."""

import pytest
from threads import campaign


@pytest.mark.slow
def test_eight_threads_compute_what_one_does(tmp_path):
    outcome = campaign(tmp_path, threads=8, scores=6)
    assert outcome.n_scores == 48
    assert outcome.n_faults == 0, outcome
