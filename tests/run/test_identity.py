"""The key by which a stored score is found."""

import dataclasses
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import ClassVar

import numpy as np
import pytest
from brainbench_fake import FakeData, FakeModel, MeanActivation, declare
from runs import context_of, items

from brainbench.core.errors import InputError
from brainbench.core.presentation import Presentation
from brainbench.core.timeline import Timeline
from brainbench.run.identity import identity

MODEL, BENCHMARK = FakeModel(), declare("Fake.IT-pls")
PULSE = Presentation(kind="pulse", on_ms=100)
CLOCK = Timeline(name="paper", source="x", steps={"IT": [(0, 1)]})


def key(*, model=MODEL, benchmark=BENCHMARK, **settings):
    return identity(context_of(model, benchmark, **settings))


CHANGES = {
    "digest": {"model": replace(MODEL, digest="other weights")},
    "model's name": {"model": replace(MODEL, name="fake@other")},
    "candidate layers": {"model": replace(MODEL, areas={"IT": ("IT.output", "IT.conv")})},
    "clock": {"model": replace(MODEL, clocks={"paper": CLOCK})},
    "version": {"benchmark": replace(BENCHMARK, version=2)},
    "identifier": {"benchmark": replace(BENCHMARK, identifier="Fake.V4-pls")},
    "region": {"benchmark": replace(BENCHMARK, region="V4")},
    "window": {"benchmark": replace(BENCHMARK, window=(70, 180))},
    "option of the measure": {
        "benchmark": replace(BENCHMARK, measure=MeanActivation(formula="r/c"))
    },
    "data": {"benchmark": BENCHMARK.on(FakeData(name="Other"))},
    "data version": {"benchmark": BENCHMARK.on(FakeData(version="2"))},
    "protocol": {"protocol": "brainscore"},
    "seed": {"seed": 1},
    "limit": {"limit": 5},
    "chosen layer": {"layers": {"IT": "V4.output"}},
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_whatever_changes_a_score_changes_its_key(change):
    assert key(**change) != key()


def test_the_presentation_changes_the_key_of_a_model_that_accepts_it():
    pulse = replace(BENCHMARK, presentation=PULSE)
    able = replace(MODEL, presentations=("constant", "pulse"))
    assert key(benchmark=pulse) == key()  # this model is shown a constant image in any case
    assert key(model=able, benchmark=pulse) != key(model=able)


def test_the_order_of_clocks_changes_the_key_since_the_first_is_the_default():
    second = replace(CLOCK, name="other")
    forward = replace(MODEL, clocks={"paper": CLOCK, "other": second})
    backward = replace(MODEL, clocks={"other": second, "paper": CLOCK})
    assert key(model=forward) != key(model=backward)


def test_what_changes_no_score_does_not_change_the_key():
    assert key(model=replace(MODEL, device="cuda", batch_size=3)) == key()
    assert key(layers={"V4": "V1.output"}) == key()
    assert key(benchmark=replace(BENCHMARK, citation="Somebody, 2027")) == key()
    assert key(model=replace(MODEL, areas={"IT": ("IT.output",), "V9": ("x",)})) == key()


def test_numbers_of_numpy_and_other_mappings_in_a_clock_give_the_same_key():
    spans = np.arange(4).reshape(2, 2) * 10
    clock = replace(CLOCK, steps={"IT": [(0, 10), (20, 30)]})
    numpy_clock = replace(CLOCK, steps=MappingProxyType({"IT": [tuple(span) for span in spans]}))
    assert key(model=replace(MODEL, clocks={"paper": numpy_clock})) == key(
        model=replace(MODEL, clocks={"paper": clock})
    )


def penalized(*fields):
    """Return a measure with options in the order of `fields`."""
    return dataclasses.make_dataclass(
        "Penalized",
        [(name, float, field(default=value)) for name, value in fields],
        bases=(MeanActivation,),
        frozen=True,
        kw_only=True,
    )


def test_the_order_of_a_measures_options_does_not_change_the_key():
    forward = penalized(("alpha", 1.0), ("beta", 2.0))
    backward = penalized(("beta", 2.0), ("alpha", 1.0))
    one, other = (replace(BENCHMARK, measure=kind()) for kind in (forward, backward))
    assert key(benchmark=one) == key(benchmark=other)


def test_a_penalty_changes_the_key():
    kind = penalized(("alpha", 1.0))
    weak, strong = (replace(BENCHMARK, measure=kind(alpha=alpha)) for alpha in (1.0, 1e6))
    assert key(benchmark=weak) != key(benchmark=strong)


class Inherited(MeanActivation):
    """A measure whose option is no field of a dataclass."""

    def __init__(self, alpha):
        super().__init__()
        object.__setattr__(self, "alpha", alpha)


class Bare:
    """Something else than a measure."""

    formula = None
    rules: ClassVar = MeanActivation.rules


@dataclass(frozen=True, kw_only=True)
class Opaque(MeanActivation):
    """A measure with an option that is no plain value."""

    option: object = field(default_factory=object)


@dataclass(frozen=True, kw_only=True)
class Evasive(MeanActivation):
    """A measure whose config() is not made of plain values."""

    def config(self):
        return {"measure": "Evasive", "option": object()}


@pytest.mark.parametrize(
    ("measure", "name"),
    [(Inherited(1.0), "Inherited"), (Bare(), "Bare"), (Opaque(), "Opaque.option"), (Evasive(), "object")],
)  # fmt: skip
def test_a_measure_that_does_not_say_what_it_computes_has_no_key(measure, name):
    benchmark = replace(BENCHMARK, measure=measure)
    with pytest.raises(InputError, match=name):
        key(benchmark=benchmark)
    [item] = items(benchmark)
    assert item.state == "failed"
    assert name in item.score.reason
