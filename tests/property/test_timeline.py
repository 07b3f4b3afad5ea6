import itertools
import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from brainbench.core.errors import InputError
from brainbench.core.timeline import Timeline

TIMES = st.integers(-500, 2000)


@st.composite
def spans(draw, *, gaps=True, endless=True):
    """Up to 6 steps in order; with or without gaps; the last with or without an end."""
    edges = sorted(draw(st.lists(TIMES, min_size=2, max_size=12, unique=True)))
    pairs = (
        list(zip(edges[::2], edges[1::2], strict=False))
        if gaps
        else list(itertools.pairwise(edges))
    )
    if endless and draw(st.booleans()):
        pairs[-1] = (pairs[-1][0], math.inf)
    return [(float(a), float(b)) for a, b in pairs]


@st.composite
def time_bins(draw, n=4):
    starts = draw(st.lists(TIMES, min_size=1, max_size=n))
    return [(float(start), float(start + draw(st.integers(1, 300)))) for start in starts]


def clock(steps, **more):
    return Timeline(name="t", source="x", steps={"IT": steps}, **more)


@given(steps=spans(), bins=time_bins(), rule=st.sampled_from(["overlap", "nearest"]))
def test_every_bin_is_shared_out_wholly(steps, bins, rule):
    weights = clock(steps, rule=rule, outside="hold").weights("IT", bins, calls=len(steps))
    assert weights.shape == (len(bins), len(steps))
    assert (weights >= 0).all()
    np.testing.assert_allclose(weights.sum(axis=1), 1.0)


@given(steps=spans(), bins=time_bins())
def test_error_and_hold_agree_wherever_the_steps_cover(steps, bins):
    try:
        strict = clock(steps).weights("IT", bins, calls=len(steps))
    except InputError:
        assume(False)
    held = clock(steps, outside="hold").weights("IT", bins, calls=len(steps))
    np.testing.assert_allclose(strict, held)


@given(steps=spans(gaps=False), data=st.data())
def test_a_bin_is_the_average_of_its_parts(steps, data):
    start = data.draw(TIMES)
    width = data.draw(st.integers(2, 400))
    middle = start + data.draw(st.integers(1, width - 1))
    held = clock(steps, outside="hold")
    whole, first, second = held.weights(
        "IT", [(start, start + width), (start, middle), (middle, start + width)], calls=len(steps)
    )
    share = (middle - start) / width
    np.testing.assert_allclose(whole, share * first + (1 - share) * second, atol=1e-12)


@given(steps=spans(), bins=time_bins(), shift=TIMES)
def test_only_differences_of_time_count(steps, bins, shift):
    def moved(pairs):
        return [(a + shift, b + shift) for a, b in pairs]

    for rule in ("overlap", "nearest"):
        here = clock(steps, rule=rule, outside="hold").weights("IT", bins, calls=len(steps))
        there = clock(moved(steps), rule=rule, outside="hold").weights(
            "IT", moved(bins), calls=len(steps)
        )
        np.testing.assert_allclose(here, there, atol=1e-12)


@given(steps=spans(endless=False))
def test_the_spans_themselves_are_the_identity(steps):
    np.testing.assert_allclose(
        clock(steps).weights("IT", steps, calls=len(steps)), np.eye(len(steps))
    )
    if len({start for start, _ in steps}) == len(steps):
        nearest = clock(steps, rule="nearest").weights("IT", steps, calls=len(steps))
        np.testing.assert_array_equal(nearest, np.eye(len(steps)))


@given(steps=spans(), bin_=time_bins(n=1), scale=st.integers(1, 50))
def test_the_unit_of_time_does_not_matter(steps, bin_, scale):
    def scaled(pairs):
        return [(a * scale, b * scale) for a, b in pairs]

    here = clock(steps, outside="hold").weights("IT", bin_, calls=len(steps))
    there = clock(scaled(steps), outside="hold").weights("IT", scaled(bin_), calls=len(steps))
    np.testing.assert_allclose(here, there, atol=1e-12)


@given(steps=st.lists(st.tuples(TIMES, TIMES), max_size=5))
def test_disordered_spans_are_refused(steps):
    rising = all(a < b for a, b in steps)
    in_order = all(x[1] <= y[0] for x, y in itertools.pairwise(steps))
    if steps and rising and in_order:
        clock(steps)
    else:
        with pytest.raises(InputError):
            clock(steps)
