"""An architecture search on CIFAR-10's test images: 60 trials of the small space, and their figures.

    python perf/search.py [--images cifar10_test_jpg.zip --labels test_labels.npy] [-o DIR] [--trials 60]
        [--figure FILE] [--json FILE]

Of the 8,000 images on which small networks are trained, 4,000 train each trial and 2,000 others decide; the
2,000 that are held out from training are not used. The proxy is two epochs. The study is stored, so that
the same command goes on where it stopped. By default the images are those of ../shared.
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path

import numpy as np
from rich.console import Console

from brainbench.cli.search import draw_search
from brainbench.data.importers import cifar10
from brainbench.storage.files import new_file
from brainbench.training import search_summary
from brainbench.training.recipes import recipe_named
from brainbench.training.search import Search, run_search
from brainbench.training.search_space import load_space
from brainbench.training.study import read_study

SPACE = "convrnn_small_space"
TRAINED, DECIDING, WINDOW, RANDOM = 4_000, 2_000, 20, 20
SECONDS_AT_MOST = 45.0
SHARED = Path(os.environ.get("BRAINBENCH_SHARED", "../shared")) / "data/cifar10_test_and_10h"


def images(path: Path, labels_path: Path, folder: Path) -> Path:
    """Return a file with the images of the search; it is written once."""
    file = folder / f"cifar10_{TRAINED}_{DECIDING}.npz"
    if not file.exists():
        pictures, labels = cifar10.read_images(path), cifar10.read_labels(labels_path)
        rows = np.flatnonzero(~cifar10.held_out(labels))
        rows = np.random.Generator(np.random.PCG64(0)).permutation(rows)
        parts = {"train": rows[:TRAINED], "val": rows[TRAINED : TRAINED + DECIDING]}
        arrays = {f"{part}_images": pictures[chosen] for part, chosen in parts.items()}
        arrays |= {f"{part}_labels": labels[chosen] for part, chosen in parts.items()}
        folder.mkdir(parents=True, exist_ok=True)
        with new_file(file, choose="give -o") as temporary, temporary.open("wb") as stream:
            np.savez(stream, classes=np.array(cifar10.CLASSES), **arrays)  # type: ignore[arg-type]
    return file


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--images", type=Path, default=SHARED / "cifar10_test_jpg.zip")
    parser.add_argument("--labels", type=Path, default=SHARED / "test_labels.npy")
    parser.add_argument("-o", "--output", type=Path, default=Path("searched"))
    parser.add_argument("--trials", type=int, default=60)
    parser.add_argument("--figure", type=Path)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    space, console = load_space(SPACE), Console()
    search = Search(
        space=SPACE,
        data=images(given.images, given.labels, given.output),
        recipe=recipe_named(space.recipe, {}),
        file=given.output / f"{SPACE}.study",
        random=RANDOM,
    )
    for report in run_search(search, given.trials):
        console.print(report)
    study = read_study(search.file)
    facts = search_summary.facts(study)
    gains = search_summary.gains(study.trials, space.switches)
    motif = search_summary.motif_among_best(study.trials, space.motif)
    console.print(facts, gains, motif)
    if given.figure:
        draw_search(study, space, given.figure, WINDOW)
    if given.json:
        report = {
            "facts": facts,
            "seconds_at_most": SECONDS_AT_MOST,
            "gains": gains.reset_index(names="connection").to_dict("records"),
            "best": study.drawn[int(facts["best trial"])].model_args["choices"],
            "motif": motif.astype(str).reset_index(names="choice").to_dict("records"),
        }
        given.json.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
