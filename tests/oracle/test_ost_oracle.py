"""Object solution times against Brain-Score 2.4.2: from its decoders' probabilities to its score."""

from pathlib import Path

import numpy as np
import pytest
from scipy.stats import spearmanr

from brainbench.metrics.solution_times.solution_times import agreement, sensitivity, solution_times
from brainbench.stats import splits

SPLITS = range(10)


@pytest.fixture(scope="module")
def oracle():
    with np.load(Path(__file__).parent / "data" / "ost_small.npz") as file:
        return dict(file)


@pytest.fixture(scope="module")
def bins(oracle):
    return np.stack([oracle["time_start"], oracle["time_end"]], axis=1)


def rows_of(ids, wanted):
    where = {stimulus: row for row, stimulus in enumerate(ids)}
    return np.array([where[stimulus] for stimulus in wanted])


def probabilities(oracle, split):
    """Rows of the target that are held out, their classes, and bin x image x class."""
    ids, n_bins = oracle["tgt_stimulus_id"], len(oracle["time_start"])
    held_out = oracle[f"proba_stim{n_bins * split}"]
    classes = np.unique(oracle["truth"])
    decoded = []
    for k in range(n_bins * split, n_bins * (split + 1)):
        rows = rows_of(oracle[f"proba_stim{k}"], held_out)
        columns = rows_of(oracle[f"proba_choice{k}"], classes)
        decoded.append(oracle[f"proba{k}"][rows][:, columns])
    truth = oracle["truth"][rows_of(oracle["stimulus_id"], held_out)]
    return rows_of(ids, held_out), np.searchsorted(classes, truth), np.array(decoded), held_out


def solved(oracle, bins, split):
    rows, truth, decoded, held_out = probabilities(oracle, split)
    i1 = sensitivity(decoded, truth, false_alarms="brainscore")
    return rows, solution_times(i1, oracle["tgt_i1"][rows], bins), i1, held_out


@pytest.mark.parametrize("split", SPLITS)
def test_i1_of_every_bin(oracle, bins, split):
    _, _, i1, held_out = solved(oracle, bins, split)
    for k, ours in enumerate(i1):
        number = len(bins) * split + k
        expected = oracle[f"i1_{number}"][rows_of(oracle[f"i1_stim{number}"], held_out)]
        np.testing.assert_allclose(ours, expected, rtol=0, atol=3.5e-7)


@pytest.mark.parametrize("split", SPLITS)
def test_solution_times(oracle, bins, split):
    _, ours, _, held_out = solved(oracle, bins, split)
    expected = oracle[f"pred_ost{split}"][rows_of(oracle[f"test_stim{split}"], held_out)]
    assert np.isnan(expected).any()
    np.testing.assert_allclose(ours, expected, rtol=0, atol=5e-6)  # NaN where expected is NaN


def test_spearman_of_every_split_and_the_score(oracle, bins):
    parts = [solved(oracle, bins, split)[:2] for split in SPLITS]
    r = agreement(parts, oracle["tgt_osts"])
    np.testing.assert_allclose(r, oracle["raw"], rtol=0, atol=1e-14)
    assert r.mean() == pytest.approx(float(oracle["score"]), abs=1e-14)
    error = r.std() / np.sqrt(len(r))
    assert error == pytest.approx(float(oracle["error"]), abs=1e-14)


def test_held_out_images_are_those_of_unstratified_random_splits(oracle):
    ids = oracle["tgt_stimulus_id"]
    ours = [set(ids[split.test]) for split in splits.brainscore(ids)]
    assert ours == [set(oracle[f"test_stim{split}"]) for split in SPLITS]


def test_spearman_is_scipys(oracle, bins):
    rows, own_times, _, _ = solved(oracle, bins, 0)
    expected = spearmanr(own_times, oracle["tgt_osts"][rows], nan_policy="omit").statistic
    assert agreement([(rows, own_times)], oracle["tgt_osts"])[0] == pytest.approx(
        expected, abs=1e-14
    )
