"""Cost of one image in a ConvRNN, and its ratio to the bare convolutions.

    python perf/convrnn.py [--model convrnn_rgc_intermediate] [--images 4] [--threads 2] [--json]

Three ways are timed in turns on the same images and weights. The minimum of the repeats counts, in seconds of
processor time per image, so that other load on the machine matters little:

- ours: an image for 10 steps, then the blank, 26 steps;
- without sharing: a movie of the same frames, so that every layer is computed for every image and step;
- bare convolutions: only the convolutions of the first way, one after the other, on their recorded inputs. No
  unrolling with the same sharing can be faster.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from brainbench_models.convrnn.initializers import draw_weights
from brainbench_models.convrnn.networks import graph
from brainbench_models.convrnn.same_padding import SameConv2d
from brainbench_models.convrnn.schedule import BLANK, NEURAL
from brainbench_models.convrnn.unroll import ConvRNN


def recorded(net: ConvRNN, images: Tensor) -> list[tuple[SameConv2d, Tensor]]:
    """Record every convolution of one forward pass with its input."""
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
    net = draw_weights(ConvRNN(graph(name)), seed=0).eval()
    images = torch.randn(n, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    images = images.contiguous(memory_format=torch.channels_last)
    with torch.inference_mode():
        on = NEURAL.on or 0
        frames = [images] * on + [torch.full_like(images, BLANK)] * (NEURAL.steps - on)
        movie = torch.stack(frames, 1)
        calls = recorded(net, images)
        ways = {
            "ours": lambda: net(images, NEURAL),
            "without_sharing": lambda: net(movie),
            "bare_convolutions": lambda: bare(calls),
        }
        times: dict[str, list[float]] = {way: [] for way in ways}
        for _ in range(repeats + 1):  # the first is a warm-up
            for way, work in ways.items():
                times[way].append(seconds(work) / n)
    fastest = {way: min(repeated[1:]) for way, repeated in times.items()}
    return {
        "model": name,
        "images": n,
        "threads": threads,
        "steps": NEURAL.steps,
        "cpu_seconds_per_image": {way: round(value, 4) for way, value in fastest.items()},
        "above_bare_convolutions": round(fastest["ours"] / fastest["bare_convolutions"], 3),
        "sharing_saves": round(fastest["without_sharing"] / fastest["ours"], 3),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="convrnn_rgc_intermediate")
    parser.add_argument("--images", type=int, default=4)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    figures = measure(options.model, options.images, options.threads, options.repeats)
    if options.json:
        print(json.dumps(figures, indent=1))
        return
    for way, value in figures["cpu_seconds_per_image"].items():
        print(f"{way.replace('_', ' '):20} {value:8.3f} s of processor time per image")
    print(f"{figures['above_bare_convolutions']} times its bare convolutions")
    print(f"{figures['sharing_saves']} times faster than without sharing")


if __name__ == "__main__":
    main()
