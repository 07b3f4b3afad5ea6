"""Closed forms of the simulated brain."""

from brainbench.simulate import sites


def reliability_of(expected, *, n_trials=sites.TRIALS, bins=slice(7, 17)):
    """Reliability of the average of Poisson counts in some bins of 10 ms: signal over total variance."""
    window = expected[:, :, bins].mean(axis=2)
    noise = window.mean(axis=0) / ((bins.stop - bins.start) * n_trials)
    signal = window.var(axis=0, ddof=1)
    return signal / (signal + noise)
