"""Macaque IT, single neurons, seven objects at three positions (Zhang et al. 2011), as spike counts.

Each neuron was recorded on its own, in its own order of trials: neurons are put together as if they had been
recorded at once, which keeps their tuning and loses how their noise goes together. The pictures are not
published, so no model can be scored, and there is no benchmark and no manifest: this reads a file for what
the brain alone shows.

References
----------
Zhang, Meyers, Bichot, Serre, Poggio & Desimone, 2011, PNAS, doi:10.1073/pnas.1100999108; spikes from
NeuroDecodeR (Meyers), converted to one .npz file.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from brainbench.core.assembly import Assembly, make
from brainbench.core.errors import InputError

__all__ = ["read"]

COLUMNS = ("spikes", "object", "position", "unit", "time_ms")


def read(path: Path, bins: Sequence[tuple[int, int]]) -> Assembly:
    """Spike counts of every trial of every object at every position.

    Parameters
    ----------
    path : Path
        `zd_it_spikes.npz`: spikes (unit, trial, ms), object and position (unit, trial; empty where a unit
        has fewer trials), unit, time_ms.
    bins : sequence of (start, end)
        In whole ms from stimulus onset.

    Returns
    -------
    DataArray
        Dims (repetition, stimulus, neuroid, time): a stimulus is an object at a position, with `object_name`
        and `position`. Repetition k of a neuroid is its k-th trial of that stimulus, another trial than that
        of the next neuroid; NaN where it had fewer.

    Raises
    ------
    InputError
        A file that is absent or holds something else; a bin outside the recording.
    """
    file = _load(path)
    spikes, times = file["spikes"], file["time_ms"]
    starts, ends = (np.searchsorted(times, [one[k] for one in bins]) for k in (0, 1))
    if min(b for one in bins for b in one) < times[0] or max(e for _, e in bins) > times[-1] + 1:
        raise InputError(
            f"time bins from {bins[0][0]} to {bins[-1][1]} ms",
            allowed=f"bins within {times[0]} to {times[-1] + 1} ms",
            todo="choose bins inside the recording",
        )
    counts = np.stack(
        [spikes[:, :, a:b].sum(axis=2) for a, b in zip(starts, ends, strict=True)], axis=2
    )
    objects, positions = (
        sorted(set(file[key].ravel().tolist()) - {""}) for key in ("object", "position")
    )
    shown = list(itertools.product(objects, positions))
    most = max(
        int(((file["object"] == one) & (file["position"] == at)).sum(axis=1).max())
        for one, at in shown
    )
    values = np.full((most, len(shown), len(counts), len(bins)), np.nan)
    for k, (one, at) in enumerate(shown):
        for unit in range(len(counts)):
            mine = (file["object"][unit] == one) & (file["position"][unit] == at)
            values[: mine.sum(), k, unit] = counts[unit, mine]
    return make(
        values,
        stimulus={
            "stimulus_id": [f"{one}-{at}" for one, at in shown],
            "object_name": [one for one, _ in shown],
            "position": [at for _, at in shown],
        },
        neuroid={"neuroid_id": file["unit"]},
        time=[(float(a), float(b)) for a, b in bins],
        repetitions=True,
        units="spikes per bin",
        attrs={"missing": "nan"},
    )


def _load(path: Path) -> dict[str, npt.NDArray[np.generic]]:
    try:
        with np.load(path, allow_pickle=False) as file:
            found = {key: file[key] for key in COLUMNS}
    except (OSError, ValueError, KeyError) as error:
        raise InputError(
            f"{path} cannot be read as spikes of IT ({error})",
            allowed="an .npz file with " + ", ".join(COLUMNS),
            todo="give the path of zd_it_spikes.npz",
        ) from error
    n, trials = found["object"].shape if found["object"].ndim == 2 else (0, 0)
    if found["spikes"].shape != (n, trials, len(found["time_ms"])):
        raise InputError(
            f"{path} has spikes of shape {found['spikes'].shape} for {n} units with {trials} trials",
            allowed="spikes (unit, trial, ms), object and position (unit, trial)",
            todo="get the file again",
        )
    return found
