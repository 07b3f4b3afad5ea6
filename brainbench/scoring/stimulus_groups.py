"""Groups of images that belong together: copies of a picture, and what the data or the user says."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from brainbench.core.errors import InputError
from brainbench.core.settings import AUTO
from brainbench.core.stimuli import GROUP, SMALL, StimulusSet
from brainbench.metrics.array_types import AnyArray
from brainbench.metrics.near_copies import THRESHOLD, connected, joined, near_pairs

_SHOWN = 3  # groups, and images of each, that a note names


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
        """Group of each image, by an entry of a column or its first id; None where each is on its own.

        Copies of a picture always are one group; further ones are a column `group` of the stimuli, and what
        the user asks for. Images that share any of them are one group. InputError for a column that does not
        exist, or lacks an entry.
        """
        columns = [
            column for column in (self.stimuli.copies, *self._further()) if column is not None
        ]
        if not columns:
            return None
        names = self._named(joined(*columns))
        if _n(names) == len(names):
            return None
        # Entries of a column that alone makes these groups say more than an id.
        return next((column for column in columns[::-1] if _n(column) == _n(names)), names)

    def joined_with(self, column: str) -> AnyArray:
        """Return groups of images that share an entry of a column too; the entries without other groups."""
        labels = self.stimuli.labels(column)
        return labels if self.names is None else self._named(joined(self.names, labels))

    @cached_property
    def near_copies(self) -> AnyArray | None:
        """Group of each image by near copies, named by the first id; None where no two pictures are alike."""
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

    @property
    def _is_further(self) -> bool:
        """Whether images are grouped by more than their pictures."""
        return self.names is not None and _n(self.names) < _n_pictures(self.stimuli)

    def describe(self) -> dict[str, Any]:
        """Return, for the record, how many images, pictures and groups there are; {} where all differ."""
        n, described = len(self.stimuli), {}
        if self.stimuli.copies is not None:
            described["copies"] = {"images": n, "pictures": _n_pictures(self.stimuli)}
        if self.names is not None and self._is_further:
            described["groups"] = {"images": n, "groups": _n(self.names)}
        return described

    def notes(self, *, apart: bool, used: AnyArray | None) -> list[str]:
        """Return remarks on copies and near copies.

        `apart` says that splits do not keep groups together; `used` is the group of each image in the
        measure, which may have further ones.
        """
        return [*self._note_on_copies(apart=apart), *self._note_on_near_copies(used)]

    def _note_on_copies(self, *, apart: bool) -> list[str]:
        copies = self.stimuli.copies
        if copies is None:
            return []
        where = "on both sides of splits" if apart else "on one side of every split"
        return [
            f"{len(copies)} images of {self.stimuli.identifier!r} are {_n_pictures(self.stimuli)} different "
            f"pictures, copies {where}: {self._shown(copies)}"
        ]

    def _note_on_near_copies(self, used: AnyArray | None) -> list[str]:
        """Return a remark where near copies are in different groups."""
        near = self.near_copies
        kept = np.asarray(self.stimuli.ids) if used is None else used
        if near is None or _n(joined(kept, near)) == _n(kept):
            return []
        n_alike = sum(n for n in Counter(near.tolist()).values() if n > 1)
        return [
            f"{n_alike} images of {self.stimuli.identifier!r} are near copies of others (gray versions of "
            f"{SMALL} x {SMALL} pixels correlate above {THRESHOLD:g}): {self._shown(near)}; --groups auto "
            "keeps them together"
        ]

    def _shown(self, groups: AnyArray) -> str:
        """Return the ids of the first groups of several images."""
        ids = np.asarray(self.stimuli.ids)
        several = [group for group, n in Counter(groups.tolist()).items() if n > 1]
        shown = [" = ".join(ids[groups == group][:_SHOWN].tolist()) for group in several[:_SHOWN]]
        more = f" and {len(several) - _SHOWN} further groups" if len(several) > _SHOWN else ""
        return ", ".join(shown) + more


def _n(groups: AnyArray) -> int:
    return len(np.unique(groups))


def _n_pictures(stimuli: StimulusSet) -> int:
    return len(stimuli) if stimuli.copies is None else _n(stimuli.copies)
