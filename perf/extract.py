"""What reading every area and step of CORnet-S costs beside its bare forward passes.

    python perf/extract.py [--images 128] [--rounds 2] [--batch-size auto] [--json FILE]

Both are timed in turn, in one process, over the same pictures at the same batch size. The extraction
is everything that a first run does: pictures from memory, preprocessing, hashing of weights and
pictures, hooks, checks, and the files, flushed to disk. The bare passes get ready-made tensors.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from brainbench_models.cornet import CORnetS, cornet_s, untrained

from brainbench import stimuli
from brainbench.cache import Cache
from brainbench.extract.stream import BatchSize, first_size
from brainbench.extract.wrap import WrappedModel
from brainbench.provenance import peak_memory_mb

AIM = 1.1
LAYERS = ("V1.output", "V2.output", "V4.output", "IT.output", "decoder.avgpool")


def bare_seconds(net: CORnetS, images: torch.Tensor, size: int) -> float:
    began = time.perf_counter()
    with torch.inference_mode():
        for batch in torch.split(images, size):
            net(batch)
    return time.perf_counter() - began


def extraction_seconds(model: WrappedModel, pictures: np.ndarray) -> float:
    ids = [f"noise-{index}" for index in range(len(pictures))]
    shown = stimuli.from_arrays("noise", pictures, ids=ids)
    with tempfile.TemporaryDirectory() as folder:
        fresh = replace(model, cache=Cache(Path(folder)))
        began = time.perf_counter()
        fresh.activations(shown, LAYERS)
        return time.perf_counter() - began


def measure(n_images: int, rounds: int, batch_size: BatchSize) -> dict[str, float]:
    rng = np.random.default_rng(0)
    pictures = rng.integers(0, 256, (n_images, 224, 224, 3), dtype=np.uint8)
    size = first_size(batch_size, "cpu")
    model = cornet_s().on(device="cpu", batch_size=size)
    net = untrained(seed=0).eval()
    images = torch.from_numpy(model.preprocess(list(pictures)))
    bare_seconds(net, images[:size], size)  # warm up
    bare, full = [], []
    for _ in range(rounds):
        bare.append(bare_seconds(net, images, size))
        full.append(extraction_seconds(model, pictures))
    return {
        "batch_size": size,
        "images_per_second": n_images * rounds / sum(bare),
        "bare_seconds": sum(bare) / rounds,
        "extraction_seconds": sum(full) / rounds,
        "ratio": sum(full) / sum(bare),
        "best_ratio": min(full) / min(bare),
        "peak_memory_mb": peak_memory_mb(),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--batch-size", default="auto", type=lambda t: t if t == "auto" else int(t))
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    chosen = parser.parse_args()
    found = measure(chosen.images, chosen.rounds, chosen.batch_size)
    print(
        f"CORnet-S, {chosen.images} images, {torch.get_num_threads()} threads, {chosen.rounds} rounds"
    )
    for name, value in found.items():
        print(
            f"  {name:<20} {value:.3g}" if name != "peak_memory_mb" else f"  {name:<20} {value:.0f}"
        )
    if chosen.json:
        chosen.json.write_text(json.dumps(found, indent=1))
    print(f"extraction / bare forward passes = {found['ratio']:.3f} (aim: at most {AIM})")


if __name__ == "__main__":
    main()
