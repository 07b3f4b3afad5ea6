"""Renew the goldens: python tests/golden/renew.py [--arrays]. Look at `git diff` before committing them."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path

import numpy as np

FOLDER = Path(__file__).parent
sys.path[:0] = [str(FOLDER), str(FOLDER.parent / "support")]


def main() -> None:
    from cases import Goldens, make_arrays

    path = FOLDER / "arrays.npz"
    if "--arrays" in sys.argv or not path.is_file():
        np.savez_compressed(path, **make_arrays())
    with np.load(path) as stored:
        goldens = Goldens({key: stored[key] for key in stored.files})
    text = json.dumps(dict(goldens.scores()), indent=1)
    (FOLDER / "goldens.json").write_text(text + "\n")
    with (
        tempfile.TemporaryDirectory() as cache
    ):  # nothing of an earlier version is taken from there
        os.environ["BRAINBENCH_CACHE"] = cache
        from versioned import CASES, FAST, SLOW, cases

        text = json.dumps(dict(cases([*CASES, *FAST, *SLOW])), indent=1)
    (FOLDER / "versions.json").write_text(text + "\n")


if __name__ == "__main__":
    main()
