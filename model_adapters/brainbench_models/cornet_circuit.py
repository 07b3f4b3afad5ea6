"""CORnet-S with other circuits (Kubilius et al. 2019, figure 4), untrained: none of them were released.

Steps, width inside an area, skip, gate, number of convolutions and of areas, and normalization are options;
with none of them the network is CORnet-S. Where the paper does not say how an option is built, `_circuit`
says what is ours.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

import torch
from torch import Tensor, nn

from brainbench.core.model_info import About
from brainbench.core.timeline import Timeline
from brainbench.models.wrap import WrappedModel
from brainbench_models import _cornet_family as cornets
from brainbench_models._circuit import WIDTHS, Circuit
from brainbench_models._options import check_option, is_whole_number
from brainbench_models._weights import drawn_or_loaded
from brainbench_models.cornet_s import FeedforwardArea, InPlaceNorm, StridedConv2d

_GROUPS: Final = 32  # of group normalizations
_ONSET_MS: Final = {"V1": 50.0, "V2": 70.0, "V4": 90.0, "pIT": 95.0, "IT": 100.0}
_STEP_MS: Final = 50.0


class CircuitArea(nn.Module):
    """An area after V1, whose convolutions are shared by all steps; the first step halves the map.

    With the circuit of CORnet-S it computes what `cornet_s.RecurrentArea` does, with weights of the same
    names.
    """

    def __init__(self, channels_in: int, channels: int, steps: int, circuit: Circuit) -> None:
        super().__init__()
        wide = channels * circuit.bottleneck
        self.steps, self.circuit = steps, circuit
        self.conv_input = nn.Conv2d(channels_in, channels, 1, bias=False)
        if circuit.skip or circuit.gate == "add":
            self.skip = nn.Conv2d(channels, channels, 1, stride=2, bias=False)
            self.norm_skip = _norms(circuit, channels)
        if circuit.convolutions == 3:
            self.conv1 = nn.Conv2d(channels, wide, 1, bias=False)
            self.nonlin1 = nn.ReLU(inplace=True)
        narrow = wide if circuit.convolutions == 3 else channels
        self.conv2 = StridedConv2d(narrow, wide, 3, padding=1, bias=False)
        self.nonlin2 = nn.ReLU(inplace=True)
        self.conv3 = nn.Conv2d(wide, channels, 1, bias=False)
        self.nonlin3 = nn.ReLU(inplace=True)
        self.output = nn.Identity()
        for t in range(steps if circuit.norm == "step" else 1):
            if circuit.convolutions == 3:
                self.add_module(f"norm1_{t}", _norms(circuit, wide))
            self.add_module(f"norm2_{t}", _norms(circuit, wide))
            self.add_module(f"norm3_{t}", _norms(circuit, channels))

    def forward(self, feedforward: Tensor) -> Tensor:
        """Run every step and return the last output, (batch, channels, y / 2, x / 2)."""
        x: Tensor = self.conv_input(feedforward)
        reduced = self.norm_skip(self.skip(x)) if hasattr(self, "skip") else None
        for t in range(self.steps):
            x = self._step(x, reduced, t)
        return x

    def _step(self, x: Tensor, reduced: Tensor | None, t: int) -> Tensor:
        """Take a step; `reduced` is the area's input at the size of its output."""
        if t > 0 and reduced is not None and self.circuit.gate == "add":
            x = x + reduced
        y = self._widened(x, t)
        y = self.nonlin2(self._norm(2, t)(self.conv2(y, stride=2 if t == 0 else 1)))
        y = self._norm(3, t)(self.conv3(y))
        if self.circuit.skip:
            y += reduced if t == 0 else x
        out: Tensor = self.output(self.nonlin3(y))
        return out

    def _widened(self, x: Tensor, t: int) -> Tensor:
        if self.circuit.convolutions == 2:
            return x
        wide: Tensor = self.nonlin1(self._norm(1, t)(self.conv1(x)))
        return wide

    def _norm(self, number: int, t: int) -> nn.Module:
        return self.get_submodule(f"norm{number}_{t if self.circuit.norm == 'step' else 0}")


def _norms(circuit: Circuit, channels: int) -> nn.Module:
    """Build the normalization after a convolution."""
    if circuit.norm == "step":
        return InPlaceNorm(channels)
    return nn.GroupNorm(math.gcd(_GROUPS, channels), channels)


class CircuitNetwork(nn.Module):
    """A CORnet-S with a circuit: `V1` to `IT`, whose `output` is called once per step, and `decoder`.

    `shrink` divides the published widths of the areas.
    """

    def __init__(self, circuit: Circuit, *, classes: int = 1000, shrink: int = 1) -> None:
        super().__init__()
        self.circuit = circuit
        widths = [WIDTHS[area] // shrink for area in circuit.names]
        self.V1 = FeedforwardArea(3, widths[0])
        for k, area in enumerate(circuit.names[1:], 1):
            steps = circuit.steps_of(area)
            self.add_module(area, CircuitArea(widths[k - 1], widths[k], steps, circuit))
        self.decoder = cornets.decoder(widths[-1], classes)
        cornets.order_channels_last(self)

    def forward(self, image: Tensor) -> Tensor:
        """Map images, (batch, 3, y, x), ImageNet-normalized, to logits, (batch, class)."""
        x = image.contiguous(memory_format=torch.channels_last)
        for area in self.circuit.names:
            x = self.get_submodule(area)(x)
        logits: Tensor = self.decoder(x)
        return logits

    def logits_and_steps(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Return the logits, (batch, class), and those of every step of IT, (batch, step, class)."""
        return cornets.logits_and_steps(self, image)


def clock(circuit: Circuit) -> Timeline:
    """Return the time of each step (ours): starts as in Brain-Score, pIT between V4 and IT, 50 ms a step.

    The first step reaches back to the onset of the image, and the last has no end.
    """
    spans = {}
    for area in circuit.names:
        starts = [0.0, *(_ONSET_MS[area] + _STEP_MS * t for t in range(1, circuit.steps_of(area)))]
        spans[area] = list(zip(starts, [*starts[1:], math.inf], strict=True))
    source = "ours: starts as in Brain-Score, 50 ms a step"
    return Timeline(name="paper", source=source, steps=spans, nominal=True)


def cornet_circuit(
    *,
    weights: str = "untrained-0",
    image_size: int = 224,
    classes: int = 1000,
    shrink: int = 1,
    steps: Mapping[str, int] | None = None,
    **options: Any,
) -> WrappedModel:
    """Make a CORnet-S with another circuit.

    `weights` are "untrained-N", drawn from seed N, or a file. `steps` and `options` are those of
    `_circuit.Circuit`: areas, bottleneck, skip, gate, convolutions, norm. They, the side of the images, the
    number of classes and the divisor of all widths are part of the name if they are not the defaults.

    InputError and UnknownNameError as `Circuit`, and for weights, sizes or classes that are not allowed.
    """
    for option, value in (("classes", classes), ("shrink", shrink)):
        valid = is_whole_number(value) and (option == "classes" or value <= min(WIDTHS.values()))
        allowed = "a whole number, at least 1" + (" and at most 64" if option == "shrink" else "")
        check_option(option, value, "cornet_circuit", valid=valid, allowed=allowed)
    circuit = Circuit(steps=steps or {}, **_known(options))
    preprocess = cornets.preprocessing(image_size, model="cornet_circuit")
    network = CircuitNetwork(circuit, classes=classes, shrink=shrink)
    named = {f"w{shrink}": shrink != 1, f"{classes}classes": classes != 1000}
    return cornets.cornet_model(
        "-".join(["cornet_circuit", *circuit.options, *(text for text, on in named.items() if on)]),
        drawn_or_loaded(weights, network, model="cornet_circuit"),
        preprocess=preprocess,
        timeline=clock(circuit),
        version="cornet_circuit-1",
        about=About(
            citation="Kubilius et al. 2019, NeurIPS 32, figure 4; what it does not say is ours",
            license="MIT",
            source="no weights were released",
            depth=circuit.depth,
        ),
        areas=circuit.names,
    )


def _known(options: Mapping[str, Any]) -> Mapping[str, Any]:
    known = ("areas", "bottleneck", "skip", "gate", "convolutions", "norm")
    for option, value in options.items():
        allowed = f"{', '.join(known)}, steps, shrink, classes, image_size, weights"
        check_option(option, value, "cornet_circuit", valid=option in known, allowed=allowed)
    return options
