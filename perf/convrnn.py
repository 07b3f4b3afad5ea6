"""What one image costs a ConvRNN, and how far that is above its bare convolutions.

    python perf/convrnn.py [--model convrnn_rgc_intermediate] [--images 4] [--threads 2] [--json]

Three ways are timed on the same images and weights, in turns; the least of the repeats counts, in seconds of
processor time per image, so that a busy machine tells the same:

- ours: an image for 10 steps, then blank, 26 steps;
- without sharing: a movie of different tensors, so that every layer is computed for every image and step;
- bare convolutions: the very convolutions that ours makes, on its own inputs, one after the other, no more.
  No unrolling that shares no more can be below that.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from brainbench_models.convrnn.initializers import seeded
from brainbench_models.convrnn.networks import graph
from brainbench_models.convrnn.same_padding import SameConv2d
from brainbench_models.convrnn.schedule import BLANK, NEURAL
from brainbench_models.convrnn.unroll import ConvRNN


def recorded(net: ConvRNN, images: Tensor) -> list[tuple[SameConv2d, Tensor]]:
    """Every convolution of one forward pass with its input."""
    calls: list[tuple[SameConv2d, Tensor]] = []

    def keep(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        assert isinstance(module, SameConv2d)
        calls.append((module, inputs[0]))

    hooks = [m.register_forward_hook(keep) for m in net.modules() if isinstance(m, SameConv2d)]
    net(images, NEURAL)
    for hook in hooks:
        hook.remove()
    return calls


def bare(calls: list[tuple[SameConv2d, Tensor]]) -> None:
    for convolution, x in calls:
        convolution(x)


def seconds(work: Callable[[], Any]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


def measure(name: str, n: int, threads: int, repeats: int) -> dict[str, Any]:
    torch.set_num_threads(threads)
    net = seeded(ConvRNN(graph(name)), seed=0).eval()
    images = torch.randn(n, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    images = images.contiguous(memory_format=torch.channels_last)
    with torch.inference_mode():
        blanks = [torch.full_like(images, BLANK) for _ in range(NEURAL.steps - (NEURAL.on or 0))]
        frames = [images.clone() for _ in range(NEURAL.on or 0)] + blanks
        calls = recorded(net, images)
        ways = {
            "ours": lambda: net(images, NEURAL),
            "without_sharing": lambda: net._run(frames),
            "bare_convolutions": lambda: bare(calls),
        }
        took: dict[str, list[float]] = {way: [] for way in ways}
        for _ in range(repeats + 1):  # the first is for warming up
            for way, work in ways.items():
                took[way].append(seconds(work) / n)
    least = {way: min(times[1:]) for way, times in took.items()}
    return {
        "model": name,
        "images": n,
        "threads": threads,
        "steps": NEURAL.steps,
        "cpu_seconds_per_image": {way: round(value, 4) for way, value in least.items()},
        "above_bare_convolutions": round(least["ours"] / least["bare_convolutions"], 3),
        "sharing_saves": round(least["without_sharing"] / least["ours"], 3),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="convrnn_rgc_intermediate")
    parser.add_argument("--images", type=int, default=4)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args()
    found = measure(chosen.model, chosen.images, chosen.threads, chosen.repeats)
    if chosen.json:
        print(json.dumps(found, indent=1))
        return
    for way, value in found["cpu_seconds_per_image"].items():
        print(f"{way.replace('_', ' '):20} {value:8.3f} s of processor time per image")
    print(f"{found['above_bare_convolutions']} times its bare convolutions")
    print(f"{found['sharing_saves']} times faster than without sharing")


if __name__ == "__main__":
    main()
