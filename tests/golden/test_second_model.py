"""The second model of a run finds what depends on the brain alone, and its figures stay the same."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from brainbench.core.model import check_model
from brainbench.core.settings import Settings
from brainbench.scoring.context import ModelRun, Run, RunContext
from brainbench.scoring.pipeline import score_context

FOLDER = Path(__file__).parent
sys.path.insert(0, str(FOLDER))


@pytest.fixture(scope="module")
def goldens():
    from cases import Goldens

    with np.load(FOLDER / "arrays.npz") as stored:
        return Goldens({key: stored[key] for key in stored.files})


@pytest.mark.parametrize("name", ["pls", "ccnorm2", "rsa", "dynamics", "i2n"])
def test_figures_of_the_brain_are_computed_for_the_first_model_alone(name, goldens):
    benchmark, first = goldens.benchmark(name), goldens.model
    other_features = first.responses["IT"][:, ::-1] ** 2 + 1
    second = replace(first, responses={**first.responses, "IT": other_features})

    def scored(model, run):
        model_run = ModelRun(check_model(model, name=model.name))
        return score_context(RunContext(benchmark=benchmark, run=run, model_run=model_run))

    settings = Settings(formula="r/sqrt(c)")
    together = Run(settings)
    one = scored(first, together)
    made = together.brain.store.made
    other = scored(second, together)
    assert made > 0
    assert together.brain.store.made == made
    alone = scored(second, Run(settings))
    assert other.value != one.value
    assert (other.value, other.raw, other.ceiling, other.ci) == (
        alone.value,
        alone.raw,
        alone.ceiling,
        alone.ci,
    )
