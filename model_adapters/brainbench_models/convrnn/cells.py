"""Recurrent cells: what a layer does with its input and with its own past.

`drive` depends on the input alone and is computed once for as long as the input stays the same; `forward`
is one step, from drive, state and feedback to output and new state. Batches of one broadcast: what no
image has reached yet is computed once for all images. The equations are those of the released networks
(docs/models.md says where the paper differs): s() is the logistic sigmoid, c and h are the state, a prime
marks the new one.
"""
# ruff: noqa: D102  # `RecurrentCell` says what `drive` and `forward` do

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, elu

from brainbench.core.errors import InputError
from brainbench_models.convrnn.graph import Cell, Kernel, SearchCell
from brainbench_models.convrnn.same_padding import SameConv2d, SeparableConv2d, resize

Drive = tuple[Tensor, ...]
State = tuple[Tensor, ...]
Feedback = Sequence[Tensor]
Step = tuple[Tensor, State]  # output and new state

FORGET_BIAS: Final = 1.0  # bias of the gates that keep the past: open at first
TAU: Final = 0.9219348064291611
GATE: Final = 0.7006566684988862
"""Largest share of the past and of the input in the median cell, as the search found them."""


@dataclass(frozen=True, kw_only=True)
class CellSizes:
    """Sizes of the maps around a cell."""

    channels: int  # of the convolution before the cell
    source: int  # channels of the layer's input
    side: int  # height and width; only peepholes depend on it
    feedback: int = 0  # channels of all feedback together


class RecurrentCell(nn.Module):
    """A cell with an output of `channels`, and a state of maps with as many channels as `state` says."""

    def __init__(self, channels: int, state: tuple[int, ...]) -> None:
        super().__init__()
        self.channels, self.state = channels, state

    def zeros(self, x: Tensor) -> State:
        """Return the state before the first step, of the height and width of `x`, for a batch of one."""
        return tuple(x.new_zeros((1, channels, *x.shape[2:])) for channels in self.state)

    def drive(self, x: Tensor, source: Tensor) -> Drive:
        """Compute what depends on the input alone.

        `x` is the output of the layer's convolution, (batch, channel, height, width), `source` the input of
        the layer, of the same height and width.
        """
        raise NotImplementedError

    def forward(self, drive: Drive, state: State, feedback: Feedback = ()) -> Step:
        """Take one step; maps of feedback may have any height and width."""
        raise NotImplementedError


class InputAndState(nn.Module):
    """One convolution over input and state together, kept as two so that the input's part can be shared."""

    def __init__(self, channels_in: int, state: int, channels: int, kernel: Kernel) -> None:
        super().__init__()
        self.input = SameConv2d(channels_in, channels, kernel)
        self.state = SameConv2d(state, channels, kernel, bias=False)


class ChannelNorm(nn.Module):
    """Layer normalization over channels and places, with a scale and a shift per channel."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        """Normalize (batch, channel, height, width)."""
        variance, mean = torch.var_mean(x, (1, 2, 3), correction=0, keepdim=True)
        column = (-1, 1, 1)
        # 1e-12: where all values are the same, the released networks divide by 1e-6.
        scale = torch.rsqrt(variance + 1e-12) * self.weight.view(column)
        return (x - mean) * scale + self.bias.view(column)


class TimeDecay(RecurrentCell):
    """s' = m s + x, with one trained number m."""

    def __init__(self, spec: Cell, sizes: CellSizes) -> None:
        super().__init__(sizes.channels, (sizes.channels,))
        self.decay = nn.Parameter(torch.zeros(1))

    def drive(self, x: Tensor, source: Tensor) -> Drive:
        return (x,)

    def forward(self, drive: Drive, state: State, feedback: Feedback = ()) -> Step:
        s = self.decay * state[0] + drive[0]
        return s, (s,)


class Basic(RecurrentCell):
    """h' = elu(N(W x + b + U h + d)); N is a layer normalization or the identity."""

    def __init__(self, spec: Cell, sizes: CellSizes) -> None:
        width = spec.channels or sizes.channels
        super().__init__(width, (width,))
        self.input_conv = SameConv2d(sizes.channels, width, spec.kernel)
        self.state_conv = SameConv2d(width, width, spec.kernel)
        self.norm = ChannelNorm(width) if spec.layer_norm else nn.Identity()

    def drive(self, x: Tensor, source: Tensor) -> Drive:
        return (self.input_conv(x),)

    def forward(self, drive: Drive, state: State, feedback: Feedback = ()) -> Step:
        h = elu(self.norm(drive[0] + self.state_conv(state[0])), inplace=True)
        return h, (h,)


class LSTM(RecurrentCell):
    """i, j, f, o = W [x, h] + b; c' = s(f + 1 + p_f c) c + s(i + p_i c) tanh(j); h' = tanh(c') s(o + p_o c).

    With `layer_norm` each of the four and c' are normalized. The peephole of the output gate sees the old c.
    The 1 is `Cell.forget_bias`.
    """

    def __init__(self, spec: Cell, sizes: CellSizes) -> None:
        width = spec.channels or sizes.channels
        super().__init__(width, (width, width))
        self.forget_bias = spec.forget_bias
        self.gates = InputAndState(sizes.channels, width, 4 * width, spec.kernel)
        norms = ("input", "transform", "forget", "output", "state") if spec.layer_norm else ()
        self.norms = nn.ModuleDict({name: ChannelNorm(width) for name in norms})
        maps = (width, sizes.side, sizes.side)
        gates = "fio" if spec.peepholes else ""
        self.peepholes = nn.ParameterDict({gate: torch.zeros(maps) for gate in gates})

    def drive(self, x: Tensor, source: Tensor) -> Drive:
        return (self.gates.input(x),)

    def forward(self, drive: Drive, state: State, feedback: Feedback = ()) -> Step:
        c, h = state
        four = (drive[0] + self.gates.state(h)).chunk(4, 1)
        if self.norms:
            names = ("input", "transform", "forget", "output")
            four = tuple(self.norms[name](x) for name, x in zip(names, four, strict=True))
        i, j, f, o = four
        if self.peepholes:
            f, i, o = (x + self.peepholes[k] * c for k, x in zip("fio", (f, i, o), strict=True))
        c = torch.sigmoid(f + self.forget_bias) * c + torch.sigmoid(i) * torch.tanh(j)
        if self.norms:
            c = self.norms["state"](c)
        h = torch.tanh(c) * torch.sigmoid(o)
        return h, (c, h)


class GRU(RecurrentCell):
    """r, u = s(W [x, h] + b + (1, 0)); h' = u h + (1 - u) tanh(V [x, r h] + d)."""

    def __init__(self, spec: Cell, sizes: CellSizes) -> None:
        width = spec.channels or sizes.channels
        super().__init__(width, (width,))
        self.gates = InputAndState(sizes.channels, width, 2 * width, spec.kernel)
        self.candidates = InputAndState(sizes.channels, width, width, spec.kernel)

    def drive(self, x: Tensor, source: Tensor) -> Drive:
        return self.gates.input(x), self.candidates.input(x)

    def forward(self, drive: Drive, state: State, feedback: Feedback = ()) -> Step:
        gates, candidates = drive
        (h,) = state
        r, u = (gates + self.gates.state(h)).chunk(2, 1)
        kept = torch.sigmoid(r + FORGET_BIAS) * h
        h = torch.lerp(torch.tanh(candidates + self.candidates.state(kept)), h, torch.sigmoid(u))
        return h, (h,)


class UGRNN(RecurrentCell):
    """g, c = W [x, h] + b; h' = s(g + 1) h + (1 - s(g + 1)) tanh(c)."""

    def __init__(self, spec: Cell, sizes: CellSizes) -> None:
        width = spec.channels or sizes.channels
        super().__init__(width, (width,))
        self.gates = InputAndState(sizes.channels, width, 2 * width, spec.kernel)

    def drive(self, x: Tensor, source: Tensor) -> Drive:
        return (self.gates.input(x),)

    def forward(self, drive: Drive, state: State, feedback: Feedback = ()) -> Step:
        g, c = (drive[0] + self.gates.state(state[0])).chunk(2, 1)
        h = torch.lerp(torch.tanh(c), state[0], torch.sigmoid(g + FORGET_BIAS))
        return h, (h,)


class Intersection(RecurrentCell):
    """a, b, d, e = W [x, h] + k; h' = g h + (1 - g) tanh(b); y = q x + (1 - q) relu(e).

    g = s(a + 1) and q = s(d + 1). The output is y; it keeps the width of the input.
    """

    def __init__(self, spec: Cell, sizes: CellSizes) -> None:
        channels = _kept_width(spec, sizes)
        super().__init__(channels, (channels,))
        self.gates = InputAndState(channels, channels, 4 * channels, spec.kernel)

    def drive(self, x: Tensor, source: Tensor) -> Drive:
        return x, self.gates.input(x)

    def forward(self, drive: Drive, state: State, feedback: Feedback = ()) -> Step:
        x, gates = drive
        a, b, d, e = (gates + self.gates.state(state[0])).chunk(4, 1)
        h = torch.lerp(torch.tanh(b), state[0], torch.sigmoid(a + FORGET_BIAS))
        y = torch.lerp(torch.relu(e), x, torch.sigmoid(d + FORGET_BIAS))
        return y, (h,)


class ReciprocalGated(RecurrentCell):
    """c' = elu((1 - s(A c)) c + (1 - s(B h)) W x); h' = elu((1 - s(D h)) h + (1 - s(E c + R y)) x).

    y is the layer's input. There are no biases. The cell keeps the width of its input.
    """

    def __init__(self, spec: Cell, sizes: CellSizes) -> None:
        channels = _kept_width(spec, sizes)
        memory, k = spec.memory or channels, spec.kernel
        super().__init__(channels, (memory, channels))
        self.input_to_cell = SameConv2d(channels, memory, k, bias=False)
        self.cell_tau = SameConv2d(memory, memory, k, bias=False)
        self.cell_gate = SameConv2d(channels, memory, k, bias=False)
        self.out_tau = SameConv2d(channels, channels, k, bias=False)
        self.out_gate = SameConv2d(memory, channels, k, bias=False)
        self.source_gate = SameConv2d(sizes.source, channels, k, bias=False)

    def drive(self, x: Tensor, source: Tensor) -> Drive:
        return x, self.input_to_cell(x), self.source_gate(source)

    def forward(self, drive: Drive, state: State, feedback: Feedback = ()) -> Step:
        # Both maps are computed from the old ones.
        x, to_cell, from_source = drive
        c, h = state
        # 1 - s(z) = s(-z)
        new_c = torch.sigmoid(-self.cell_tau(c)) * c + torch.sigmoid(-self.cell_gate(h)) * to_cell
        gate = torch.sigmoid(-(self.out_gate(c) + from_source))
        new_h = torch.sigmoid(-self.out_tau(h)) * h + gate * x
        h = elu(new_h, inplace=True)
        return h, (elu(new_c, inplace=True), h)


class MedianReciprocalGated(RecurrentCell):
    """The cell of the median network of the search.

    c' = elu((a - a s(A c)) c + (b - b tanh(B h)) (W x)),
    h' = elu((a - a s(D h)) h + (b - b tanh(E c)) (V x + y + F z)).

    A, B, D, E are separable with kernels of `Cell.kernel`, W is 2 x 2, V 3 x 3; y is the layer's input,
    through a 1 x 1 convolution if the widths differ; z is the feedback, F is 1 x 1. All but that of y have
    biases.
    """

    def __init__(self, spec: Cell, sizes: CellSizes) -> None:
        width = spec.channels or sizes.channels
        memory = spec.memory or width
        super().__init__(width, (memory, width))
        self.input_to_cell = SameConv2d(sizes.channels, memory, 2)
        self.cell_tau = SeparableConv2d(memory, memory, spec.kernel)
        self.cell_gate = SeparableConv2d(width, memory, spec.kernel)
        self.input_to_out = SameConv2d(sizes.channels, width, 3)
        self.out_tau = SeparableConv2d(width, width, spec.kernel)
        self.out_gate = SeparableConv2d(memory, width, spec.kernel)
        widens = sizes.source != width
        self.source_to_out = (
            SameConv2d(sizes.source, width, 1, bias=False) if widens else nn.Identity()
        )
        self.feedback_to_out = SameConv2d(sizes.feedback, width, 1) if sizes.feedback else None

    def drive(self, x: Tensor, source: Tensor) -> Drive:
        """Compute the parts of both maps that come from the input: b W x, and b (V x + y)."""
        to_out = self.input_to_out(x) + self.source_to_out(source)
        return self.input_to_cell(x).mul_(GATE), to_out.mul_(GATE)

    def forward(self, drive: Drive, state: State, feedback: Feedback = ()) -> Step:
        # Both maps are computed from the old ones.
        to_cell, to_out = drive
        c, h = state
        to_out = self._with_feedback(to_out, feedback)
        new_c = _gated(self.cell_tau(c), c, self.cell_gate(h), to_cell)
        new_h = _gated(self.out_tau(h), h, self.out_gate(c), to_out)
        h = elu(new_h, inplace=True)
        return h, (elu(new_c, inplace=True), h)

    def _with_feedback(self, to_out: Tensor, feedback: Feedback) -> Tensor:
        """Add b F z; F is 1 x 1 and resizing mixes no channels, so F goes first, on the smaller maps."""
        if self.feedback_to_out is None or not feedback:
            return to_out
        bias = self.feedback_to_out.bias
        weights = torch.split(self.feedback_to_out.weight, [z.shape[1] for z in feedback], 1)
        size = (to_out.shape[2], to_out.shape[3])
        for z, weight in zip(feedback, weights, strict=True):
            to_out = torch.add(to_out, resize(conv2d(z, weight, bias), size), alpha=GATE)
            bias = None  # added once
        return to_out


class PrintedReciprocalGated(RecurrentCell):
    """a' = (1 - s(E c)) x + (1 - s(D h)) h, h' = elu(a'); b' = (1 - s(B h)) x + (1 - s(A c)) c, c' = elu(b').

    As printed in supplement 6.2, which is a recursion: the output of a step is h, to which the x of that step
    has not yet been added. There are no biases; c, h and x have the same width.
    """

    def __init__(self, spec: Cell, sizes: CellSizes) -> None:
        channels = _kept_width(spec, sizes)
        super().__init__(channels, (channels, channels))
        self.cell_tau, self.cell_gate, self.out_tau, self.out_gate = (
            SameConv2d(channels, channels, spec.kernel, bias=False) for _ in range(4)
        )

    def drive(self, x: Tensor, source: Tensor) -> Drive:
        return (x,)

    def forward(self, drive: Drive, state: State, feedback: Feedback = ()) -> Step:
        (x,), (c, h) = drive, state
        new_h = torch.sigmoid(-self.out_gate(c)) * x + torch.sigmoid(-self.out_tau(h)) * h
        new_c = torch.sigmoid(-self.cell_gate(h)) * x + torch.sigmoid(-self.cell_tau(c)) * c
        return h, (elu(new_c, inplace=True), elu(new_h, inplace=True))


class AffineMap(nn.Module):
    """The sum of an affine map of each of several maps, `widths` of which have how many channels."""

    def __init__(self, spec: SearchCell, widths: Mapping[str, int], channels: int) -> None:
        super().__init__()
        self.maps = nn.ModuleDict(
            {name: _affine(spec, width, channels) for name, width in widths.items()}
        )

    def forward(self, values: Mapping[str, Tensor]) -> Tensor | None:
        """Return the sum over those of its maps that are given; None where none is."""
        found = [convolve(values[name]) for name, convolve in self.maps.items() if name in values]
        return sum(found[1:], found[0]) if found else None


def _affine(spec: SearchCell, width: int, channels: int) -> nn.Module:
    if spec.affine == "add":
        return nn.Identity() if width == channels else SameConv2d(width, channels, 1)
    if spec.affine == "separable":
        return SeparableConv2d(width, channels, spec.kernel)
    return SameConv2d(width, channels, 1 if spec.affine == "1x1" else spec.kernel)


class SearchedCell(RecurrentCell):
    """A cell of the search space; `graph.SearchCell` has its equations."""

    def __init__(self, spec: Cell, sizes: CellSizes) -> None:
        channels = _kept_width(spec, sizes)
        super().__init__(channels, (channels, channels))
        if not isinstance(spec, SearchCell):
            raise InputError(
                "Cell(kind='search')",
                allowed="a SearchCell, which says what is read and how",
                todo="declare SearchCell(...)",
            )
        self.spec = spec
        maps: dict[str, nn.Module] = {}
        for part, reads in (("a", spec.reads_a), ("b", spec.reads_b)):
            widths = {name: sizes.source if name == "below" else channels for name in reads}
            roles = [role for role in ("tau", "gate") if getattr(spec, f"{role}_{part}")]
            maps |= {f"{role}_{part}": AffineMap(spec, widths, channels) for role in ("in", *roles)}
        self.maps = nn.ModuleDict(maps)

    def drive(self, x: Tensor, source: Tensor) -> Drive:
        """Compute what each affine map makes of the layer's input, zero where it reads none of it."""
        own = {"x": x, "below": source}
        found = (read(own) for read in self.maps.values())
        return tuple(torch.zeros_like(x) if part is None else part for part in found)

    def forward(self, drive: Drive, state: State, feedback: Feedback = ()) -> Step:
        driven = dict(zip(self.maps, drive, strict=True))
        values = dict(zip(("c", "h"), state, strict=True))
        order = "ba" if "c_new" in self.spec.reads_a else "ab"
        for part in order:
            past, new = ("h", "h_new") if part == "a" else ("c", "c_new")
            values[new] = self._part(part, values[past], driven, values)
        return values["h_new"], (values["c_new"], values["h_new"])

    def _part(
        self, part: str, past: Tensor, driven: Mapping[str, Tensor], values: Mapping[str, Tensor]
    ) -> Tensor:
        """Return f({gate} in + {tau} past) of a part."""
        sums = {}
        for role in ("in", "gate", "tau"):
            name = f"{role}_{part}"
            if name in driven:
                own = self.maps[name](values)
                sums[role] = driven[name] if own is None else driven[name] + own
        new = sums["in"]
        if "gate" in sums:
            new = new * (self.spec.gate[0] + self.spec.gate[1] * torch.sigmoid(sums["gate"]))
        kept = past
        if "tau" in sums:
            kept = past * (self.spec.tau[0] + self.spec.tau[1] * torch.sigmoid(sums["tau"]))
        return _ACTIVATIONS[self.spec.activation](new + kept)


_ACTIVATIONS: Final[Mapping[str, Callable[[Tensor], Tensor]]] = {
    "elu": elu,
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
}


def _gated(tau: Tensor, past: Tensor, gate: Tensor, present: Tensor) -> Tensor:
    """Compute (a - a s(tau)) past + (1 - tanh(gate)) present in few passes over memory."""
    kept = torch.addcmul(past, tau.sigmoid_(), past, value=-1)
    admitted = torch.addcmul(present, gate.tanh_(), present, value=-1)
    return torch.add(admitted, kept, alpha=TAU)


_CLASSES: Final[Mapping[str, Callable[[Cell, CellSizes], RecurrentCell]]] = {
    "timedecay": TimeDecay,
    "basic": Basic,
    "lstm": LSTM,
    "gru": GRU,
    "ugrnn": UGRNN,
    "intersection": Intersection,
    "rgc": ReciprocalGated,
    "rgc_median": MedianReciprocalGated,
    "rgc_printed": PrintedReciprocalGated,
    "search": SearchedCell,
}


def make_cell(spec: Cell, sizes: CellSizes) -> RecurrentCell:
    """Build the module of a declared cell."""
    return _CLASSES[spec.kind](spec, sizes)


def _kept_width(spec: Cell, sizes: CellSizes) -> int:
    if spec.channels not in (None, sizes.channels):
        raise InputError(
            f"a cell {spec.kind!r} with {spec.channels} channels behind {sizes.channels}",
            allowed="as many channels as the convolution before it",
            todo="omit Cell(channels=)",
        )
    return sizes.channels
