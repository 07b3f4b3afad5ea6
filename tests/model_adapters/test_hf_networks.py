"""hf:ORG/NAME: blocks, preprocessing and weights as the repository declares them; what is refused."""

from __future__ import annotations

import importlib.util
import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pictures import noise_pictures
from PIL import Image
from recorded_notes import RecordedNotes
from steps import same_weights

from brainbench.core import progress
from brainbench.core.errors import ActivationError, InputError
from brainbench.data.transfer import DownloadError
from brainbench.models.wrap import wrap
from brainbench.run.loading import load_model
from brainbench_models._options import import_with_torchvision
from brainbench_models.hf_networks import hf_network

REPOSITORY = "somebody/tiny-vit"
slow = pytest.mark.slow  # the import of transformers
TINY = {
    "hidden_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
}


@pytest.fixture(scope="module")
def transformers() -> Any:
    if importlib.util.find_spec("transformers") is None:
        pytest.skip("transformers is not installed: pip install 'brainbench[transformers]'")
    if importlib.util.find_spec("torchvision") is not None:
        import_with_torchvision("torchvision", extra="torchvision", purpose="a test")
    return importlib.import_module("transformers")


@pytest.fixture(scope="module")
def folder(transformers: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with a classifier of two blocks, weights of seed 5."""
    path = tmp_path_factory.mktemp("repository") / "tiny-vit"
    torch.manual_seed(5)
    config = transformers.ViTConfig(**TINY, image_size=32, patch_size=8, num_labels=5)
    transformers.ViTForImageClassification(config).save_pretrained(path)
    size = {"height": 32, "width": 32}
    transformers.ViTImageProcessor(size=size, image_std=[0.2, 0.3, 0.4]).save_pretrained(path)
    return path


@pytest.fixture
def copied(folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(folder, tmp_path / "tiny-vit"))


@pytest.fixture
def hub(folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A hub whose cache holds the repository; the files that were asked for."""
    asked: list[str] = []

    def cached(repository: str, file: str) -> str | None:
        asked.append(file)
        path = folder / file
        return str(path) if repository == REPOSITORY and path.is_file() else None

    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", cached)
    return asked


@pytest.fixture
def pictures() -> Any:
    return noise_pictures(2, 50, 40)


@slow
def test_layers_are_the_blocks_and_responses_those_of_transformers(
    transformers: Any, folder: Path, pictures: Any, cache_folder: Path
) -> None:
    model = hf_network(str(folder))
    assert (model.name, model.weights) == ("hf:tiny-vit@pretrained", "pretrained")
    assert model.areas["IT"] == ("vit.layers.0", "vit.layers.1")
    assert model.preprocess.size == (32, 32)
    twin = transformers.ViTForImageClassification.from_pretrained(folder).eval()
    processor = transformers.AutoImageProcessor.from_pretrained(folder, backend="pil")
    shown = [Image.fromarray(pictures.picture(k)) for k in range(2)]
    images = processor(images=shown, return_tensors="pt")["pixel_values"]
    np.testing.assert_allclose(
        model.preprocess([np.asarray(image) for image in shown]), images, atol=1e-6
    )
    with torch.no_grad():
        output = twin(pixel_values=images, output_hidden_states=True)
    got = model.activations(pictures, ["vit.layers.0", "#logits"])
    np.testing.assert_allclose(
        got["vit.layers.0"].values[..., 0], output.hidden_states[1].flatten(1), rtol=1e-4, atol=1e-5
    )
    np.testing.assert_allclose(got["#logits"].values[..., 0], output.logits, rtol=1e-4, atol=1e-5)


@slow
def test_a_repository_in_the_cache_of_the_hub(hub: list[str], folder: Path) -> None:
    model = load_model(f"hf:{REPOSITORY}")
    assert model.name == f"hf:{REPOSITORY}@pretrained"
    assert model.digest == hf_network(str(folder)).digest
    assert set(hub) <= {"config.json", "preprocessor_config.json", "model.safetensors"}
    assert load_model(f"hf:{REPOSITORY}@untrained-1").weights == "untrained-1"


@slow
def test_what_the_digest_depends_on(copied: Path, tmp_path: Path) -> None:
    base = hf_network(str(copied)).digest
    moved = shutil.copytree(copied, tmp_path / "other")
    assert hf_network(str(moved)).digest == base
    for file, key, value in (
        ("preprocessor_config.json", "image_std", [0.2, 0.3, 0.5]),
        ("config.json", "hidden_act", "relu"),
    ):
        settings = json.loads((moved / file).read_text())
        (moved / file).write_text(json.dumps(settings | {key: value}))
        assert hf_network(str(moved)).digest != base
        shutil.copy(copied / file, moved / file)


@slow
def test_seeds(folder: Path) -> None:
    before = torch.random.get_rng_state()
    first = hf_network(str(folder), weights="untrained-1")
    assert torch.equal(torch.random.get_rng_state(), before)  # other draws are not changed
    assert hf_network(str(folder), weights="untrained-1").digest == first.digest
    assert hf_network(str(folder), weights="untrained-2").digest != first.digest
    with pytest.raises(InputError, match="'imagenet'") as caught:
        hf_network(str(folder), weights="imagenet")
    assert "pretrained" in caught.value.allowed


@slow
def test_a_file_of_weights(folder: Path, tmp_path: Path) -> None:
    net = hf_network(str(folder), weights="untrained-7").network.net
    torch.save({"ema": {f"module.{k}": v for k, v in net.state_dict().items()}}, tmp_path / "w.pth")
    model = hf_network(str(folder), weights=f"{tmp_path}/w.pth#ema")
    assert model.name.startswith("hf:tiny-vit@file-")
    assert same_weights(model.network.net, net)


@slow
def test_the_part_for_images_of_a_model_of_images_and_text(
    transformers: Any, tmp_path: Path, pictures: Any, cache_folder: Path
) -> None:
    text = {**TINY, "vocab_size": 50, "bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 2}
    config = transformers.CLIPConfig(
        vision_config={**TINY, "image_size": 32, "patch_size": 8}, text_config=text
    )
    transformers.CLIPModel(config).save_pretrained(tmp_path)
    processor = transformers.CLIPImageProcessor(
        size={"shortest_edge": 36}, crop_size={"height": 32, "width": 32}
    )
    processor.save_pretrained(tmp_path)
    model = hf_network(str(tmp_path))
    assert model.areas["IT"] == ("encoder.layers.0", "encoder.layers.1")
    assert model.activations(pictures, ["encoder.layers.1"])["encoder.layers.1"].shape == (
        2,
        408,
        1,
    )


@slow
@pytest.mark.parametrize(
    ("kind", "options", "layers", "behavior"),
    [
        (
            "ResNet",
            {"embedding_size": 8, "hidden_sizes": [8, 8], "depths": [1, 1]},
            ["resnet.encoder.stages.0", "resnet.encoder.stages.1"],
            "resnet.pooler",
        ),
        (
            "Swin",
            {"image_size": 32, "embed_dim": 8, "depths": [1, 1], "num_heads": [1, 1], "window_size": 2},
            ["swin.encoder.layers.0", "swin.encoder.layers.1"],
            "swin.pooler",
        ),
        ("Dinov2", {**TINY, "image_size": 32, "patch_size": 8}, ["encoder.layer.0", "encoder.layer.1"], None),
    ],
)  # fmt: skip
def test_other_families(
    transformers: Any,
    kind: str,
    options: Any,
    layers: list[str],
    behavior: str | None,
    tmp_path: Path,
) -> None:
    config = getattr(transformers, f"{kind}Config")(**options)
    name = f"{kind}ForImageClassification" if behavior else f"{kind}Model"
    getattr(transformers, name)(config).save_pretrained(tmp_path)
    size = {"height": 32, "width": 32}
    transformers.ViTImageProcessor(size=size).save_pretrained(tmp_path)
    model = hf_network(str(tmp_path))
    assert list(model.areas["IT"]) == layers
    assert model.areas.get("behavior") == ((behavior,) if behavior else None)


@slow
@pytest.mark.parametrize("backend", ["pil", "torchvision"])
def test_image_processors_are_preprocessings_of_any_network(
    transformers: Any, folder: Path, pictures: Any, backend: str
) -> None:
    if backend == "torchvision" and importlib.util.find_spec("torchvision") is None:
        pytest.skip("torchvision is not installed")
    processor = transformers.AutoImageProcessor.from_pretrained(folder, backend=backend)
    shown = [pictures.picture(k) for k in range(2)]
    expected = processor(images=[Image.fromarray(p) for p in shown], return_tensors="pt")
    net = torch.nn.Conv2d(3, 2, 3)
    both = type("Both", (type(processor),), {"image_processor": processor})()  # images and text
    for given in (processor, both):
        model = wrap(net, layers=["#"], preprocess=given)
        assert model.preprocess.size == (32, 32)
        np.testing.assert_allclose(model.preprocess(shown), expected["pixel_values"], atol=1e-6)


@slow
def test_a_network_of_transformers_by_its_keyword(
    transformers: Any, folder: Path, pictures: Any, cache_folder: Path
) -> None:
    net = transformers.ViTModel.from_pretrained(folder)
    processor = transformers.AutoImageProcessor.from_pretrained(folder, backend="pil")
    model = wrap(
        net,
        layers=["#last_hidden_state"],
        preprocess=processor,
        call="pixel_values",
        fingerprint="1",
    )
    got = model.activations(pictures, ["#last_hidden_state"])["#last_hidden_state"]
    assert got.shape == (2, 17 * 24, 1)
    with pytest.raises(ActivationError, match="2 tensors") as caught:
        model.activations(pictures, ["#"])
    assert "#pooler_output (2, 24)" in caught.value.allowed


@slow
def test_weights_in_several_files(transformers: Any, folder: Path, copied: Path) -> None:
    net = transformers.ViTForImageClassification.from_pretrained(folder)
    (copied / "model.safetensors").unlink()
    net.save_pretrained(copied, max_shard_size="20KB")
    index = copied / "model.safetensors.index.json"
    assert index.is_file()
    assert hf_network(str(copied)).digest == hf_network(str(folder)).digest
    listed = json.loads(index.read_text())
    listed["weight_map"]["classifier.bias"] = "../elsewhere.bin"
    index.write_text(json.dumps(listed))
    with pytest.raises(InputError, match=r"elsewhere\.bin"):
        hf_network(str(copied))


@slow
def test_a_pickle_is_not_read(copied: Path) -> None:
    (copied / "model.safetensors").rename(copied / "pytorch_model.bin")
    with pytest.raises(DownloadError, match=r"model\.safetensors"):
        hf_network(str(copied), weights="pretrained")
    reporter = RecordedNotes()
    with progress.use(reporter):
        assert hf_network(str(copied)).weights == "untrained-0"
    assert len(reporter.notes) == 1


def _custom_code(folder: Path) -> None:
    (folder / "code.py").write_text("raise SystemExit('the code was run')")
    settings = json.loads((folder / "config.json").read_text())
    settings["model_type"] = "somebodys-own"
    settings["auto_map"] = {"AutoConfig": "code.Config", "AutoModel": "code.Model"}
    (folder / "config.json").write_text(json.dumps(settings))


def _fewer_weights(folder: Path) -> None:
    settings = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(settings | {"num_hidden_layers": 3}))


def _other_shapes(folder: Path) -> None:
    settings = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(settings | {"intermediate_size": 40}))


def _no_processor(folder: Path) -> None:
    (folder / "preprocessor_config.json").unlink()


def _damaged(folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])


@slow
@pytest.mark.parametrize(
    ("change", "kind", "named"),
    [
        (_custom_code, InputError, r"config\.json"),
        (_fewer_weights, InputError, "16 missing .*layers"),
        (_other_shapes, InputError, r"model\.safetensors"),
        (_no_processor, DownloadError, r"preprocessor_config\.json"),
        (_damaged, InputError, r"model\.safetensors"),
    ],
)
def test_repositories_that_cannot_be_used(
    copied: Path, change: Callable[[Path], None], kind: type[Exception], named: str
) -> None:
    change(copied)
    with pytest.raises(kind, match=named):
        hf_network(str(copied))


@slow
def test_a_model_of_text_is_refused(transformers: Any, folder: Path, copied: Path) -> None:
    transformers.BertModel(transformers.BertConfig(**TINY, vocab_size=50)).save_pretrained(copied)
    with pytest.raises(InputError, match="input_ids"):
        hf_network(str(copied))


@slow
def test_offline_the_error_names_the_extra_and_the_cache(
    transformers: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(DownloadError, match=r"config\.json of nobody/nothing .*OFFLINE") as caught:
        load_model("hf:nobody/nothing")
    assert "huggingface" in caught.value.allowed
    assert "`transformers`" in caught.value.allowed


@slow
def test_names_that_are_no_repository(transformers: Any) -> None:
    for name in ("", "../up", "a/b/c", "org/na me"):
        with pytest.raises(InputError, match="hf:"):
            hf_network(name)
    with pytest.raises(InputError, match="timm") as caught:
        hf_network("timm/resnet18.a1_in1k")
    assert "timm:resnet18.a1_in1k" in caught.value.todo


def test_without_the_extra_the_error_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(InputError, match="transformers") as caught:
        load_model("hf:google/vit-base-patch16-224")
    assert caught.value.todo == "pip install 'brainbench[transformers]'"


@slow
def test_bars_and_reports_of_the_library_are_not_shown(
    transformers: Any, folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    verbosity = transformers.utils.logging.get_verbosity()
    hf_network(str(folder))
    assert capfd.readouterr() == ("", "")
    assert transformers.utils.logging.get_verbosity() == verbosity
