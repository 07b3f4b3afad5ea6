"""A model and sites that move, scored once for all tests."""

import numpy as np
import pytest
from known import brain
from over_time import BINS, SITES, TIME, N, P, benchmark, model_of

from brainbench.scoring.pipeline import score


@pytest.fixture(scope="session")
def moving():
    """Features that move, sites linear in them by one map for all bins, and trials."""
    rng = np.random.default_rng(3)
    X = rng.standard_normal((N, P, BINS)).cumsum(axis=2)
    signal = np.einsum("ipt,pq->iqt", X, rng.standard_normal((P, SITES))) + 20.0
    trials = signal + 4.0 * rng.standard_normal((10, *signal.shape))
    return X, signal, trials


@pytest.fixture(scope="session")
def data(moving):
    return brain(None, trials=moving[2], time=TIME)


@pytest.fixture(scope="session")
def model(data, moving):
    return model_of(data, moving[0])


@pytest.fixture(scope="session")
def four_quarters(data, model):
    """Score with every image held out once."""
    return score(benchmark(data), model)
