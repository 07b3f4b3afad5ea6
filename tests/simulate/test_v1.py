"""The simulated V1 of a known circuit."""

import numpy as np
import pytest

from brainbench.core.errors import InputError, UnknownNameError
from brainbench.metrics.explained_variance.ccnorm import explained
from brainbench.metrics.explained_variance.signal_power import mean_response, signal_power
from brainbench.simulate.v1 import CIRCUITS, SimulatedV1

SMALL = {"n_images": 150, "n_neurons": 5}


@pytest.mark.parametrize("circuit", CIRCUITS)
def test_trials_are_poisson_around_the_truth(circuit):
    brain = SimulatedV1(circuit=circuit, **SMALL, n_trials=60)
    trials = brain.recordings("V1").values

    np.testing.assert_allclose(brain.truth.mean(axis=0), 3)
    np.testing.assert_allclose(
        (trials.mean(axis=0) - brain.truth).std() / np.sqrt(brain.truth / 60).mean(), 1, atol=0.15
    )
    found = explained(brain.truth, mean_response(trials), signal_power(trials))
    assert np.nanmean(found.cc_norm**2) == pytest.approx(1, abs=0.03)


def test_the_same_seed_gives_the_same_brain_and_the_circuit_another():
    one, again, other, seed = (
        SimulatedV1(circuit="recurrent", **SMALL),
        SimulatedV1(circuit="recurrent", **SMALL),
        SimulatedV1(circuit="feed-forward", **SMALL),
        SimulatedV1(circuit="recurrent", seed=1, **SMALL),
    )

    np.testing.assert_array_equal(one.recordings("V1").values, again.recordings("V1").values)
    assert one.stimuli().digest == again.stimuli().digest
    assert one.version == again.version != other.version
    assert np.abs(one.truth - other.truth).mean() > 0.1
    assert one.stimuli().digest != seed.stimuli().digest


def test_what_cannot_be_simulated_is_refused():
    with pytest.raises(UnknownNameError, match="feedback"):
        SimulatedV1(circuit="feedback")
    with pytest.raises(InputError, match="side 8"):
        SimulatedV1(circuit="recurrent", side=8)
    with pytest.raises(UnknownNameError, match="V4"):
        SimulatedV1(circuit="recurrent", **SMALL).recordings("V4")
