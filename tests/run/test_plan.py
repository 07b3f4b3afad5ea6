"""What a run has to do for a model."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import pytest
from brainbench_fake import ASKED, FakeData, FakeModel, MeanActivation, declare
from recorded_notes import RecordedNotes
from runs import context_of, items, planned, scores, spec_of

from brainbench.core import progress
from brainbench.core.errors import NotApplicableError
from brainbench.core.presentation import Presentation
from brainbench.core.settings import Settings
from brainbench.run.identity import identity
from brainbench.run.plan import OVERWRITE, extractions, without_data
from brainbench.scoring.context import Run
from brainbench.scoring.measure import ProtocolRules

MODEL, BENCHMARK = FakeModel(), declare("Fake.IT-pls")
PULSE = Presentation(kind="pulse", on_ms=100)


def key(*, model=MODEL, benchmark=BENCHMARK, **settings):
    return identity(context_of(model, benchmark, **settings))


@pytest.mark.parametrize(
    ("overwrite", "stored", "state"),
    [
        ("never", None, "to_do"),
        ("never", "fails", "stored"),
        ("never", "", "stored"),
        ("only-missing", None, "to_do"),
        ("only-missing", "fails", "to_do"),
        ("only-missing", "", "stored"),
        ("always", None, "to_do"),
        ("always", "fails", "to_do"),
        ("always", "", "to_do"),
    ],
)
def test_overwrite(tmp_path, overwrite, stored, state):
    assert overwrite in OVERWRITE
    benchmark = declare("Fake.IT-pls", stored or "")
    if stored is not None:
        list(scores([spec_of()], [benchmark], results=tmp_path))
    [item] = items(benchmark, results=tmp_path, overwrite=overwrite)
    assert item.state == state
    assert (item.score is None, item.task is None) == (state == "to_do", state != "to_do")


def test_a_task_names_its_key_stimuli_and_layers():
    [item] = items(BENCHMARK, limit=5)
    assert item.task.place.key == key(limit=5)
    assert [len(stimuli) for stimuli in item.task.stimulus_sets] == [5]
    assert item.task.context.layers == ("IT.output",)


def test_absent_data_is_named_with_the_command_that_gets_it():
    [item] = items(declare("Away.IT-pls", data=FakeData(missing=True)))
    assert item.state == item.score.status == "data_absent"
    assert "the recordings are not in the data folder" in item.score.reason
    assert "`brainbench data get Fake`" in item.score.reason


def test_benchmarks_without_data_are_known_before_anything_is_scored():
    class Broken(FakeData):
        def absent(self):
            raise OSError

    away, broken = declare("Away.IT-pls", data=FakeData(missing=True)), Broken()
    declared = [BENCHMARK, away, declare("Broken.IT-pls", data=broken)]
    assert without_data(declared, Run(Settings())) == {"Away.IT-pls"}


def test_a_region_for_which_no_layer_stands():
    model = replace(MODEL, areas={"V4": ("V4.output",)})
    [item] = items(BENCHMARK, model=model)
    assert item.state == item.score.status == "not_applicable"
    assert "--layers IT=LAYER" in item.score.reason
    [item] = items(BENCHMARK, model=model, layers={"IT": "IT.output"})
    assert item.state == "to_do"


def test_a_protocol_under_which_a_measure_is_not_defined():
    @dataclass(frozen=True, kw_only=True)
    class OnlyPaper(MeanActivation):
        rules: ClassVar = {"paper": ProtocolRules(formula="raw")}

    both = (replace(BENCHMARK, measure=OnlyPaper()), BENCHMARK)
    states = [item.state for item in items(*both, protocol="brainscore")]
    assert states == ["not_applicable", "to_do"]
    assert [item.state for item in items(*both)] == ["to_do", "to_do"]


def test_what_does_not_apply_is_known_before_the_data_is_opened():
    @dataclass(frozen=True, kw_only=True)
    class Unsuitable(MeanActivation):
        def check(self, context):
            raise NotApplicableError("formula r/c", allowed="raw", todo="choose raw")

    unsuitable = replace(declare("Fake.a", data="NoSuchData"), measure=Unsuitable())
    first, second = items(unsuitable, declare("Fake.b", region="V9", data="NoSuchData"))
    assert [first.state, second.state] == ["not_applicable"] * 2
    assert "formula r/c" in first.score.reason


@dataclass(frozen=True, kw_only=True)
class Crashing(MeanActivation):
    """A measure whose stimuli cannot be had."""

    def stimulus_sets(self, context):
        raise ZeroDivisionError("division by zero")


def test_a_benchmark_that_cannot_run_does_not_stop_the_others():
    plan = items(
        declare("Fake.a", "no stimuli"),
        declare("Fake.b", data="NoSuchData"),
        replace(BENCHMARK, measure=Crashing()),
        declare("Fake.c", region="V9"),
        BENCHMARK,
    )
    assert [item.state for item in plan] == ["failed"] * 3 + ["not_applicable", "to_do"]
    words = ["recordings of no site", "'NoSuchData'", "ZeroDivisionError", "V9=LAYER"]
    for item, word in zip(plan, words, strict=False):
        assert word in item.score.reason


def test_a_model_that_cannot_be_made_fails_on_every_benchmark():
    def broken():
        raise RuntimeError("no such weights")

    spec = replace(spec_of(), name="net", make=broken)
    [first, second] = list(scores([spec], [BENCHMARK, declare("Fake.V4-pls")]))
    assert (first.model, first.status) == ("net", "failed")
    assert "RuntimeError: no such weights" in first.reason
    assert first.reason == second.reason


@pytest.mark.parametrize(
    ("overwrite", "state"), [("never", "failed"), ("only-missing", "to_do"), ("always", "to_do")]
)
def test_a_damaged_result_is_no_figure_and_stops_nothing(tmp_path, overwrite, state):
    other = declare("Fake.V4-pls", region="V4")
    [score, _] = scores([spec_of()], [BENCHMARK, other], results=tmp_path)
    file = Path(score.file)
    file.write_text(file.read_text().replace(f'"value": {score.value}', '"value": 0.999'))
    recorded = RecordedNotes()
    with progress.use(recorded):
        first, second = items(BENCHMARK, other, results=tmp_path, overwrite=overwrite)
    assert first.state == state
    assert second.state == ("to_do" if overwrite == "always" else "stored")
    if overwrite == "never":
        assert score.file in first.score.reason
    else:
        said = [score.file in note for note in recorded.notes]
        assert said == [True] * (overwrite == "only-missing")


def test_nothing_is_asked_of_the_model():
    ASKED.clear()
    items(BENCHMARK, declare("Fake.V4-pls", region="V4"))
    assert ASKED == []


def test_benchmarks_on_the_same_stimuli_share_an_extraction():
    data = FakeData()
    v4 = declare("Fake.V4-pls", region="V4", data=data)
    able = replace(MODEL, presentations=("constant", "pulse"))
    plan = planned(
        BENCHMARK.on(data),
        v4,
        replace(v4, identifier="Fake.V4-again"),
        declare("Fake.few", data=FakeData(n=6)),
        replace(v4, identifier="Fake.V4-pulse", presentation=PULSE),
        model=able,
    )
    assert [
        (one.layers, len(one.stimuli), len(one.tasks), one.presentation.kind)
        for one in extractions(plan.tasks)
    ] == [
        (("IT.output", "V4.output"), 12, 3, "constant"),
        (("IT.output",), 6, 1, "constant"),
        (("V4.output",), 12, 1, "pulse"),
    ]
