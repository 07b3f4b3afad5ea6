"""Running a declared graph over time.

`ConvRNN` is the torch module of a `Graph`. Each layer is called once per step, so that a forward hook sees
every step. In "layered" unrolling, a step of 10 ms, each layer reads what others gave one step before; in
"full" unrolling a whole feed-forward pass happens in each step and only feedback is one step old.

Nothing is computed twice. A layer whose input is the very tensor of the step before keeps what it made of
it, all of it where it has no cell; and what no image has reached yet, or a blank, is computed for a batch
of one.

Every new output is checked as it comes: the layer that explodes first is named, whichever was asked for.
"""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, elu

from brainbench.core.errors import ActivationError, InputError, unknown
from brainbench.core.presentation import Presentation
from brainbench_models._options import positive, whole
from brainbench_models.convrnn.cells import Around, Drive, State, make_cell
from brainbench_models.convrnn.decoders import DECODERS, Decoder, decoded_step
from brainbench_models.convrnn.graph import IMAGE, UNROLLS, Graph, Layer, Readout, Unroll
from brainbench_models.convrnn.same_padding import SameConv2d, pooled
from brainbench_models.convrnn.schedule import STEP_MS, Schedule


class UnrollingWarning(UserWarning):
    """A network that runs for fewer steps than all of it needs."""


@dataclass(frozen=True)
class Memory:
    """What a layer keeps from one step to the next.

    Attributes
    ----------
    source : Tensor
        Its input.
    drive : tuple of Tensor
        What the cell gets from the input; without a cell, nothing.
    skip : Tensor or None
        What is added to the second convolution.
    state : tuple of Tensor
        Of the cell.
    output : Tensor
        Of the layer; a batch of one where it is the same for all images.
    """

    source: Tensor
    drive: Drive
    skip: Tensor | None
    state: State
    output: Tensor


class LayerModule(nn.Module):
    """One layer of the graph.

    Parameters
    ----------
    layer : Layer
        Its declaration.
    source : int
        Channels of its input.
    feedback : int
        Channels of all feedback to it.
    side : int
        Height and width behind its first convolution.
    """

    def __init__(self, layer: Layer, *, source: int, feedback: int, side: int) -> None:
        super().__init__()
        self.layer = layer
        self.conv = SameConv2d(source, layer.channels, layer.kernel, stride=layer.stride)
        around = Around(channels=layer.channels, source=source, side=side, feedback=feedback)
        self.cell = None if layer.cell is None else make_cell(layer.cell, around)
        width = layer.width
        self.second = SameConv2d(width, width, 3) if layer.block else None
        widens = layer.block and source != width
        self.skip = SameConv2d(source, width, 1, bias=False) if widens else nn.Identity()

    def forward(
        self, source: Tensor, feedback: Sequence[Tensor], memory: Memory | None, batch: int
    ) -> tuple[Tensor, Memory]:
        """Take one step.

        Parameters
        ----------
        source : Tensor, shape (batch or 1, channel, height, width)
            What the feed-forward arrow brings.
        feedback : sequence of Tensor
            What feedback brings, each (batch or 1, channel, any height, any width).
        memory : Memory or None
            From the step before; None at first.
        batch : int
            Number of images.

        Returns
        -------
        Tensor, shape (batch, channel, height, width)
            The output.
        Memory
            For the next step.
        """
        same = memory is not None and memory.source is source
        memory = memory if memory is not None and same else self._read(source, memory)
        if self.cell is not None:
            y, state = self.cell(memory.drive, memory.state, feedback)
            memory = replace(memory, state=state, output=self._after(y, memory.skip))
        elif not same:
            memory = replace(memory, output=self._after(memory.output, memory.skip))
        return memory.output.expand(batch, -1, -1, -1), memory

    def _read(self, source: Tensor, memory: Memory | None) -> Memory:
        """Do all that depends on the input alone."""
        x = self.conv(source)
        if self.layer.elu:
            x = elu(x, inplace=True)
        skip = self.skip(source) if self.layer.block else None
        if self.cell is None:
            return Memory(source, (), skip, (), x)
        state = memory.state if memory is not None else self.cell.zeros(x)
        return Memory(source, self.cell.drive(x, source), skip, state, x)

    def _after(self, y: Tensor, skip: Tensor | None) -> Tensor:
        if self.second is not None and skip is not None:
            y = elu(self.second(y) + skip, inplace=True)
        return pooled(y) if self.layer.pool else y


def features_of(readout: Readout, source: Tensor) -> Tensor:
    """What is read, flat: averages over places ("fc"), or all places ("conv")."""
    return source.mean((2, 3)) if readout.kind == "fc" else source.flatten(1)


class ReadoutModule(nn.Module):
    """The category layer: from the last layer's maps to logits.

    Parameters
    ----------
    readout : Readout
        Its declaration.
    source : int
        Channels of the last layer.
    """

    def __init__(self, readout: Readout, source: int) -> None:
        super().__init__()
        self.readout = readout
        if readout.kind == "fc":
            self.weight = nn.Parameter(torch.zeros(readout.classes, source))
        else:
            self.weight = nn.Parameter(torch.zeros(readout.classes, source, 2, 2))
        self.bias = nn.Parameter(torch.zeros(readout.classes))

    def forward(
        self, source: Tensor, before: tuple[Tensor, Tensor] | None, batch: int
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Logits (batch, class) of one step, and (input, logits) for the next."""
        if before is None or before[0] is not source:
            if self.readout.kind == "fc":
                logits = nn.functional.linear(source.mean((2, 3)), self.weight, self.bias)
            else:
                logits = conv2d(source, self.weight, self.bias).mean((2, 3))
            before = (source, logits)
        return before[1].expand(batch, -1), before


class ConvRNN(nn.Module):
    """A declared graph that runs.

    Submodules carry the names of the layers: `conv1`, ..., and the read-out. Each is called once per step;
    `behavior` is called once, with what the read-out reads at the step that the decoder chose.

    Parameters
    ----------
    graph : Graph
        The network.
    steps : int
        How many steps of 10 ms a presentation takes that does not last longer.
    unroll : {"layered", "full"}
        Everything one step old, or a whole feed-forward pass in each step.
    decoder : {"last", "max_conf", "threshold"}
        Which step is the answer; the last two look from the step after the image first reaches the
        read-out, as the released networks do. After a pulse the answer is one to the picture, not to the
        blank: of a Presentation the steps count until the blank reaches the read-out, in a Schedule all.
    beta, threshold : float
        Of the decoder: above 0, the threshold at most 1.

    Raises
    ------
    InputError
        Steps, beta or threshold that are none.
    UnknownNameError
        An unrolling or a decoder that there is not.
    """

    def __init__(
        self,
        graph: Graph,
        *,
        steps: int = 26,
        unroll: Unroll = "layered",
        decoder: Decoder = "last",
        beta: float = 1.0,
        threshold: float = 0.9,
    ) -> None:
        super().__init__()
        for what, given, known in (("unrolling", unroll, UNROLLS), ("decoder", decoder, DECODERS)):
            if given not in known:
                raise unknown(what, str(given), known, todo="choose one of these")
        _check_numbers(graph.name, steps, beta, threshold)
        self.graph, self.steps, self.unroll = graph, steps, unroll
        self.decoder, self.beta, self.threshold = decoder, beta, threshold
        for layer in graph.layers:
            source, height, _ = graph.shapes[graph.sources[layer.name]]
            feedback = sum(graph.shapes[name][0] for name in graph.feedback_of(layer.name))
            side = -(-height // layer.stride)
            made = LayerModule(layer, source=source, feedback=feedback, side=side)
            self.add_module(layer.name, made)
        self.add_module(
            graph.readout.name, ReadoutModule(graph.readout, graph.shapes[graph.last][0])
        )
        self.behavior = nn.Identity()

    def forward(self, images: Tensor, shown: Presentation | Schedule | None = None) -> Tensor:
        """Logits at the decoded step, (batch, class).

        Parameters
        ----------
        images : Tensor, shape (batch, 3, height, width) or (batch, time, 3, height, width)
            Normalized images, or a movie with one frame per step.
        shown : Presentation or Schedule, optional
            How an image is shown; where not given, all the time. A movie says it itself.

        Raises
        ------
        InputError
            Another shape, nothing to show, or a movie with a presentation.
        ActivationError
            NaN or inf: names the layer where it came first, and the step, from 0.

        Warns
        -----
        UnrollingWarning
            Fewer steps than the graph needs; names what never counts. Under a Presentation nothing is said:
            whoever makes a model of the network says it once (`models.convrnn`).
        """
        frames = self._frames(images, shown)
        if not isinstance(shown, Presentation):
            _warn(too_short(self.graph, len(frames), self.unroll))
        sources, logits = self._run(frames)
        batch = torch.arange(logits.shape[0], device=logits.device)
        first = self.graph.driven(self.unroll)[self.graph.readout.name]
        step = decoded_step(
            logits[:, : self._in_sight(shown, first)],
            self.decoder,
            start=first + 1,
            beta=self.beta,
            threshold=self.threshold,
        )
        self.behavior(self._read_at(sources, step))
        return logits[batch, step]

    def _in_sight(self, shown: Presentation | Schedule | None, first: int) -> int | None:
        """Steps until the blank after a pulse reaches the read-out; None where nothing is cut."""
        if not isinstance(shown, Presentation):
            return None
        on = Schedule.of(shown, steps=self.steps).on
        return None if on is None else first + on

    def _frames(self, images: Tensor, shown: Presentation | Schedule | None) -> list[Tensor]:
        side = (3, self.graph.size, self.graph.size)
        movie = images.ndim == 5
        if images.ndim not in (4, 5) or images.shape[-3:] != side or (movie and shown is not None):
            raise InputError(
                f"images of shape {tuple(images.shape)} for {self.graph.name}"
                + (", with a presentation" if movie and shown is not None else ""),
                allowed="(batch, 3, {1}, {2}), or a movie (batch, time, 3, {1}, {2}) without a "
                "presentation".format(*side),
                todo="resize the images, with the channels first",
            )
        if 0 in images.shape:
            raise InputError(
                f"images of shape {tuple(images.shape)} for {self.graph.name}",
                allowed="at least one image, and at least one frame of a movie",
                todo="leave empty batches away",
            )
        if movie:
            return [_channels_last(frame) for frame in images.unbind(1)]
        if not isinstance(shown, Schedule):
            shown = Schedule.of(shown or Presentation(), steps=self.steps)
        return shown.frames(_channels_last(images))

    def _run(self, frames: Sequence[Tensor]) -> tuple[list[Tensor], Tensor]:
        """What the read-out reads, and logits (batch, step, class)."""
        graph, readout = self.graph, self.graph.readout.name
        batch = max(len(frame) for frame in frames)
        now = {
            layer.name: frames[0].new_zeros((1, *graph.shapes[layer.name]))
            for layer in graph.layers
        }
        memories: dict[str, Memory] = {}
        read: list[Tensor] = []
        logits: list[Tensor] = []
        before = None
        for step, frame in enumerate(frames):
            past, now = now, dict(now)
            seen = past if self.unroll == "layered" else now
            for layer in graph.layers:
                source = graph.sources[layer.name]
                feedback = [past[name] for name in graph.feedback_of(layer.name)]
                _, memories[layer.name] = self.get_submodule(layer.name)(
                    frame if source == IMAGE else seen[source],
                    feedback,
                    memories.get(layer.name),
                    batch,
                )
                now[layer.name] = memories[layer.name].output
            read.append(seen[graph.last])
            answer, before = self.get_submodule(readout)(read[-1], before, batch)
            logits.append(answer)
            made = {k: output for k, output in now.items() if output is not past[k]}
            check_finite(made | {readout: before[1]}, step)
        return read, torch.stack(logits, 1)

    def _read_at(self, sources: Sequence[Tensor], step: Tensor) -> Tensor:
        """Features that the read-out reads at each image's step."""
        readout = self.graph.readout
        rows = [
            features_of(readout, sources[t] if len(sources[t]) == 1 else sources[t][k : k + 1])
            for k, t in enumerate(step.tolist())
        ]
        return torch.cat(rows)


def _channels_last(images: Tensor) -> Tensor:
    return images.contiguous(memory_format=torch.channels_last)


def check_finite(made: Mapping[str, Tensor], step: int) -> None:
    """Look at what a step made, in the order of the layers.

    Parameters
    ----------
    made : mapping of str to Tensor
        Layer to output, (batch or 1, ...).
    step : int
        From 0.

    Raises
    ------
    ActivationError
        NaN or inf; the first such layer, the step and its time are named.
    """
    # The sum is finite whenever every value is, short of an overflow; one look is enough for all layers.
    sums = torch.stack([output.detach().sum(dtype=torch.float32) for output in made.values()])
    if bool(sums.isfinite().all()):
        return
    for name, output in made.items():
        wrong = output[~output.isfinite()]
        if wrong.numel():
            kind = "NaN" if bool(wrong.isnan().any()) else "inf"
            error = ActivationError(
                f"layer {name!r} gives {kind} at step {step} "
                f"({STEP_MS * step:g}-{STEP_MS * (step + 1):g} ms)",
                allowed="finite responses at every step",
                todo="check that layer's weights, the preprocessing and the picture",
            )
            error.row = int((~output.isfinite()).flatten(1).any(1).nonzero()[0])
            raise error


def too_short(graph: Graph, steps: int, unroll: Unroll) -> str | None:
    """What so few steps leave unused, in words; None where they are enough.

    A cell that leads to no read-out is not counted: no number of steps is enough for it.
    """
    dark = [name for name, first in graph.driven(unroll).items() if first >= steps]
    idle = [name for name, least in graph.needed(unroll).items() if least > steps]
    if not dark and not idle:
        return None
    shown = ["the read-out" if name == graph.readout.name else name for name in dark]
    what = [f"the image does not reach {', '.join(shown)}"] if dark else []
    what += [f"the recurrent weights of {', '.join(idle)} never act on it"] if idle else []
    return (
        f"{graph.name} runs {steps} steps, {' and '.join(what)}; "
        f"all of it counts from {graph.minimal_steps(unroll)} steps on"
    )


def _warn(text: str | None) -> None:
    """Warn where the network is called: above `forward` and the frames of torch that call it."""
    if text is None:
        return
    callers = [str(info.frame.f_globals.get("__name__")) for info in inspect.stack(0)[2:]]
    above = [n for n, name in enumerate(callers) if name.partition(".")[0] != "torch"]
    warnings.warn(text, UnrollingWarning, stacklevel=3 + min(above, default=0))


def _check_numbers(name: str, steps: object, beta: object, threshold: object) -> None:
    checks = (
        ("steps", steps, whole(steps), "a whole number from 1", 26),
        ("beta", beta, positive(beta), "a finite number above 0", 1.0),
        ("threshold", threshold, positive(threshold, most=1.0), "above 0 and at most 1", 0.9),
    )
    for option, value, good, allowed, usual in checks:
        if not good:
            raise InputError(
                f"{option}={value!r} for {name}",
                allowed=allowed,
                todo=f"give for example {option}={usual}, or leave it away",
            )
