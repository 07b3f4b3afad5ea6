"""Change any one of weights, code, settings, preprocessing, pictures or choice of calls: another key."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from brainbench.core import stimuli
from brainbench.core.stimuli import StimulusSet
from brainbench.models.preprocessing import Preprocess
from brainbench.models.wrap import wrap
from brainbench.models.wrapped_model import WrappedModel
from brainbench.storage.cache import Cache


@dataclass(frozen=True)
class Choice:
    """Everything that cached activations depend on."""

    seed: int = 0
    kernel: int = 1
    slope: float = 0.1
    size: int = 8
    red: float = 0.5
    interpolation: str = "bilinear"
    picture: int = 0
    pixel: int = 10
    id_: str = "a"
    layer: str = "0"
    calls: Any = "steps"


def _file(model: WrappedModel, shown: StimulusSet, layer: str) -> str:
    """Name of the file that the activations of a layer are kept in."""
    with tempfile.TemporaryDirectory() as folder:
        replace(model, cache=Cache(Path(folder))).activations(shown, [layer])
        (stored,) = Path(folder).rglob("*.chunks")
        return stored.name


def _key(choice: Choice) -> str:
    torch.manual_seed(choice.seed)
    net = nn.Sequential(nn.Conv2d(3, 2, choice.kernel), nn.LeakyReLU(choice.slope))
    preprocess = Preprocess(
        name="p",
        size=(choice.size, choice.size),
        mean=(choice.red, 0.0, 0.0),
        interpolation=choice.interpolation,
    )
    model = wrap(net, layers=["0", "1"], preprocess=preprocess, calls=choice.calls, device="cpu")
    return _file(model, _pictures(choice), choice.layer)


def _pictures(choice: Choice) -> StimulusSet:
    pixels = np.zeros((2, 3, 3, 3), np.uint8)
    pixels[choice.picture, 1, 2, 0] = choice.pixel
    return stimuli.from_arrays("set", pixels, ids=[choice.id_, "z"])


CHOICES = st.builds(
    Choice,
    seed=st.integers(0, 3),
    kernel=st.integers(1, 2),
    slope=st.sampled_from([0.1, 0.2]),
    size=st.integers(8, 10),
    red=st.sampled_from([0.5, 0.25]),
    interpolation=st.sampled_from(["bilinear", "bicubic", "nearest"]),
    picture=st.integers(0, 1),
    pixel=st.integers(1, 255),
    id_=st.sampled_from(["a", "b"]),
    layer=st.sampled_from(["0", "1"]),
    calls=st.sampled_from(["steps", "last", 0]),
)


@settings(max_examples=30, deadline=None)
@given(CHOICES, CHOICES)
def test_keys_are_equal_exactly_when_everything_is(one: Choice, other: Choice) -> None:
    assert (_key(one) == _key(other)) == (one == other)


@settings(max_examples=15, deadline=None)
@given(CHOICES, st.data())
def test_each_field_alone_changes_the_key(one: Choice, data: st.DataObject) -> None:
    other, key = data.draw(CHOICES), _key(one)
    for name, value in vars(other).items():
        if getattr(one, name) != value:
            assert _key(replace(one, **{name: value})) != key


def test_order_of_the_pictures_is_part_of_the_key() -> None:
    pixels = np.arange(2 * 27, dtype=np.uint8).reshape(2, 3, 3, 3)
    model = wrap(nn.Sequential(nn.Conv2d(3, 2, 1)), layers=["0"], device="cpu")
    forth = stimuli.from_arrays("set", pixels, ids=["a", "b"])
    back = forth.take([1, 0])
    renamed = replace(forth, identifier="another name, the same pictures")
    keys = [_file(model, shown, "0") for shown in (forth, back, renamed)]
    assert keys[0] != keys[1]
    assert keys[0] == keys[2]


def test_names_are_no_part_of_the_key() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 2, 1))
    digests = {
        wrap(net, layers=layers, name=name, weights=name, device="cpu", batch_size=size).digest
        for name, layers, size in (("a", ["0"], 4), ("b", {"IT": "0"}, "auto"))
    }
    assert len(digests) == 1
