"""Scoring models on benchmarks: nothing is made twice, nothing that fails stops the others."""

import gc
import weakref
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import brainbench_fake
import numpy as np
import pytest
import torch
from brainbench_fake import ASKED, SCORED, FakeData, FakeModel, MeanActivation, declare
from recorded_notes import RecordedNotes
from runs import scores, spec_of

from brainbench.core import assembly, progress, provenance, stimuli
from brainbench.core.benchmark import Benchmark
from brainbench.core.errors import CacheError, DataAbsentError, NotApplicableError, StimulusError
from brainbench.core.presentation import CONSTANT
from brainbench.core.settings import Settings
from brainbench.models.preprocessing import Preprocess
from brainbench.models.wrap import wrap
from brainbench.run.plan import ModelSpec
from brainbench.scoring import layer_candidates
from brainbench.scoring.regression.predictivity import Predictivity
from brainbench.storage import checksums
from brainbench.storage.cache import Cache
from brainbench.storage.results import Results

V1, IT = declare("Fake.V1-pls", region="V1"), declare("Fake.IT-pls")


@pytest.fixture(autouse=True)
def _forget():
    ASKED.clear()
    SCORED.clear()


def test_scores_come_in_order_and_are_stored_one_by_one(tmp_path):
    running = scores([spec_of(), spec_of(name="b")], [V1, IT], results=tmp_path)
    seen = []
    for score in running:
        seen.append((score.model, score.benchmark))
        assert len(Results(tmp_path).files()) == len(seen)  # stored before the next begins
    assert seen == [(m, b) for m in ("fake", "b") for b in ("Fake.V1-pls", "Fake.IT-pls")]


# --- nothing is made twice -----------------------------------------------------------------------------


@dataclass
class Counts:
    """How often something was made."""

    opened: int = 0
    stimuli: int = 0
    pictures: int = 0
    versions: int = 0
    digests: int = 0
    passes: list[tuple[str, ...]] = field(default_factory=list)
    grams: int = 0


class CountingPictures(Sequence):
    """Pictures that count how often one is read, as for a hash."""

    def __init__(self, counts, n):
        self.counts = counts
        self.pixels = np.random.default_rng(0).integers(0, 256, (n, 4, 4, 3), dtype=np.uint8)

    def __len__(self):
        return len(self.pixels)

    def __getitem__(self, row):
        self.counts.pictures += 1
        return self.pixels[row]


class CountingData(FakeData):
    """Data that counts how often its stimuli and its version are asked for."""

    def counting(self, counts):
        object.__setattr__(self, "counts", counts)
        return self

    def __getattribute__(self, name):
        if name == "version":
            super().__getattribute__("counts").versions += 1
        return super().__getattribute__(name)

    def stimuli(self):
        self.counts.stimuli += 1
        ids = [f"picture{k:02d}" for k in range(self.n)]
        return stimuli.from_arrays("counting", CountingPictures(self.counts, self.n), ids=ids)


class CountingModel(FakeModel):
    """A model of two layers that counts how often it is hashed and run."""

    def counting(self, counts):
        object.__setattr__(self, "counts", counts)
        return self

    def __getattribute__(self, name):
        if name == "digest":
            super().__getattribute__("counts").digests += 1
        return super().__getattribute__(name)

    def activations(self, shown, layers, presentation=CONSTANT):
        self.counts.passes.append(tuple(layers))
        rng = np.random.default_rng(3)
        return {
            layer: assembly.make(
                rng.standard_normal((len(shown), 300, 1)),
                stimulus={"stimulus_id": shown.ids},
                neuroid={"neuroid_id": np.arange(300)},
                time=[(0, np.inf)],
                units="a.u.",
            )
            for layer in layers
        }


@pytest.fixture
def counts(monkeypatch, plugin):
    """Counts of what a run over registered data makes."""
    counted = Counts()
    counting_gram = layer_candidates.gram

    def opened(manifest):
        counted.opened += 1
        return CountingData(n=60).counting(counted)

    def gram(features):
        counted.grams += 1
        return counting_gram(features)

    monkeypatch.setattr(brainbench_fake, "loaded", opened)
    monkeypatch.setattr(layer_candidates, "gram", gram)
    return counted


def registered(identifier, metric) -> Benchmark:
    measure = Predictivity(metric=metric, n_components=3, n_splits=3)
    return replace(declare(identifier, data="FakeStored"), measure=measure)


def test_three_benchmarks_share_data_stimuli_digest_and_gram_matrices(counts):
    benchmarks = [registered(f"Fake.{name}", name) for name in ("pls", "ridge", "ridge-cv")]
    specs = [spec_of(CountingModel(name=name).counting(counts)) for name in ("one", "other")]
    for n_models in (1, 2):
        made = list(scores(specs[:n_models], benchmarks))
        assert [score.reason for score in made] == [None] * 3 * n_models
        assert counts.opened == 1
        assert counts.stimuli == 1
        assert counts.pictures == 60  # each was hashed once
        assert counts.versions == 1
        assert counts.digests == n_models
        assert counts.grams == n_models
        assert len(set(counts.passes)) == 1
        counts.__init__()


def test_one_extraction_for_all_benchmarks_on_the_same_stimuli():
    list(scores([spec_of()], [V1, IT]))
    assert ASKED[0] == ("fake", ("V1.output", "IT.output"))
    assert len(ASKED) == 3  # and one for each benchmark, which a cache answers


def test_one_extraction_for_each_stimulus_set():
    few = declare("Fake.few", data=FakeData(n=6))
    list(scores([spec_of()], [V1, few]))
    assert ASKED[:2] == [("fake", ("V1.output",)), ("fake", ("IT.output",))]


class Cached(FakeModel):
    """A model whose passes take a second the first time, and nothing when they are cached."""

    def activations(self, shown, layers, presentation=CONSTANT):
        new = {(shown.digest, layer) for layer in layers} - CACHE
        CACHE.update(new)
        if new:
            provenance.count_forward(1.0, len(shown))
        return super().activations(shown, layers)


CACHE: set[tuple[str, str]] = set()


def test_forward_time_is_recorded_once_with_the_first_score_that_a_pass_served():
    CACHE.clear()
    few = declare("Fake.few", data=FakeData(n=6))
    with provenance.counting() as costs:
        made = list(
            scores(
                [spec_of(Cached(forward_seconds=0.0))], [V1, few, IT, declare("Fake.x", "fails")]
            )
        )
    assert [score.record.forward_seconds for score in made] == [1.0, 1.0, 0.0, 0.0]
    assert sum(score.record.forward_seconds for score in made) == costs.forward_seconds


def test_the_record_has_the_settings_and_the_time():
    [score] = scores([spec_of()], [IT], seed=2, limit=5, layers={"IT": "V4.output"})
    assert score.record.settings == vars(Settings(seed=2, limit=5, layers={"IT": "V4.output"}))
    assert score.record.seconds > 0
    assert score.selection.layer == "V4.output"


# --- stored scores -------------------------------------------------------------------------------------


def test_stored_scores_are_not_computed_again(tmp_path):
    first = [one.value for one in scores([spec_of()], [V1, IT], results=tmp_path)]
    ASKED.clear()
    SCORED.clear()
    assert [one.value for one in scores([spec_of()], [V1, IT], results=tmp_path)] == first
    assert (ASKED, SCORED) == ([], [])


@pytest.mark.parametrize(
    ("misbehavior", "overwrite", "times"),
    [("", "always", 2), ("", "never", 1), ("fails", "only-missing", 2), ("fails", "never", 1)],
)
def test_what_is_computed_again(tmp_path, misbehavior, overwrite, times):
    benchmark = declare("Fake.x", misbehavior)
    for _ in range(2):
        [score] = scores([spec_of()], [benchmark], results=tmp_path, overwrite=overwrite)
        assert score.failed == (misbehavior == "fails")
    assert len(SCORED) == times


@pytest.mark.parametrize(
    "change", [{"digest": "changed"}, {"areas": {"IT": ("V4.output",)}}, {"name": "other"}]
)
def test_a_changed_model_is_scored_again(tmp_path, change):
    list(scores([spec_of()], [IT], results=tmp_path))
    list(scores([spec_of(**change)], [IT], results=tmp_path))
    assert len(SCORED) == 2


def test_a_score_that_cannot_be_stored_is_still_given(tmp_path, monkeypatch, caplog):
    def full(self, score, *, key):
        raise CacheError("no space left", allowed="room", todo="free some space")

    monkeypatch.setattr(Results, "save", full)
    made = list(scores([spec_of()], [IT, V1], results=tmp_path))
    assert [(one.value is not None, one.file) for one in made] == [(True, None)] * 2
    assert "Fake.IT-pls" in caplog.text


# --- failures ------------------------------------------------------------------------------------------


def test_failures_are_scores_with_a_reason_and_stop_nothing():
    benchmarks = [declare("Fake.a", "fails"), declare("Fake.b", "crashes"), IT]
    first, second, third = scores([spec_of()], benchmarks, seed=3)
    assert (first.status, second.status) == ("failed", "failed")
    assert "12 images for 25 components" in first.reason
    assert "ZeroDivisionError: division by zero" in second.reason
    assert first.record.seeds == {"run": 3}
    assert first.record.settings == second.record.settings == third.record.settings
    assert first.record.hashes == {"model": "digest of fake", "data": "1"}
    assert first.simulated
    assert third.value is not None


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (NotApplicableError("r/c", allowed="raw", todo="choose raw"), "not_applicable"),
        (DataAbsentError("a file is gone", allowed="it", todo="get it"), "data_absent"),
        (RuntimeError("crash"), "failed"),
    ],
)
def test_the_error_of_a_measure_is_the_status_of_its_score(tmp_path, error, status):
    @dataclass(frozen=True, kw_only=True)
    class Raising(MeanActivation):
        def target(self, context):
            raise error

    benchmarks = [replace(IT, measure=Raising()), V1]
    first, second = scores([spec_of()], benchmarks, results=tmp_path)
    assert first.status == status
    assert second.status == "scored"
    assert (first.file is not None) == (status == "failed")  # the others are no results


def test_a_model_that_cannot_be_made_stops_nothing():
    def broken():
        raise RuntimeError("no such weights")

    made = list(scores([ModelSpec(name="net", make=broken), spec_of()], [V1, IT]))
    assert [one.failed for one in made] == [True, True, False, False]
    assert [one.model for one in made] == ["net", "net", "fake", "fake"]
    assert "RuntimeError: no such weights" in made[0].reason


def test_a_model_whose_digest_cannot_be_made_stops_nothing():
    class Opaque(FakeModel):
        def __getattribute__(self, name):
            if name == "digest":
                raise RuntimeError("cannot be looked into")
            return super().__getattribute__(name)

    first, second = scores([spec_of(Opaque(name="opaque")), spec_of()], [IT])
    assert "cannot be looked into" in first.reason
    assert second.value is not None


def test_data_that_cannot_be_loaded_stops_nothing():
    first, second = scores([spec_of()], [declare("Fake.x", data="NoSuchData"), IT])
    assert "'NoSuchData'" in first.reason
    assert first.failed
    assert not first.simulated
    assert second.value is not None


def test_a_picture_that_cannot_be_read_fails_its_benchmarks_and_stops_nothing():
    class Spoilt(FakeData):
        def stimuli(self):
            return stimuli.from_files("spoilt", ["/no/such/picture.png"])

    first, second = scores([spec_of()], [declare("Fake.x", data=Spoilt()), IT])
    assert "/no/such/picture.png" in first.reason
    assert second.value is not None


@pytest.mark.parametrize(
    "error",
    [
        CacheError("no space left", allowed="room", todo="free some space"),
        StimulusError("image x", allowed="a whole one", todo="replace it"),
        RuntimeError("CUDA error: the device went away"),
    ],
)
def test_an_extraction_that_fails_gives_reasons_and_stops_nothing(error):
    class Failing(FakeModel):
        def activations(self, shown, layers, presentation=CONSTANT):
            if "V1.output" in layers:
                raise error
            return super().activations(shown, layers)

    first, second = scores([spec_of(Failing())], [V1, IT])
    assert first.failed
    assert str(error) in first.reason
    assert second.value is not None


def test_absent_data_and_what_does_not_apply_are_not_stored(tmp_path):
    benchmarks = [declare("Away.x", data=FakeData(missing=True)), declare("Fake.x", region="TE")]
    first, second = scores([spec_of()], benchmarks, results=tmp_path)
    assert (first.status, second.status) == ("data_absent", "not_applicable")
    assert "`brainbench data get Fake`" in first.reason
    assert "TE=LAYER" in second.reason
    assert Results(tmp_path).files() == []
    assert ASKED == []


def test_ctrl_c_keeps_what_is_finished_and_the_next_run_goes_on(tmp_path, monkeypatch):
    benchmarks = [V1, declare("Fake.late-pls"), IT]
    monkeypatch.setenv("FAKE_Fake_late-pls", "interrupted")
    with pytest.raises(KeyboardInterrupt):
        list(scores([spec_of()], benchmarks, results=tmp_path))
    assert [one.benchmark for one in Results(tmp_path).all()] == ["Fake.V1-pls"]
    monkeypatch.delenv("FAKE_Fake_late-pls")
    SCORED.clear()
    made = list(scores([spec_of()], benchmarks, results=tmp_path))
    assert [one.value is not None for one in made] == [True] * 3
    assert SCORED == [("fake", "Fake.late-pls"), ("fake", "Fake.IT-pls")]


def test_ctrl_c_ends_an_extraction():
    class Interrupted(FakeModel):
        def activations(self, shown, layers, presentation=CONSTANT):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(scores([spec_of(Interrupted())], [IT]))


def test_limit_marks_scores_as_partial_failed_ones_too():
    first, second = scores([spec_of()], [IT, declare("Fake.x", "fails")], limit=5)
    assert (first.partial, first.n_stimuli, second.partial) == (True, 5, True)


def test_untrained_weights_are_noted():
    recorded = RecordedNotes()
    with progress.use(recorded):
        list(scores([spec_of(), spec_of(name="net@untrained-0", weights="untrained-0")], [IT]))
    [note] = recorded.notes
    assert "net@untrained-0" in note


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
        return spec_of(model).make()

    list(scores([ModelSpec(name=f"net{k}", make=make) for k in range(3)], [IT]))
    assert counts == [0, 0, 0]


# --- damaged activations -------------------------------------------------------------------------------


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_damage_found_while_scoring_is_healed_and_the_figure_is_the_right_one(tmp_path, share):
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.ReLU())
    layers = {"V1": ["0", "1"], "IT": ["0", "1"]}
    small = Preprocess(name="small", size=(8, 8))
    store = Cache(tmp_path)
    model = wrap(net, layers=layers, name="net", preprocess=small, cache=store)
    measure = Predictivity(n_components=3, n_splits=3)
    benchmarks = [replace(one, data=FakeData(n=60), measure=measure) for one in (V1, IT)]
    expected = [score.raw for score in scores([spec_of(model)], benchmarks)]
    for path in (tmp_path / "activations").iterdir():  # of both layers
        content = bytearray(path.read_bytes())
        content[int(share * (len(content) - 1))] ^= 1
        path.write_bytes(content)
    told = RecordedNotes()
    with progress.use(told):
        found = list(scores([spec_of(model)], benchmarks))
    assert [(score.status, score.raw) for score in found] == [("scored", r) for r in expected]
    assert len([note for note in told.notes if "made again" in note]) == 2
    assert {entry.state for entry in store.verify()} == {"sound"}


def test_an_entry_that_stays_damaged_is_a_failure_with_a_reason(monkeypatch):
    def broken(context):
        raise checksums.damaged(Path("activations") / "k", "a broken disk")

    monkeypatch.setattr("brainbench.run.execute.score_context", broken)
    (found,) = scores([spec_of()], [V1])
    assert found.status == "failed"
    assert "a broken disk" in found.reason


def test_a_model_with_the_name_of_another_one_is_noted(tmp_path):
    told = RecordedNotes()
    named_alike = [spec_of(digest="1" * 64), spec_of(digest="2" * 64)]
    with progress.use(told):
        assert len(list(scores(named_alike, [V1], results=tmp_path))) == 2
    assert len(told.notes) == 1
    assert "22222222" in told.notes[0]


def test_a_model_from_a_file_with_the_name_of_a_listed_one_is_noted(plugin):
    made = spec_of(name="fake@untrained-0")
    told = RecordedNotes()
    with progress.use(told):
        list(scores([ModelSpec(name="fake", make=made.make, named=True)], [V1]))
        assert told.notes == []
        list(scores([ModelSpec(name="my_model.py:make", make=made.make, named=True)], [V1]))
    assert len(told.notes) == 1
    assert "my_model.py:make" in told.notes[0]
