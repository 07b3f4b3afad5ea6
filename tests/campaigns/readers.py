"""Every reader of files from outside: valid files to begin with, and a digest of what was read."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import pickle
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import brainio_files
import cowley_files
import geirhos_files
import kriegeskorte_files
import numpy as np
import own_files
import stored
import torch
import xarray as xr
from PIL import Image

from brainbench.core import assembly, stimuli
from brainbench.data.importers import brainio, zd_it
from brainbench.data.own import formats
from brainbench.data.own.images import read_images
from brainbench.data.own.layout import Layout
from brainbench.models import checkpoints, export
from brainbench.storage.results import Results


@dataclass(frozen=True, kw_only=True)
class Reader:
    """A reader and its files.

    `make` writes valid files into a folder; those of `pattern` are damaged, one at a time. `read` reads the
    folder and returns a digest of what it got. A guarded reader has, in `through_guard`, the same in a child
    process, as users call it: `read` itself may crash.
    """

    name: str
    make: Callable[[Path], object]
    read: Callable[[Path], str]
    pattern: str = "*"
    is_zip: bool = False
    through_guard: Callable[[Path], str] | None = None


def digest(*parts: Any) -> str:
    """Return a digest of arrays, assemblies, and plain values."""
    hasher = hashlib.sha256()
    for part in parts:
        if isinstance(part, xr.DataArray):
            columns = [(key, c.dims, digest(c.values)) for key, c in sorted(part.coords.items())]
            hasher.update(digest(part.values, part.dims, columns).encode())
        elif isinstance(part, np.ndarray) and part.dtype.kind != "O":
            hasher.update(f"{part.dtype}{part.shape}".encode() + part.tobytes())
        else:
            hasher.update(repr(part).encode(errors="replace"))
    return hasher.hexdigest()


def one_file(folder: Path) -> Path:
    (path,) = folder.iterdir()
    return path


# --- netCDF ---------------------------------------------------------------------------------------


def make_brainio(folder: Path) -> None:
    brainio_files.written(folder, brainio_files.layout(time=((70, 80), (80, 90)))[0])


def read_brainio(folder: Path) -> str:
    return digest(brainio.read(one_file(folder), trusted=True))


def read_brainio_guarded(folder: Path) -> str:
    return digest(brainio.read(one_file(folder)))


def responses() -> xr.DataArray:
    values = np.random.default_rng(0).random((6, 8, 2), dtype=np.float32)
    return assembly.make(
        values,
        stimulus={"stimulus_id": [f"s{k}" for k in range(6)]},
        neuroid={"neuroid_id": np.arange(8)},
        time=[(0, 10), (10, 20)],
        units="a.u.",
    )


def make_activations(folder: Path) -> None:
    export.write(folder / "acts.nc", {"one": responses(), "two": responses()})


def _activations(folder: Path, *, trusted: bool) -> str:
    layers = export.load_activations(one_file(folder), trusted=trusted)
    try:
        return digest(*[part for layer in sorted(layers) for part in (layer, layers[layer])])
    finally:
        for values in layers.values():
            values.close()


def read_activations(folder: Path) -> str:
    export.probe(one_file(folder), folder / "none")
    return _activations(folder, trusted=True)


def read_activations_guarded(folder: Path) -> str:
    return _activations(folder, trusted=False)


# --- imports --------------------------------------------------------------------------------------


def read_all(data: Any) -> str:
    """Return a digest of everything that benchmarks read of a data set."""
    shown = data.stimuli()
    read: list[Any] = [shown.digest, shown.metadata.to_dict()]
    if hasattr(data, "sessions"):
        read += [(name, one.version) for name, one in data.sessions().items()]
    if hasattr(data, "category_responses"):
        read += [data.category_responses().to_dict()]
    if hasattr(data, "dissimilarities"):
        read += [data.dissimilarities(region) for region in ("IT", "human IT", "judgements")]
    return digest(*read)


def imported_anew(data: Any, folder: Path) -> str:
    shutil.rmtree(os.environ["BRAINBENCH_DATA"], ignore_errors=True)
    data.import_from(folder)
    return read_all(data)


def make_cowley(folder: Path) -> None:
    cowley_files.write(folder)


def read_cowley(folder: Path) -> str:
    """The files count as declared, so that they are parsed."""
    return imported_anew(cowley_files.declare(folder), folder)


def make_geirhos(folder: Path) -> None:
    geirhos_files.write_published(folder)


def read_geirhos(folder: Path) -> str:
    return imported_anew(geirhos_files.declare(), folder)


def make_packed(folder: Path) -> None:
    folder.rmdir()
    geirhos_files.write_packed(folder)


def read_packed(folder: Path) -> str:
    """The files count as declared, so that they are parsed."""
    return imported_anew(geirhos_files.declare(folder), folder)


def make_kriegeskorte(folder: Path) -> None:
    kriegeskorte_files.write(folder, kriegeskorte_files.contents())
    declared = kriegeskorte_files.declare(folder).declared.sha256
    (folder.parent / "declared").write_text(json.dumps(dict(declared)))


def read_kriegeskorte(folder: Path) -> str:
    """The checksums are those of the valid files: MATLAB files are never parsed without."""
    declared = json.loads((folder.parent / "declared").read_text())
    return imported_anew(kriegeskorte_files.declare(folder, sha256=declared), folder)


def make_imported(folder: Path) -> None:
    """The files of an import: they carry checksums."""
    published = cowley_files.write(folder.parent / "published")
    shutil.rmtree(os.environ["BRAINBENCH_DATA"], ignore_errors=True)
    for path in cowley_files.declare(published).import_from(published).iterdir():
        path.rename(folder / path.name)


def read_imported(folder: Path) -> str:
    data = cowley_files.declare(folder.parent / "published")
    shutil.rmtree(os.environ["BRAINBENCH_DATA"], ignore_errors=True)
    shutil.copytree(folder, data.folder)
    return read_all(data)


def make_zd_it(folder: Path) -> None:
    rng = np.random.default_rng(0)
    np.savez_compressed(
        folder / "spikes.npz",
        spikes=rng.integers(0, 2, (3, 8, 20), dtype=np.uint8),
        object=np.tile(["a", "b"], (3, 4)),
        position=np.tile(["left", "left", "right", "right"], (3, 2)),
        unit=np.array(["u1", "u2", "u3"]),
        time_ms=np.arange(20),
    )


def read_zd_it(folder: Path) -> str:
    return digest(zd_it.read(one_file(folder), [(0, 10), (10, 20)]))


# --- pictures, weights, results -------------------------------------------------------------------


def make_pictures(folder: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (12, 10, 3), dtype=np.uint8)
    for suffix in ("png", "jpeg", "bmp", "tiff", "webp", "gif"):
        Image.fromarray(pixels).save(folder / f"a.{suffix}")


def read_pictures(folder: Path) -> str:
    return digest(*[stimuli.read_picture(path) for path in sorted(folder.iterdir())])


def make_checkpoints(folder: Path) -> None:
    state = {"a.weight": torch.arange(12.0).reshape(3, 4), "a.bias": torch.ones(3)}
    checkpoints.write(state, folder / "a.safetensors", about={"model": "a"})
    torch.save({"state_dict": state, "epoch": 3}, folder / "a.pth")
    torch.save(state, folder / "old.pth", _use_new_zipfile_serialization=False)
    (folder / "plain.pth").write_bytes(pickle.dumps({"a": [1, 2, 3]}))


def read_checkpoints(folder: Path) -> str:
    """`plain.pth` holds no weights: it is read only to be refused."""
    parts: list[Any] = []
    for path in sorted(folder.iterdir()):
        if path.name != "plain.pth":
            parts += [(k, digest(v.numpy())) for k, v in sorted(checkpoints.read(path).items())]
    return digest(*parts)


def make_results(folder: Path) -> None:
    score = stored.make("model", "Some.IT-pls", 0.5)
    predictions = xr.Dataset(
        {key: (("stimulus", "neuroid"), np.ones((3, 2))) for key in ("predicted", "target")},
        coords={"stimulus_id": ("stimulus", ["a", "b", "c"])},
    )
    Results(folder).save(replace(score, predictions=predictions), key="0" * 64)


def read_results(folder: Path) -> str:
    results = Results(folder)
    scores = list(results.all())
    tables = [results.predictions(score) for score in scores]
    columns = [(k, digest(t[k].values)) for t in tables if t is not None for k in t.variables]
    # Where the file lies is no part of a score.
    return digest([{**score.to_json(), "file": None} for score in scores], columns)


def make_onnx(folder: Path) -> None:
    from onnx import TensorProto, helper, numpy_helper

    weight = np.random.default_rng(0).random((2, 3, 3, 3), dtype=np.float32)
    graph = helper.make_graph(
        [
            helper.make_node("Conv", ["image", "weight"], ["conv"]),
            helper.make_node("Relu", ["conv"], ["relu"]),
        ],
        "net",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", 3, 16, 16])],
        [helper.make_tensor_value_info("relu", TensorProto.FLOAT, ["n", 2, 14, 14])],
        [numpy_helper.from_array(weight, "weight")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    (folder / "net.onnx").write_bytes(model.SerializeToString())


def read_onnx(folder: Path) -> str:
    from brainbench_models.onnx_file import OnnxNetwork

    network = OnnxNetwork(one_file(folder))
    return digest(sorted(network.layers.items()), network.parameters, network.input)


# --- own recordings -------------------------------------------------------------------------------


def make_own(folder: Path, kind: str) -> None:
    name, write = own_files.FORMATS[kind]
    write(folder / name)


def read_own(folder: Path, *, guarded: bool) -> str:
    path = one_file(folder)
    readers = {**formats.PLAIN, **formats.GUARDED}
    raw = (
        formats.read_responses(path, Layout()) if guarded else readers[path.suffix](path, Layout())
    )
    columns = [(name, digest(raw.columns[name])) for name in sorted(raw.columns)]
    return digest(raw.values, raw.dims, raw.bins, columns)


def own_reader(kind: str) -> Reader:
    guarded = partial(read_own, guarded=True)
    is_guarded = Path(own_files.FORMATS[kind][0]).suffix in formats.GUARDED
    return Reader(
        name=f"own {kind}",
        make=partial(make_own, kind=kind),
        read=partial(read_own, guarded=False),
        is_zip=kind == "npz",
        through_guard=guarded if is_guarded else None,
    )


def make_own_images(folder: Path) -> None:
    images = own_files.images_folder(folder)
    shutil.make_archive(str(folder / "images"), "zip", images)
    shutil.rmtree(images)


def read_own_images(folder: Path) -> str:
    return read_images(one_file(folder), Layout(), name="Mine").stimuli.digest


READERS: Sequence[Reader] = (
    Reader(
        name="brainio",
        make=make_brainio,
        read=read_brainio,
        through_guard=read_brainio_guarded,
    ),
    Reader(
        name="activations",
        make=make_activations,
        read=read_activations,
        through_guard=read_activations_guarded,
    ),
    Reader(name="cowley", make=make_cowley, read=read_cowley, is_zip=True),
    Reader(name="geirhos published", make=make_geirhos, read=read_geirhos),
    Reader(name="geirhos packed", make=make_packed, read=read_packed, is_zip=True),
    Reader(name="kriegeskorte", make=make_kriegeskorte, read=read_kriegeskorte),
    Reader(name="imported", make=make_imported, read=read_imported),
    Reader(name="zd_it", make=make_zd_it, read=read_zd_it, is_zip=True),
    Reader(name="pictures", make=make_pictures, read=read_pictures),
    Reader(name="checkpoints", make=make_checkpoints, read=read_checkpoints),
    Reader(name="results", make=make_results, read=read_results),
    *(
        own_reader(kind)
        for kind in own_files.FORMATS
        if importlib.util.find_spec(own_files.NEEDS.get(kind, "numpy"))
    ),
    Reader(name="own images", make=make_own_images, read=read_own_images, is_zip=True),
    *(
        [Reader(name="onnx", make=make_onnx, read=read_onnx)]
        if importlib.util.find_spec("onnx")
        else []
    ),
)
