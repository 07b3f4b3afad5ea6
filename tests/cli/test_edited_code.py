"""A figure follows an edit of code that a model reaches only through imports."""

import json
import sys

import pytest

import brainbench
from brainbench.core.user_code import displaced, folders

MODEL = """
import torch
import brainbench
from pkg.layers import Block


def make_model():
    torch.manual_seed(0)
    net = torch.nn.Sequential(Block(), torch.nn.Flatten())
    return brainbench.wrap(net, name="mine", weights="untrained-0", layers=["1"])
"""
PACKAGE = {
    "layers": """
from torch import nn
from . import ops

class Block(nn.Module):
    def forward(self, x):
        return ops.changed(x)
""",
    "ops": """
import pkg.config as c

def changed(x):
    return (c.GAIN * x).sin()
""",
    "config": "GAIN = 1.0",
}


@pytest.fixture
def spec(tmp_path, monkeypatch):
    (tmp_path / "pkg").mkdir()
    (tmp_path / "my_model.py").write_text(MODEL)
    for name, text in PACKAGE.items():
        (tmp_path / "pkg" / f"{name}.py").write_text(text)
    yield f"{tmp_path / 'my_model.py'}:make_model"
    for name in [n for n in sys.modules if n.partition(".")[0] == "pkg"]:
        del sys.modules[name]
    sys.path[:] = [folder for folder in sys.path if folder != str(tmp_path)]
    folders.clear()
    displaced.clear()


def edit(tmp_path, gain):
    (tmp_path / "pkg" / "config.py").write_text(f"GAIN = {gain}")


@pytest.mark.slow
def test_an_edit_in_one_session_gives_the_new_figure(spec, tmp_path, plugin):
    def digest_and_value():
        score = brainbench.score(spec, "Fake.IT-pls", results=tmp_path / "results")
        return score.record.hashes["model"], score.value

    before = digest_and_value()
    assert digest_and_value() == before
    edit(tmp_path, 9.0)  # of the same length, within the same second
    after = digest_and_value()
    assert after[0] != before[0]
    assert after[1] != before[1]
    edit(tmp_path, "1.0  # again")
    assert digest_and_value() == before


@pytest.mark.slow
def test_an_edit_between_two_commands_gives_the_new_figure(spec, tmp_path, shell):
    def value():
        done = shell(
            *("score", "-m", spec, "-b", "Fake.IT-pls", "--format", "json"),
            *("--overwrite", "always", "-o", tmp_path / "results"),
        )
        assert done.status == 0, done.err
        return json.loads(done.out)[0]["value"]

    before = value()
    edit(tmp_path, 9.0)
    assert value() != before
