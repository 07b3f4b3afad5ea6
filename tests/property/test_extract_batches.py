"""Batches cover every stimulus once, in order, whatever fits; responses do not depend on them."""

from __future__ import annotations

import tempfile
from pathlib import Path
from unittest import mock

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from brainbench.core import stimuli
from brainbench.models.batching import in_batches
from brainbench.models.preprocessing import Preprocess
from brainbench.models.wrap import wrap
from brainbench.storage.cache import Cache


@given(
    n=st.integers(1, 60),
    size=st.integers(1, 70),
    fits=st.lists(st.integers(1, 40), min_size=1),
)
def test_every_stimulus_once_and_in_order(n: int, size: int, fits: list[int]) -> None:
    limits = iter(fits * 200)
    largest = size

    def work(start: int, stop: int) -> list[int]:
        nonlocal largest
        assert stop - start <= largest  # batches never grow again
        if stop - start > next(limits):
            largest = (stop - start) // 2
            raise MemoryError
        return list(range(start, stop))

    with mock.patch("gc.collect"):  # collecting garbage takes longest
        done = list(in_batches(n, size, work, nbytes=len))
    assert [index for _, _, part in done for index in part] == list(range(n))
    assert all(part == list(range(start, stop)) for start, stop, part in done)


@settings(max_examples=15, deadline=None)
@given(n=st.integers(1, 40), size=st.integers(1, 45), seed=st.integers(0, 5))
def test_responses_do_not_depend_on_the_batch_size(n: int, size: int, seed: int) -> None:
    torch.manual_seed(seed)
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(inplace=True))
    pixels = np.random.default_rng(seed).integers(0, 256, (n, 6, 6, 3), dtype=np.uint8)
    shown = stimuli.from_arrays("noise", pixels, ids=[str(i) for i in range(n)])
    preprocess = Preprocess(name="as it is", size=None)
    with tempfile.TemporaryDirectory() as folder:
        values = [
            wrap(
                net,
                layers=["1", "2"],
                preprocess=preprocess,
                batch_size=batch_size,
                cache=Cache(Path(folder) / str(batch_size)),
                device="cpu",
            ).activations(shown, ["1", "2"])
            for batch_size in (size, n + 50)
        ]
        for layer in ("1", "2"):
            one, other = (answer[layer].values for answer in values)
            np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)
        np.testing.assert_array_equal(values[0]["2"].values, np.maximum(values[0]["1"].values, 0))
