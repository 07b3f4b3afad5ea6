import doctest
import importlib

import pytest

MODULES = [
    "brainbench.metrics.explained_variance.ccnorm",
    "brainbench.metrics.similarity.cka",
    "brainbench.metrics.behavior.choices",
    "brainbench.metrics.correlation",
    "brainbench.metrics.classification.logistic_regression",
    "brainbench.metrics.temporal.correlations",
    "brainbench.metrics.linear.folds",
    "brainbench.metrics.gram",
    "brainbench.metrics.linear.neuron_to_neuron",
    "brainbench.metrics.behavior.i2n",
    "brainbench.metrics.solution_times.solution_times",
    "brainbench.metrics.solution_times.decoder",
    "brainbench.metrics.solution_times.published_training",
    "brainbench.metrics.linear.pls",
    "brainbench.metrics.ranks",
    "brainbench.metrics.similarity.rdm",
    "brainbench.metrics.linear.ridge",
    "brainbench.metrics.similarity.rsa",
    "brainbench.metrics.temporal.moments",
    "brainbench.metrics.temporal.shared_map",
    "brainbench.metrics.temporal.gradient_descent",
    "brainbench.metrics.classification.softmax",
    "brainbench.metrics.classification.standardize",
    "brainbench.metrics.temporal.components",
    "brainbench.metrics.behavior.trials",
    "brainbench.metrics.explained_variance.signal_power",
    "brainbench.stats.aggregate",
    "brainbench.stats.held_out_bootstrap",
    "brainbench.stats.ceiling",
    "brainbench.stats.composite",
    "brainbench.stats.permutation",
    "brainbench.stats.bootstrap",
    "brainbench.stats.splits",
    "brainbench.stats.weighted",
]


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings(name):
    result = doctest.testmod(importlib.import_module(name))
    assert result.attempted > 0
    assert result.failed == 0
