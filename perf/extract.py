"""Cost of extracting every area and step of CORnet-S beside its bare forward passes.

    python perf/extract.py [--images 128] [--batch-size auto] [--json FILE]

The extraction is everything that a first run does: pictures from memory, preprocessing, hashing of
weights and pictures, hooks, checks, and the files, flushed to disk. The bare passes get ready-made
tensors. Each batch is run both ways in turn, so that a machine that slows down slows both.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import nn

from brainbench.core import progress, stimuli
from brainbench.core.provenance import peak_memory_mb
from brainbench.models.batching import BatchSize, first_size
from brainbench.storage.cache import Cache
from brainbench_models.cornet_s import cornet_s

AIM = 1.1
LAYERS = ("V1.output", "V2.output", "V4.output", "IT.output", "decoder.avgpool")


class Bare(progress.Silent):
    """A reporter that runs each batch of the extraction again without hooks, and times it."""

    def __init__(self, net: nn.Module, images: torch.Tensor) -> None:
        self.net, self.images = net, images
        self.done = 0
        self.seconds = 0.0

    @contextlib.contextmanager
    def task(self, label: str, total: int | None) -> Iterator[progress.Advance]:
        """Follow the batches of the extraction."""
        yield self.advance

    def advance(self, n: int, /, *, seconds_left: float | None = None) -> None:
        """Run the next `n` images and add their time."""
        began = time.perf_counter()
        with torch.inference_mode():
            self.net(self.images[self.done : self.done + n])
        self.seconds += time.perf_counter() - began
        self.done += n


def measure(n_images: int, batch_size: BatchSize) -> dict[str, float]:
    rng = np.random.default_rng(0)
    pictures = rng.integers(0, 256, (n_images, 224, 224, 3), dtype=np.uint8)
    shown = stimuli.from_arrays("noise", pictures, ids=[str(i) for i in range(n_images)])
    size = first_size(batch_size, "cpu")
    model = cornet_s(weights="untrained-0").on(device="cpu", batch_size=size)
    net = cornet_s(weights="untrained-0").network.net.eval()  # type: ignore[attr-defined]
    bare = Bare(net, torch.from_numpy(model.preprocess(list(pictures))))
    bare.advance(size)  # warm up
    bare.done, bare.seconds = 0, 0.0
    with tempfile.TemporaryDirectory() as folder, progress.use(bare):
        began = time.perf_counter()
        replace(model, cache=Cache(Path(folder))).activations(shown, LAYERS)
        extraction = time.perf_counter() - began - bare.seconds
    return {
        "images": n_images,
        "batch_size": size,
        "threads": torch.get_num_threads(),
        "images_per_second": n_images / bare.seconds,
        "bare_seconds": bare.seconds,
        "extraction_seconds": extraction,
        "ratio": extraction / bare.seconds,
        "peak_memory_mb": round(peak_memory_mb()),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=128)
    parser.add_argument("--batch-size", default="auto", type=lambda t: t if t == "auto" else int(t))
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    options = parser.parse_args()
    figures = measure(options.images, options.batch_size)
    for name, value in figures.items():
        print(f"  {name.replace('_', ' '):<20} {value:.4g}")
    print(f"extraction / bare forward passes = {figures['ratio']:.3f} (aim: at most {AIM})")
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
