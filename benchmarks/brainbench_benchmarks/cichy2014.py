"""Benchmarks on 92 object images: a model's RDM against those of 15 people, measured with fMRI.

Images were shown for 500 ms (the study's methods), and fMRI has no times within a trial: the window, that
time 70 ms later, is a choice of ours that bears on models with steps in time alone. Early visual cortex is V1
to V3; of a model its layers of V1 are taken unless --layers EVC=LAYER names others.
"""

from dataclasses import replace

from brainbench.core.benchmark import Benchmark
from brainbench.core.presentation import CONSTANT
from brainbench.scoring.similarity.measure import Similarity

EVC_rsa = Benchmark(
    identifier="Cichy2014.EVC-rsa",
    version=1,
    data="Cichy2014",
    region="EVC",
    window=(70, 570),
    presentation=CONSTANT,
    measure=Similarity(metric="rsa"),
    metric="mean over people of the Spearman correlation of RDMs (1 - Pearson over units)",
    ceiling="lower bound of the noise ceiling over 15 people (Nili et al. 2014); the upper one is beside it",
    citation="Cichy, Pantazis & Oliva, 2014, Nature Neuroscience, doi:10.1038/nn.3635",
)
IT_rsa = replace(EVC_rsa, identifier="Cichy2014.IT-rsa", region="IT")
