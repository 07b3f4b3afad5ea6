"""Preprocessing by functions: what is called how, and what is refused when a network is wrapped."""

from __future__ import annotations

import importlib.util
import random
import re
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from brainbench.core import stimuli
from brainbench.core.errors import InputError, StimulusError
from brainbench.models import transforms
from brainbench.models.preprocessing import Preprocess
from brainbench.models.wrap import wrap
from brainbench.storage.cache import Cache
from brainbench_models._options import import_with_torchvision


def picture(height: int, width: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def small(image: Image.Image) -> Any:
    return np.asarray(image.resize((8, 6)), np.float32).transpose(2, 0, 1) / 255


@pytest.fixture(scope="session")
def library() -> Any:
    """torchvision.transforms, v1 and v2, and timm.data."""
    for package in ("torchvision", "timm"):
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"{package} is not installed")
        import_with_torchvision(package, extra=package, purpose="a test")
    v1, v2, timm = map(
        importlib.import_module,
        ("torchvision.transforms", "torchvision.transforms.v2", "timm.data"),
    )
    return types.SimpleNamespace(v1=v1, v2=v2, timm=timm)


def usual(library: Any, *, version: str = "v1", side: int = 256, crop: int = 224) -> Any:
    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    if version == "v1":
        end = [library.v1.ToTensor(), library.v1.Normalize(mean, std)]
        return library.v1.Compose([library.v1.Resize(side), library.v1.CenterCrop(crop), *end])
    v2 = library.v2
    end = [v2.PILToTensor(), v2.ToDtype(torch.float32, scale=True), v2.Normalize(mean, std)]
    return v2.Compose([v2.Resize(side), v2.CenterCrop(crop), *end])


def test_a_function_is_called_with_each_image(tmp_path: Path) -> None:
    net = nn.Sequential(nn.Conv2d(3, 2, 3), nn.Flatten())
    pixels = [picture(20, 30, seed) for seed in range(3)]
    shown = stimuli.from_arrays("s", np.stack(pixels), ids=list("abc"))
    model = wrap(net, layers={"IT": "1"}, preprocess=small, cache=Cache(tmp_path), device="cpu")
    got = model.activations(shown, ["1"])["1"].values[..., 0]
    with torch.no_grad():
        batch = np.stack([small(Image.fromarray(p)) for p in pixels])
        expected = net(torch.from_numpy(batch)).numpy()
    np.testing.assert_allclose(got, expected, atol=1e-6)
    assert model.preprocess.size == (6, 8)
    assert model.preprocess.name == "small"


def test_tensors_of_other_float_types_become_float32() -> None:
    for kind in (torch.float16, torch.bfloat16, torch.float64):
        got = transforms.checked(lambda image, kind=kind: torch.ones(3, 4, 5, dtype=kind))
        assert got([picture(9, 9)]).dtype == np.float32
        assert got([picture(9, 9)] * 2).shape == (2, 3, 4, 5)


@pytest.mark.parametrize("version", ["v1", "v2"])
@pytest.mark.parametrize("shape", [(300, 400), (401, 259), (256, 256), (90, 333)])
def test_a_declared_crop_is_that_of_torchvision(
    library: Any, version: str, shape: tuple[int, int]
) -> None:
    declared = Preprocess(
        name="usual",
        size=(224, 224),
        crop_from=256,
        mean=(0.485, 0.456, 0.406),
        std=(0.229, 0.224, 0.225),
    )
    one = picture(*shape)
    given = transforms.checked(usual(library, version=version))
    np.testing.assert_allclose(declared([one]), given([one]), atol=2e-6)
    assert given.size == declared.size


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
def test_transforms_of_timm(library: Any, interpolation: str) -> None:
    made = library.timm.create_transform(
        (3, 96, 96), is_training=False, interpolation=interpolation, crop_pct=0.75
    )
    declared = Preprocess(
        name="timm",
        size=(96, 96),
        crop_from=128,
        interpolation=interpolation,
        mean=(0.485, 0.456, 0.406),
        std=(0.229, 0.224, 0.225),
    )
    one = picture(200, 150)
    np.testing.assert_allclose(transforms.checked(made)([one]), declared([one]), atol=2e-6)


def test_random_transforms_are_refused(library: Any) -> None:
    v1, v2 = library.v1, library.v2
    own = np.random.default_rng(0)
    for step in (v1.RandomCrop(64), v1.RandomHorizontalFlip(0.01), v2.RandomResizedCrop(64)):
        with pytest.raises(InputError, match="torch") as caught:
            transforms.checked(v1.Compose([step, v1.ToTensor()]))
        assert "evaluation" in caught.value.todo
    with pytest.raises(InputError, match="random"):
        transforms.checked(library.timm.create_transform((3, 64, 64), is_training=True))
    for draw in (random.random, np.random.random, own.random):
        with pytest.raises(InputError, match="random"):
            transforms.checked(lambda image, draw=draw: small(image) + np.float32(draw()))


def test_a_transform_that_keeps_the_size_takes_images_of_one_size(library: Any) -> None:
    given = transforms.checked(library.v1.ToTensor())
    assert given.size is None
    assert given([picture(8, 9)] * 2).shape == (2, 3, 8, 9)
    with pytest.raises(StimulusError, match=r"\(8, 9\), \(9, 8\)"):
        given([picture(8, 9), picture(9, 8)])


@pytest.mark.parametrize(
    ("function", "named", "advice"),
    [
        (np.asarray, r"uint8 .*\(288, 320, 3\)", "channels first"),
        (lambda image: torch.ones(3, 5, 5, dtype=torch.uint8), r"uint8 .*\(3, 5, 5\)", "scale"),
        (lambda image: small(image)[None], r"\(1, 3, 6, 8\)", r"result\[0\]"),
        (lambda image: small(image) * np.nan, "NaN", "."),
        (lambda image: small(image)[:1], r"\(1, 6, 8\)", "."),
        (lambda image: None, "object", "."),
        (lambda image: image, r"uint8 .*\(288, 320, 3\)", "channels first"),
        (lambda image: image.missing, r"AttributeError.*missing", "try"),
    ],
)
def test_what_a_network_cannot_take_is_an_error_when_it_is_wrapped(
    function: Callable[..., Any], named: str, advice: str
) -> None:
    with pytest.raises(InputError, match=named) as caught:
        wrap(nn.Conv2d(3, 2, 3), layers=["#"], preprocess=function)
    assert re.search(advice, caught.value.todo)


def test_what_only_some_images_cause_is_an_error_that_names_the_shape() -> None:
    given = transforms.checked(lambda image: small(image) / (image.width > 100))
    with (
        np.errstate(all="ignore"),
        pytest.raises(StimulusError, match=r"NaN or inf .*\(20, 30, 3\)"),
    ):
        given([picture(20, 30)])


@pytest.mark.parametrize("given", ["imagenet", 224, (224, 224)])
def test_what_is_no_function_is_refused(given: Any) -> None:
    with pytest.raises(InputError, match="preprocess="):
        wrap(nn.Conv2d(3, 2, 3), layers=["#"], preprocess=given)


def test_a_class_is_refused(library: Any) -> None:
    with pytest.raises(InputError, match="ToTensor"):
        wrap(nn.Conv2d(3, 2, 3), layers=["#"], preprocess=library.v1.ToTensor)


def test_the_fingerprint_follows_every_setting(library: Any) -> None:
    prints = [
        transforms.checked(usual(library, side=side, crop=crop, version=version)).fingerprint
        for side, crop, version in ((256, 224, "v1"), (232, 224, "v1"), (256, 192, "v1"), (256, 224, "v2"))
    ]  # fmt: skip
    assert len(set(prints)) == len(prints)
    assert transforms.checked(usual(library)).fingerprint == prints[0]


def test_what_cannot_be_inspected_needs_a_fingerprint() -> None:
    class Opaque:
        __slots__ = ()

        def __call__(self, image: Image.Image) -> Any:
            return small(image)

    net = nn.Conv2d(3, 2, 3)
    with pytest.raises(InputError, match="Opaque") as caught:
        wrap(net, layers=["#"], preprocess=Opaque())
    assert "fingerprint" in caught.value.todo
    digests = {
        wrap(net, layers=["#"], preprocess=Opaque(), fingerprint=text).digest for text in "ab"
    }
    assert len(digests) == 2
