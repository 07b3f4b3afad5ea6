"""Speed of a training step of recurrent_v1, beside a plain implementation and the floor of its convolutions.

    python perf/recurrent_v1.py [--steps N] [--threads N] [--json FILE]

16 channels, one recurrent block, T = 3, 79 neurons, 256 images of 50 x 50. The plain implementation is what
one writes from equations 2: each convolution in each iteration. The floor is the convolutions that a step
needs, forward and backward, and nothing else. All take turns in one process; processor seconds count, so
that other programs on the machine disturb little.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from brainbench_models.recurrent_v1.architecture import Architecture
from brainbench_models.recurrent_v1.losses import penalties, prediction_loss
from brainbench_models.recurrent_v1.network import RecurrentV1, build, combined

ARCHITECTURE = Architecture(n_neurons=79, side=50, channels=16, iterations=3, mode="2-avg")
BATCH = 256


class Plain(RecurrentV1):
    """The same network without anything that is computed once."""

    def tops(self, image: Tensor) -> list[Tensor]:
        """Return the state of each iteration."""
        state: Tensor | None = None
        tops = []
        (block,) = self.upper
        for t in range(self.architecture.iterations):
            first = self.first.norm(self.first.conv(self.norm_image(image)))
            drive = block.bottom_up(functional.relu(first))
            if state is not None:
                drive = drive + block.lateral(state)
            state = functional.relu(block.norms[t](drive))
            tops.append(state)
        return tops

    def outputs(self, image: Tensor) -> Tensor:
        """Return the rates of each iteration."""
        pooled = [
            functional.avg_pool2d(m, 3, stride=3, ceil_mode=True)
            for m in combined(self.tops(image), self.architecture.mode)
        ]
        return torch.stack([functional.relu(self.readout(one)) for one in pooled])


def stepper(net: RecurrentV1, images: Tensor, rates: Tensor) -> Callable[[], None]:
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        loss = prediction_loss(net.outputs(images), rates, "mse")
        (loss + penalties(net, readout_scale=0.01, smoothness=5e-6)).backward()
        optimizer.step()

    return step


def floor(images: Tensor) -> Callable[[], None]:
    """Return the convolutions of a step: 9 x 9, bottom-up, and lateral in iterations 2 and 3.

    They are laid out channels last, which is faster.
    """
    c, layout = ARCHITECTURE.channels, torch.channels_last
    first = nn.Conv2d(1, c, 9, bias=False)
    others = [nn.Conv2d(c, c, 3, padding=1, bias=False).to(memory_format=layout) for _ in range(2)]
    order = [others[0], others[1], others[1]]

    def step() -> None:
        x = first(images).contiguous(memory_format=layout)
        for conv in order:
            x = conv(x)
        x.backward(torch.ones_like(x))

    return step


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(BATCH, 1, 50, 50, generator=generator)
    rates = torch.rand(BATCH, 79, generator=generator)
    plain = Plain(ARCHITECTURE)
    plain.load_state_dict(build(ARCHITECTURE, seed=0).state_dict())  # weights stay channels first
    steps = {
        "recurrent_v1": stepper(build(ARCHITECTURE, seed=0), images, rates),
        "plain": stepper(plain, images, rates),
        "floor of convolutions": floor(images),
    }
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    walls: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(given.steps + 1):
        for name, step in steps.items():
            began, wall = time.process_time(), time.perf_counter()
            step()
            seconds[name].append(time.process_time() - began)
            walls[name].append(time.perf_counter() - wall)
    median = {name: float(np.median(values[1:])) for name, values in seconds.items()}
    for name, value in median.items():
        least = min(walls[name][1:])
        ratio = value / median["floor of convolutions"]
        print(
            f"{name:24}{value:8.3f} s of processor a step {ratio:6.2f} x floor, wall >= {least:.3f} s"
        )
    if given.json:
        given.json.write_text(json.dumps({"seconds": seconds, "threads": given.threads}, indent=1))


if __name__ == "__main__":
    main()
