"""`brainbench score --weights`."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

Call = Callable[..., Any]


def test_weights_reach_the_model(call: Call) -> None:
    done = call(
        "score", "-m", "fake,pixels", "-b", "Fake.IT-pls", "--weights", "untrained-0",
        "--dry-run", "--format", "json",
    )  # fmt: skip
    assert done.status == 0
    models = {row["model"] for row in json.loads(done.out)["items"]}
    assert models == {"fake@untrained-0", "pixels"}
    assert "pixels: there is no choice of weights for this model" in done.err


def test_weights_behind_a_wildcard_go_to_each_model_that_has_a_choice(call: Call) -> None:
    done = call(
        "score", "-m", "fake*@untrained-0,fake", "-b", "Fake.IT-pls", "--weights", "other",
        "--dry-run", "--format", "json",
    )  # fmt: skip
    assert done.status == 0
    models = [row["model"] for row in json.loads(done.out)["items"]]
    assert models == ["fake@untrained-0", "fake_second", "fake@other"]
    assert "fake_second: there is no choice of weights for this model" in done.err


def test_weights_of_one_named_model_without_a_choice_are_a_failure(call: Call) -> None:
    done = call("score", "-m", "fake_second@untrained-0", "-b", "Fake.IT-pls")
    assert done.status == 1
    assert "fake_second@untrained-0" in done.out


def test_other_weights_are_the_reason_of_a_failure(call: Call) -> None:
    done = call("score", "-m", "cornet_s", "-b", "Fake.IT-pls", "--weights", "trained")
    assert done.status == 1
    assert "cornet_s with weights 'trained'" in done.out
    assert "--weights" in done.out


def test_imagenet_that_cannot_be_had_is_the_reason_of_a_failure(call: Call) -> None:
    done = call("score", "-m", "cornet_s", "-b", "Fake.IT-pls", "--weights", "imagenet")
    assert done.status == 1
    assert "BRAINBENCH_OFFLINE is set" in done.out


def test_auto_says_why_there_are_no_trained_weights(call: Call) -> None:
    done = call("score", "-m", "cornet_z", "-b", "Fake.IT-pls", "--dry-run")
    assert "cornet_z: no trained weights (https://s3.amazonaws.com/cornet-models/" in done.err
    assert "going on with untrained ones" in done.err.replace("\n", " ")
    assert "cornet_z@untrained-0" in done.out


def test_the_help_names_the_choices(call: Call) -> None:
    done = call("score", "--help")
    assert "--weights" in done.out
    assert "imagenet" in done.out
