"""Permutation tests of pairs of models, from the held-out predictions that are stored with their scores."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

import numpy as np
import xarray as xr

from brainbench.core import progress
from brainbench.core.errors import InputError
from brainbench.core.score import Score
from brainbench.core.settings import GROUPED
from brainbench.metrics.array_types import FloatArray
from brainbench.ranking.comparable import Comparable
from brainbench.stats.aggregate import mean_then_median, median_then_mean
from brainbench.stats.bootstrap import LEVEL
from brainbench.stats.permutation import PairTest, pair_test
from brainbench.storage.results import Results

N_EXCHANGES = 9999
_AGGREGATES: dict[str, Callable[[FloatArray], FloatArray]] = {
    "paper": mean_then_median,
    "brainscore": median_then_mean,
}
_TOLERANCE = 1e-6
"""Difference of the raw figures up to which predictions are those that the scores were computed from."""

Tests = dict[tuple[int, int], PairTest]


def exchange_tests(
    results: Results, found: Sequence[Comparable], *, n_exchanges: int
) -> tuple[dict[str, Tests], list[str]]:
    """Return the test of each pair, by benchmark and place of the models, and why others have none."""
    tests: dict[str, Tests] = {}
    notes: list[str] = []
    n_pairs = sum(len(one.scores) * (len(one.scores) - 1) // 2 for one in found)
    with progress.current().task("permutation tests", n_pairs) as advance:
        for one in found:
            for (j, first), (k, second) in itertools.combinations(enumerate(one.scores), 2):
                a, b = one.scores[first], one.scores[second]
                test = _tested(results, a, b, one.conditions.protocol, n_exchanges)
                if isinstance(test, PairTest):
                    tests.setdefault(one.benchmark, {})[j, k] = test
                else:
                    notes.append(f"no permutation test on {one.benchmark}: {test}")
                advance(1)
    n_tests = sum(map(len, tests.values()))
    if n_tests:
        notes.append(
            f"p: difference of the raw figure, {n_exchanges} exchanges of images; sites and maps as they are"
        )
        notes += _resolution(n_tests, n_exchanges)
    return tests, list(dict.fromkeys(notes))


def _resolution(n_tests: int, n_exchanges: int) -> list[str]:
    """Return a remark where no p can be small enough for any comparison to be rejected."""
    least, needed = 1 / (1 + n_exchanges), int(np.ceil(n_tests / (1 - LEVEL))) - 1
    if n_tests * least <= 1 - LEVEL + 1e-12:
        return []
    return [
        f"{n_exchanges} exchanges cannot reject any of {n_tests} comparisons: the least p is {least:.2g}, "
        f"after Holm {min(1.0, n_tests * least):.2g}; {needed} are needed"
    ]


def _tested(
    results: Results,
    first: tuple[Score, ...],
    second: tuple[Score, ...],
    protocol: str,
    n_exchanges: int,
) -> PairTest | str:
    """Return the test of a pair, or why there is none."""
    if len(first) > 1 or len(second) > 1:
        return "a model with several seeds has no one prediction of an image"
    scores = first[0], second[0]
    if any(
        score.per_unit is None or score.per_unit.attrs.get("units") != "Pearson r"
        for score in scores
    ):
        return "it needs held-out predictions of sites, whose figure is a Pearson r"
    try:
        predictions = [results.predictions(score) for score in scores]
    except InputError as error:
        return error.got
    if any(one is None or one["predicted"].dims != ("sample", "neuroid") for one in predictions):
        return "the scores have no predictions of samples x neuroids"
    aligned = xr.align(*(_indexed(one) for one in predictions if one is not None), join="inner")
    a, b = aligned
    test = pair_test(
        (a["predicted"].values, b["predicted"].values),
        a["target"].values,
        folds=a["fold"].values,
        groups=a.coords.get("group", a["stimulus_id"]).values,
        aggregate=_AGGREGATES[protocol.removesuffix(GROUPED)],
        n_draws=n_exchanges,
    )
    expected = float(scores[0].raw or 0.0) - float(scores[1].raw or 0.0)
    if abs(test.difference - expected) > _TOLERANCE:
        return (
            f"all predictions give a difference of {test.difference:.4f}, the raw figures {expected:.4f}, "
            "as some sites do not count (a floor, or a ceiling that they lack)"
        )
    return test


def _indexed(predictions: xr.Dataset) -> xr.Dataset:
    """Return predictions with an index along both dimensions, a sample being an image in a fold."""
    return predictions.set_index(sample=["fold", "stimulus_id"], neuroid="neuroid_id").sortby(
        "sample"
    )
