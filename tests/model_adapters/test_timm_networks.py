"""timm:NAME: layers, preprocessing and weights as timm declares them; clear errors."""

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

from brainbench.api import score
from brainbench.core import progress, registry, stimuli
from brainbench.core.errors import InputError, UnknownNameError
from brainbench.data.fetch import DownloadError
from brainbench.run.loading import load_model
from brainbench_models import timm_networks
from brainbench_models.timm_networks import library, timm_network

timm = library()
SMALL = "test_resnet"
REPOSITORY = "timm/test_resnet.r160_in1k"


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    monkeypatch.setenv("BRAINBENCH_OFFLINE", "1")


@pytest.fixture
def hub(monkeypatch, tmp_path):
    """A hub whose cache holds one file; the weights in it are of seed 5."""
    net = timm_networks._built(timm, SMALL, seed=5)
    path = tmp_path / "model.safetensors"
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
    values = np.random.default_rng(0).integers(0, 256, (3, 170, 160, 3), dtype=np.uint8)
    return stimuli.from_arrays("noise", values, ids=list("abc"))


def test_layers_are_the_stages_and_responses_those_of_timm(pictures, session_cache):
    model = timm_network(SMALL, weights="untrained-0")
    assert (
        model.areas["V1"] == model.areas["IT"] == ("act1", "layer1", "layer2", "layer3", "layer4")
    )
    assert model.areas["behavior"] == ("global_pool",)
    assert (model.name, model.weights) == (f"timm:{SMALL}@untrained-0", "untrained-0")
    torch.manual_seed(0)
    twin = timm.create_model(SMALL).eval()
    images = torch.from_numpy(model.preprocess([pictures.picture(k) for k in range(3)]).copy())
    with torch.no_grad():
        features = twin.forward_intermediates(images, intermediates_only=True)
        pooled = twin.forward_head(twin.forward_features(images), pre_logits=True)
    found = model.activations(pictures, ["layer1", "layer4", "global_pool"])
    for layer, wanted in {
        "layer1": features[1],
        "layer4": features[4],
        "global_pool": pooled,
    }.items():
        np.testing.assert_allclose(
            found[layer].values[:, :, 0], wanted.flatten(1), rtol=1e-4, atol=1e-5
        )


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
    found = model.activations(pictures, [offered[-1], behavior])
    assert (
        found[behavior].sizes["neuroid"]
        == net.get_submodule(net.default_cfg["classifier"]).in_features
    )
    assert found[offered[-1]].sizes["neuroid"] % net.feature_info[-1]["num_chs"] == 0


def test_preprocessing_is_timms_own():
    net = timm.create_model(SMALL)
    made = timm_network(SMALL, weights="untrained").preprocess
    wanted = timm.data.resolve_data_config({}, model=net)
    assert (3, *made.size) == wanted["input_size"]
    assert (made.mean, made.std) == (wanted["mean"], wanted["std"])
    assert made.interpolation == wanted["interpolation"]


def test_gray_and_unknown_filters_are_refused():
    plain = {"input_size": (1, 8, 8), "mean": (0.5,), "std": (0.5,), "interpolation": "bicubic"}
    with pytest.raises(InputError, match="timm:x, which takes 1 channels"):
        timm_networks.preprocess_of(plain, name="x")
    color = {"input_size": (3, 8, 8), "mean": (0.5,) * 3, "std": (0.5,) * 3}
    with pytest.raises(InputError, match="interpolation='lanczos'"):
        timm_networks.preprocess_of(color | {"interpolation": "lanczos"}, name="x")


def test_seeds():
    torch.manual_seed(1)
    before = torch.random.get_rng_state()
    first = timm_network(SMALL, weights="untrained-1").digest
    assert torch.equal(torch.random.get_rng_state(), before)  # nobody else's draws are moved
    torch.manual_seed(2)
    assert timm_network(SMALL, weights="untrained-1").digest == first
    assert timm_network(SMALL, weights="untrained-2").digest != first


def test_trained_weights_come_from_the_hub_as_safetensors(hub):
    model = timm_network(SMALL, weights="imagenet")
    assert (model.name, model.weights) == (f"timm:{SMALL}@r160_in1k", "r160_in1k")
    assert model.about.source == REPOSITORY
    wanted = timm_networks._built(timm, SMALL, seed=5).state_dict()
    found = model.network.net.state_dict()
    assert all(torch.equal(found[key], wanted[key]) for key in wanted)
    assert "state_dict" not in model.network.net.pretrained_cfg
    for same in (f"timm:{SMALL}", f"timm:{SMALL}.r160_in1k", f"timm:{SMALL}@r160_in1k"):
        assert load_model(same).digest == model.digest


def test_hub_weights_of_another_network(hub):
    state = safetensors.torch.load_file(hub)
    state.pop("conv1.0.weight")
    safetensors.torch.save_file(state, hub)
    with pytest.raises(InputError, match=re.escape(f"weights {REPOSITORY} for timm:{SMALL}")):
        timm_network(SMALL, weights="imagenet")


def test_a_file_of_weights(hub):
    model = timm_network(SMALL, weights=str(hub))
    assert model.name.startswith(f"timm:{SMALL}@file-")
    assert model.digest != timm_network(SMALL, weights="untrained-0").digest
    with pytest.raises(InputError, match=r"weights .*model\.safetensors for timm:test_vit: "):
        timm_network("test_vit", weights=str(hub))


def test_without_network_auto_goes_on_untrained_and_says_so(monkeypatch):
    told = []
    monkeypatch.setattr(progress.current(), "note", told.append, raising=False)
    model = timm_network("resnet18")
    assert model.weights == "untrained-0"
    assert "timm/resnet18.a1_in1k did not come" in model.notes[0]
    with pytest.raises(DownloadError, match="BRAINBENCH_OFFLINE is set") as caught:
        timm_network("resnet18", weights="imagenet")
    assert "untrained-0" in caught.value.todo


@pytest.fixture
def served(monkeypatch, tmp_path):
    """The hub's own client, asking a server on this machine; `served[path]` is what stands there."""
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
    here = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setattr(timm_networks, "_endpoint", lambda: here)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    yield types.SimpleNamespace(files=files, asked=asked)
    server.shutdown()
    server.server_close()


def test_weights_come_through_the_clients_own_road_once(served):
    state = timm_networks._built(timm, SMALL, seed=5).state_dict()
    served.files[f"/{REPOSITORY}/resolve/main/model.safetensors"] = safetensors.torch.save(state)
    found = timm_network(SMALL, weights="imagenet").network.net.state_dict()
    assert all(torch.equal(found[key], state[key]) for key in state)
    before = len(served.asked)
    assert timm_network(SMALL).weights == "r160_in1k"  # from the client's cache
    assert len(served.asked) == before > 0


def test_a_repository_without_safetensors_is_refused(served):
    served.files[f"/{REPOSITORY}/resolve/main/pytorch_model.bin"] = b"a pickle"
    with pytest.raises(DownloadError, match=r"did not come .* \(\w*EntryNotFoundError\)"):
        timm_network(SMALL, weights="imagenet")
    assert {path for _, path in served.asked} == {f"/{REPOSITORY}/resolve/main/model.safetensors"}


def test_a_hub_that_cannot_be_reached_is_an_error_at_once(monkeypatch, tmp_path):
    monkeypatch.delenv("BRAINBENCH_OFFLINE")
    monkeypatch.setattr(timm_networks, "_endpoint", lambda: "https://127.0.0.1:9")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(DownloadError, match=r"127\.0\.0\.1 cannot be reached"):
        timm_networks.hub_file(REPOSITORY)


def test_the_hub_is_where_the_client_says():
    assert timm_networks._endpoint() == constants.ENDPOINT


def test_no_option_turns_certificates_off(monkeypatch):
    monkeypatch.delenv("BRAINBENCH_OFFLINE")
    monkeypatch.setattr(timm_networks, "check_reachable", lambda url: None)
    asked = []

    def download(*names, **options):
        asked.append((names, set(options)))
        raise OSError("certificate verify failed")

    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", lambda *_: None)
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    with pytest.raises(DownloadError, match=r"did not come from the Hugging Face hub \(OSError\)"):
        timm_networks.hub_file(REPOSITORY)
    assert asked == [((REPOSITORY, "model.safetensors"), {"etag_timeout", "endpoint"})]


def test_networks_without_trained_weights_and_with_other_ones():
    with pytest.raises(DownloadError, match="timm names no trained weights for ") as caught:
        timm_network("vit_base_patch16_18x2_224", weights="imagenet")
    assert caught.value.allowed == "untrained, or a file of yours"
    with pytest.raises(InputError, match="with weights 'imagenet', where laion2b is of other"):
        timm_network("vit_base_patch32_clip_224.laion2b", weights="imagenet")


@pytest.mark.parametrize(
    ("name", "got", "allowed"),
    [
        ("timm:resnet81", "unknown network of timm 'resnet81'", "did you mean resnet18"),
        ("timm:", "unknown network of timm ''", "in all"),
        ("timm:resnet*", "unknown network of timm 'resnet*'", "did you mean resnet"),
        ("timm:hf-hub:somebody/net", "unknown network of timm", ""),
        ("timm:resnet18.a9_in1k", "unknown tag of timm:resnet18 'a9_in1k'", "a1_in1k"),
    ],
)
def test_unknown_names(name, got, allowed):
    with pytest.raises(UnknownNameError) as caught:
        load_model(name)
    assert got in caught.value.got
    assert allowed in caught.value.allowed


def test_other_weights():
    with pytest.raises(InputError, match="timm:test_resnet with weights 'imagnet'"):
        load_model(f"timm:{SMALL}@imagnet")


def test_without_the_extra_the_error_names_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(InputError, match="without the package timm") as caught:
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
    found = score(
        name, "Fake.IT-pls", weights="untrained-3", layers={"IT": "layer4"}, results=tmp_path
    )
    assert found.model == f"{name}@untrained-3"
    assert found.value is not None
    assert [path.suffix for path in tmp_path.rglob("timm*")].count(".json") == 1
