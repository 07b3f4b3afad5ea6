"""Weights, images and the error measure of the CORnet oracles."""

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn


def fill_with_oracle_weights(net: nn.Module) -> nn.Module:
    """Fill a network with the oracle's weights: its state in order, from one PCG64(1234)."""
    rng = np.random.Generator(np.random.PCG64(1234))
    state = {
        key: torch.ones_like(value)
        if key.endswith("num_batches_tracked")
        else torch.from_numpy(_values(key, tuple(value.shape), rng).astype(np.float32))
        for key, value in net.state_dict().items()
    }
    net.load_state_dict(state)
    return net.eval()


def _values(key: str, shape: tuple[int, ...], rng: np.random.Generator) -> npt.NDArray[Any]:
    if key.endswith("running_mean"):
        return 0.1 * rng.standard_normal(shape)
    if key.endswith("running_var"):
        return rng.uniform(0.5, 1.5, shape)
    if len(shape) >= 2:
        return rng.standard_normal(shape) * np.sqrt(2 / np.prod(shape[1:]))
    if key.endswith("bias"):
        return 0.1 * rng.standard_normal(shape)
    return rng.uniform(0.5, 1.5, shape)


def oracle_images(size: int = 224) -> torch.Tensor:
    """Draw the two images of the oracle, from PCG64(7)."""
    rng = np.random.Generator(np.random.PCG64(7))
    return torch.from_numpy(rng.standard_normal((2, 3, size, size)).astype(np.float32))


def relative_error(actual: npt.NDArray[Any], expected: npt.NDArray[Any]) -> float:
    """Return the largest difference, relative to the largest value."""
    return float(np.abs(actual - expected).max() / np.abs(expected).max())
