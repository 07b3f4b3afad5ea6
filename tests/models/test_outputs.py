"""Layers that name one of several outputs by its path, and outputs where none is named."""

from __future__ import annotations

from collections import OrderedDict, namedtuple
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from recorded_notes import RecordedNotes
from torch import Tensor, nn

from brainbench.core import progress, stimuli
from brainbench.core.errors import ActivationError, UnknownNameError
from brainbench.models.outputs import tensor_of, tensors_of
from brainbench.models.preprocessing import Preprocess
from brainbench.models.structure import depth_of, sizes_of
from brainbench.models.wrap import WrappedModel, wrap
from brainbench.storage.cache import Cache

ONE, TWO = torch.ones(2, 3), torch.zeros(2, 4)
Pair = namedtuple("Pair", ["logits", "state"])


@dataclass
class Result:
    states: tuple[Tensor, ...]
    pooled: Tensor | None = None


@pytest.mark.parametrize(
    ("output", "paths"),
    [
        (ONE, [""]),
        ((ONE, None, TWO), ["0", "2"]),
        ([None, ONE], ["1"]),
        ({"a": ONE, "b": [TWO, {"c": ONE}]}, ["a", "b.0", "b.1.c"]),
        (OrderedDict(last_hidden_state=ONE, pooler_output=None), ["last_hidden_state"]),
        (Pair(ONE, (TWO, ONE)), ["logits", "state.0", "state.1"]),
        (Result((ONE, TWO)), ["states.0", "states.1"]),
        ("text", []),
        (None, []),
    ],
)
def test_every_tensor_has_a_path(output: Any, paths: list[str]) -> None:
    assert list(tensors_of(output)) == paths
    for path, tensor in tensors_of(output).items():
        assert tensor_of(output, f"block#{path}", noted=set()) is tensor


def test_an_output_that_holds_itself_ends() -> None:
    endless: list[Any] = [ONE]
    endless.append(endless)
    assert "0" in tensors_of(endless)


@pytest.mark.parametrize("output", [ONE, (ONE,), [None, ONE], {"a": 1, "b": ONE}, Result((ONE,))])
def test_the_only_tensor_needs_no_path(output: Any) -> None:
    reporter = RecordedNotes()
    with progress.use(reporter):
        assert tensor_of(output, "block", noted=set()) is ONE
    assert reporter.notes == []


@pytest.mark.parametrize("output", [[ONE, TWO], {"a": ONE, "b": TWO}, Result((ONE,), TWO)])
def test_several_tensors_without_an_order_are_an_error_that_lists_them(output: Any) -> None:
    with pytest.raises(ActivationError, match=r"'block' .* 2 tensors") as caught:
        tensor_of(output, "block", noted=set())
    for path, tensor in tensors_of(output).items():
        assert f"block#{path} {tuple(tensor.shape)}" in caught.value.allowed


@pytest.mark.parametrize("output", [(ONE, TWO), (ONE, None, TWO), Pair(ONE, TWO)])
def test_the_first_of_a_tuple_counts_and_is_said_once(output: Any) -> None:
    reporter, noted = RecordedNotes(), set[str]()
    with progress.use(reporter):
        for _ in range(3):
            assert tensor_of(output, "attn", noted=noted) is ONE
    assert len(reporter.notes) == 1
    assert "'attn'" in reporter.notes[0]
    assert "(2, 4)" in reporter.notes[0]


def test_the_output_of_a_recurrent_layer_counts_without_a_note() -> None:
    reporter = RecordedNotes()
    with progress.use(reporter):
        assert tensor_of((ONE, (TWO, ONE)), "lstm", noted=set()) is ONE
        assert tensor_of((ONE, {"state": TWO}), "cell", noted=set()) is ONE
    assert reporter.notes == []


@pytest.mark.parametrize("path", ["2", "0.0", "logits", "1"])
def test_a_path_without_one_tensor_is_an_error(path: str) -> None:
    with pytest.raises(ActivationError, match=f"'{path}'") as caught:
        tensor_of((ONE, (TWO, ONE)), f"block#{path}", noted=set())
    assert "block#1.0 (2, 4)" in caught.value.allowed


@pytest.mark.parametrize("output", [None, (), {"a": 1}, "text"])
def test_an_output_without_a_tensor_is_an_error(output: Any) -> None:
    kind = type(output).__name__
    with pytest.raises(ActivationError, match=f"'attn' .*{kind}"):
        tensor_of(output, "attn", noted=set())


class Net(nn.Module):
    """Attention that returns (output, weights), and an output of the whole network with two tensors."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.embed = nn.Linear(24, 6)
        self.attn = nn.MultiheadAttention(6, 2, batch_first=True)

    def forward(self, images: Tensor) -> dict[str, Any]:
        tokens = self.embed(images.permute(0, 2, 1, 3).flatten(2))
        mixed, weights = self.attn(tokens, tokens, tokens)
        return {"states": (tokens, mixed), "pooled": mixed.mean(1), "weights": weights}


def wrapped(store: Path, layer: str, **options: Any) -> WrappedModel:
    return wrap(
        Net(),
        layers={"IT": layer},
        preprocess=Preprocess(name="small", size=(8, 8)),
        cache=Cache(store),
        device="cpu",
        **options,
    )


SHOWN = stimuli.from_arrays(
    "s", np.random.default_rng(0).integers(0, 256, (5, 8, 8, 3), dtype=np.uint8), ids=list("abcde")
)


def test_outputs_of_a_network_and_of_a_module_by_path(tmp_path: Path) -> None:
    names = ["#states.1", "#pooled", "attn#0", "attn#1", "attn"]
    got = wrapped(tmp_path, "#pooled").activations(SHOWN, names)
    np.testing.assert_array_equal(got["#states.1"].values, got["attn#0"].values)
    np.testing.assert_array_equal(got["attn"].values, got["attn#0"].values)
    assert got["#pooled"].shape == (5, 6, 1)
    np.testing.assert_allclose(
        got["#pooled"].values[:, :, 0],
        got["attn#0"].values.reshape(5, 8, 6).mean(1),
        atol=1e-6,
    )
    assert got["attn#1"].shape == (5, 64, 1)


def test_the_output_of_a_network_with_several_tensors_needs_a_path(tmp_path: Path) -> None:
    with pytest.raises(ActivationError, match=r"'#' .* 4 tensors") as caught:
        wrapped(tmp_path, "#").activations(SHOWN, ["#"])
    assert "#pooled (" in caught.value.allowed


def test_a_path_of_a_module_that_does_not_exist(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="'atn#0'") as caught:
        wrapped(tmp_path, "atn#0")
    assert "attn" in caught.value.allowed


def test_structure_of_a_network_with_several_outputs(tmp_path: Path) -> None:
    model = wrapped(tmp_path, "#pooled")
    assert sizes_of(model, ["attn#1"])["attn#1"].shape == (8, 8)
    assert (depth_of(model) or 0) >= 2
