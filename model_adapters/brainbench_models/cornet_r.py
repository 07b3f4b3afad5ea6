"""CORnet-R and CORnet-RT: the four areas with recurrence within each, unrolled over steps.

Written from the shapes and names of the released weights (Kubilius et al. 2018, bioRxiv 408385). Both have
weights of the same names and differ in what an area reads: in R the area before it at the same step, in RT
("biological time") at the previous step, so that the image travels one area per step.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Final

import torch
from torch import Tensor, nn

from brainbench.core import progress
from brainbench.core.model_info import About
from brainbench.core.timeline import Timeline
from brainbench.models.wrap import WrappedModel
from brainbench_models import _cornet_family as cornets
from brainbench_models._options import check_option, is_whole_number
from brainbench_models._weights import build_weighted, drawn_or_loaded

STEPS: Final = 5  # steps of the released networks; the weights do not depend on it
_GROUPS: Final = 32


class Area(nn.Module):
    """An input convolution, and a second one that the state passes through at every step."""

    def __init__(
        self, channels_in: int, channels: int, *, kernel: int = 3, stride: int = 2
    ) -> None:
        super().__init__()
        self.stride = stride
        self.conv_input = nn.Conv2d(
            channels_in, channels, kernel, stride=stride, padding=kernel // 2
        )
        groups = math.gcd(_GROUPS, channels)
        self.norm_input = nn.GroupNorm(groups, channels)
        self.nonlin_input = nn.ReLU(inplace=True)
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.norm1 = nn.GroupNorm(groups, channels)
        self.nonlin1 = nn.ReLU(inplace=True)
        self.output = nn.Identity()

    def drive(self, below: Tensor) -> Tensor:
        """Return the input from the area before, (batch, channels, y / stride, x / stride)."""
        driven: Tensor = self.nonlin_input(self.norm_input(self.conv_input(below)))
        return driven

    def silence(self, below: Tensor) -> Tensor:
        """Return zeros of the shape of `drive`."""
        y, x = (-(-side // self.stride) for side in below.shape[2:])
        return below.new_zeros(len(below), self.conv1.in_channels, y, x)

    def forward(self, driven: Tensor, state: Tensor | None) -> Tensor:
        """Return the next state, which is also the output; `state` is None at the first step."""
        x = driven if state is None else driven + state
        out: Tensor = self.output(self.nonlin1(self.norm1(self.conv1(x))))
        return out


class CORnetR(nn.Module):
    """CORnet-R or -RT, 5,208,936 parameters, for images of any size, (batch, 3, y, x), ImageNet-normalized.

    Each area runs `steps` times and reads the one before at the previous step if `delayed` (RT), else at the
    same step (R). At the first step only V1 sees the image and the other areas get silence, as in the
    released code. Their normalizations have shifts, so their response is not 0.
    """

    def __init__(
        self,
        *,
        steps: int = STEPS,
        delayed: bool = False,
        channels: Sequence[int] = tuple(cornets.WIDTHS.values()),
        classes: int = 1000,
    ) -> None:
        super().__init__()
        v1, v2, v4, it = channels
        self.steps, self.delayed = steps, delayed
        self.V1 = Area(3, v1, kernel=7, stride=4)
        self.V2 = Area(v1, v2)
        self.V4 = Area(v2, v4)
        self.IT = Area(v4, it)
        self.decoder = cornets.decoder(it, classes)
        cornets.order_channels_last(self)

    def forward(self, image: Tensor) -> Tensor:
        """Return the logits after the last step, (batch, 1000)."""
        # The image stays, so the drive of V1 is computed once.
        drive = self.V1.drive(image.contiguous(memory_format=torch.channels_last))
        states = self._first_step(drive)
        for _ in range(1, self.steps):
            before = list(states)
            states[0] = self.V1(drive, before[0])
            for k, area in enumerate((self.V2, self.V4, self.IT), start=1):
                below = before[k - 1] if self.delayed else states[k - 1]
                states[k] = area(area.drive(below), before[k])
        logits: Tensor = self.decoder(states[-1])
        return logits

    def logits_and_steps(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Return the logits, (batch, class), and those of every step of IT, (batch, step, class)."""
        return cornets.logits_and_steps(self, image)

    def _first_step(self, drive: Tensor) -> list[Tensor]:
        states = [self.V1(drive, None)]
        for area in (self.V2, self.V4, self.IT):
            states.append(area(area.silence(states[-1]), None))
        return states


RELEASED: Final = {
    "cornet_r": cornets.released_weights("cornet_r", "5930a990"),
    "cornet_rt": cornets.released_weights("cornet_rt", "933c001c"),
}
FIRST_IMAGE_MS: Final = {
    "cornet_r": {"V1": (0, 50), "V2": (1, 70), "V4": (1, 90), "IT": (1, 100)},
    "cornet_rt": {"V1": (0, 50), "V2": (1, 70), "V4": (2, 90), "IT": (3, 100)},
}
"""For each area the first step that has seen the image, and the time in ms at which that step begins."""
_LATER_MS: Final = 50.0


def clock(model: str, *, steps: int) -> Timeline:
    """Return the time of each step (ours: neither paper nor code gives times).

    The first step that has seen the image begins where Brain-Score lets CORnet-S's area begin, each later
    one 50 ms after, and the last has no end. Steps before the image share the time before.
    """
    spans = {area: _spans(*FIRST_IMAGE_MS[model][area], steps) for area in cornets.WIDTHS}
    source = "ours: first image-driven step as the area's start in Brain-Score, 50 ms a step"
    return Timeline(name="paper", source=source, steps=spans, nominal=True)


def _spans(first: int, onset: float, steps: int) -> list[tuple[float, float]]:
    early = [onset * k / first for k in range(first)] if first else []
    starts = [*early, *(onset + _LATER_MS * k for k in range(max(steps - first, 0)))][:steps]
    if not first:
        starts[0] = 0.0  # V1: its first step reaches back to the onset of the image
    return list(zip(starts, [*starts[1:], math.inf], strict=True))


def _note_unreached_areas(model: str, times: int) -> Iterator[str]:
    """Tell the user which areas the image does not reach in `times` steps; yield the same note."""
    unreached = {
        area: first + 1 for area, (first, _) in FIRST_IMAGE_MS[model].items() if first >= times
    }
    if unreached:
        note = (
            f"{model} runs {times} step(s), so the image does not reach {', '.join(unreached)}: the same "
            f"response to every image; at least {max(unreached.values())} steps are needed"
        )
        progress.current().note(note)
        yield note


def _model(name: str, weights: str, times: int, image_size: int, *, delayed: bool) -> WrappedModel:
    allowed = "a whole number of steps, at least 1; the released networks have 5"
    check_option("times", times, name, valid=is_whole_number(times), allowed=allowed)
    preprocess = cornets.preprocessing(image_size, model=name)
    build = partial(CORnetR, steps=times, delayed=delayed)
    return cornets.cornet_model(
        name if times == STEPS else f"{name}-{times}steps",
        build_weighted(weights, build=build, released=RELEASED[name]),
        preprocess=preprocess,
        timeline=clock(name, steps=times),
        version=f"{name}-1",
        about=cornets.about(RELEASED[name], citation=cornets.PAPER_2018, depth=9),
        notes=tuple(_note_unreached_areas(name, times)),
    )


def cornet_r(*, weights: str = "auto", times: int = STEPS, image_size: int = 224) -> WrappedModel:
    """Make CORnet-R: each area reads the one before at the same step.

    Options and errors are as in `cornet.cornet_s`; `times`, the number of steps, is part of the name if other
    than 5. With one step the image does not get beyond V1, which a note says.
    """
    return _model("cornet_r", weights, times, image_size, delayed=False)


def cornet_rt(*, weights: str = "auto", times: int = STEPS, image_size: int = 224) -> WrappedModel:
    """Make CORnet-RT: as `cornet_r`, but each area reads the one before at the previous step.

    With fewer than 4 steps the image does not reach IT, which a note says.
    """
    return _model("cornet_rt", weights, times, image_size, delayed=True)


SMALL_WIDTHS: Final = (16, 32, 64, 112)
"""Channels of the areas of `cornet_rt_small`."""


def cornet_rt_small(
    *, weights: str = "untrained-0", times: int = STEPS, image_size: int = 32, classes: int = 10
) -> WrappedModel:
    """Make a small CORnet-RT for images of 32 pixels, ours; options and errors are as in `cornet_rt`.

    `weights` are "cifar10-0", which is in the package, "untrained-N", or a file: none were released.
    `classes` is part of the name if not 10.
    """
    name = "cornet_rt_small"
    for option, value in (("times", times), ("classes", classes)):
        allowed = "a whole number, at least 1"
        check_option(option, value, name, valid=is_whole_number(value), allowed=allowed)
    preprocess = cornets.preprocessing(image_size, model=name)
    net = CORnetR(steps=times, delayed=True, channels=SMALL_WIDTHS, classes=classes)
    named = {f"{times}steps": times != STEPS, f"{classes}classes": classes != 10}
    return cornets.cornet_model(
        "-".join([name, *(text for text, shown in named.items() if shown)]),
        drawn_or_loaded(weights, net, model=name),
        preprocess=preprocess,
        timeline=clock("cornet_rt", steps=times),
        version=f"{name}-1",
        about=About(
            citation=f"ours, after {cornets.PAPER_2018}",
            license="MIT",
            source="no weights were released; trained here, in the package: @cifar10-0",
            depth=9,
        ),
        notes=tuple(_note_unreached_areas("cornet_rt", times)),
        usual=cornets.preprocessing(32, model=name),
    )
