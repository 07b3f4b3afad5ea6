"""A network from an ONNX file, as a model: `-m path/to/net.onnx`, extra `onnx`.

Every output of a node is a layer, by its name in the file. What computes is onnxruntime, on the CPU, on the
same number of threads as torch. Nothing in such a file runs but operators that onnxruntime knows.
"""

from __future__ import annotations

import contextlib
import importlib
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch

from brainbench.core.errors import ActivationError, InputError, unknown
from brainbench.core.model import BEHAVIOR
from brainbench.core.model_info import About
from brainbench.core.provenance import count_forward, sha256
from brainbench.core.timeline import STATIC
from brainbench.data.fetch import digest_of_file
from brainbench.models.hooks import Calls
from brainbench.models.network import Forward, Images, Response, host_device
from brainbench.models.preprocessing import IMAGENET_224, Preprocess
from brainbench.models.wrap import REGIONS, WrappedModel

RESPONSES: Final = (
    "Relu", "LeakyRelu", "PRelu", "ThresholdedRelu", "Elu", "Selu", "Celu", "Gelu", "HardSwish", "Mish",
    "Softplus", "Tanh", "Clip",
)  # fmt: skip
"""Kinds of node that are offered to every region where no layers are chosen."""
_TYPES: Final[dict[str, type[np.floating[Any]]]] = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
}
COUNTED: Final = ("Conv", "ConvTranspose", "Gemm", "MatMul")
"""Kinds of node that the depth counts, where one of the two that they multiply is a weight."""
_NOT_LEARNED: Final = {"BatchNormalization": (3, 4), "Resize": (1, 2), "Upsample": (1,)}
"""Inputs by number, kept as floats in a file, that are no parameters: running means and variances, sizes."""
_SIDE: Final = 224
NORMALIZATIONS: Final = {
    "imagenet": (IMAGENET_224.mean, IMAGENET_224.std),
    "plain": ((0.0,) * 3, (1.0,) * 3),
    "symmetric": ((0.5,) * 3, (0.5,) * 3),
}
"""ImageNet's mean and standard deviation; 0 to 1; -1 to 1."""


@dataclass(frozen=True)
class Entry:
    """The one input of a network.

    Attributes
    ----------
    name : str
        In the file.
    kind : type
        float32 or float16.
    batch : int or None
        How many pictures it takes at once; None where any number.
    size : (height, width)
        224 x 224 where the file leaves it open.
    channels_last : bool
        (batch, height, width, 3) and not (batch, 3, height, width).
    """

    name: str
    kind: type[np.floating[Any]]
    batch: int | None
    size: tuple[int, int]
    channels_last: bool


@dataclass(frozen=True)
class OnnxNetwork:
    """An ONNX file as a network that gives the outputs of any nodes.

    Parameters
    ----------
    path : Path
        The file; weights that it keeps in files beside it are read too.

    Raises
    ------
    InputError
        No such file, no ONNX file, an input that is not one batch of color pictures, or the extra is not
        installed.
    """

    path: Path
    _model: Any = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_model", _read(self.path))

    @cached_property
    def layers(self) -> dict[str, str]:
        """Name of every output of a node -> the kind of the node, in the order of the file."""
        return {
            name: node.op_type for node in self._model.graph.node for name in node.output if name
        }

    @cached_property
    def parameters(self) -> int:
        """Numbers in the float tensors that the file keeps: weights and biases, each tensor once.

        Running means and variances of normalizations, sizes to resize to, and single numbers do not count,
        nor do integers, such as the weights of a quantized network.
        """
        numpy_types = _package("onnx").helper.tensor_dtype_to_np_dtype
        graph = self._model.graph
        excluded = {
            node.input[k]
            for node in graph.node
            for k in _NOT_LEARNED.get(node.op_type, ())
            if k < len(node.input)
        }
        return sum(
            math.prod(tensor.dims)
            for tensor in graph.initializer
            if tensor.dims
            and tensor.name not in excluded
            and np.issubdtype(numpy_types(tensor.data_type), np.floating)
        )

    @cached_property
    def depth(self) -> int:
        """Convolutions and fully connected layers on the longest path from the picture to an output.

        A node of `COUNTED` counts if it multiplies by what the file keeps, as it is or reordered; a product
        of two responses, as in attention, does not.
        """
        graph = self._model.graph
        kept = {tensor.name for tensor in graph.initializer}
        depths: dict[str, int] = {}
        for node in graph.node:  # in an order in which each comes after what it reads
            read = [name for name in node.input if name]
            if kept.issuperset(read):
                kept.update(node.output)
                continue
            counts = node.op_type in COUNTED and not kept.isdisjoint(node.input[:2])
            depth = max(depths.get(name, 0) for name in read) + counts
            depths.update(dict.fromkeys(node.output, depth))
        return max(depths.get(output.name, 0) for output in graph.output)

    @cached_property
    def entry(self) -> Entry:
        """What the network takes."""
        session = self._session(())
        given = session.get_inputs()
        found = _entry(given[0]) if len(given) == 1 else None
        if found is None:
            listed = ", ".join(f"{one.name} {one.type} {one.shape}" for one in given)
            raise InputError(
                f"{self.path} with the input {listed or 'none'}",
                allowed="one input of floats, (batch, 3, height, width) or (batch, height, width, 3)",
                todo="export the network for one batch of color pictures",
            )
        return found

    @cached_property
    def files(self) -> tuple[Path, ...]:
        """The file itself, and those beside it that hold its weights."""
        external = importlib.import_module("onnx.external_data_helper")
        listed = {
            external.ExternalDataInfo(tensor).location
            for tensor in self._bare().graph.initializer
            if external.uses_external_data(tensor)
        }
        return (self.path, *(self.path.parent / name for name in sorted(listed)))

    def _bare(self) -> Any:
        return _package("onnx").load(self.path, load_external_data=False)

    def digest(self, name: str, declared: str | None) -> str:
        """SHA-256 over the bytes of all files, and the version of onnxruntime."""
        runtime = _package("onnxruntime").__version__
        return sha256("onnx", declared or "", runtime, *map(digest_of_file, self.files))

    def check(self, layer: str) -> None:
        """Raise UnknownNameError if no node has an output of that name."""
        if layer not in self.layers:
            todo = f"choose an output of a node of {self.path.name}"
            raise unknown("layer", layer, list(self.layers), todo=todo)

    def place(self, device: str) -> str:
        """Answer "cpu": it runs there."""
        return host_device(device)

    @contextlib.contextmanager
    def running(
        self, layers: Sequence[str], calls: Mapping[str, Calls], device: str
    ) -> Iterator[Forward]:
        """A session that gives these layers, within the block."""
        session, entry = self._session(layers), self.entry

        def forward(images: Images) -> dict[str, Response]:
            began = time.perf_counter()
            parts = [
                session.run(list(layers), {entry.name: part}) for part in _parts(images, entry)
            ]
            count_forward(time.perf_counter() - began, len(images))
            return {
                layer: _response(layer, [part[k] for part in parts], entry, len(images))
                for k, layer in enumerate(layers)
            }

        yield forward

    def _session(self, layers: Sequence[str]) -> Any:
        onnx, runtime = _package("onnx"), _package("onnxruntime")
        asked = onnx.ModelProto()
        asked.CopyFrom(self._model)
        there = {output.name for output in asked.graph.output}
        asked.graph.output.extend(
            onnx.ValueInfoProto(name=layer) for layer in layers if layer not in there
        )
        options = runtime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        options.log_severity_level = 3
        try:
            return runtime.InferenceSession(
                asked.SerializeToString(), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # classes of its own for everything, and protobuf's beyond 2 GB
            raise InputError(
                f"{self.path} does not run ({' '.join(str(error).split())[:200]})",
                allowed=f"a network below 2 GB that onnxruntime {runtime.__version__} can run",
                todo="export it with operators that onnxruntime has",
            ) from error


def _entry(given: Any) -> Entry | None:
    if given.type not in _TYPES or len(given.shape) != 4:
        return None
    batch, *sides = [side if isinstance(side, int) else None for side in given.shape]
    channels_last = sides[0] != 3 and sides[2] == 3
    if not channels_last and sides[0] not in (3, None):
        return None
    height, width = sides[:2] if channels_last else sides[1:]
    size = (height or _SIDE, width or _SIDE)
    return Entry(given.name, _TYPES[given.type], batch, size, channels_last)


def _parts(images: Images, entry: Entry) -> Iterator[npt.NDArray[np.floating[Any]]]:
    """Batch as the network takes it; where it takes a fixed number, the last part is filled up."""
    ordered = images.transpose(0, 2, 3, 1) if entry.channels_last else images
    ready = np.ascontiguousarray(ordered, dtype=entry.kind)
    step = entry.batch or len(ready)
    for start in range(0, len(ready), step):
        part = ready[start : start + step]
        yield part if len(part) == step else part[np.arange(step) % len(part)]


def _response(layer: str, parts: Sequence[Any], entry: Entry, n: int) -> Response:
    arrays = [np.asarray(part) for part in parts]
    if any(array.ndim == 0 for array in arrays):
        raise ActivationError(
            f"layer {layer!r} gives one number for a whole batch",
            allowed="one row per picture",
            todo="choose another output",
        )
    whole = np.concatenate(arrays)
    if entry.batch is not None:
        whole = whole[:n]  # without what filled up the last part
    return Response(steps=[whole], shapes=[whole.shape[1:]])


def _read(path: Path) -> Any:
    onnx = _package("onnx")
    if not path.is_file():
        raise InputError(
            f"model {path}: there is no such file", allowed="an ONNX file", todo="check the path"
        )
    try:
        model = onnx.load(path)
        onnx.checker.check_model(model)
    except Exception as error:  # protobuf's, the checker's, those of files beside it
        raise InputError(
            f"{path} is no ONNX file ({' '.join(str(error).split())[:200]})",
            allowed="an ONNX file with everything that it names",
            todo="export the network again, for example with torch.onnx.export",
        ) from error
    return model


def _package(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise InputError(
            f"an ONNX file as a model, without the package {name}",
            allowed="the extra onnx: onnx and onnxruntime",
            todo="pip install 'brainbench[onnx]'",
        ) from error


def onnx_network(
    path: str | Path,
    /,
    *,
    preprocess: str | Preprocess = "imagenet",
    layers: Sequence[str] = (),
    behavior: str | None = None,
) -> WrappedModel:
    """Model from an ONNX file, static, named after the file and its content.

    Parameters
    ----------
    path : path
        The file.
    preprocess : {"imagenet", "plain", "symmetric"} or Preprocess
        What is done to pixels: ImageNet's mean and standard deviation; 0 to 1; -1 to 1. Pictures are
        resized whole, bilinear, to the size that the network takes, 224 x 224 where it takes any.
    layers : sequence of str
        Outputs of nodes that are offered to every region; without, those of all nonlinearities
        (`RESPONSES`), or of all nodes where there is none.
    behavior : str, optional
        The output that choices are read from.

    Raises
    ------
    InputError
        See `OnnxNetwork`.
    UnknownNameError
        A preprocessing or a layer that there is not; the message names the closest.
    """
    network = OnnxNetwork(Path(path).expanduser())
    chosen = tuple(layers) or _offered(network)
    for layer in (*chosen, *([behavior] if behavior else ())):
        network.check(layer)
    digits = digest_of_file(network.path)[:12]
    areas = dict.fromkeys(REGIONS, chosen) | ({BEHAVIOR: (behavior,)} if behavior else {})
    return WrappedModel(
        name=f"{network.path.stem}@file-{digits}",
        weights=f"file-{digits}",
        network=network,
        areas=MappingProxyType(areas),
        clocks=MappingProxyType({STATIC.name: STATIC}),
        preprocess=_preprocess(preprocess, network.entry.size),
        about=About(
            source=f"file {network.path}", parameters=network.parameters, depth=network.depth
        ),
    )


def _offered(network: OnnxNetwork) -> tuple[str, ...]:
    every = tuple(network.layers)
    return tuple(name for name in every if network.layers[name] in RESPONSES) or every


def _preprocess(given: str | Preprocess, size: tuple[int, int]) -> Preprocess:
    if isinstance(given, Preprocess):
        return given
    if given not in NORMALIZATIONS:
        todo = "choose preprocess= from these, or give a Preprocess"
        raise unknown("preprocessing", given, list(NORMALIZATIONS), todo=todo)
    mean, std = NORMALIZATIONS[given]
    name = f"{given}-{size[0]}x{size[1]}"
    return Preprocess(name=name, size=size, mean=mean, std=std)
