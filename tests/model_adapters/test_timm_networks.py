"""timm:NAME: layers, preprocessing and weights as timm declares them; errors."""

import importlib
import re
import sys
import threading
import types
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import huggingface_hub
import numpy as np
import pytest
import safetensors.torch
import torch
from huggingface_hub import constants
from pictures import noise_pictures
from recorded_notes import RecordedNotes
from steps import same_weights

from brainbench.api import score
from brainbench.core import progress, registry
from brainbench.core.errors import InputError, UnknownNameError
from brainbench.data.transfer import DownloadError
from brainbench.run.loading import load_model
from brainbench_models import _hub, timm_networks
from brainbench_models.timm_networks import library, timm_network

timm = library()
SMALL = "test_resnet"
REPOSITORY = "timm/test_resnet.r160_in1k"


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    monkeypatch.setenv("BRAINBENCH_OFFLINE", "1")


@pytest.fixture
def hub(monkeypatch, tmp_path):
    """A hub whose cache holds one file, with the weights of seed 5."""
    path = tmp_path / "model.safetensors"
    net = timm_network(SMALL, weights="untrained-5").network.net
    safetensors.torch.save_file(net.state_dict(), path)
    fake = types.SimpleNamespace(
        try_to_load_from_cache=lambda repository, file: (
            str(path) if (repository, file) == (REPOSITORY, "model.safetensors") else None
        )
    )
    monkeypatch.setitem(sys.modules, "huggingface_hub", fake)
    return path


@pytest.fixture
def pictures():
    return noise_pictures(3, 170, 160)


def test_layers_are_the_stages_and_responses_those_of_timm(pictures, session_cache):
    model = timm_network(SMALL, weights="untrained-0")
    stages = ("act1", "layer1", "layer2", "layer3", "layer4")
    assert model.areas["V1"] == model.areas["IT"] == stages
    assert model.areas["behavior"] == ("global_pool",)
    assert (model.name, model.weights) == (f"timm:{SMALL}@untrained-0", "untrained-0")
    torch.manual_seed(0)
    twin = timm.create_model(SMALL).eval()
    images = torch.from_numpy(model.preprocess([pictures.picture(k) for k in range(3)]).copy())
    with torch.no_grad():
        features = twin.forward_intermediates(images, intermediates_only=True)
        pooled = twin.forward_head(twin.forward_features(images), pre_logits=True)
    expected = {"layer1": features[1], "layer4": features[4], "global_pool": pooled}
    for layer, activations in model.activations(pictures, list(expected)).items():
        values = activations.values[:, :, 0]
        np.testing.assert_allclose(values, expected[layer].flatten(1), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "layers", "behavior"),
    [
        ("test_vit", ["blocks.0", "blocks.5"], "head_drop"),
        ("test_convnext", ["stages.0", "stages.3"], "head.drop"),
        ("test_efficientnet", ["blocks.0", "blocks.4"], "global_pool"),
    ],
)
def test_other_families(name, layers, behavior, pictures, session_cache):
    model = timm_network(name, weights="untrained")
    offered = model.areas["IT"]
    assert (offered[0], offered[-1]) == tuple(layers)
    assert model.areas["behavior"] == (behavior,)
    net = model.network.net
    classifier = net.get_submodule(net.default_cfg["classifier"])
    activations = model.activations(pictures, [offered[-1], behavior])
    assert activations[behavior].sizes["neuroid"] == classifier.in_features
    assert activations[offered[-1]].sizes["neuroid"] % net.feature_info[-1]["num_chs"] == 0


def test_preprocessing_is_timms_own():
    net = timm.create_model(SMALL)
    preprocess = timm_network(SMALL, weights="untrained").preprocess
    expected = timm.data.resolve_data_config({}, model=net)
    assert (3, *preprocess.size) == expected["input_size"]
    assert (preprocess.mean, preprocess.std) == (expected["mean"], expected["std"])
    assert preprocess.interpolation == expected["interpolation"]


def test_gray_and_unknown_filters_are_refused():
    plain = {"input_size": (1, 8, 8), "mean": (0.5,), "std": (0.5,), "interpolation": "bicubic"}
    with pytest.raises(InputError, match=r"timm:x.* 1 channel"):
        timm_networks.preprocess_of(plain, name="x")
    color = {"input_size": (3, 8, 8), "mean": (0.5,) * 3, "std": (0.5,) * 3}
    with pytest.raises(InputError, match="lanczos"):
        timm_networks.preprocess_of(color | {"interpolation": "lanczos"}, name="x")


def test_seeds():
    torch.manual_seed(1)
    before = torch.random.get_rng_state()
    first = timm_network(SMALL, weights="untrained-1").digest
    assert torch.equal(torch.random.get_rng_state(), before)  # other draws are not changed
    torch.manual_seed(2)
    assert timm_network(SMALL, weights="untrained-1").digest == first
    assert timm_network(SMALL, weights="untrained-2").digest != first


def test_trained_weights_come_from_the_hub_as_safetensors(hub):
    model = timm_network(SMALL, weights="imagenet")
    assert (model.name, model.weights) == (f"timm:{SMALL}@r160_in1k", "r160_in1k")
    assert model.about.source == REPOSITORY
    expected = timm_network(SMALL, weights="untrained-5").network.net
    assert same_weights(model.network.net, expected)
    assert "state_dict" not in model.network.net.pretrained_cfg
    for same in (f"timm:{SMALL}", f"timm:{SMALL}.r160_in1k", f"timm:{SMALL}@r160_in1k"):
        assert load_model(same).digest == model.digest


def test_hub_weights_of_another_network(hub):
    state = safetensors.torch.load_file(hub)
    state.pop("conv1.0.weight")
    safetensors.torch.save_file(state, hub)
    with pytest.raises(InputError, match=re.escape(REPOSITORY)):
        timm_network(SMALL, weights="imagenet")


def test_a_file_of_weights(hub):
    model = timm_network(SMALL, weights=str(hub))
    assert model.name.startswith(f"timm:{SMALL}@file-")
    assert model.digest != timm_network(SMALL, weights="untrained-0").digest
    with pytest.raises(InputError, match=r"model\.safetensors .*timm:test_vit"):
        timm_network("test_vit", weights=str(hub))


def test_without_network_auto_goes_on_untrained_and_says_so():
    reporter = RecordedNotes()
    with progress.use(reporter):
        model = timm_network("resnet18")
    assert model.weights == "untrained-0"
    for note in (*model.notes, *reporter.notes):
        assert "timm/resnet18.a1_in1k" in note
    assert len(model.notes) == len(reporter.notes) == 1
    with pytest.raises(DownloadError, match="BRAINBENCH_OFFLINE") as caught:
        timm_network("resnet18", weights="imagenet")
    assert "untrained-0" in caught.value.todo


@pytest.fixture
def served(monkeypatch, tmp_path):
    """A server on this machine for the hub's own client: its files by path, and the requests."""
    files, asked = {}, []

    class Hub(BaseHTTPRequestHandler):
        def do_HEAD(self):  # named by http.server
            asked.append((self.command, self.path))
            content = files.get(self.path)
            self.send_response(404 if content is None else 200)
            if content is not None:
                self.send_header("ETag", '"abc"')
                self.send_header("X-Repo-Commit", "0" * 40)
            self.send_header("Content-Length", str(len(content or b"")))
            self.end_headers()

        def do_GET(self):
            self.do_HEAD()
            self.wfile.write(files.get(self.path, b""))

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.delenv("BRAINBENCH_OFFLINE")
    url = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setattr(_hub, "hub_endpoint", lambda: url)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    yield types.SimpleNamespace(files=files, asked=asked)
    server.shutdown()
    server.server_close()


def test_weights_are_downloaded_once_by_the_hubs_client(served):
    net = timm_network(SMALL, weights="untrained-5").network.net
    content = safetensors.torch.save(net.state_dict())
    served.files[f"/{REPOSITORY}/resolve/main/model.safetensors"] = content
    assert same_weights(timm_network(SMALL, weights="imagenet").network.net, net)
    before = len(served.asked)
    assert timm_network(SMALL).weights == "r160_in1k"  # from the client's cache
    assert len(served.asked) == before > 0


def test_a_repository_without_safetensors_is_refused(served):
    served.files[f"/{REPOSITORY}/resolve/main/pytorch_model.bin"] = b"a pickle"
    with pytest.raises(DownloadError, match=r"EntryNotFoundError"):
        timm_network(SMALL, weights="imagenet")
    assert {path for _, path in served.asked} == {f"/{REPOSITORY}/resolve/main/model.safetensors"}


def test_a_hub_that_cannot_be_reached_is_an_error_at_once(monkeypatch, tmp_path):
    monkeypatch.delenv("BRAINBENCH_OFFLINE")
    monkeypatch.setattr(_hub, "hub_endpoint", lambda: "https://127.0.0.1:9")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(DownloadError, match=r"127\.0\.0\.1"):
        _hub.hub_file(REPOSITORY, "model.safetensors")


def test_the_hub_is_that_of_its_client():
    assert _hub.hub_endpoint() == constants.ENDPOINT


def test_no_option_turns_certificates_off(monkeypatch):
    monkeypatch.delenv("BRAINBENCH_OFFLINE")
    monkeypatch.setattr(_hub, "check_reachable", lambda url: None)
    asked = []

    def download(*names, **options):
        asked.append((names, set(options)))
        raise OSError("certificate verify failed")

    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", lambda *_: None)
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    with pytest.raises(DownloadError, match="OSError"):
        _hub.hub_file(REPOSITORY, "model.safetensors")
    assert asked == [((REPOSITORY, "model.safetensors"), {"etag_timeout", "endpoint"})]


def test_networks_without_trained_weights_and_with_other_ones():
    with pytest.raises(DownloadError, match="vit_base_patch16_18x2_224") as caught:
        timm_network("vit_base_patch16_18x2_224", weights="imagenet")
    assert "untrained" in caught.value.allowed
    with pytest.raises(InputError, match=r"'imagenet'.* laion2b"):
        timm_network("vit_base_patch32_clip_224.laion2b", weights="imagenet")


@pytest.mark.parametrize(
    ("name", "unknown", "allowed"),
    [
        ("timm:resnet81", "'resnet81'", "resnet18"),
        ("timm:", "''", "in all"),
        ("timm:resnet*", "'resnet*'", "resnet"),
        ("timm:hf-hub:somebody/net", "somebody/net", ""),
        ("timm:resnet18.a9_in1k", "'a9_in1k'", "a1_in1k"),
    ],
)
def test_unknown_names(name, unknown, allowed):
    with pytest.raises(UnknownNameError, match=re.escape(unknown)) as caught:
        load_model(name)
    assert allowed in caught.value.allowed


def test_other_weights():
    with pytest.raises(InputError, match=r"timm:test_resnet .*'imagnet'"):
        load_model(f"timm:{SMALL}@imagnet")


def test_without_the_extra_the_error_names_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(InputError, match="timm") as caught:
        load_model("timm:resnet18")
    assert caught.value.todo == "pip install 'brainbench[timm]'"


def test_another_failure_of_the_import_is_not_hidden(monkeypatch):
    def broken(name):
        raise RuntimeError("something else")

    monkeypatch.setattr(importlib, "import_module", broken)
    with pytest.raises(RuntimeError, match="something else"):
        library()


def test_only_the_family_of_a_name_is_found():
    assert registry.family("timm:resnet18@untrained-0") == "timm:"
    assert registry.family("folder/net.onnx") == ".onnx"
    assert registry.family("net.onnx@imagenet") is None
    assert registry.family("resnet18") is None
    assert registry.match("models", f"timm:{SMALL},pixels") == [f"timm:{SMALL}", "pixels"]


def test_it_is_scored(plugin, tmp_path):
    name = f"timm:{SMALL}"
    options = {"weights": "untrained-3", "layers": {"IT": "layer4"}, "results": tmp_path}
    scored = score(name, "Fake.IT-pls", **options)
    assert scored.model == f"{name}@untrained-3"
    assert scored.value is not None
    assert [path.suffix for path in tmp_path.rglob("timm*")].count(".json") == 1
