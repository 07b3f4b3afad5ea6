"""Explained variance as tests ask for it: one figure, and test stimuli normalized by all stimuli."""

import numpy as np

from brainbench.metrics.explained_variance.ccnorm import explained
from brainbench.metrics.explained_variance.signal_power import mean_response, signal_power


def explained_on(rows, trials, predicted):
    """Explained variance on some stimuli, normalized by all (Zhang et al. 2020, C.4)."""
    return explained(predicted, mean_response(trials)[rows], signal_power(trials))


def mean_score(found):
    """Mean CC_norm^2 over the neuroids that have one; NaN where none has."""
    score = found.cc_norm**2
    return np.nan if np.isnan(score).all() else np.nanmean(score)
