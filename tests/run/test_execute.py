import gc
import weakref

import brainbench_fake
import pytest
from brainbench_fake import ASKED, SCORED, FakeData, FakeModel, declare

from brainbench.core import progress
from brainbench.core.errors import CacheError, StimulusError
from brainbench.core.settings import Settings
from brainbench.run.execute import ModelSpec, execute

V1, IT = declare("Fake.V1-pls", region="V1"), declare("Fake.IT-pls")


@pytest.fixture(autouse=True)
def _forget():
    ASKED.clear()
    SCORED.clear()


class Store:
    """Keeps scores in memory and writes down the order of events."""

    def __init__(self):
        self.kept = {}

    def find(self, model, benchmark, key):
        return self.kept.get(key)

    def sink(self, score, key):
        self.kept[key] = score
        return score


def spec(**options):
    model = FakeModel(**options)
    return ModelSpec(name=model.name, make=lambda: model)


def run(specs, benchmarks, *, store=None, overwrite="only-missing", **settings):
    store = store or Store()
    given = Settings(**settings)
    return execute(specs, benchmarks, given, find=store.find, sink=store.sink, overwrite=overwrite)


def test_scores_come_in_order_and_are_kept_one_by_one():
    store = Store()
    running = run([spec(), spec(name="b")], [V1, IT], store=store)
    seen = []
    for score in running:
        seen.append((score.model, score.benchmark))
        assert len(store.kept) == len(seen)  # kept before the next begins
    assert seen == [(m, b) for m in ("fake", "b") for b in ("Fake.V1-pls", "Fake.IT-pls")]


def test_one_extraction_for_all_benchmarks_on_the_same_stimuli():
    list(run([spec()], [V1, IT]))
    assert ASKED[0] == ("fake", ("V1.output", "IT.output"))
    assert len(ASKED) == 3  # and one for each benchmark, which a cache answers


def test_one_extraction_for_each_stimulus_set():
    few = declare("Fake.few", data=FakeData(n=6))
    list(run([spec()], [V1, few]))
    assert ASKED[:2] == [("fake", ("V1.output",)), ("fake", ("IT.output",))]


def test_the_record_says_what_was_asked_for():
    [score] = run([spec()], [IT], seed=2, limit=5, layers={"IT": "V4.output"})
    asked = Settings(seed=2, limit=5, layers={"IT": "V4.output"})
    assert score.record.settings == vars(asked)
    assert score.record.seconds > 0


def test_stored_scores_are_not_computed_again():
    store = Store()
    first = list(run([spec()], [V1, IT], store=store))
    ASKED.clear()
    SCORED.clear()
    assert list(run([spec()], [V1, IT], store=store)) == first
    assert (ASKED, SCORED) == ([], [])


def test_always_computes_again():
    store = Store()
    for _ in range(2):
        list(run([spec()], [IT], store=store, overwrite="always"))
    assert len(SCORED) == 2


@pytest.mark.parametrize(("overwrite", "times"), [("only-missing", 2), ("never", 1)])
def test_failed_scores_are_tried_again_unless_never(overwrite, times):
    store = Store()
    for _ in range(2):
        [score] = run([spec()], [declare("Fake.x", "fails")], store=store, overwrite=overwrite)
        assert score.failed
    assert len(SCORED) == times


@pytest.mark.parametrize(
    "change", [{"digest": "changed"}, {"areas": {"IT": ("V4.output",)}}, {"name": "other"}]
)
def test_a_changed_model_is_scored_again(change):
    store = Store()
    list(run([spec()], [IT], store=store))
    list(run([spec(**change)], [IT], store=store))
    assert len(SCORED) == 2


def test_failures_are_scores_with_a_reason_and_stop_nothing():
    benchmarks = [declare("Fake.a", "fails"), declare("Fake.b", "crashes"), IT]
    first, second, third = run([spec()], benchmarks, seed=3)
    assert first.failed
    assert first.reason == (
        "12 images for 25 components\n  allowed: more images than components\n"
        "  next: use more images or fewer components"
    )
    assert second.reason == "ZeroDivisionError: division by zero (run with -v for the traceback)"
    assert first.record.seeds == {"run": 3}
    assert first.record.settings == second.record.settings == third.record.settings
    assert first.record.hashes == {"model": "digest of fake", "data": "1"}
    assert first.simulated
    assert third.value is not None


def test_a_model_that_cannot_be_made_fails_on_every_benchmark_and_stops_nothing():
    def broken():
        raise RuntimeError("no such weights")

    scores = list(run([ModelSpec(name="net", make=broken), spec()], [V1, IT]))
    assert [one.failed for one in scores] == [True, True, False, False]
    assert [one.model for one in scores] == ["net", "net", "fake", "fake"]
    assert scores[0].reason.startswith("RuntimeError: no such weights")


def test_a_model_whose_digest_cannot_be_made_fails_and_stops_nothing():
    class Opaque(FakeModel):
        def __getattribute__(self, name):
            if name == "digest":
                raise RuntimeError("cannot be looked into")
            return super().__getattribute__(name)

    opaque = ModelSpec(name="opaque", make=lambda: Opaque(name="opaque"))
    first, second = run([opaque, spec()], [IT])
    assert "cannot be looked into" in first.reason
    assert second.value is not None


def test_data_that_cannot_be_loaded_fails_and_stops_nothing():
    first, second = run([spec()], [declare("Fake.x", data="NoSuchData"), IT])
    assert "unknown data set 'NoSuchData'" in first.reason
    assert first.failed
    assert not first.simulated
    assert second.value is not None


def test_a_picture_that_cannot_be_read_fails_its_benchmarks_and_stops_nothing(monkeypatch):
    good = FakeData.stimuli

    def stimuli(self):
        if self.name != "Spoilt":
            return good(self)
        return brainbench_fake.stimuli.from_files("spoilt", ["/no/such/picture.png"])

    monkeypatch.setattr(FakeData, "stimuli", stimuli)
    first, second = run([spec()], [declare("Fake.x", data=FakeData(name="Spoilt")), IT])
    assert "image /no/such/picture.png cannot be read" in first.reason
    assert second.value is not None


@pytest.mark.parametrize(
    "error",
    [
        CacheError("no space left", allowed="room", todo="free some space"),
        StimulusError("image x", allowed="a whole one", todo="replace it"),
        RuntimeError("CUDA error: the device went away"),
    ],
)
def test_an_extraction_that_fails_gives_reasons_and_stops_nothing(monkeypatch, error):
    good = FakeModel.activations

    def activations(self, stimuli, layers, presentation=None):
        if "V1.output" in layers:
            raise error
        return good(self, stimuli, layers)

    monkeypatch.setattr(FakeModel, "activations", activations)
    first, second = run([spec()], [V1, IT])
    assert first.failed
    assert str(error) in first.reason
    assert second.value is not None


def test_absent_data_is_no_failure_and_is_not_kept():
    store = Store()
    [score] = run([spec()], [declare("Away.x", data=FakeData(missing=True))], store=store)
    assert score.absent
    assert not score.failed
    assert "get it with `brainbench data get Fake`" in score.reason
    assert store.kept == {}
    assert ASKED == []


def test_what_does_not_apply_is_no_failure_and_is_not_kept():
    store = Store()
    [score] = run([spec()], [declare("Fake.TE-x", region="TE")], store=store)
    assert score.inapplicable
    assert not score.failed
    assert "stands for TE" in score.reason
    assert store.kept == {}
    assert ASKED == []


def test_ctrl_c_keeps_what_is_finished_and_the_next_run_goes_on(monkeypatch):
    store = Store()
    benchmarks = [V1, declare("Fake.late-pls"), IT]
    monkeypatch.setenv("FAKE_Fake_late-pls", "interrupted")
    with pytest.raises(KeyboardInterrupt):
        list(run([spec()], benchmarks, store=store))
    assert [one.benchmark for one in store.kept.values()] == ["Fake.V1-pls"]
    monkeypatch.delenv("FAKE_Fake_late-pls")
    SCORED.clear()
    scores = list(run([spec()], benchmarks, store=store))
    assert [one.value is not None for one in scores] == [True] * 3
    assert SCORED == [("fake", "Fake.late-pls"), ("fake", "Fake.IT-pls")]


def test_ctrl_c_in_an_extraction_passes(monkeypatch):
    def activations(self, stimuli, layers, presentation=None):
        raise KeyboardInterrupt

    monkeypatch.setattr(FakeModel, "activations", activations)
    with pytest.raises(KeyboardInterrupt):
        list(run([spec()], [IT]))


def test_limit_marks_scores_as_partial_failed_ones_too():
    first, second = run([spec()], [IT, declare("Fake.x", "fails")], limit=5)
    assert first.partial
    assert first.n_stimuli == 5
    assert second.partial


def test_cost_is_recorded():
    [score] = run([spec()], [IT])
    assert score.seconds > 0
    assert score.record.forward_seconds == pytest.approx(0.02)  # joint and own


def test_untrained_weights_are_said_on_screen():
    class Listening(progress.Silent):
        notes = []  # noqa: RUF012  # one test, one list

        def note(self, text):
            self.notes.append(text)

    with progress.use(Listening()):
        list(run([spec(), spec(name="net@untrained-0", weights="untrained-0")], [IT]))
    assert Listening.notes == [
        "net@untrained-0: weights are seeded random numbers, nothing here is trained"
    ]


def test_one_model_is_gone_before_the_next_is_made():
    alive = weakref.WeakSet()
    counts = []

    class Large(FakeModel):
        __hash__ = object.__hash__

    def make():
        gc.collect()
        counts.append(len(alive))
        model = Large()
        alive.add(model)
        return model

    list(run([ModelSpec(name=f"net{k}", make=make) for k in range(3)], [IT]))
    assert counts == [0, 0, 0]
