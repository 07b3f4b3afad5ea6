"""When each model step happens, in ms from stimulus onset.

A recurrent network counts in steps, a brain in milliseconds. A `Timeline` says, for each layer, which
span of time every step stands for, and where that claim comes from. Asked for other time bins it
averages the steps by their overlap in ms, or takes the step whose start is nearest, as it declares.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt

from brainbench.core.errors import ActivationError, InputError, unknown

Span = tuple[float, float]
RULES = ("overlap", "nearest")
OUTSIDE = ("error", "hold", "blank")
ALWAYS: Span = (0.0, math.inf)


@dataclass(frozen=True, kw_only=True)
class Timeline:
    """The spans of time, in ms from stimulus onset, that the steps of each layer stand for.

    Parameters
    ----------
    name : str
        "paper", "brainscore", "static", ...: what `--clock`, records and cache keys call it.
    source : str
        Where the spans come from: a paper with its section, a program, or "ours".
    steps : mapping of str to sequence of (start, end)
        For each layer, or for each prefix of dotted layer names ("IT" covers "IT.output"), one span in
        ms per step, in order, not overlapping. The end of the last may be infinite.
    static : bool
        The network has one state per image; `steps` is empty and that state holds at every time.
    rule : {"overlap", "nearest"}
        How a requested bin is made from steps: averaged with weights proportional to the overlap in
        ms, or the one step whose start is nearest to the bin's start (ties go to the earlier one).
    outside : {"error", "hold", "blank"}
        What time that the steps do not cover gives under "overlap": an error, the nearest step, or nothing:
        no unit responds, as before a response arrives or after a picture is gone.
    nominal : bool
        The spans are a few coarse steps that stand for long times. A response averaged over a window
        is then compared with each step, and the best one is chosen inside the training images, rather
        than with their average.
    further_ms : float, optional
        How long each step lasts that a run takes after the declared ones, for a network that runs longer
        where a presentation does. Without, a layer has as many steps as declared.

    Examples
    --------
    >>> clock = Timeline(name="paper", source="Kubilius 2019, 3.3", steps={"IT": [(0, 150), (150, 300)]})
    >>> clock.weights("IT.output", [(140, 160)], calls=2)
    array([[0.5, 0.5]])
    """

    name: str
    source: str
    steps: Mapping[str, Sequence[Span]] = field(default_factory=dict)
    static: bool = False
    rule: Literal["overlap", "nearest"] = "overlap"
    outside: Literal["error", "hold", "blank"] = "error"
    nominal: bool = False
    further_ms: float | None = None

    def __post_init__(self) -> None:
        if self.static and self.steps:
            raise InputError(
                f"a static timeline {self.name!r} that also declares steps for {sorted(self.steps)}",
                allowed="static=True without steps, or steps without static",
                todo="drop one of the two",
            )
        for option, allowed in (("rule", RULES), ("outside", OUTSIDE)):
            if getattr(self, option) not in allowed:
                raise unknown(
                    f"{option} of timeline {self.name!r}:",
                    str(getattr(self, option)),
                    allowed,
                    todo=f"choose {option}=" + " or ".join(map(repr, allowed)),
                )
        for layer, spans in self.steps.items():
            _check_spans(self.name, layer, spans)
        self._check_further()

    def _check_further(self) -> None:
        ends = [spans[-1][1] for spans in self.steps.values()]
        length = self.further_ms
        if length is not None and not (0 < length < math.inf and ends and max(ends) < math.inf):
            raise InputError(
                f"timeline {self.name!r} with further_ms={length}, whose steps end at {ends} ms",
                allowed="a positive length in ms, after declared steps that all end",
                todo="correct further_ms, or leave it away",
            )

    def declared(self, layer: str, *, calls: int = 0) -> tuple[Span, ...] | None:
        """Spans declared for `layer` or for its longest dotted prefix; None where there are none.

        A layer that is called more often than that goes on in steps of `further_ms`, where it is given.
        """
        parts = layer.split(".")
        for length in range(len(parts), 0, -1):
            spans = self.steps.get(".".join(parts[:length]))
            if spans is not None:
                return self._continued([(float(a), float(b)) for a, b in spans], calls)
        return None

    def _continued(self, spans: list[Span], calls: int) -> tuple[Span, ...]:
        if self.further_ms is None:
            return tuple(spans)
        end, length = spans[-1][1], self.further_ms
        more = range(calls - len(spans))
        return (*spans, *((end + length * k, end + length * (k + 1)) for k in more))

    def spans(self, layer: str, *, calls: int) -> tuple[Span, ...]:
        """Spans of a layer that was called `calls` times in one forward pass.

        A layer that is called once has one state, which holds at every time.

        Raises
        ------
        ActivationError
            The layer has more than one state and the timeline does not declare that many.
        """
        if calls == 1:
            declared = self.declared(layer)
            return declared if declared is not None and len(declared) == 1 else (ALWAYS,)
        declared = self.declared(layer, calls=calls)
        if declared is None or len(declared) != calls:
            have = "no steps" if declared is None else f"{len(declared)} step(s)"
            raise ActivationError(
                f"layer {layer!r} has {calls} steps, timeline {self.name!r} declares {have} for it",
                allowed="as many declared spans as steps",
                todo=f"give Timeline(steps={{{layer!r}: [(start, end), ...]}}) with {calls} spans in ms",
            )
        return declared

    def weights(self, layer: str, bins: Sequence[Span], *, calls: int) -> npt.NDArray[np.float64]:
        """Weight of every step in every requested bin.

        Parameters
        ----------
        layer : str
            Dotted name of the layer.
        bins : sequence of (start, end)
            Requested time bins in ms from stimulus onset.
        calls : int
            Number of steps that the layer has.

        Returns
        -------
        ndarray, shape (n_bins, n_steps)
            Each row sums to 1, or under `outside="blank"` to the share of the bin that steps cover.

        Raises
        ------
        InputError
            A bin that no step covers, under `rule="overlap"` and `outside="error"`; a bin of no length or
            without end.
        """
        spans = self.spans(layer, calls=calls)
        wanted = np.asarray(bins, dtype=np.float64).reshape(-1, 2)
        _check_bins(wanted)
        if self.rule == "nearest":
            starts = np.array([a for a, _ in spans])
            nearest = np.abs(wanted[:, :1] - starts).argmin(axis=1)  # argmin: ties go earlier
            chosen: npt.NDArray[np.float64] = np.eye(len(spans))[nearest]
            return chosen
        return self._overlap(layer, spans, wanted)

    def _overlap(
        self, layer: str, spans: Sequence[Span], wanted: npt.NDArray[np.float64]
    ) -> npt.NDArray[np.float64]:
        edges = np.array(spans, dtype=np.float64)
        if self.outside == "hold":
            edges = _held(edges)
        lower = np.maximum(wanted[:, :1], edges[:, 0])
        upper = np.minimum(wanted[:, 1:], edges[:, 1])
        overlap = np.clip(upper - lower, 0.0, None)
        width = wanted[:, 1] - wanted[:, 0]
        if self.outside == "blank":
            covered: npt.NDArray[np.float64] = overlap / width[:, None]
            return covered
        short = ~np.isclose(overlap.sum(axis=1), width, rtol=1e-9, atol=1e-9)
        if short.any():
            bad = wanted[short][0]
            have = ", ".join(f"{start:g}-{end:g}" for start, end in spans)
            raise InputError(
                f"time bin {bad[0]:g}-{bad[1]:g} ms is not covered by layer {layer!r} "
                f"(timeline {self.name!r})",
                allowed=f"bins inside the steps of the layer: {have} ms",
                todo="ask for other bins, or declare Timeline(outside='hold')",
            )
        shares: npt.NDArray[np.float64] = overlap / overlap.sum(axis=1, keepdims=True)
        return shares


def _held(edges: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Spans that leave no time out: each reaches halfway to its neighbor, the outer ones for ever."""
    middle = (edges[:-1, 1] + edges[1:, 0]) / 2
    starts = np.concatenate([[-math.inf], middle])
    return np.stack([starts, np.concatenate([middle, [math.inf]])], axis=1)


def _check_bins(bins: npt.NDArray[np.float64]) -> None:
    good = np.isfinite(bins).all(axis=1) & (bins[:, 0] < bins[:, 1])
    if not good.all():
        bad = bins[~good][0]
        raise InputError(
            f"time bin {bad[0]:g}-{bad[1]:g} ms",
            allowed="a finite start in ms below a finite end",
            todo="correct the bins",
        )


def _check_spans(name: str, layer: str, spans: Sequence[Span]) -> None:
    edges = [edge for span in spans for edge in span]
    rising = all(a < b for a, b in spans) and all(
        earlier[1] <= later[0] for earlier, later in itertools.pairwise(spans)
    )
    if not spans or not rising or math.isnan(sum(edges)):
        raise InputError(
            f"timeline {name!r} has steps {list(spans)} for {layer!r}",
            allowed="at least one (start, end) in ms, each start before its end, in order, no overlap",
            todo="correct the spans",
        )


def square_wave(layers: Sequence[str], *, on_ms: float = 100.0, delay_ms: float = 10.0) -> Timeline:
    """Clock of a feed-forward network that is shown a pulse: each layer is on for as long, one later.

    Nayebi et al. 2018 (figures 5c, S1a): the response is a square wave that follows the stimulus with a delay
    of (layer index - 1) x 10 ms; outside it the layer says nothing about the image.

    Parameters
    ----------
    layers : sequence of str
        Dotted names in the order of the graph, each once; the first responds at 0 ms.
    on_ms : float
        How long the picture is shown.
    delay_ms : float
        From one layer to the next.

    Raises
    ------
    InputError
        No layer, one named twice, or a duration that is not positive.

    Examples
    --------
    >>> clock = square_wave(["conv1", "conv2"], on_ms=20)
    >>> clock.weights("conv2", [(0, 10), (10, 20), (20, 30), (30, 40)], calls=1).ravel().tolist()
    [0.0, 1.0, 1.0, 0.0]
    """
    if not layers or len(set(layers)) < len(layers) or not (on_ms > 0 and delay_ms >= 0):
        raise InputError(
            f"a square wave of {on_ms:g} ms with a delay of {delay_ms:g} ms for the layers {list(layers)}",
            allowed="at least one layer, each once; on_ms above 0, delay_ms not below it",
            todo="name the layers in the order of the graph",
        )
    return Timeline(
        name="square-wave",
        source=f"Nayebi et al. 2018: (layer index - 1) x {delay_ms:g} ms",
        steps={layer: [(k * delay_ms, k * delay_ms + on_ms)] for k, layer in enumerate(layers)},
        outside="blank",
    )


STATIC = Timeline(name="static", source="one state per image", static=True)
"""The clock of a network without time: its one state holds at every time."""
