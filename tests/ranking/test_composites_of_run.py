"""Composites of the scores of one run."""

import numpy as np
import pytest

from brainbench.core.score import Score
from brainbench.ranking.composites_of_run import composites_of_run
from brainbench.stats.composite import Composite, Member

MEAN = Composite(
    name="mean-v9", members=(Member("A.IT-pls"), Member("A.V4-pls")), meaning="two", citation="n"
)
RAW = Composite(name="raw-v9", members=(Member("A.IT-pls"),), meaning="one", citation="n")


def score(model, benchmark, value, **more):
    rng = np.random.default_rng(abs(hash(benchmark)) % 7)
    base = {
        "weights": "w",
        "version": 1,
        "protocol": "paper",
        "draws": None if value is None else value + rng.standard_normal(2000) / 50,
        "ci": None if value is None else (value - 0.04, value + 0.04),
    }
    return Score(model=model, benchmark=benchmark, value=value, **{**base, **more})


def failed(model, benchmark):
    return score(model, benchmark, None, weights="", status="failed", reason="no images")


def test_the_mean_of_each_model_with_the_interval_of_the_mean_of_draws():
    scores = [
        score(model, name, value)
        for model, values in {"a": (0.2, 0.4), "b": (0.5, 0.7)}.items()
        for name, value in zip(MEAN.benchmarks, values, strict=True)
    ]
    made = composites_of_run(scores, [MEAN, RAW])
    assert [(row.model, one.name) for one, row in made] == [
        ("a", "mean-v9"), ("a", "raw-v9"), ("b", "mean-v9"), ("b", "raw-v9"),
    ]  # fmt: skip
    assert [row.combined.value for _, row in made] == pytest.approx([0.3, 0.2, 0.6, 0.5])
    expected = np.quantile((scores[0].draws + scores[1].draws) / 2, [0.025, 0.975])
    assert made[0][1].combined.ci == pytest.approx(tuple(expected))


def test_without_a_member_there_is_no_composite():
    [(_, row)] = composites_of_run([score("a", "A.IT-pls", 0.2), failed("a", "A.V4-pls")], [MEAN])
    assert (row.combined.value, row.combined.k, row.combined.n) == (None, 1, 2)
    assert row.combined.of_those == pytest.approx(0.2)
    assert row.why_not("A.V4-pls")
    assert row.why_not("A.IT-pls") is None


def test_two_models_of_one_name_have_two_composites():
    scores = [score("net", name, value) for value in (0.2, 0.6) for name in MEAN.benchmarks]
    values = [row.combined.value for _, row in composites_of_run(scores, [MEAN])]
    assert values == pytest.approx([0.2, 0.6])


def test_without_composites_or_scores_there_is_nothing():
    assert composites_of_run([score("a", "A.IT-pls", 0.2)], []) == []
    assert composites_of_run([], [MEAN]) == []
