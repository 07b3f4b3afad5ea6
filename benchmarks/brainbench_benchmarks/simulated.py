"""Benchmarks on the simulated brain and its behaving subject, whose truth is known.

Neural dynamics: four disjoint quarters of the images are held out in turn, so that every image counts; Nayebi
et al. held out one. The simulated sites have no response to a blank, so responses are not normalized by one.
A network without time is a square wave of 100 ms, from when the first spikes of the area's sites arrive.
"""

from brainbench.core.benchmark import Benchmark, MeasureOptions
from brainbench.core.presentation import Presentation
from brainbench.core.timeline import Span
from brainbench.scoring.behavior.i2n import I2n
from brainbench.scoring.dynamics.measure import Dynamics
from brainbench.scoring.regression.explained_variance import ExplainableVariance
from brainbench.scoring.regression.predictivity import Predictivity
from brainbench.scoring.similarity.measure import Similarity
from brainbench.scoring.solution_times.measure import SolutionTimes

LATENCY = {"V4": 70.0, "IT": 90.0}
"""First time bin of the area's response, in ms."""
SCORED = {"V4": (90.0, 220.0), "IT": (100.0, 250.0)}
"""Bins that dynamics are scored in, ms: the known reliability c of the median site is .2 or more there."""
KUBILIUS = "Kubilius et al., 2019, NeurIPS"
OF_TRIALS = "split-half over trials, Spearman-Brown corrected"
OF_FIGURE = "split-half over trials of the same figure, Spearman-Brown corrected"


def _declare(
    name: str,
    measure: MeasureOptions,
    *,
    version: int = 1,
    window: Span = (70, 170),
    metric: str,
    ceiling: str,
    citation: str,
) -> Benchmark:
    """Declare a benchmark, named after its region and its measure, on pictures shown for 100 ms."""
    return Benchmark(
        identifier=f"Simulated.{name}",
        version=version,
        data="Simulated",
        region=name.partition("-")[0],
        window=window,
        presentation=Presentation(kind="pulse", on_ms=100, total_ms=250),
        measure=measure,
        metric=metric,
        ceiling=ceiling,
        citation=f"Procedure: {citation}; data: simulated by brainbench",
    )


V1_pls, V2_pls, V4_pls, IT_pls = (
    _declare(
        f"{region}-pls",
        Predictivity(n_components=25, n_pca=1000, n_splits=10),
        metric="median Pearson r over sites of held-out PLS predictions",
        ceiling=OF_TRIALS,
        citation=KUBILIUS,
    )
    for region in ("V1", "V2", "V4", "IT")
)
V1_ccnorm2, V2_ccnorm2 = (
    _declare(
        f"{region}-ccnorm2",
        ExplainableVariance(variant="paper", metric="ridge-cv", n_splits=5),
        version=2,
        metric="mean CC_norm^2 over sites of held-out ridge predictions",
        ceiling="CC_max^2 of each site, from the signal power of its trials",
        citation="Zhang et al., 2020, appendix C.4; Schoppe et al., 2016, doi:10.3389/fncom.2016.00010",
    )
    for region in ("V1", "V2")
)
V1_ccnorm = _declare(
    "V1-ccnorm",
    ExplainableVariance(
        variant="paper", metric="ridge-cv", n_splits=5, aggregate="median", formula="r/sqrt(c)"
    ),
    metric="median CC_norm over sites of held-out ridge predictions, with its sign",
    ceiling="CC_max^2 of each site, from the signal power of its trials",
    citation="Zhang et al., 2020, appendix C.4; Schoppe et al., 2016, doi:10.3389/fncom.2016.00010",
)
V4_dynamics, IT_dynamics = (
    _declare(
        f"{region}-dynamics",
        Dynamics(n_splits=4, static_latency=latency, scored=SCORED[region]),
        version=2,
        window=(0, 250),
        metric="mean over time bins of median Pearson r over sites / sqrt(ceiling), one map for all bins",
        ceiling="Pearson split-half over trials in each time bin, Spearman-Brown corrected",
        citation="Nayebi et al., 2018, NeurIPS, supplement 6.6",
    )
    for region, latency in LATENCY.items()
)
IT_ost = _declare(
    "IT-ost",
    SolutionTimes(decoder="converged", bin_ms=10, n_splits=10),
    version=2,
    window=(70, 250),
    metric="Spearman r of object solution times of model and brain, over images that both solve",
    ceiling="solution times from halves of the trials, Spearman-Brown corrected",
    citation=f"Kar et al., 2019, Nat. Neurosci.; {KUBILIUS}",
)
IT_rsa = _declare(
    "IT-rsa",
    Similarity(metric="rsa"),
    metric="Spearman correlation of RDMs (1 - Pearson over units)",
    ceiling=OF_FIGURE,
    citation="Kriegeskorte, Mur & Bandettini, 2008, doi:10.3389/neuro.06.004.2008",
)
IT_cka = _declare(
    "IT-cka",
    Similarity(metric="cka"),
    metric="linear CKA with unbiased HSIC",
    ceiling=OF_FIGURE,
    citation="Kornblith et al., 2019, ICML; Song et al., 2012, JMLR 13",
)
behavior_i2n = _declare(
    "behavior-i2n",
    I2n(n_splits=10),
    version=2,
    metric="I2n: Pearson r of normalized d' over images and distractors, of held-out read-outs",
    ceiling="what simulated subjects reach, fitted to the trials of each cell, squared",
    citation=f"Rajalingham et al., 2018, J. Neurosci.; {KUBILIUS}",
)
