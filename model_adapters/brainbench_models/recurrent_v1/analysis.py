"""Path analysis of fitted models: tables of lengths and diversity, of multi-path twins, of ablations."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from brainbench.core.errors import InputError
from brainbench.training.fitted_files import FittedFile, read_fitted
from brainbench.training.summary import fits_table
from brainbench_models.recurrent_v1.fitter import FITTER, RecurrentV1Config
from brainbench_models.recurrent_v1.models import fitted_networks
from brainbench_models.recurrent_v1.multipath import MultiPathV1
from brainbench_models.recurrent_v1.network import RateModel, RecurrentV1
from brainbench_models.recurrent_v1.paths import (
    Convention,
    WeightedPath,
    average_path_length,
    effective_lengths,
    length_distribution,
    weighted_paths,
)

_KEYS = ("multipath", "removed", "seed")


def paths_of(net: RateModel, convention: Convention = "paper") -> list[WeightedPath]:
    """Return the weighted paths of a recurrent, feed-forward or multi-path model."""
    if isinstance(net, MultiPathV1):
        return net.weighted_paths(convention)
    if isinstance(net, RecurrentV1):
        return weighted_paths(net, convention)
    raise InputError(
        f"paths of a {type(net).__name__}",
        allowed="a RecurrentV1 or a MultiPathV1",
        todo="give a fitted model of recurrent_v1",
    )


def path_table(folder: Path, convention: Convention = "paper") -> pd.DataFrame:
    """Return options, figures and paths of each fit of a folder.

    Parameters
    ----------
    folder : path
        Of fits of recurrent_v1.
    convention : {"paper", "code"}
        Of strengths and lengths; see `paths`.

    Returns
    -------
    DataFrame
        The columns of `fits_table`, and `average_path_length`, `effective_lengths` (the diversity),
        `lengths`, a dict of length -> share, and `convention`; means over the fits of one file.

    Raises
    ------
    InputError
        No fits, or weights that are not finite.
    """
    fits = fits_table(folder)
    fits = fits[fits["fitter"] == FITTER.name].reset_index(drop=True)
    if fits.empty:
        raise InputError(
            f"no fits of {FITTER.name} in {folder}",
            allowed="a folder of `brainbench fit run recurrent_v1` or `brainbench fit sweep`",
            todo="give another folder, or fit first",
        )
    lengths = [_lengths_in(read_fitted(Path(path)), convention) for path in fits["path"]]
    return fits.join(pd.DataFrame(lengths)).assign(convention=convention)


def _lengths_in(file: FittedFile, convention: Convention) -> dict[str, Any]:
    distributions = [
        length_distribution(paths_of(net, convention), convention) for net in fitted_networks(file)
    ]
    lengths = {
        length: sum(one[length] for one in distributions) / len(distributions)
        for length in distributions[0]
    }
    return {
        "average_path_length": average_path_length(lengths),
        "effective_lengths": effective_lengths(lengths),
        "lengths": lengths,
    }


def twins(paths: pd.DataFrame) -> pd.DataFrame:
    """Return each recurrent model beside the multi-path model of the same options (figures 4c, 4d).

    `paths` is that of `path_table`. Columns are `benchmark` and the options, and `test` and
    `average_path_length` of the recurrent and, with `multipath_` before them, of the multi-path model; means
    over seeds. InputError where no recurrent model has a multi-path one.
    """
    options = _options()
    figures = ["test", "average_path_length"]
    is_whole = paths["removed"].map(len) == 0
    by_kind = {
        kind: paths[is_whole & (paths["multipath"] == kind)]
        .groupby(options, dropna=False)[figures]
        .mean()
        for kind in (False, True)
    }
    joined = by_kind[False].join(by_kind[True].add_prefix("multipath_"), how="inner")
    if joined.empty:
        raise InputError(
            "no recurrent model beside its multi-path model",
            allowed="fits with multipath = false and true, and the same other options",
            todo="fit both, as a sweep over multipath",
        )
    return joined.reset_index()


def ablations(paths: pd.DataFrame) -> pd.DataFrame:
    """Return multi-path models with lengths removed, beside the whole ones (figures 6g to 6i).

    Columns are `benchmark`, `schedule`, `mode`, `removed` (the lengths), `n_removed`, `test` (mean over
    models), `sem`, `n`, and `whole`, the mean of the same models with all paths. InputError where there is no
    ablated model with its whole one.
    """
    options = _options()
    multipath = paths[paths["multipath"]]
    is_whole = multipath["removed"].map(len) == 0
    whole = multipath[is_whole].groupby(options, dropna=False)["test"].mean().rename("whole")
    ablated = multipath[~is_whole].groupby([*options, "removed"], dropna=False)["test"].mean()
    joined = ablated.reset_index().merge(whole.reset_index(), on=options, how="inner")
    if joined.empty:
        raise InputError(
            "no ablated multi-path model beside the whole one",
            allowed="fits with multipath = true, with and without removed = [...]",
            todo="fit both, as a sweep over removed",
        )
    rows = ["benchmark", "schedule", "mode"]
    table = joined.groupby([*rows, "removed"]).agg(
        test=("test", "mean"), sem=("test", "sem"), n=("test", "size"), whole=("whole", "mean")
    )
    table = table.reset_index()
    table["n_removed"] = table["removed"].map(len)
    return table.sort_values([*rows, "n_removed", "removed"], ignore_index=True)


def _options() -> list[str]:
    """Return what models are told apart by: benchmark and options, without those of paths and the seed."""
    return ["benchmark", *(name for name in RecurrentV1Config.model_fields if name not in _KEYS)]
