"""Activations as a file: a folder of images in, one netCDF4 file with a group per layer out.

Layers differ in their neuroids and steps, so each has a group of its own, named after it, that
`xarray.open_dataarray(path, group=...)` reads. Values are copied some stimuli at a time: nothing
needs a whole layer in memory.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
import numpy.typing as npt
import xarray as xr

from brainbench.core import progress
from brainbench.core.assembly import Assembly, validate
from brainbench.core.errors import InputError, StimulusError, unknown
from brainbench.core.stimuli import StimulusSet, from_files

SUFFIXES = (".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")
REDUCERS = ("none", "mean-space")
_SPACE = ({"y", "x"}, {"token"})
_BLOCK = 16
"""Stimuli that are copied at once: as many as lie together in the cache."""


def images_in(folder: Path) -> StimulusSet:
    """Images of a folder, by name; their ids are the file names without suffix.

    Hidden files are passed over; anything else that is no image is an error, never skipped.

    Raises
    ------
    InputError
        No such folder.
    StimulusError
        No image, a file or folder that is none, or two images of one name. When a picture is asked for:
        one that is damaged, cut short, CMYK or of 16 bits.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(
            f"stimuli {folder}: " + ("a file" if folder.exists() else "there is no such folder"),
            allowed="a folder of image files",
            todo="give the folder that holds the images",
        )
    files = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    stray = [path.name for path in files if path.suffix.lower() not in SUFFIXES or path.is_dir()]
    if stray or not files:
        found = ", ".join(stray[:3]) + (", ..." if len(stray) > 3 else "")
        raise StimulusError(
            f"folder {folder} with "
            + (
                f"{len(stray)} of {len(files)} entries that are no image: {found}"
                if stray
                else "no image"
            ),
            allowed="images only: " + ", ".join(SUFFIXES),
            todo="move everything else out of the folder",
        )
    by_stem: dict[str, Path] = {}
    for path in files:
        other = by_stem.setdefault(path.stem, path)
        if other is not path:
            raise StimulusError(
                f"folder {folder} with the images {other.name} and {path.name}",
                allowed="one image of each name, whatever its suffix",
                todo="rename one of them",
            )
    return from_files(folder.resolve().name, files)


def reduce(assembly: Assembly, reducer: str) -> Assembly:
    """Fewer neuroids: with "mean-space" each channel's mean over places or tokens.

    Parameters
    ----------
    assembly : DataArray
        Dims (stimulus, neuroid, time); `channel` along neuroid, with `y` and `x` or `token`.
    reducer : {"none", "mean-space"}
        A layer without places is left as it is.

    Returns
    -------
    DataArray
        Dims as before, one neuroid per channel, in memory.

    Raises
    ------
    UnknownNameError
        Another reducer.

    Examples
    --------
    >>> from brainbench.core.assembly import make
    >>> neuroid = {"neuroid_id": [0, 1, 2, 3], "channel": [0, 0, 1, 1], "y": [0, 0, 0, 0], "x": [0, 1, 0, 1]}
    >>> values = [[1.0, 3.0, 5.0, 7.0]]
    >>> one = make(values, stimulus={"stimulus_id": ["a"]}, neuroid=neuroid, units="a.u.")
    >>> reduce(one, "mean-space").values.tolist()
    [[2.0, 6.0]]
    """
    if reducer not in REDUCERS:
        raise unknown("reducer", reducer, REDUCERS, todo="choose one of the two")
    if reducer == "none" or not _has_space(assembly):
        return assembly
    blocks = [means for _, means in _blocks(assembly, reducer)]
    return _frame(assembly, reducer).copy(data=np.concatenate(blocks))


def _has_space(assembly: Assembly) -> bool:
    along = {str(key) for key, one in assembly.coords.items() if one.dims == ("neuroid",)}
    return "channel" in along and any(space <= along for space in _SPACE)


def _blocks(assembly: Assembly, reducer: str) -> Iterator[tuple[int, npt.NDArray[np.float32]]]:
    """First row and values of some stimuli at a time, reduced."""
    n = assembly.sizes["stimulus"]
    spatial = reducer == "mean-space" and _has_space(assembly)
    channel = assembly.coords["channel"].values if spatial else np.zeros(0)
    order = np.argsort(channel, kind="stable")
    _, starts, counts = np.unique(channel[order], return_index=True, return_counts=True)
    for first in range(0, n, _BLOCK):
        values = np.asarray(assembly.isel(stimulus=slice(first, first + _BLOCK)).values)
        if spatial:
            sums = np.add.reduceat(values[:, order].astype(np.float64), starts, axis=1)
            values = sums / counts.reshape(1, -1, *[1] * (values.ndim - 2))
        yield first, values.astype(np.float32)


def _frame(assembly: Assembly, reducer: str) -> Assembly:
    """Coordinates of the reduced assembly around values that are not there yet."""
    if reducer == "none" or not _has_space(assembly):
        sizes, kept = assembly.sizes, dict(assembly.coords)
    else:
        channels = np.unique(assembly.coords["channel"].values)
        sizes = {**assembly.sizes, "neuroid": len(channels)}
        kept = {key: one for key, one in assembly.coords.items() if "neuroid" not in one.dims}
        kept |= {
            "neuroid_id": ("neuroid", np.arange(len(channels))),
            "channel": ("neuroid", channels),
        }
        if "layer" in assembly.coords:
            kept["layer"] = ("neuroid", np.full(len(channels), assembly.coords["layer"].values[0]))
    values = np.broadcast_to(np.float32(0), tuple(sizes.values()))  # takes no memory
    attrs = {**assembly.attrs, "reducer": reducer}
    return xr.DataArray(values, dims=tuple(sizes), coords=kept, attrs=attrs)


def write(path: Path, activations: Mapping[str, Assembly], *, reducer: str = "none") -> None:
    """Write activations to one netCDF4 file, a group per layer.

    Each group is an assembly: the variable `values` (stimulus, neuroid, time), float32, with its
    coordinates. The file appears under its name when it is whole.

    Parameters
    ----------
    path : Path
        Where to.
    activations : mapping of str to DataArray
        Layer -> assembly; values may be on disk.
    reducer : {"none", "mean-space"}
        See `reduce`.

    Raises
    ------
    InputError
        The file cannot be written; a layer whose name no group can have.
    UnknownNameError
        Another reducer.
    """
    if reducer not in REDUCERS:
        raise unknown("reducer", reducer, REDUCERS, todo="choose one of the two")
    for layer in activations:
        _check_group(layer)
    part = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        for layer, assembly in activations.items():
            _write_group(part, layer, assembly, reducer)
        os.replace(part, path)
    except (OSError, RuntimeError) as error:  # netCDF's own errors of writing are RuntimeErrors
        raise InputError(
            f"{path} cannot be written ({error})",
            allowed="a file in a folder that you may write, on a disk with room for it",
            todo="give another path, fewer layers, or --reducer mean-space",
        ) from error
    finally:
        with contextlib.suppress(OSError):
            part.unlink()


def _check_group(layer: str) -> None:
    if not layer or "/" in layer or layer[0] in " ." or layer[-1] == " ":
        raise InputError(
            f"layer {layer!r} as the name of a group in a netCDF4 file",
            allowed="a name without '/', that does not start with a dot or a blank",
            todo="give the layer another name where the model is wrapped",
        )


def _write_group(path: Path, layer: str, assembly: Assembly, reducer: str) -> None:
    frame = _frame(assembly, reducer)
    # The layer's name for each of 400,000 units would be the larger part of the file.
    coordinates = frame.drop_vars("layer", errors="ignore").coords
    mode: Any = "a" if path.exists() else "w"
    xr.Dataset(coords=coordinates).to_netcdf(path, mode=mode, group=layer, engine="netcdf4")
    total = assembly.sizes["stimulus"]
    with (
        netCDF4.Dataset(path, "a") as file,
        progress.current().task(f"writing {layer}", total) as advance,
    ):
        group = file.groups[layer]
        values = group.createVariable(
            "values", "f4", [str(d) for d in frame.dims], fill_value=False
        )
        attrs = {k: v for k, v in frame.attrs.items() if k != "shape"}
        along = " ".join(sorted(map(str, coordinates)))
        values.setncatts({**attrs, "layer": layer, "coordinates": along})
        for first, block in _blocks(assembly, reducer):
            values[first : first + len(block)] = block
            advance(len(block))


def load_activations(path: Path) -> dict[str, Assembly]:
    """Open what `write` made: layer -> assembly, whose values are read when they are indexed.

    Raises
    ------
    InputError
        A file that is absent or damaged, or that holds something else.
    """
    try:
        with netCDF4.Dataset(path) as file:
            layers = list(file.groups)
        if not layers:
            raise ValueError("no groups")
        opened = {
            layer: xr.open_dataset(path, group=layer, engine="netcdf4", decode_times=False)[
                "values"
            ]
            for layer in layers
        }
    except (OSError, ValueError, KeyError) as error:
        raise InputError(
            f"activations {path} cannot be read ({error})",
            allowed="a whole file that brainbench extract wrote, with a group for each layer",
            todo="extract the activations again",
        ) from error
    return {
        layer: validate(
            one.assign_coords(layer=("neuroid", np.full(one.sizes["neuroid"], layer))),
            name=f"layer {layer!r} of {path}",
            values=False,
        )
        for layer, one in opened.items()
    }
