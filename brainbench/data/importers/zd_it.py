"""Reader of single neurons of macaque IT, seven objects at three positions (Zhang et al. 2011).

Each neuron was recorded separately, with its own order of trials. Neurons are combined as if they had been
recorded together, which keeps their tuning and loses their noise correlations. The images are not published,
so that no model can be scored: every benchmark of the data set says so.

References
----------
Zhang, Meyers, Bichot, Serre, Poggio & Desimone, 2011, PNAS, doi:10.1073/pnas.1100999108; spikes from
NeuroDecodeR (Meyers), converted to one .npz file.
"""

from __future__ import annotations

import itertools
import shutil
import zipfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from brainbench.core.assembly import Assembly, make
from brainbench.core.errors import DataAbsentError, InputError, unknown
from brainbench.core.stimuli import StimulusSet
from brainbench.data import integrity
from brainbench.data.facts import facts_of_recording
from brainbench.data.files_only import FilesOnly
from brainbench.data.folder import writing
from brainbench.data.manifest import Manifest
from brainbench.data.offers import Facts, RegionFacts
from brainbench.data.published import check

REGION = "IT"
PACKED = "zd_it_spikes.npz"
BINS = tuple((start, start + 50) for start in range(-500, 500, 50))
"""Bins of `ZhangData.recordings`, in ms from onset."""

COLUMNS = ("spikes", "object", "position", "unit", "time_ms")
MAX_BYTES = 300_000_000  # when unpacked; the published file has 62 MB
_KINDS = {"spikes": "ui", "object": "U", "position": "U", "unit": "Uiu", "time_ms": "ui"}


@dataclass(frozen=True, kw_only=True, eq=False)
class ZhangData(FilesOnly):
    """Spikes of single neurons without pictures, from one packed file; the R files are kept as they are."""

    def stimuli(self) -> StimulusSet:
        """Raise InputError: the pictures are not published."""
        raise InputError(
            f"stimuli of {self.name}",
            allowed=f"recordings({REGION!r}) alone: the pictures are not published, so that no model can be "
            "scored",
            todo=f"see `brainbench data show {self.name}`, or score another data set",
        )

    def recordings(self, region: str) -> Assembly:
        """Return the spikes of each trial in bins of 50 ms, see `read`.

        UnknownNameError for another region than IT, InputError where only the R files are here.
        """
        if region != REGION:
            raise unknown(f"region of {self.name}:", region, [REGION], todo="choose it")
        if self.folder.is_dir() and not (self.folder / PACKED).is_file():
            raise InputError(
                f"{self.name} as R files alone, which nothing reads",
                allowed=f"the same spikes in one file, {PACKED}: {', '.join(COLUMNS)}",
                todo=f"convert them, and `brainbench data import {self.name} --from` its folder",
            )
        if self.absent():
            raise DataAbsentError(
                f"data set {self.name} is not here",
                allowed=str(self.absent()),
                todo=f"run `{self.command}`",
            )
        path = integrity.check(self.folder / PACKED, command=self.command)
        return read(path, BINS)

    @property
    def facts(self) -> Facts:
        """What is there: sites and trials, and no pictures."""
        if not (self.folder / PACKED).is_file():
            region = RegionFacts(sites=self.declared.facts.sites[REGION])
            return Facts(regions={REGION: region}, objects={}, pictures=False)
        recorded = self.recordings(REGION)
        return Facts(
            regions={REGION: facts_of_recording(recorded)},
            objects=dict(sorted(Counter(recorded["object_name"].values.tolist()).items())),
            pictures=False,
        )

    def import_from(self, given: Path) -> Path:
        """Check and keep the packed file of a folder, else the R files; errors as for `FilesOnly`."""
        packed = given / PACKED
        if not packed.is_file():
            return super().import_from(given)
        check(
            packed,
            self.declared.parameters["packed"][PACKED],
            allowed="the packed file, byte for byte",
            todo="get it again, or take the published R files",
        )
        with writing(self.folder) as temporary:
            shutil.copyfile(packed, temporary / PACKED)
            integrity.seal(temporary)
        return self.folder


def zhang(manifest: Manifest) -> ZhangData:
    """Return the data set of a manifest."""
    return ZhangData(name=manifest.name, declared=manifest)


def read(path: Path, bins: Sequence[tuple[int, int]]) -> Assembly:
    """Read the spike counts of every trial of every object at every position from `zd_it_spikes.npz`.

    The file has spikes (unit, trial, ms), object and position (unit, trial; empty where a unit has fewer
    trials), unit and time_ms. Bins are (start, end) in whole ms from stimulus onset.

    Dims are (repetition, stimulus, neuroid, time): a stimulus is an object at a position, with `object_name`
    and `position`. Repetition k of a neuroid is its k-th trial of that stimulus, another trial than that of
    the next neuroid; NaN where it had fewer. InputError for a file that does not exist or holds something
    else, and a bin outside the recording.
    """
    file = _load(path)
    spikes, times = file["spikes"], file["time_ms"]
    starts, ends = np.searchsorted(times, np.transpose(bins))
    if np.min(bins) < times[0] or np.max(bins) > times[-1] + 1:
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
    stimuli = list(itertools.product(objects, positions))
    is_trial = [(file["object"] == name) & (file["position"] == place) for name, place in stimuli]
    n_repetitions = max((int(trials.sum(axis=1).max()) for trials in is_trial), default=0)
    values = np.full((n_repetitions, len(stimuli), len(counts), len(bins)), np.nan)
    for k, trials in enumerate(is_trial):
        for unit, selected in enumerate(trials):
            values[: selected.sum(), k, unit] = counts[unit, selected]
    return make(
        values,
        stimulus={
            "stimulus_id": [f"{name}-{place}" for name, place in stimuli],
            "object_name": [name for name, _ in stimuli],
            "position": [place for _, place in stimuli],
        },
        neuroid={"neuroid_id": file["unit"]},
        time=[(float(a), float(b)) for a, b in bins],
        repetitions=True,
        units="spikes per bin",
        attrs={"missing": "nan"},
    )


def _load(path: Path) -> dict[str, npt.NDArray[Any]]:
    try:
        with path.open("rb") as stream, zipfile.ZipFile(stream) as archive:
            size = sum(member.file_size for member in archive.infolist())
            if size > MAX_BYTES:
                raise ValueError(f"{size} bytes when unpacked, and {MAX_BYTES} are allowed")
            stream.seek(0)
            with np.load(stream, allow_pickle=False) as file:
                columns = {key: file[key] for key in COLUMNS}
            odd = [key for key, values in columns.items() if not isinstance(values, np.ndarray)]
            if odd:
                raise ValueError(f"{', '.join(odd)}: no array")
    except Exception as error:  # zipfile and numpy raise many types for a damaged file
        raise InputError(
            f"{path} cannot be read as spikes of IT ({type(error).__name__}: {error})",
            allowed="an .npz file with " + ", ".join(COLUMNS),
            todo="give the path of zd_it_spikes.npz",
        ) from error
    n, trials = columns["object"].shape if columns["object"].ndim == 2 else (0, 0)
    shapes = {
        "spikes": (n, trials, columns["time_ms"].size),
        "position": (n, trials),
        "unit": (n,),
        "time_ms": (columns["time_ms"].size,),
    }
    wrong = [key for key, shape in shapes.items() if columns[key].shape != shape]
    wrong += [key for key, kinds in _KINDS.items() if columns[key].dtype.kind not in kinds]
    if wrong or not columns["spikes"].size or (np.diff(columns["time_ms"]) <= 0).any():
        found = ", ".join(f"{key} {values.dtype}{values.shape}" for key, values in columns.items())
        raise InputError(
            f"{path} has {found} for {n} units with {trials} trials",
            allowed="whole numbers spikes (unit, trial, ms), text object and position (unit, trial), "
            "unit, rising time_ms",
            todo="get the file again",
        )
    return columns
