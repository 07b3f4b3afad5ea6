"""Benchmark on the simulated subject: are a network's errors on single images those of the subject."""

from brainbench.interfaces import BEHAVIOUR, Benchmark
from brainbench.presentation import Presentation
from brainbench.procedures.behaviour import Behaviour

i2n = Benchmark(
    identifier="Simulated.behaviour-i2n",
    version=1,
    data="Simulated",
    region=BEHAVIOUR,
    window=(70, 170),
    presentation=Presentation(kind="pulse", on_ms=100, total_ms=250),
    procedure=Behaviour(n_splits=10),
    metric="I2n: Pearson r of normalised d' over images and distractors, of held-out read-outs",
    ceiling="split-half over the trials of each cell, Spearman-Brown corrected",
    citation="Procedure: Rajalingham et al., 2018, J. Neurosci.; Kubilius et al., 2019, NeurIPS; "
    "data: simulated by brainbench",
)
