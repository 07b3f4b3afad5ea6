"""Benchmark on 92 object images: a model's RDM against that of monkey IT.

Spikes were counted in 140 ms from 71 ms after onset on (the study's methods); the window chooses a model's
step. The public files do not say how large an image was, nor for how long it was shown, so a constant image
stands in.
"""

from brainbench.core.benchmark import Benchmark
from brainbench.core.presentation import CONSTANT
from brainbench.scoring.similarity.measure import Similarity

IT_rsa = Benchmark(
    identifier="Kriegeskorte2008.IT-rsa",
    version=1,
    data="Kriegeskorte2008",
    region="IT",
    window=(71, 211),
    presentation=CONSTANT,
    measure=Similarity(metric="rsa", beside=("human IT", "judgements")),
    metric="Spearman correlation of RDMs (1 - Pearson over units) with that of 674 neurons of monkey IT",
    ceiling="none: one RDM of monkey IT; noise ceilings of human IT and of judgements are beside it",
    citation="Kriegeskorte et al., 2008, Neuron, doi:10.1016/j.neuron.2008.10.043",
)
