"""Two generalization sets of Kubilius et al. 2019 (3.4): macaque IT of two more animals (Kar et al., 2018).

Kar2018hvm: new neurons on old images, 640 of MajajHong2015. Kar2018coco: new images, of whose sites those
with a split-half reliability of .9 or more count. Which statistic that was is not said: ours is that of the
ceiling, the mean over ten halves of the trials, Spearman-Brown corrected. Images were shown for 100 ms.
"""

from brainbench.core.presentation import Presentation
from brainbench_benchmarks._usual import USUAL, declare

HVM_PLS, COCO_PLS = (
    declare(
        data,
        "IT",
        "pls",
        USUAL["pls"],
        citation="Kar et al., 2018, bioRxiv, doi:10.1101/354753",
        window=(70, 170),
        presentation=Presentation(kind="pulse", on_ms=100, total_ms=250),
    )
    for data in ("Kar2018hvm", "Kar2018coco")
)
