"""The axis of the batch: checked with a second, smaller batch, declared where it is not the first."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pictures import noise_pictures
from torch import Tensor, nn

from brainbench.core.errors import ActivationError, InputError, UnknownNameError
from brainbench.core.timeline import Timeline
from brainbench.models.preprocessing import Preprocess
from brainbench.models.structure import LayerSize, sizes_of
from brainbench.models.wrap import WrappedModel, wrap
from brainbench.storage.cache import Cache

SMALL = Preprocess(name="small", size=(8, 8))
TOKENS, CHANNELS = 16, 12  # 2 x 2 pixels each; as many tokens as images in a batch
TWO_STEPS = Timeline(name="two", source="test", steps={"encoder": [(0, 1), (1, 2)]})


class Transformer(nn.Module):
    """A transformer whose tokens come first, (tokens, batch, channels), or second."""

    def __init__(self, *, batch_first: bool, passes: int = 1) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.patches = nn.Conv2d(3, CHANNELS, 2, 2)
        self.encoder = nn.TransformerEncoderLayer(CHANNELS, 2, 24, batch_first=batch_first)
        self.batch_first, self.passes = batch_first, passes

    def forward(self, images: Tensor) -> Tensor:
        tokens = self.patches(images).flatten(2).permute(0, 2, 1)
        tokens = tokens if self.batch_first else tokens.transpose(0, 1)
        for _ in range(self.passes):
            tokens = self.encoder(tokens)
        return tokens


def wrapped(net: Any, folder: Path, layer: str = "encoder", **options: Any) -> WrappedModel:
    store = Cache(folder)
    return wrap(net, layers={"IT": layer}, preprocess=SMALL, cache=store, device="cpu", **options)


def values(model: WrappedModel, n: int, layer: str = "encoder") -> Any:
    return model.activations(noise_pictures(n), [layer])[layer]


@pytest.mark.parametrize("n", [40, 16, 1])
def test_tokens_first_declared_are_the_tokens_of_the_usual_order(tmp_path: Path, n: int) -> None:
    usual = values(wrapped(Transformer(batch_first=True), tmp_path), n)
    first = wrapped(Transformer(batch_first=False), tmp_path, batch_axis={"encoder": 1})
    got = values(first, n)
    np.testing.assert_allclose(got.values, usual.values, atol=2e-6)
    for place in ("token", "channel"):
        assert got[place].values.tolist() == usual[place].values.tolist()
    assert sizes_of(first, ["encoder"]) == {"encoder": LayerSize((TOKENS, CHANNELS), 1)}


@pytest.mark.parametrize("n", [40, 16])
def test_tokens_first_undeclared_name_the_axis_even_where_their_number_is_that_of_the_batch(
    tmp_path: Path, n: int
) -> None:
    model = wrapped(Transformer(batch_first=False), tmp_path)
    with pytest.raises(ActivationError, match=r"'encoder' .*\(16, 2, 12\) for 2 ") as caught:
        values(model, n)
    assert "batch_axis={'encoder': 1}" in caught.value.todo
    assert list(tmp_path.glob("activations/*")) == []


def test_another_number_of_tokens_is_named_at_once(tmp_path: Path) -> None:
    model = wrapped(Transformer(batch_first=False), tmp_path, batch_size=5)
    with pytest.raises(ActivationError, match=r"\(16, 5, 12\) for 5 ") as caught:
        values(model, 10)
    assert "batch_axis={'encoder': 1}" in caught.value.todo


def test_a_wrong_declaration_names_the_right_axis(tmp_path: Path) -> None:
    model = wrapped(Transformer(batch_first=True), tmp_path, batch_axis=1)
    with pytest.raises(ActivationError, match="along axis 1") as caught:
        values(model, 40)
    assert "batch_axis={'encoder': 0}" in caught.value.todo


def test_steps_are_moved_too(tmp_path: Path) -> None:
    usual = wrapped(Transformer(batch_first=True, passes=2), tmp_path, timeline=TWO_STEPS)
    first = wrapped(
        Transformer(batch_first=False, passes=2), tmp_path, timeline=TWO_STEPS, batch_axis=1
    )
    np.testing.assert_allclose(values(first, 20).values, values(usual, 20).values, atol=2e-6)
    assert first.digest != wrapped(first.network.net, tmp_path, timeline=TWO_STEPS).digest


def test_two_axes_that_follow_the_batch_are_an_error(tmp_path: Path) -> None:
    def similarities(images: Any) -> Any:
        flat = images.reshape(len(images), -1)
        return flat @ flat.T

    model = wrapped(similarities, tmp_path, "output", fingerprint="1")
    with pytest.raises(ActivationError, match=r"'output' .*\(16, 16\) .*\(2, 2\) .*\[0, 1\]"):
        values(model, 20, "output")


@pytest.mark.parametrize("shape", [(16, 3), (7, 3), ()])
def test_an_axis_that_follows_is_missing(tmp_path: Path, shape: tuple[int, ...]) -> None:
    model = wrapped(lambda images: np.ones(shape), tmp_path, "output", fingerprint=repr(shape))
    with pytest.raises(ActivationError, match=r"'output' .* stimuli"):
        values(model, 20, "output")


def test_a_function_may_have_its_images_along_any_axis(tmp_path: Path) -> None:
    def columns(images: Any) -> Any:
        return images.mean((2, 3)).T

    model = wrapped(columns, tmp_path, "output", fingerprint="1", batch_axis=1)
    shown = noise_pictures(20, 8)
    expected = np.stack([shown.picture(k) for k in range(20)]).mean((1, 2)) / 255
    got = model.activations(shown, ["output"])["output"].values[..., 0]
    np.testing.assert_allclose(got, expected, atol=1e-6)


@pytest.mark.parametrize("axis", [-1, 1.0, True, {"encoder": "1"}])
def test_an_axis_that_is_no_whole_number_is_an_error(tmp_path: Path, axis: Any) -> None:
    with pytest.raises(InputError, match="batch_axis="):
        wrapped(Transformer(batch_first=True), tmp_path, batch_axis=axis)
    with pytest.raises(UnknownNameError, match="'encodre'"):
        wrapped(Transformer(batch_first=True), tmp_path, batch_axis={"encodre": 1})
