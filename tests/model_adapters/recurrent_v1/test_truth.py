"""Known truth: fits find recurrence in a V1 that has some, and not in one that has none."""

from dataclasses import replace

import fitted
import numpy as np
import pytest
from scipy import stats

from brainbench.simulate.v1 import SimulatedV1
from brainbench.training import fit as fits
from brainbench.training.schedule import SCHEDULES
from brainbench_models.recurrent_v1.fitter import FITTER

SEEDS = (0, 1, 2)  # each another brain and other initial weights


def gains(circuit, folder):
    """CC_norm^2 on held-out images, recurrent minus feed-forward of matched size, of 48 neurons."""
    found = []
    for seed in SEEDS:
        brain = SimulatedV1(circuit=circuit, seed=seed, n_images=1500, n_trials=30, side=16)
        plain, recurrent = (
            fits.fit(
                FITTER,
                fitted.context(brain),
                fitted.config(side=16, mode="early-avg", iterations=iterations, seed=seed),
                folder=folder,
            ).file.figures["cc_norm2"]
            for iterations in (1, 4)
        )
        found += [recurrent[name] - plain[name] for name in plain]
    return np.array(found)


@pytest.mark.slow
def test_a_recurrent_truth_is_found_and_a_feedforward_one_is_not_taken_for_it(
    tmp_path, monkeypatch
):
    """Over paired neurons; with seeds as the unit three of them show no gain (docs/recurrent_v1.md)."""
    shorter = replace(SCHEDULES["quick"], steps=1000, phase_steps=1000)
    monkeypatch.setattr("brainbench.training.schedule.SCHEDULES", {**SCHEDULES, "quick": shorter})

    gained = gains("recurrent", tmp_path)
    none = gains("feed-forward", tmp_path)

    assert len(gained) == len(none) == 48
    assert gained.mean() - stats.t.ppf(0.975, 47) * stats.sem(gained) > 0
    assert none.mean() <= 0.02
