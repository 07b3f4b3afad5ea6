"""Train the small networks on CIFAR-10's test images: 8,000 to train, 2,000 held out.

    python perf/small_networks.py --images cifar10_test_jpg.zip --labels test_labels.npy -o small [--seeds 5]

The images are those of `brainbench show CIFAR10`; the split is `brainbench.data.importers.cifar10.held_out`.
Each network is trained by the recipe `cifar`, 7 steps where it is recurrent, and stored at once; the same
command goes on where it stopped. `--dry-run` says what each would cost. With few images they are weak
classifiers: what they are for is the comparison of recurrent networks with their controls.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from brainbench import load_model
from brainbench.data.importers import cifar10
from brainbench.storage.files import new_file
from brainbench.training.image_data import ImageData, open_image_data
from brainbench.training.recipes import recipe_named
from brainbench.training.train import Job, cost_of, train_network

STEPS = 7
NETWORKS: dict[str, dict[str, Any]] = {
    "convrnn_small": {"steps": STEPS},
    "convrnn_small_nofeedback": {"steps": STEPS},
    "ff_small_parameters": {"steps": STEPS},
    "ff_small_operations": {"steps": STEPS},
    "cornet_rt_small": {},
}
"""Networks and their options; all but the last are trained from several seeds."""
ONE_SEED = ("cornet_rt_small",)


def images(path: Path, labels_path: Path, folder: Path) -> ImageData:
    """Return the images, split; they are written once to a file in the folder."""
    file = folder / "cifar10_8000_2000.npz"
    if not file.exists():
        folder.mkdir(parents=True, exist_ok=True)
        pictures, labels = cifar10.read_images(path), cifar10.read_labels(labels_path)
        out = cifar10.held_out(labels)
        parts = {"train": ~out, "val": out}
        arrays = {f"{part}_images": pictures[rows] for part, rows in parts.items()}
        arrays |= {f"{part}_labels": labels[rows] for part, rows in parts.items()}
        with new_file(file, choose="give -o") as temporary, temporary.open("wb") as stream:
            np.savez(stream, classes=np.array(cifar10.CLASSES), **arrays)  # type: ignore[arg-type]
    return open_image_data(file)


def jobs(data: ImageData, seeds: int, epochs: int) -> Iterator[Job]:
    """Yield the trainings: the first seed of every network before the second."""
    for seed in range(seeds):
        for name, options in NETWORKS.items():
            if seed == 0 or name not in ONE_SEED:
                yield Job(
                    model=load_model(name, weights=f"untrained-{seed}", **options),
                    name=name,
                    model_args=options,
                    data=data,
                    recipe=recipe_named("cifar", {"seed": seed, "epochs": epochs}),
                )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--images", type=Path, required=True)
    parser.add_argument("--labels", type=Path, required=True)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--dry-run", action="store_true")
    given = parser.parse_args()
    console = Console()
    data = images(given.images, given.labels, given.output)
    for job in jobs(data, given.seeds, given.epochs):
        if given.dry_run:
            console.print(job.model.name, job.recipe.seed, asdict(cost_of(job)))
            continue
        done = train_network(job, folder=given.output)
        top1 = done.record.figures["top1"]
        console.print(
            f"{done.path.name}: top-1 {top1['value']:.4f} ({top1['low']:.4f} to {top1['high']:.4f}), "
            f"{done.record.figures['seconds']:.0f} s"
        )


if __name__ == "__main__":
    main()
