"""The contract of a model: what it must have, and the defaults of what it may leave out."""

from dataclasses import replace

import pytest
from brainbench_fake import FakeModel
from recorded_notes import RecordedNotes

from brainbench.core import progress
from brainbench.core.errors import InputError, NotApplicableError
from brainbench.core.model import BrainModel, check_model, clock_of, layers_of
from brainbench.core.model_info import NOTHING
from brainbench.core.settings import Settings
from brainbench.core.timeline import STATIC, Timeline


def test_a_model_is_completed_with_the_members_that_it_may_leave_out():
    model = check_model(FakeModel(), name="fake")
    assert isinstance(model, BrainModel)
    assert (model.notes, model.about, model.precision) == ((), NOTHING, "float32")
    assert model.device == "auto"  # its own
    assert model.probe(None, ()) is None
    assert model.pinned() is model
    assert check_model(model, name="fake") is model


def test_a_model_without_a_choice_of_precision_notes_that():
    recorded = RecordedNotes()
    with progress.use(recorded):
        model = check_model(FakeModel(), name="fake").on(
            device="cpu", batch_size=2, precision="bf16"
        )
    assert (model.device, model.batch_size, model.precision) == ("cpu", 2, "float32")
    [note] = recorded.notes
    assert "fake" in note
    assert "bf16" in note


def test_missing_members_are_named_and_nothing_is_computed():
    class Nearly(FakeModel):
        clocks = None

        @property
        def digest(self):
            raise AssertionError("a digest takes time")

    given = Nearly.__new__(Nearly)
    object.__setattr__(given, "__dict__", {"name": "x", "weights": "none", "areas": {}})
    with pytest.raises(InputError, match=r"nearly.*clocks") as caught:
        check_model(given, name="nearly")
    assert not {"digest", "notes", "on"} & set(caught.value.got.replace(",", "").split())
    assert "brainbench.wrap" in caught.value.todo


def test_a_class_is_no_model():
    with pytest.raises(InputError, match="FakeModel"):
        check_model(FakeModel, name="FakeModel")


def test_layers_are_the_models_own_or_the_users():
    model = FakeModel(areas={"IT": ("a", "b")})
    assert layers_of(model, "IT", Settings()) == ("a", "b")
    assert layers_of(model, "IT", Settings(layers={"IT": "c"})) == ("c",)
    assert layers_of(model, "V4", Settings(layers={"V4": "c"})) == ("c",)
    with pytest.raises(NotApplicableError, match=r"fake .* V4") as caught:
        layers_of(model, "V4", Settings())
    assert "IT" in caught.value.allowed
    assert "--layers V4=LAYER" in caught.value.todo


def test_a_protocol_takes_the_clock_of_its_name():
    paper = Timeline(name="paper", source="x", steps={"IT": [(0, 1)]})
    other = Timeline(name="brainscore", source="x", steps={"IT": [(0, 2)]})
    model = FakeModel(clocks={"paper": paper, "brainscore": other})
    assert clock_of(model, "paper") is paper
    assert clock_of(model, "brainscore") == replace(other, rule="share")
    nearest = replace(other, rule="nearest")
    assert clock_of(FakeModel(clocks={"brainscore": nearest}), "brainscore") is nearest
    assert clock_of(FakeModel(), "brainscore") is STATIC
