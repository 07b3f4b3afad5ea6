"""Benchmark on macaque V4: four sessions, each with images and neurons of its own.

Images are 11.2 degrees wide, and spikes were counted from 50 to 150 ms: so the sessions were published again,
as Cowley2026 of Brain-Score (doi:10.1038/s41586-026-10150-1). The width is that of the data's stimuli. How
long an image was shown is not said: a constant image stands in. No principal components are taken
(docs/data.md).
"""

from brainbench.core.benchmark import Benchmark
from brainbench.core.presentation import CONSTANT
from brainbench.scoring.regression.explained_variance import ExplainableVariance
from brainbench.scoring.regression.predictivity import Predictivity

WINDOW = (50, 150)

V4_pls = Benchmark(
    identifier="Cowley2023.V4-pls",
    version=3,
    data="Cowley2023",
    region="V4",
    window=WINDOW,
    presentation=CONSTANT,
    measure=Predictivity(n_components=25, n_pca=None, n_splits=10),
    metric="median Pearson r over neurons of all sessions of held-out PLS predictions",
    ceiling="split-half over repeats, Spearman-Brown corrected, where repeats are published",
    citation="Cowley, Stan, Pillow & Smith, 2023, bioRxiv, doi:10.1101/2023.11.22.568315",
)

V4_ccnorm2 = Benchmark(
    identifier="Cowley2023.V4-ccnorm2",
    version=2,
    data="Cowley2023",
    region="V4",
    window=WINDOW,
    presentation=CONSTANT,
    measure=ExplainableVariance(variant="paper", metric="ridge-cv", n_splits=5),
    metric="mean CC_norm^2 over the neurons of session 210325, the only one with repeats, of held-out ridge "
    "predictions",
    ceiling="CC_max^2 of each neuron, from the signal power of its first six repeats",
    citation="Procedure: Zhang et al., 2020, appendix C.4; Schoppe et al., 2016, "
    "doi:10.3389/fncom.2016.00010; data: Cowley, Stan, Pillow & Smith, 2023, bioRxiv, "
    "doi:10.1101/2023.11.22.568315",
)

V4_ccnorm = Benchmark(
    identifier="Cowley2023.V4-ccnorm",
    version=1,
    data="Cowley2023",
    region="V4",
    window=(70, 170),
    presentation=CONSTANT,
    measure=ExplainableVariance(
        variant="paper", metric="ridge-cv", n_splits=5, aggregate="median", formula="r/sqrt(c)"
    ),
    metric="median CC_norm, with its sign, over the neurons of session 210325, the only one with repeats, of "
    "held-out ridge predictions",
    ceiling=V4_ccnorm2.ceiling,
    citation=V4_ccnorm2.citation,
)

V4_ridge = Benchmark(
    identifier="Cowley2023.V4-ridge",
    version=3,
    data="Cowley2023",
    region="V4",
    window=WINDOW,
    presentation=CONSTANT,
    measure=Predictivity(metric="ridge-cv", n_pca=None, n_splits=10),
    metric="median Pearson r over neurons of all sessions of held-out ridge predictions",
    ceiling="split-half over repeats, Spearman-Brown corrected, where repeats are published",
    citation="Cowley, Stan, Pillow & Smith, 2023, bioRxiv, doi:10.1101/2023.11.22.568315",
)
