"""Readers of tables of responses: long, a row for each response, or wide, a column for each site.

Everything is read as text first, so that an id such as 007 stays what it is.
"""

from __future__ import annotations

import fnmatch
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from brainbench.core.assembly import check_present, is_missing
from brainbench.core.errors import InputError
from brainbench.data.own.layout import Layout
from brainbench.data.own.raw import RawResponses
from brainbench.data.source_files import reading
from brainbench.metrics.array_types import AnyArray, FloatArray, IntArray

_SHOWN = 4
_OF_STIMULI = ("object_name", "group")
_OF_SITES = ("region", "animal")


def read_csv(path: Path) -> pd.DataFrame:
    """Return a table of text, separated by commas, semicolons or tabs; InputError for another file."""
    with reading(path, "a table as CSV, UTF-8"):
        with path.open(encoding="utf-8-sig") as stream:
            header = stream.readline()
        separator = max(",;\t", key=header.count)
        table = pd.read_csv(
            path, sep=separator, dtype=str, keep_default_na=False, encoding="utf-8-sig"
        )
        return table.rename(columns=str.strip).fillna("")


def read_table(table: pd.DataFrame, layout: Layout, *, where: str) -> RawResponses:
    """Return the responses of a table, long where it has a column of sites and one of values.

    UnknownNameError for a missing column, with those that are there. InputError for an entry that is no
    number, a response that occurs twice, and sites or images that are described in two ways.
    """
    names = [str(name) for name in table.columns]
    if layout.find("neuroid_id", names) and layout.find("value", names):
        return _long(table, layout, where)
    if layout.is_named("value") or layout.is_named("neuroid_id"):
        layout.need("neuroid_id", names, where=where)
        layout.need("value", names, where=where)
    return _wide(table, layout, where)


# --- wide -----------------------------------------------------------------------------------------


def _wide(table: pd.DataFrame, layout: Layout, where: str) -> RawResponses:
    names = [str(name) for name in table.columns]
    ids = layout.need("stimulus_id", names, where=where)
    described = {key: layout.find(key, names) for key in (*_OF_STIMULI, "repetition")}
    rest = [name for name in names if name not in (ids, *described.values())]
    unnamed = [name for name in rest if not name or name.startswith("Unnamed: ")]
    pattern = layout.columns.get("neuroids")
    if pattern is None:
        texts = [name for name in rest if _is_text(table[name])]
    else:
        texts = [name for name in rest if not fnmatch.fnmatchcase(name, pattern)]
    sites = [name for name in rest if name not in (*texts, *unnamed)]
    if not sites:
        raise InputError(
            f"{where} has no column of numbers beside {ids!r}: {', '.join(names)}",
            allowed="a column for each site, or for a long table columns neuroid_id and value",
            todo="name them with --columns neuroids='unit*', or --columns neuroid_id=NAME value=NAME",
        )
    values = np.stack([numbers(table[name], where) for name in sites], axis=1)
    order = np.arange(len(table))
    if described["repetition"]:
        number = numbers(table[described["repetition"]], where)
        _check_once(table, [ids, described["repetition"]], where)
        order = np.argsort(number, kind="stable")
    columns = {name: table[name].to_numpy(dtype=str)[order] for name in (ids, *texts)}
    columns |= {n: table[n].to_numpy(dtype=str)[order] for k in _OF_STIMULI if (n := described[k])}
    left_out = [*unnamed, *(texts if pattern else [])]
    return RawResponses(
        values=values[order],
        dims=("stimulus", "neuroid"),
        columns={**columns, "neuroid_id": np.asarray(sites)},
        along={**dict.fromkeys(columns, "stimulus"), "neuroid_id": "neuroid"},
        notes=(f"no sites: the columns {_named(left_out)}",) if left_out else (),
    )


def _is_text(column: pd.Series[Any]) -> bool:
    """Return whether no entry is a number; a column with some is one of sites, with an error in it."""
    given = column[~is_missing(column.to_numpy())]
    return len(given) > 0 and bool(pd.to_numeric(given, errors="coerce").isna().all())


def _named(names: list[str]) -> str:
    shown = [repr(name) for name in names[:_SHOWN]]
    return ", ".join(shown) + (f", ... ({len(names)} in all)" if len(names) > _SHOWN else "")


# --- long -----------------------------------------------------------------------------------------


def _long(table: pd.DataFrame, layout: Layout, where: str) -> RawResponses:
    names = [str(name) for name in table.columns]
    stimulus, site, value = (
        layout.need(key, names, where=where) for key in ("stimulus_id", "neuroid_id", "value")
    )
    stimuli, stimulus_ids = pd.factorize(table[stimulus], sort=True)
    sites, site_ids = pd.factorize(table[site], sort=True)
    bins, edges = _bins(table, layout, where)
    cell = (stimuli * len(site_ids) + sites) * max(1, len(edges or [])) + bins
    repetitions = _repetitions(table, layout, stimuli, cell, where)
    n_repetitions = int(repetitions.max()) + 1
    shape = (n_repetitions, len(stimulus_ids), len(site_ids), len(edges or [0]))
    values = np.full(shape, np.nan)
    values[repetitions, stimuli, sites, bins] = numbers(table[value], where)
    ids = {stimulus: np.asarray(stimulus_ids, dtype=str), site: np.asarray(site_ids, dtype=str)}
    columns: dict[str, AnyArray] = dict(ids)
    along = {stimulus: "stimulus", site: "neuroid"}
    for keys, codes, of in ((_OF_STIMULI, stimuli, stimulus), (_OF_SITES, sites, site)):
        for key in keys:
            name = layout.find(key, names)
            if name is not None and name not in (stimulus, site, value):
                columns[name] = described(table[name], codes, ids[of], where)
                along[name] = along[of]
    dims = ["repetition", "stimulus", "neuroid", "time"]
    if edges is None:
        values, dims = values[..., 0], dims[:3]
    if n_repetitions == 1:
        values, dims = values[0], dims[1:]
    return RawResponses(values=values, dims=tuple(dims), columns=columns, along=along, bins=edges)


def _bins(
    table: pd.DataFrame, layout: Layout, where: str
) -> tuple[IntArray, list[tuple[float, float]] | None]:
    """Return the time bin of each row and the edges of the bins; None without time."""
    names = [str(name) for name in table.columns]
    begin = layout.find("time_start", names)
    if begin is None:
        return np.zeros(len(table), dtype=np.intp), None
    start = numbers(table[begin], where)
    if layout.time_step is None:
        end = numbers(table[layout.need("time_end", names, where=where)], where)
    else:
        end = start + layout.time_step
    edges, codes = np.unique(np.stack([start, end], axis=1), axis=0, return_inverse=True)
    return codes.ravel(), [(float(a), float(b)) for a, b in edges]


def _repetitions(
    table: pd.DataFrame, layout: Layout, stimuli: IntArray, cell: IntArray, where: str
) -> IntArray:
    """Return the number of each row among those of its image, site and bin.

    Trials are numbered anew for each image: the numbers in a file may run through a whole session.
    """
    name = layout.find("repetition", table.columns.map(str))
    if name is None:
        return np.asarray(pd.Series(cell).groupby(cell).cumcount(), dtype=np.intp)
    trials = numbers(table[name], where)
    check_present(trials, key=name, name=where)
    twice = pd.Series(list(zip(cell, trials, strict=True))).duplicated()
    if twice.any():
        row = int(np.flatnonzero(twice)[0])
        raise InputError(
            f"{where}: {int(twice.sum())} responses occur more than once, the first in row {row + 2}",
            allowed=f"each {name} of an image and site once",
            todo="give sites of different animals or days different ids, or number the trials",
        )
    rank = pd.Series(trials).groupby(stimuli).rank(method="dense")
    return np.asarray(rank, dtype=np.intp) - 1


def described(column: pd.Series[Any], codes: IntArray, ids: AnyArray, where: str) -> AnyArray:
    """Return what a column says of each image or site; InputError where it says two things of one."""
    given = pd.DataFrame({"of": codes, "is": column.to_numpy(dtype=str)}).drop_duplicates()
    twice = given["of"].duplicated()
    if twice.any():
        of = str(ids[int(given.loc[twice, "of"].iloc[0])])
        both = given.loc[given["of"] == given.loc[twice, "of"].iloc[0], "is"].tolist()
        raise InputError(
            f"{where}: {column.name} of {of!r} is {both[0]!r} and {both[1]!r}",
            allowed="one entry for each id",
            todo="give what is different different ids, for example with the animal's name before them",
        )
    return np.asarray(given.sort_values("of")["is"].to_numpy(dtype=str))


def _check_once(table: pd.DataFrame, keys: list[str], where: str) -> None:
    twice = table.duplicated(keys)
    if twice.any():
        row = int(np.flatnonzero(twice)[0])
        shown = ", ".join(f"{key} {table[key].iloc[row]!r}" for key in keys)
        raise InputError(
            f"{where}: {shown} occurs more than once, again in row {row + 2}",
            allowed="each trial of an image once",
            todo="number the trials of each image, or remove the column",
        )


def numbers(column: pd.Series[Any], where: str) -> FloatArray:
    """Return a column of text as numbers, NaN where it is empty; InputError names what is none."""
    missing = column.str.strip().str.lower().isin(["", "nan", "na"]).to_numpy()
    values = pd.to_numeric(column.where(~missing, "nan"), errors="coerce").to_numpy(dtype=float)
    wrong = np.isnan(values) & ~missing
    if wrong.any():
        row = int(wrong.argmax())
        raise InputError(
            f"{where}: {column.name} has {int(wrong.sum())} entries that are no numbers, "
            f"the first in row {row + 2}: {column.iloc[row]!r}",
            allowed="numbers with a decimal point; empty where a trial was not recorded",
            todo="correct the entries, or say what the column is with --columns KEY=NAME",
        )
    return values
