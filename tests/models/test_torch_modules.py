"""Networks that are called in another way, and those that cannot be read layer by layer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from recorded_notes import RecordedNotes
from torch import Tensor, nn

from brainbench.core import progress, stimuli
from brainbench.core.errors import InputError, UnknownNameError
from brainbench.models.preprocessing import Preprocess
from brainbench.models.structure import depth_of
from brainbench.models.wrap import WrappedModel, wrap
from brainbench.storage.cache import Cache

SMALL = Preprocess(name="small", size=(8, 8))
SHOWN = stimuli.from_arrays(
    "s", np.random.default_rng(0).integers(0, 256, (5, 8, 8, 3), dtype=np.uint8), ids=list("abcde")
)


class Clip(nn.Module):
    """Takes text first, as CLIP does, and has a method for images alone."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv = nn.Conv2d(3, 4, 3)

    def encode_image(self, images: Tensor) -> Tensor:
        out: Tensor = self.conv(images).mean((2, 3))
        return out

    def forward(self, text: Tensor | None = None, pixel_values: Tensor | None = None) -> Any:
        assert text is None
        assert pixel_values is not None
        return {"image": self.encode_image(pixel_values)}


def plain() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten())


def wrapped(net: Any, store: Path, **options: Any) -> WrappedModel:
    chosen: dict[str, Any] = {"layers": {"IT": "conv"}, "device": "cpu", **options}
    return wrap(net, preprocess=SMALL, cache=Cache(store), **chosen)


def values(model: WrappedModel, layer: str) -> Any:
    return model.activations(SHOWN, [layer])[layer].values


# Other calls


def test_images_go_where_call_says(tmp_path: Path) -> None:
    def encode(net: Clip, images: Tensor) -> Tensor:
        return net.encode_image(images)

    by_keyword = wrapped(Clip(), tmp_path / "a", call="pixel_values")
    by_function = wrapped(Clip(), tmp_path / "b", call=encode)
    np.testing.assert_array_equal(values(by_keyword, "conv"), values(by_function, "conv"))
    assert values(by_keyword, "#image").shape == (5, 4, 1)
    assert depth_of(by_keyword) == depth_of(by_function) == 1


def test_the_call_is_part_of_the_digest(tmp_path: Path) -> None:
    def scaled(factor: float) -> Any:
        return lambda net, images: net.encode_image(factor * images)

    digests = {
        wrapped(Clip(), tmp_path, call=call).digest
        for call in (None, "pixel_values", "text", scaled(1), scaled(2))
    }
    assert len(digests) == 5


def test_calls_that_make_no_sense(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="'pixels'") as caught:
        wrapped(Clip(), tmp_path, call="pixels")
    assert "pixel_values" in caught.value.allowed
    with pytest.raises(InputError, match="call=3"):
        wrapped(Clip(), tmp_path, call=3)
    with pytest.raises(InputError, match="call='x'"):
        wrap(lambda images: images, call="x")
    with pytest.raises(InputError, match="'pulse'"):
        wrapped(Clip(), tmp_path, call="pixel_values", presentations=["constant", "pulse"])


# TorchScript, exported programs, compiled networks


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("kind", ["script", "trace"])
def test_torchscript_is_refused_with_advice_that_works(tmp_path: Path, kind: str) -> None:
    net = plain()
    images = torch.zeros(2, 3, 8, 8)
    saved = torch.jit.script(net) if kind == "script" else torch.jit.trace(net, images)
    with pytest.raises(InputError, match=r"TorchScript .*Sequential") as caught:
        wrapped(saved, tmp_path, layers=["0"])
    assert "load_state_dict" in caught.value.todo
    advised = plain()
    nn.init.zeros_(advised[0].weight)
    advised.load_state_dict(saved.state_dict())
    expected = values(wrapped(net, tmp_path / "a", layers=["2"]), "2")
    np.testing.assert_array_equal(
        values(wrapped(advised, tmp_path / "b", layers=["2"]), "2"), expected
    )

    def function(images: Any) -> Any:
        return saved(torch.from_numpy(images)).detach().numpy()

    as_function = wrapped(function, tmp_path / "c", layers=(), fingerprint="1")
    np.testing.assert_allclose(values(as_function, "output"), expected, atol=1e-6)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_layers_inside_a_scripted_part_are_refused(tmp_path: Path) -> None:
    net = nn.Sequential(torch.jit.script(plain()), nn.Linear(144, 3))
    with pytest.raises(InputError, match=r"'0\.1' .*'0'"):
        wrapped(net, tmp_path, layers=["0.1"])


def test_an_exported_program_is_refused_with_advice_that_works(tmp_path: Path) -> None:
    net, images = plain().eval(), torch.zeros(2, 3, 8, 8)
    program = torch.export.export(net, (images,), dynamic_shapes=({0: torch.export.Dim.AUTO},))
    exported = program.module()
    for given in (program, exported):
        with pytest.raises(InputError, match=r"torch\.export") as caught:
            wrapped(given, tmp_path, layers=["0"])
        assert "program.state_dict" in caught.value.todo

    def function(images: Any) -> Any:
        return exported(torch.from_numpy(images)).detach().numpy()

    as_function = wrapped(function, tmp_path / "a", layers=(), fingerprint="1")
    expected = values(wrapped(net, tmp_path / "b", layers=["2"]), "2")
    np.testing.assert_allclose(values(as_function, "output"), expected, atol=1e-6)


def test_a_traced_graph_that_calls_its_modules_is_read(tmp_path: Path) -> None:
    net = plain()
    graph = torch.fx.symbolic_trace(net)
    model = wrapped(graph, tmp_path / "a", layers=["1"], fingerprint="1")
    np.testing.assert_array_equal(
        values(model, "1"), values(wrapped(net, tmp_path, layers=["1"]), "1")
    )


def test_of_a_compiled_network_the_original_is_read_and_that_is_said(tmp_path: Path) -> None:
    net, reporter = plain(), RecordedNotes()
    with progress.use(reporter):
        model = wrapped(torch.compile(net, backend="eager"), tmp_path, layers=["1"])
    assert len(reporter.notes) == 1
    assert "Sequential" in reporter.notes[0]
    assert model.digest == wrapped(net, tmp_path, layers=["1"]).digest


def test_compiled_parts_are_refused(tmp_path: Path) -> None:
    net = nn.Sequential(plain(), nn.ReLU())
    net[0] = torch.compile(net[0], backend="eager")
    with pytest.raises(InputError, match="compiled 0"):
        wrapped(net, tmp_path, layers=["1"])
    in_place = plain()
    in_place[1].compile(backend="eager")
    with pytest.raises(InputError, match="compiled 1"):
        wrapped(in_place, tmp_path, layers=["1"])
