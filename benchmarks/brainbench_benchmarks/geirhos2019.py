"""Benchmarks on cue-conflict images, edges and silhouettes: are a network's answers those of people.

The answers are one of 16 categories and each subject saw an image once, so that I2n has no figure here: see
"Behavior among many categories" in docs/measures.md. Images that share their shape's photograph are held
out together. Edges and silhouettes are of 160 objects, each with one image.

Images were shown for 200 ms, then a mask; the window is that time 70 ms later, a choice of ours that bears on
models with steps in time alone.
"""

from dataclasses import replace

from brainbench.core.benchmark import Benchmark
from brainbench.core.model import BEHAVIOR
from brainbench.core.presentation import Presentation
from brainbench.scoring.behavior.choices import CategoryChoices
from brainbench.scoring.behavior.error_consistency import ErrorConsistency
from brainbench.scoring.behavior.shape_bias import ShapeBias

cueconflict_choices = Benchmark(
    identifier="Geirhos2019.cueconflict-choices",
    version=1,
    data="Geirhos2019",
    region=BEHAVIOR,
    window=(70, 270),
    presentation=Presentation(kind="pulse", on_ms=200, total_ms=300),
    measure=CategoryChoices(group="exemplar", n_splits=10),
    metric="Pearson r over image x category of answers less the mean of each category, held-out read-out",
    ceiling="split-half over subjects, Spearman-Brown corrected",
    citation="Geirhos, Rubisch, Michaelis, Bethge, Wichmann & Brendel, 2019, ICLR",
)
cueconflict_consistency = Benchmark(
    identifier="Geirhos2019.cueconflict-consistency",
    version=1,
    data="Geirhos2019",
    region=BEHAVIOR,
    window=(70, 270),
    presentation=Presentation(kind="pulse", on_ms=200, total_ms=300),
    measure=ErrorConsistency(group="exemplar", n_splits=10),
    metric="error consistency: mean kappa over subjects of right and wrong answers, held-out read-out",
    ceiling="none; beside it the mean kappa over pairs of subjects, a reference (brainscore divides by it)",
    citation="Geirhos, Meding & Wichmann, 2020, NeurIPS; images and answers: Geirhos et al., 2019, ICLR",
)
cueconflict_shapebias = Benchmark(
    identifier="Geirhos2019.cueconflict-shapebias",
    version=1,
    data="Geirhos2019",
    region=BEHAVIOR,
    window=(70, 270),
    presentation=Presentation(kind="pulse", on_ms=200, total_ms=300),
    measure=ShapeBias(),
    metric="shape bias: shape answers over shape and texture answers, held-out read-out taught both alike",
    ceiling="none; beside it the shape bias of people, a reference",
    citation="Geirhos, Rubisch, Michaelis, Bethge, Wichmann & Brendel, 2019, ICLR",
)
edges_choices, silhouettes_choices = (
    replace(
        cueconflict_choices,
        identifier=f"Geirhos2019{kind}.behavior-choices",
        data=f"Geirhos2019{kind}",
        measure=CategoryChoices(n_splits=10),
    )
    for kind in ("edges", "silhouettes")
)
edges_consistency, silhouettes_consistency = (
    replace(
        cueconflict_consistency,
        identifier=f"Geirhos2019{kind}.behavior-consistency",
        data=f"Geirhos2019{kind}",
        measure=ErrorConsistency(n_splits=10),
    )
    for kind in ("edges", "silhouettes")
)
