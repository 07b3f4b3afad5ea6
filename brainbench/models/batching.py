"""Batches of stimuli that fit in memory."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from typing import Literal, TypeVar

import torch

from brainbench.core import progress
from brainbench.core.arguments import fits
from brainbench.core.errors import ActivationError, InputError

BatchSize = int | Literal["auto"]
Result = TypeVar("Result")

ON_CPU = 16  # larger batches are no faster on a CPU and take more memory
ON_ACCELERATOR = 64
KEPT_BYTES = 512 * 2**20
"""Most memory of the responses to one batch; larger layers get smaller batches."""

_MESSAGES = (
    "out of memory",
    "can't allocate memory",
    "not enough memory",
    "cannot allocate memory",
)


def first_size(batch_size: BatchSize, device: str) -> int:
    """Return the batch size to begin with; InputError unless it is "auto" or a whole number above 0."""
    if batch_size == "auto":
        return ON_CPU if device == "cpu" else ON_ACCELERATOR
    if not fits(batch_size, int) or batch_size < 1:
        raise InputError(
            f"batch size {batch_size!r}",
            allowed="'auto' or a whole number of images above 0",
            todo="use 'auto', which adapts to the available memory",
        )
    return int(batch_size)


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an error means that memory ran out, on a CPU or on an accelerator."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    text = str(error).lower()
    return isinstance(error, RuntimeError) and any(message in text for message in _MESSAGES)


def in_batches(
    n: int, size: int, work: Callable[[int, int], Result], *, nbytes: Callable[[Result], int]
) -> Iterator[tuple[int, int, Result]]:
    """Yield (start, stop, `work(start, stop)`) from 0 to n, in order and without gaps.

    `size` is only reduced: if memory runs out, and so that the `nbytes` of a result stay below `KEPT_BYTES`.
    No result is computed twice. ActivationError if memory is too small for a single stimulus.
    """
    start = 0
    while start < n:
        stop = min(start + size, n)
        try:
            result = work(start, stop)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            if stop - start == 1:
                raise ActivationError(
                    f"not enough memory for a single image ({error})",
                    allowed="one image at a time must fit",
                    todo="close other programs, choose fewer or smaller layers, or another --device",
                ) from error
        else:
            yield start, stop, result
            per_image = max(1, nbytes(result) // (stop - start))
            size = min(size, max(1, KEPT_BYTES // per_image))
            del result
            start = stop
            continue
        # Outside the handler, so that the tensors of the failed pass are freed before the next one.
        size = (stop - start) // 2
        progress.current().note(f"out of memory with {stop - start} images at once; trying {size}")
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
