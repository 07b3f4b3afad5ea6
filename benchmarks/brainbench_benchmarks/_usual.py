"""The usual measures of recordings, declared once for the studies that they are used on."""

from __future__ import annotations

from dataclasses import dataclass

from brainbench.core.benchmark import Benchmark, MeasureOptions
from brainbench.core.presentation import Presentation
from brainbench.core.timeline import Span
from brainbench.scoring.regression.explained_variance import ExplainableVariance
from brainbench.scoring.regression.predictivity import Predictivity
from brainbench.scoring.regression.reverse import ReversePredictivity
from brainbench.scoring.similarity.measure import Similarity

_OF_TRIALS = "split-half over trials, Spearman-Brown corrected"
_OF_FIGURE = "split-half over trials of the same figure, Spearman-Brown corrected"


@dataclass(frozen=True, kw_only=True)
class Usual:
    """A measure with its options, in words, its ceiling, and whose procedure it is."""

    measure: MeasureOptions
    metric: str
    ceiling: str
    procedure: str


USUAL = {
    "pls": Usual(
        measure=Predictivity(n_components=25, n_pca=1000, n_splits=10),
        metric="median Pearson r over sites of held-out PLS predictions",
        ceiling=_OF_TRIALS,
        procedure="Kubilius et al., 2019, NeurIPS, 3.1",
    ),
    "ridge": Usual(
        measure=Predictivity(metric="ridge-cv", n_pca=None, n_splits=10),
        metric="median Pearson r over sites of held-out ridge predictions",
        ceiling=_OF_TRIALS,
        procedure="brainbench",
    ),
    "ccnorm2": Usual(
        measure=ExplainableVariance(variant="paper", metric="ridge-cv", n_splits=5),
        metric="mean CC_norm^2 over sites of held-out ridge predictions",
        ceiling="CC_max^2 of each site, from the signal power of its trials",
        procedure="Zhang et al., 2020, appendix C.4; Schoppe et al., 2016, doi:10.3389/fncom.2016.00010",
    ),
    "reverse": Usual(
        measure=ReversePredictivity(n_components=25, n_splits=10),
        metric="median Pearson r over units of the model of held-out ridge predictions from the sites",
        ceiling="none; under brainscore the consistency of the sites over halves of each image's trials",
        procedure="Muzellec & Kar, 2025, bioRxiv",
    ),
    "rsa": Usual(
        measure=Similarity(metric="rsa"),
        metric="Spearman correlation of RDMs (1 - Pearson over units)",
        ceiling=_OF_FIGURE,
        procedure="Kriegeskorte, Mur & Bandettini, 2008, doi:10.3389/neuro.06.004.2008",
    ),
    "cka": Usual(
        measure=Similarity(metric="cka"),
        metric="linear CKA with unbiased HSIC",
        ceiling=_OF_FIGURE,
        procedure="Kornblith et al., 2019, ICML; Song et al., 2012, JMLR 13",
    ),
}


def declare(
    study: str,
    region: str,
    name: str,
    usual: Usual,
    *,
    citation: str,
    window: Span,
    presentation: Presentation,
    data: str = "",
) -> Benchmark:
    """Declare STUDY.REGION-NAME, on the data of the study unless others are named."""
    return Benchmark(
        identifier=f"{study}.{region}-{name}",
        version=1,
        data=data or study,
        region=region,
        window=window,
        presentation=presentation,
        measure=usual.measure,
        metric=usual.metric,
        ceiling=usual.ceiling,
        citation=f"Data: {citation}; procedure: {usual.procedure}",
    )
