"""Stimulus sets in the layout of Brain-Score (BrainIO): a csv of metadata beside a zip of image files.

Columns of the csv lie in any order. `stimulus_id` (older files: `image_id`) and `filename` are among them.
The zip holds exactly the files that the csv names.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from brainbench.core import progress
from brainbench.core.pictures import decode_picture
from brainbench.core.stimuli import Picture
from brainbench.data.importers.brainio_layout import STIMULUS_IDS, told_apart
from brainbench.data.source_files import MAX_TABLE, reading, unpack, wrong

FILENAME = "filename"
LARGEST = 64_000_000
"""Bytes of an image file that is unpacked, at most."""


def read_table(path: Path, *, apart: str | None = None) -> pd.DataFrame:
    """Return the csv of a stimulus set, a row for each id, with the column `stimulus_id` first.

    Ids, names of files and the column `apart` are text. Rows of one id that `apart` tells apart become
    ID/VALUE. InputError for missing columns, or an id that occurs twice.
    """
    rows = read_rows(path, apart=apart)
    unique, counts = np.unique(rows["stimulus_id"].to_numpy(str), return_counts=True)
    if (counts > 1).any():
        twice = unique[counts > 1]
        raise wrong(
            f"{path} has {len(twice)} ids in several rows, for example {twice[0]!r}",
            "each stimulus in one row",
        )
    return rows


def read_rows(path: Path, *, apart: str | None = None) -> pd.DataFrame:
    """Return the rows of a csv as `read_table`, in which ids may occur several times."""
    allowed = f"a csv with the columns {' or '.join(STIMULUS_IDS)}, and {FILENAME}"
    with reading(path, allowed):
        if path.stat().st_size > MAX_TABLE:
            raise wrong(f"{path} has {path.stat().st_size} bytes", f"at most {MAX_TABLE} bytes")
        as_text = dict.fromkeys(filter(None, (*STIMULUS_IDS, FILENAME, apart)), str)
        table = pd.read_csv(path, dtype=as_text)
    name = next((name for name in STIMULUS_IDS if name in table.columns), None)
    if name is None or FILENAME not in table.columns or table[FILENAME].isna().any():
        raise wrong(f"{path} has the columns {list(table.columns)}", f"{allowed}, in each row")
    ids = table[name].to_numpy(dtype=str)
    if apart is not None and apart in table.columns:
        ids = told_apart(ids, table[apart].to_numpy(dtype=str))
    rest = table.drop(columns=[key for key in STIMULUS_IDS if key in table.columns])
    rest.insert(0, "stimulus_id", ids)
    return rest


def rows_of(
    table: pd.DataFrame,
    ids: npt.NDArray[np.str_],
    published_ids: npt.NDArray[np.str_],
    path: Path,
    *,
    part: bool,
) -> pd.DataFrame:
    """Return the rows of the stimuli that were shown, in their order: by id, else by the published id.

    InputError for one without a row, and for rows of others unless the recording is of a `part` of the set.
    """
    place = {name: row for row, name in enumerate(table["stimulus_id"])}
    pairs = list(zip(ids.tolist(), published_ids.tolist(), strict=True))
    rows = [place.get(name, place.get(published, -1)) for name, published in pairs]
    missing = [name for (name, _), row in zip(pairs, rows, strict=True) if row < 0]
    surplus = len(table) - len(set(rows) - {-1})
    if missing or (surplus and not part):
        what = f"{len(missing)} recorded stimuli have no row" if missing else ""
        more = f"{surplus} rows are of stimuli without a response" if surplus and not part else ""
        example = f", for example {missing[0]!r}" if missing else ""
        raise wrong(
            f"{path}: {'; '.join(filter(None, (what, more)))}{example}",
            "a row for each stimulus of the recording, and no others",
        )
    return table.iloc[rows].reset_index(drop=True)


def merged(table: pd.DataFrame, recorded: Mapping[str, npt.NDArray[Any]]) -> dict[str, Any]:
    """Return the columns of stimuli from csv and recording; where both have one, that of the recording."""
    columns: dict[str, Any] = {str(key): table[key].to_numpy() for key in table.columns}
    return {**columns, **recorded}


def pictures(path: Path, table: pd.DataFrame, shown: Sequence[str]) -> Iterator[Picture]:
    """Yield the pixels of the files `shown` of a zip that must hold the files of the csv and nothing else.

    InputError for a stray or missing file; StimulusError for one that is no image.
    """
    expected = set(table[FILENAME])

    def order(names: list[str]) -> Sequence[str]:
        stray, missing = sorted(set(names) - expected), sorted(expected - set(names))
        if stray or missing or len(names) != len(expected):
            example = f"{(stray or missing or names)[0]!r}"
            raise wrong(
                f"{path}: {len(stray)} files that the csv does not name, {len(missing)} missing of "
                f"{len(expected)}, for example {example}",
                "exactly the files that the csv names, each once",
            )
        return shown

    for name, content in unpack(path, order, limit=LARGEST, allowed="a whole zip of images"):
        yield decode_picture(io.BytesIO(content), f"{path}:{name}")


def alike(
    shown: Iterator[Picture], shape: tuple[int, ...], step: progress.Advance
) -> Iterator[Picture]:
    """Yield pictures and count each; InputError for one of another shape."""
    for picture in shown:
        if picture.shape != shape:
            raise wrong(f"an image of shape {picture.shape}", f"all of shape {shape}, as the first")
        yield picture
        step(1)
