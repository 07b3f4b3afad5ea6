"""`brainbench search`: from options to a study, its figures, and a network that is trained to the end."""

import json

import pandas as pd
import pytest
from toy_space import Toy, use, write_colors

pytestmark = pytest.mark.filterwarnings("ignore:.*the image does not reach")


def test_a_search_is_told_drawn_and_its_best_network_trained(call, tmp_path, monkeypatch):
    use(monkeypatch, Toy())
    monkeypatch.chdir(tmp_path)
    images = write_colors(tmp_path / "images.npz")
    words = ("search", "toy", "--data", images, "--trials", 3, "--random", 2, "--window", 2)
    words += ("--set", "epochs=1", "--set", "batch=16", "-o", "s.study", "--csv", "s.csv")

    done = call(*words, "--json")

    assert done.status == 0, done.err
    assert json.loads(done.out)["trials"] == 3
    assert "trial 0: top-1 " in done.err
    assert (tmp_path / "s.png").stat().st_size > 10_000
    assert len(pd.read_csv("s.csv")) == 3
    again = call(*words)
    assert "trial 0" not in again.err
    assert "best top-1" in again.out
    trained = call("train", "s.study:best", "--data", images, "--set", "epochs=1", "--json")
    assert trained.status == 0, trained.err
    assert "ff_small_parameters" in json.loads(trained.out)["file"]
    assert call("train", "s.study:first", "--data", images).status == 2
