"""A recording as Brain-Score published it: V4 and IT, 25 images, 28 repetitions (Majaj et al. 2015)."""

import numpy as np
import pytest
import xarray as xr

from brainbench.core.assembly import time_average
from brainbench.data.importers.brainio import by_region, read
from brainbench.metrics.correlation import pearson
from brainbench.stats.aggregate import median_then_mean
from brainbench.stats.ceiling import half_means, spearman_brown, split_half

FILE = "data/hvm_majaj_brainio_test/test_data.nc"
SITES = {"IT": 168, "V4": 128}


@pytest.fixture(scope="module")
def path(shared):
    return shared(FILE)


@pytest.fixture(scope="module")
def regions(path):
    return by_region(read(path))


def test_layout(regions):
    assert {name: one.shape for name, one in regions.items()} == {
        name: (28, 25, n, 1) for name, n in SITES.items()
    }
    v4 = regions["V4"]
    assert (v4.time_start.values.tolist(), v4.time_end.values.tolist()) == ([70], [170])
    assert set(v4.subregion.values) == {"V4"}
    assert set(v4.animal.values) == {"Chabo", "Tito"}
    assert "missing" not in v4.attrs


def test_every_value_is_where_the_file_has_it(path, regions):
    with xr.open_dataset(path) as opened:
        table = opened["dicarlo.Majaj2015"].load()
    whole = xr.concat(list(regions.values()), dim="neuroid")
    where = {name: k for k, name in enumerate(whole.neuroid_id.values)}
    sites = [where[name] for name in table.neuroid_id.values]
    images = whole.stimulus_id.values.tolist()
    for k in range(0, table.sizes["presentation"], 37):
        one = table.isel(presentation=k, time_bin=0)
        got = whole.values[int(one.repetition), images.index(str(one.image_id.values)), sites, 0]
        np.testing.assert_array_equal(got, one.values)


@pytest.mark.parametrize(("region", "expected"), [("V4", 0.63), ("IT", 0.74)])
def test_split_half_reliability(regions, region, expected):
    """Spearman-Brown of each site's mean r over 100 halves, median over sites: as the material says."""
    trials = time_average(regions[region], (70, 170)).values
    r = pearson(*half_means(trials, n_splits=100), axis=1)
    found = np.median(spearman_brown(r.mean(axis=0)))
    assert found == pytest.approx(expected, abs=0.01)


@pytest.mark.parametrize(("region", "expected"), [("V4", 0.648), ("IT", 0.753)])
def test_ceiling_as_brainscore_computes_it(regions, region, expected):
    """Median over sites in each of ten halves, then the mean: higher, for 2r/(1+r) is not linear."""
    trials = time_average(regions[region], (70, 170)).values
    assert median_then_mean(split_half(trials)) == pytest.approx(expected, abs=0.001)
