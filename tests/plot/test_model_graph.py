"""Figures of networks: what is drawn, and errors."""

from __future__ import annotations

import builtins
import itertools
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from brainbench.core.errors import InputError
from brainbench.core.model_info import Diagram
from brainbench.plot import graph, save

DRAWN = Diagram(
    nodes=("image", "conv1", "conv2", "conv3", "out"),
    feedforward=(("image", "conv1"), ("conv1", "conv2"), ("conv1", "conv3"), ("conv3", "out")),
    feedback=(("conv3", "conv1"),),
    recurrent={"conv2": "gru"},
    captions={"conv1": "64x56x56"},
)


def test_every_name_and_caption_is_in_the_figure(tmp_path: Path) -> None:
    path = save(graph(DRAWN, title="a title"), tmp_path / "graph.svg")
    text = path.read_text()
    for word in (*DRAWN.nodes, "64x56x56", "a title", "feedback", "recurrent cell: gru"):
        assert f"<!-- {word} -->" in text  # matplotlib names each text beside its outlines


def test_the_legend_omits_feedback_and_cells_that_a_network_lacks(tmp_path: Path) -> None:
    plain = Diagram(nodes=("image", "out"), feedforward=(("image", "out"),))
    text = save(graph(plain), tmp_path / "graph.svg").read_text()
    assert "<!-- feed-forward -->" in text
    assert "feedback -->" not in text
    assert "recurrent" not in text


def test_a_unit_has_the_same_size_in_every_network() -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    chain = tuple(f"conv{k}" for k in range(12))
    plain = Diagram(nodes=chain, feedforward=tuple(itertools.pairwise(chain)))
    back = Diagram(nodes=chain, feedback=(("conv11", "conv0"),))
    short = Diagram(nodes=("image", "out"), feedforward=(("image", "out"),))
    units, heights = [], []
    for diagram in (DRAWN, plain, back, short):
        axes = graph(diagram, title="a title")
        FigureCanvasAgg(axes.figure).draw()
        place = axes.transData.transform
        units.append((place((1, 1)) - place((0, 0))) / axes.figure.dpi)
        heights.append(axes.figure.get_figheight())
    assert np.ptp(units, axis=0).max() < 0.1  # inches
    assert heights[1] < heights[0] < heights[2]


@pytest.mark.parametrize("end", [".png", ".pdf"])
def test_other_formats(tmp_path: Path, end: str) -> None:
    starts = {".png": b"\x89PNG", ".pdf": b"%PDF"}
    assert save(graph(DRAWN), tmp_path / f"graph{end}").read_bytes().startswith(starts[end])


@pytest.mark.parametrize("name", ["graph.txt", "graph"])
def test_a_file_with_another_suffix(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match=f"'{name}'") as caught:
        save(graph(DRAWN), tmp_path / name)
    assert ".png, .pdf, .svg" in caught.value.allowed


def test_a_folder_that_does_not_exist(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nowhere"):
        save(graph(DRAWN), tmp_path / "nowhere" / "graph.png")


def test_without_matplotlib_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def absent(name: str, *args: Any, **kwargs: Any) -> Any:
        if name.startswith("matplotlib"):
            raise ImportError("No module named 'matplotlib'")
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", absent)
    with pytest.raises(InputError, match="matplotlib") as caught:
        graph(DRAWN)
    assert "brainbench[plot]" in caught.value.todo


def test_figures_import_matplotlib_only_when_one_is_drawn() -> None:
    program = "import sys, brainbench.plot; brainbench.plot.graph; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert "brainbench.plot.model_graph" in done.stdout.split()
    assert "matplotlib" not in done.stdout.split()


def test_a_diagram_that_names_unknown_nodes() -> None:
    with pytest.raises(InputError, match="conv8, conv9"):
        Diagram(nodes=("conv1",), feedback=(("conv9", "conv1"),), recurrent={"conv8": "gru"})
