"""A network is left as it was: what a forward pass makes or changes is undone, and training goes on."""

from __future__ import annotations

from collections import deque
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pictures import noise_pictures
from torch import Tensor, nn

from brainbench.core.errors import ActivationError, InputError
from brainbench.models.module_state import ModuleState, evaluating
from brainbench.models.preprocessing import Preprocess
from brainbench.models.structure import depth_of, sizes_of
from brainbench.models.wrap import WrappedModel, wrap
from brainbench.storage.cache import Cache

SMALL = Preprocess(name="small", size=(8, 8))


class Makes(nn.Module):
    """Makes a buffer, an attribute and a hook in its first forward pass, and counts its passes."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.norm = nn.BatchNorm2d(4)
        self.history: list[Tensor] = []
        self.steps = 0

    def forward(self, images: Tensor) -> Tensor:
        x: Tensor = self.norm(self.conv(images))
        if not hasattr(self, "gain"):
            self.register_buffer("gain", torch.full((1, 4, 1, 1), 2.0))
            self.scale = torch.ones(4, 1, 1)
            self.conv.register_forward_hook(lambda module, inputs, output: None)
        self.steps += 1
        self.history.append(x.mean())
        return x * self.gain * self.scale


def wrapped(net: nn.Module, folder: Path, layer: str = "norm", **options: Any) -> WrappedModel:
    return wrap(
        net,
        layers={"IT": layer},
        preprocess=SMALL,
        cache=Cache(folder),
        device="cpu",
        **options,
    )


def train(net: nn.Module) -> None:
    net.train()
    net(torch.randn(2, 3, 8, 8)).square().mean().backward()
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.sub_(0.1 * parameter.grad)


@pytest.mark.parametrize("use", ["activations", "sizes_of", "depth_of", "probe"])
def test_training_goes_on_and_the_digest_is_the_same(tmp_path: Path, use: str) -> None:
    torch.manual_seed(0)
    net = Makes()
    model = wrapped(net, tmp_path)
    digest, names = model.digest, set(vars(net)) | set(net._buffers)
    run = {
        "activations": lambda: model.activations(noise_pictures(5), ["norm"]),
        "sizes_of": lambda: sizes_of(model, ["norm"]),
        "depth_of": lambda: depth_of(model),
        "probe": lambda: model.probe(noise_pictures(5), ["norm"]),
    }
    run[use]()
    assert model.digest == digest
    assert set(vars(net)) | set(net._buffers) == names
    assert (net.steps, net.history, dict(net.conv._forward_hooks)) == (0, [], {})
    before = net.conv.weight.clone()
    train(net)
    assert not torch.equal(net.conv.weight, before)


def test_a_tensor_made_by_the_network_can_be_trained_with(tmp_path: Path) -> None:
    """Even where it is out of reach of a restoration, it is no inference tensor."""
    kept: dict[str, Tensor] = {}

    class Outside(nn.Sequential):
        def forward(self, images: Tensor) -> Tensor:
            x: Tensor = super().forward(images)
            return x * kept.setdefault("gain", torch.full((1, 4, 1, 1), 2.0))

    net = Outside(nn.Conv2d(3, 4, 3))
    wrapped(net, tmp_path, "0", fingerprint="1").activations(noise_pictures(5), ["0"])
    assert not kept["gain"].is_inference()
    train(net)


def test_what_was_changed_in_place_is_restored() -> None:
    net = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2)).train()
    net.register_buffer("nan", torch.tensor([float("nan"), 1.0]))
    net.table, net.queue, net.names = {"a": [1, 2]}, deque([1], maxlen=3), {"x"}
    net.array = np.arange(3)
    net[0].weight.requires_grad_(False)
    objects = [net.nan, net.table["a"], net.queue, net.names, net.array]
    kept = net[1].running_mean.clone()
    with evaluating(net):
        assert not net.training
        net[1].running_mean += 1
        net.nan.fill_(3)
        net.table["a"].append(3)
        net.table["b"] = 1
        net.queue.append(2)
        net.names.add("y")
        net.array *= 2
        net.extra = nn.Linear(1, 1)
        net[0].weight.requires_grad_(True)
        del net[1].running_var
        net[1].weight.grad = torch.ones(2)
    assert torch.equal(net[1].running_mean, kept)
    assert net.nan.isnan().tolist() == [True, False]
    assert (net.table, list(net.queue), net.names) == ({"a": [1, 2]}, [1], {"x"})
    assert net.array.tolist() == [0, 1, 2]
    after = [net.nan, net.table["a"], net.queue, net.names, net.array]
    assert [*map(id, after)] == [*map(id, objects)]
    assert not hasattr(net, "extra")
    assert net[1].running_var is not None
    assert net[0].weight.requires_grad is False
    assert net[1].weight.grad is None
    assert all(module.training for module in net.modules())


def test_what_did_not_change_is_not_written() -> None:
    """A written buffer would invalidate a graph that autograd keeps."""
    net = nn.BatchNorm1d(2)
    state = ModuleState(net)
    version = net.running_mean._version
    state.restore()
    assert net.running_mean._version == version


@pytest.mark.parametrize("through_data", [False, True])
def test_a_network_that_changes_its_weights_is_an_error(tmp_path: Path, through_data: bool) -> None:
    class Learns(nn.Sequential):
        def forward(self, images: Tensor) -> Tensor:
            weight = self[0].weight
            (weight.data if through_data else weight).mul_(1 + 1e-6)
            x: Tensor = super().forward(images)
            return x

    net = Learns(nn.Conv2d(3, 4, 3))
    with pytest.raises(ActivationError, match=r"Learns .*0\.weight"):
        wrapped(net, tmp_path, "0").activations(noise_pictures(5), ["0"])
    assert list(tmp_path.glob("activations/*")) == []


def test_gradients_of_an_interrupted_training_step_stay(tmp_path: Path) -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 3))
    net(torch.ones(1, 3, 8, 8)).sum().backward()
    grad = net[0].weight.grad
    assert grad is not None
    before = grad.clone()
    wrapped(net, tmp_path, "0").activations(noise_pictures(5), ["0"])
    assert net[0].weight.grad is grad
    assert torch.equal(grad, before)


def test_a_graph_that_waits_for_its_backward_pass_is_still_valid(tmp_path: Path) -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)).train()
    loss = net(torch.randn(2, 3, 8, 8)).square().mean()
    wrapped(net, tmp_path, "1").activations(noise_pictures(5), ["1"])
    loss.backward()


def test_weights_without_a_shape_are_an_error_and_stay_so(tmp_path: Path) -> None:
    net = nn.Sequential(nn.Flatten(), nn.LazyLinear(3))
    with pytest.raises(InputError, match=r"1\.weight"):
        sizes_of(wrapped(net, tmp_path, "1"), ["1"])
    assert nn.parameter.is_lazy(net[1].weight)
    net(torch.ones(1, 3, 8, 8))
    assert sizes_of(wrapped(net, tmp_path, "1"), ["1"])["1"].shape == (3,)
