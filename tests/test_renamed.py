"""Names that users wrote before version 0.2 are errors that say the new ones."""

import importlib

import pytest
from brainbench_fake import FakeData, MeanActivation, declare

import brainbench
from brainbench import renamed
from brainbench.core.benchmark import Benchmark
from brainbench.core.errors import InputError


@pytest.mark.parametrize("name", renamed.MODULES)
def test_a_former_module_names_the_one_that_has_its_content(name):
    with pytest.raises(ImportError) as caught:
        importlib.import_module(name)
    first = renamed.MODULES[name].partition(" ")[0].rstrip(",")
    assert first in str(caught.value)
    importlib.import_module(first)
    assert caught.value.name == name


@pytest.mark.parametrize(
    ("statement", "home"),
    [
        ("from brainbench import assembly, stimuli", "brainbench.core.assembly"),
        ("from brainbench import stimuli", "brainbench.core.stimuli"),
        ("from brainbench.interfaces import Benchmark", "brainbench.core.benchmark"),
        ("from brainbench.scores import Score", "brainbench.core.score"),
        ("import brainbench.timeline", "brainbench.core.timeline"),
        ("from brainbench.presentation import Presentation", "brainbench.core.presentation"),
        (
            "from brainbench.procedures.predictivity import Predictivity",
            "brainbench.scoring.regression.predictivity",
        ),
    ],
)
def test_an_import_of_former_documentation(statement, home):
    with pytest.raises(ImportError, match=home):
        exec(statement, {})  # noqa: S102  # the statement is the test


def test_a_former_module_as_an_attribute():
    with pytest.raises(AttributeError, match=r"brainbench\.core\.stimuli"):
        brainbench.stimuli  # noqa: B018  # the access is the test


def test_other_modules_are_missing_as_ever():
    with pytest.raises(ModuleNotFoundError, match="nonsense"):
        importlib.import_module("brainbench.nonsense")
    with pytest.raises(ModuleNotFoundError, match=r"numpy\.assembly"):
        importlib.import_module("numpy.assembly")
    assert importlib.import_module("brainbench.data.arrays").ArrayData


def test_a_benchmark_with_a_procedure():
    declared = {
        name: value for name, value in vars(declare("Fake.IT-pls")).items() if name != "measure"
    }
    with pytest.raises(InputError, match=r"Fake\.IT-pls.*procedure") as caught:
        Benchmark(**declared, procedure=MeanActivation())
    assert "measure=" in caught.value.allowed


def test_a_benchmark_of_a_region_by_its_former_name():
    with pytest.raises(InputError, match="behaviour") as caught:
        declare("Fake.behaviour", data=FakeData(), region="behaviour")
    assert "'behavior'" in caught.value.allowed
