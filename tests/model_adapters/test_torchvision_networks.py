"""torchvision:NAME: blocks, preprocessing and weights as torchvision declares them; errors."""

from __future__ import annotations

import hashlib
import importlib.util
import sys
from typing import Any

import numpy as np
import pytest
import torch
from pictures import noise_pictures
from recorded_notes import RecordedNotes
from server import serving
from steps import same_weights

from brainbench.core import progress
from brainbench.core.errors import InputError, UnknownNameError
from brainbench.data.transfer import DownloadError
from brainbench.run.loading import load_model
from brainbench_models._options import import_with_torchvision
from brainbench_models._released_weights import MIRROR
from brainbench_models.torchvision_networks import current_names, torchvision_network

if importlib.util.find_spec("torchvision") is None:
    pytest.skip("torchvision is not installed", allow_module_level=True)
library = import_with_torchvision("torchvision.models", extra="torchvision", purpose="a test")
SMALL = "squeezenet1_1"


@pytest.fixture
def pictures() -> Any:
    return noise_pictures(2, 250, 260)


def test_layers_are_the_blocks_and_responses_those_of_torchvision(
    pictures: Any, cache_folder: Any
) -> None:
    model = torchvision_network("resnet18", weights="untrained-3")
    assert model.name == "torchvision:resnet18@untrained-3"
    assert model.areas["IT"] == ("layer1", "layer2", "layer3", "layer4")
    assert model.areas["behavior"] == ("avgpool",)
    torch.manual_seed(3)
    twin = library.get_model("resnet18", weights=None).eval()
    transform = library.get_model_weights("resnet18").DEFAULT.transforms()
    shown = [torch.from_numpy(pictures.picture(k)).permute(2, 0, 1) for k in range(2)]
    images = torch.stack([transform(_pillow(image)) for image in shown])
    np.testing.assert_allclose(
        model.preprocess([pictures.picture(k) for k in range(2)]), images, atol=1e-5
    )
    with torch.no_grad():
        x = twin.maxpool(twin.relu(twin.bn1(twin.conv1(images))))
        expected = twin.layer2(twin.layer1(x)).flatten(1).numpy()
    got = model.activations(pictures, ["layer2"])["layer2"].values[..., 0]
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-4)


def _pillow(image: torch.Tensor) -> Any:
    from PIL import Image

    return Image.fromarray(image.permute(1, 2, 0).numpy())


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of the initialization of old networks
@pytest.mark.parametrize(
    ("name", "first", "last", "count", "behavior"),
    [
        ("alexnet", "features.1", "features.11", 5, "classifier.5"),
        ("vgg11_bn", "features.2", "features.27", 8, "classifier.5"),
        ("mobilenet_v2", "features.0", "features.18", 19, "classifier.0"),
        ("convnext_tiny", "features.0", "features.7", 8, "classifier.1"),
        ("swin_t", "features.0", "features.7", 8, "flatten"),
        ("vit_b_32", "encoder.layers.encoder_layer_0", "encoder.layers.encoder_layer_11", 12, None),
        ("googlenet", "conv1", "inception5b", 12, "dropout"),
        ("densenet121", "features.denseblock1", "features.denseblock4", 7, None),
        ("regnet_y_400mf", "trunk_output.block1", "trunk_output.block4", 4, "avgpool"),
    ],
)
def test_other_networks(name: str, first: str, last: str, count: int, behavior: str | None) -> None:
    model = torchvision_network(name, weights="untrained")
    layers = model.areas["IT"]
    assert (layers[0], layers[-1], len(layers)) == (first, last, count)
    assert model.areas.get("behavior") == ((behavior,) if behavior else None)


def test_seeds() -> None:
    before = torch.random.get_rng_state()
    first = torchvision_network(SMALL, weights="untrained-1")
    assert torch.equal(torch.random.get_rng_state(), before)  # other draws are not changed
    assert torchvision_network(SMALL, weights="untrained-1").digest == first.digest
    assert torchvision_network(SMALL, weights="untrained-2").digest != first.digest


def test_without_network_auto_goes_on_untrained_and_says_so(cache_folder: Any) -> None:
    reporter = RecordedNotes()
    with progress.use(reporter):
        model = torchvision_network(SMALL)
    assert model.weights == "untrained-0"
    assert len(model.notes) == len(reporter.notes) == 1
    with pytest.raises(DownloadError, match="BRAINBENCH_OFFLINE") as caught:
        torchvision_network(SMALL, weights="imagenet")
    assert str(cache_folder) in caught.value.allowed
    assert "torchvision" in caught.value.allowed
    assert "untrained-0" in caught.value.todo


@pytest.mark.parametrize(
    "name", [SMALL, "mnasnet0_5", pytest.param("densenet121", marks=pytest.mark.slow)]
)
def test_trained_weights_are_downloaded_checked_and_kept(
    name: str, cache_folder: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    net = torchvision_network(name, weights="untrained-5").network.net
    state = net.state_dict()
    if name == "densenet121":  # as in the file, which is older than the modules
        state = {
            k.replace(".norm1.", ".norm.1.").replace(".conv2.", ".conv.2."): v
            for k, v in state.items()
        }
        assert any(".norm.1." in key for key in state)
    torch.save(state, tmp_path / "w.pth")
    content = (tmp_path / "w.pth").read_bytes()
    entry = library.get_model_weights(name).DEFAULT
    file = f"{name}-{hashlib.sha256(content).hexdigest()[:8]}.pth"
    monkeypatch.setattr(type(entry), "url", f"https://nowhere.invalid/models/{file}")
    monkeypatch.delenv("BRAINBENCH_OFFLINE")
    with serving() as server:
        server.files[f"/{file}"] = content
        monkeypatch.setenv(MIRROR, server.url)
        model = torchvision_network(name, weights="imagenet")
        assert (model.name, model.weights) == (f"torchvision:{name}@{entry.name}", entry.name)
        assert same_weights(model.network.net, net)
        for same in (f"torchvision:{name}", f"torchvision:{name}@{entry.name}"):
            assert load_model(same).digest == model.digest
        assert server.asked == [f"/{file}"]


@pytest.mark.parametrize(
    ("former", "current"),
    [
        (
            "features.denseblock1.denselayer2.norm.1.weight",
            "features.denseblock1.denselayer2.norm1.weight",
        ),
        (
            "encoder.layers.encoder_layer_0.mlp.linear_1.bias",
            "encoder.layers.encoder_layer_0.mlp.0.bias",
        ),
        (
            "encoder.layers.encoder_layer_0.mlp.linear_2.bias",
            "encoder.layers.encoder_layer_0.mlp.3.bias",
        ),
        ("layer1.0.conv1.weight", "layer1.0.conv1.weight"),
    ],
)
def test_names_in_older_files(former: str, current: str) -> None:
    weight = torch.ones(1)
    assert current_names({former: weight}) == {current: weight}


def test_another_file_than_the_named_one_is_refused(
    cache_folder: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = library.get_model_weights(SMALL).DEFAULT
    monkeypatch.delenv("BRAINBENCH_OFFLINE")
    with serving() as server:
        server.files["/" + entry.url.rpartition("/")[2]] = b"another file"
        monkeypatch.setenv(MIRROR, server.url)
        with pytest.raises(DownloadError, match="sha256"):
            torchvision_network(SMALL, weights="imagenet")


def test_a_file_of_weights(tmp_path: Any) -> None:
    net = torchvision_network(SMALL, weights="untrained-5").network.net
    ema = {f"module.{key}": value for key, value in net.state_dict().items()}
    torch.save(
        {"model": {key: value * 0 for key, value in ema.items()}, "ema": ema}, tmp_path / "w.pth"
    )
    model = torchvision_network(SMALL, weights=f"{tmp_path}/w.pth#ema")
    assert model.name.startswith(f"torchvision:{SMALL}@file-")
    assert model.name.endswith("#ema")
    assert same_weights(model.network.net, net)
    with pytest.raises(InputError, match=r"torchvision:mnasnet0_5"):
        torchvision_network("mnasnet0_5", weights=f"{tmp_path}/w.pth#ema")


def test_unknown_names_and_weights() -> None:
    with pytest.raises(UnknownNameError, match="'resnet81'") as caught:
        load_model("torchvision:resnet81")
    assert "resnet18" in caught.value.allowed
    with pytest.raises(InputError, match=r"torchvision:squeezenet1_1 .*'imagnet'"):
        torchvision_network(SMALL, weights="imagnet")


def test_without_the_extra_the_error_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torchvision.models", None)
    with pytest.raises(InputError, match="torchvision") as caught:
        load_model("torchvision:resnet18")
    assert caught.value.todo == "pip install 'brainbench[torchvision]'"
