"""Object solution times in bins of the brain's."""

import drawn
import numpy as np
import pytest
import stored

from brainbench.core.errors import InputError
from brainbench.plot import ost
from brainbench.plot.solution_time_bins import binned


def test_bins_with_their_mean_and_standard_error():
    brain = np.array([101.0, 105, 109, 111, 112, 113, 118, 131, 139])
    model = np.array([100.0, 110, 120, 130, 130, 150, 150, 160, 170])
    x, mean, error = binned(brain, model)
    assert x.tolist() == [105.0, 115.0]  # two images at 130 to 140 ms are too few
    assert mean.tolist() == [110.0, 140.0]
    expected = [np.std([100, 110, 120], ddof=1) / 3**0.5, np.std([130, 130, 150, 150], ddof=1) / 2]
    assert error == pytest.approx(expected)


def test_images_that_both_solve_with_the_score_in_the_legend():
    score = drawn.solution_times(ci=(0.1, 0.4))
    axes = ost([score])
    data = axes.containers[0].lines[0].get_xydata()
    assert data.tolist() == [[105.0, 110.0], [125.0, 140.0]]
    legend = " ".join(drawn.words(axes))
    assert all(text in legend for text in (".25", "[.10, .40]", "9 images", "simulated brain"))


def test_a_static_model_has_no_order_to_show():
    static = stored.make("pixels", "Simulated.IT-ost", 0.0)
    with pytest.raises(InputError, match="'ost' of pixels"):
        ost([static])
