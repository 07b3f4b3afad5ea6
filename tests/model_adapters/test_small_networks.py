"""Small networks: their budgets, and that the controls match what they are to match."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from brainbench import load_model
from brainbench.core.errors import InputError
from brainbench.data.importers import cifar10
from brainbench.training.classification import Classifier
from brainbench.training.train import multiply_adds
from brainbench.training.trained_files import read_record
from brainbench_models._bundled_weights import FOLDER
from brainbench_models.convrnn.networks import SMALL, SMALL_STEPS, graph

IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
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
    model = load_model(name)
    assert model.name == f"{name}@untrained-0"
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


HELD_OUT = {
    "convrnn_small": 0.7285,
    "convrnn_small_nofeedback": 0.738,
    "ff_small_parameters": 0.723,
    "ff_small_operations": 0.742,
    "cornet_rt_small": 0.4685,
}


@pytest.mark.parametrize("name", SIZES)
def test_trained_weights_are_in_the_package(name):
    path = FOLDER / f"{name}@cifar10-0.safetensors"
    assert path.stat().st_size <= 600_000
    record = read_record(path)
    assert (record.model, record.name, record.recipe["seed"]) == (name, "cifar10-0", 0)
    assert record.figures["top1"]["value"] == pytest.approx(HELD_OUT[name])
    model, of_file = load_model(f"{name}@cifar10-0"), load_model(str(path))
    assert model.name == of_file.name == f"{name}@cifar10-0"
    assert (model.weights, of_file.weights) == ("cifar10-0", "cifar10-0")
    assert model.digest == of_file.digest
    assert any("held-out top-1 0." in note and "half precision" in note for note in model.notes)
    assert "in the package: @cifar10-0" in model.about.source
    given = load_file(path)
    state = model.network.net.state_dict()
    assert given.keys() == state.keys()
    assert {tensor.dtype for tensor in given.values() if tensor.is_floating_point()} == {
        torch.float16
    }
    for key, tensor in given.items():
        assert torch.equal(tensor.to(state[key].dtype), state[key])


def test_errors_name_the_weights_in_the_package():
    with pytest.raises(InputError, match="cifar10-0, untrained"):
        load_model("convrnn_small", weights="imagenet")
    with pytest.raises(InputError, match="cifar10-0, untrained"):
        load_model("cornet_rt_small", weights="cifar10-7")
    with pytest.raises(InputError, match="auto, cifar10-0, untrained"):
        load_model("ff_small_parameters", weights="cifar10-7")
    with pytest.raises(InputError, match="of another shape"):
        load_model("convrnn_small", weights="cifar10-0", classes=5)
    assert any(
        "trained: convrnn_small@cifar10-0" in note for note in load_model("convrnn_small").notes
    )


def test_held_out_accuracy_is_that_of_the_record(shared):
    """The images of the record's split are classified anew."""
    folder = shared("data/cifar10_test_and_10h")
    labels = cifar10.read_labels(folder / "test_labels.npy")
    out = np.flatnonzero(cifar10.held_out(labels))
    images = cifar10.read_images(folder / "cifar10_test_jpg.zip")[out]
    net = load_model("convrnn_small@cifar10-0").network.net
    values = torch.from_numpy(images).permute(0, 3, 1, 2) / 255
    mean, sd = (torch.tensor(each)[:, None, None] for each in IMAGENET)
    with torch.no_grad():
        answers = torch.cat([net((part - mean) / sd).argmax(1) for part in values.split(500)])
    assert float((answers.numpy() == labels[out]).mean()) == pytest.approx(0.7285)
