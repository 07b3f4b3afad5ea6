"""Brain-Score model objects as networks, recognized by their methods and recorded region by region.

Brain-Score is not imported. Such an object does its own preprocessing: it is given image files and a table
of stimuli with the attributes that it reads.
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
from brainbench.models.forward_errors import explained
from brainbench.models.hooks import Calls
from brainbench.models.network import Forward, HostNetwork, Images, Response, response
from brainbench.models.preprocessing import Preprocess

AS_SHOWN = Preprocess(name="as-shown", size=None)
"""Unchanged images: the object resizes and normalizes them itself."""

WINDOW: Span = (70.0, 170.0)
"""Time bin of a model without a timeline, in ms: one state, as in most Brain-Score benchmarks."""


@runtime_checkable
class BrainScoreModel(Protocol):
    """The part of Brain-Score's model interface that a recording needs."""

    def visual_degrees(self) -> Any:
        """Return the width of its visual field in degrees."""

    def start_recording(self, recording_target: Any, /, time_bins: Any) -> Any:
        """Choose a region and time bins in ms."""

    def look_at(self, stimuli: Any, /, number_of_trials: int) -> Any:
        """Return responses, presentation x neuroid (x time_bin)."""


def is_brain_score(net: Any) -> TypeGuard[BrainScoreModel]:
    """Return whether an object, not a class, has the methods of a Brain-Score model."""
    return isinstance(net, BrainScoreModel) and not isinstance(net, type)


class StimulusTable(pd.DataFrame):
    """A stimulus set for such objects: a table, an identifier, and the path of every image."""

    _metadata = ("identifier", "stimulus_paths")  # pandas copies these to parts of the table
    identifier: str
    stimulus_paths: dict[str, str]

    @property
    def _constructor(self) -> type[StimulusTable]:
        return StimulusTable

    def get_stimulus(self, stimulus_id: str) -> str:
        """Return the path of an image."""
        return self.stimulus_paths[stimulus_id]

    get_image = get_stimulus  # its name before Brain-Score 2


@dataclass(frozen=True)
class BrainScoreNetwork(HostNetwork):
    """A Brain-Score model; its layers are the regions that it is committed to.

    The steps of the clock for a region are its time bins; `WINDOW` for a region without steps.
    """

    model: BrainScoreModel
    regions: tuple[str, ...]
    clock: Timeline

    def digest(self, name: str, declared: str | None) -> str:
        """Return the SHA-256 over the object, or over `declared`, and over the time bins."""
        bins = repr([(region, self._bins(region)) for region in self.regions])
        if declared is not None:
            return sha256("brain-score", declared, bins)
        # A recording changes the object: the digest is always computed in the same state.
        self.model.start_recording(self.regions[0], time_bins=self._bins(self.regions[0]))
        return sha256("brain-score", digest_of(self.model.look_at, name=name), bins)

    def check(self, layer: str) -> None:
        """Raise UnknownNameError if the region was not declared."""
        if layer not in self.regions:
            todo = "declare it in wrap(..., layers={'IT': 'IT', ...})"
            raise unknown("region", layer, self.regions, todo=todo)

    @contextlib.contextmanager
    def running(
        self, layers: Sequence[str], calls: Mapping[str, Calls], device: str
    ) -> Iterator[Forward]:
        """Provide a folder for the images within the block, which is removed at its end."""
        with tempfile.TemporaryDirectory(prefix="brainbench-") as folder:
            yield lambda images: self._forward(images, layers, calls, Path(folder))

    def _forward(
        self, images: Images, layers: Sequence[str], calls: Mapping[str, Calls], folder: Path
    ) -> dict[str, Response]:
        stimuli = _write_stimuli(images, folder)
        start = time.perf_counter()
        responses = {}
        for region in layers:
            bins = self._bins(region)
            with explained(self.model, images):
                self.model.start_recording(region, time_bins=bins)
                recording = self.model.look_at(stimuli, number_of_trials=1)
            steps = _steps(recording, list(stimuli["stimulus_id"]), len(bins), region)
            responses[region] = response(steps, calls[region])
        count_forward(time.perf_counter() - start, len(images))
        return responses

    def _bins(self, region: str) -> list[Span]:
        return list(self.clock.declared(region) or [WINDOW])


def _write_stimuli(images: Images, folder: Path) -> StimulusTable:
    pixels = np.rint(255.0 * images).astype(np.uint8).transpose(0, 2, 3, 1)
    # Such objects cache responses by this identifier: other images need another one.
    identifier = "brainbench-" + sha256(repr(pixels.shape), pixels.tobytes())[:16]
    paths = {}
    for row, image in enumerate(pixels):
        path = folder / f"{identifier}-{row:04d}.png"
        Image.fromarray(image).save(path)
        paths[path.stem] = str(path)
    names = [Path(path).name for path in paths.values()]
    table = StimulusTable({"stimulus_id": list(paths), "filename": names})
    table.identifier, table.stimulus_paths = identifier, paths
    return table


def _steps(
    recording: Any, stimulus_ids: Sequence[str], n_bins: int, region: str
) -> list[npt.NDArray[Any]]:
    """Return the responses that `look_at` returned, one array stimulus x neuroid for each time bin.

    `stimulus_id` (or `image_id`) may be a coordinate of presentation or a level of its MultiIndex. Rows are
    in the order of `stimulus_ids`.
    """
    dims = getattr(recording, "dims", ())
    if set(dims) - {"time_bin"} != {"presentation", "neuroid"}:
        raise _wrong(region, f"a {type(recording).__name__} with the dims {tuple(dims)}")
    key = next((k for k in ("stimulus_id", "image_id") if k in recording.coords), None)
    if key is None:
        raise _wrong(region, f"the coordinates {', '.join(map(str, recording.coords))}")
    ids = [str(i) for i in recording.coords[key].values]
    if sorted(ids) != sorted(stimulus_ids):
        raise _wrong(region, f"{len(ids)} rows with other ids than the {len(stimulus_ids)} shown")
    if "time_bin" not in dims:
        recording = recording.expand_dims("time_bin", axis=-1)
    if recording.sizes["time_bin"] != n_bins:
        raise _wrong(region, f"{recording.sizes['time_bin']} time bins instead of {n_bins}")
    if "time_bin_start" in recording.coords and n_bins > 1:
        recording = recording.isel(time_bin=np.argsort(recording.coords["time_bin_start"].values))
    row_of = {stimulus_id: row for row, stimulus_id in enumerate(ids)}
    order = [row_of[stimulus_id] for stimulus_id in stimulus_ids]
    values = np.asarray(recording.transpose("time_bin", "presentation", "neuroid").values)
    return list(values[:, order])


def _wrong(region: str, got: str) -> ActivationError:
    return ActivationError(
        f"look_at returns {got} for region {region!r}",
        allowed="an xarray.DataArray, presentation x neuroid (x time_bin), with the stimulus_id of "
        "every stimulus that was shown",
        todo="correct look_at of the model",
    )
