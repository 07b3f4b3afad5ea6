"""Train the small networks on CIFAR-10's test images: 8,000 to train, 2,000 held out.

    python perf/small_networks.py --images cifar10_test_jpg.zip --labels test_labels.npy -o small [--seeds 5]
        [--pack FOLDER] [--dry-run]

The images are those of `brainbench show CIFAR10`; the split is `brainbench.data.importers.cifar10.held_out`.
Each network is trained by the recipe `cifar`, 7 steps where it is recurrent, and stored at once; the same
command goes on where it stopped. `--dry-run` says what each would cost. `--pack` then writes each
in half precision, as MODEL@cifar10-0.safetensors, with the accuracy of the rounded weights. With few images
they are weak classifiers: what they are for is the comparison of recurrent networks with their controls.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import torch
from rich.console import Console

from brainbench import load_model
from brainbench.data.importers import cifar10
from brainbench.storage.files import new_file
from brainbench.training.classification import Classifier
from brainbench.training.evaluate import evaluate
from brainbench.training.image_data import ImageData, open_image_data
from brainbench.training.recipes import recipe_named
from brainbench.training.train import Job, cost_of, train_network
from brainbench.training.trained_files import read_record, write_trained

NETWORKS = (
    "convrnn_small",
    "convrnn_small_nofeedback",
    "ff_small_parameters",
    "ff_small_operations",
    "cornet_rt_small",
)
ONE_SEED = ("cornet_rt_small",)
"""Networks that are not trained from several seeds."""


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
        for name in NETWORKS:
            if seed == 0 or name not in ONE_SEED:
                yield Job(
                    model=load_model(name, weights=f"untrained-{seed}"),
                    name=name,
                    model_args={},
                    data=data,
                    recipe=recipe_named("cifar", {"seed": seed, "epochs": epochs}),
                )


def pack(trained: Path, folder: Path, data: ImageData) -> Path:
    """Write a trained network in half precision, with the accuracy that is left on the held-out images."""
    record = read_record(trained)
    model = load_model(record.model, weights=str(trained))
    net = model.network.net
    with torch.no_grad():
        for tensor in net.parameters():
            tensor.copy_(tensor.half())
    found = evaluate(Classifier.of(model, torch.device("cpu")), data)
    figures = {**record.figures, **found.config()}
    name = f"cifar10-{record.recipe['seed']}"
    path = folder / f"{record.model}@{name}.safetensors"
    folder.mkdir(parents=True, exist_ok=True)
    state = {
        key: tensor.half() if tensor.is_floating_point() else tensor
        for key, tensor in net.state_dict().items()
    }
    write_trained(path, replace(record, model_args={}, figures=figures, name=name), state)
    return path


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
    parser.add_argument("--pack", type=Path, metavar="FOLDER")
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
        if given.pack:
            console.print(pack(done.path, given.pack, data))


if __name__ == "__main__":
    main()
