"""Running a declared graph over time.

Nothing is computed twice: a layer whose input is the same tensor as in the previous step keeps what it
computed from it, and what no image has reached yet, or a blank, is computed for a batch of one. Every new
output is checked, so that an error names the layer that gives NaN or inf first, whichever layers were
asked for.
"""

from __future__ import annotations

import inspect
import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, elu, linear

from brainbench.core.errors import ActivationError, InputError, unknown
from brainbench.core.presentation import Presentation
from brainbench_models._options import check_option, is_positive, is_whole_number
from brainbench_models.convrnn.cells import CellSizes, Drive, State, make_cell
from brainbench_models.convrnn.decoders import DECODERS, Decoder, decoded_step
from brainbench_models.convrnn.graph import (
    IMAGE,
    UNROLLS,
    FeedbackCell,
    Graph,
    Layer,
    Readout,
    Unroll,
)
from brainbench_models.convrnn.same_padding import SameConv2d, max_pool, resize
from brainbench_models.convrnn.schedule import BLANK, STEP_MS, Schedule


class UnrollingWarning(UserWarning):
    """A network runs for fewer steps than all of its weights need."""


@dataclass(frozen=True)
class Memory:
    """State that a layer keeps from one step to the next."""

    source: Tensor  # input of the layer
    drive: Drive  # what the cell gets from the input; empty without a cell
    skip: Tensor | None  # what is added to the second convolution
    state: State  # of the cell
    output: Tensor  # of the layer; a batch of one if it is the same for all images


class LayerModule(nn.Module):
    """One layer; `source` and `feedback` are the channels of its input and of all feedback to it.

    `side` is the height and width behind its first convolution.
    """

    def __init__(self, layer: Layer, *, source: int, feedback: int, side: int) -> None:
        super().__init__()
        self.layer = layer
        self.conv = SameConv2d(source, layer.channels, layer.kernel, stride=layer.stride)
        sizes = CellSizes(channels=layer.channels, source=source, side=side, feedback=feedback)
        self.cell = None if layer.cell is None else make_cell(layer.cell, sizes)
        width = layer.width
        self.second = SameConv2d(width, width, 3) if layer.block else None
        widens = layer.block and source != width
        self.skip = SameConv2d(source, width, 1, bias=False) if widens else nn.Identity()

    def forward(
        self, source: Tensor, feedback: Sequence[Tensor], memory: Memory | None, batch: int
    ) -> tuple[Tensor, Memory]:
        """Take one step: return the output, (batch, channel, height, width), and the memory.

        Input, feedback and memory of the previous step have `batch` images, or one if they are the same for
        all; maps of feedback may have any height and width.
        """
        same_input = memory is not None and memory.source is source
        memory = memory if memory is not None and same_input else self._read(source, memory)
        if self.cell is not None:
            y, state = self.cell(memory.drive, memory.state, feedback)
            memory = replace(memory, state=state, output=self._after_cell(y, memory.skip))
        elif not same_input:
            memory = replace(memory, output=self._after_cell(memory.output, memory.skip))
        return memory.output.expand(batch, -1, -1, -1), memory

    def _read(self, source: Tensor, memory: Memory | None) -> Memory:
        x = self.conv(source)
        if self.layer.elu:
            x = elu(x, inplace=True)
        skip = self.skip(source) if self.layer.block else None
        if self.cell is None:
            return Memory(source, (), skip, (), x)
        state = memory.state if memory is not None else self.cell.zeros(x)
        return Memory(source, self._drive(x, source), skip, state, x)

    def _drive(self, x: Tensor, source: Tensor) -> Drive:
        assert self.cell is not None  # noqa: S101  # `_read` asks for the drive of a cell alone
        return self.cell.drive(x, source)

    def _after_cell(self, y: Tensor, skip: Tensor | None) -> Tensor:
        if self.second is not None and skip is not None:
            y = elu(self.second(y) + skip, inplace=True)
        return max_pool(y) if self.layer.pool else y


class FeedbackLayerModule(LayerModule):
    """A layer whose cell takes feedback at its input, its hidden state or its output."""

    def __init__(self, layer: Layer, *, source: int, feedback: int, side: int) -> None:
        super().__init__(layer, source=source, feedback=0, side=side)
        cell = layer.cell
        assert isinstance(cell, FeedbackCell)  # noqa: S101  # the graph declares such cells alone here
        self.at = cell.entry
        width = layer.channels if self.at == "input" else layer.width
        self.entry = SameConv2d(feedback, width, cell.entry_kernel)

    def forward(
        self, source: Tensor, feedback: Sequence[Tensor], memory: Memory | None, batch: int
    ) -> tuple[Tensor, Memory]:
        """Take one step, as `LayerModule.forward`; what depends on feedback is computed in each."""
        if memory is None or memory.source is not source:
            memory = self._read(source, memory)
        assert self.cell is not None  # noqa: S101  # as above
        x, *drive = memory.drive
        fed, state = self._entering(feedback, x), memory.state
        if self.at == "input":
            drive = list(self.cell.drive(x + fed, source))
        elif self.at == "hidden":
            state = (*state[:-1], state[-1] + fed)
        y, state = self.cell(tuple(drive), state, ())
        y = y + fed if self.at == "output" else y
        memory = replace(memory, state=state, output=self._after_cell(y, memory.skip))
        return memory.output.expand(batch, -1, -1, -1), memory

    def _entering(self, feedback: Sequence[Tensor], x: Tensor) -> Tensor:
        """Return the convolution of all feedback, at the height and width of `x`."""
        batch, size = max(len(z) for z in feedback), (x.shape[2], x.shape[3])
        fed: Tensor = self.entry(
            torch.cat([resize(z, size).expand(batch, -1, -1, -1) for z in feedback], 1)
        )
        return fed

    def _drive(self, x: Tensor, source: Tensor) -> Drive:
        return (x,) if self.at == "input" else (x, *super()._drive(x, source))


class ReadoutModule(nn.Module):
    """The category layer: from the maps of the last layer, with `source` channels, to logits."""

    def __init__(self, readout: Readout, source: int) -> None:
        super().__init__()
        self.readout = readout
        kernel = () if readout.kind == "fc" else (2, 2)
        self.weight = nn.Parameter(torch.zeros(readout.classes, source, *kernel))
        self.bias = nn.Parameter(torch.zeros(readout.classes))

    def forward(
        self, source: Tensor, before: tuple[Tensor, Tensor] | None, batch: int
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Return the logits of one step, (batch, class), and (input, logits) for the next step."""
        if before is None or before[0] is not source:
            if self.readout.kind == "fc":
                logits = linear(self.features(source), self.weight, self.bias)
            else:
                logits = conv2d(source, self.weight, self.bias).mean((2, 3))
            before = (source, logits)
        return before[1].expand(batch, -1), before

    def features(self, source: Tensor) -> Tensor:
        """Return what is read, flat: averages over places ("fc"), or all places ("conv")."""
        return source.mean((2, 3)) if self.readout.kind == "fc" else source.flatten(1)


class ConvRNN(nn.Module):
    """A declared graph as a torch module.

    Submodules have the names of the layers, `conv1`, ..., and of the read-out. Each is called once per
    step of 10 ms, so that a forward hook sees every step; `behavior` is called once, with what the
    read-out reads at the decoded step. A presentation may take more steps than `steps`. In "layered"
    unrolling all inputs are one step old; in "full" unrolling a whole feed-forward pass is run in each
    step, and only feedback is.

    `decoder`, `beta` and `threshold` choose the step that is the answer, see `decoded_step`; it starts at
    the step after the image first reaches the read-out, as in the released networks. Of a Presentation,
    steps count until the blank after a pulse reaches the read-out; of a Schedule, all steps count.
    InputError for steps, a beta or a threshold out of range, UnknownNameError for another unrolling or
    decoder.
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
        for kind, name, known in (("unrolling", unroll, UNROLLS), ("decoder", decoder, DECODERS)):
            if name not in known:
                raise unknown(kind, str(name), known, todo="choose one of these")
        _check_numbers(graph.name, steps, beta, threshold)
        self.graph, self.steps, self.unroll = graph, steps, unroll
        self.decoder, self.beta, self.threshold = decoder, beta, threshold
        for layer in graph.layers:
            source, height, _ = graph.shapes[graph.sources[layer.name]]
            feedback = sum(graph.shapes[name][0] for name in graph.feedback_of(layer.name))
            side = -(-height // layer.stride)
            enters = feedback and isinstance(layer.cell, FeedbackCell)
            make = FeedbackLayerModule if enters else LayerModule
            module = make(layer, source=source, feedback=feedback, side=side)
            self.add_module(layer.name, module)
        readout = ReadoutModule(graph.readout, graph.shapes[graph.last][0])
        self.add_module(graph.readout.name, readout)
        self.behavior = nn.Identity()

    def forward(self, images: Tensor, shown: Presentation | Schedule | None = None) -> Tensor:
        """Return the logits at the decoded step, (batch, class).

        Images are normalized, (batch, 3, height, width), and by default shown constantly; or a movie with
        one frame per step, (batch, time, 3, height, width), and the blank up to the end of a Presentation
        of a movie, at least `steps` in all. InputError for another shape or no image or frame, for a movie
        shown as an image, and for an image shown as a movie; ActivationError for NaN or inf, with the layer
        and the step, from 0, where it came first. UnrollingWarning for fewer steps than the graph needs, but
        not under a Presentation: `models.convrnn` says so, once.
        """
        frames = self._frames(images, shown)
        if not isinstance(shown, Presentation):
            _warn(too_short(self.graph, len(frames), self.unroll))
        return self._decoded(*self._run(frames), images, shown)

    def logits_and_steps(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return the logits at the decoded step, (batch, class), and at every step, (batch, step, class).

        Images are shown constantly.
        """
        sources, logits = self._run(self._frames(images, None))
        return self._decoded(sources, logits, images, None), logits

    def _decoded(
        self,
        sources: Sequence[Tensor],
        logits: Tensor,
        images: Tensor,
        shown: Presentation | Schedule | None,
    ) -> Tensor:
        """Return the logits of each image at its decoded step, (batch, class)."""
        first = self.graph.first_driven(self.unroll)[self.graph.readout.name]
        step = decoded_step(
            logits[:, : self._steps_in_sight(images, shown, first)],
            self.decoder,
            start=first + 1,
            beta=self.beta,
            threshold=self.threshold,
        )
        self.behavior(self._read_at(sources, step))
        batch = torch.arange(logits.shape[0], device=logits.device)
        return logits[batch, step]

    def _steps_in_sight(
        self, images: Tensor, shown: Presentation | Schedule | None, first: int
    ) -> int | None:
        """Return the steps until the blank after image or movie reaches the read-out; None if all count."""
        if not isinstance(shown, Presentation):
            return None
        if shown.kind == "movie":
            return first + images.shape[1]
        on = Schedule.of(shown, steps=self.steps).on
        return None if on is None else first + on

    def _frames(self, images: Tensor, shown: Presentation | Schedule | None) -> list[Tensor]:
        side = (3, self.graph.size, self.graph.size)
        movie = images.ndim == 5
        wrong_shape = images.ndim not in (4, 5) or images.shape[-3:] != side or 0 in images.shape
        as_movie = isinstance(shown, Presentation) and shown.kind == "movie"
        if wrong_shape or (shown is not None and movie != as_movie):
            raise InputError(
                f"images of shape {tuple(images.shape)} for {self.graph.name}"
                + (", with a presentation" if shown is not None and movie != as_movie else ""),
                allowed="(batch, 3, {1}, {2}), or a movie (batch, time, 3, {1}, {2}) without a "
                "presentation or with that of a movie, each size at least 1".format(*side),
                todo="resize the images, with the channels first",
            )
        if movie:
            frames = [_channels_last(frame) for frame in images.unbind(1)]
            return frames + self._blanks_after(frames, shown)
        if not isinstance(shown, Schedule):
            shown = Schedule.of(shown or Presentation(), steps=self.steps)
        return shown.frames(_channels_last(images))

    def _blanks_after(
        self, frames: Sequence[Tensor], shown: Presentation | Schedule | None
    ) -> list[Tensor]:
        """Return the blanks after a movie up to the end of its presentation; none without one."""
        if not isinstance(shown, Presentation):
            return []
        steps = max(self.steps, math.ceil((shown.total_ms or 0) / STEP_MS))
        blank = frames[0].new_full((1, *frames[0].shape[1:]), BLANK)
        return [blank] * max(0, steps - len(frames))

    def _run(self, frames: Sequence[Tensor]) -> tuple[list[Tensor], Tensor]:
        """Return the input of the read-out at each step, and logits, (batch, step, class)."""
        graph = self.graph
        readout: ReadoutModule = self.get_submodule(graph.readout.name)  # type: ignore[assignment]
        batch = max(len(frame) for frame in frames)
        now = {
            layer.name: frames[0].new_zeros((1, *graph.shapes[layer.name]))
            for layer in graph.layers
        }
        memories: dict[str, Memory] = {}
        sources: list[Tensor] = []
        logits: list[Tensor] = []
        before = None
        for step, frame in enumerate(frames):
            past, now = now, dict(now)
            inputs = past if self.unroll == "layered" else now
            for layer in graph.layers:
                source = graph.sources[layer.name]
                _, memories[layer.name] = self.get_submodule(layer.name)(
                    frame if source == IMAGE else inputs[source],
                    [past[name] for name in graph.feedback_of(layer.name)],
                    memories.get(layer.name),
                    batch,
                )
                now[layer.name] = memories[layer.name].output
            sources.append(inputs[graph.last])
            step_logits, before = readout(sources[-1], before, batch)
            logits.append(step_logits)
            new = {name: output for name, output in now.items() if output is not past[name]}
            check_finite(new | {graph.readout.name: before[1]}, step)
        return sources, torch.stack(logits, 1)

    def _read_at(self, sources: Sequence[Tensor], step: Tensor) -> Tensor:
        readout: ReadoutModule = self.get_submodule(self.graph.readout.name)  # type: ignore[assignment]
        rows = [
            readout.features(sources[t] if len(sources[t]) == 1 else sources[t][k : k + 1])
            for k, t in enumerate(step.tolist())
        ]
        return torch.cat(rows)


def _channels_last(images: Tensor) -> Tensor:
    return images.contiguous(memory_format=torch.channels_last)


def check_finite(outputs: Mapping[str, Tensor], step: int) -> None:
    """Raise ActivationError for the first layer of `outputs`, (batch or 1, ...), with NaN or inf."""
    # The sum is finite whenever every value is, short of an overflow: one check for all layers is enough.
    sums = torch.stack([output.detach().sum(dtype=torch.float32) for output in outputs.values()])
    if bool(sums.isfinite().all()):
        return
    for name, output in outputs.items():
        wrong = ~output.isfinite()
        if bool(wrong.any()):
            kind = "NaN" if bool(output.isnan().any()) else "inf"
            error = ActivationError(
                f"layer {name!r} gives {kind} at step {step} "
                f"({STEP_MS * step:g}-{STEP_MS * (step + 1):g} ms)",
                allowed="finite responses at every step",
                todo="check that layer's weights, the preprocessing and the picture",
            )
            error.row = int(wrong.flatten(1).any(1).nonzero()[0])
            raise error


def too_short(graph: Graph, steps: int, unroll: Unroll) -> str | None:
    """Return a sentence that says what `steps` steps leave unused; None if they are enough.

    Cells from which no path leads to the read-out do not count: no number of steps is enough for them.
    """
    unreached = [name for name, first in graph.first_driven(unroll).items() if first >= steps]
    idle = [name for name, minimum in graph.needed(unroll).items() if minimum > steps]
    if not unreached and not idle:
        return None
    names = ["the read-out" if name == graph.readout.name else name for name in unreached]
    unused = [f"the image does not reach {', '.join(names)}"] if names else []
    unused += [f"the recurrent weights of {', '.join(idle)} never act on it"] if idle else []
    return (
        f"{graph.name} runs {steps} steps, so {' and '.join(unused)}; "
        f"at least {graph.minimal_steps(unroll)} steps are needed"
    )


def _warn(text: str | None) -> None:
    """Warn at the line that calls the network, above `forward` and the frames of torch that call it."""
    if text is None:
        return
    callers = [str(info.frame.f_globals.get("__name__")) for info in inspect.stack(0)[2:]]
    above = [n for n, name in enumerate(callers) if name.partition(".")[0] != "torch"]
    warnings.warn(text, UnrollingWarning, stacklevel=3 + min(above, default=0))


def _check_numbers(name: str, steps: object, beta: object, threshold: object) -> None:
    whole, positive = is_whole_number(steps), is_positive(beta)
    check_option("steps", steps, name, valid=whole, allowed="a whole number, at least 1")
    check_option("beta", beta, name, valid=positive, allowed="a finite number above 0")
    valid = is_positive(threshold, maximum=1.0)
    check_option("threshold", threshold, name, valid=valid, allowed="above 0 and at most 1")
