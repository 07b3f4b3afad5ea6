"""Benchmarks on the simulated brain: how well a network's own dynamics predict sites over 250 ms.

Four disjoint quarters of the images are held out in turn, so that every image counts; Nayebi et al. held out
one. The simulated sites have no response to a blank, so responses are not normalized by one. A network
without time is a square wave of 100 ms, from when the first spikes of the area's sites arrive.
"""

from brainbench.core.benchmark import Benchmark
from brainbench.core.presentation import Presentation
from brainbench.scoring.dynamics.measure import Dynamics

LATENCY = {"V4": 70.0, "IT": 90.0}
"""First time bin of the area's response, in ms."""


def _dynamics(region: str) -> Benchmark:
    return Benchmark(
        identifier=f"Simulated.{region}-dynamics",
        version=1,
        data="Simulated",
        region=region,
        window=(0, 250),
        presentation=Presentation(kind="pulse", on_ms=100, total_ms=250),
        measure=Dynamics(n_splits=4, static_latency=LATENCY[region]),
        metric="mean over time bins of median Pearson r over sites / sqrt(ceiling), one map for all bins",
        ceiling="Spearman split-half over trials in each time bin, Spearman-Brown corrected",
        citation="Procedure: Nayebi et al., 2018, NeurIPS, supplement 6.6; data: simulated by brainbench",
    )


V4_dynamics, IT_dynamics = _dynamics("V4"), _dynamics("IT")
