"""Small networks: their budgets, and that the controls match what they are to match."""

from __future__ import annotations

import pytest
import torch

from brainbench import load_model
from brainbench.training.classification import Classifier
from brainbench.training.train import multiply_adds
from brainbench_models.convrnn.networks import SMALL, SMALL_STEPS, graph

# Parameters, and multiply-adds of an image over all steps.
SIZES = {
    "convrnn_small": (179_946, 14_584_704),
    "convrnn_small_nofeedback": (175_786, 14_388_096),
    "ff_small_parameters": (180_266, 5_494_816),
    "ff_small_operations": (184_434, 14_561_840),
    "cornet_rt_small": (253_434, 3_775_840),
}


@pytest.mark.parametrize("name", SIZES)
def test_sizes_are_within_the_budget(name):
    options = {} if name == "cornet_rt_small" else {"steps": SMALL_STEPS}
    model = load_model(name, **options)
    assert model.name == name + ("-t7" if options else "") + "@untrained-0"
    parameters, operations = SIZES[name]
    assert sum(p.numel() for p in model.network.net.parameters()) == parameters <= 300_000
    counted = multiply_adds(Classifier.of(model, torch.device("cpu")))
    assert counted == operations <= 15_000_000
    images = torch.zeros(2, 3, 32, 32)
    assert model.network.net(images).shape == (2, 10)
    assert "V4" in model.areas
    assert model.about.citation.startswith("ours")


def test_controls_match_to_half_a_percent():
    parameters, operations = SIZES["convrnn_small"]
    assert SIZES["ff_small_parameters"][0] == pytest.approx(parameters, rel=5e-3)
    assert SIZES["ff_small_operations"][1] == pytest.approx(operations, rel=5e-3)


def test_only_the_feedback_differs_between_the_recurrent_ones():
    assert set(SMALL) | {"cornet_rt_small"} == set(SIZES)
    with_feedback, without = graph("convrnn_small"), graph("convrnn_small_nofeedback")
    assert with_feedback.layers == without.layers
    assert (with_feedback.feedback, without.feedback) == ((("conv4", "conv3"),), ())
    assert with_feedback.minimal_steps() == SMALL_STEPS - 1
    with pytest.raises(Exception, match="times=0"):
        load_model("cornet_rt_small", times=0)
