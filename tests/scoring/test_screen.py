"""What a model is shown of pictures whose width in degrees is known, under each protocol."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
from known import Known, benchmark, brain, context_of

from brainbench.core import stimuli
from brainbench.core.model import check_model
from brainbench.core.presentation import CONSTANT
from brainbench.core.settings import Settings
from brainbench.run.identity import identity
from brainbench.run.plan import ModelSpec, extractions, plan
from brainbench.scoring.context import Run
from brainbench.scoring.pipeline import score_context

N = 60


@dataclass(frozen=True, kw_only=True)
class Looking(Known):
    """A model that answers with features, and keeps what it was shown."""

    seen: list
    visual_degrees: float = 8.0

    def activations(self, pictures, layers, presentation=CONSTANT):
        self.seen.append(pictures)
        return super().activations(pictures, layers, presentation)


def world(degrees):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((N, 5))
    trials = X @ rng.standard_normal((5, 6)) + rng.standard_normal((6, N, 6))
    data = brain(trials.mean(axis=0), trials=trials)
    data = replace(data, pictures=replace(data.pictures, degrees=degrees))
    model = Looking(
        responses={"IT": X[:, :, None]}, ids=data.pictures.ids, areas={"IT": ["IT"]}, seen=[]
    )
    return benchmark(data), model


@pytest.mark.parametrize(("degrees", "side"), [(4.0, 8), (8.0, 4), (16.0, 2), (None, 4)])
def test_pictures_are_placed_under_brainscore_and_fill_the_input_under_paper(degrees, side):
    declared, model = world(degrees)
    sides = []
    for protocol in ("brainscore", "paper"):
        context = context_of(declared, model, protocol=protocol)
        context.activations(context.stimuli())
        sides.append(model.seen[-1].picture(0).shape)
    assert sides == [(side, side, 3), (4, 4, 3)]


def test_the_record_says_how_pictures_are_shown():
    declared, model = world(11.2)
    choices = {
        protocol: score_context(context_of(declared, model, protocol=protocol)).record.choices
        for protocol in ("brainscore", "paper")
    }
    assert choices["brainscore"]["visual_degrees"] == 8.0
    assert "their center" in choices["brainscore"]["screen"]
    assert choices["paper"]["degrees"] == 11.2
    assert "fill" in choices["paper"]["screen"]
    assert "visual_degrees" not in choices["paper"]
    declared, model = world(None)
    assert "screen" not in score_context(context_of(declared, model)).record.choices


def test_the_field_of_view_is_part_of_the_key_where_it_matters():
    declared, model = world(11.2)
    wide = replace(model, visual_degrees=14.0)
    keys = {
        protocol: [identity(context_of(declared, one, protocol=protocol)) for one in (model, wide)]
        for protocol in ("brainscore", "paper")
    }
    assert keys["brainscore"][0] != keys["brainscore"][1]
    assert keys["paper"][0] == keys["paper"][1]
    same, model = world(8.0)
    unknown, _ = world(None)
    plain = identity(context_of(same, model, protocol="brainscore"))
    assert plain == identity(context_of(unknown, model, protocol="brainscore"))


def test_pictures_are_shown_once_for_all_benchmarks_of_a_protocol():
    declared, model = world(4.0)
    other = replace(declared, identifier="Known.IT-other")
    made = check_model(model, name="looking")
    planned = plan(
        ModelSpec(name="looking", make=lambda: made),
        [declared, other],
        Run(Settings(protocol="brainscore")),
    )
    [extraction] = extractions(planned.tasks)
    assert len(extraction.tasks) == 2
    assert extraction.stimuli.picture(0).shape == (8, 8, 3)
    placed = stimuli.from_arrays(
        "known", np.zeros((1, 4, 4, 3), np.uint8), ids=["a"], degrees=4.0
    ).on_screen(8.0)
    assert (placed.picture(0) == 128).all(axis=2).sum() == 64 - 16
