"""Speed of the file format of activations beside the bare file, netCDF4 and, where it is installed, zarr.

    python perf/activation_format.py [--images 2560] [--units 50176] [--steps 1] [--json FILE]

Each format is written in batches of 16 images and read from the page cache, whole and in the chunks of
columns that Gram matrices are summed over. The bare file is the same number of bytes, read in pieces of the
same size into new arrays. All but the bare file verify checksums.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
import numpy.typing as npt
import xarray as xr

from brainbench.models.activation_files import LayerFile, open_layer
from brainbench.scoring.layer_candidates import chunk_width
from brainbench.storage.array_file import COLUMNS, ROWS

AIM = 0.7  # of the speed of the bare file
BATCH = 16
CHUNK = (ROWS, COLUMNS, 1)
REPEATS = 5

Values = npt.NDArray[np.float32]


def batches(values: Values) -> Iterator[tuple[int, Values]]:
    for start in range(0, len(values), BATCH):
        yield start, values[start : start + BATCH]


def write_ours(path: Path, values: Values) -> None:
    n, units, steps = values.shape
    ids = [str(row) for row in range(n)]
    with LayerFile(
        path, key=path.stem, layer="l", stimulus_ids=ids, shape=(units,), steps=steps, attrs={}
    ) as file:
        for start, batch in batches(values):
            file.write(start, [batch[..., step] for step in range(steps)])


def write_netcdf(path: Path, values: Values) -> None:
    with netCDF4.Dataset(path, "w") as file:
        for dim, size in zip("npk", values.shape, strict=True):
            file.createDimension(dim, size)
        stored = file.createVariable(
            "values", "f4", tuple("npk"), chunksizes=CHUNK, fletcher32=True
        )
        for start, batch in batches(values):
            stored[start : start + BATCH] = batch


def write_zarr(path: Path, values: Values) -> None:
    import zarr
    from zarr.codecs import Crc32cCodec

    stored = zarr.create_array(
        store=str(path),
        shape=values.shape,
        chunks=CHUNK,
        dtype="float32",
        compressors=[Crc32cCodec()],
    )
    for start, batch in batches(values):
        stored[start : start + BATCH] = batch


def open_netcdf(path: Path) -> Any:
    return xr.open_dataset(path, engine="netcdf4", cache=False)["values"]


def open_zarr(path: Path) -> Any:
    import zarr

    return zarr.open_array(str(path), mode="r")


def read_columns(stored: Any) -> None:
    """Read all steps of a layer in chunks of columns, as `Candidate.chunks` does."""
    n, units, steps = stored.shape
    values = getattr(stored, "variable", stored)  # without the coordinates
    width = chunk_width(n)
    for first in range(0, units, width):
        for step in range(steps):
            np.asarray(values[:, first : first + width, step])


def read_bare(path: Path, width: int, rows: int) -> None:
    with path.open("rb", buffering=0) as stream:
        while True:
            values = np.empty((rows, width), dtype=np.float32)
            if not stream.readinto(values):
                return


def seconds(work: Callable[[], object]) -> float:
    """Return the shortest time of a processor; from the page cache nothing else is waited for."""
    times = []
    for _ in range(REPEATS):
        began = time.process_time()
        work()
        times.append(time.process_time() - began)
    return min(times)


def measure(n: int, units: int, steps: int) -> list[dict[str, Any]]:
    values = np.random.default_rng(0).standard_normal((n, units, steps), dtype=np.float32)
    formats: dict[str, tuple[Callable[[Path, Values], None], Callable[[Path], Any]]] = {
        "ours": (write_ours, open_layer),
        "netCDF4, fletcher32": (write_netcdf, open_netcdf),
    }
    if importlib.util.find_spec("zarr"):
        formats["zarr, crc32c"] = write_zarr, open_zarr
    gb = values.nbytes / 1e9
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        bare = Path(folder) / "bare"
        began = time.perf_counter()
        values.tofile(bare)
        written = time.perf_counter() - began
        whole = seconds(lambda: read_bare(bare, units, n * steps))
        columns = seconds(lambda: read_bare(bare, min(units, chunk_width(n)), n))
        rows.append({"format": "bare file", "write": gb / written, "all": gb / whole})
        rows[0] |= {"columns": gb / columns}
        bare.unlink()
        for name, (write, read) in formats.items():
            path = Path(folder) / "stored.chunks"
            began = time.perf_counter()
            write(path, values)
            written = time.perf_counter() - began
            stored = read(path)
            np.testing.assert_array_equal(stored[:20, :9, :], values[:20, :9])
            rows.append(
                {
                    "format": name,
                    "write": gb / written,
                    "all": gb / seconds(lambda stored=stored: np.asarray(stored[:])),
                    "columns": gb / seconds(lambda stored=stored: read_columns(stored)),
                }
            )
            path.rename(Path(folder) / f"read {name}")
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=2560)
    parser.add_argument("--units", type=int, default=50_176)
    parser.add_argument("--steps", type=int, default=1)
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    options = parser.parse_args()
    rows = measure(options.images, options.units, options.steps)
    print(f"{'GB/s':<22}{'write':>8}{'all':>8}{'columns':>9}")
    for row in rows:
        print(f"{row['format']:<22}{row['write']:8.2f}{row['all']:8.2f}{row['columns']:9.2f}")
    for how in ("all", "columns"):
        ratio = rows[1][how] / rows[0][how]
        print(f"ours / bare file, {how}: {ratio:.2f} (aim: at least {AIM})")
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
