"""Benchmarks on when macaque IT has solved an image (Kar, Kubilius, Schmidt, Issa & DiCarlo, 2019).

`Kar2019-ost` reads the file that Brain-Score keeps, `Kar2019authors-ost` the authors' own. The decoder, its
schedule and the bins of 10 ms from 70 to 250 ms are as published. No trials are: there is no ceiling from
data. `brainscore` divides by its convention of .79; `paper` does not divide.
"""

from dataclasses import replace

from brainbench.core.benchmark import Benchmark
from brainbench.core.presentation import Presentation
from brainbench.scoring.solution_times.measure import SolutionTimes

ost = Benchmark(
    identifier="Kar2019-ost",
    version=1,
    data="Kar2019",
    region="IT",
    window=(70, 250),
    presentation=Presentation(kind="pulse", on_ms=100, total_ms=250),
    measure=SolutionTimes(decoder="published", bin_ms=10, n_splits=10),
    metric="Spearman r of object solution times of model and brain, over images that both solve",
    ceiling=".79, the convention of Kar 2019 and Brain-Score: no trials are published",
    citation="Data: Kar et al., 2019, Nature Neuroscience, doi:10.1038/s41593-019-0392-5; procedure: "
    "Kubilius et al., 2019, NeurIPS, 3.3",
)
authors_ost = replace(ost, identifier="Kar2019authors-ost", data="Kar2019authors")
