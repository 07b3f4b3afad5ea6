"""Benchmarks on the simulated brain: how well a network predicts sites whose truth is known."""

from brainbench.core.benchmark import Benchmark
from brainbench.core.presentation import Presentation
from brainbench.scoring.regression.predictivity import Predictivity


def _pls(region: str) -> Benchmark:
    return Benchmark(
        identifier=f"Simulated.{region}-pls",
        version=1,
        data="Simulated",
        region=region,
        window=(70, 170),
        presentation=Presentation(kind="pulse", on_ms=100, total_ms=250),
        measure=Predictivity(n_components=25, n_pca=1000, n_splits=10),
        metric="median Pearson r over sites of held-out PLS predictions",
        ceiling="split-half over trials, Spearman-Brown corrected",
        citation="Procedure: Kubilius et al., 2019, NeurIPS; data: simulated by brainbench",
    )


V1_pls, V2_pls, V4_pls, IT_pls = (_pls(region) for region in ("V1", "V2", "V4", "IT"))
