"""What a run keeps: each figure once, by the content that it follows from, within a bound."""

import numpy as np
import pytest

from brainbench.metrics.gram import Gram
from brainbench.scoring.kept import BoundedStore, BrainFigures, content_of, nbytes_of

calls: list[tuple[object, ...]] = []


def total(values, *, times=1.0):
    calls.append((values, times))
    return np.atleast_1d(values.sum() * times)


@pytest.fixture(autouse=True)
def _no_calls():
    calls.clear()


def test_the_same_content_is_computed_once():
    kept, values = BrainFigures(), np.arange(6.0).reshape(2, 3)
    first = kept.of(total, values, times=2.0)
    assert kept.of(total, values.copy(), times=2.0) is first
    assert len(calls) == 1


@pytest.mark.parametrize(
    "change",
    [
        lambda x: x + 1e-16 * x.max() * (x == x.max()) * 4,
        lambda x: x.astype(np.float32),
        lambda x: x.reshape(-1),
        np.asfortranarray,
        lambda x: x[:, ::-1],
    ],
    ids=["last digit", "type", "shape", "order in memory", "order"],
)
def test_whatever_may_change_a_figure_makes_it_another(change):
    kept, values = BrainFigures(), np.random.default_rng(0).random((4, 3))
    kept.of(total, values)
    kept.of(total, change(values))
    assert len(calls) == 2


def test_options_and_functions_tell_figures_apart():
    kept, values = BrainFigures(), np.ones(3)
    assert kept.of(total, values, times=2.0)[0] == 6.0
    assert kept.of(total, values, times=3.0)[0] == 9.0
    assert kept.of(np.sum, values) == 3.0


def test_a_kept_figure_cannot_be_changed():
    figure = BrainFigures().of(total, np.ones(3))
    with pytest.raises(ValueError, match="read-only"):
        figure += 1


def test_an_error_is_not_kept():
    kept = BrainFigures()
    for _ in range(2):
        with pytest.raises(TypeError):
            kept.of(total, np.ones(2), times="two")
    assert len(calls) == 2


def test_the_store_is_bounded_and_drops_what_was_used_longest_ago():
    store = BoundedStore(2 * 80)
    for key in ("a", "b", "a", "c"):
        store.get(key, lambda: np.zeros(10))
    assert store.size() <= 160
    made = store.made
    store.get("a", lambda: np.zeros(10))
    assert store.made == made
    store.get("b", lambda: np.zeros(10))
    assert store.made == made + 1
    store.get("large", lambda: np.zeros(1000))
    assert store.size() == 8000  # never the one just made


def test_content_and_size_reach_into_dataclasses():
    one, same, other = (Gram(np.full((2, 2), value), 5) for value in (1.0, 1.0, 2.0))
    assert content_of(one) == content_of(same) != content_of(other)
    assert content_of((1, True, 1.0)) != content_of((1, 1, 1.0))
    assert nbytes_of([one, other]) == 64
    assert nbytes_of("text") == 0
