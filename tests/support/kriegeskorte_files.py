"""A small study laid out as the published MATLAB files of Kriegeskorte2008."""

import hashlib

import numpy as np
import scipy.io
from manifests import manifest_of
from scipy.spatial.distance import squareform

from brainbench.data.importers.kriegeskorte import FILES, kriegeskorte

N, PIXELS, SUBJECTS, SESSIONS, JUDGES = 5, 6, 3, 2, 4

PAIRS = N * (N - 1) // 2


def objects(entries, shape):
    """A MATLAB array of structs."""
    made = np.empty(len(entries), dtype=object)
    made[:] = entries
    return made.reshape(shape)


def flags_of(k):
    return {"face": int(k < 2), "animal": int(k < 3), "natural": int(k % 2)}


def contents():
    rng = np.random.default_rng(0)

    def rdm(name, *, square=True):
        values = rng.random(PAIRS)
        return {"name": name, "RDM": squareform(values) if square else values, "color": [0, 0, 0]}

    pictures = rng.integers(0, 256, (N, PIXELS, PIXELS, 3), dtype=np.uint8)
    shown = [
        {"category": f"kind {k % 2}", "image": image, "human": 0} | flags_of(k)
        for k, image in enumerate(pictures)
    ]
    fig1 = [rdm("mIT_674neurons", square=False), rdm("hITvisStim_316vx", square=False)]
    scans = [
        rdm(f"hIT | S{s} | Session: {k + 1}") for s in range(SUBJECTS) for k in range(SESSIONS)
    ]
    judged = [rdm(f"simJudge | subject{k + 1}") for k in range(JUDGES)]
    return {
        FILES[0]: {
            "stimuli_92objs": objects(shown, (N,)),
            "RDMs_mIT_hIT_fig1": objects(fig1, (2,)),
        },
        FILES[1]: {"RDMs": objects(scans, (SUBJECTS, SESSIONS))},
        FILES[2]: {"rdms_behav_92": objects(judged, (JUDGES,))},
    }


def write(folder, files):
    folder.mkdir(exist_ok=True)
    for name, entries in files.items():
        scipy.io.savemat(folder / name, entries)
    return folder


def declare(folder, **changes):
    """Data set that declares the files as they are now, as its manifest would."""
    parameters = {
        "repository": "https://example.org/toolbox",
        "commit": "0123456789abcdef",
        "folder": "demos/92imageData",
        "images": N,
        "pixels": PIXELS,
        "subjects": SUBJECTS,
        "sessions": SESSIONS,
        "judges": JUDGES,
        "sha256": {
            name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in FILES
        },
        **changes,
    }
    return kriegeskorte(manifest_of(parameters))
