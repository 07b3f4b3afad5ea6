"""A whole benchmark against Brain-Score 2.4.2: trials -> mean -> PLS -> ceiling -> ceiled."""

from pathlib import Path

import numpy as np
import pytest
from known import Known, benchmark

from brainbench.core import assembly, stimuli
from brainbench.core.settings import Settings
from brainbench.data.arrays import ArrayData
from brainbench.scoring.pipeline import score as score_model

ORACLE = Path(__file__).parent / "data" / "benchmark_ceiled.npz"


@pytest.fixture(scope="module")
def oracle():
    with np.load(ORACLE) as stored:
        return dict(stored)


def scored(oracle, solver):
    """D is in the order of the model's stimuli, target in that of the sorted ids."""
    ids = [str(i) for i in oracle["X_stim"]]
    objects = dict(zip(oracle["target_stim"], oracle["target_obj"], strict=True))
    n, sites = len(ids), oracle["D"].shape[2]
    trials = assembly.make(
        oracle["D"],
        stimulus={"stimulus_id": ids},
        neuroid={"neuroid_id": [f"n{k}" for k in range(sites)]},
        repetitions=True,
        units="a.u.",
    )
    pictures = np.zeros((n, 2, 2, 3), dtype=np.uint8)
    names = [objects[i] for i in ids]
    shown = stimuli.from_arrays("oracle", pictures, ids=ids, metadata={"object_name": names})
    data = ArrayData(name="Oracle", pictures=shown, regions={"IT": trials})
    model = Known(responses={"IT": oracle["X"][:, :, None]}, ids=ids, areas={"IT": ["IT"]})
    declared = benchmark(data, n_components=25, solver=solver)
    return score_model(declared, model, Settings(protocol="brainscore"))


def test_nipals_gives_their_figures(oracle):
    score = scored(oracle, "nipals")
    assert score.raw == pytest.approx(float(oracle["raw_score"]), abs=1e-10)
    assert score.ceiling == pytest.approx(float(oracle["ceiling"]), abs=1e-12)
    assert score.value == pytest.approx(float(oracle["ceiled"]), abs=1e-9)
    assert score.error == pytest.approx(float(oracle["error"]), abs=1e-10)


def test_exact_solver_is_close(oracle):
    score = scored(oracle, "exact")
    assert score.raw == pytest.approx(float(oracle["raw_score"]), abs=5e-4)
    np.testing.assert_allclose(score.per_unit, oracle["raw"].mean(axis=0), atol=1e-2)


def test_splits_come_from_the_ids(oracle):
    score = scored(oracle, "exact")
    for k, test in enumerate(oracle["test_idx"]):
        test_ids = score.predictions.stimulus_id[score.predictions.fold == k]
        assert test_ids.values.tolist() == oracle["target_stim"][test].tolist()
