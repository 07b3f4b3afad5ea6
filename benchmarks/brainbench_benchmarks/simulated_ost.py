"""Benchmark on the simulated brain: does a network solve images in the order in which its IT does."""

from brainbench.core.benchmark import Benchmark
from brainbench.core.presentation import Presentation
from brainbench.scoring.solution_times.measure import SolutionTimes

IT_ost = Benchmark(
    identifier="Simulated.IT-ost",
    version=1,
    data="Simulated",
    region="IT",
    window=(70, 250),
    presentation=Presentation(kind="pulse", on_ms=100, total_ms=250),
    measure=SolutionTimes(decoder="converged", bin_ms=10, n_splits=10),
    metric="Spearman r of object solution times of model and brain, over images that both solve",
    ceiling="solution times from halves of the trials, Spearman-Brown corrected",
    citation="Procedure: Kar et al., 2019, Nat. Neurosci.; Kubilius et al., 2019, NeurIPS; "
    "data: simulated by brainbench",
)
