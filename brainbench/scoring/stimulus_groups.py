"""Groups of images that belong together: copies of a picture, and what the data or the user says."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from brainbench.core.errors import InputError
from brainbench.core.settings import AUTO
from brainbench.core.stimuli import GROUP, StimulusSet
from brainbench.metrics.array_types import AnyArray
from brainbench.metrics.near_copies import THRESHOLD, connected, joined, near_pairs

_SHOWN = 3  # groups of near copies that a note names


@dataclass(frozen=True, eq=False)
class StimulusGroups:
    """Which images of a set belong together.

    Parameters
    ----------
    stimuli : StimulusSet
        The images.
    asked : str or None
        What the user asks for: a column of the stimuli, "auto" for copies and near copies, or None.
    """

    stimuli: StimulusSet
    asked: str | None

    @cached_property
    def names(self) -> AnyArray | None:
        """Group of each image, named by its first id, sorted; None where each image is on its own.

        Copies of a picture always are one group; further ones are a column `group` of the stimuli, and what the
        user asks for. Images that share any of them are one group. InputError for a column that does not exist, or
        lacks an entry.
        """
        columns = [
            column for column in (self.stimuli.copies, *self._further()) if column is not None
        ]
        if not columns:
            return None
        names = self._named(joined(*columns))
        return None if len(np.unique(names)) == len(names) else names

    def joined_with(self, column: str) -> AnyArray:
        """Return groups of images that share an entry of a column too; the entries where there are no others."""
        labels = self.stimuli.labels(column)
        return labels if self.names is None else self._named(joined(self.names, labels))

    @cached_property
    def near_copies(self) -> AnyArray | None:
        """Group of each image by near copies, named as `names`; None where no two pictures are alike."""
        pairs = near_pairs(self.stimuli.small_gray)
        return self._named(connected(len(self.stimuli), pairs)) if len(pairs) else None

    def _further(self) -> list[AnyArray | None]:
        columns = self.stimuli.metadata.columns
        further = [self.stimuli.labels(GROUP)] if GROUP in columns else []
        if self.asked is None:
            return list(further)
        if self.asked == AUTO:
            return [*further, self.near_copies]
        if self.asked not in columns:
            raise InputError(
                f"groups={self.asked!r} for {self.stimuli.identifier!r}, whose stimuli have the columns "
                f"{', '.join(columns)}",
                allowed="one of these columns, or auto",
                todo="give --groups one of them, or omit it",
            )
        return [*further, self.stimuli.labels(self.asked)]

    def _named(self, numbers: AnyArray) -> AnyArray:
        """Return groups by the first id of each."""
        ids, names = np.asarray(self.stimuli.ids), np.empty(len(numbers), dtype=object)
        order = np.argsort(ids, kind="stable")
        _, first, inverse = np.unique(numbers[order], return_index=True, return_inverse=True)
        names[order] = ids[order][first][inverse.ravel()]
        return names.astype(str)

    def describe(self) -> dict[str, Any]:
        """Return, for the record, how many images and pictures or groups there are; {} for none."""
        described: dict[str, Any] = {}
        for key, column in (("copies", self.stimuli.copies), ("groups", self.names)):
            if column is not None and (key == "copies" or self.is_further):
                what = "pictures" if key == "copies" else "groups"
                described[key] = {"images": len(column), what: len(np.unique(column))}
        return described

    @property
    def is_further(self) -> bool:
        """Whether images are grouped by more than their pictures."""
        copies = self.stimuli.copies
        if self.names is None:
            return False
        return copies is None or len(np.unique(copies)) > len(np.unique(self.names))

    def notes(self, *, apart: bool) -> list[str]:
        """Return remarks on copies and near copies; `apart` says that splits do not keep groups together."""
        name, copies, notes = self.stimuli.identifier, self.stimuli.copies, []
        where = ", on both sides of splits" if apart else ", copies on one side of every split"
        if copies is not None:
            n_pictures = len(np.unique(copies))
            repeated = [str(copy) for copy, n in Counter(copies.tolist()).items() if n > 1]
            notes.append(
                f"{len(copies)} images of {name!r} are {n_pictures} different pictures{where}: "
                f"{_named_of(repeated)} repeated"
            )
        if self.near_copies is None or self.asked == AUTO:
            return notes
        alike = Counter(self.near_copies.tolist())
        groups = [group for group, n in alike.items() if n > 1]
        only_copies = copies is not None and len(alike) == len(np.unique(copies))
        together = self.names is not None and len(
            np.unique(joined(self.names, self.near_copies))
        ) == len(np.unique(self.names))
        if only_copies or together:
            return notes
        members = [
            " = ".join(
                str(one) for one in np.asarray(self.stimuli.ids)[self.near_copies == group][:3]
            )
            for group in groups[:_SHOWN]
        ]
        more = f" and {len(groups) - _SHOWN} further groups" if len(groups) > _SHOWN else ""
        n_alike = sum(alike[group] for group in groups)
        notes.append(
            f"{n_alike} images of {name!r} are near copies of others (gray 16 x 16 versions correlate above "
            f"{THRESHOLD:g}): {', '.join(members)}{more}; --groups auto keeps them together"
        )
        return notes


def _named_of(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN} further" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
