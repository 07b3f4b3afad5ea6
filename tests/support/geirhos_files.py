"""A small study laid out as the published and the packed files of Geirhos2019."""

import hashlib
import io
import zipfile

import numpy as np
import pandas as pd
from manifests import manifest_of
from PIL import Image

from brainbench.data.importers.geirhos import digest_of, geirhos

PIXELS = 8

IMAGES = ["bear1-clock2", "bear2-bear1", "clock1-bear3", "clock10-clock1"]

SUBJECTS = ["subject-01", "subject-02"]


def picture(seed, *, size=(PIXELS, PIXELS), format="PNG", mode="RGB"):
    values = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    stream = io.BytesIO()
    Image.fromarray(values).convert(mode).save(stream, format)
    return stream.getvalue()


def answers_of(subject):
    rows = [
        {
            "subj": subject,
            "session": 1,
            "trial": k + 1,
            "rt": 0.5,
            "object_response": "na" if (k, subject) == (0, "subject-02") else "bear",
            "category": "bear" if name.startswith("bear") else "clock",
            "condition": 0,
            "imagename": f"000{k}_s5n_s01_0_x_00_{name}.png",
        }
        for k, name in enumerate(IMAGES)
    ]
    return pd.DataFrame(rows)


def declare(packed=None, **changes):
    whole = pd.concat([answers_of(one) for one in SUBJECTS], ignore_index=True)
    table = pd.DataFrame(
        {
            "subject": whole["subj"],
            "stimulus_id": whole["imagename"].str.rsplit("_", n=1).str[-1].str[:-4],
            "choice": whole["object_response"].replace("na", ""),
        }
    )
    files = sorted(packed.iterdir()) if packed else []
    parameters = {
        "repository": "https://example.org/images",
        "commit": "0123456789abcdef",
        "folder": "stimuli/style-transfer-preprocessed-512",
        "trials_repository": "https://example.org/answers",
        "trials_commit": "fedcba9876543210",
        "trials_folder": "raw-data/cue-conflict",
        "pixels": PIXELS,
        "images": len(IMAGES),
        "subjects": len(SUBJECTS),
        "answers": digest_of(table),
        "packed": {one.name: hashlib.sha256(one.read_bytes()).hexdigest() for one in files}
        or {"images.zip": "0", "all.csv": "0"},
        **changes,
    }
    return geirhos(manifest_of(parameters))


def write_published(root):
    """Write copies of the two folders, the way two clones in one folder have them."""
    pictures = root / "texture-vs-shape/stimuli/style-transfer-preprocessed-512"
    answers = root / "model-vs-human/raw-data/cue-conflict"
    answers.mkdir(parents=True)
    for k, name in enumerate(IMAGES):
        folder = pictures / ("bear" if name.startswith("bear") else "clock")
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{name}.png").write_bytes(picture(k))
    for subject in SUBJECTS:
        answers_of(subject).to_csv(answers / f"cue-conflict_{subject}_session-1.csv", index=False)
    (answers / "cue-conflict_resnet50_session-1.csv").write_text("a network, not a subject\n")
    return root


def write_packed(root):
    """Write the images as JPEG in a zip, and all answers in one CSV."""
    root.mkdir()
    with zipfile.ZipFile(root / "images.zip", "w") as archive:
        for k, name in enumerate(IMAGES):
            archive.writestr(f"some/{name}.jpg", picture(k, format="JPEG"))
    pd.concat([answers_of(one) for one in SUBJECTS]).to_csv(root / "all.csv", index=False)
    return root
