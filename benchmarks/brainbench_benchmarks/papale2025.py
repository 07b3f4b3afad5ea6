"""Benchmarks on V1, V4 and IT of two macaques (TVSD): 22,248 training images of THINGS and 100 test images.

One map for each site, fitted to the training images; ceilings are those of the 30 trials of the test images.
The recordings have no time: 70 to 170 ms, which Brain-Score's files state for all regions, is nominal. How
long an image was shown is not in the files: a constant image stands in. No principal components are taken
(docs/data.md).
"""

from brainbench.core.benchmark import Benchmark
from brainbench.core.presentation import CONSTANT
from brainbench.scoring.regression.predictivity import Predictivity

_MAPS = {
    "pls": (
        Predictivity(n_components=25, n_pca=None, division="published"),
        "median Pearson r over sites of PLS predictions of the test images",
    ),
    "ridge": (
        Predictivity(metric="ridge-cv", n_pca=None, division="published"),
        "median Pearson r over sites of ridge predictions of the test images, penalty of each site chosen on "
        "a tenth of the training images",
    ),
}


def _declared(region: str, name: str) -> Benchmark:
    measure, metric = _MAPS[name]
    return Benchmark(
        identifier=f"Papale2025.{region}-{name}",
        version=1,
        data="Papale2025",
        region=region,
        window=(70, 170),
        presentation=CONSTANT,
        measure=measure,
        metric=metric,
        ceiling="split-half over the 30 trials of the test images, Spearman-Brown corrected",
        citation="Papale et al., 2025, Neuron, doi:10.1016/j.neuron.2024.12.003",
    )


V1_pls, V4_pls, IT_pls = (_declared(region, "pls") for region in ("V1", "V4", "IT"))
V1_ridge, V4_ridge, IT_ridge = (_declared(region, "ridge") for region in ("V1", "V4", "IT"))
