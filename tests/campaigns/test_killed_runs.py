"""The campaign of killed runs, at some of the steps; the program beside it takes all."""

import pytest
from killed_runs import ABSENT, FAULTS, WHOLE, campaign


@pytest.mark.slow
def test_a_run_that_is_killed_loses_nothing_and_goes_on(tmp_path):
    counts = campaign(tmp_path, every=7)
    for name, found in counts.items():
        assert {fault: found[fault] for fault in FAULTS} == dict.fromkeys(FAULTS, 0), name
        assert found[WHOLE] >= 2
    assert counts["the first"][ABSENT] > 0
