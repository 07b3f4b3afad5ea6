"""A stand-in of Rajalingham2018 in its published layout, with people whose choices follow the pictures."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from standins import Pictures, write_csv, write_zip

import brainbench_manifests


def probabilities(pictures: Pictures) -> np.ndarray:
    """How much each object an image resembles: the true subject, image x object."""
    names = np.unique(pictures.objects)
    centers = np.stack([pictures.weights[pictures.objects == name].mean(0) for name in names])
    near = -0.35 * np.square(pictures.weights[:, None] - centers).sum(-1)
    exp = np.exp(near - near.max(1, keepdims=True))
    return exp / exp.sum(1, keepdims=True)


def write(
    folder: Path,
    *,
    public: bool = False,
    n_objects: int = 6,
    per_object: int = 24,
    trials: int = 30,
) -> dict[str, Any]:
    """Write assembly, csv and zip files, and return their manifest; a third of the images are private."""
    pictures = Pictures(n_objects=n_objects, per_object=per_object, pixels=24)
    true, objects = probabilities(pictures), np.unique(pictures.objects)
    is_private = np.arange(len(pictures)) % per_object >= 2 * per_object // 3
    folder.mkdir(exist_ok=True)
    ids = np.array(pictures.ids)
    for kind, rows in (("private", is_private), ("public", ~is_private)):
        columns = {
            "image_id": ids[rows],
            "image_sample_obj": pictures.objects[rows],
            "image_label": pictures.objects[rows],
            "filename": [f"{name}.png" for name in ids[rows]],
            "empty": np.full(rows.sum(), np.nan),
        }
        write_csv(folder / f"stimulus_objectome_{kind}.csv", columns)
        files = {name: pictures.files[name] for name in columns["filename"]}
        write_zip(folder / f"stimulus_objectome_{kind}.zip", files)
    rng = np.random.default_rng(0)
    asked = np.flatnonzero(~is_private if public else is_private)
    truth = np.searchsorted(objects, pictures.objects)
    cells = [(i, d) for i in asked for d in range(n_objects) if d != truth[i]]
    image, distractor = np.repeat(np.array(cells), trials, axis=0)[
        rng.permutation(len(cells) * trials)
    ].T
    right = true[image, truth[image]]
    hit = rng.random(len(image)) < right / (right + true[image, distractor])
    choice = np.where(hit, objects[truth[image]], objects[distractor])
    coords = {
        "dist_obj": objects[distractor], "choice": choice, "image_id": ids[image],
        "sample_obj": objects[truth[image]], "WorkerID": rng.choice(["w1", "w2", "w3"], len(image)),
        "AssignmentID": [f"a{k // 100}" for k in range(len(image))], "truth": objects[truth[image]],
    }  # fmt: skip
    coords = {key: ("presentation", np.asarray(column, object)) for key, column in coords.items()}
    array = xr.DataArray(choice.astype(object), dims=("presentation",), coords=coords)
    name = "Rajalingham2018public" if public else "Rajalingham2018"
    table = getattr(brainbench_manifests, name.lower())
    for file in table["files"]:
        if file["path"].endswith(".nc"):
            array.to_dataset(name="data").to_netcdf(folder / file["path"], engine="netcdf4")
    return declare(folder, table, trials=len(image))


def declare(folder: Path, table: dict[str, Any], url: str = "https://example.org", **changed: Any):
    """Return a manifest with the checksums of the files as they are now."""
    files = [
        {
            "path": file["path"],
            "url": f"{url}/{file['path']}",
            "checksum": "sha1:"
            + hashlib.sha1((folder / file["path"]).read_bytes(), usedforsecurity=False).hexdigest(),
        }
        for file in table["files"]
    ]
    return {**table, "files": files, "parameters": {**table["parameters"], **changed}}
