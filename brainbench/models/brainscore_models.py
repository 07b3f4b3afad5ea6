"""A Brain-Score model object as a network: recognized by its methods, recorded region by region.

Nothing of Brain-Score is imported. The object does its own preprocessing, so it is given the pictures
as files, and a table of stimuli with the attributes that such objects read.
"""

from __future__ import annotations

import contextlib
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeGuard, runtime_checkable

import numpy as np
import numpy.typing as npt
import pandas as pd
from PIL import Image

from brainbench.core.errors import ActivationError, unknown
from brainbench.core.provenance import count_forward, sha256
from brainbench.core.timeline import Span, Timeline
from brainbench.models.digests import digest_of
from brainbench.models.hooks import Calls
from brainbench.models.network import Forward, Images, Response, answered_here, response
from brainbench.models.preprocessing import Preprocess

AS_SHOWN = Preprocess(name="as-shown", size=None)
"""Pictures as they are: the object resizes and normalizes them itself."""

WINDOW: Span = (70.0, 170.0)
"""What a model without a timeline is asked for, in ms: one state, as most Brain-Score benchmarks do."""


@runtime_checkable
class BrainScoreModel(Protocol):
    """The part of Brain-Score's model interface that a recording takes."""

    def visual_degrees(self) -> Any:
        """Width of its visual field."""

    def start_recording(self, recording_target: Any, /, time_bins: Any) -> Any:
        """Choose a region, and time bins in ms."""

    def look_at(self, stimuli: Any, /, number_of_trials: int) -> Any:
        """Return responses, presentation x neuroid (x time_bin)."""


def is_brain_score(net: Any) -> TypeGuard[BrainScoreModel]:
    """Whether an object, not a class, has the methods of a Brain-Score model."""
    return isinstance(net, BrainScoreModel) and not isinstance(net, type)


class Shown(pd.DataFrame):
    """Stimuli as such objects read them: a table, an identifier, and the path of every picture."""

    _metadata = ("identifier", "stimulus_paths")  # what pandas carries over to parts of the table
    identifier: str
    stimulus_paths: dict[str, str]

    @property
    def _constructor(self) -> type[Shown]:
        return Shown

    def get_stimulus(self, stimulus_id: str) -> str:
        """Path of a picture."""
        return self.stimulus_paths[stimulus_id]

    get_image = get_stimulus  # its name before Brain-Score 2


@dataclass(frozen=True)
class BrainScoreNetwork:
    """A Brain-Score model, whose layers are the regions that it is committed to.

    Parameters
    ----------
    model : BrainScoreModel
        Asked for `start_recording(region, time_bins=...)`, then `look_at(stimuli, number_of_trials=1)`.
    regions : tuple of str
        Regions that may be recorded.
    clock : Timeline
        Its steps for a region are the time bins; without, there is one, `WINDOW`.
    """

    model: BrainScoreModel
    regions: tuple[str, ...]
    clock: Timeline

    def digest(self, name: str, declared: str | None) -> str:
        """SHA-256 over all that the object holds, or over `declared`; and over the time bins."""
        bins = repr([(region, self._bins(region)) for region in self.regions])
        if declared is not None:
            return sha256("brain-score", declared, bins)
        # A recording changes the object: the digest is always taken in the same state.
        self.model.start_recording(self.regions[0], time_bins=self._bins(self.regions[0]))
        return sha256("brain-score", digest_of(self.model.look_at, name=name), bins)

    def check(self, layer: str) -> None:
        """Raise UnknownNameError if the region was not declared."""
        if layer not in self.regions:
            todo = "declare it in wrap(..., layers={'IT': 'IT', ...})"
            raise unknown("region", layer, self.regions, todo=todo)

    def place(self, device: str) -> str:
        """Answer "cpu": the object runs where it likes, its answers come back here."""
        return answered_here(device)

    @contextlib.contextmanager
    def running(
        self, layers: Sequence[str], calls: Mapping[str, Calls], device: str
    ) -> Iterator[Forward]:
        """Keep the pictures in a folder within the block; it is removed however the block ends."""
        with tempfile.TemporaryDirectory(prefix="brainbench-") as folder:
            yield lambda images: self._forward(images, layers, calls, Path(folder))

    def _forward(
        self, images: Images, layers: Sequence[str], calls: Mapping[str, Calls], folder: Path
    ) -> dict[str, Response]:
        stimuli = _shown(images, folder)
        began = time.perf_counter()
        answers = {}
        for region in layers:
            bins = self._bins(region)
            self.model.start_recording(region, time_bins=bins)
            answer = self.model.look_at(stimuli, number_of_trials=1)
            steps = responses(answer, list(stimuli["stimulus_id"]), len(bins), region)
            answers[region] = response(steps, calls[region])
        count_forward(time.perf_counter() - began, len(images))
        return answers

    def _bins(self, region: str) -> list[Span]:
        return list(self.clock.declared(region) or [WINDOW])


def _shown(images: Images, folder: Path) -> Shown:
    """Write pictures to a folder and list them."""
    pixels = np.rint(255.0 * images).astype(np.uint8).transpose(0, 2, 3, 1)
    # Such objects keep answers by this identifier, so it has to tell apart all that differs.
    identifier = "brainbench-" + sha256(repr(pixels.shape), pixels.tobytes())[:16]
    paths = {}
    for row, picture in enumerate(pixels):
        path = folder / f"{identifier}-{row:04d}.png"
        Image.fromarray(picture).save(path)
        paths[path.stem] = str(path)
    names = [Path(path).name for path in paths.values()]
    shown = Shown({"stimulus_id": list(paths), "filename": names})
    shown.identifier, shown.stimulus_paths = identifier, paths
    return shown


def responses(
    answer: Any, stimulus_ids: Sequence[str], n_bins: int, region: str
) -> list[npt.NDArray[Any]]:
    """Take the responses out of what `look_at` returned.

    Parameters
    ----------
    answer : DataArray
        Dims presentation and neuroid, and time_bin where several bins were asked for, in any order;
        `stimulus_id` (or `image_id`) along presentation, as a coordinate or a level of a MultiIndex.
    stimulus_ids : sequence of str
        What was shown, in order.
    n_bins : int
        How many time bins were asked for.
    region : str
        For error messages.

    Returns
    -------
    list of array, stimulus x neuroid
        One for each time bin, rows in the order of `stimulus_ids`.

    Raises
    ------
    ActivationError
        Something else than this; other stimuli than those shown; another number of time bins.
    """
    dims = getattr(answer, "dims", ())
    if set(dims) - {"time_bin"} != {"presentation", "neuroid"}:
        raise _wrong(region, f"a {type(answer).__name__} with the dims {tuple(dims)}")
    key = next((k for k in ("stimulus_id", "image_id") if k in answer.coords), None)
    if key is None:
        raise _wrong(region, f"the coordinates {', '.join(map(str, answer.coords))}")
    given = [str(i) for i in answer.coords[key].values]
    if sorted(given) != sorted(stimulus_ids):
        raise _wrong(region, f"{len(given)} rows with other ids than the {len(stimulus_ids)} shown")
    if "time_bin" not in dims:
        answer = answer.expand_dims("time_bin", axis=-1)
    if answer.sizes["time_bin"] != n_bins:
        raise _wrong(region, f"{answer.sizes['time_bin']} time bins where {n_bins} were asked for")
    if "time_bin_start" in answer.coords and n_bins > 1:
        answer = answer.isel(time_bin=np.argsort(answer.coords["time_bin_start"].values))
    row = {stimulus_id: k for k, stimulus_id in enumerate(given)}
    order = [row[stimulus_id] for stimulus_id in stimulus_ids]
    values = np.asarray(answer.transpose("time_bin", "presentation", "neuroid").values)
    return list(values[:, order])


def _wrong(region: str, got: str) -> ActivationError:
    return ActivationError(
        f"look_at gives {got} for region {region!r}",
        allowed="an xarray.DataArray, presentation x neuroid (x time_bin), with the stimulus_id of "
        "every stimulus that was shown",
        todo="correct look_at of that model",
    )
