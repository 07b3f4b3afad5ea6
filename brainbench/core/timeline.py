"""Timelines: the span of time of each model step, in ms from stimulus onset.

A recurrent network counts steps, a brain milliseconds. A `Timeline` declares the span of each step of
each layer, and its source. Responses in other time bins are averages of the steps, weighted by their
overlap in ms or by the share of each step that lies in the bin, or the step with the nearest start.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, cast

import numpy as np
import numpy.typing as npt
from numpy.typing import NDArray

from brainbench.core.errors import ActivationError, InputError, unknown

FloatArray = NDArray[np.float64]
Span = tuple[float, float]
RULES = ("overlap", "share", "nearest")
OUTSIDE = ("error", "hold", "blank")
ALWAYS: Span = (0.0, math.inf)


@dataclass(frozen=True, kw_only=True)
class Timeline:
    """A clock of a network: the span of each step of each layer, in ms from stimulus onset.

    Parameters
    ----------
    name, source : str
        Its name in records and cache keys: "paper", "brainscore", "static", ...; and the origin of the
        spans: a paper with its section, a program, or "ours".
    steps : mapping of str to sequence of (start, end)
        For each layer, or each prefix of dotted layer names ("IT" covers "IT.output"), one span in ms
        per step, in order and without overlap. The last may end at infinity.
    static : bool
        The network has one state per image, which holds at all times; `steps` is empty.
    rule : {"overlap", "share", "nearest"}
        How steps become a time bin: their average, weighted by the overlap in ms ("overlap") or by the
        overlap as a share of the step ("share", as Brain-Score does; a step without an end is taken to end
        with the bin), or the step whose start is nearest to the start of the bin (the earlier one of two).
        Under the protocol `brainscore` a model's "overlap" becomes "share".
    outside : {"error", "hold", "blank"}
        Rule for time that no step covers, unless the rule is "nearest": an error, the nearest step, or no
        response.
    nominal : bool
        The spans are a few coarse steps for long times: a response averaged over a window is compared
        with the best step, selected within the training images, instead of with their average.
    further_ms : float, optional
        Length of each step after the declared ones, for a network that runs longer when a presentation
        does. By default a layer has only the declared steps.

    InputError for spans that are empty, overlap or are out of order, steps of a static timeline, or a
    wrong further_ms; UnknownNameError for an unknown rule.

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
    rule: Literal["overlap", "share", "nearest"] = "overlap"
    outside: Literal["error", "hold", "blank"] = "error"
    nominal: bool = False
    further_ms: float | None = None

    def __post_init__(self) -> None:
        if self.static and self.steps:
            raise InputError(
                f"a static timeline {self.name!r} that also declares steps for {sorted(self.steps)}",
                allowed="static=True without steps, or steps without static",
                todo="omit one of the two",
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
                todo="correct or omit further_ms",
            )

    def declared(self, layer: str, *, calls: int = 0) -> tuple[Span, ...] | None:
        """Return the spans declared for a layer or for its longest dotted prefix; None if there are none.

        With `further_ms`, further spans follow for a layer that is called more often.
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
        """Return the spans of a layer that is called `calls` times in one forward pass.

        A layer that is called once has one state, which holds at all times. ActivationError if it has
        more than one state and the timeline does not declare that many.
        """
        if calls == 1:
            declared = self.declared(layer)
            return declared if declared is not None and len(declared) == 1 else (ALWAYS,)
        declared = self.declared(layer, calls=calls)
        if declared is None or len(declared) != calls:
            number = "no steps" if declared is None else f"{len(declared)} step(s)"
            raise ActivationError(
                f"layer {layer!r} has {calls} steps, timeline {self.name!r} declares {number} for it",
                allowed="as many declared spans as steps",
                todo=f"give Timeline(steps={{{layer!r}: [(start, end), ...]}}) with {calls} spans in ms",
            )
        return declared

    def weights(self, layer: str, bins: Sequence[Span], *, calls: int) -> npt.NDArray[np.float64]:
        """Return the weight of each of the `calls` steps of a layer in each bin, shape (n_bins, n_steps).

        Bins are (start, end) in ms from stimulus onset. Each row sums to 1, or under `outside="blank"` to
        the share of the bin that steps cover. InputError for a bin that no step covers, under
        `outside="error"` unless the rule is "nearest", and for one of zero or infinite length.
        """
        spans = self.spans(layer, calls=calls)
        edges = np.asarray(bins, dtype=np.float64).reshape(-1, 2)
        _check_bins(edges)
        if self.rule == "nearest":
            starts = np.array([a for a, _ in spans])
            nearest = np.abs(edges[:, :1] - starts).argmin(axis=1)  # the first of equals
            return cast(FloatArray, np.eye(len(spans))[nearest])
        return self._overlap(layer, spans, edges)

    def _overlap(self, layer: str, spans: Sequence[Span], bins: FloatArray) -> FloatArray:
        steps = np.array(spans, dtype=np.float64)
        if self.outside == "hold":
            steps = _extended(steps)
        lower = np.maximum(bins[:, :1], steps[:, 0])
        upper = np.minimum(bins[:, 1:], steps[:, 1])
        overlap = np.clip(upper - lower, 0.0, None)
        width = bins[:, 1] - bins[:, 0]
        weights = overlap if self.rule == "overlap" else overlap / _lengths(spans, bins)
        sums = weights.sum(axis=1, keepdims=True)
        weights = weights / np.where(sums > 0, sums, 1.0)
        if self.outside == "blank":
            return cast(FloatArray, weights * (overlap.sum(axis=1) / width)[:, None])
        short = ~np.isclose(overlap.sum(axis=1), width, rtol=1e-9, atol=1e-9)
        if short.any():
            bad = bins[short][0]
            covered_ms = ", ".join(f"{start:g}-{end:g}" for start, end in spans)
            raise InputError(
                f"time bin {bad[0]:g}-{bad[1]:g} ms is not covered by layer {layer!r} "
                f"(timeline {self.name!r})",
                allowed=f"bins inside the steps of the layer: {covered_ms} ms",
                todo="choose other bins, or declare Timeline(outside='hold')",
            )
        return cast(FloatArray, weights)


def _lengths(spans: Sequence[Span], bins: FloatArray) -> FloatArray:
    """Return the length of each step in ms, bin x step; a step without an end ends with the bin."""
    starts, ends = np.array(spans, dtype=np.float64).T
    until = np.where(np.isinf(ends), np.maximum(bins[:, 1:], starts + 1.0), ends)
    return cast(FloatArray, until - starts)


def _extended(spans: FloatArray) -> FloatArray:
    """Extend each span halfway to its neighbor, and the outer ones to infinity."""
    middle = (spans[:-1, 1] + spans[1:, 0]) / 2
    starts = np.concatenate([[-math.inf], middle])
    return np.stack([starts, np.concatenate([middle, [math.inf]])], axis=1)


def _check_bins(bins: FloatArray) -> None:
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
    """Return the clock of a feed-forward network that is shown a pulse.

    Each layer responds for as long as the stimulus is shown, one layer after the other: a square wave
    with a delay of (layer index - 1) x 10 ms; outside it no unit responds (Nayebi et al. 2018, figures
    5c, S1a). `layers` are dotted names in the order of the graph; the first responds at 0 ms. InputError
    for no layers, a layer named twice, a duration that is not positive, or a negative delay.
    """
    if not layers or len(set(layers)) < len(layers) or not (on_ms > 0 and delay_ms >= 0):
        raise InputError(
            f"a square wave of {on_ms:g} ms with a delay of {delay_ms:g} ms for the layers {list(layers)}",
            allowed="at least one layer, each once; on_ms above 0, delay_ms at least 0",
            todo="name the layers in the order of the graph",
        )
    return Timeline(
        name="square-wave",
        source=f"Nayebi et al. 2018: (layer index - 1) x {delay_ms:g} ms",
        steps={layer: [(k * delay_ms, k * delay_ms + on_ms)] for k, layer in enumerate(layers)},
        outside="blank",
    )


STATIC = Timeline(name="static", source="one state per image", static=True)
"""The clock of a network without time: its one state holds at all times."""
