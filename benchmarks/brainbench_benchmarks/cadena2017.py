"""Benchmarks on macaque V1, natural images and textures (Cadena et al., 2019, named after its preprint).

Spikes from 40 to 100 ms. Images that some neuron never saw are left out, as in Brain-Score; splits are not
stratified. How long an image was shown is not said in what is published with the file: a constant image
stands in. Trials are unequal, so that the signal power of a neuron is that of all of them.
"""

from dataclasses import replace

from brainbench.core.presentation import CONSTANT
from brainbench.scoring.regression.explained_variance import ExplainableVariance
from brainbench_benchmarks._usual import USUAL, declare

UNEQUAL = replace(
    USUAL["ccnorm2"],
    measure=ExplainableVariance(variant="paper", metric="ridge-cv", n_splits=5, trials="all"),
)

V1_pls, V1_ridge, V1_ccnorm2 = (
    declare(
        "Cadena2017",
        "V1",
        name,
        usual,
        citation="Cadena et al., 2019, PLoS Comput. Biol. 15:e1006897, doi:10.1371/journal.pcbi.1006897",
        window=(40, 100),
        presentation=CONSTANT,
    )
    for name, usual in (("pls", USUAL["pls"]), ("ridge", USUAL["ridge"]), ("ccnorm2", UNEQUAL))
)
