"""Feed-forward and recurrent models of mean rates in V1 (Zhang et al. 2020, appendix B).

Where the released code says more than the paper the code is followed: within an iteration a block reads what
the block below gives in the same iteration.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from brainbench_models.recurrent_v1.architecture import POOL, Architecture, Mode
from brainbench_models.recurrent_v1.blocks import (
    ACTIVATE,
    FactorizedReadout,
    FirstBlock,
    UpperBlock,
    blocks_in,
    initialize,
    norm,
)


class RateModel(nn.Module):
    """The parts that recurrent and multi-path models share: first block, read-out, modes.

    A subclass gives `tops`: what the highest block gives in each iteration that is read out.
    """

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.architecture = architecture
        self.norm_image = norm(1)
        self.first = FirstBlock(architecture)
        self.top = (
            nn.Identity()
        )  # what is read out, averaged over iterations: a layer for other maps
        self.readout = FactorizedReadout(architecture)
        self.predicted = nn.Identity()  # the predicted rates: a layer

    def tops(self, image: Tensor) -> list[Tensor]:
        """Return the highest block's output of each iteration, (image, channel, y, x)."""
        raise NotImplementedError

    def outputs(self, image: Tensor) -> Tensor:
        """Return predicted rates of each output that the loss averages over, (output, image, neuron).

        One output under no-avg and early-avg, one for each iteration under late-avg and 2-avg.
        """
        return self._read(self.tops(image))

    def forward(self, image: Tensor) -> Tensor:
        """Return the predicted rates, (image, neuron), of gray images (image, 1, side, side)."""
        tops = self.tops(image)
        maps = combined(tops, self.architecture.mode)
        self.top(maps[0] if len(maps) == 1 else torch.stack(maps).mean(dim=0))
        rates: Tensor = self.predicted(self._read(tops).mean(dim=0))
        return rates

    def _read(self, tops: Sequence[Tensor]) -> Tensor:
        """Return what is read of each output. Maps are pooled first, since averages are linear too."""
        read = tops[-1:] if self.architecture.mode == "no-avg" else tops
        pooled = [functional.avg_pool2d(m, POOL, stride=POOL, ceil_mode=True) for m in read]
        for one in pooled:
            if one.requires_grad:  # its gradient is laid out as the map is, which is faster
                one.register_hook(channels_last)  # type: ignore[no-untyped-call]
        maps = combined(pooled, self.architecture.mode)
        rates = ACTIVATE[self.architecture.activation](self.readout(torch.cat(maps)))
        return rates.view(len(maps), -1, rates.shape[1])


def channels_last(maps: Tensor) -> Tensor:
    """Return maps laid out channels last."""
    return maps.contiguous(memory_format=torch.channels_last)


def combined(tops: Sequence[Tensor], mode: Mode) -> list[Tensor]:
    """Return what is read out of the outputs of all iterations (eqs. 2a to 2e)."""
    if mode == "no-avg":
        return [tops[-1]]
    if mode == "late-avg":
        return list(tops)
    sums = [tops[0]]
    for top in tops[1:]:
        sums.append(sums[-1] + top)
    if mode == "early-avg":
        return [sums[-1] / len(tops)]
    return [total / (k + 1) for k, total in enumerate(sums)]


class RecurrentV1(RateModel):
    """A recurrent model; with one iteration the feed-forward model.

    The input is gray, (image, 1, side, side); it is normalized by the first batch normalization.
    """

    def __init__(self, architecture: Architecture) -> None:
        super().__init__(architecture)
        self.upper = nn.ModuleList(
            UpperBlock(architecture.channels, architecture.iterations)
            for _ in range(architecture.n_upper)
        )

    def tops(self, image: Tensor) -> list[Tensor]:
        """Return the highest block's output of each iteration."""
        activate = ACTIVATE[self.architecture.activation]
        blocks = blocks_in(self.upper)
        below = self.first(image, self.norm_image)
        # The image stays, so that the drive of the lowest of these blocks is computed once.
        drives: list[Tensor] = [blocks[0].bottom_up(below)]
        states: list[Tensor] = []
        tops = []
        for t in range(self.architecture.iterations):
            before, states = states, []
            for k, block in enumerate(blocks):
                drive = block.bottom_up(states[-1]) if k else drives[0]
                if t and block.lateral is not None:
                    drive = block.lateral(before[k]).add_(drive)
                states.append(activate(block.norms[t](drive)))
            tops.append(states[-1])
        return tops


def build(architecture: Architecture, *, seed: int) -> RecurrentV1:
    """Build a model with initial weights from a seed; the random state of torch stays as it is."""
    with torch.random.fork_rng(devices=[]):
        net = RecurrentV1(architecture)
    initialize(net, torch.Generator().manual_seed(seed))
    return net
