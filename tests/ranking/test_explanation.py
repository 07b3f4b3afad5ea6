"""Why two scores differ."""

import pytest
from stored import REAL, make

from brainbench.core.errors import InputError
from brainbench.core.score import Selection
from brainbench.ranking.explanation import explain

SEED = {"settings": {"seed": 0}, "hashes": {"stimuli": "a"}}


def entries(first, second):
    return [(d.kind, d.entry, d.first, d.second) for d in explain(first, second)]


def test_equal_scores_have_no_difference():
    assert entries(make("a", REAL[0], 0.1), make("a", REAL[0], 0.2)) == []


def test_each_entry_that_differs_is_named_likely_causes_first():
    one = make("a@imagenet", REAL[0], 0.1, settings={"seed": 0, "limit": None}, data="1")
    other = make(
        "a@untrained-0",
        REAL[0],
        0.2,
        settings={"seed": 1, "limit": None},
        digest="other",
        data="2",
        version=2,
        protocol="brainscore",
        formula="r2/c-v1",
        n_stimuli=64,
        selection=Selection(layer="IT", step=1),
    )
    record = other.record.model_copy(
        update={"packages": {**one.record.packages, "torch": "9.9"}, "device": "cuda:0"}
    )
    found = entries(one, other.recording(**dict(record)))
    assert found == [
        ("model", "name of the weights", "imagenet", "untrained-0"),
        ("model", found[1][1], "of a@imagenet", "other"),
        ("data", "version of the benchmark", 1, 2),
        ("data", "version of the data", "1", "2"),
        ("choices", "protocol", "paper", "brainscore"),
        ("choices", "formula", "raw-v1", "r2/c-v1"),
        ("choices", "setting seed", 0, 1),
        ("outcome", "selected layer", None, "IT"),
        ("outcome", "selected step", None, 1),
        ("outcome", "number of images", 0, 64),
        ("machine", "device", "cpu", "cuda:0"),
        ("machine", "version of torch", one.record.packages["torch"], "9.9"),
    ]


def test_what_one_score_alone_has():
    one, other = make("a", REAL[0], 0.1, hashes={"stimuli": "x"}), make("a", REAL[0], 0.1)
    assert entries(one, other) == [("data", "images (SHA-256)", "x", None)]
    bare = make("a", REAL[0], 0.1)
    assert entries(bare, bare.recording()) == []


def test_precision_is_part_of_the_name_of_one_model():
    other = make("a@imagenet+bf16", REAL[0], 0.1, weights="imagenet", digest="of a@imagenet")
    other = other.recording(precision="bf16")
    assert entries(make("a@imagenet", REAL[0], 0.1), other) == [
        ("machine", "precision", "float32", "bf16")
    ]


@pytest.mark.parametrize("other", [make("b", REAL[0], 0.1), make("a", REAL[1], 0.1)])
def test_scores_of_two_models_or_benchmarks(other):
    with pytest.raises(InputError, match=rf"a on {REAL[0]} and {other.model}"):
        explain(make("a", REAL[0], 0.1), other)
