import doctest
import importlib

import pytest

MODULES = [
    "brainbench.metrics.ccnorm",
    "brainbench.metrics.cka",
    "brainbench.metrics.choices",
    "brainbench.metrics.correlation",
    "brainbench.metrics.decoder",
    "brainbench.metrics.dynamics",
    "brainbench.metrics.folds",
    "brainbench.metrics.gram",
    "brainbench.metrics.neuron_to_neuron",
    "brainbench.metrics.i2n",
    "brainbench.metrics.ost",
    "brainbench.metrics.ost_decoder",
    "brainbench.metrics.ost_training",
    "brainbench.metrics.pls",
    "brainbench.metrics.ranks",
    "brainbench.metrics.rdm",
    "brainbench.metrics.ridge",
    "brainbench.metrics.rsa",
    "brainbench.metrics.sample_sums",
    "brainbench.metrics.shared_map",
    "brainbench.metrics.shared_sgd",
    "brainbench.metrics.softmax",
    "brainbench.metrics.standardise",
    "brainbench.metrics.state_components",
    "brainbench.metrics.trials",
    "brainbench.metrics.signal_power",
    "brainbench.stats.aggregate",
    "brainbench.stats.bootstrap",
    "brainbench.stats.ceiling",
    "brainbench.stats.composite",
    "brainbench.stats.permutation",
    "brainbench.stats.resample",
    "brainbench.stats.splits",
    "brainbench.stats.weighted",
]


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings(name):
    result = doctest.testmod(importlib.import_module(name))
    assert result.attempted > 0
    assert result.failed == 0
