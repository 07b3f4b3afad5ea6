"""Vision models of the Hugging Face hub by name, "hf:google/vit-base-patch16-224": extra `transformers`.

Weights are safetensors, which hold tensors and no code, and no code of a repository is run. No block is
committed to a region: each region takes the one that predicts it best within the training images.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Final

import torch
from torch import nn

from brainbench.core.errors import InputError
from brainbench.core.model_info import About
from brainbench.data.transfer import DownloadError
from brainbench.models import transforms
from brainbench.models.wrap import WrappedModel, wrap
from brainbench_models._blocks import blocks_of, layer_before, on_black
from brainbench_models._hub import hub_file
from brainbench_models._options import import_from_extra, import_with_torchvision
from brainbench_models._weights import WeightedNetwork, build_of_library

_INPUT: Final = "pixel_values"
_TRAINED: Final = "pretrained"
_WEIGHTS: Final = "model.safetensors"
_INDEX: Final = "model.safetensors.index.json"
_PROCESSORS: Final = ("preprocessor_config.json", "processor_config.json")
_POOLER: Final = re.compile(r"(^|\.)pooler\.")


def hf_network(name: str, /, *, weights: str = "auto") -> WrappedModel:
    """Make a model of a vision model of the Hugging Face hub, static, with its blocks for every region.

    The name is ORG/NAME, or the path of a folder with the same files. Of a model of images and text the part
    for images is taken. Images are preprocessed by the repository's image processor. Behavior is read from
    the input of the classifier, where there is one. Weights are "pretrained", the repository's own;
    "untrained-N", the initialization of transformers from seed N; "auto", trained weights if available, else
    "untrained", and the user is told; or the path of a file, FILE or FILE#KEY.

    InputError if the extra `transformers` is not installed, and for a model that takes no images, needs code
    of its repository, or has other weights than its configuration says. DownloadError for files that are
    neither in the cache of the hub nor can be downloaded.
    """
    library = _library()
    repository = _repository(name)
    model = _declared(library, repository)
    preprocess = transforms.checked(_processor(library, repository))
    named = weights in ("auto", _TRAINED)
    network = build_of_library(
        weights,
        label=f"hf:{repository.label}",
        untrained=partial(_untrained, model, repository),
        trained=partial(_trained, model, repository) if named else None,
        trained_name=_TRAINED,
    )
    run = on_black(network.net, preprocess.size, call=_INPUT)
    wrapped = wrap(
        network.net,
        layers=blocks_of(network.net, run),
        preprocess=preprocess,
        call=_INPUT,
        name=f"hf:{repository.label}@{network.weights}",
        weights=network.weights,
        behavior=layer_before(network.net, "classifier", run),
        fingerprint=_fingerprint(library, model),
        about=About(
            citation="Wolf et al. 2020, Transformers, EMNLP, doi:10.18653/v1/2020.emnlp-demos.6",
            license="transformers: Apache-2.0; weights: see the repository",
            source=repository.source,
        ),
    )
    return replace(wrapped, notes=network.notes)


def suggestions(name: str) -> list[str]:
    """Return the full name for a text that looks like ORG/NAME."""
    return [f"hf:{name}"] if re.fullmatch(r"[\w-]+/[\w.-]+", name) else []


def _library() -> Any:
    extra, purpose = "transformers", "a model of transformers"
    if importlib.util.find_spec("torchvision") is not None:  # transformers imports it then
        import_with_torchvision("torchvision", extra=extra, purpose=purpose)
    return import_from_extra("transformers", extra=extra, purpose=purpose)


@dataclass(frozen=True)
class _Repository:
    """A repository of the hub, or a folder on this machine that holds the same files."""

    name: str
    folder: Path | None = None

    @property
    def label(self) -> str:
        """Name in the name of the model."""
        return self.name if self.folder is None else self.folder.resolve().name

    @property
    def source(self) -> str:
        """Where its files are from, with the first digits of the commit."""
        if self.folder is not None:
            return str(self.folder)
        return f"{self.name}, commit {self.file('config.json').parent.name[:12]}"

    def file(self, file: str) -> Path:
        """Return one of its files; DownloadError if it cannot be had."""
        if self.folder is None:
            return self._from_hub(file)
        path = self.folder / file
        if not path.is_file():
            raise DownloadError(
                f"{path} does not exist",
                allowed="a folder as save_pretrained() makes it",
                todo="save model and image processor into this folder",
            )
        return path

    def _from_hub(self, file: str) -> Path:
        try:
            return hub_file(self.name, file)
        except DownloadError as error:
            raise DownloadError(
                error.got,
                allowed=f"{error.allowed}; the extra `transformers` has the code alone",
                todo="connect to the network once, or copy the repository here and write hf:FOLDER",
            ) from error

    def first_of(self, files: tuple[str, ...]) -> Path:
        """Return the first of several files that it has; the DownloadError of the first if it has none."""
        missing: list[DownloadError] = []
        for file in files:
            try:
                return self.file(file)
            except DownloadError as error:
                missing.append(error)
        raise missing[0]


def _repository(name: str) -> _Repository:
    folder = Path(name).expanduser()
    if name and folder.is_dir():
        return _Repository(name, folder)
    if not re.fullmatch(r"[\w-][\w.-]*(/[\w-][\w.-]*)?", name):
        raise InputError(
            f"hf:{name}",
            allowed="hf:ORG/NAME, or a folder on this machine",
            todo="write for example hf:google/vit-base-patch16-224",
        )
    if name.startswith("timm/"):
        raise InputError(
            f"hf:{name}, a network of timm",
            allowed="models of transformers",
            todo=f"write {name.replace('/', ':', 1)}",
        )
    return _Repository(name)


@dataclass(frozen=True)
class _Declared:
    """Class of the network, and its configuration."""

    kind: Any
    config: Any


def _declared(library: Any, repository: _Repository) -> _Declared:
    path = repository.file("config.json")
    with _reading(library, repository, "config.json"):
        config = library.AutoConfig.from_pretrained(
            str(path.parent), local_files_only=True, trust_remote_code=False
        )
    vision = getattr(config, "vision_config", None)
    if vision is not None:
        return _Declared(library.AutoModel, vision)
    architecture = str((config.architectures or [""])[0])
    classifies = "ForImageClassification" in architecture
    return _Declared(
        library.AutoModelForImageClassification if classifies else library.AutoModel, config
    )


def _processor(library: Any, repository: _Repository) -> Any:
    folder = repository.first_of(_PROCESSORS).parent
    with _reading(library, repository, _PROCESSORS[0]):
        # By Pillow on every machine: that of torchvision rounds otherwise, and may be missing.
        return library.AutoImageProcessor.from_pretrained(
            str(folder), backend="pil", local_files_only=True, trust_remote_code=False
        )


def _fingerprint(library: Any, model: _Declared) -> str:
    """Return what the responses depend on beside the weights: the program's version and the configuration."""
    settings = model.config.to_dict()
    places = ("_name_or_path", "transformers_version")  # where it is from, and what wrote it
    plain = {key: value for key, value in settings.items() if key not in places}
    described = json.dumps(plain, sort_keys=True, default=str)
    return f"transformers {library.__version__}, {model.kind.__name__}, {described}"


def _untrained(model: _Declared, repository: _Repository, seed: int) -> nn.Module:
    """Build a network as transformers initializes it, from a seed; torch's own generator is not disturbed."""
    library = _library()
    with _reading(library, repository, "config.json"), torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net = model.kind.from_config(model.config, dtype=torch.float32, trust_remote_code=False)
    return _for_images(net, repository)


def _for_images(net: Any, repository: _Repository) -> nn.Module:
    """Return a network for evaluation; InputError if its input is not images."""
    if net.main_input_name != _INPUT:
        raise InputError(
            f"hf:{repository.label}, whose input is {net.main_input_name}",
            allowed=f"a model that takes images ({_INPUT})",
            todo="choose a vision model, or wrap the part of this one that takes images",
        )
    network: nn.Module = net.eval()
    return network


def _trained(model: _Declared, repository: _Repository) -> WeightedNetwork[Any]:
    folder = _weights_folder(repository)
    library = _library()
    with _reading(library, repository, _WEIGHTS), torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)  # of weights that the file lacks
        net, report = model.kind.from_pretrained(
            str(folder),
            config=model.config,
            dtype=torch.float32,
            use_safetensors=True,
            local_files_only=True,
            trust_remote_code=False,
            output_loading_info=True,
        )
    missing = sorted(report["missing_keys"])
    if any(not _POOLER.search(key) for key in missing):
        raise InputError(
            f"weights of hf:{repository.label}: {len(missing)} missing ({', '.join(missing[:6])})",
            allowed="every weight of the network that its configuration describes",
            todo="choose another repository, or wrap the network yourself",
        )
    notes = ("its pooler has no trained weights and is not a layer to use",) if missing else ()
    return WeightedNetwork(_for_images(net, repository), _TRAINED, notes)


def _weights_folder(repository: _Repository) -> Path:
    """Return the folder with all files of weights, which are safetensors; pickles are not read."""
    path = repository.first_of((_WEIGHTS, _INDEX))
    if path.name == _WEIGHTS:
        return path.parent
    try:
        shards = set(json.loads(path.read_text())["weight_map"].values())
    except (ValueError, KeyError, AttributeError) as error:
        raise InputError(
            f"{_INDEX} of hf:{repository.label} cannot be read ({type(error).__name__})",
            allowed="the index of files of weights that save_pretrained() writes",
            todo="download the repository again",
        ) from error
    for shard in sorted(shards):
        if not re.fullmatch(r"[\w.-]+\.safetensors", str(shard)):
            raise InputError(
                f"{_INDEX} of hf:{repository.label} names the file {shard!r}",
                allowed="safetensors in the same folder",
                todo="do not use this repository unless you trust it",
            )
        repository.file(str(shard))
    return path.parent


@contextlib.contextmanager
def _reading(library: Any, repository: _Repository, file: str) -> Iterator[None]:
    """Read a file of a repository without bars and reports; what the library raises becomes an InputError."""
    logging = library.utils.logging
    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    except Exception as error:  # of transformers, safetensors, files
        why = " ".join(str(error).split())[:300]
        raise InputError(
            f"{file} of hf:{repository.label} cannot be used ({type(error).__name__}: {why})",
            allowed="a vision model that transformers knows without code of its repository, with "
            "weights in safetensors and an image processor",
            todo="choose another repository, or build the network yourself and wrap it",
        ) from error
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()
