"""Macaque IT alone: responses are as reliable as published, and objects can be read when they should."""

import runpy
from pathlib import Path

import numpy as np
import pytest

from brainbench.core.errors import InputError, NotApplicableError
from brainbench.data.importers.zd_it import read
from brainbench.run.offered import offered_benchmark

SCRIPT = Path(__file__).parents[2] / "perf" / "brain_alone.py"
BINS = [(start, start + 50) for start in range(-200, 500, 50)]
# Split-half r over 21 pictures in bins of 50 ms from 100 ms, as the data's README gives it.
PUBLISHED = [0.31, 0.42, 0.38, 0.38, 0.32, 0.28, 0.25, 0.24]


@pytest.fixture(scope="module")
def spikes(shared):
    return shared("data/zd_it_7objects/zd_it_spikes.npz")


@pytest.fixture(scope="module")
def recorded(spikes):
    return read(spikes, BINS)


@pytest.fixture(scope="module")
def script():
    return runpy.run_path(str(SCRIPT))


@pytest.fixture(scope="module")
def found(script, recorded):
    return script["measure"](recorded, shuffles=2)


def test_every_trial_is_there_once(recorded, spikes):
    assert recorded.sizes == {"repetition": 20, "stimulus": 21, "neuroid": 132, "time": 14}
    with np.load(spikes) as file:
        n_trials, raw = file["n_trials"], file["spikes"]
    counted = recorded.notnull().isel(time=0).sum(["repetition", "stimulus"]).values
    np.testing.assert_array_equal(counted, n_trials)
    total = recorded.sum(["repetition", "stimulus", "time"]).values
    np.testing.assert_array_equal(total, raw[:, :, 300:1000].sum(axis=(1, 2)))


def test_split_half_is_that_of_the_readme(found):
    """Within .05: it does not say how many splits, nor mean or median; a single split scatters by .02."""
    r = np.array(found["split_half"])
    start = np.array(found["bins"])[:, 0]
    np.testing.assert_allclose(r[start >= 100], PUBLISHED, atol=0.05)
    np.testing.assert_allclose(r[start < 100], 0.0, atol=0.06)


def test_the_object_is_unknown_at_first_and_known_later(found):
    chance = found["chance"]
    assert chance == pytest.approx(1 / 7)
    share, end = np.array(found["accuracy"]), np.array(found["bins"])[:, 1]
    low, high = np.array(found["accuracy_low"]), np.array(found["accuracy_high"])
    before, late = end <= 50, end > 200
    assert ((low < chance) & (chance < high))[before].sum() >= before.sum() - 1
    assert abs(share[before].mean() - chance) < 0.03
    assert (low[late] > 2.5 * chance).all()
    assert 75 < found["rise_ms"] < 150


def test_decoding_of_trials_with_shuffled_objects_is_at_chance(script, recorded):
    rng = np.random.default_rng(0)
    late = recorded.isel(time=[7])
    population = script["pseudo_trials"](late.values, rng)
    mixed = rng.permuted(population.reshape(-1, *population.shape[2:]), axis=0)
    share = script["accuracy"](mixed.reshape(population.shape), late.object_name.values)
    assert abs(share[0] - 1 / 7) < 0.08


def test_pseudo_trials_keep_each_neurons_own(script, recorded):
    values = recorded.values[..., :1]
    population = script["pseudo_trials"](values, np.random.default_rng(0))
    assert not np.isnan(population).any()
    for neuron, picture in ((0, 0), (50, 7)):
        kept = np.sort(population[:, picture, neuron, 0])
        whole = np.sort(values[:, picture, neuron, 0])
        assert len(kept) >= 18
        assert np.isin(kept, whole).all()


def test_bad_files_and_bins_are_named(spikes, tmp_path):
    with pytest.raises(InputError, match="bins within -500 to 500 ms"):
        read(spikes, [(450, 501)])
    with pytest.raises(InputError, match="cannot be read as spikes"):
        read(tmp_path / "absent.npz", BINS)
    np.savez(tmp_path / "other.npz", spikes=np.zeros((2, 3, 4)))
    with pytest.raises(InputError, match="cannot be read as spikes"):
        read(tmp_path / "other.npz", BINS)
    np.savez(
        tmp_path / "short.npz",
        spikes=np.zeros((2, 3, 4)),
        object=np.full((2, 2), "a"),
        position=np.full((2, 2), "a"),
        unit=np.array(["a", "b"]),
        time_ms=np.arange(4),
    )
    with pytest.raises(InputError, match="get the file again"):
        read(tmp_path / "short.npz", [(0, 4)])


def test_a_benchmark_says_by_name_that_no_model_can_be_scored(monkeypatch, tmp_path):
    monkeypatch.setenv("BRAINBENCH_DATA", str(tmp_path))
    with pytest.raises(NotApplicableError, match=r"ZhangDesimone2011\.IT-pls: .* lacks pictures"):
        offered_benchmark("ZhangDesimone2011.IT-pls")
