"""Benchmarks on frames of films: macaque V1, six populations, films held out as wholes.

A frame was shown for 200 ms, then gray for 100 ms; spikes were counted in 200 ms from the latency of a
population on, 28 to 58 ms, whose mean the window begins with. Frames of a film are near copies at both
scales and in all categories: column `group` keeps them together, so that each of five folds holds two films
out.
"""

from dataclasses import replace

from brainbench.core.benchmark import Benchmark
from brainbench.core.presentation import Presentation
from brainbench.scoring.curvature.measure import Curvature
from brainbench.scoring.regression.explained_variance import ExplainableVariance
from brainbench.scoring.regression.predictivity import Predictivity

_OF_TRIALS = "split-half over trials, Spearman-Brown corrected"
_CITATION = (
    "Hénaff, Bai, Charlton, Nauhaus, Simoncelli & Goris, 2021, Nature Communications 12:5982"
)

V1_pls = Benchmark(
    identifier="Henaff2021.V1-pls",
    version=1,
    data="Henaff2021",
    region="V1",
    window=(42, 242),
    presentation=Presentation(kind="pulse", on_ms=200, total_ms=300),
    measure=Predictivity(n_splits=5),
    metric="median Pearson r over sites of PLS predictions of films that are held out",
    ceiling=_OF_TRIALS,
    citation=_CITATION,
)
V1_ridge = replace(
    V1_pls,
    identifier="Henaff2021.V1-ridge",
    measure=Predictivity(metric="ridge-cv", n_pca=None, n_splits=5),
    metric="median Pearson r over sites of ridge predictions of films that are held out",
)
V1_ccnorm2 = replace(
    V1_pls,
    identifier="Henaff2021.V1-ccnorm2",
    measure=ExplainableVariance(n_splits=5),
    metric="mean CC_norm^2 over sites of ridge predictions of films that are held out",
    ceiling="CC_max^2 of each site, from the signal power of its trials",
)
V1_curvature = replace(
    V1_pls,
    identifier="Henaff2021.V1-curvature",
    measure=Curvature(film=("scale", "film"), group="film"),
    metric="Pearson r over natural films of the curvature in a layer and in V1, cross-validated over trials",
    ceiling="none; the curvature of the pixels and the published estimates are beside it",
)
