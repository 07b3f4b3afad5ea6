"""Batches: halved when memory runs out, nothing done twice."""

from __future__ import annotations

import re

import pytest
import torch
from recorded_notes import RecordedNotes

from brainbench.core import progress
from brainbench.core.errors import ActivationError, InputError
from brainbench.models import batching
from brainbench.models.batching import first_size, in_batches, is_out_of_memory


class Worker:
    """Fails for batches above `fits`, and notes what it was asked for."""

    def __init__(self, fits: int, error: BaseException) -> None:
        self.fits, self.error = fits, error
        self.asked: list[tuple[int, int]] = []

    def __call__(self, start: int, stop: int) -> list[int]:
        self.asked.append((start, stop))
        if stop - start > self.fits:
            raise self.error
        return list(range(start, stop))


OUT_OF_MEMORY = [
    MemoryError(),
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"),
    RuntimeError(
        "[enforce fail at alloc_cpu.cpp:118] DefaultCPUAllocator: can't allocate memory: you"
    ),
    RuntimeError("MPS backend out of memory"),
]


@pytest.mark.parametrize("error", OUT_OF_MEMORY, ids=lambda error: type(error).__name__)
def test_a_batch_that_does_not_fit_is_halved_and_nothing_is_done_twice(error: Exception) -> None:
    worker = Worker(fits=3, error=error)
    done = list(in_batches(10, 8, worker, nbytes=len))
    assert [result for _, _, result in done] == [[0, 1], [2, 3], [4, 5], [6, 7], [8, 9]]
    assert worker.asked == [(0, 8), (0, 4), (0, 2), (2, 4), (4, 6), (6, 8), (8, 10)]


def test_what_was_done_before_memory_ran_out_is_kept() -> None:
    asked: list[tuple[int, int]] = []

    def work(start: int, stop: int) -> str:
        asked.append((start, stop))
        if (start, stop) == (4, 8):
            raise MemoryError
        return "x"

    assert [(a, b) for a, b, _ in in_batches(8, 4, work, nbytes=len)] == [(0, 4), (4, 6), (6, 8)]
    assert asked.count((0, 4)) == 1


def test_a_note_says_that_batches_shrink() -> None:
    told = RecordedNotes()
    with progress.use(told):
        list(in_batches(4, 4, Worker(fits=2, error=MemoryError()), nbytes=len))
    (note,) = told.notes
    assert re.findall(r"\d+", note) == ["4", "2"]


def test_a_single_image_that_does_not_fit_is_an_error() -> None:
    worker = Worker(fits=0, error=MemoryError("no"))
    with pytest.raises(ActivationError, match="memory"):
        list(in_batches(4, 4, worker, nbytes=len))
    assert worker.asked == [(0, 4), (0, 2), (0, 1)]


def test_other_errors_are_not_about_memory() -> None:
    worker = Worker(fits=0, error=RuntimeError("shapes cannot be multiplied"))
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        list(in_batches(4, 4, worker, nbytes=len))
    assert len(worker.asked) == 1
    assert not is_out_of_memory(ValueError("out of memory"))


def test_batches_shrink_for_large_responses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batching, "KEPT_BYTES", 300)
    worker = Worker(fits=100, error=MemoryError())
    done = in_batches(10, 4, worker, nbytes=lambda result: 100 * len(result))
    assert [(a, b) for a, b, _ in done] == [(0, 4), (4, 7), (7, 10)]
    done = in_batches(3, 2, worker, nbytes=lambda result: 1000 * len(result))
    assert [(a, b) for a, b, _ in done] == [(0, 2), (2, 3)]


def test_the_failed_pass_is_freed_before_the_next() -> None:
    alive: list[int] = []

    class Tensor:
        def __init__(self) -> None:
            alive.append(1)

        def __del__(self) -> None:
            alive.pop()

    def work(start: int, stop: int) -> int:
        assert not alive
        held = Tensor()
        if stop - start > 1:
            raise MemoryError
        del held
        return 1

    assert len(list(in_batches(2, 2, work, nbytes=int))) == 2


@pytest.mark.parametrize("batch_size", [0, -1, 2.5, "8", None])
def test_a_batch_size_that_is_none_is_an_error(batch_size: object) -> None:
    with pytest.raises(InputError, match=re.escape(f"batch size {batch_size!r}")):
        first_size(batch_size, "cpu")  # type: ignore[arg-type]


def test_auto_is_larger_on_an_accelerator() -> None:
    assert first_size("auto", "cpu") == 16
    assert first_size("auto", "cuda:0") == 64
    assert first_size(5, "cuda:0") == 5
