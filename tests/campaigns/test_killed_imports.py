"""The campaign of killed imports, in full."""

import pytest
from killed_imports import ABSENT, FAULTS, STUDIES, WHOLE, campaign


@pytest.mark.slow
def test_an_import_that_is_killed_at_any_step_loses_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("BRAINBENCH_DATA", str(tmp_path))
    counts = campaign(tmp_path)
    assert len(counts) == 2 * len(STUDIES)
    for name, found in counts.items():
        assert {fault: found[fault] for fault in FAULTS} == dict.fromkeys(FAULTS, 0), name
        assert found.total() > 10
        assert found[WHOLE] >= 1
        assert (found[ABSENT] > 0) is name.endswith("the first")
