"""Generalization sets of Kubilius et al. 2019 (3.4): new neurons, new images, new objects.

Kar2018hvm has new neurons of two more animals on old images, 640 of MajajHong2015. Kar2018coco has new
images, of whose sites those with an internal consistency of .9 or more count. Which statistic that was is
not said: ours is the split-half over trials of the ceiling, mean over ten halves. Kubilius2019objects has
choices between 20 new objects. Its authors have it; on which images the read-out was trained is not said,
so that it is cross-validated. Images were shown for 100 ms.
"""

from brainbench.core.benchmark import Benchmark
from brainbench.core.presentation import Presentation
from brainbench.scoring.behavior.i2n import I2n
from brainbench_benchmarks._usual import USUAL, declare

SHOWN = Presentation(kind="pulse", on_ms=100, total_ms=250)

NEURONS_PLS, IMAGES_PLS = (
    declare(
        data,
        "IT",
        "pls",
        USUAL["pls"],
        citation="Kar et al., 2018, bioRxiv, doi:10.1101/354753",
        window=(70, 170),
        presentation=SHOWN,
    )
    for data in ("Kar2018hvm", "Kar2018coco")
)
OBJECTS_I2N = Benchmark(
    identifier="Kubilius2019objects-i2n",
    version=1,
    data="Kubilius2019objects",
    region="behavior",
    window=(70, 170),
    presentation=SHOWN,
    measure=I2n(n_splits=10),
    metric="I2n: Pearson r of normalized d' over images and distractors, of held-out read-outs",
    ceiling="what simulated subjects reach, fitted to the trials of each cell, squared",
    citation="Data: Kubilius et al., 2019, NeurIPS, 3.4; procedure: Rajalingham et al., 2018, J. Neurosci.",
)
