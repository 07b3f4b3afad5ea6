"""Shape bias of models and people by category, as drawn."""

import drawn
import numpy as np
import pytest

from brainbench.core.errors import InputError
from brainbench.plot import cues


def test_shares_of_each_category_and_of_all():
    axes = cues([drawn.shape_bias(), drawn.shape_bias("other@untrained-0")])
    people, model, untrained = (
        line for line in axes.lines if line.get_marker() not in ("", "None")
    )
    np.testing.assert_array_equal(people.get_xydata(), [[0.9, 0], [1.0, 1]])
    np.testing.assert_array_equal(model.get_xydata(), [[0.25, 0], [np.nan, 1]])
    assert untrained.get_markerfacecolor() == "white"
    wholes = [line.get_xdata()[0] for line in axes.lines if line.get_marker() in ("", "None")]
    assert wholes == [0.95, 0.25, 0.25]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["cat", "dog"]
    assert "people: .95" in " ".join(drawn.words(axes))


def test_scores_of_other_measures_are_refused():
    with pytest.raises(InputError, match="'cues' of tiny"):
        cues([drawn.behavior()])
