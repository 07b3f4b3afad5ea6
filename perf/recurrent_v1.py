"""Speed of a training step of recurrent_v1, beside a plain implementation and the floor of its convolutions.

    python perf/recurrent_v1.py [--steps N] [--threads N] [--fit] [--json FILE]

16 channels, one recurrent block, T = 3, 79 neurons, 256 images of 50 x 50. The plain implementation is what
one writes from equations 2: each convolution in each iteration. The floor is the convolutions that a step
needs, forward and backward, and nothing else. All take turns in one process. Printed are medians over steps
of seconds, which want an idle machine, and of processor seconds, which other programs disturb little. With
--fit also a whole fit of such a network with the schedule `quick`, to 1,000 pictures of 50 x 50 of a
simulated V1 of 79 neurons. It ends with 1 where an aim is missed: .3 s a step, 5 minutes a fit.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from brainbench.core.benchmark import Benchmark
from brainbench.scoring.context import DataContext, Run
from brainbench.scoring.regression.explained_variance import ExplainableVariance
from brainbench.simulate.v1 import SimulatedV1
from brainbench.training.fit import fit
from brainbench_models.recurrent_v1.architecture import Architecture
from brainbench_models.recurrent_v1.fitter import FITTER, RecurrentV1Config
from brainbench_models.recurrent_v1.losses import penalties, prediction_loss
from brainbench_models.recurrent_v1.network import RecurrentV1, build, combined

ARCHITECTURE = Architecture(n_neurons=79, side=50, channels=16, iterations=3, mode="2-avg")
BATCH = 256
FLOOR = "floor of convolutions"
AIMS = {"step": 0.3, "fit": 300.0}  # seconds, on two idle cores


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


def quick_fit() -> dict[str, float]:
    """Return seconds and steps of a fit with the schedule `quick`."""
    brain = SimulatedV1(circuit="recurrent", n_images=1000, n_neurons=79, side=50)
    benchmark = Benchmark(
        identifier="SimulatedV1.V1-ccnorm2",
        version=1,
        data=brain,
        region="V1",
        window=(0, 100),
        measure=ExplainableVariance(),
        metric="mean CC_norm^2 over neurons",
        ceiling="CC_max^2",
        citation="simulated",
    )
    context = DataContext(benchmark=benchmark, run=Run())
    config = RecurrentV1Config(schedule="quick", channels=16, iterations=3, mode="2-avg", side=50)
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        done = fit(FITTER, context, config, folder=Path(folder))
        seconds = time.perf_counter() - began
    return {"seconds": seconds, "steps": sum(done.file.figures["steps"])}


def turns(steps: dict[str, Callable[[], None]], n: int) -> dict[str, dict[str, float]]:
    """Let each step take its turn n times, after one that does not count; return median seconds."""
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in steps}
    for _ in range(n + 1):
        for name, step in steps.items():
            processor, wall = time.process_time(), time.perf_counter()
            step()
            taken[name].append((time.process_time() - processor, time.perf_counter() - wall))
    medians = {name: np.median(values[1:], axis=0) for name, values in taken.items()}
    return {
        name: {"processor": float(processor), "wall": float(wall)}
        for name, (processor, wall) in medians.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--fit", action="store_true")
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
        FLOOR: floor(images),
    }
    medians = turns(steps, given.steps)
    for name, one in medians.items():
        ratio = one["wall"] / medians[FLOOR]["wall"]
        print(
            f"{name:24}{one['wall']:8.3f} s a step, {one['processor']:.3f} s of processor, "
            f"{ratio:.2f} x floor"
        )
    report: dict[str, Any] = {"threads": given.threads, "step": medians, "aims": AIMS}
    if given.fit:
        report["fit"] = quick_fit()
        print(f"quick: {report['fit']['steps']} steps, {report['fit']['seconds']:.0f} s")
    if given.json:
        given.json.write_text(json.dumps(report, indent=1))
    missed = medians["recurrent_v1"]["wall"] > AIMS["step"]
    missed |= given.fit and report["fit"]["seconds"] > AIMS["fit"]
    sys.exit(int(missed))


if __name__ == "__main__":
    main()
