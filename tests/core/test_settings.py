"""Options of a run: each is declared once, and checked."""

import inspect
from dataclasses import fields

import pytest

from brainbench.core.errors import BrainbenchError, UnknownNameError
from brainbench.core.settings import (
    FORMULAS,
    PRECISIONS,
    Placement,
    Settings,
    chosen,
    flags_of,
    options_of,
    parameters_of,
    takes,
)
from brainbench.models import network
from brainbench.stats import ceiling

DECLARATIONS = (Settings, Placement)


def test_the_names_of_formulas_and_precisions_are_those_that_exist():
    assert set(FORMULAS) == set(ceiling.FORMULAS)
    assert PRECISIONS == network.PRECISIONS


@pytest.mark.parametrize("declaration", DECLARATIONS)
def test_every_field_is_an_option_with_help_and_an_allowed_default(declaration):
    options = options_of(declaration)
    assert list(options) == [field.name for field in fields(declaration)]
    assert all(option.help and option.metavar for option in options.values())
    declaration()  # the defaults are allowed


@pytest.mark.parametrize(
    ("declaration", "choice", "words"),
    [
        (Settings, {"protocol": "brain-score"}, ["protocol", "brain-score", "brainscore"]),
        (Settings, {"formula": "r/2"}, ["formula", "r/2", "r/sqrt(c)"]),
        (Settings, {"formula": 2}, ["formula", "2", "r2/c"]),
        (Settings, {"protocol": None}, ["protocol", "None", "paper"]),
        (Settings, {"seed": None}, ["seed=None"]),
        (Settings, {"resample": "sites"}, ["resample", "sites", "units"]),
        (Settings, {"null": "object"}, ["null", "object", "within-object"]),
        (Settings, {"floor": 1.0}, ["floor", "1.0", "below 1"]),
        (Settings, {"floor": -0.1}, ["floor", "-0.1", "from 0"]),
        (Settings, {"floor": float("nan")}, ["floor", "nan"]),
        (Settings, {"null_draws": 0}, ["null_draws=0", "--null-draws N", "from 1"]),
        (Settings, {"seed": -1}, ["seed=-1", "--seed N", "from 0"]),
        (Settings, {"limit": 1}, ["limit=1", "--limit N", "whole number from 2"]),
        (Settings, {"limit": "many"}, ["limit='many'"]),
        (Placement, {"batch_size": "many"}, ["batch_size='many'", "auto", "from 1"]),
        (Placement, {"batch_size": 0}, ["batch_size=0", "--batch-size N"]),
        (Placement, {"precision": "half"}, ["precision", "half", "bf16"]),
    ],
)
def test_a_wrong_choice_is_named_with_what_is_allowed(declaration, choice, words):
    with pytest.raises(BrainbenchError) as caught:
        declaration(**choice)
    for word in words:
        assert word in str(caught.value)


def test_the_command_line_gives_what_is_not_the_default():
    assert flags_of(Settings()) == []
    settings = Settings(protocol="brainscore", limit=2, layers={"V4": "a", "IT": "b"}, floor=0.5)
    words = "--layers V4=a --layers IT=b --protocol brainscore --limit 2 --floor 0.5"
    assert flags_of(settings) == words.split()


@takes(*DECLARATIONS)
def function(model, *, results=None, **options):
    """Take every option."""
    return chosen(options, DECLARATIONS, function)


def test_a_function_names_its_options_and_gets_them_back():
    names = [parameter.name for kind in DECLARATIONS for parameter in parameters_of(kind)]
    assert list(inspect.signature(function).parameters) == ["model", *names, "results"]
    settings, placement = function("net", seed=2, device="cpu", layers=None, limit=None)
    assert (settings, placement) == (Settings(seed=2), Placement(device="cpu"))


@pytest.mark.parametrize(("name", "nearest"), [("protcol", "protocol"), ("result", "results")])
def test_an_option_that_does_not_exist(name, nearest):
    with pytest.raises(UnknownNameError, match=f"'{name}'") as caught:
        function("net", **{name: 1})
    assert nearest in caught.value.allowed
