"""`brainbench data add`: two commands from files to a score, and what is said on the way."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from own_files import TRIALS, images_folder, images_table
from PIL import Image

import brainbench

WORDS = ("--region", "V4", "--dims", "neuroid,stimulus,repetition", "--quiet")


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """A file of responses and a folder of images, in an empty data folder."""
    monkeypatch.setenv("BRAINBENCH_DATA", str(tmp_path / "kept"))
    np.save(tmp_path / "counts.npy", TRIALS.transpose(2, 1, 0))
    return tmp_path / "counts.npy", images_folder(tmp_path)


def _add(call, files, *words):
    return call(
        "data", "add", "Mine", "--responses", files[0], "--images", files[1], *WORDS, *words
    )


def test_two_commands(call, files, tmp_path):
    done = _add(call, files)
    assert done.status == 0, done.err
    for part in ("3 repetition x 12 stimulus x 5 neuroid", "trials: 3", "split-half", "Mine.V4-rsa",
                 "Mine.V4-dynamics: needs two or more time bins"):  # fmt: skip
        assert part in " ".join(done.out.split()), part
    done = call(
        "score", "-m", "pixels", "-b", "Mine.V4-rsa", "-o", tmp_path / "r", "--format", "json"
    )
    assert done.status == 0, done.err
    assert "Mine.V4-rsa" in done.out


def test_what_is_understood_is_said_before_anything_is_kept(call, files, tmp_path):
    Image.open(files[1] / "image00.png").save(files[1] / "image07.png")
    done = _add(call, files, "--dry-run", "--preview", tmp_path / "first.png", "--json")
    said = json.loads(done.out)
    assert said["kept"] is None
    assert not (tmp_path / "kept").exists()
    assert any("copies: 1 images" in line and "image00" in line for line in said["images"])
    with Image.open(tmp_path / "first.png") as figure:
        assert min(figure.size) > 100


def test_a_refused_file_keeps_nothing(call, files, tmp_path):
    done = call("data", "add", "Mine", "--responses", files[0], "--images", files[1])
    assert done.status == 2
    assert "5 x 12 x 3" in done.err
    assert "--dims" in done.err
    assert not (tmp_path / "kept").exists()


def test_a_name_that_is_taken(call, files):
    assert _add(call, files).status == 0
    done = _add(call, files)
    assert (done.status, "--replace" in done.err) == (2, True)
    assert _add(call, files, "--replace").status == 0


def test_columns_groups_and_objects(call, files, tmp_path):
    images = images_table(tmp_path)
    done = _add(call, (files[0], images), "--groups", "film", "--json")
    said = json.loads(done.out)
    assert said["images"][1].startswith("2 objects, 6 images each: cat, dog")
    assert said["images"][2] == "2 groups"
    done = _add(call, (files[0], images), "--groups", "movie", "--replace")
    assert done.status == 2
    assert "'movie'" in done.err
    assert "film" in done.err


def test_show_lists_what_is_offered_and_what_is_missing(call, files):
    _add(call, files)
    said = json.loads(call("show", "Mine", "--json").out)
    assert "Mine.V4-pls" in said["benchmarks"]
    assert any(line.startswith("Mine.V4-dynamics: needs") for line in said["not offered"])
    assert "Mine.V4-rsa" in call("show", "Mine.V4-rsa").out
    assert "needs" not in call("show", "Mine.V4-rsa").out
    rows = json.loads(call("list", "data", "Mine", "--json").out)
    assert rows[0]["state"] == "here"


def test_benchmarks_in_a_file(call, tmp_path, monkeypatch):
    images_folder(tmp_path)
    (tmp_path / "my_study.py").write_text(
        "import numpy as np\n"
        "import brainbench\n"
        "from pathlib import Path\n"
        "here = Path(__file__).parent\n"
        "values = np.random.default_rng(0).normal(size=(3, 12, 5))\n"
        "data = brainbench.data.from_arrays('Filed', values, here / 'images', region='IT',\n"
        "                                   dims='repetition,stimulus,neuroid')\n"
        "def mine():\n"
        "    return [b for n, b in brainbench.benchmarks_of(data).items() if n.endswith('rsa')]\n"
        "rsa = mine()[0]\n"
        "number = 3\n"
    )
    monkeypatch.chdir(tmp_path)
    for name in ("rsa", "mine", "data"):
        done = call("score", "-m", "pixels", "-b", f"my_study.py:{name}", "--dry-run")
        assert done.status == 0, done.err
        assert "Filed.IT-rsa" in done.out
    done = call("score", "-m", "pixels", "-b", "my_study.py:number", "-o", tmp_path / "r")
    assert (done.status, "int" in done.err) == (2, True)
    done = call("score", "-m", "pixels", "-b", "my_study.py:rsaa", "-o", tmp_path / "r")
    assert (done.status, "rsa" in done.err) == (2, True)


def test_three_lines_of_python(files):
    data = brainbench.data.from_arrays(
        "Mine", TRIALS, files[1], region="V4", dims="repetition,stimulus,neuroid"
    )
    benchmark = brainbench.benchmarks_of(data)["Mine.V4-rsa"]
    assert brainbench.score("pixels", benchmark).value is not None
