"""CORnet-S: four areas named after the ventral stream, recurrent within V2, V4 and IT.

Written from the paper (Kubilius et al. 2019, section 2 and figure 1) and from the shapes and names of the
released weights, which the network follows where the two disagree. `forward` changes no module, so that
several threads may share a network: the stride, which differs between steps, is an argument of the call.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d

from brainbench.core.errors import unknown
from brainbench.core.timeline import Timeline
from brainbench.models.wrap import WrappedModel
from brainbench_models import _cornet_family as cornets
from brainbench_models._options import check_option, is_whole_number
from brainbench_models._weights import build_weighted

STEPS: Final = {"V1": 1, "V2": 2, "V4": 4, "IT": 2}  # how often each area runs in one forward pass

_BOTTLENECK: Final = 4  # each recurrent area widens its channels fourfold inside


class InPlaceNorm(nn.BatchNorm2d):
    """Batch normalization that overwrites its input in evaluation, to avoid a copy of the largest maps.

    It may only follow a convolution, whose output nothing else reads.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Normalize `x`, (batch, channel, y, x); in place if no gradients are recorded."""
        mean, var = self.running_mean, self.running_var
        if self.training or torch.is_grad_enabled() or mean is None or var is None:
            return super().forward(x)
        scale = self.weight * torch.rsqrt(var + self.eps)
        shift = self.bias - mean * scale
        column = (1, -1, 1, 1)
        return torch.addcmul(shift.view(column), x, scale.view(column), out=x)


class FeedforwardArea(nn.Module):
    """V1: two convolutions and pooling, without recurrence."""

    def __init__(self, channels_in: int, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels_in, channels, 7, stride=2, padding=3, bias=False)
        self.norm1 = InPlaceNorm(channels)
        self.nonlin1 = nn.ReLU(inplace=True)
        self.pool = nn.MaxPool2d(3, stride=2, padding=1)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.norm2 = InPlaceNorm(channels)
        self.nonlin2 = nn.ReLU(inplace=True)
        self.output = nn.Identity()

    def forward(self, image: Tensor) -> Tensor:
        """Map (batch, 3, 224, 224) to (batch, 64, 56, 56)."""
        x = self.pool(self.nonlin1(self.norm1(self.conv1(image))))
        out: Tensor = self.output(self.nonlin2(self.norm2(self.conv2(x))))
        return out


class StridedConv2d(nn.Conv2d):
    """A convolution that takes its stride as an argument of the call."""

    def forward(self, x: Tensor, stride: int = 1) -> Tensor:
        """Convolve `x` with a stride."""
        return conv2d(x, self.weight, self.bias, stride, self.padding, self.dilation, self.groups)


class RecurrentArea(nn.Module):
    """V2, V4 or IT: a bottleneck whose convolutions are shared by all steps.

    The first step halves the map; each step has its own normalization. Step t > 0 adds its result
    to the output of step t - 1.
    """

    def __init__(self, channels_in: int, channels: int, steps: int) -> None:
        super().__init__()
        wide = channels * _BOTTLENECK
        self.steps = steps
        self.conv_input = nn.Conv2d(channels_in, channels, 1, bias=False)
        self.skip = nn.Conv2d(channels, channels, 1, stride=2, bias=False)
        self.norm_skip = InPlaceNorm(channels)
        self.conv1 = nn.Conv2d(channels, wide, 1, bias=False)
        self.nonlin1 = nn.ReLU(inplace=True)
        self.conv2 = StridedConv2d(wide, wide, 3, padding=1, bias=False)
        self.nonlin2 = nn.ReLU(inplace=True)
        self.conv3 = nn.Conv2d(wide, channels, 1, bias=False)
        self.nonlin3 = nn.ReLU(inplace=True)
        self.output = nn.Identity()
        for t in range(steps):
            self.add_module(f"norm1_{t}", InPlaceNorm(wide))
            self.add_module(f"norm2_{t}", InPlaceNorm(wide))
            self.add_module(f"norm3_{t}", InPlaceNorm(channels))

    def forward(self, feedforward: Tensor) -> Tensor:
        """Run every step and return the last output, (batch, channels, y / 2, x / 2)."""
        x: Tensor = self.conv_input(feedforward)
        for t in range(self.steps):
            x = self._step(x, t)
        return x

    def _step(self, x: Tensor, t: int) -> Tensor:
        norm1, norm2, norm3 = (self.get_submodule(f"norm{i}_{t}") for i in (1, 2, 3))
        skip = self.norm_skip(self.skip(x)) if t == 0 else x
        y = self.nonlin1(norm1(self.conv1(x)))
        y = self.nonlin2(norm2(self.conv2(y, stride=2 if t == 0 else 1)))
        y = norm3(self.conv3(y))
        y += skip
        out: Tensor = self.output(self.nonlin3(y))
        return out


class CORnetS(nn.Module):
    """The network of Kubilius et al. (2019), by default with its widths and 53,416,616 parameters.

    `V1.output`, `V2.output`, `V4.output` and `IT.output` are called once per step, so a forward hook there
    sees every step; `decoder.avgpool` sees the last step of IT.
    """

    def __init__(self, channels: Sequence[int] = tuple(cornets.WIDTHS.values())) -> None:
        super().__init__()
        v1, v2, v4, it = channels
        self.V1 = FeedforwardArea(3, v1)
        self.V2 = RecurrentArea(v1, v2, STEPS["V2"])
        self.V4 = RecurrentArea(v2, v4, STEPS["V4"])
        self.IT = RecurrentArea(v4, it, STEPS["IT"])
        self.decoder = cornets.decoder(it)
        cornets.order_channels_last(self)

    def forward(self, image: Tensor) -> Tensor:
        """Map images, (batch, 3, 224, 224), ImageNet-normalized, to logits, (batch, 1000)."""
        x = image.contiguous(memory_format=torch.channels_last)
        logits: Tensor = self.decoder(self.IT(self.V4(self.V2(self.V1(x)))))
        return logits

    def logits_and_steps(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Return the logits, (batch, class), and those of every step of IT, (batch, step, class)."""
        return cornets.logits_and_steps(self, image)


CLOCKS: Final = (
    Timeline(
        name="paper",
        source="IT: Kubilius et al. 2019, 3.3 and 4.4; other areas: starts as in Brain-Score, "
        "reaching back to 0 and on to the next start (ours)",
        steps={
            "V1": [(0, math.inf)],
            "V2": [(0, 170), (170, math.inf)],
            "V4": [(0, 140), (140, 190), (190, 240), (240, math.inf)],
            "IT": [(0, 150), (150, math.inf)],
        },
        nominal=True,
    ),
    Timeline(
        name="brainscore",
        source="Brain-Score 2.4.2, committed times of CORnet-S",
        steps={
            "V1": [(50, 150)],
            "V2": [(70, 170), (170, 270)],
            "V4": [(90, 140), (140, 190), (190, 240), (240, 290)],
            "IT": [(100, 200), (200, 300)],
        },
        rule="nearest",
    ),
)
"""When each step happens, in ms; the first clock is the default."""

RELEASED: Final = cornets.released_weights("cornet_s", "1d3f7974")
ABOUT: Final = cornets.about(
    RELEASED,
    citation="Kubilius et al. 2019, Brain-like object recognition with high-performing shallow recurrent "
    "ANNs, NeurIPS 32",
    depth=15,  # as in the paper, section 2 and figure 3
)


def cornet_s(
    *, weights: str = "auto", steps: Mapping[str, int] | None = None, image_size: int = 224
) -> WrappedModel:
    """Make CORnet-S with both of its clocks.

    `weights` are "imagenet", the authors', from the cache or downloaded; "untrained-N", drawn from seed N
    ("untrained" is "untrained-0"); "auto", "imagenet" if available (the download is tried once in a
    process), else "untrained-0", and the user is told; or the path of a .safetensors or .pth file. They
    are part of the name, a file by the first twelve digits of its SHA-256: cornet_s@imagenet,
    cornet_s@file-DIGITS. `steps` may be fewer than `STEPS` for an area, as in {"V4": 2}; more do not
    exist, since each has weights of its own. `image_size` is the side in pixels that pictures are resized
    to. Other steps or sizes than the default are part of the name.

    InputError for unknown weights; a file that is absent, damaged, not safe to read, or of another
    network; steps or a size that are not allowed. UnknownNameError for another area. DownloadError or
    CacheError if "imagenet" is not in the cache, and cannot be downloaded or written to it.
    """
    steps_of = _check_steps({} if steps is None else steps)
    preprocess = cornets.preprocessing(image_size, model="cornet_s")
    weighted = build_weighted(weights, build=CORnetS, released=RELEASED)
    for area in ("V2", "V4", "IT"):
        getattr(weighted.net, area).steps = steps_of[area]
    fewer = "".join(f"-{area}x{k}" for area, k in steps_of.items() if k != STEPS[area])
    return cornets.cornet_model(
        f"cornet_s{fewer}",
        weighted,
        preprocess=preprocess,
        timeline=[_shortened(clock, steps_of) for clock in CLOCKS],
        version="cornet_s-1",
        about=ABOUT,
    )


def _check_steps(steps: Any) -> dict[str, int]:
    if not isinstance(steps, Mapping):
        allowed = "a mapping from areas to numbers of steps, as in steps={'V4': 2}"
        check_option("steps", steps, "cornet_s", valid=False, allowed=allowed)
    for area, k in steps.items():
        if area not in STEPS:
            todo = "name one of its areas in steps="
            raise unknown("area of cornet_s:", str(area), list(STEPS), todo=todo)
        allowed = f"a whole number from 1 to {STEPS[area]}: each step has weights of its own"
        valid = is_whole_number(k) and k <= STEPS[area]
        check_option(f"steps[{area!r}]", k, "cornet_s", valid=valid, allowed=allowed)
    return {**STEPS, **steps}


def _shortened(clock: Timeline, steps: Mapping[str, int]) -> Timeline:
    """Return a clock for fewer steps; under a nominal clock the last one has no end."""
    if steps == STEPS:
        return clock
    spans = {area: list(every[: steps[area]]) for area, every in clock.steps.items()}
    if clock.nominal:
        for kept in spans.values():
            kept[-1] = (kept[-1][0], math.inf)
    return replace(clock, steps=spans)
