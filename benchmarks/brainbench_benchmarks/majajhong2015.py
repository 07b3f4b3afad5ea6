"""Benchmarks on macaque V4 and IT, objects on natural backgrounds (Majaj, Hong, Solomon & DiCarlo, 2015).

MajajHong2015 is the half of the images that Brain-Score keeps for itself, as in Kubilius et al. 2019 (3.1),
MajajHong2015public the other one. Splits are stratified by object. Images were shown for 100 ms.

Dynamics read the files over time, as Nayebi et al. 2018: one quarter of the images of each object is held
out, and each of the arrays pIT, cIT and aIT has a layer of its own. `brainscore` has the bins from 0 to 10
ms before the end of the file.
"""

from brainbench.core.benchmark import Benchmark
from brainbench.core.presentation import Presentation
from brainbench.scoring.dynamics.measure import Dynamics
from brainbench_benchmarks._usual import USUAL, Usual, declare

MAJAJ = "Majaj, Hong, Solomon & DiCarlo, 2015, J. Neurosci., doi:10.1523/JNEUROSCI.5181-14.2015"
SHOWN = Presentation(kind="pulse", on_ms=100, total_ms=250)
OVER_TIME = {
    "MajajHong2015": "MajajHong2015temporalprivate",
    "MajajHong2015public": "MajajHong2015temporal",
}
STATIC_LATENCY = {"V4": 50.0, "IT": 70.0}
"""When a network without time begins to respond, ms: 10 for each layer before the one that Nayebi et al.
found for the array: 6 for V4, 8 for cIT and aIT."""
DYNAMICS = {
    region: Usual(
        measure=Dynamics(n_splits=1, static_latency=latency),
        metric="mean over reliable time bins of median Pearson r over sites / sqrt(ceiling), one map for all "
        "bins",
        ceiling="Pearson split-half over trials in each time bin, Spearman-Brown corrected",
        procedure="Nayebi et al., 2018, NeurIPS, supplement 6.6",
    )
    for region, latency in STATIC_LATENCY.items()
}

_DECLARED = (
    [
        declare(
            study, region, name, USUAL[name], citation=MAJAJ, window=(70, 170), presentation=SHOWN
        )
        for study in OVER_TIME
        for region in DYNAMICS
        for name in ("pls", "ridge", "rsa", "cka")
    ]
    + [
        declare(
            "MajajHong2015public",
            region,
            "reverse",
            USUAL["reverse"],
            citation=MAJAJ,
            window=(70, 170),
            presentation=SHOWN,
        )
        for region in DYNAMICS
    ]
    + [
        declare(
            study,
            region,
            "dynamics",
            dynamics,
            citation=MAJAJ,
            window=(0, 250),
            presentation=SHOWN,
            data=data,
        )
        for study, data in OVER_TIME.items()
        for region, dynamics in DYNAMICS.items()
    ]
)
BENCHMARKS = {benchmark.identifier: benchmark for benchmark in _DECLARED}


def __getattr__(identifier: str) -> Benchmark:
    if identifier not in BENCHMARKS:
        raise AttributeError(f"module {__name__!r} has no attribute {identifier!r}")
    return BENCHMARKS[identifier]
