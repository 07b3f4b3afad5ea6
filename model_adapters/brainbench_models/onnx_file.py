"""A network from an ONNX file as a model: `-m path/to/net.onnx`, extra `onnx`.

Every output of a node is a layer, by its name in the file. onnxruntime computes, on the CPU, with as many
threads as torch. Nothing in such a file runs except operators of onnxruntime.
"""

from __future__ import annotations

import contextlib
import importlib
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
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
from brainbench.models import transforms
from brainbench.models.hooks import Calls
from brainbench.models.network import Forward, HostNetwork, Images, Response
from brainbench.models.preprocessing import IMAGENET_224, Preprocess, Preprocessing
from brainbench.models.wrap import REGIONS, WrappedModel
from brainbench_models._options import import_from_extra

RESPONSES: Final = (
    "Relu", "LeakyRelu", "PRelu", "ThresholdedRelu", "Elu", "Selu", "Celu", "Gelu", "HardSwish", "Mish",
    "Softplus", "Tanh", "Clip",
)  # fmt: skip
"""Operators whose outputs are offered to every region by default."""
COUNTED: Final = ("Conv", "ConvTranspose", "Gemm", "MatMul")
"""Operators that count as layers of the depth if one of their factors is a weight."""
_NOT_LEARNED: Final = {"BatchNormalization": (3, 4), "Resize": (1, 2), "Upsample": (1,)}
"""Positions of float inputs that are no parameters: running means and variances, sizes."""
_TYPES: Final[dict[str, type[np.floating[Any]]]] = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
}
_SIDE: Final = 224
NORMALIZATIONS: Final = {
    "imagenet": (IMAGENET_224.mean, IMAGENET_224.std),
    "plain": ((0.0,) * 3, (1.0,) * 3),
    "symmetric": ((0.5,) * 3, (0.5,) * 3),
}
"""Mean and standard deviation: ImageNet's; values from 0 to 1; values from -1 to 1."""


def onnx_network(
    path: str | Path,
    /,
    *,
    preprocess: str | Preprocess | Callable[..., Any] = "imagenet",
    layers: Sequence[str] = (),
    behavior: str | None = None,
) -> WrappedModel:
    """Make a model of an ONNX file, static, named after the file and its content.

    `preprocess` is a Preprocess, a function of a picture as in `wrap`, or one of `NORMALIZATIONS`; with the
    last, pictures are resized whole, bilinear, to the size that the network takes, 224 x 224 if it takes
    any. `layers` are outputs of nodes that are offered to every region, by default those of all
    nonlinearities (`RESPONSES`), or of all nodes if there are none; `behavior` is the output that behavior
    is read from. InputError as for `OnnxNetwork`, UnknownNameError for another preprocessing or a layer that
    does not exist.
    """
    network = OnnxNetwork(Path(path).expanduser())
    nonlinearities = tuple(name for name, kind in network.layers.items() if kind in RESPONSES)
    offered = tuple(layers) or nonlinearities or tuple(network.layers)
    for layer in (*offered, *([behavior] if behavior else ())):
        network.check(layer)
    digits = digest_of_file(network.path)[:12]
    areas = dict.fromkeys(REGIONS, offered) | ({BEHAVIOR: (behavior,)} if behavior else {})
    return WrappedModel(
        name=f"{network.path.stem}@file-{digits}",
        weights=f"file-{digits}",
        network=network,
        areas=MappingProxyType(areas),
        clocks=MappingProxyType({STATIC.name: STATIC}),
        preprocess=_preprocess(preprocess, network.input.size),
        about=About(
            source=f"file {network.path}", parameters=network.parameters, depth=network.depth
        ),
    )


def _preprocess(
    preprocess: str | Preprocess | Callable[..., Any], size: tuple[int, int]
) -> Preprocessing:
    if isinstance(preprocess, Preprocess):
        return preprocess
    if callable(preprocess):
        return transforms.checked(preprocess)
    if preprocess not in NORMALIZATIONS:
        todo = "choose preprocess= from these, or give a Preprocess"
        raise unknown("preprocessing", preprocess, list(NORMALIZATIONS), todo=todo)
    mean, std = NORMALIZATIONS[preprocess]
    name = f"{preprocess}-{size[0]}x{size[1]}"
    return Preprocess(name=name, size=size, mean=mean, std=std)


@dataclass(frozen=True)
class Input:
    """The single input of a network."""

    name: str
    dtype: type[np.floating[Any]]  # float32 or float16
    batch: int | None  # number of pictures that the network takes at once; None for any number
    size: tuple[int, int]  # height, width; 224 x 224 if the file leaves it open
    channels_last: bool  # (batch, height, width, 3)


@dataclass(frozen=True)
class OnnxNetwork(HostNetwork):
    """An ONNX file as a network that gives the outputs of any nodes.

    Weights that it keeps in files beside it are read too. InputError if the file does not exist or is not
    ONNX, its input is not one batch of color pictures, or the extra is not installed.
    """

    path: Path
    _model: Any = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_model", _read(self.path))

    @cached_property
    def layers(self) -> dict[str, str]:
        """Name of every output of a node -> the node's operator, in the order of the file."""
        return {
            name: node.op_type for node in self._model.graph.node for name in node.output if name
        }

    @cached_property
    def parameters(self) -> int:
        """Number of values in the float tensors of the file: weights and biases, each tensor once.

        Running means and variances, sizes to resize to, single numbers and integers do not count.
        """
        dtype_of = _package("onnx").helper.tensor_dtype_to_np_dtype
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
            and np.issubdtype(dtype_of(tensor.data_type), np.floating)
        )

    @cached_property
    def depth(self) -> int:
        """Number of convolutions and fully connected layers on the longest path from input to output.

        A node of `COUNTED` counts if it multiplies by a tensor of the file; a product of responses does
        not.
        """
        graph = self._model.graph
        constants = {tensor.name for tensor in graph.initializer}
        depths: dict[str, int] = {}
        for node in graph.node:  # each node comes after those that it reads
            inputs = [name for name in node.input if name]
            if constants.issuperset(inputs):
                constants.update(node.output)
                continue
            counts = node.op_type in COUNTED and not constants.isdisjoint(node.input[:2])
            depth = max(depths.get(name, 0) for name in inputs) + counts
            depths.update(dict.fromkeys(node.output, depth))
        return max(depths.get(output.name, 0) for output in graph.output)

    @cached_property
    def input(self) -> Input:
        """The input of the network."""
        inputs = self._session(()).get_inputs()
        parsed = _parse_input(inputs[0]) if len(inputs) == 1 else None
        if parsed is None:
            listed = ", ".join(f"{each.name} {each.type} {each.shape}" for each in inputs)
            raise InputError(
                f"{self.path} with the input {listed or 'none'}",
                allowed="one input of floats, (batch, 3, height, width) or (batch, height, width, 3)",
                todo="export the network for one batch of color pictures",
            )
        return parsed

    @cached_property
    def files(self) -> tuple[Path, ...]:
        """The file itself, and those beside it that hold its weights."""
        external = importlib.import_module("onnx.external_data_helper")
        graph = _package("onnx").load(self.path, load_external_data=False).graph
        names = {
            external.ExternalDataInfo(tensor).location
            for tensor in graph.initializer
            if external.uses_external_data(tensor)
        }
        return (self.path, *(self.path.parent / name for name in sorted(names)))

    def digest(self, name: str, declared: str | None) -> str:
        """Return the SHA-256 over the bytes of all files and the version of onnxruntime."""
        version = _package("onnxruntime").__version__
        return sha256("onnx", declared or "", version, *map(digest_of_file, self.files))

    def check(self, layer: str) -> None:
        """Raise UnknownNameError if no node has an output of that name."""
        if layer not in self.layers:
            todo = f"choose an output of a node of {self.path.name}"
            raise unknown("layer", layer, list(self.layers), todo=todo)

    @contextlib.contextmanager
    def running(
        self, layers: Sequence[str], calls: Mapping[str, Calls], device: str
    ) -> Iterator[Forward]:
        """Open a session that gives the outputs of these layers, within the block."""
        session, given = self._session(layers), self.input

        def forward(images: Images) -> dict[str, Response]:
            began = time.perf_counter()
            outputs = [
                session.run(list(layers), {given.name: batch}) for batch in _batches(images, given)
            ]
            count_forward(time.perf_counter() - began, len(images))
            return {
                layer: _response(layer, [batch[k] for batch in outputs], given, len(images))
                for k, layer in enumerate(layers)
            }

        yield forward

    def _session(self, layers: Sequence[str]) -> Any:
        onnx, runtime = _package("onnx"), _package("onnxruntime")
        model = onnx.ModelProto()
        model.CopyFrom(self._model)
        outputs = {output.name for output in model.graph.output}
        model.graph.output.extend(
            onnx.ValueInfoProto(name=layer) for layer in layers if layer not in outputs
        )
        options = runtime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        options.log_severity_level = 3
        try:
            return runtime.InferenceSession(
                model.SerializeToString(), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # many classes, and protobuf's above 2 GB
            raise InputError(
                f"{self.path} does not run ({' '.join(str(error).split())[:200]})",
                allowed=f"a network below 2 GB that onnxruntime {runtime.__version__} can run",
                todo="export it with operators that onnxruntime has",
            ) from error


def _parse_input(declared: Any) -> Input | None:
    """Return the declared input; None if it is not a batch of color pictures."""
    if declared.type not in _TYPES or len(declared.shape) != 4:
        return None
    batch, *sides = [side if isinstance(side, int) else None for side in declared.shape]
    channels_last = sides[0] != 3 and sides[2] == 3
    if not channels_last and sides[0] not in (3, None):
        return None
    height, width = sides[:2] if channels_last else sides[1:]
    size = (height or _SIDE, width or _SIDE)
    return Input(declared.name, _TYPES[declared.type], batch, size, channels_last)


def _batches(images: Images, given: Input) -> Iterator[npt.NDArray[np.floating[Any]]]:
    """Yield batches as the network takes them; the last one of a fixed size is filled up."""
    ordered = images.transpose(0, 2, 3, 1) if given.channels_last else images
    ready = np.ascontiguousarray(ordered, dtype=given.dtype)
    size = given.batch or len(ready)
    for start in range(0, len(ready), size):
        batch = ready[start : start + size]
        yield batch if len(batch) == size else batch[np.arange(size) % len(batch)]


def _response(layer: str, outputs: Sequence[Any], given: Input, n: int) -> Response:
    arrays = [np.asarray(output) for output in outputs]
    if any(array.ndim == 0 for array in arrays):
        raise ActivationError(
            f"layer {layer!r} gives one number for a whole batch",
            allowed="one row per picture",
            todo="choose another output",
        )
    values = np.concatenate(arrays)
    if given.batch is not None:
        values = values[:n]  # without what filled up the last batch
    return Response(steps=[values], shapes=[values.shape])


def _read(path: Path) -> Any:
    onnx = _package("onnx")
    if not path.is_file():
        raise InputError(
            f"model {path}: there is no such file", allowed="an ONNX file", todo="check the path"
        )
    try:
        model = onnx.load(path)
        onnx.checker.check_model(model)
    except Exception as error:  # of protobuf, of the checker, or of files beside it
        raise InputError(
            f"{path} is not a valid ONNX file ({' '.join(str(error).split())[:200]})",
            allowed="an ONNX file with everything that it names",
            todo="export the network again, for example with torch.onnx.export",
        ) from error
    return model


def _package(name: str) -> Any:
    return import_from_extra(name, extra="onnx", purpose="an ONNX file as a model")
