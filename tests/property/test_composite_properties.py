import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as nst

from brainbench.stats.composite import combine

FIGURES = st.floats(-2.0, 2.0)
MEMBERS = st.lists(FIGURES, min_size=1, max_size=6)
MAYBE = st.lists(st.none() | FIGURES, min_size=1, max_size=6)


@st.composite
def drawn(draw):
    """Values of members and their draws, some draws without a figure."""
    values = draw(MEMBERS)
    n_draws = draw(st.integers(2, 30))
    shape = (len(values), n_draws)
    draws = draw(nst.arrays(float, shape, elements=FIGURES))
    holes = draw(nst.arrays(bool, shape))
    holes[:, 0] = False  # at least one draw with all members
    return values, np.where(holes, np.nan, draws)


@given(drawn(), st.randoms(use_true_random=False))
def test_the_order_of_members_does_not_matter(given_, random):
    values, draws = given_
    order = list(range(len(values)))
    random.shuffle(order)
    one = combine(values, list(draws))
    other = combine([values[k] for k in order], [draws[k] for k in order])
    assert other.value == pytest.approx(one.value, abs=1e-12)
    assert other.ci[0] == pytest.approx(one.ci[0], abs=1e-12)
    assert other.ci[1] == pytest.approx(one.ci[1], abs=1e-12)
    assert other.n_undefined == one.n_undefined


@given(drawn(), st.randoms(use_true_random=False))
def test_the_order_of_draws_does_not_matter_as_long_as_members_keep_theirs_together(given_, random):
    values, draws = given_
    order = list(range(draws.shape[1]))
    random.shuffle(order)
    one, other = combine(values, list(draws)), combine(values, list(draws[:, order]))
    assert other.ci == one.ci


@given(drawn(), st.floats(0.1, 5.0), st.floats(-1.0, 1.0))
def test_scale_and_shift_of_all_members_go_through(given_, scale, shift):
    values, draws = given_
    one = combine(values, list(draws))
    other = combine([scale * v + shift for v in values], list(scale * draws + shift))
    assert other.value == pytest.approx(scale * one.value + shift, abs=1e-9)
    assert other.ci[0] == pytest.approx(scale * one.ci[0] + shift, abs=1e-9)
    assert other.ci[1] == pytest.approx(scale * one.ci[1] + shift, abs=1e-9)


@given(drawn())
def test_the_interval_lies_within_the_means_of_members(given_):
    values, draws = given_
    made = combine(values, list(draws))
    whole = draws[:, ~np.isnan(draws).any(axis=0)].mean(axis=0)
    assert whole.min() - 1e-12 <= made.ci[0] <= made.ci[1] <= whole.max() + 1e-12
    assert made.n_undefined == draws.shape[1] - len(whole)


@given(MAYBE)
def test_it_is_defined_only_where_all_members_are(values):
    made = combine(values)
    there = [value for value in values if value is not None]
    assert (made.k, made.n) == (len(there), len(values))
    assert (made.value is not None) == (made.k == made.n)
    assert (made.of_those is not None) == (0 < made.k < made.n)
    figure = made.value if made.value is not None else made.of_those
    if there:
        assert figure == pytest.approx(np.mean(there), abs=1e-12)
