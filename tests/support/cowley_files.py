"""A small study laid out as the published files of Cowley2023."""

import hashlib
import io
import zipfile

import numpy as np
from manifests import manifest_of
from PIL import Image

from brainbench.data.importers.cowley import cowley

PIXELS = 8

SIZES = {"200101": (3, 12, 4), "200102": (2, 7, 0)}
"""neurons, images, repeats"""


def jpeg(seed=0, *, mode="RGB", size=(PIXELS, PIXELS), format="JPEG"):
    values = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    stream = io.BytesIO()
    Image.fromarray(values).convert(mode).save(stream, format)
    return stream.getvalue()


def names(n):
    return [f"image{k + 1:04d}.jpg" for k in range(n)]


def write_zip(path, members):
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members:
            archive.writestr(name, data)


def trials_of(neurons, images, repeats, rng):
    trials = rng.poisson(5.0, (neurons, images, repeats)).astype(float)
    for image in range(0, images, 3):
        trials[:, image, repeats - 1 - image % 2 :] = np.nan
    return trials


def declare(folder, **changes):
    """Data set that declares the files as they are now, as its manifest would."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    parameters = {
        "repository": "https://example.org/study",
        "commit": "0123456789abcdef",
        "folder": "data_V4_responses",
        "pixels": PIXELS,
        "sessions": {
            name: {"animal": "A", "neurons": p, "images": n, "repeats": k}
            for name, (p, n, k) in SIZES.items()
        },
        "sha256": {
            path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in files
        },
        **changes,
    }
    return cowley(manifest_of(parameters))


def write(folder):
    """Write the published files: the first zip has a folder inside, and names out of order."""
    for part in ("images", "responses_raw", "responses_repeat_averaged"):
        (folder / part).mkdir(parents=True)
    rng = np.random.default_rng(0)
    for prefix, (name, (neurons, images, repeats)) in zip(
        ("inside/", ""), SIZES.items(), strict=True
    ):
        members = [(prefix + m, jpeg(k)) for k, m in enumerate(names(images))]
        if prefix:
            members = [(prefix, b""), *reversed(members)]
        write_zip(folder / f"images/images_{name}.zip", members)
        mean = rng.random((neurons, images))
        if repeats:
            trials = trials_of(neurons, images, repeats, rng)
            np.save(folder / f"responses_raw/responses_{name}.npy", trials)
            mean = np.nanmean(trials, axis=2)
        np.save(folder / f"responses_repeat_averaged/responses_{name}.npy", mean)
    return folder
