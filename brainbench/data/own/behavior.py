"""A table of behavior: a row for each trial, or for the solution time of each image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import pandas as pd

from brainbench.core.errors import InputError
from brainbench.core.stimuli import OBJECT, StimulusSet
from brainbench.data.own.images import OwnImages, rows_of, with_columns
from brainbench.data.own.layout import Layout
from brainbench.data.own.tables import described, numbers

NO_ANSWER = ("na", "nan", "none")
"""How tables write that a subject gave no answer; an empty entry says so too."""
TableKind: TypeAlias = Literal["trials", "category_responses", "solution_times"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Behavior:
    """A table, what it is one of, and the images, which show what its trials say."""

    kind: TableKind
    table: pd.DataFrame
    stimuli: StimulusSet


def read_behavior(
    table: pd.DataFrame, images: OwnImages, layout: Layout, *, where: str
) -> Behavior:
    """Return a table of text as trials, answers or solution times, with the columns that measures read.

    With a column `distractor` they are choices between two objects, with `ost` and `i1` solution times, else
    answers among all objects. What an image shows is in the table (`truth`), or in a column of the images.

    Raises
    ------
    UnknownNameError
        A missing column; the error lists those that are there.
    InputError
        Ids without an image; images that are said to show two things.
    """
    names = [str(name) for name in table.columns]
    ids = layout.need("stimulus_id", names, where=where)
    if layout.find("ost", names) is not None:
        return _solution_times(table, images, layout, ids, where)
    rows = rows_of(table[ids].tolist(), images.stimuli, where=where)
    shown = images.stimuli
    truth = layout.find("truth", names) or layout.find("object_name", names)
    if truth is not None:
        shown = _labeled(table, truth, rows, shown, layout, where)
    elif OBJECT not in shown.metadata.columns:
        layout.need("truth", names, where=where)
    choice = layout.need("choice", names, where=where)
    distractor = layout.find("distractor", names)
    subject = layout.find("subject", names)
    if distractor is None:
        subject = layout.need("subject", names, where=where)
    labels = shown.labels(OBJECT)
    given = {"distractor": distractor, "choice": choice, "subject": subject}
    columns: dict[str, Any] = {
        "stimulus_id": [shown.ids[row] for row in rows],
        "truth": labels[rows],
        **{key: table[name].str.strip().to_numpy() for key, name in given.items() if name},
    }
    columns["choice"] = [
        "" if str(choice).lower() in NO_ANSWER else choice for choice in columns["choice"]
    ]
    kind: TableKind = "category_responses" if distractor is None else "trials"
    behavior = pd.DataFrame(columns)
    if kind == "trials":
        _check_choices(behavior, where)
    used = set(rows) if truth is not None else range(len(shown))
    return Behavior(kind=kind, table=behavior, stimuli=shown.take(sorted(used)))


def _labeled(
    table: pd.DataFrame,
    truth: str,
    rows: list[int],
    shown: StimulusSet,
    layout: Layout,
    where: str,
) -> StimulusSet:
    """Return the images with what the trials say that they show, unless a column of theirs says it."""
    codes, uniques = pd.factorize(pd.Series(rows))
    ids = pd.Series([shown.ids[row] for row in uniques]).to_numpy(dtype=str)
    labels = described(table[truth], codes, ids, where)
    said = dict(zip(uniques.tolist(), labels.tolist(), strict=True))
    if OBJECT in shown.metadata.columns:
        known = shown.labels(OBJECT)
        differing = [row for row, label in said.items() if known[row] != label]
        if differing:
            row = differing[0]
            raise InputError(
                f"{where}: {truth} of {shown.ids[row]!r} is {said[row]!r}, the images say {known[row]!r}; "
                f"{len(differing)} images differ",
                allowed="one object for each image, spelled the same",
                todo="correct one of the two",
            )
        return shown
    kept = shown.take(sorted(said))
    return with_columns(kept, {OBJECT: [said[row] for row in sorted(said)]}, layout)


def _check_choices(behavior: pd.DataFrame, where: str) -> None:
    known = (behavior["choice"] == behavior["truth"]) | (
        behavior["choice"] == behavior["distractor"]
    )
    if not known.all():
        row = int((~known).to_numpy().argmax())
        one = behavior.iloc[row]
        raise InputError(
            f"{where}: {int((~known).sum())} choices are neither the object nor the distractor, the first in "
            f"row {row + 2}: {one['choice']!r} of {one['truth']!r} and {one['distractor']!r}",
            allowed="the name of one of the two",
            todo="spell objects the same in all columns, and leave out trials without a choice",
        )


def _solution_times(
    table: pd.DataFrame, images: OwnImages, layout: Layout, ids: str, where: str
) -> Behavior:
    names = [str(name) for name in table.columns]
    i1, ost = (layout.need(key, names, where=where) for key in ("i1", "ost"))
    rows = rows_of(table[ids].tolist(), images.stimuli, where=where)
    times = pd.DataFrame(
        {
            "stimulus_id": [images.stimuli.ids[row] for row in rows],
            "i1": numbers(table[i1], where),
            "ost": numbers(table[ost], where),
        }
    )
    return Behavior(
        kind="solution_times", table=times, stimuli=images.stimuli.take(sorted(set(rows)))
    )
