"""Benchmarks on choices of people between two objects, 24 objects in all (Rajalingham et al., 2018).

`i2n` and `i1` of the 240 images of which people were asked most are read out as published: one read-out,
fitted to the other 2,160 images. `-cv` cross-validates over all 2,400 images. The public trials are of the
2,160 images themselves, of which a read-out that is fitted to all would have seen each: there it is
cross-validated.

Images were shown for 100 ms; the window is that time 70 ms later.
"""

from dataclasses import replace

from brainbench.core.benchmark import Benchmark
from brainbench.core.model import BEHAVIOR
from brainbench.core.presentation import Presentation
from brainbench.scoring.behavior.i2n import I2n

_I2N = "I2n: Pearson r of normalized d' over images and distractors"
_I1 = "I1: Pearson r of d' over images, mean over distractors"
_ONE = ", one read-out of the images without trials"
_FOLDS = ", held-out read-outs"

private_i2n = Benchmark(
    identifier="Rajalingham2018-i2n",
    version=1,
    data="Rajalingham2018",
    region=BEHAVIOR,
    window=(70, 170),
    presentation=Presentation(kind="pulse", on_ms=100, total_ms=200),
    measure=I2n(fitted_on="images without trials"),
    metric=_I2N + _ONE,
    ceiling="what simulated subjects reach, fitted to the trials of each cell, squared",
    citation="Rajalingham, Issa, Bashivan, Kar, Schmidt & DiCarlo, 2018, Journal of Neuroscience, "
    "doi:10.1523/JNEUROSCI.0388-18.2018",
)
private_i1 = replace(
    private_i2n,
    identifier="Rajalingham2018-i1",
    measure=I2n(level="i1", fitted_on="images without trials"),
    metric=_I1 + _ONE,
)
private_i2n_cv = replace(
    private_i2n, identifier="Rajalingham2018-i2n-cv", measure=I2n(), metric=_I2N + _FOLDS
)
private_i1_cv = replace(
    private_i2n, identifier="Rajalingham2018-i1-cv", measure=I2n(level="i1"), metric=_I1 + _FOLDS
)
public_i2n = replace(
    private_i2n_cv, identifier="Rajalingham2018public-i2n", data="Rajalingham2018public"
)
public_i1 = replace(
    private_i1_cv, identifier="Rajalingham2018public-i1", data="Rajalingham2018public"
)
