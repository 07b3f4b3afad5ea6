"""Benchmarks on the simulated brain that sees movies, for models that take movies.

A movie is 8 frames of 25 ms, then a blank to 250 ms. The window is late, when areas have seen several frames.
A model that takes no movies has no figure here: no picture stands for a movie.
"""

from brainbench.core.benchmark import Benchmark
from brainbench.core.presentation import Presentation
from brainbench.scoring.regression.predictivity import Predictivity

V4_pls, IT_pls = (
    Benchmark(
        identifier=f"SimulatedMovies.{region}-pls",
        version=1,
        data="SimulatedMovies",
        region=region,
        window=(150, 250),
        presentation=Presentation(kind="movie", total_ms=250),
        measure=Predictivity(n_components=25, n_pca=1000, n_splits=10),
        metric="median Pearson r over sites of held-out PLS predictions, of responses to movies",
        ceiling="split-half over trials, Spearman-Brown corrected",
        citation="Procedure: Kubilius et al., 2019, NeurIPS; data: simulated by brainbench",
    )
    for region in ("V4", "IT")
)
