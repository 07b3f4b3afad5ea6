"""Benchmark on the simulated subject: are a network's errors on single images those of the subject."""

from brainbench.core.benchmark import Benchmark
from brainbench.core.model import BEHAVIOR
from brainbench.core.presentation import Presentation
from brainbench.scoring.behavior.i2n import I2n

i2n = Benchmark(
    identifier="Simulated.behavior-i2n",
    version=1,
    data="Simulated",
    region=BEHAVIOR,
    window=(70, 170),
    presentation=Presentation(kind="pulse", on_ms=100, total_ms=250),
    measure=I2n(n_splits=10),
    metric="I2n: Pearson r of normalized d' over images and distractors, of held-out read-outs",
    ceiling="split-half over the trials of each cell, Spearman-Brown corrected",
    citation="Procedure: Rajalingham et al., 2018, J. Neurosci.; Kubilius et al., 2019, NeurIPS; "
    "data: simulated by brainbench",
)
