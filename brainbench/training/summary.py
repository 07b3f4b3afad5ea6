"""Tables of fits: what variants gain over the model that they are compared with (Zhang et al. 2020)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import pandas as pd

from brainbench.core.errors import InputError
from brainbench.training.fitted_files import FittedFile, fitted_in

VARIED: Final = ("mode", "iterations")
"""Options in which the variants of a model differ."""
BASELINE: Final[Mapping[str, Any]] = {"iterations": 1}
"""Options by which the models that variants are compared with are known: they are feed-forward."""
SEED: Final = "seed"
_NOT_OPTIONS: Final = ("path", "benchmark", "test", "validation", "parameters", "steps", "seconds")


def fits_table(folder: Path) -> pd.DataFrame:
    """Return a row for each fit of a folder: its options, CC_norm^2 on test and validation images, size.

    InputError where there is none.
    """
    rows = [_row(path, file) for path, file in fitted_in(folder)]
    if not rows:
        raise InputError(
            f"no fitted models in {folder}",
            allowed="a folder of `brainbench fit run` or `brainbench fit sweep`",
            todo="give another folder, or fit first",
        )
    return pd.DataFrame(rows)


def _row(path: Path, file: FittedFile) -> dict[str, Any]:
    options = {
        key: tuple(value) if isinstance(value, list) else value
        for key, value in file.config.items()
    }
    figures = file.figures
    return {
        "path": str(path),
        "fitter": file.fitter,
        "benchmark": file.benchmark,
        **options,
        "test": figures["test"]["cc_norm2"],
        "validation": figures["validation"]["cc_norm2"],
        "parameters": figures["parameters"],
        "steps": sum(figures["steps"]),
        "seconds": figures["seconds"],
    }


def pairs(
    fits: pd.DataFrame,
    *,
    varied: Sequence[str] = VARIED,
    baseline: Mapping[str, Any] = BASELINE,
) -> pd.DataFrame:
    """Return each variant beside the model it is compared with, averaged over seeds (figures 3a, 9, 10).

    Parameters
    ----------
    fits : DataFrame
        Of `fits_table`.
    varied, baseline
        See `VARIED` and `BASELINE`. A pair has all other options in common.

    Returns
    -------
    DataFrame
        The options, `baseline_test`, `baseline_validation`, `test`, `validation`, and `gain`, in percent of
        the baseline on test images.

    Raises
    ------
    InputError
        No variant, or none with a model to be compared with.
    """
    is_baseline = pd.Series(True, index=fits.index)
    for key, value in baseline.items():
        is_baseline &= fits[key] == value
    known = [key for key in fits.columns if key not in (*_NOT_OPTIONS, SEED, *varied)]
    common = ["benchmark", *(key for key in known if fits[key].notna().any())]
    figures = ["test", "validation"]
    compared = fits[is_baseline].groupby(common, dropna=False)[figures].mean()
    compared = compared.add_prefix("baseline_").reset_index()
    variants = fits[~is_baseline].groupby([*common, *varied], dropna=False)[figures].mean()
    joined = variants.reset_index().merge(compared, on=common, how="inner")
    if joined.empty:
        raise InputError(
            f"{int(is_baseline.sum())} fits with {dict(baseline)} and {int((~is_baseline).sum())} others, "
            "none of which differ in nothing but " + ", ".join(varied),
            allowed="fits of both kinds with the same other options",
            todo="fit both, as a sweep with the tables baseline and variants",
        )
    joined["gain"] = 100 * (joined["test"] / joined["baseline_test"] - 1)
    return joined


def gains(
    paired: pd.DataFrame, *, by: Sequence[str] = ("fraction",), varied: Sequence[str] = VARIED
) -> pd.DataFrame:
    """Return mean, standard error and number of pairs of each variant (figures 3d to 3f, 11, 6a, 6b)."""
    grouped = paired.groupby([*_marked(paired, by), *varied], dropna=False)
    table = grouped.agg(
        test=("test", "mean"),
        sem=("test", "sem"),
        n=("test", "size"),
        validation=("validation", "mean"),
        baseline_test=("baseline_test", "mean"),
        baseline_sem=("baseline_test", "sem"),
    ).reset_index()
    table["gain"] = 100 * (table["test"] / table["baseline_test"] - 1)
    return table


def best_variants(
    paired: pd.DataFrame, *, by: Sequence[str] = ("fraction",), varied: Sequence[str] = VARIED
) -> pd.DataFrame:
    """Return tables 1 and 3: the mean of the compared models, the best variant and its gain.

    The paper takes the best of 24 variants by their test figures, which is optimistic; beside it stands the
    one that the validation images would choose, with its gain on test images.

    Returns
    -------
    DataFrame
        A row for each benchmark, schedule and entry of `by`: `baseline`, `best` with its `gain`, `chosen`
        with its `chosen_gain`, in percent.
    """
    table, by = gains(paired, by=by, varied=varied), _marked(paired, by)
    rows = []
    for key, group in table.groupby(list(by), dropna=False):
        best = group.sort_values("test", ascending=False, kind="stable").iloc[0]
        chosen = group.sort_values("validation", ascending=False, kind="stable").iloc[0]
        rows.append(
            {
                **dict(zip(by, key if isinstance(key, tuple) else (key,), strict=True)),
                "baseline": float(best["baseline_test"]),
                "best": _named(best, varied),
                "gain": float(best["gain"]),
                "chosen": _named(chosen, varied),
                "chosen_gain": float(chosen["gain"]),
                "pairs": int(best["n"]),
            }
        )
    return pd.DataFrame(rows)


def _marked(paired: pd.DataFrame, by: Sequence[str]) -> list[str]:
    """Return what rows are for, with benchmark and schedule where fits name them: two are never mixed."""
    own = (name for name in ("benchmark", "schedule") if name in paired and name not in by)
    return [*own, *by]


def _named(row: Any, varied: Sequence[str]) -> str:
    return ", ".join(str(row[key]) for key in varied)
