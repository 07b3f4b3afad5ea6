"""What a search found: the data of figures 2b, 3b, 4a and 4b of Nayebi et al. 2018."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from brainbench.training.study import Study

DRAWS = 2_000
"""Draws of the interval of a gain."""


def progress_of(trials: pd.DataFrame, *, window: int) -> pd.DataFrame:
    """Return the accuracy of each trial, the best so far, and the mean of the last ones (figure 3b).

    Parameters
    ----------
    trials : DataFrame
        Of a study, by number of the trial.
    window : int
        Trials of the mean; it begins with the first window that is full.
    """
    top1 = trials["top1"]
    table = {"top1": top1, "best": top1.cummax(), "mean_of_last": top1.rolling(window).mean()}
    return pd.DataFrame(table)


def shares_in_window(trials: pd.DataFrame, switches: Sequence[str], *, window: int) -> pd.DataFrame:
    """Return the share of the last trials that have each connection (figure 4b, top), by trial."""
    return trials[list(switches)].astype(float).rolling(window).mean().dropna()


def gains(trials: pd.DataFrame, switches: Sequence[str], *, seed: int = 0) -> pd.DataFrame:
    """Return the median accuracy of trials with a connection less that of trials without (figure 4b, bottom).

    TPE draws what did well before, so that a gain describes the trials of a search and is not the effect of a
    connection. The 95 % interval is that of percentiles over trials drawn with replacement, with and without
    the connection apart; it is NaN, as the gain is, with fewer than two of either.

    Returns
    -------
    DataFrame
        A row for each connection: "gain", "low", "high", "n_with", "n_without".
    """
    rng = np.random.Generator(np.random.PCG64(seed))
    top1, rows = trials["top1"].to_numpy(float), {}
    for name in switches:
        has = trials[name].to_numpy(bool)
        groups = (top1[has], top1[~has])
        row = dict.fromkeys(("gain", "low", "high"), np.nan)
        if min(map(len, groups)) > 1:
            drawn = [np.median(rng.choice(g, (DRAWS, len(g))), axis=1) for g in groups]
            low, high = np.percentile(drawn[0] - drawn[1], [2.5, 97.5])
            gain = np.median(groups[0]) - np.median(groups[1])
            row = {"gain": float(gain), "low": float(low), "high": float(high)}
        rows[name] = {**row, "n_with": len(groups[0]), "n_without": len(groups[1])}
    return pd.DataFrame.from_dict(rows, orient="index")


def best_models(trials: pd.DataFrame) -> pd.DataFrame:
    """Return the trials that were the best so far when they were trained, the red line of figure 3b."""
    top1 = trials["top1"]
    is_best = top1 > top1.cummax().shift(fill_value=-np.inf)
    return trials[is_best]


def motif_among_best(trials: pd.DataFrame, motif: Sequence[str]) -> pd.DataFrame:
    """Return how often the best models made the choices of the best one (figure 4a).

    Returns
    -------
    DataFrame
        A row for each choice of a cell: "chosen" by the best trial, "share" of the best models that chose
        the same, and "share_of_all" trials that did.
    """
    best = best_models(trials)
    last = best.iloc[-1]
    rows = {
        name: {
            "chosen": last[name],
            "share": float((best[name] == last[name]).mean()),
            "share_of_all": float((trials[name] == last[name]).mean()),
        }
        for name in motif
    }
    return pd.DataFrame.from_dict(rows, orient="index")


def facts(study: Study) -> dict[str, object]:
    """Return what a search came to, in plain values."""
    trials = study.trials
    top1 = trials["top1"]
    searched = top1[top1.index >= study.random]
    return {
        "space": study.space,
        "trials": len(trials),
        "diverged": int((trials["diverged"] != "").sum()),
        "pruned": int(trials["pruned"].sum()),
        **{f"rejected draws, {kind}": count for kind, count in study.rejected.items()},
        "best top-1": float(top1.max()),
        "best trial": list(study.drawn)[int(top1.argmax())],
        "median top-1, random phase": float(top1[top1.index < study.random].median()),
        "median top-1, after it": float(searched.median()) if len(searched) else None,
        "seconds of a trial, median": float(trials["seconds"].median()),
        "seconds of a trial, longest": float(trials["seconds"].max()),
        "processor seconds of a trial, longest": float(trials["processor_seconds"].max()),
    }
