"""Benchmarks on the simulated brain: are images that are alike to IT alike to a network, without a map."""

from brainbench.core.benchmark import Benchmark
from brainbench.core.presentation import Presentation
from brainbench.scoring.similarity.measure import Similarity


def _similarity(name: str, measure: Similarity, metric: str, citation: str) -> Benchmark:
    return Benchmark(
        identifier=f"Simulated.IT-{name}",
        version=1,
        data="Simulated",
        region="IT",
        window=(70, 170),
        presentation=Presentation(kind="pulse", on_ms=100, total_ms=250),
        measure=measure,
        metric=metric,
        ceiling="split-half over trials of the same figure, Spearman-Brown corrected",
        citation=f"Procedure: {citation}; data: simulated by brainbench",
    )


IT_rsa = _similarity(
    "rsa",
    Similarity(metric="rsa"),
    "Spearman correlation of RDMs (1 - Pearson over units)",
    "Kriegeskorte, Mur & Bandettini, 2008, doi:10.3389/neuro.06.004.2008",
)
IT_cka = _similarity(
    "cka",
    Similarity(metric="cka"),
    "linear CKA with unbiased HSIC",
    "Kornblith et al., 2019, ICML; Song et al., 2012, JMLR 13",
)
