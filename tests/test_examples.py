import doctest
import importlib
import pkgutil

import pytest

import brainbench.metrics
import brainbench.stats

MODULES = [
    module.name
    for package in (brainbench.metrics, brainbench.stats)
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
]
FEWEST_EXAMPLES = 125


@pytest.fixture(scope="module")
def results():
    return {name: doctest.testmod(importlib.import_module(name)) for name in MODULES}


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings(name, results):
    assert results[name].failed == 0


def test_examples_are_found(results):
    assert sum(result.attempted for result in results.values()) >= FEWEST_EXAMPLES
