"""The Python of README.md and docs/ runs as it stands there."""

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from brainbench import plot
from brainbench.core.errors import InputError

ROOT = Path(__file__).parents[2]


def run_block(page, beginning, **given):
    """Run the block of a page that begins with these words, and return what it defines."""
    blocks = re.findall(
        r"```python\n(.*?)```", (ROOT / page).read_text(encoding="utf-8"), re.DOTALL
    )
    (block,) = [block for block in blocks if beginning in block]
    names = dict(given)
    exec(compile(block, page, "exec"), names)  # noqa: S102  # of the project
    return names


def test_a_graph_of_your_own(tmp_path):
    model = run_block("docs/models.md", "Graph(name=")["model"]
    assert model.name == "mine-t10@untrained-0"
    drawn = plot.save(plot.graph(model.about.graph), tmp_path / "graph.svg")
    assert "<svg" in drawn.read_text()


@pytest.mark.slow
def test_figures_in_python(session_cache, results_folder, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    made = run_block("docs/figures.md", "plot.bars")
    assert (tmp_path / "bars.pdf").read_bytes().startswith(b"%PDF")
    assert plot.svg(made["axes"], label="scores").startswith("<svg")
    with pytest.raises(InputError, match="'time' of pixels"):
        plot.figure("time", made["scores"])


@pytest.mark.slow
def test_your_network(session_cache, results_folder):
    torch = pytest.importorskip("torch")
    net = torch.nn.Sequential()
    for name, channels in (("layer3", (3, 8)), ("layer4", (8, 8))):
        net.add_module(name, torch.nn.Conv2d(*channels, 7, stride=8))
    score = run_block("README.md", "brainbench.wrap", net=net)["score"]
    assert score.status == "scored"
    assert score.weights == "imagenet"


@pytest.mark.slow
def test_data_of_your_own(cache_folder, results_folder, monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    (tmp_path / "pictures").mkdir()
    for k in range(40):
        pixels = rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / "pictures" / f"{k:02d}.png")
    values = rng.poisson(5.0, (40, 6, 8)).astype(float)
    run_block("docs/own_data.md", "from_arrays", values=values)
    assert "on Mine.V4-pls" in capsys.readouterr().out


@pytest.mark.slow
def test_from_a_simulated_v1_to_path_lengths(cache_folder, monkeypatch, tmp_path):
    import fitted

    monkeypatch.chdir(tmp_path)
    fitted.short_schedule(monkeypatch)
    table = run_block("docs/recurrent_v1.md", "path_table")["table"]
    assert sorted(table["mode"]) == ["late-avg", "no-avg"]
    assert (table["average_path_length"].between(1, 4)).all()
