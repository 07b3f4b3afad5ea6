"""Recording sites of a simulated brain: sparse positive readouts with a chosen reliability.

A site sums a few units of the population of its area, with the same positive weights in every time
bin, and fires as a Poisson process. Counts of n trials, averaged over a window of k bins, have the
noise variance mean(count per bin) / (k n); the signal variance grows with the square of the gain.
One gain therefore gives the trial average any reliability between 0 and 1::

    c = S / (S + N),   S = gain**2 Var(x),   N = gain mean(x) / (k n)
    gain = c / (1 - c) * mean(x) / (k n Var(x))

with x the drive of the site in the window, mean and variance over the stimuli. A model without
noise that knows the site exactly correlates sqrt(c) with the measured average: the site's known
ceiling.
"""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from brainbench.core.errors import InputError, unknown
from brainbench.simulate.areas import BIN_MS, POPULATION, REGIONS

Array: TypeAlias = npt.NDArray[np.float64]

SITES = {"V1": 40, "V2": 40, "V4": 64, "IT": 96}
TRIALS = 20
WINDOW_MS = (70.0, 170.0)  # window in which the reliability of a site is chosen
RELIABILITY = (0.65, 0.94)  # range of the reliability of the trial average in that window

_WINDOW = slice(*(round(edge / BIN_MS) for edge in WINDOW_MS))
_UNITS_PER_SITE = (2, 5)
_SPONTANEOUS = {"V1": 0.8, "V2": 0.3, "V4": 0.1, "IT": 0.1}  # share of the mean evoked drive
_WEIGHT_GRID = 2.0**-8
_SAME = 1e-9  # a smaller standard deviation relative to the mean is rounding


@dataclass(frozen=True, eq=False)
class Sites:
    """Readouts of one region.

    Weights are (site, 96), few and positive for each site, multiples of 2**-8; the reliability c of the trial
    average in `WINDOW_MS` is (site,).
    """

    region: str
    weights: Array
    reliability: Array

    @property
    def known_ceiling(self) -> Array:
        """Correlation of the noiseless response with the measured average, sqrt(c), (site,)."""
        return np.asarray(np.sqrt(self.reliability))


@dataclass(frozen=True, eq=False)
class Readout:
    """Sites with the gain that gives them their reliability.

    The gain is in expected spikes per bin of 10 ms and unit of drive, `spontaneous` a constant drive, both
    (site,).
    """

    sites: Sites
    gain: Array
    spontaneous: Array


def draw_sites(
    region: str,
    *,
    seed: int = 0,
    n_sites: int | None = None,
    reliability: tuple[float, float] = RELIABILITY,
) -> Sites:
    """Draw the readouts of a region, by default of its default number of sites.

    Reliabilities are uniform between the two numbers of `reliability`. UnknownNameError for an unknown
    region, InputError for no sites or a reliability that is not between 0 and 1.
    """
    if region not in REGIONS:
        raise unknown("region", region, REGIONS, todo="choose one of these")
    n = SITES[region] if n_sites is None else n_sites
    if n < 1:
        raise InputError(f"{n} sites", allowed="1 or more", todo="ask for at least one site")
    low, high = reliability
    if not 0.0 < low <= high < 1.0:
        raise InputError(
            f"a reliability from {low} to {high}",
            allowed="0 < lowest <= highest < 1",
            todo="give a range of reliabilities, such as (0.65, 0.94)",
        )
    rng = _rng(seed, region, 0)
    weights = np.zeros((n, POPULATION))
    for site in weights:
        count = rng.integers(_UNITS_PER_SITE[0], _UNITS_PER_SITE[1] + 1)
        units = rng.choice(POPULATION, size=count, replace=False)
        site[units] = np.ceil(rng.uniform(0.2, 1.0, size=count) / _WEIGHT_GRID) * _WEIGHT_GRID
    return Sites(region=region, weights=weights, reliability=rng.uniform(low, high, size=n))


def calibrate(sites: Sites, population: Array, *, n_trials: int = TRIALS) -> Readout:
    """Return the gain of each site that gives it the chosen reliability over `n_trials` averaged trials.

    `population` is (stimulus, 96, time) of the same region, in bins of 10 ms from stimulus onset. The gain is
    exact for these stimuli: signal variance is the variance over them, with ddof 1. InputError for no trials,
    or a site that responds to all stimuli alike, which no gain could make reliable.
    """
    _check_trials(n_trials)
    evoked = np.matmul(sites.weights, population)
    n_bins = _WINDOW.stop - _WINDOW.start
    mean = evoked[:, :, _WINDOW].sum(axis=2).sum(axis=0) / (n_bins * len(evoked))
    spontaneous = _SPONTANEOUS[sites.region] * mean
    window = evoked[:, :, _WINDOW].sum(axis=2) / n_bins + spontaneous
    variance = np.array([_variance(site) for site in window.T])
    average = np.array([math.fsum(site) / len(site) for site in window.T])
    is_constant = variance <= (_SAME * average) ** 2
    if is_constant.any():
        raise InputError(
            f"{int(is_constant.sum())} of {len(is_constant)} sites of {sites.region} respond alike to all "
            f"{len(window)} stimuli",
            allowed="two or more stimuli that differ",
            todo="simulate more, or more varied, stimuli",
        )
    odds = sites.reliability / (1.0 - sites.reliability)
    gain = odds * average / (n_bins * n_trials * variance)
    return Readout(sites=sites, gain=gain, spontaneous=spontaneous)


def expected_counts(readout: Readout, population: Array) -> Array:
    """Return the expected spikes per bin of 10 ms, (stimulus, site, time): the truth behind the trials.

    `population` is (stimulus, 96, time) of the same region, for the stimuli of `calibrate` or others.
    """
    evoked = np.matmul(readout.sites.weights, population)
    return np.asarray((evoked + readout.spontaneous[:, None]) * readout.gain[:, None])


def draw_trials(
    expected: Array, *, region: str, seed: int = 0, n_trials: int = TRIALS, workers: int = 2
) -> npt.NDArray[np.uint8] | npt.NDArray[np.uint16]:
    """Draw Poisson counts, (trial, stimulus, site, time), uint8 or uint16 for large counts.

    The random stream depends on the seed, the region and the number of the trial: more trials do not change
    the first ones, and neither does the number of threads (`workers`). No trials are an InputError.
    """
    _check_trials(n_trials)

    def draw(trial: int) -> npt.NDArray[np.uint16]:
        return _rng(seed, region, 1, trial).poisson(expected).astype(np.uint16)

    with ThreadPoolExecutor(max_workers=max(1, workers)) as pool:
        counts = np.stack(list(pool.map(draw, range(n_trials))))
    return counts.astype(np.uint8) if counts.max() <= np.iinfo(np.uint8).max else counts


def _check_trials(n_trials: int) -> None:
    if n_trials < 1:
        raise InputError(
            f"{n_trials} trials", allowed="1 or more", todo="ask for at least one trial"
        )


def _variance(values: Array) -> float:
    """Return the variance with ddof 1 from exactly rounded sums, the same on every machine."""
    mean = math.fsum(values) / len(values)
    return math.fsum((values - mean) ** 2) / max(len(values) - 1, 1)


def _rng(seed: int, region: str, *purpose: int) -> np.random.Generator:
    entropy = [seed, 2000, REGIONS.index(region), *purpose]
    return np.random.default_rng(np.random.SeedSequence(entropy))
