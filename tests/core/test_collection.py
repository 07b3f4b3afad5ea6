"""The garbage collector is off within a block, and afterwards as it was."""

import gc

import pytest

from brainbench.core.collection import without_collection


def test_collection_is_off_within_and_on_again_after_an_error():
    states = []
    with pytest.raises(ValueError, match="within"), without_collection():
        raise ValueError(f"within {states.append(gc.isenabled())}")
    assert [*states, gc.isenabled()] == [False, True]


def test_a_collector_that_was_off_stays_off():
    gc.disable()
    try:
        with without_collection():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()
