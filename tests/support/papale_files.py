"""A small study laid out as the authors' files of TVSD, and images laid out as those of THINGS.

Responses are linear in the nine colored squares that an image is made of, so that their truth is known.
"""

import h5py
import numpy as np
from manifests import manifest_of
from PIL import Image

from brainbench.data.importers.papale import papale

OBJECTS, PER_OBJECT, TEST, TRIALS = 20, 6, 24, 8
TRAIN = OBJECTS * PER_OBJECT
CHANNELS = {
    "monkeyF": {"V1": [0, 3], "IT": [4, 8], "V4": [9, 11]},
    "monkeyN": {"V1": [0, 3], "V4": [4, 6], "IT": [7, 11]},
}
N_CHANNELS = 12
NOISE = 0.5


def squares(rng, n):
    return rng.integers(0, 256, (n, 3, 3, 3), dtype=np.uint8)


def names(*, test=False):
    """Paths as in the log: training images are not sorted, and the separator is that of Windows."""
    if test:
        return [f"held{k:02d}\\held{k:02d}_14n.jpg" for k in range(TEST)]
    listed = [
        f"obj{o:02d}\\obj{o:02d}_{k:02d}b.jpg" for o in range(OBJECTS) for k in range(PER_OBJECT)
    ]
    return [listed[k] for k in np.random.default_rng(1).permutation(TRAIN)]


def write_log(path, train, test):
    """Write cell arrays of text as MATLAB 7.3 does: references to 16-bit characters."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as stored:
        count = 0
        for part, paths in (("train_imgs", train), ("test_imgs", test)):
            columns = {"things_path": paths, "class": [one.partition("\\")[0] for one in paths]}
            for key, texts in columns.items():
                cells = stored.create_dataset(
                    f"{part}/{key}", (len(texts), 1), dtype=h5py.ref_dtype
                )
                for row, text in enumerate(texts):
                    codes = np.array([[ord(c)] for c in text], dtype=np.uint16)
                    cells[row, 0] = stored.create_dataset(f"#refs#/{count}", data=codes).ref
                    count += 1


def contents(animal):
    """Arrays of an animal as MATLAB names them, transposed as in the file."""
    rng = np.random.default_rng([7, animal == "monkeyF"])
    shown = np.random.default_rng(0)
    X = [squares(shown, n).reshape(n, -1) / 255 - 0.5 for n in (TRAIN, TEST)]
    weights = rng.standard_normal((X[0].shape[1], N_CHANNELS))
    trials = X[1] @ weights + NOISE * rng.standard_normal((TRIALS, TEST, N_CHANNELS))
    return {
        "train_MUA": X[0] @ weights + NOISE * rng.standard_normal((TRAIN, N_CHANNELS)),
        "test_MUA_reps": trials,
        "reliab": np.tile(np.linspace(0.1, 0.9, N_CHANNELS), (3, 1)),
        "SNR": np.tile(np.arange(N_CHANNELS, dtype=float), (2, 1)),
        "SNR_max": np.ones((1, N_CHANNELS)),
        "oracle": np.ones((1, N_CHANNELS)),
    }


def write(folder):
    """Write the files of both animals and the images, and return the folder."""
    for animal in CHANNELS:
        write_log(folder / animal / "_logs" / "things_imgs.mat", names(), names(test=True))
        with h5py.File(folder / animal / "THINGS_normMUA.mat", "w") as stored:
            for key, values in contents(animal).items():
                stored[key] = values
    shown = np.random.default_rng(0)
    for paths in (names(), names(test=True)):
        for path, colors in zip(paths, squares(shown, len(paths)), strict=True):
            place = folder / "images" / path.replace("\\", "/")
            place.parent.mkdir(parents=True, exist_ok=True)
            blocks = colors.repeat(8, axis=0).repeat(8, axis=1)
            Image.fromarray(blocks).save(place, format="PNG")
    return folder


def declare(**changes):
    """Data set of a manifest with these sizes; each channel above .3 is reliable."""
    reliable = {
        animal: {
            region: sum(np.linspace(0.1, 0.9, N_CHANNELS)[a : b + 1] > 0.3)
            for region, (a, b) in regions.items()
        }
        for animal, regions in CHANNELS.items()
    }
    animals = {
        animal: {"channels": regions, "reliable": {k: int(v) for k, v in reliable[animal].items()}}
        for animal, regions in CHANNELS.items()
    }
    parameters = {
        "training": TRAIN,
        "test": TEST,
        "trials": TRIALS,
        "channels": N_CHANNELS,
        "degrees": 18.0,
        "animals": animals,
        **changes,
    }
    return papale(manifest_of(parameters, name="Papale2025"))
