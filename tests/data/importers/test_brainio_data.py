"""Recordings as Brain-Score publishes them, on stand-ins in that layout: every value, every trap."""

import io
import zipfile

import netCDF4
import numpy as np
import pandas as pd
import pytest
import standins
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from server import serving

from brainbench.core.assembly import average, time_average, validate
from brainbench.core.errors import DataAbsentError, InputError, StimulusError, UnknownNameError
from brainbench.data import fetch
from brainbench.data.fetch_dataset import MIRROR, fetch_dataset
from brainbench.data.importers import brainio_layout
from brainbench.data.integrity import verify_imported
from brainbench.data.manifest import manifest, open_dataset
from brainbench.stats.ceiling import split_half


@pytest.fixture(autouse=True)
def _data(tmp_path, monkeypatch):
    monkeypatch.setenv("BRAINBENCH_DATA", str(tmp_path / "kept"))


@pytest.fixture
def standin(tmp_path):
    """`standin(name)`: the files of a set, which is registered in its place until the test ends."""
    with pytest.MonkeyPatch.context() as patch:

        def make(name, **options):
            folder = tmp_path / name
            folder.mkdir()
            made = standins.MAKERS[name](folder, name, **options)
            made.register(patch)
            return made

        make.again = lambda made: made.register(patch)
        yield make


def imported(made):
    data = open_dataset(made.name)
    data.import_from(made.folder)
    return data


VARIANTS = (
    "MajajHong2015",
    "MajajHong2015temporalprivate",
    "FreemanZiemba2013",
    "SanghaviJozwik2020",
    "SanghaviMurty2020",
)
"""Sets of the same stand-in as another one."""


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[pytest.mark.slow] if name in VARIANTS else [])
        for name in standins.MAKERS
    ],
)
def test_every_value_is_where_the_file_has_it(standin, name):
    made = standin(name)
    data = imported(made)
    parameters = manifest(name).parameters
    with xr.open_dataset(made.file(".nc"), decode_times=False) as opened:
        (variable,) = opened.data_vars
        table = opened[variable].transpose("presentation", "neuroid", "time_bin").load()
    ids = table.coords["stimulus_id" if "stimulus_id" in table.coords else "image_id"].values
    repetition = table.coords[parameters.get("repetition", "repetition")].values
    for region in data.regions:
        got = validate(data.recordings(region))
        images = [name.partition("/")[0] for name in got.stimulus_id.values.tolist()]
        names = sites_in(table)
        sites = [names.index(str(site).rpartition("/")[2]) for site in got.neuroid_id.values]
        if "monkey" in table.coords:  # ids restart for each animal
            pairs = list(zip(table.monkey.values, table.neuroid_id.values, strict=True))
            named = [site.split("/") for site in got.neuroid_id.values.tolist()]
            sites = [pairs.index((animal, int(number))) for animal, number in named]
        for k in range(0, table.sizes["presentation"], 53):
            image = str(ids[k])
            if images.count(image) != 1:
                continue  # left out, or one of two that share an id
            values = table.values[k][sites]
            if parameters.get("bin_ms"):
                values = values.reshape(len(sites), -1, 10).sum(axis=2)
            if "bins" in parameters:
                values = values[:, :1]
            trial = got.values[int(repetition[k]), images.index(image)]
            np.testing.assert_allclose(trial, values, rtol=1e-6)


def sites_in(table):
    key = "neuroid_id" if "neuroid_id" in table.coords else "neuroid"
    return table.coords[key].values.astype(str).tolist()


@pytest.mark.parametrize("name", ["MajajHong2015public", "FreemanZiemba2013public"])
def test_known_reliability_is_found(standin, name):
    made = standin(name)
    data = imported(made)
    for region, truth in made.sites.items():
        window = (50, 200) if region in ("V1", "V2") else (70, 170)
        recorded = time_average(data.recordings(region), window)
        found = np.nanmean(split_half(recorded.values), axis=0)
        place = [str(i) for i in truth.names]
        expected = truth.c[[place.index(str(i)) for i in recorded.neuroid_id.values]]
        assert np.abs(found - expected).mean() < 0.05
        assert found.mean() == pytest.approx(expected.mean(), abs=0.03)


def test_pictures_are_those_of_the_zip(standin):
    made = standin("Cadena2017")
    stimuli = imported(made).stimuli()
    with zipfile.ZipFile(made.file(".zip")) as archive:
        for row in range(0, len(stimuli), 31):
            name = stimuli.metadata["filename"][row]
            with standins.Image.open(io.BytesIO(archive.read(name))) as image:
                expected = np.asarray(image.convert("RGB"))
            np.testing.assert_array_equal(stimuli.picture(row), expected)
    assert stimuli.degrees == 2.0


def test_majaj(standin):
    made = standin("MajajHong2015temporal")
    data = imported(made)
    recorded = data.recordings("IT")
    # Repetitions are unequal; those that did not happen are NaN.
    counts = recorded.notnull().all(["neuroid", "time"]).sum("repetition").values
    expected = dict(zip(made.pictures.ids, made.trials, strict=True))
    assert counts.tolist() == [expected[i] for i in recorded.stimulus_id.values]
    assert recorded.attrs["missing"] == "nan"
    # What assembly and csv both have is that of the assembly; NaN and gaps in the csv change nothing.
    table = data.stimuli().metadata
    assert set(table["object_name"]) == set(made.pictures.objects)
    assert table["size"].isna().any()
    # Arrays of electrodes, and the bins that Brain-Score never uses.
    assert set(recorded.coords["array"].values) == {"pIT", "cIT", "aIT"}
    assert set(data.recordings("V4").coords["array"].values) == {"V4"}
    assert recorded.time_end.values[-1] == 260
    assert recorded.attrs["brainscore_window"] == [0, 250]
    facts = data.facts
    assert (facts.regions["V4"].sites, facts.regions["IT"].sites) == (30, 60)
    assert (facts.regions["IT"].trials, facts.regions["IT"].least_trials) == (12, 8)
    assert (facts.regions["IT"].bins, facts.regions["IT"].span) == (26, (0, 260))
    assert set(facts.objects.values()) == {20}
    with pytest.raises(UnknownNameError, match="V1"):
        data.recordings("V1")


def test_freeman_ziemba(standin):
    data = imported(standin("FreemanZiemba2013public"))
    recorded = data.recordings("V2")
    assert recorded.time_start.values.tolist() == list(range(0, 300, 10))
    assert recorded.attrs["units"] == "spikes in 10 ms"
    assert set(data.stimuli().metadata["object_name"]) == {"noise", "texture"}
    assert data.stimuli().degrees == 4.0


def test_cadena(standin):
    made = standin("Cadena2017")
    data = imported(made)
    recorded = data.recordings("V1")
    ids = recorded.stimulus_id.values
    # Two pictures of one id stay two; images that a neuron never saw are left out.
    assert {i for i in ids if "/" in i} == {
        f"{made.pictures.ids[0]}/image_0000{k}.jpg" for k in (0, 1)
    }
    never = np.arange(len(made.pictures)) % 7 == 3
    assert not set(np.array(made.pictures.ids)[never]) & set(ids)
    assert len(ids) == int((~never).sum())
    assert np.isfinite(average(recorded).values).all()
    assert recorded.attrs["missing"] == "nan"
    assert "object_name" not in data.stimuli().metadata
    assert data.stimuli().copies is not None


def test_ids_that_restart_and_a_part_of_the_set(standin):
    made = standin("Kar2018hvm")
    data = imported(made)
    recorded = data.recordings("IT")
    assert recorded.neuroid_id.values.tolist()[9:11] == ["nano/9", "magneto/0"]
    assert recorded.animal.values.tolist() == ["nano"] * 10 + ["magneto"] * 10
    assert recorded.sizes["stimulus"] == len(made.pictures) // 2


def test_sites_that_are_not_reliable_are_left_out(standin):
    made = standin("Kar2018coco")
    recorded = imported(made).recordings("IT")
    numbers = [int(i.rpartition("/")[2]) for i in recorded.neuroid_id.values]
    assert numbers == [0, 2, 4, 6, 8] * 2
    assert np.nanmean(split_half(recorded.values[..., 0]), axis=0).min() > 0.9


def test_one_of_several_bins_that_overlap(standin):
    data = imported(standin("SanghaviJozwik2020"))
    recorded = data.recordings("V4")
    assert (recorded.time_start.values.tolist(), recorded.time_end.values.tolist()) == ([70], [170])
    table = data.stimuli().metadata
    assert "object_name" not in table  # splits are not stratified
    assert "published_object_name" in table


def test_blocks_of_any_size_make_the_same_files(standin, monkeypatch):
    made = standin("FreemanZiemba2013public", n_families=2, n_samples=6)
    with netCDF4.Dataset(made.file(".nc")) as dataset:
        before = dataset["data"].chunking()
    whole = imported(made)
    values = {region: np.array(whole.recordings(region)) for region in whole.regions}
    monkeypatch.setattr(brainio_layout, "BLOCK_BYTES", 1)
    with xr.open_dataset(made.file(".nc"), decode_times=False) as opened:
        n_presentations, n_neuroids = brainio_layout.block_shape(opened["data"])
    assert (n_neuroids, n_presentations) == (before[0], before[2])  # one chunk
    again = imported(made)
    for region, expected in values.items():
        np.testing.assert_array_equal(again.recordings(region), expected)


def test_fetch_from_a_server(standin, monkeypatch, tmp_path):
    monkeypatch.delenv(fetch.OFFLINE)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    made = standin("Rajalingham2020")
    with serving() as served:
        for file in made.declared.files:
            served.files[f"/{made.name}/{file.path}"] = (made.folder / file.path).read_bytes()
        monkeypatch.setenv(MIRROR, served.url)
        fetch_dataset(made.name)
        assert len(served.asked) == 3
    assert open_dataset(made.name).recordings("IT").sizes["neuroid"] == 8
    assert {finding.state for finding in verify_imported()} == {"sound"}
    assert not list((tmp_path / "kept" / made.name).glob("**/*.nc"))


# --- wrong files ----------------------------------------------------------------------------------


def test_files_that_are_missing_or_others(standin):
    made = standin("Kar2018hvm")
    path = made.file(".csv")
    content = path.read_bytes()
    path.write_bytes(content + b"\n")
    with pytest.raises(InputError, match="another checksum"):
        imported(made)
    path.unlink()
    with pytest.raises(DataAbsentError, match=r"stimulus_hvm\.csv"):
        imported(made)
    assert open_dataset(made.name).absent()
    with pytest.raises(DataAbsentError, match="Kar2018hvm"):
        open_dataset(made.name).recordings("IT")


def add_stray(made):
    with zipfile.ZipFile(made.file(".zip"), "a") as archive:
        archive.writestr(".DS_Store", b"x")


def damage_picture(made):
    made.pictures.files[next(iter(made.pictures.files))] = b"no picture"
    standins.write_zip(made.file(".zip"), made.pictures.files)


def change_csv(made, change):
    table = pd.read_csv(made.file(".csv"))
    change(table).to_csv(made.file(".csv"), index=False)


def change_assembly(made, change):
    with xr.open_dataset(made.file(".nc"), decode_times=False) as opened:
        dataset = opened.load()
    change(dataset).to_netcdf(made.file(".nc"))


def set_value(dataset, value):
    dataset["data"].values[dataset.image_id.values == dataset.image_id.values[0], 0] = value
    return dataset


@pytest.mark.parametrize(
    ("change", "error", "named"),
    [
        (add_stray, InputError, r"DS_Store"),
        (damage_picture, StimulusError, r"\.png"),
        (lambda m: change_csv(m, lambda t: t[1:]), InputError, "1 recorded stimuli have no row"),
        (
            lambda m: change_csv(m, lambda t: pd.concat([t, t[:1]])),
            InputError,
            "1 ids in several rows",
        ),
        (
            lambda m: change_csv(m, lambda t: t.drop(columns="filename")),
            InputError,
            "filename",
        ),
        (
            lambda m: change_assembly(m, lambda d: d.drop_vars("region")),
            InputError,
            "'region'",
        ),
        (
            lambda m: change_assembly(m, lambda d: d.assign_coords(region=d.region.str.lower())),
            InputError,
            "none of IT",
        ),
        (
            lambda m: change_assembly(m, lambda d: set_value(d, np.nan)),
            InputError,
            "1 stimuli without a recorded trial",
        ),
        (lambda m: change_assembly(m, lambda d: set_value(d, np.inf)), InputError, "infinite"),
        (
            lambda m: change_assembly(m, lambda d: d.isel(presentation=[0, 0, 1])),
            InputError,
            "more than once",
        ),
        (
            lambda m: change_assembly(m, lambda d: d.isel(presentation=d.image_num != 2)),
            InputError,
            "1 rows are of stimuli without a response",
        ),
    ],
)
def test_wrong_content_is_named_and_nothing_is_kept(standin, tmp_path, change, error, named):
    made = standin("Kar2018coco")
    change(made)
    standin.again(made)
    with pytest.raises(error, match=named):
        imported(made)
    assert open_dataset(made.name).absent()
    assert not list((tmp_path / "kept").glob("*/[!.]*"))


def test_manifest_that_does_not_fit(standin, monkeypatch):
    import brainbench_manifests

    table = brainbench_manifests.kar2018hvm
    more = {**table, "files": table["files"][:2]}
    monkeypatch.setattr(brainbench_manifests, "kar2018hvm", more, raising=False)
    with pytest.raises(InputError, match="Kar2018hvm"):
        open_dataset("Kar2018hvm")
    wrong = {**table, "parameters": {"bin_ms": -1}}
    monkeypatch.setattr(brainbench_manifests, "kar2018hvm", wrong, raising=False)
    with pytest.raises(InputError, match=r"parameters\.bin_ms"):
        open_dataset("Kar2018hvm")


def test_bins_that_are_not_there(standin):
    made = standin("Sanghavi2020")
    change_assembly(made, lambda d: d.isel(time_bin=slice(1, None)))
    standin.again(made)
    with pytest.raises(InputError, match="70-170 ms"):
        imported(made)


def test_bins_that_do_not_make_whole_ones(standin):
    made = standin("FreemanZiemba2013public", n_families=2, n_samples=6)
    change_assembly(made, lambda d: d.isel(time_bin=slice(0, 295)))
    standin.again(made)
    with pytest.raises(InputError, match="whole bins of 10 ms"):
        imported(made)


# --- what nothing depends on ------------------------------------------------------------------------


@given(
    seed=st.integers(0, 2**32 - 1), dims=st.permutations(["presentation", "neuroid", "time_bin"])
)
@settings(max_examples=4)
def test_order_of_rows_columns_and_dims_changes_nothing(tmp_path_factory, seed, dims):
    folder = tmp_path_factory.mktemp("order")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BRAINBENCH_DATA", str(folder / "kept"))
        made = standins.majaj_temporal(folder, per_object=2, trials=(2, 3), sites=(3, 4))
        made.register(patch)
        first = recordings_by_id(imported(made))
        rng = np.random.default_rng(seed)
        with xr.open_dataset(made.file(".nc"), decode_times=False) as opened:
            array = opened["dicarlo.MajajHong2015"].load()
        orders = {str(dim): rng.permutation(size) for dim, size in array.sizes.items()}
        array.isel(orders).transpose(*dims).rename("data").to_netcdf(made.file(".nc"))
        change_csv(made, lambda t: t.iloc[rng.permutation(len(t)), rng.permutation(t.shape[1])])
        made.register(patch)
        second = recordings_by_id(imported(made))
    for region, expected in first.items():
        xr.testing.assert_identical(second[region], expected)


def recordings_by_id(data):
    """Values by ids, in memory."""
    found = {}
    for region in data.regions:
        recorded = data.recordings(region).sortby("neuroid_id")
        keep = ["stimulus_id", "object_name", "neuroid_id", "time_start", "time_end"]
        found[region] = recorded.reset_coords(drop=True)
        found[region] = found[region].assign_coords({k: recorded.coords[k] for k in keep})
        found[region].attrs.pop("levels", None)
    return found
