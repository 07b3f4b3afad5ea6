"""A state of its own for forward passes: nothing that the caller set has an effect on responses."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterator

import numpy as np
import torch
from torch import overrides
from torch._functorch.pyfunctorch import temporarily_clear_interpreter_stack
from torch.utils import _python_dispatch

_DEVICE_TYPES = ("cpu", "cuda", "mps", "xpu")
_NUMPY_ERRORS = {"divide": "warn", "over": "warn", "under": "ignore", "invalid": "warn"}


@contextlib.contextmanager
def own_state() -> Iterator[None]:
    """Run a block in a state that does not depend on the caller's, which is restored at its end.

    Within it: no gradients, no inference mode (whose tensors could not be trained with afterwards), no
    autocast, default dtype float32, default device CPU, float32 at full precision, torch's and numpy's
    default checks, no modes that replace torch's operations (fake tensors, function transforms). The global
    random states of torch, numpy and Python are restored too.
    """
    with contextlib.ExitStack() as stack:
        stack.enter_context(torch.inference_mode(False))
        stack.enter_context(torch.no_grad())
        stack.enter_context(_no_modes())
        stack.enter_context(_no_autocast())
        stack.enter_context(_default_dtype())
        stack.enter_context(torch.autograd.set_detect_anomaly(False))
        stack.enter_context(_default_algorithms())
        stack.enter_context(full_precision())
        stack.enter_context(np.errstate(call=None, **_NUMPY_ERRORS))  # type: ignore[arg-type]
        stack.enter_context(_random_states())
        yield


@contextlib.contextmanager
def full_precision() -> Iterator[None]:
    """Compute float32 at full precision within the block: no TF32 on CUDA, no bfloat16 on a CPU.

    Either may be enabled; with 8 to 11 bits of mantissa, responses would differ between machines that
    share a cache.
    """
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    try:
        with torch.backends.cudnn.flags(enabled=True, deterministic=True, allow_tf32=False):
            yield
    finally:
        torch.set_float32_matmul_precision(before)


def set_seeds(seed: int) -> None:
    """Seed the global random states of torch (all devices), numpy and Python; 0 <= seed < 2**32."""
    torch.manual_seed(seed)
    np.random.seed(seed)  # the network may draw from this state
    random.seed(seed)


@contextlib.contextmanager
def _no_modes() -> Iterator[None]:
    """Set aside a default device, function modes, dispatch modes and function transforms."""
    with contextlib.ExitStack() as stack:
        stack.enter_context(temporarily_clear_interpreter_stack())
        device = _global_default_device()
        if device.type != "cpu":
            stack.callback(torch.set_default_device, device)
            torch.set_default_device(None)
        _set_aside_function_modes(stack)
        if _python_dispatch._get_current_dispatch_mode_stack():
            stack.enter_context(_python_dispatch._disable_current_modes())
        yield


def _set_aside_function_modes(stack: contextlib.ExitStack) -> None:
    modes = overrides._get_current_function_mode_stack()  # type: ignore[no-untyped-call]
    for _ in modes:
        stack.enter_context(overrides._pop_mode_temporarily())


def _global_default_device() -> torch.device:
    """Return the device of `torch.set_default_device`, not of a `with torch.device(...)` block."""
    with contextlib.ExitStack() as stack:
        _set_aside_function_modes(stack)
        return torch.get_default_device()


@contextlib.contextmanager
def _no_autocast() -> Iterator[None]:
    # Cached casts of weights are dropped at both ends: they would hide a change of the weights, and those
    # made here have no gradients.
    torch.clear_autocast_cache()
    with contextlib.ExitStack() as stack:
        for kind in _DEVICE_TYPES:
            if torch.is_autocast_enabled(kind):
                stack.enter_context(torch.autocast(kind, enabled=False))
        try:
            yield
        finally:
            torch.clear_autocast_cache()


@contextlib.contextmanager
def _default_dtype() -> Iterator[None]:
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float32)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


@contextlib.contextmanager
def _default_algorithms() -> Iterator[None]:
    if not torch.are_deterministic_algorithms_enabled():
        yield
        return
    warn_only = torch.is_deterministic_algorithms_warn_only_enabled()
    torch.use_deterministic_algorithms(False)  # imports torch's compiler, which takes seconds
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(True, warn_only=warn_only)


@contextlib.contextmanager
def _random_states() -> Iterator[None]:
    python, legacy = random.getstate(), np.random.get_state()
    is_used = bool(torch.cuda.is_initialized())  # type: ignore[no-untyped-call]
    devices = range(torch.cuda.device_count() if is_used else 0)
    with torch.random.fork_rng(devices=list(devices)):
        try:
            yield
        finally:
            random.setstate(python)
            np.random.set_state(legacy)
