"""Figures of graphs: what is drawn, and what cannot be."""

from __future__ import annotations

import builtins
from pathlib import Path
from typing import Any

import pytest

from brainbench.about import Diagram
from brainbench.errors import InputError
from brainbench.plot import draw_graph

DRAWN = Diagram(
    nodes=("image", "conv1", "conv2", "conv3", "out"),
    feedforward=(("image", "conv1"), ("conv1", "conv2"), ("conv1", "conv3"), ("conv3", "out")),
    feedback=(("conv3", "conv1"),),
    recurrent={"conv2": "gru"},
    captions={"conv1": "64x56x56"},
)


def test_every_name_and_caption_is_in_the_figure(tmp_path: Path) -> None:
    path = draw_graph(DRAWN, tmp_path / "graph.svg", title="a title")
    text = path.read_text()
    for word in (*DRAWN.nodes, "64x56x56", "a title", "feedback", "recurrent cell: gru"):
        assert f"<!-- {word} -->" in text  # matplotlib names each text beside its outlines


def test_a_network_without_feedback_and_cells_has_them_in_no_legend(tmp_path: Path) -> None:
    plain = Diagram(nodes=("image", "out"), feedforward=(("image", "out"),))
    text = draw_graph(plain, tmp_path / "graph.svg").read_text()
    assert "<!-- feed-forward -->" in text
    assert "feedback -->" not in text
    assert "recurrent" not in text


@pytest.mark.parametrize("end", [".png", ".pdf"])
def test_other_formats(tmp_path: Path, end: str) -> None:
    starts = {".png": b"\x89PNG", ".pdf": b"%PDF"}
    assert draw_graph(DRAWN, tmp_path / f"graph{end}").read_bytes().startswith(starts[end])


@pytest.mark.parametrize("name", ["graph.txt", "graph"])
def test_a_file_that_is_no_figure(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match=f"a figure called '{name}'"):
        draw_graph(DRAWN, tmp_path / name)


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No such file or directory"):
        draw_graph(DRAWN, tmp_path / "nowhere" / "graph.png")


def test_without_matplotlib_the_extra_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = builtins.__import__

    def absent(name: str, *args: Any, **kwargs: Any) -> Any:
        if name.startswith("matplotlib"):
            raise ImportError("No module named 'matplotlib'")
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", absent)
    with pytest.raises(InputError, match="without matplotlib") as error:
        draw_graph(DRAWN, tmp_path / "graph.png")
    assert "brainbench[plot]" in error.value.todo


def test_a_diagram_that_names_what_it_has_not() -> None:
    with pytest.raises(InputError, match="a diagram that names") as error:
        Diagram(nodes=("conv1",), feedback=(("conv9", "conv1"),), recurrent={"conv8": "gru"})
    assert "conv8, conv9" in error.value.got
