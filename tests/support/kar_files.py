"""Stand-ins of both files of Kar2019, with times that pictures tell, and a network that reads them.

A picture has a bright cell for its object and one for its delay, each at a place of its own that is another
one if rows and columns are swapped. The network shows the object of a picture from the delay on and noise
before, so that its solution times are the delays; the brain's are the delays with some jitter, by which the
agreement of the two is known.
"""

from __future__ import annotations

import hashlib
import io
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import xarray as xr
from PIL import Image
from standins import write_csv, write_zip

import brainbench_manifests
from brainbench.core import assembly
from brainbench.core.presentation import CONSTANT
from brainbench.core.timeline import Timeline
from brainbench.data.importers.kar import OBJECTS

N, DISTINCT, CELLS, UNITS = 1320, 1318, 20, 250
COPIES = {7: 400, 900: 1319}
"""The same picture, with other times: of the first of the two a benchmark knows."""
STARTS = np.arange(70.0, 250.0, 10.0)
THRESHOLD = 2.2


@dataclass(kw_only=True)
class Truth:
    """What each picture shows, from when on, and when the brain has solved it."""

    objects: np.ndarray  # number, from 0
    delays: np.ndarray  # number of the bin
    ost: np.ndarray  # ms; NaN where never solved
    i1: np.ndarray

    @property
    def distinct(self) -> np.ndarray:
        """Rows that are no copies of an earlier one."""
        return np.setdiff1d(np.arange(N), list(COPIES.values()))


def truth(*, jitter_ms: float = 35.0, seed: int = 0) -> Truth:
    rng = np.random.default_rng([seed, 1])
    objects, delays = rng.permutation(np.arange(N) % 10), rng.integers(1, 15, N)
    for first, copy in COPIES.items():
        objects[copy], delays[copy] = objects[first], delays[first]
    ost = STARTS[delays] + rng.normal(0, jitter_ms, N)
    ost[rng.random(N) < 0.05] = np.nan
    ost[list(COPIES)], ost[list(COPIES.values())] = 100.0, 200.0
    return Truth(objects=objects, delays=delays, ost=ost, i1=THRESHOLD + rng.normal(0, 0.05, N))


def pictures(known: Truth, pixels: int) -> np.ndarray:
    """Return gray pictures, image x row x column, from 0 to 255 each."""
    cells = np.full((N, CELLS, CELLS), 128, dtype=np.uint8)
    cells[:, 8:18] = np.random.default_rng(2).integers(60, 200, (N, 10, CELLS))
    cells[:, 0, 0], cells[:, -1, -1] = 255, 0
    every = np.arange(N)
    cells[every, 1, 2 + known.objects] = 250
    cells[every, 4, 1 + known.delays] = 250
    for first, copy in COPIES.items():
        cells[copy] = cells[first]
    at = np.arange(pixels) * CELLS // pixels
    return cells[:, at][:, :, at]


def write_brain_score(folder: Path, known: Truth, *, pixels: int = 80) -> None:
    """Write assembly, csv and zip; the assembly's presentations are in another order than the csv."""
    contents = []
    for picture in pictures(known, pixels):
        stream = io.BytesIO()
        Image.fromarray(picture).save(stream, "JPEG", quality=95)
        contents.append(stream.getvalue())
    ids = np.array([hashlib.sha1(c, usedforsecurity=False).hexdigest() for c in contents])
    names = [f"image_{k:04d}.jpg" for k in range(N)]
    labels = np.array(OBJECTS)[known.objects]
    order = np.random.default_rng(3).permutation(N)
    for first, copy in COPIES.items():  # the copy stays the later one
        places = np.flatnonzero(np.isin(order, (first, copy)))
        order[places] = first, copy
    folder.mkdir(exist_ok=True)
    logistic = 320 - known.ost[order]  # of the reverse order
    array = xr.DataArray(
        np.stack([known.ost[order], logistic]),
        dims=("decoder", "presentation"),
        coords={
            "decoder": ["svm", "logistic"],
            "i1": ("presentation", known.i1[order]),
            "image_id": ("presentation", ids[order].astype(object)),
            "image_label": ("presentation", labels[order].astype(object)),
        },
    )
    array.to_dataset(name="data").to_netcdf(folder / "assy_dicarlo_Kar2019.nc", engine="netcdf4")
    columns = {
        "image_file_sha1": ids,
        "image_id": ids,
        "image_num": np.arange(N),
        "image_label": labels,
        "filename": names,
    }
    write_csv(folder / "stimulus_Kar2019.csv", columns)
    write_zip(folder / "stimulus_Kar2019.zip", dict(zip(names, contents, strict=True)))


def write_authors(folder: Path, known: Truth, *, pixels: int = 40) -> None:
    """Write the HDF5 file as MATLAB does, (image, channel, column, row), numbers from 0 to 1."""
    folder.mkdir(exist_ok=True)
    with h5py.File(folder / "dataset.h5", "w") as file:
        shape = (N, 3, pixels, pixels)
        images = file.create_dataset(
            "images", shape, "f8", chunks=(1, *shape[1:]), compression="gzip", compression_opts=1
        )
        for k, picture in enumerate(pictures(known, pixels)):
            images[k] = np.broadcast_to(picture.T / 255, shape[1:])
        for key, values in (("obj", known.objects + 1), ("ost", known.ost), ("i1", known.i1)):
            file[key] = np.asarray(values, np.float64)[None]


def declare(
    folder: Path, name: str, url: str = "https://example.org", **parameters: Any
) -> dict[str, Any]:
    """Return the manifest of the files as they are now."""
    table = getattr(brainbench_manifests, name.lower())
    files = []
    for file in table["files"]:
        content = (folder / file["path"]).read_bytes()
        digest = hashlib.sha1(content, usedforsecurity=False).hexdigest()
        known = {"checksum": f"sha1:{digest}"} if "checksum" in file else {}
        files.append({"path": file["path"], "url": f"{url}/{file['path']}", **known})
    return {**table, "files": files, "parameters": {**table["parameters"], **parameters}}


CLOCK = Timeline(
    name="bins", source="test", steps={"IT": [(start, start + 10) for start in STARTS.tolist()]}
)


@dataclass(frozen=True, kw_only=True)
class Reader:
    """A network that shows in IT what the cells of a picture say, from the delay on."""

    name: str = "reader"
    weights: str = "none"
    areas: Mapping[str, Sequence[str]] = field(default_factory=lambda: {"IT": ("IT",)})
    clocks: Mapping[str, Timeline] = field(default_factory=lambda: {"bins": CLOCK})
    static: bool = False
    presentations: Sequence[str] = ("constant",)
    digest: str = "reader"
    gain: float = 2.0

    def activations(self, stimuli, layers, presentation=CONSTANT):
        codes = np.random.default_rng(4).standard_normal((10, UNITS))
        values = np.stack([self._of(stimuli.picture(k), codes) for k in range(len(stimuli))])
        made = assembly.make(
            values,
            stimulus={"stimulus_id": stimuli.ids},
            neuroid={"neuroid_id": np.arange(UNITS)},
            time=CLOCK.steps["IT"],
            units="a.u.",
        )
        return dict.fromkeys(layers, made)

    def _of(self, picture: np.ndarray, codes: np.ndarray) -> np.ndarray:
        centers = (np.arange(CELLS) + 0.5) * len(picture) / CELLS
        at = centers.astype(int)
        cells = picture[:, :, 0][np.ix_(at, at)].astype(int)
        shown, delay = cells[1, 2:12].argmax(), cells[4, 1:19].argmax()
        rng = np.random.default_rng(zlib.crc32(cells.astype(np.uint8).tobytes()))
        noise = rng.standard_normal((UNITS, len(STARTS)))
        return (noise + self.gain * np.outer(codes[shown], np.arange(len(STARTS)) >= delay)).astype(
            np.float32
        )
