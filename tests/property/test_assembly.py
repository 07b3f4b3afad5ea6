import itertools
import tempfile
from pathlib import Path

import numpy as np
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from brainbench.core import assembly

FLOATS = st.floats(-1e6, 1e6, width=64)
NAMES = st.text(
    st.characters(exclude_categories=("C", "Z")), min_size=1, max_size=8
)  # no separators and no controls: ids are words


@st.composite
def edges(draw):
    """Rising edges of adjoining bins, in ms."""
    steps = draw(st.lists(st.integers(1, 100), min_size=1, max_size=8))
    return np.cumsum([draw(st.integers(-200, 200)), *steps]).astype(float)


@st.composite
def recordings(draw, *, time=True):
    """Shape (stimulus, neuroid) or (stimulus, neuroid, time)."""
    ids = draw(st.lists(NAMES, min_size=1, max_size=6, unique=True))
    sites = draw(st.lists(st.integers(0, 999), min_size=1, max_size=4, unique=True))
    bins = draw(edges()) if time else None
    shape = (len(ids), len(sites)) + ((len(bins) - 1,) if time else ())
    return assembly.make(
        draw(arrays.arrays(np.float64, shape, elements=FLOATS)),
        stimulus={"stimulus_id": ids},
        neuroid={"neuroid_id": sites},
        time=list(itertools.pairwise(bins)) if time else None,
        units="spikes/s",
    )


def window_in(data, made):
    first, last = int(made.time_start.values[0]), int(made.time_end.values[-1])
    start = data.draw(st.integers(first, last - 1))
    return start, data.draw(st.integers(start + 1, last))


@given(made=recordings(), data=st.data())
def test_time_average_stays_within_the_values(made, data):
    averaged = assembly.time_average(made, window_in(data, made))
    slack = 1e-9 * (1 + np.abs(made.values).max())
    assert (averaged.values <= made.values.max(axis=2) + slack).all()
    assert (averaged.values >= made.values.min(axis=2) - slack).all()


@given(made=recordings(), data=st.data(), a=FLOATS, b=FLOATS)
def test_time_average_is_linear(made, data, a, b):
    window = window_in(data, made)
    other = made.copy(data=data.draw(arrays.arrays(np.float64, made.shape, elements=FLOATS)))
    mixed = assembly.time_average(made.copy(data=a * made.values + b * other.values), window)
    first, second = (assembly.time_average(one, window).values for one in (made, other))
    size = 1 + abs(a) * np.abs(made.values).max() + abs(b) * np.abs(other.values).max()
    np.testing.assert_allclose(mixed.values, a * first + b * second, rtol=0, atol=1e-9 * size)


@given(made=recordings(), data=st.data())
def test_splitting_a_bin_changes_no_average(made, data):
    """Two halves of one bin that both hold its value say the same as the bin."""
    window = window_in(data, made)
    k = data.draw(st.integers(0, made.sizes["time"] - 1))
    start, end = made.time_start.values, made.time_end.values
    middle = (start[k] + end[k]) / 2
    bins = [*zip(start, end, strict=True)]
    bins[k : k + 1] = [(start[k], middle), (middle, end[k])]
    split = assembly.make(
        np.repeat(made.values, [1 + (i == k) for i in range(made.sizes["time"])], axis=2),
        stimulus={"stimulus_id": made.stimulus_id.values},
        neuroid={"neuroid_id": made.neuroid_id.values},
        time=bins,
        units="spikes/s",
    )
    np.testing.assert_allclose(
        assembly.time_average(split, window).values,
        assembly.time_average(made, window).values,
        rtol=0,
        atol=1e-9 * (1 + np.abs(made.values).max()),
    )


@given(made=recordings(), data=st.data())
def test_a_window_is_the_average_of_its_parts(made, data):
    start, end = window_in(data, made)
    middle = start + (end - start) * data.draw(st.floats(0.1, 0.9))
    whole, first, second = (
        assembly.time_average(made, part).values
        for part in ((start, end), (start, middle), (middle, end))
    )
    share = (middle - start) / (end - start)
    np.testing.assert_allclose(
        whole,
        share * first + (1 - share) * second,
        rtol=0,
        atol=1e-9 * (1 + np.abs(made.values).max()),
    )


@given(made=recordings(time=False), data=st.data())
def test_align_undoes_any_shuffling(made, data):
    order = data.draw(st.permutations(range(made.sizes["stimulus"])))
    shuffled = made.isel(stimulus=order)
    ids = made.stimulus_id.values
    xr.testing.assert_identical(assembly.align(shuffled, ids, name="x"), made)
    again = assembly.align(made, shuffled.stimulus_id.values, name="x")
    xr.testing.assert_identical(again, shuffled)


@given(made=recordings(), copies=st.integers(1, 4))
def test_average_of_equal_repetitions_is_the_one(made, copies):
    trials = assembly.make(
        np.stack([made.values] * copies),
        stimulus={"stimulus_id": made.stimulus_id.values},
        neuroid={"neuroid_id": made.neuroid_id.values},
        time=list(zip(made.time_start.values, made.time_end.values, strict=True)),
        repetitions=True,
        units="spikes/s",
    )
    averaged = assembly.average(trials)
    assert averaged.dims == made.dims
    np.testing.assert_allclose(averaged.values, made.values, rtol=1e-12)


@settings(max_examples=20)
@given(made=recordings())
def test_a_file_gives_back_what_it_got(made):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.nc"
        assembly.save(made, path)
        with assembly.load(path) as loaded:
            np.testing.assert_array_equal(loaded.values, made.values)
            for name in made.coords:
                assert loaded.coords[name].values.tolist() == made.coords[name].values.tolist()
