"""Benchmarks on the simulated brain: how much of the reproducible variance of V1 and V2 is explained."""

from brainbench.core.benchmark import Benchmark
from brainbench.core.presentation import Presentation
from brainbench.scoring.regression.explained_variance import ExplainableVariance


def _ccnorm(region: str) -> Benchmark:
    return Benchmark(
        identifier=f"Simulated.{region}-ccnorm2",
        version=1,
        data="Simulated",
        region=region,
        window=(70, 170),
        presentation=Presentation(kind="pulse", on_ms=100, total_ms=250),
        measure=ExplainableVariance(variant="paper", metric="ridge-cv", n_splits=5),
        metric="mean CC_norm^2 over sites of held-out ridge predictions",
        ceiling="CC_max^2 of each site, from the signal power of its trials",
        citation="Procedure: Zhang et al., 2020, appendix C.4; Schoppe et al., 2016, "
        "doi:10.3389/fncom.2016.00010; data: simulated by brainbench",
    )


V1_ccnorm2, V2_ccnorm2 = _ccnorm("V1"), _ccnorm("V2")
