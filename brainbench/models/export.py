"""Export of activations: from a folder of images to one netCDF4 file with a group per layer.

A group is named after its layer; `xarray.open_dataarray(path, group=...)` reads it. Values are copied in
blocks of stimuli, so that no layer has to fit in memory.
"""

from __future__ import annotations

import contextlib
import errno
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

import netCDF4
import numpy as np
import numpy.typing as npt
import xarray as xr

from brainbench.core import progress
from brainbench.core.assembly import Assembly, checksum_encoding, validate, with_plain_text
from brainbench.core.errors import BrainbenchError, InputError, StimulusError, unknown
from brainbench.core.stimuli import StimulusSet, from_files
from brainbench.storage import files

SUFFIXES = (".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")
REDUCERS = ("none", "mean-space")
_SPACE = ({"y", "x"}, {"token"})
_BLOCK = 16  # stimuli that are copied at once: the chunk size of the cache


def images_in(folder: Path) -> StimulusSet:
    """Return the images of a folder as stimuli, sorted by file name; ids are the names without suffix.

    Hidden files are ignored. InputError if the folder does not exist; StimulusError for no images,
    entries that are not images, two images of one name, and when a damaged, CMYK or 16-bit image is read.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(
            f"stimuli {folder}: " + ("a file" if folder.exists() else "the folder does not exist"),
            allowed="a folder of image files",
            todo="give the folder that contains the images",
        )
    paths = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    stray = [path.name for path in paths if path.suffix.lower() not in SUFFIXES or path.is_dir()]
    if stray or not paths:
        listed = ", ".join(stray[:3]) + (", ..." if len(stray) > 3 else "")
        entries = f"{len(stray)} of {len(paths)} entries that are not images: {listed}"
        raise StimulusError(
            f"folder {folder} with " + (entries if stray else "no images"),
            allowed="images only: " + ", ".join(SUFFIXES),
            todo="move everything else out of the folder",
        )
    by_stem: dict[str, Path] = {}
    for path in paths:
        first = by_stem.setdefault(path.stem, path)
        if first is not path:
            raise StimulusError(
                f"folder {folder} with the images {first.name} and {path.name}",
                allowed="one image per name, whatever its suffix",
                todo="rename one of them",
            )
    return from_files(folder.resolve().name, paths)


def reduce(assembly: Assembly, reducer: str) -> Assembly:
    """Reduce the neuroids of a layer: with "mean-space" to the mean of each channel over space or tokens.

    The assembly, (stimulus, neuroid, time), has `channel` along neuroid, with `y` and `x` or `token`; a
    layer without space is returned unchanged, as with "none". UnknownNameError for another reducer.
    """
    if reducer not in REDUCERS:
        raise unknown("reducer", reducer, REDUCERS, todo="choose one of the two")
    if reducer == "none" or not _has_space(assembly):
        return assembly
    blocks = [means for _, means in _blocks(assembly, reducer)]
    return _frame(assembly, reducer).copy(data=np.concatenate(blocks))


def _has_space(assembly: Assembly) -> bool:
    along = {str(key) for key, c in assembly.coords.items() if c.dims == ("neuroid",)}
    return "channel" in along and any(space <= along for space in _SPACE)


def _blocks(assembly: Assembly, reducer: str) -> Iterator[tuple[int, npt.NDArray[np.float32]]]:
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
    if reducer == "none" or not _has_space(assembly):
        sizes, kept = assembly.sizes, dict(assembly.coords)
    else:
        channels = np.unique(assembly.coords["channel"].values)
        sizes = {**assembly.sizes, "neuroid": len(channels)}
        kept = {key: c for key, c in assembly.coords.items() if "neuroid" not in c.dims}
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
    """Write the assembly of each layer to a group of one netCDF4 file, float32, atomically.

    For `reducer` see `reduce`. InputError for a layer whose name cannot be that of a group, CacheError if the
    file cannot be written or the disk is full.
    """
    if reducer not in REDUCERS:
        raise unknown("reducer", reducer, REDUCERS, todo="choose one of the two")
    for layer in activations:
        _check_group(layer)
    nbytes = sum(4 * _frame(assembly, reducer).size for assembly in activations.values())
    with files.new_file(path, choose="choose") as part:
        smaller = "export fewer layers, use --reducer mean-space, or choose"
        files.check_room(path.parent, nbytes, what="activations", choose=smaller)
        with netcdf_errors(path.parent, nbytes):
            netCDF4.Dataset(part, "w", clobber=False).close()  # never one that is there
            for layer, assembly in activations.items():
                _write_group(part, layer, assembly, reducer)


@contextlib.contextmanager
def netcdf_errors(folder: Path, nbytes: int) -> Iterator[None]:
    """Raise the RuntimeErrors by which netCDF reports a failed write as OSErrors.

    They do not say why: the disk counts as full if fewer than `nbytes` bytes are free in the folder.
    """
    try:
        yield
    except BrainbenchError:  # it says itself what is wrong
        raise
    except RuntimeError as error:
        is_full = shutil.disk_usage(folder).free < nbytes
        raise OSError(errno.ENOSPC if is_full else errno.EIO, str(error)) from error


def _check_group(layer: str) -> None:
    if not layer or "/" in layer or layer[0] in " ." or layer[-1] == " ":
        raise InputError(
            f"layer {layer!r} as the name of a group in a netCDF4 file",
            allowed="a name without '/' that does not start with a dot or a space",
            todo="give the layer another name where the model is wrapped",
        )


def _write_group(path: Path, layer: str, assembly: Assembly, reducer: str) -> None:
    frame = _frame(assembly, reducer)
    # The name of the layer for each of 400,000 units would be the larger part of the file.
    coordinates = frame.drop_vars("layer", errors="ignore").coords
    xr.Dataset(coords=coordinates).to_netcdf(
        path, mode="a", group=layer, engine="netcdf4", encoding=checksum_encoding(coordinates)
    )
    total = assembly.sizes["stimulus"]
    with (
        netCDF4.Dataset(path, "a") as file,
        progress.current().task(f"writing {layer}", total) as advance,
    ):
        group = file.groups[layer]
        values = group.createVariable(
            "values", "f4", [str(d) for d in frame.dims], fill_value=False, fletcher32=True
        )
        attrs = {k: v for k, v in frame.attrs.items() if k != "shape"}
        along = " ".join(sorted(map(str, coordinates)))
        values.setncatts({**attrs, "layer": layer, "coordinates": along})
        for first, block in _blocks(assembly, reducer):
            values[first : first + len(block)] = block
            advance(len(block))


def load_activations(path: Path) -> dict[str, Assembly]:
    """Return the assembly of each layer in a file of `write`, read when indexed; InputError if damaged."""
    try:
        with netCDF4.Dataset(path) as file:
            layers = list(file.groups)
        if not layers:
            raise ValueError("no groups")
        opened = {
            layer: with_plain_text(
                xr.open_dataset(path, group=layer, engine="netcdf4", decode_times=False)["values"]
            )
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
            values.assign_coords(layer=("neuroid", np.full(values.sizes["neuroid"], layer))),
            name=f"layer {layer!r} of {path}",
            values=False,
        )
        for layer, values in opened.items()
    }
