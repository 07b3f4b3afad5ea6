"""Path analysis of fits: tables for figures 4c, 4d, 6a to 6i of Zhang et al. 2020."""

from itertools import product

import fitted
import numpy as np
import pandas as pd
import pytest

from brainbench import plot
from brainbench.core.errors import InputError
from brainbench.training import fit as fits
from brainbench_models.recurrent_v1 import analysis, paths
from brainbench_models.recurrent_v1.fitter import FITTER
from brainbench_models.recurrent_v1.models import fitted_networks

pytestmark = pytest.mark.slow  # six fits


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Six short fits: recurrent and multi-path models of two modes, and ablations."""
    folder, context = tmp_path_factory.mktemp("paths"), fitted.context(fitted.data(n=40))
    variants = [
        *({"mode": m, "multipath": k} for m, k in product(("no-avg", "late-avg"), (False, True))),
        {"mode": "late-avg", "multipath": True, "removed": "1"},
        {"mode": "late-avg", "multipath": True, "removed": "2"},
    ]
    with pytest.MonkeyPatch.context() as patch:
        fitted.short_schedule(patch, steps=10)
        for options in variants:
            config = fitted.config(channels=4, iterations=3, **options)
            fits.fit(FITTER, context, config, folder=folder)
    return folder


@pytest.mark.parametrize("convention", paths.CONVENTIONS)
def test_lengths_of_each_fit(folder, convention):
    table = analysis.path_table(folder, convention)

    assert len(table) == 6
    assert set(table["convention"]) == {convention}
    first = 1 if convention == "paper" else 0
    for row in table.itertuples():
        removed = {length - 1 + first for length in row.removed}
        assert set(row.lengths) == {first, first + 1, first + 2} - removed
        assert sum(row.lengths.values()) == pytest.approx(1)
        mean = sum(length * share for length, share in row.lengths.items())
        assert row.average_path_length == pytest.approx(mean)
        assert 1 <= row.effective_lengths <= 3


def test_the_table_is_that_of_the_weights_in_the_file(folder):
    file = fitted_one(folder, multipath=False, mode="no-avg")
    (net,) = fitted_networks(file)
    expected = paths.length_distribution(paths.weighted_paths(net))

    table = analysis.path_table(folder)

    row = table[(table["mode"] == "no-avg") & ~table["multipath"]].iloc[0]
    assert row["lengths"] == pytest.approx(expected)


def fitted_one(folder, **options):
    from brainbench.training.fitted_files import fitted_in, read_fitted

    for path, file in fitted_in(folder):
        if all(file.config[key] == value for key, value in options.items()):
            return read_fitted(path)
    raise AssertionError(options)


def test_twins_are_models_of_the_same_options(folder):
    table = analysis.twins(analysis.path_table(folder))

    assert sorted(table["mode"]) == ["late-avg", "no-avg"]
    axes = plot.fit_pairs(
        table, x="test", y="multipath_test", by="mode", labels=("recurrent", "multi-path")
    )
    assert len(axes.lines) == 3


def test_ablations_stand_beside_the_whole(folder):
    table = analysis.path_table(folder)
    ablated = analysis.ablations(table)
    whole = table[(table["mode"] == "late-avg") & table["multipath"]]
    whole = whole[whole["removed"].map(len) == 0]["test"].item()

    assert list(ablated["removed"]) == [(1,), (2,)]
    assert list(ablated["n_removed"]) == [1, 1]
    assert set(ablated["schedule"]) == {"quick"}
    assert ablated["whole"].tolist() == pytest.approx([whole] * 2)
    axes = plot.ablated_lengths(ablated, n_removed=1)
    assert "quick" in axes.get_title(loc="left")


def test_fits_to_several_benchmarks_are_not_averaged(folder):
    table = analysis.path_table(folder)
    other = table.assign(benchmark="Other.V1-ccnorm2", test=table["test"] + 1)
    both = pd.concat([table, other])

    for made in (analysis.twins, analysis.ablations):
        alone, joined = made(table), made(both)
        own = joined[joined["benchmark"] == table["benchmark"][0]]
        assert len(joined) == 2 * len(alone)
        np.testing.assert_allclose(own["test"], alone["test"])


def test_tables_that_cannot_be_made_are_explained(folder, tmp_path):
    table = analysis.path_table(folder)

    with pytest.raises(InputError, match="no fitted models"):
        analysis.path_table(tmp_path)
    with pytest.raises(InputError, match="multi-path"):
        analysis.twins(table[~table["multipath"]])
    with pytest.raises(InputError, match="ablated"):
        analysis.ablations(table[~table["multipath"]])
