"""The simulated subject: its rule, its trials, and that both are as declared."""

import numpy as np
import pandas as pd
import pytest

from brainbench.core.dataset import HasTrials
from brainbench.core.errors import InputError, UnknownNameError
from brainbench.metrics.behavior.trials import encode, fraction_correct
from brainbench.simulate import subject
from brainbench.simulate.brain import SimulatedBrain


@pytest.fixture(scope="module")
def inputs():
    rng = np.random.default_rng(0)
    objects = np.repeat(["cube", "ball", "cone"], 12)
    sites = 2.0 * np.eye(3)[np.repeat([0, 1, 2], 12)] @ rng.standard_normal((3, 8))
    return sites + rng.standard_normal((36, 8)), objects


@pytest.fixture(scope="module")
def chosen(inputs):
    return subject.choice_probabilities(*inputs)


def test_rule(inputs, chosen):
    sites, objects = inputs
    _, truth = np.unique(objects, return_inverse=True)
    assert chosen.shape == (36, 3)
    assert np.isnan(chosen[np.arange(36), truth]).all()
    assert np.nanmin(chosen) >= subject.LAPSE / 2
    assert np.nanmax(chosen) <= 1 - subject.LAPSE / 2
    assert np.nanmean(chosen) > 0.53  # it sees what is there
    nonsense = subject.choice_probabilities(np.random.default_rng(1).permutation(sites), objects)
    assert np.nanmean(nonsense) < 0.51


def test_an_image_is_judged_by_what_was_learned_on_others(inputs, chosen):
    """Another object in its place changes the image's own choices; its fold's other images keep theirs."""
    sites, objects = inputs
    moved = sites.copy()
    moved[0] = sites[-1]
    other = subject.choice_probabilities(moved, objects)
    assert np.nanmax(np.abs(other[0] - chosen[0])) > 0.05
    kept = np.nanmax(np.abs(other - chosen), axis=1) < 1e-12
    assert 2 <= kept.sum() < 35


def test_trials_follow_the_probabilities(inputs, chosen):
    names, truth = np.unique(inputs[1], return_inverse=True)
    ids = [f"im{k:02d}" for k in range(36)]
    table = subject.draw_trials(
        chosen, truth, stimulus_ids=ids, objects=names, observers=40, n_trials=50
    )
    assert len(table) == 36 * 2 * 40 * 50
    trials = encode(table.stimulus_id, table.truth, table.distractor, table.choice)
    assert trials.images == tuple(ids)
    np.testing.assert_array_equal(trials.truth, truth)
    error = fraction_correct(trials) - chosen
    assert np.nanmax(np.abs(error)) < 4.5 * 0.5 / np.sqrt(2000)
    each = table.assign(right=table.choice == table.truth).groupby("subject", observed=True).right
    assert each.mean().std() < 0.02  # every observer follows the same rule


def test_more_observers_leave_the_first_ones_as_they_are(inputs, chosen):
    names, truth = np.unique(inputs[1], return_inverse=True)
    ids = [f"im{k:02d}" for k in range(36)]
    few, many = (
        subject.draw_trials(chosen, truth, stimulus_ids=ids, objects=names, observers=n)
        for n in (2, 3)
    )
    pd.testing.assert_frame_equal(many.iloc[: len(few)].astype(str), few.astype(str))
    again = subject.draw_trials(chosen, truth, stimulus_ids=ids, objects=names, observers=2)
    pd.testing.assert_frame_equal(again, few)
    other = subject.draw_trials(chosen, truth, stimulus_ids=ids, objects=names, observers=2, seed=1)
    assert (other.choice.to_numpy(str) != few.choice.to_numpy(str)).any()


@pytest.mark.parametrize("objects", [np.repeat("cube", 36), np.array(["cone"] + ["cube"] * 35)])
def test_nothing_to_learn_on(inputs, objects):
    with pytest.raises(InputError, match=" 1 "):
        subject.choice_probabilities(inputs[0], objects)


@pytest.mark.parametrize("options", [{"observers": 0}, {"n_trials": 0}])
def test_no_trials(inputs, chosen, options):
    with pytest.raises(InputError, match="0"):
        subject.draw_trials(
            chosen, np.zeros(36, dtype=int), stimulus_ids=range(36), objects=range(3), **options
        )


def test_brain_behaves(session_cache):
    brain = SimulatedBrain(images_per_object=3, n_trials=2, n_sites={"IT": 10})
    assert isinstance(brain, HasTrials)
    table, expected = brain.trials(), brain.choice_probabilities()
    assert list(table.columns) == ["stimulus_id", "truth", "distractor", "choice", "subject"]
    assert len(table) == 24 * 7 * 60
    shown = brain.stimuli()
    assert set(table.stimulus_id) == set(shown.ids)
    truth = dict(zip(shown.ids, shown.metadata["object_name"], strict=True))
    assert (table.truth.astype(str) == table.stimulus_id.astype(str).map(truth)).all()
    assert expected.dims == ("stimulus", "distractor")
    right = (table.choice.astype(str) == table.truth.astype(str)).mean()
    assert right == pytest.approx(float(expected.mean()), abs=0.02)


def test_brain_without_it_has_no_subject(session_cache):
    brain = SimulatedBrain(images_per_object=2, n_trials=2, n_sites={"V1": 2})
    with pytest.raises(UnknownNameError, match="'IT'"):
        brain.trials()
