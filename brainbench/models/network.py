"""Networks behind one interface: torch modules and plain functions."""

from __future__ import annotations

import contextlib
import math
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from brainbench.core.errors import ActivationError, InputError, unknown
from brainbench.core.presentation import Presentation
from brainbench.core.provenance import count_forward, sha256
from brainbench.models.digests import digest_of, weights_digest
from brainbench.models.forward_errors import explained
from brainbench.models.hooks import AllCalled, Calls, Capture, capturing, submodule
from brainbench.models.module_state import ModuleState, evaluating
from brainbench.models.torch_state import full_precision

Images = npt.NDArray[np.float32]
Precision = Literal["float32", "bf16", "float16", "bfloat16", "float64"]
PRECISIONS: tuple[Precision, ...] = ("float32", "bf16")
"""Precisions to choose from; the others are those of networks whose weights have them."""
_DTYPES: dict[torch.dtype, Precision] = {
    torch.float32: "float32",
    torch.float16: "float16",
    torch.bfloat16: "bfloat16",
    torch.float64: "float64",
}


@dataclass(frozen=True)
class Response:
    """Selected outputs of a layer, with the batch as one axis, and the shape of every output."""

    steps: list[npt.NDArray[Any]]
    shapes: list[tuple[int, ...]]


Forward = Callable[[Images], dict[str, Response]]


class Network(Protocol):
    """A network that can be digested, knows its layers and runs on a device."""

    @property
    def precision(self) -> Precision:
        """Return the precision of its weights, in which it takes images; "float32" if it has none."""

    def state(self) -> ModuleState | None:
        """Return what forward passes may change, so that it can be restored; None if that is unknown."""

    def digest(self, name: str, declared: str | None) -> str:
        """Return the SHA-256 over all that responses depend on; `declared` replaces what is not inspected."""

    def check(self, layer: str) -> None:
        """Raise UnknownNameError if the layer does not exist."""

    def place(self, device: str) -> str:
        """Return the device for a choice of the user; raise InputError if it does not exist."""

    def running(
        self, layers: Sequence[str], calls: Mapping[str, Calls], device: str
    ) -> contextlib.AbstractContextManager[Forward]:
        """Run the network within the block and leave it unchanged."""


_locks: weakref.WeakKeyDictionary[nn.Module, threading.RLock] = weakref.WeakKeyDictionary()
_making_locks = threading.Lock()


def _lock_of(net: nn.Module) -> threading.RLock:
    """Return the lock of a module, since two threads must not hook or digest it at the same time."""
    with _making_locks:
        return _locks.setdefault(net, threading.RLock())


@dataclass(frozen=True)
class TorchNetwork:
    """A torch module, read by forward hooks; called with the presentation `shown` if that is not None.

    `call` is the keyword that takes the images, or a function of the module and the images that calls it. A
    `version` stands for its code in the digest, beside weights, structure and settings. A forward pass ends
    early once each layer of `enough` was called so often, where that is given.
    """

    net: nn.Module
    shown: Presentation | None = None
    call: str | Callable[..., Any] | None = None
    version: str | None = None
    enough: Mapping[str, int] | None = None

    @property
    def dtype(self) -> torch.dtype:
        """Type of the images that it takes: that of its first floating parameter, else of a buffer."""
        for tensor in (*self.net.parameters(), *self.net.buffers()):
            if tensor.is_floating_point():
                return tensor.dtype
        return torch.float32

    @property
    def precision(self) -> Precision:
        """Return the name of `dtype`; InputError for one that is not computed in."""
        if self.dtype not in _DTYPES:
            raise InputError(
                f"a network with weights of {self.dtype}",
                allowed=", ".join(map(str, _DTYPES)),
                todo="convert it first, for example with net.float()",
            )
        return _DTYPES[self.dtype]

    def state(self) -> ModuleState | None:
        """Return the attributes and buffers of the module as they are now."""
        return ModuleState(self.net)

    def digest(self, name: str, declared: str | None) -> str:
        """Return the digest of the module; with `declared`, of its weights and that text."""
        with _lock_of(self.net):
            if declared is None:
                own = digest_of(self.net, name=name, version=self.version)
            else:
                own = sha256("declared", declared, torch.__version__, weights_digest(self.net))
        if self.call is None:
            return own
        if isinstance(self.call, str) or declared is not None:
            return sha256("call", own, self.call if isinstance(self.call, str) else "declared")
        return sha256("call", own, digest_of(self.call, name=name))

    def output_of(self, images: torch.Tensor) -> Any:
        """Return what the module returns for images on its device."""
        shown = () if self.shown is None else (self.shown,)
        if self.call is None:
            return self.net(images, *shown)
        if isinstance(self.call, str):
            return self.net(*shown, **{self.call: images})
        return self.call(self.net, images, *shown)

    def check(self, layer: str) -> None:
        """Raise UnknownNameError if the submodule does not exist."""
        submodule(self.net, layer)

    def place(self, device: str) -> str:
        """Return the device; "auto" is that of the weights, or CUDA for weights on the CPU if available."""
        if device != "auto":
            return available(device)
        home = home_of(self.net)
        return "cuda" if home == "cpu" and torch.cuda.is_available() else home

    @contextlib.contextmanager
    def running(
        self, layers: Sequence[str], calls: Mapping[str, Calls], device: str
    ) -> Iterator[Forward]:
        """Hook the layers in evaluation mode on `device`; the network is left as it was, see `evaluating`."""
        net = self.net
        with (
            _lock_of(net),
            full_precision(),
            _moved(net, device),
            evaluating(net),
            capturing(net, layers, calls, self.enough) as capture,
        ):
            yield lambda images: self._forward(images, layers, capture, device)

    def _forward(
        self, images: Images, layers: Sequence[str], capture: Capture, device: str
    ) -> dict[str, Response]:
        capture.clear()
        batch = torch.from_numpy(images).to(device, self.dtype)
        start = time.perf_counter()
        with explained(self.net, batch):
            with contextlib.suppress(AllCalled):
                self.output_of(batch)
            if device.startswith("cuda"):
                torch.cuda.synchronize()
        count_forward(time.perf_counter() - start, math.prod(images.shape[:-3]))
        return {
            layer: Response(
                steps=[_to_numpy(kept) for kept in capture.kept.get(layer, [])],
                shapes=capture.shapes.get(layer, []),
            )
            for layer in layers
        }


def computing(
    network: Network, precision: str, device: str
) -> contextlib.AbstractContextManager[Any]:
    """Return a context within which a torch module computes in a precision.

    Under "bf16" convolutions and matrix products take bfloat16, with 8 bits of mantissa, and sum in
    float32; operations that torch considers sensitive stay float32 (`torch.autocast`).
    """
    if precision == "bf16" and isinstance(network, TorchNetwork):
        return torch.autocast(torch.device(device).type, dtype=torch.bfloat16)
    return contextlib.nullcontext()


def _to_numpy(tensor: torch.Tensor) -> npt.NDArray[Any]:
    values = tensor.cpu()
    array: npt.NDArray[Any] = (values.float() if values.dtype == torch.bfloat16 else values).numpy()
    return array


def home_of(net: nn.Module) -> str:
    """Return the device of the weights of a module; "cpu" without weights."""
    for tensor in (*net.parameters(), *net.buffers()):
        return str(tensor.device)
    return "cpu"


@contextlib.contextmanager
def _moved(net: nn.Module, device: str) -> Iterator[None]:
    home = home_of(net)
    if home == device:
        yield
        return
    buffers = [(module._buffers, dict(module._buffers)) for module in net.modules()]
    try:
        net.to(device)
        yield
    finally:
        net.to(home)
        for held, before in buffers:  # the same objects, which a move replaces by copies
            held.update(before)


def available(device: str) -> str:
    """Return the device if torch can compute on it; InputError if it does not exist on this machine."""
    try:
        return str(torch.empty(0, device=device).device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise InputError(
            f"device {device!r} ({str(error).splitlines()[0][:80]})",
            allowed="auto, cpu" + (", cuda" if torch.cuda.is_available() else ""),
            todo="choose one of these with --device",
        ) from error


class HostNetwork:
    """A network that runs on a device of its own and returns arrays."""

    @property
    def precision(self) -> Precision:
        """Return "float32", the type of the images that it takes."""
        return "float32"

    def state(self) -> ModuleState | None:
        """Return None: what it keeps between calls is not known."""
        return None

    def place(self, device: str) -> str:
        """Return "cpu"; raise InputError if the device does not exist."""
        if device not in ("auto", "cpu"):
            available(device)
        return "cpu"


@dataclass(frozen=True)
class FunctionNetwork(HostNetwork):
    """A function from images to responses, numpy in, numpy out.

    It takes preprocessed images (batch, 3, height, width), float32, and returns an array (batch, ...) for a
    single layer, or {layer: array}; a list of arrays is the steps of a layer over time. A `version` stands
    for its code in the digest.
    """

    function: Callable[[Images], Any]
    layers: tuple[str, ...]
    version: str | None = None

    def digest(self, name: str, declared: str | None) -> str:
        """Return the digest of the function; with `declared`, of that text alone."""
        if declared:
            return sha256("declared", declared)
        return digest_of(self.function, name=name, version=self.version)

    def check(self, layer: str) -> None:
        """Raise UnknownNameError if the layer was not declared."""
        if layer not in self.layers:
            raise unknown("layer", layer, self.layers, todo="declare it in wrap(..., layers=...)")

    @contextlib.contextmanager
    def running(
        self, layers: Sequence[str], calls: Mapping[str, Calls], device: str
    ) -> Iterator[Forward]:
        """Call the function; there is nothing to restore."""
        yield lambda images: self._forward(images, layers, calls)

    def _forward(
        self, images: Images, layers: Sequence[str], calls: Mapping[str, Calls]
    ) -> dict[str, Response]:
        start = time.perf_counter()
        with explained(self.function, images):
            output = self.function(np.ascontiguousarray(images))
        count_forward(time.perf_counter() - start, math.prod(images.shape[:-3]))
        outputs = output if isinstance(output, Mapping) else {self.layers[0]: output}
        for layer in layers:
            if layer not in outputs:
                raise ActivationError(
                    f"the function returns no layer {layer!r}, but {', '.join(map(str, outputs))}",
                    allowed="an array, or a mapping with every declared layer",
                    todo="correct layers= in wrap, or what the function returns",
                )
        return {layer: response(outputs[layer], calls[layer]) for layer in layers}


def response(output: Any, calls: Calls) -> Response:
    """Return the response of an array or of a list of arrays that are steps, selected by `calls`."""
    steps = [np.asarray(s) for s in (output if isinstance(output, list | tuple) else [output])]
    shapes = [step.shape for step in steps]
    if calls == "last":
        steps = steps[-1:]
    elif calls != "steps":
        steps = steps[calls : calls + 1]
    return Response(steps=steps, shapes=shapes)
