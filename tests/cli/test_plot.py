"""`brainbench plot`: files of figures, choices among stored scores, and wrong usage."""

import drawn
import pytest
import stored

MODEL = """
import torch, brainbench
from brainbench.core.model_info import About, Diagram

def make():
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3, 4), torch.nn.ReLU())
    graph = Diagram(nodes=("image", "0", "1"), feedforward=(("image", "0"), ("0", "1")))
    return brainbench.wrap(net, layers={"IT": "1"}, name="tiny", about=About(graph=graph))
"""


@pytest.fixture
def results(tmp_path):
    folder = tmp_path / "results"
    scores = [
        drawn.layered("cornet_s@imagenet"),
        drawn.layered("pixels", "Simulated.V4-pls"),
        stored.make("pixels", "Simulated.IT-pls", 0.3),
        drawn.dynamics(),
        drawn.behavior("gabor", partial=True),
    ]
    stored.fill(folder, scores)
    return folder


@pytest.mark.parametrize(
    ("end", "start"), [("png", b"\x89PNG"), ("pdf", b"%PDF"), ("svg", b"<?xml")]
)
def test_a_file_whose_path_goes_to_stdout(call, results, tmp_path, end, start):
    path = tmp_path / f"bars.{end}"
    done = call("plot", "bars", "-o", path, "--results", results)
    assert (done.status, done.out) == (0, f"{path}\n")
    assert path.read_bytes().startswith(start)


def test_models_and_benchmarks_are_chosen(call, results, tmp_path):
    path = tmp_path / "bars.svg"
    done = call("plot", "bars", "-m", "cornet_s", "-b", "*-pls", "-o", path, "--results", results)
    assert done.status == 0
    text = path.read_text()
    assert "CORnet-S" in text
    assert "Pixels" not in text


def test_partial_scores_only_when_asked(call, results, tmp_path):
    given = ("plot", "images", "-o", tmp_path / "images.png", "--results", results)
    assert "'images'" in call(*given).err
    assert call(*given, "--partial").status == 0


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("bar",), ("bar", "bars")),
        (("bars", "-m", "alexnet"), ("alexnet", "brainbench score")),
        (("bars", "-b", "Simulated.V9-pls"), ("Simulated.V9-pls", "Simulated.V4-pls")),
        (("bars", "-b", "Nobody*"), ("Nobody*",)),
        (("bars", "--protocol", "brainscore"), ("brainscore",)),
        (("bars", "--site", "s1"), ("--site", "traces")),
        (("layers", "-m", "cornet_s", "--layer", "conv9"), ("conv9", "b.0")),
        (("ost", "-m", "cornet_s@imagenet"), ("'ost'", "layers")),
        (("scatter", "-x", "depth"), ("-y",)),
        (("time", "--array", "aIT"), ("aIT", "IT")),
        (("graph",), ("-m",)),
        (("graph", "-m", "pixels"), ("pixels", "convrnn_rgc_intermediate")),
    ],
)
def test_wrong_usage(call, results, tmp_path, options, words):
    done = call("plot", *options, "-o", tmp_path / "figure.png", "--results", results)
    assert done.status == 2
    assert all(word in done.err for word in words), done.err
    assert not (tmp_path / "figure.png").exists()


@pytest.mark.parametrize("name", ["figure.txt", "nowhere/figure.png"])
def test_files_that_cannot_be_written_are_known_before_anything_is_read(call, tmp_path, name):
    done = call("plot", "bars", "-o", tmp_path / name, "--results", tmp_path / "absent")
    assert done.status == 2
    assert "figure" in done.err
    assert "absent" not in done.err


def test_a_folder_without_scores(call, tmp_path):
    done = call("plot", "bars", "-o", tmp_path / "a.png", "--results", tmp_path / "absent")
    assert done.status == 2
    assert "absent" in done.err


def test_facts_of_a_csv_and_what_is_wrong_with_others(call, results, tmp_path):
    table, path = tmp_path / "facts.csv", tmp_path / "scatter.svg"
    table.write_text("Model,top1,note\ncornet_s@imagenet,0.73,x\npixels,0.01,\nother,,\n")
    given = ("plot", "scatter", "-x", "top1", "-y", "Simulated.IT-pls", "-o", path)
    given += ("--results", results, "--facts")
    assert call(*given, table).status == 0
    assert "ImageNet top-1 accuracy" in path.read_text()
    table.write_text("name,top1\npixels,0.01\n")
    assert "column `model`" in call(*given, table).err
    assert "absent.csv" in call(*given, tmp_path / "absent.csv").err


def test_published_figures_alone_need_no_results(call, tmp_path):
    table = tmp_path / "facts.csv"
    table.write_text("Model,V4,IT\na,.1,.2\nb,.2,.3\nc,.3,.5\n")
    path = tmp_path / "scatter.svg"
    options = ("-x", "V4", "-y", "IT", "--facts", table, "--results", tmp_path / "absent")
    assert call("plot", "scatter", *options, "-o", path).status == 0
    assert "r = .98, 3 models" in path.read_text()


def test_the_graph_of_a_model(call, tmp_path):
    model = tmp_path / "tiny_model.py"
    model.write_text(MODEL)
    path = tmp_path / "graph.svg"
    done = call("plot", "graph", "-m", f"{model}:make", "-o", path)
    assert done.status == 0
    assert "<!-- image -->" in path.read_text()


def test_figure_1_of_published_scores(call, results, tmp_path):
    path = tmp_path / "scatter.svg"
    given = ("plot", "scatter", "-x", "top1", "-y", "brain_score", "--published", "-o", path)
    done = call(*given, "--results", tmp_path / "absent", "--name", "CORnet-S,PNASnet*")
    assert done.status == 0, done.err
    assert path.stat().st_size > 10_000
    assert call(*given, "--name", "nobody").status == 2
    assert call("plot", "bars", "--published", "-o", path, "--results", results).status == 2


def test_published_accuracy_of_a_model_with_a_score_is_known(call, tmp_path):
    scores = [
        stored.make(f"cornet_s@{w}", "Study.IT-pls", 0.5) for w in ("imagenet", "untrained-0")
    ]
    stored.fill(tmp_path / "results", scores)
    path = tmp_path / "scatter.svg"
    given = ("plot", "scatter", "-x", "top1", "-y", "Study.IT-pls", "-o", path)
    assert call(*given, "--results", tmp_path / "results").status == 0
    assert "1 of 2 models" in path.read_text()  # nobody published the accuracy of random weights
    assert "untrained" not in path.read_text()


def test_a_name_without_weights_is_every_stored_one(call, tmp_path):
    weights = ("imagenet", "untrained-0")
    scores = [stored.make(f"cornet_s@{one}", "Study.IT-pls", 0.5) for one in weights]
    stored.fill(tmp_path / "results", [*scores, stored.make("pixels", "Study.IT-pls", 0.1)])
    path = tmp_path / "bars.svg"
    assert (
        call("plot", "bars", "-m", "cornet_s", "-o", path, "-r", tmp_path / "results").status == 0
    )
    text = path.read_text()
    assert "CORnet-S (untrained)" in text
    assert "Pixels" not in text
