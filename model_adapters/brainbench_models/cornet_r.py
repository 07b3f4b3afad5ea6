"""CORnet-R and CORnet-RT: the four areas with recurrence within each, unrolled over steps.

Written from the shapes and names of the released weights (Kubilius et al. 2018, bioRxiv 408385). Both have
the same weights by name and differ in what an area reads: in R the area before at the same step, in RT
("biological time") at the step before, so that the image travels one area a step.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import Final

import torch
from torch import Tensor, nn

from brainbench.core import progress
from brainbench.core.errors import InputError
from brainbench.core.timeline import Timeline
from brainbench.models.wrap import WrappedModel, wrap
from brainbench_models._options import whole
from brainbench_models._released_weights import Released
from brainbench_models._weights import weighted
from brainbench_models.cornet_z import WIDTHS, about, channels_last, decoder, shown_at

STEPS: Final = 5
"""Steps of the released networks; the weights do not depend on it."""
_GROUPS: Final = 32


class Area(nn.Module):
    """An input convolution, and one that the state passes through at every step.

    Parameters
    ----------
    channels_in, channels : int
        Width of the area before and of this one.
    kernel, stride : int
        Of the input convolution.
    """

    def __init__(
        self, channels_in: int, channels: int, *, kernel: int = 3, stride: int = 2
    ) -> None:
        super().__init__()
        self.stride = stride
        self.conv_input = nn.Conv2d(
            channels_in, channels, kernel, stride=stride, padding=kernel // 2
        )
        self.norm_input = nn.GroupNorm(_GROUPS, channels)
        self.nonlin_input = nn.ReLU(inplace=True)
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.norm1 = nn.GroupNorm(_GROUPS, channels)
        self.nonlin1 = nn.ReLU(inplace=True)
        self.output = nn.Identity()

    def drive(self, below: Tensor) -> Tensor:
        """What reaches the area from the one before, (batch, channels, y / stride, x / stride)."""
        driven: Tensor = self.nonlin_input(self.norm_input(self.conv_input(below)))
        return driven

    def silence(self, below: Tensor) -> Tensor:
        """Nothing, in the shape of `drive`."""
        y, x = (-(-side // self.stride) for side in below.shape[2:])
        return below.new_zeros(len(below), self.conv1.in_channels, y, x)

    def forward(self, driven: Tensor, state: Tensor | None) -> Tensor:
        """Next state from the drive and the state before (None at the first step): also the output."""
        x = driven if state is None else driven + state
        out: Tensor = self.output(self.nonlin1(self.norm1(self.conv1(x))))
        return out


class CORnetR(nn.Module):
    """CORnet-R or -RT, 5,208,936 parameters; images of any size, (batch, 3, y, x), ImageNet-normalized.

    At the first step only V1 sees the image and the others get silence, as in the released code: their
    normalizations have shifts, so their answer is not 0.

    Parameters
    ----------
    steps : int
        How often each area runs, at least once.
    delayed : bool
        Each area reads the one before as it was a step ago (RT), not as it is (R).
    """

    def __init__(self, *, steps: int = STEPS, delayed: bool = False) -> None:
        super().__init__()
        v1, v2, v4, it = WIDTHS.values()
        self.steps, self.delayed = steps, delayed
        self.V1 = Area(3, v1, kernel=7, stride=4)
        self.V2 = Area(v1, v2)
        self.V4 = Area(v2, v4)
        self.IT = Area(v4, it)
        self.decoder = decoder(it)
        channels_last(self)

    def forward(self, image: Tensor) -> Tensor:
        """Logits after the last step, (batch, 1000)."""
        drive = self.V1.drive(image.contiguous(memory_format=torch.channels_last))  # never changes
        states = self._first(drive)
        for _ in range(1, self.steps):
            before = list(states)
            states[0] = self.V1(drive, before[0])
            for k, area in enumerate((self.V2, self.V4, self.IT), start=1):
                below = before[k - 1] if self.delayed else states[k - 1]
                states[k] = area(area.drive(below), before[k])
        logits: Tensor = self.decoder(states[-1])
        return logits

    def _first(self, drive: Tensor) -> list[Tensor]:
        states = [self.V1(drive, None)]
        for area in (self.V2, self.V4, self.IT):
            states.append(area(area.silence(states[-1]), None))
        return states


FOLDER: Final = "https://s3.amazonaws.com/cornet-models"
RELEASED: Final = {
    "cornet_r": Released(
        model="cornet_r", folder=FOLDER, file="cornet_r-5930a990.pth", sha256="5930a990"
    ),
    "cornet_rt": Released(
        model="cornet_rt", folder=FOLDER, file="cornet_rt-933c001c.pth", sha256="933c001c"
    ),
}
"""What the authors trained on ImageNet."""

FIRST_IMAGE_MS: Final = {
    "cornet_r": {"V1": (0, 50), "V2": (1, 70), "V4": (1, 90), "IT": (1, 100)},
    "cornet_rt": {"V1": (0, 50), "V2": (1, 70), "V4": (2, 90), "IT": (3, 100)},
}
"""For each area the first step that has seen the image, and the ms at which that step begins."""
_LATER_MS: Final = 50.0


def clock(model: str, *, steps: int) -> Timeline:
    """When each step happens (ours: neither paper nor code gives times).

    The first step that has seen the image begins where Brain-Score lets CORnet-S's area begin, each later
    one 50 ms after, the last lasts to the end; steps before the image share the time before.
    """
    spans = {area: _spans(*FIRST_IMAGE_MS[model][area], steps) for area in WIDTHS}
    source = "ours: first image-driven step as the area's start in Brain-Score, 50 ms a step"
    return Timeline(name="paper", source=source, steps=spans, nominal=True)


def _spans(first: int, onset: float, steps: int) -> list[tuple[float, float]]:
    early = [onset * k / first for k in range(first)] if first else []
    starts = [*early, *(onset + _LATER_MS * k for k in range(max(steps - first, 0)))][:steps]
    if not first:
        starts[0] = 0.0  # V1: its first step reaches back to the onset of the image
    return list(zip(starts, [*starts[1:], math.inf], strict=True))


def _unseen(model: str, times: int) -> Iterator[str]:
    """Say which areas the image does not reach in so few steps, if there are any."""
    late = {area: first + 1 for area, (first, _) in FIRST_IMAGE_MS[model].items() if first >= times}
    if late:
        reason = (
            f"{model} runs {times} step(s), the image does not reach {', '.join(late)}: the same answer to "
            f"every image; all areas see it from {max(late.values())} steps on"
        )
        progress.current().note(reason)
        yield reason


def _cornet(
    model: str, weights: str, times: int, image_size: int, *, delayed: bool
) -> WrappedModel:
    if not whole(times):
        raise InputError(
            f"times={times!r} for {model}",
            allowed="a whole number of steps from 1; the released networks have 5",
            todo="give times=5, or leave it away",
        )
    preprocess, size = shown_at(image_size, model=model)
    build = partial(CORnetR, steps=times, delayed=delayed)
    made = weighted(weights, build=build, released=RELEASED[model])
    several = "" if times == STEPS else f"-{times}steps"
    layers: Mapping[str, str] = {area: f"{area}.output" for area in WIDTHS}
    wrapped = wrap(
        made.net,
        layers=layers,
        preprocess=preprocess,
        timeline=clock(model, steps=times),
        name=f"{model}{several}{size}@{made.which}",
        weights=made.which,
        behavior="decoder.avgpool",
        about=about(RELEASED[model], depth=9),
    )
    return replace(wrapped, notes=(*made.notes, *_unseen(model, times)))


def cornet_r(*, weights: str = "auto", times: int = STEPS, image_size: int = 224) -> WrappedModel:
    """CORnet-R: each area reads the one before at the same step.

    Parameters
    ----------
    weights, image_size
        As in `cornet.cornet_s`, with the same errors.
    times : int
        Steps; another number than 5 is part of the name. One alone does not bring the image beyond V1,
        which a note says.
    """
    return _cornet("cornet_r", weights, times, image_size, delayed=False)


def cornet_rt(*, weights: str = "auto", times: int = STEPS, image_size: int = 224) -> WrappedModel:
    """CORnet-RT: each area reads the one before as it was a step ago.

    Parameters
    ----------
    weights, image_size
        As in `cornet.cornet_s`, with the same errors.
    times : int
        Steps; another number than 5 is part of the name. Fewer than 4 do not bring the image to IT, which a
        note says.
    """
    return _cornet("cornet_rt", weights, times, image_size, delayed=True)
