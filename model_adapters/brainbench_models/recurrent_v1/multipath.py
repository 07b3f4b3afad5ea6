"""The multi-path model of a recurrent model: its paths side by side (Zhang et al. 2020, 4.2, E, G).

Convolutions are shared among paths. Each path has normalizations of its own, also the same path in the
output of another iteration. Paths are summed after their last activation.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from brainbench.core.errors import InputError
from brainbench_models.recurrent_v1.architecture import Architecture
from brainbench_models.recurrent_v1.blocks import (
    ACTIVATE,
    UpperBlock,
    blocks_in,
    initialize,
    norm,
    norms_in,
)
from brainbench_models.recurrent_v1.network import RateModel, RecurrentV1
from brainbench_models.recurrent_v1.paths import (
    Component,
    Convention,
    Keeps,
    Path,
    WeightedPath,
    check_convention,
    conv_strength,
    iteration_weights,
    norm_strength,
    normalized,
    paths,
)


class MultiPathV1(RateModel):
    """A model of separate paths with shared convolutions.

    Parameters
    ----------
    architecture : Architecture
        Of the recurrent model.
    keeps : callable, optional
        Whether paths of a length are kept; an iteration without any is not read out. InputError if none is
        left.
    """

    def __init__(self, architecture: Architecture, keeps: Keeps | None = None) -> None:
        super().__init__(architecture)
        self.kept: dict[int, list[Path]] = {}
        for t in iteration_weights(architecture.iterations, architecture.mode):
            kept = [p for p in paths(architecture.n_upper, t) if keeps is None or keeps(len(p))]
            if kept:
                self.kept[t] = kept
        if not self.kept:
            raise InputError(
                f"a multi-path model without a path: {keeps}",
                allowed=f"an ablation that keeps a path of T = {architecture.iterations}, "
                f"{architecture.n_upper} block(s)",
                todo="remove fewer lengths",
            )
        # Only what stays the same among paths is taken of these blocks: the convolutions.
        self.upper = nn.ModuleList(
            UpperBlock(architecture.channels, architecture.iterations)
            for _ in range(architecture.n_upper)
        )
        for block in blocks_in(self.upper):
            block.norms = nn.ModuleList()
        self.path_norms = nn.ModuleDict(
            {
                str(t): nn.ModuleList(
                    nn.ModuleList(norm(architecture.channels) for _ in path) for path in kept
                )
                for t, kept in self.kept.items()
            }
        )

    def norms_of(self, iteration: int) -> list[list[nn.BatchNorm2d]]:
        """Return the normalizations of each path to the output of an iteration, in the order of `kept`."""
        by_path: Any = self.path_norms[str(iteration)]
        return [norms_in(norms) for norms in by_path]

    def conv_of(self, component: Component) -> nn.Conv2d:
        """Return the convolution of a component, which all paths share."""
        block = blocks_in(self.upper)[component.block]
        conv = block.lateral if component.kind == "lateral" else block.bottom_up
        assert conv is not None  # noqa: S101  # only recurrent blocks have lateral components
        return conv

    def tops(self, image: Tensor) -> list[Tensor]:
        """Return the sum of the paths of each iteration that is read out."""
        first = self.first(image, self.norm_image)
        drive = blocks_in(self.upper)[0].bottom_up(first)  # where every path begins
        return [
            torch.stack(
                [
                    self._response(drive, path, norms)
                    for path, norms in zip(kept, self.norms_of(t), strict=True)
                ]
            ).sum(dim=0)
            for t, kept in self.kept.items()
        ]

    def _response(self, drive: Tensor, path: Path, norms: list[nn.BatchNorm2d]) -> Tensor:
        activate = ACTIVATE[self.architecture.activation]
        response = activate(norms[0](drive))
        for component, own in zip(path[1:], norms[1:], strict=True):
            response = activate(own(self.conv_of(component)(response)))
        return response

    def weighted_paths(self, convention: Convention = "paper") -> list[WeightedPath]:
        """Return the paths with the normalized strengths of their own normalizations; see `paths`."""
        check_convention(convention)
        weights = iteration_weights(len(self.kept), self.architecture.mode)
        listed = []
        for place, (t, kept) in enumerate(self.kept.items(), start=1):
            for path, norms in zip(kept, self.norms_of(t), strict=True):
                strength = weights[place]
                for component, own in zip(path, norms, strict=True):
                    strength *= conv_strength(self.conv_of(component))
                    strength *= norm_strength(own, convention)
                listed.append((t, path, strength))
        return normalized(listed)


def build_multipath(
    architecture: Architecture, *, seed: int, keeps: Keeps | None = None
) -> MultiPathV1:
    """Build a multi-path model with initial weights from a seed, to be fitted from scratch."""
    with torch.random.fork_rng(devices=[]):
        net = MultiPathV1(architecture, keeps)
    initialize(net, torch.Generator().manual_seed(seed))
    return net


def multipath_of(net: RecurrentV1) -> MultiPathV1:
    """Return the multi-path model with the weights and normalizations of a recurrent model.

    Each normalization on a path is that of its block and iteration. Where all is linear, normalizations are
    in evaluation with shifts and running means of 0, and there are no biases, the two give the same.
    """
    other = build_multipath(net.architecture, seed=0)
    other.load_state_dict(
        {key: value for key, value in net.state_dict().items() if ".norms." not in key},
        strict=False,
    )
    blocks = blocks_in(net.upper)
    for t, kept in other.kept.items():
        for path, norms in zip(kept, other.norms_of(t), strict=True):
            for component, own in zip(path, norms, strict=True):
                source = blocks[component.block].norms[component.iteration - 1]
                own.load_state_dict(source.state_dict())
    other.train(net.training)
    return other
