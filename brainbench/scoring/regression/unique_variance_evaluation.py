"""Shares of variance of held-out predictions: figures, intervals and null of variance partitioning."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np

from brainbench.core import progress
from brainbench.core.settings import Settings
from brainbench.metrics.array_types import FloatArray, IntArray
from brainbench.metrics.gram import Gram
from brainbench.metrics.linear import banded_ridge
from brainbench.metrics.reductions import nan_mean, weighted_mean
from brainbench.scoring.interval_and_null import value_interval
from brainbench.scoring.measure import Figure, Report, finite
from brainbench.scoring.regression.reliable_sites import ReliableSitesEvaluation
from brainbench.scoring.regression.sessions import SessionFit, SessionTarget

PARTS = ("R2_A", "R2_B", "R2_AB", "unique_A", "unique_B", "shared")
"""Held-out R^2 of the model, of the references, of both; what each adds to the other, and the rest."""
_COLUMNS = 2048
"""Shuffled sites that are fitted at once."""


class Explained(NamedTuple):
    """Held-out R^2 of the model, the references and both, and reliabilities c.

    R^2 are draw x site; c is draw x split of the trials x site, or None.
    """

    A: FloatArray
    B: FloatArray
    AB: FloatArray
    c: FloatArray | None = None

    def part(self, name: str) -> FloatArray:
        """Return one of `PARTS`, draw x site."""
        return {
            "R2_A": self.A,
            "R2_B": self.B,
            "R2_AB": self.AB,
            "unique_A": self.AB - self.B,
            "unique_B": self.AB - self.A,
            "shared": self.A + self.B - self.AB,
        }[name]


@dataclass(frozen=True, kw_only=True, eq=False)
class SessionPartition:
    """Feature spaces of one session: the model and its references, with the layer selected for each split."""

    fit: SessionFit
    references: Sequence[SessionFit]
    seed: int  # of the mixtures of three or more spaces

    @property
    def target(self) -> SessionTarget:
        return self.fit.target

    @cached_property
    def residuals(self) -> list[FloatArray]:
        """Residuals of held-out predictions of the model, the references and both, stimulus x site."""
        return self.refit(self.target.responses)

    def refit(self, responses: FloatArray) -> list[FloatArray]:
        """Return the residuals of maps fitted to other responses, stimulus x column, as `residuals`."""
        residuals = [np.zeros(responses.shape) for _ in range(3)]
        label = "variance beyond the references"
        with progress.current().task(label, len(self.fit.folds)) as advance:
            for k, fold in enumerate(self.fit.folds):
                others = [_space(one, k) for one in self.references]
                model = _space(self.fit, k)
                all_spaces = ([model], others, [model, *others])
                for into, spaces in zip(residuals, all_spaces, strict=True):
                    (fit,) = banded_ridge.cross_fit(
                        spaces,
                        responses,
                        [fold],
                        groups=self.fit.target.recordings.split_groups,
                        seed=self.seed,
                    )
                    into[fold.test] = responses[fold.test] - fit.predicted
                advance(1)
        return residuals


def _space(fit: SessionFit, k: int) -> Gram:
    """Return the inner products of the layer that was selected for split k."""
    features = fit.features[int(fit.selection.best[k])]
    assert isinstance(features, Gram)  # noqa: S101  # of `ridge-cv` without principal components
    return features


@dataclass(frozen=True, kw_only=True, eq=False)
class UniqueVarianceEvaluation(ReliableSitesEvaluation):
    """Shares of variance of the sites of all sessions, averaged over sites so that they add up."""

    partitions: Sequence[SessionPartition]
    settings: Settings
    part: str = "unique_A"  # one of `PARTS`, the figure

    # --- figures -----------------------------------------------------------------------------------

    def over_images(self, counts: FloatArray | None) -> Explained:
        """Return shares of the sites that count; each image is held out once, and counts so often."""
        n = [len(session.recordings.stimuli) for session in self.sessions]
        drawn = self.images_by_session(np.ones((1, sum(n))) if counts is None else counts)
        by_session = [
            _r2(part.residuals, part.target.responses, of_images)
            for part, of_images in zip(self.partitions, drawn, strict=True)
        ]
        A, B, AB = (
            np.concatenate(of_sessions, axis=1)[:, self.counted]
            for of_sessions in zip(*by_session, strict=True)
        )
        return Explained(A, B, AB, self._reliability(counts))

    def _reliability(self, counts: FloatArray | None) -> FloatArray | None:
        if not self.has_reliability[self.counted].all():
            return None
        if counts is None:
            return self.c_by_split[None, :, self.counted]
        return None if self.formula == "raw" else self.drawn_reliability(counts)

    def figure_of(self, results: Explained, unit_counts: FloatArray | None) -> Figure:
        """Return the mean over sites, with the mean reliability as ceiling."""
        raw = _mean(results.part(self.part), unit_counts)
        if results.c is None:
            return Figure.of_one_part(raw)
        return Figure.of_one_part(raw, _mean(nan_mean(results.c, axis=1), unit_counts))

    def shuffled(self, orders: Sequence[IntArray]) -> Figure:
        """Return the mean over sites of maps fitted to shuffled images; a session is shuffled by itself."""
        by_session = []
        for partition, session_orders in zip(self.partitions, orders, strict=True):
            Y = partition.target.responses
            at_once, blocks = max(1, _COLUMNS // Y.shape[1]), []
            for start in range(0, len(session_orders), at_once):
                block = session_orders[start : start + at_once]
                wide = np.concatenate([Y[order] for order in block], axis=1)
                r2 = _r2(partition.refit(wide), wide, np.ones((1, len(wide))))
                part = Explained(*r2).part(self.part)
                blocks.append(part.reshape(len(block), Y.shape[1]))
            by_session.append(np.concatenate(blocks))
        raw = np.concatenate(by_session, axis=1)[:, self.counted].mean(axis=1)
        c = self.figure().ceiling
        return Figure.of_one_part(raw, None if c is None else np.repeat(c, len(raw)))

    # --- what belongs to the score -------------------------------------------------------------------

    def report(self, figure: Figure) -> Report:
        everyone = replace(self, floor=None, formula="raw").over_images(None)
        table = {name: everyone.part(name)[0] for name in PARTS}
        columns = {name: values for name, values in table.items() if name != "unique_A"}
        if self.has_reliability.any():
            c = nan_mean(self.c_by_split, axis=0)
            over = table["unique_A"] / np.where(c > 0, c, np.nan)
            columns |= {"ceiling": c, "unique_A_over_c": over}
        return Report(
            n_units=int(self.counted.sum()),
            excluded=self.omitted(),
            per_unit=self.site_table(table["unique_A"], columns, units="R2, unique"),
            figures=self._figures(),
            details={
                **self.details,
                "features": max(fit.n_features for fit in self.fits),
                "sites_with_ceiling": int(self.has_reliability.sum()),
            },
            seeds=self.seeds,
            notes=self.notes_on_ceilings(),
        )

    def _figures(self) -> Mapping[str, float | list[float] | None]:
        """Return every share with its interval, from the same draws as that of the value."""
        figures: dict[str, float | list[float] | None] = {}
        shares = [(part, "raw", part) for part in PARTS]
        if self.figure().ceiling is not None:
            shares += [(part, "r/c", f"{part}_over_c") for part in PARTS if "unique" in part]
        for part, formula, name in shares:
            other = replace(self, part=part, formula=formula)
            value = float(other.figure().value(formula)[0])
            figures[name] = finite(value)
            interval = value_interval(other, self.settings, value) if np.isfinite(value) else None
            if interval is not None:
                figures[f"{name}_ci"] = [interval.lo, interval.hi]
        return figures


def _r2(
    residuals: Sequence[FloatArray], Y: FloatArray, counts: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return 1 - SSE / SST for each of three residuals, draw x site; NaN where responses do not vary."""
    centered = Y - Y.mean(axis=0)
    total = counts.sum(axis=1, keepdims=True)
    sst = counts @ centered**2 - (counts @ centered) ** 2 / total
    sst = np.where(sst > 1e-12 * (counts @ centered**2), sst, np.nan)
    A, B, AB = (1 - counts @ residual**2 / sst for residual in residuals)
    return A, B, AB


def _mean(x: FloatArray, unit_counts: FloatArray | None) -> FloatArray:
    """Return the mean over sites, draw; a site without a value in a draw does not count in it."""
    weights = np.ones(x.shape[1])[None] if unit_counts is None else unit_counts
    weights = np.where(np.isnan(x), 0.0, weights)
    return weighted_mean(np.broadcast_to(x, weights.shape), weights)
