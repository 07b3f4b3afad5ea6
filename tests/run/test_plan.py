from dataclasses import dataclass, replace
from typing import ClassVar

import pytest
from brainbench_fake import FakeData, FakeModel, Trivial, declare

from brainbench.core.errors import InputError
from brainbench.core.presentation import Presentation
from brainbench.core.score import failure
from brainbench.core.settings import Settings
from brainbench.core.timeline import Timeline
from brainbench.run.plan import OVERWRITE, identity, plan

MODEL, BENCHMARK = FakeModel(), declare("Fake.IT-pls")


def nothing(model, benchmark, key):
    return None


def key(*, model=MODEL, benchmark=BENCHMARK, **settings):
    return identity(model, model.digest, benchmark, Settings(**settings))


PULSE = Presentation(kind="pulse", on_ms=100)
CLOCK = Timeline(name="paper", source="x", steps={"IT": [(0, 1)]})

OTHERS = {
    "digest": {"model": replace(MODEL, digest="other weights")},
    "model's name": {"model": replace(MODEL, name="fake@other")},
    "candidate layers": {"model": replace(MODEL, areas={"IT": ("IT.output", "IT.conv")})},
    "clock": {"model": replace(MODEL, clocks={"paper": CLOCK})},
    "version": {"benchmark": replace(BENCHMARK, version=2)},
    "identifier": {"benchmark": replace(BENCHMARK, identifier="Fake.V4-pls")},
    "region": {"benchmark": replace(BENCHMARK, region="V4")},
    "window": {"benchmark": replace(BENCHMARK, window=(70, 180))},
    "procedure": {"benchmark": replace(BENCHMARK, measure=Trivial("other"))},
    "data": {"benchmark": BENCHMARK.on(FakeData(name="Other"))},
    "data version": {"benchmark": BENCHMARK.on(FakeData(version="2"))},
    "protocol": {"protocol": "brainscore"},
    "seed": {"seed": 1},
    "limit": {"limit": 5},
    "chosen layer": {"layers": {"IT": "V4.output"}},
}


@pytest.mark.parametrize("other", OTHERS.values(), ids=OTHERS)
def test_whatever_changes_a_score_changes_its_key(other):
    assert key(**other) != key()


def test_what_is_shown_changes_the_key():
    pulse = replace(BENCHMARK, presentation=PULSE)
    able = replace(MODEL, presentations=("constant", "pulse"))
    assert key(benchmark=pulse) == key()  # this model sees a constant image in any case
    assert key(model=able, benchmark=pulse) != key(model=able)


def test_the_default_clock_is_the_first_one():
    second = replace(CLOCK, name="other")
    forth = replace(MODEL, clocks={"paper": CLOCK, "other": second})
    back = replace(MODEL, clocks={"other": second, "paper": CLOCK})
    assert key(model=forth) != key(model=back)


def test_what_does_not_matter_does_not_change_the_key():
    assert key(model=replace(MODEL, device="cuda", batch_size=3)) == key()
    assert key(layers={"V4": "V1.output"}) == key()
    assert key(benchmark=replace(BENCHMARK, citation="Somebody, 2027")) == key()
    assert key(model=replace(MODEL, areas={"IT": ("IT.output",), "V9": ("x",)})) == key()


def test_a_procedure_without_a_description_has_the_same_key_in_every_run():
    class Plain:
        needs = score = None

    first, second = (replace(BENCHMARK, measure=Plain()) for _ in range(2))
    assert repr(first.measure) != repr(second.measure)
    assert key(benchmark=first) == key(benchmark=second)


def stored_score(**more):
    base = {"model": "fake", "weights": "none", "benchmark": "Fake.IT-pls", "version": 1}
    return failure(**base, protocol="paper", reason="failed then", **more)


VALUE = replace(stored_score(), value=0.5, reason=None)
FAILED = stored_score()


@pytest.mark.parametrize(
    ("overwrite", "found", "state"),
    [
        ("never", None, "to do"),
        ("never", FAILED, "stored"),
        ("never", VALUE, "stored"),
        ("only-missing", None, "to do"),
        ("only-missing", FAILED, "to do"),
        ("only-missing", VALUE, "stored"),
        ("always", None, "to do"),
        ("always", FAILED, "to do"),
        ("always", VALUE, "to do"),
    ],
)
def test_overwrite(overwrite, found, state):
    assert overwrite in OVERWRITE
    [item] = plan(MODEL, [BENCHMARK], Settings(), find=lambda *_: found, overwrite=overwrite)
    assert item.state == state
    assert item.stored is (found if state == "stored" else None)
    assert (item.needs is None) == (state == "stored")
    assert item.key == key()


def planned(*benchmarks, find=nothing, model=MODEL, **settings):
    return plan(model, benchmarks, Settings(**settings), find=find, overwrite="only-missing")


def test_what_there_is_to_do():
    [item] = planned(BENCHMARK, limit=5)
    assert item.needs.layers == ("IT.output",)
    assert len(item.needs.stimuli) == 5
    assert item.reason is None


def test_absent_data_is_named_with_the_command_and_nothing_is_looked_up():
    def never(*_):
        raise AssertionError("there is nothing to look up")

    [item] = planned(declare("Away.IT-pls", data=FakeData(missing=True)), find=never)
    assert (item.state, item.needs, item.key) == ("data not here", None, "")
    assert item.reason == (
        "data not here: the recordings are not in the data folder; "
        "get it with `brainbench data get Fake`"
    )


def test_a_region_for_which_no_layer_stands():
    [item] = planned(BENCHMARK, model=replace(MODEL, areas={"V4": ("V4.output",)}))
    assert (item.state, item.needs) == ("does not apply", None)
    assert item.reason == (
        f"no layer of {MODEL.name} stands for IT\n"
        "  allowed: its regions V4, or a layer that you name\n"
        "  next: name a layer for it: --layers IT=LAYER"
    )
    [item] = planned(
        BENCHMARK, model=replace(MODEL, areas={"V4": ("V4.output",)}), layers={"IT": "IT.output"}
    )
    assert item.state == "to do"


def test_a_protocol_that_a_measure_does_not_have():
    @dataclass(frozen=True)
    class OnlyPaper(Trivial):
        protocols: ClassVar = ("paper",)

    both = (replace(BENCHMARK, measure=OnlyPaper()), BENCHMARK)
    one, other = planned(*both, protocol="brainscore")
    assert (one.state, other.state) == ("does not apply", "to do")
    assert one.reason == (
        f"protocol 'brainscore' for {BENCHMARK.identifier}, whose measure it does not have\n"
        "  allowed: paper\n"
        "  next: choose --protocol from these, or another benchmark"
    )
    assert [item.state for item in planned(*both)] == ["to do", "to do"]


def test_one_that_cannot_run_does_not_stop_the_others():
    @dataclass(frozen=True)
    class Crashing(Trivial):
        def needs(self, benchmark, model, settings):
            raise ZeroDivisionError("division by zero")

    items = planned(
        declare("Fake.a", "no needs"),
        declare("Fake.b", data="NoSuchData"),
        replace(BENCHMARK, measure=Crashing()),
        declare("Fake.c", region="V9"),
        BENCHMARK,
    )
    states = [item.state for item in items]
    assert states == ["cannot run"] * 3 + ["does not apply", "to do"]
    assert "recordings of no site" in items[0].reason
    assert "unknown data set 'NoSuchData'" in items[1].reason
    assert items[2].reason.startswith("ZeroDivisionError: division by zero (run with -v")
    assert "--layers V9=LAYER" in items[3].reason


def test_a_corrupt_result_does_not_stop_the_others():
    def find(model, benchmark, key):
        if benchmark.identifier == "Fake.V4-pls":
            raise InputError("result file x", allowed="a whole one", todo="remove the file")

    items = planned(declare("Fake.V4-pls"), BENCHMARK, find=find)
    assert [item.state for item in items] == ["cannot run", "to do"]
    assert "remove the file" in items[0].reason


def test_the_weights_are_hashed_once_for_all_benchmarks():
    class Counting(FakeModel):
        hashed = 0

        @property
        def digest(self):
            type(self).hashed += 1
            return "d"

        @digest.setter
        def digest(self, value):
            pass

    model = Counting.__new__(Counting)
    for name, value in vars(MODEL).items():
        if name != "digest":
            object.__setattr__(model, name, value)
    planned(BENCHMARK, declare("Fake.V4-pls"), declare("Fake.V1-pls"), model=model)
    assert Counting.hashed == 1
