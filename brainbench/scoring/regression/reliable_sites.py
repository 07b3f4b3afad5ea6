"""Reliability of the predicted sites of all sessions, and which of them count."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from brainbench.metrics.array_types import BoolArray, FloatArray
from brainbench.metrics.correlation import weighted_moments, weighted_pearson
from brainbench.metrics.reductions import nan_mean
from brainbench.scoring.measure import Resampling
from brainbench.scoring.recordings import reliable_sites
from brainbench.scoring.regression.sessions import NOT_REPEATED, SessionsEvaluation
from brainbench.stats.ceiling import half_means, spearman_brown


@dataclass(frozen=True, kw_only=True, eq=False)
class ReliableSitesEvaluation(SessionsEvaluation):
    """Held-out predictions of sites whose reliability c is split-half; a measure adds how they are judged."""

    floor: float | None  # least reliability of the sites that count

    @cached_property
    def has_reliability(self) -> BoolArray:
        """Whether trials give a site a reliability, site of all sessions."""
        reliable = [session.reliability[0] is not None for session in self.sessions]
        return np.repeat(reliable, [session.sites.sum() for session in self.sessions])

    @cached_property
    def c_by_split(self) -> FloatArray:
        """Reliability of each site, split of the trials x site of all sessions; NaN where there is none."""
        by_session = [session.reliability[0] for session in self.sessions]
        n_splits = max((len(c) for c in by_session if c is not None), default=1)
        by_split = np.full((n_splits, len(self.has_reliability)), np.nan)
        if self.has_reliability.any():
            known = [c for c in by_session if c is not None]
            by_split[:, self.has_reliability] = np.concatenate(known, axis=1)
        return by_split

    @property
    def without_reliability(self) -> dict[str, int]:
        """Reason -> how many sites have no reliability for it."""
        reasons: Counter[str] = Counter()
        for session in self.sessions:
            c, reason = session.reliability
            if c is None:
                reasons[reason] += int(session.sites.sum())
        return dict(reasons)

    @cached_property
    def counted(self) -> BoolArray:
        """Sites that reach the floor, or have the ceiling that the formula needs; InputError for none."""
        if self.floor is not None:
            c = nan_mean(self.c_by_split, axis=0)
            unknown = "; ".join(self.without_reliability)
            return reliable_sites(c, self.floor, label=self.population, unknown=unknown)
        if self.formula == "raw" or not self.has_reliability.any():
            return np.full(len(self.has_reliability), True)
        return self.has_reliability

    def omitted(self) -> dict[str, int]:
        """Return reason -> sites that do not count for it, whatever the model predicts."""
        excluded = {
            "constant response": sum(int((~session.sites).sum()) for session in self.sessions),
        }
        without, n = self.without_reliability, len(self.counted)
        if self.floor is not None:
            below = n - sum(without.values()) - int(self.counted.sum())
            excluded[f"reliability below {self.floor}"] = below
            excluded |= {f"{why}, so no reliability": count for why, count in without.items()}
        elif not self.counted.all():
            excluded |= {f"{why}, so no {self.formula}": count for why, count in without.items()}
        return excluded

    @cached_property
    def _half_moments(self) -> list[list[FloatArray]]:
        """Moments of half means of the sites that count, by session and split; none where none counts."""
        pairs = zip(self.sessions, self.by_session(self.counted), strict=True)
        return [
            _moments_of_halves(session.trials[:, :, counted])
            if session.trials is not None and counted.any()
            else []
            for session, counted in pairs
        ]

    def drawn_reliability(self, counts: FloatArray) -> FloatArray:
        """Return reliabilities of the sites that count, draw x split of the trials x site."""
        parts = zip(self.sessions, self._half_moments, self.images_by_session(counts), strict=True)
        drawn_c = [
            session.kept.of(_drawn_correlations, by_half, drawn)
            for session, by_half, drawn in parts
            if by_half
        ]
        return spearman_brown(np.concatenate(drawn_c, axis=2))

    @property
    def resampling(self) -> Resampling:
        return Resampling(units=self.units(self.counted), remark="maps not refitted")

    @property
    def no_ceiling(self) -> str:
        reasons = [why for why in self.without_reliability if why != NOT_REPEATED]
        return "; ".join(reasons) or "only the mean of the trials was published, none is repeated"

    def notes_on_ceilings(self) -> list[str]:
        """Return why sessions with repeated trials have no ceiling."""
        reasons = [(session.name, session.reliability[1]) for session in self.sessions]
        return [
            f"no ceiling{f' of session {name}' if name else ''}: {reason}"
            for name, reason in reasons
            if reason not in ("", NOT_REPEATED)
        ]


def _moments_of_halves(trials: FloatArray) -> list[FloatArray]:
    """Return the moments of half means, split by split."""
    return [weighted_moments(*halves) for halves in zip(*half_means(trials), strict=True)]


def _drawn_correlations(moments: list[FloatArray], counts: FloatArray) -> FloatArray:
    """Return correlations of half means where images count so often, draw x split of the trials x site."""
    return np.stack([weighted_pearson(counts, of_split) for of_split in moments], axis=1)
