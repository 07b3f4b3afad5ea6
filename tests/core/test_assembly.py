import re

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from brainbench.core import assembly
from brainbench.core.errors import InputError

IDS = ["a", "b", "c"]
SITES = ["s0", "s1"]
BINS = [(70.0, 80.0), (80.0, 90.0), (90.0, 110.0)]


def trials(*, missing=False, dtype=float):
    """Shape (repetition 2, stimulus 3, neuroid 2, time 3), values 0, 1, 2, ..."""
    values = np.arange(36, dtype=dtype).reshape(2, 3, 2, 3)
    if missing:
        values[0, 1, 0] = np.nan
    return assembly.make(
        values,
        stimulus={"stimulus_id": IDS},
        neuroid={"neuroid_id": SITES, "region": ["IT", "IT"]},
        time=BINS,
        repetitions=True,
        units="spikes",
        attrs={"missing": "nan"} if missing else None,
    )


def flat(values=None, ids=IDS, **more):
    given = np.arange(6.0).reshape(3, 2) if values is None else values
    options = {"stimulus": {"stimulus_id": ids}, "neuroid": {"neuroid_id": SITES}, "units": "a.u."}
    return assembly.make(given, **{**options, **more})


def test_make_gives_a_plain_array_with_flat_coordinates():
    made = trials()
    assert type(made) is xr.DataArray
    assert made.dims == assembly.DIMS
    assert made.attrs["units"] == "spikes"
    assert made.coords["region"].dims == ("neuroid",)
    assert made.coords["time_start"].values.tolist() == [70.0, 80.0, 90.0]
    assert not any(isinstance(index, pd.MultiIndex) for index in made.indexes.values())


@pytest.mark.parametrize(
    "column",
    [["x", "y"], np.array(["x", "y"], dtype=object), pd.Series(["x", "y"]), pd.Index(["x", "y"])],
)
def test_plain_makes_fixed_width_text(column):
    assert assembly.plain(column).dtype == np.dtype("<U1")
    assert assembly.plain(column).tolist() == ["x", "y"]


def test_plain_leaves_numbers_alone():
    assert assembly.plain(pd.Series([1, 2])).dtype.kind == "i"
    assert assembly.plain([1.5, np.nan]).dtype.kind == "f"


@pytest.mark.parametrize(
    ("spoil", "named"),
    [
        (lambda: flat(np.zeros(3)), "(3,)"),
        (lambda: flat(np.zeros((3, 5))), "'neuroid_id' of shape (2,)"),
        (lambda: flat(ids=["a", "b"]), "'stimulus_id' of shape (2,)"),
        (lambda: flat(stimulus={"name": IDS}), "'stimulus_id'"),
        (lambda: flat(ids=["a", "b", "a"]), "1 duplicate stimulus_id, for example 'a'"),
        (lambda: flat(neuroid={"neuroid_id": [4, 4]}), "neuroid_id, for example '4'"),
        (lambda: flat(units=""), "units"),
        (lambda: flat(np.array([[np.inf, 1]] * 3)), "3 infinite"),
        (lambda: flat(np.array([[np.nan, 1]] * 3)), "3 NaN"),
        (lambda: flat(np.full((3, 2), "x")), "<U1"),
        (lambda: flat(np.zeros((3, 2), dtype=complex)), "complex128"),
        (lambda: flat(np.zeros((0, 2)), ids=[]), "{'stimulus': 0, 'neuroid': 2}"),
        (lambda: assembly.make([1.0], time=[(80, 70)], units="x"), "time bins"),
        (lambda: assembly.make([1.0, 2], time=[(80, 90), (70, 80)], units="x"), "time bins"),
        (lambda: assembly.make([1.0, 2], time=[(80, 90), (np.nan, 100)], units="x"), "time bins"),
        (lambda: assembly.make([1.0, 2], time=[70, 80], units="x"), "(2,)"),
    ],
)
def test_make_refuses(spoil, named):
    with pytest.raises(InputError) as caught:
        spoil()
    assert named in caught.value.got


def test_missing_trials_must_be_declared_and_inf_never_is_one():
    assert np.isnan(trials(missing=True).values).sum() == 3
    with pytest.raises(InputError, match="6 infinite"):
        flat(np.full((3, 2), np.inf), attrs={"missing": "nan"})


@pytest.mark.parametrize(
    ("given", "named"),
    [
        (np.zeros((3, 2)), "ndarray"),
        (xr.DataArray(np.zeros((3, 2)), dims=("neuroid", "stimulus")), "('neuroid', 'stimulus')"),
        (xr.DataArray(np.zeros(3), dims=("presentation",)), "('presentation',)"),
    ],
)
def test_validate_refuses_other_things(given, named):
    with pytest.raises(InputError, match="recordings") as caught:
        assembly.validate(given, name="recordings")
    assert named in caught.value.got


def test_validate_refuses_a_multi_index():
    made = flat().set_index(stimulus=["stimulus_id"])
    stacked = made.assign_coords(
        xr.Coordinates.from_pandas_multiindex(
            pd.MultiIndex.from_arrays([IDS, [1, 2, 3]], names=["stimulus_id", "k"]), "stimulus"
        )
    )
    with pytest.raises(InputError, match="stimulus"):
        assembly.validate(stacked)


def test_validate_refuses_an_id_on_the_wrong_dim():
    made = flat(np.zeros((2, 2)), ids=["a", "b"])
    moved = made.drop_vars("neuroid_id").assign_coords(neuroid_id=("stimulus", SITES))
    with pytest.raises(InputError, match="'neuroid_id'"):
        assembly.validate(moved)


def test_validate_can_leave_the_values_alone():
    made = flat()
    made.values[0, 0] = np.nan
    assert assembly.validate(made, values=False) is made
    with pytest.raises(InputError, match="1 NaN"):
        assembly.validate(made)


def test_average_skips_missing_trials():
    averaged = assembly.average(trials(missing=True))
    values = np.arange(36.0).reshape(2, 3, 2, 3)
    assert averaged.dims == ("stimulus", "neuroid", "time")
    np.testing.assert_allclose(averaged.values[0], values[:, 0].mean(axis=0))
    np.testing.assert_allclose(averaged.values[1, 0], values[1, 1, 0])  # the first trial is missing
    assert averaged.attrs["units"] == "spikes"


def test_average_leaves_averages_alone():
    made = flat()
    assert assembly.average(made) is made


def test_average_refuses_what_was_never_recorded():
    made = trials(missing=True)
    made.values[1, 1, 0, 2] = np.nan
    with pytest.raises(InputError, match=r"^1 "):
        assembly.average(made)


@pytest.mark.parametrize(
    ("window", "weights"),
    [
        ((70, 110), [0.25, 0.25, 0.5]),
        ((75, 100), [0.2, 0.4, 0.4]),
        ((80, 90), [0, 1, 0]),
        ((82, 83), [0, 1, 0]),
    ],
)
def test_time_average_weighs_bins_by_their_overlap(window, weights):
    made = trials()
    averaged = assembly.time_average(made, window)
    np.testing.assert_allclose(averaged.values, made.values @ np.array(weights, dtype=float))
    assert averaged.dims == ("repetition", "stimulus", "neuroid")
    assert averaged.attrs["units"] == "spikes"
    assert "time_start" not in averaged.coords


def test_time_average_of_a_state_that_always_holds():
    made = assembly.make([[2.0]], neuroid={"neuroid_id": [0]}, time=[(0, np.inf)], units="a.u.")
    assert assembly.time_average(made, (70, 170)).values.tolist() == [2.0]


def test_time_average_without_time():
    made = flat()
    assert assembly.time_average(made, (70, 170)) is made


@pytest.mark.parametrize(
    "window", [(60, 100), (70, 120), (90, 90), (100, 80), (0, 10), (70, np.inf), (np.nan, 80)]
)
def test_time_average_refuses_windows_that_are_not_covered(window):
    with pytest.raises(InputError, match=f"{window[0]:g}-{window[1]:g} ms .* 70 to 110 ms"):
        assembly.time_average(trials(), window)


@pytest.mark.parametrize(
    "bins",
    [
        [(0, 10), (20, 30)],  # a gap
        [(0, 10), (5, 15), (15, 20)],  # 5 to 10 counts twice
        [(0, 10), (5, 15), (20, 25)],  # gap and overlap of the same length
    ],
)
def test_time_average_refuses_bins_with_gaps_or_overlaps(bins):
    made = assembly.make(np.ones(len(bins)), time=bins, units="x")
    with pytest.raises(InputError, match=f"0-{bins[-1][1]} ms"):
        assembly.time_average(made, (0, bins[-1][1]))


def test_align_brings_rows_into_order():
    aligned = assembly.align(flat(), ["c", "a", "b"], name="model")
    assert aligned.coords["stimulus_id"].values.tolist() == ["c", "a", "b"]
    assert aligned.values[0].tolist() == [4.0, 5.0]


def test_align_leaves_the_right_order_alone():
    made = flat()
    assert assembly.align(made, IDS, name="model") is made


@pytest.mark.parametrize(
    ("ids", "named"),
    [(["a", "b", "c", "d"], ["'d'"]), (["a", "b"], ["'c'"]), (["a", "b", "x"], ["'x'", "'c'"])],
)
def test_align_names_the_ids_that_differ(ids, named):
    with pytest.raises(InputError, match=f"cornet_s.* {len(ids)} ") as caught:
        assembly.align(flat(), ids, name="activations of cornet_s")
    assert re.findall("'.'", caught.value.got) == named


def test_align_refuses_an_order_with_an_id_twice():
    with pytest.raises(InputError, match="stimulus_id, for example 'a'"):
        assembly.align(flat(), ["a", "b", "c", "a"], name="model")


def test_file_holds_everything(tmp_path):
    made = trials(missing=True)
    path = tmp_path / "trials.nc"
    assembly.save(made, path)
    with assembly.load(path) as loaded:
        xr.testing.assert_equal(loaded.drop_attrs(), made.drop_attrs().rename("values"))
        assert loaded.attrs == made.attrs
        assert loaded.dims == made.dims


def test_save_refuses_what_is_not_valid(tmp_path):
    with pytest.raises(InputError, match="units"):
        assembly.save(flat().drop_attrs(), tmp_path / "x.nc")
    assert not (tmp_path / "x.nc").exists()


@pytest.mark.parametrize("content", [None, b"", b"no netCDF", b"\x89HDF\r\n\x1a\n cut short"])
def test_load_names_a_file_that_cannot_be_read(tmp_path, content):
    path = tmp_path / "broken.nc"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        assembly.load(path)
    assert str(path) in caught.value.got


@pytest.mark.parametrize("missing", [None, np.nan, ""])
@pytest.mark.parametrize("dim", ["stimulus", "neuroid"])
def test_a_missing_id_is_not_made_text(dim, missing):
    ids = {f"{dim}_id": ["a", missing, "c"]}
    with pytest.raises(InputError, match=f"1 of 3 entries without {dim}_id, the first at row 1"):
        assembly.make(np.zeros(3), **{dim: ids}, units="a.u.")


def test_a_missing_number_of_a_neuroid():
    made = assembly.make(np.zeros(3), neuroid={"neuroid_id": [1.0, 2.0, 3.0]}, units="a.u.")
    odd = made.assign_coords(neuroid_id=("neuroid", [1.0, np.nan, 3.0]))
    with pytest.raises(InputError, match="1 of 3 entries without neuroid_id"):
        assembly.validate(odd)
