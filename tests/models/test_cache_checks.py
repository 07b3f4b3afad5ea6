"""Cached activations of a network that changed in a way that no digest follows."""

from __future__ import annotations

import importlib
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pictures import noise_pictures
from recorded_notes import RecordedNotes
from torch import Tensor, nn

from brainbench.core import progress
from brainbench.core.provenance import counting
from brainbench.models.cache_checks import is_held_by_a_test
from brainbench.models.preprocessing import Preprocess
from brainbench.models.wrap import WrappedModel, wrap
from brainbench.run.loading import load_model
from brainbench.storage.cache import Cache

SMALL = Preprocess(name="small", size=(8, 8))
SHOWN = noise_pictures(20, 8)


class Net(nn.Module):
    """A convolution whose output is multiplied by a gain from a source that no digest follows."""

    def __init__(self, source: Any) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv = nn.Conv2d(3, 4, 3)
        self.out = nn.Identity()
        self.source = source
        self.sizes: list[int] = []

    def forward(self, images: Tensor) -> Tensor:
        x: Tensor = self.out(self.conv(images) * self.source.gain())
        return x


class FromModule:
    def gain(self) -> float:
        value: float = importlib.import_module("_".join(["gain", "module"])).GAIN
        return value


class FromFile:
    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def gain(self) -> float:
        return float((self.folder / "gain.txt").read_text())


class FromEnvironment:
    def gain(self) -> float:
        return float(os.environ["TEST_GAIN"])


@pytest.fixture(params=["module", "file", "environment"])
def source(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[Any, Any]:
    """What a network takes its gain from, and a function that sets the gain."""
    module = type(sys)("gain_module")
    monkeypatch.setitem(sys.modules, "gain_module", module)

    def set_gain(value: float) -> None:
        module.GAIN = value  # type: ignore[attr-defined]
        (tmp_path / "gain.txt").write_text(str(value))
        monkeypatch.setenv("TEST_GAIN", str(value))

    set_gain(1.0)
    kinds = {"module": FromModule(), "file": FromFile(tmp_path), "environment": FromEnvironment()}
    return kinds[request.param], set_gain


def wrapped(net: nn.Module, folder: Path, **options: Any) -> WrappedModel:
    return wrap(
        net,
        layers={"V1": "conv", "IT": "out"},
        name="net",
        preprocess=SMALL,
        cache=Cache(folder / "cache"),
        device="cpu",
        **options,
    )


def responses(model: WrappedModel, layer: str = "out") -> Any:
    return model.activations(SHOWN, ["conv", "out"])[layer].values


def test_a_network_that_changed_unseen_is_extracted_again(
    source: tuple[Any, Any], tmp_path: Path
) -> None:
    given, set_gain = source
    before = responses(wrapped(Net(given), tmp_path))
    digest = wrapped(Net(given), tmp_path).digest
    set_gain(2.0)
    model = wrapped(Net(given), tmp_path)
    assert model.digest == digest
    told = RecordedNotes()
    with progress.use(told), counting() as costs:
        after = responses(model.pinned())
    np.testing.assert_allclose(after, 2 * before, rtol=1e-5)
    assert costs.images == 20
    assert len(told.notes) == 1
    assert "'out'" in told.notes[0]
    with progress.use(told):
        np.testing.assert_array_equal(responses(model.pinned()), after)
    assert len(told.notes) == 1


def test_a_pinned_model_shows_two_images_once_for_each_layer(tmp_path: Path) -> None:
    net = Net(FromModule())
    sizes: list[int] = []
    net.register_forward_pre_hook(lambda module, inputs: sizes.append(len(inputs[0])))
    net.source = _One()
    model = wrapped(net, tmp_path, fingerprint="1")
    first = model.pinned()
    responses(first)
    extraction = len(sizes)
    responses(first)
    assert len(sizes) == extraction  # it extracted them itself
    second = model.pinned()
    with counting() as costs:
        responses(second)
        second.activations(SHOWN, ["conv"])
    assert sizes[extraction:] == [2]
    assert costs.images == 0
    assert costs.forward_seconds > 0
    alone = replace(model, batch_size=1).pinned()
    responses(alone)
    assert sizes[extraction:] == [2, 1, 1]


class _One:
    def gain(self) -> float:
        return 1.0


def test_a_damaged_first_row_is_made_again(tmp_path: Path) -> None:
    model = wrapped(Net(_One()), tmp_path)
    before = responses(model)
    for path in (tmp_path / "cache" / "activations").iterdir():
        content = bytearray(path.read_bytes())
        content[0] ^= 1
        path.write_bytes(content)
    told = RecordedNotes()
    with progress.use(told):
        np.testing.assert_array_equal(responses(model), before)
    assert len(told.notes) == 2


@pytest.mark.parametrize("n", [1, 2, 20])
def test_a_network_with_a_seed_and_few_images_is_as_it_was(tmp_path: Path, n: int) -> None:
    class Noisy(_One):
        def gain(self) -> float:
            return float(torch.rand(()))

    model = wrapped(Net(Noisy()), tmp_path, seed=0)
    told = RecordedNotes()
    shown = SHOWN.take(range(n))
    with progress.use(told):
        before = model.activations(shown, ["out"])["out"].values
        again = model.activations(shown, ["out"])["out"].values
    np.testing.assert_array_equal(before, again)
    assert told.notes == []


def test_bundled_models_with_a_version_are_held_by_a_test_instead(tmp_path: Path) -> None:
    bundled = ("pixels", "gabor", "cornet_z@untrained-0", "simulated_maps")
    models: list[Any] = [load_model(name) for name in bundled]
    assert all(is_held_by_a_test(one.network, one.fingerprint) for one in models)
    net = Net(_One())
    assert not is_held_by_a_test(wrapped(net, tmp_path, version="1").network, None)
    assert not is_held_by_a_test(wrapped(net, tmp_path).network, "1")
